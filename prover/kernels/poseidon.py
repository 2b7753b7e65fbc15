"""Poseidon along the log: the chain of a device, and the hash columns of a trace."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from circuits.chain import ROLE_CONSTANTS
from circuits.field import P
from circuits.gadgets.log_hash import COLUMN_COUNT, ROW_ROLES
from circuits.poseidon import FULL_ROUNDS_EACH_SIDE, MDS, PARTIAL_ROUNDS, WIDTH
from circuits.poseidon_constants import ROUND_CONSTANTS
from prover.kernels.montgomery import Words

_P = np.uint64(P)
_CONSTANTS = np.array(ROUND_CONSTANTS, dtype=np.uint64)
_MDS_COLUMNS = np.ascontiguousarray(MDS.T)
_ROUNDS = 2 * FULL_ROUNDS_EACH_SIDE + PARTIAL_ROUNDS
_LAST_PARTIAL = FULL_ROUNDS_EACH_SIDE + PARTIAL_ROUNDS
_ROLES = np.stack([ROLE_CONSTANTS[role] for role in ROW_ROLES])
_HALF = WIDTH // 2


@njit(cache=True)
def _cube(a: Any) -> Any:
    return a * a % _P * a % _P


@njit(cache=True)
def _mix(state: Any, mixed: Any) -> None:
    """state := MDS * state; entries are at most 101, so sums stay below 16 * 101 * 2^31 < 2^42."""
    for i in range(WIDTH):
        mixed[i] = np.uint64(0)
    for j in range(WIDTH):
        value = state[j]
        for i in range(WIDTH):
            mixed[i] += _MDS_COLUMNS[j, i] * value
    for i in range(WIDTH):
        state[i] = mixed[i] % _P


@njit(cache=True)
def _step(chain: Any, block: Any, role: Any, cells: Any, state: Any, mixed: Any) -> None:
    """Absorb one block into ``chain``; ``cells`` receives what the trace commits."""
    for k in range(_HALF):
        cells[k] = chain[k]
        cells[_HALF + k] = block[k]
        state[k] = (chain[k] + _ROLES[role, k]) % _P
        state[_HALF + k] = np.uint64(block[k])
    at = WIDTH
    for r in range(_ROUNDS):
        for k in range(WIDTH):
            state[k] = (state[k] + _CONSTANTS[r, k]) % _P
        if FULL_ROUNDS_EACH_SIDE <= r < _LAST_PARTIAL:
            state[0] = _cube(state[0])
            cells[at] = state[0]
            at += 1
            _mix(state, mixed)
        else:
            for k in range(WIDTH):
                state[k] = _cube(state[k])
            _mix(state, mixed)
            if r != _ROUNDS - 1:
                for k in range(WIDTH):
                    cells[at + k] = state[k]
                at += WIDTH
    for k in range(_HALF):
        chain[k] = (state[k] + chain[k]) % _P


@njit(cache=True)
def _fill(columns: Any, chain: Any, blocks: Any, roles: Any, rows: int) -> None:
    state = np.empty(WIDTH, dtype=np.uint64)
    mixed = np.empty(WIDTH, dtype=np.uint64)
    cells = np.empty(COLUMN_COUNT, dtype=np.uint64)
    empty = np.zeros(_HALF, dtype=np.uint32)
    for row in range(rows):
        block = blocks[row] if row < blocks.shape[0] else empty
        role = roles[row] if row < blocks.shape[0] else np.uint8(0)
        _step(chain, block, role, cells, state, mixed)
        for k in range(COLUMN_COUNT):
            columns[k, row] = np.uint32(cells[k])


@njit(cache=True)
def _chain(chain: Any, blocks: Any, roles: Any, out: Any) -> None:
    state = np.empty(WIDTH, dtype=np.uint64)
    mixed = np.empty(WIDTH, dtype=np.uint64)
    cells = np.empty(COLUMN_COUNT, dtype=np.uint64)
    for row in range(blocks.shape[0]):
        _step(chain, blocks[row], roles[row], cells, state, mixed)
        for k in range(_HALF):
            out[row, k] = np.uint32(chain[k])


def fill_log_hash(
    columns: Words, start: NDArray[Any], blocks: Words, roles: NDArray[np.uint8], rows: int
) -> None:
    """Fill the 148 hash columns of rows 0..rows-1 (see ``circuits.gadgets.log_hash``).

    ``roles`` are indices into ``ROW_ROLES``, one per block; rows behind the blocks absorb zeros as
    data.
    """
    _require_roles(blocks, roles)
    _fill(columns, np.array(start, dtype=np.uint64), blocks, roles, rows)


def chain_rows(start: NDArray[Any], blocks: Words, roles: NDArray[np.uint8]) -> Words:
    """The chain value after each block, (rows, 8); ``roles`` as for ``fill_log_hash``."""
    _require_roles(blocks, roles)
    out = np.empty((len(blocks), _HALF), dtype=np.uint32)
    _chain(np.array(start, dtype=np.uint64), blocks.astype(np.uint32), roles, out)
    return out


def _require_roles(blocks: Words, roles: NDArray[np.uint8]) -> None:
    """The kernels index by roles without bounds checks."""
    if len(roles) != len(blocks) or (len(roles) and roles.max() >= len(ROW_ROLES)):
        raise ValueError("one known role per block")
