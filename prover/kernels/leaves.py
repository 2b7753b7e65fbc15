"""Columns extended to the evaluation domain and hashed, group by group.

A leaf's digest absorbs its row group by group, so a coset's leaves grow while its groups are
transformed one after the other: what a pass of the transform leaves in the first-level cache is
hashed there, and no coset has to be in memory as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import get_num_threads, njit, prange

from prover.kernels import vector
from prover.kernels.blake2s import initial_state
from prover.kernels.expansion import COUNTER_END, KEY_END, SEED_BYTES, key_block
from prover.kernels.montgomery import Words, aligned
from prover.kernels.ntt import (
    BLOCK_ROWS,
    STRIP_ROWS,
    blocks_up,
    coset_tables,
    strip_buffer,
    strip_up,
)
from prover.kernels.vector import LANES
from verifier.kernel.merkle import LEAF_PERSON

_ALL_ONES = np.uint32(0xFFFFFFFF)
_ZERO = np.uint32(0)
_WORD = np.uint64(0xFFFFFFFF)


@njit(cache=True)
def _batch(place: int, parts: int, batches: int) -> Any:
    """The rows, in sixteens, whose state is at ``place``: those of a strip lie side by side."""
    return place % parts * (batches // parts) + place // parts


@njit(cache=True)
def _absorb(state: Any, message: Any, end: Any, final: Any) -> None:
    """A function of its own, so that the block function is compiled once."""
    vector.compress_lanes(state, message, 0, end, final)


@njit(cache=True)
def _absorb_salts(
    states: Any, parts: int, start: Any, keyed: Any, message: Any, coset: int, cosets: int
) -> None:
    """Salt number i is ``expansion.digest(seed, i)``; sixteen are made and absorbed at a time.

    ``message`` is (16, 16), the lower half zeros.
    """
    batches = states.shape[0]
    for place in range(batches):
        state, first = states[place], _batch(place, parts, batches) * LANES
        for k in range(8):
            vector.store(state, k * LANES, vector.load(keyed, k * LANES))
            message[k, :] = 0
        for lane in range(LANES):
            number = np.uint64((first + lane) * cosets + coset)
            message[0, lane] = np.uint32(number & _WORD)
            message[1, lane] = np.uint32(number >> np.uint64(32))
        _absorb(state, message, COUNTER_END, _ALL_ONES)
        for k in range(8):
            vector.store(message, k * LANES, vector.load(state, k * LANES))
            state[k, :] = start[k]
        _absorb(state, message, KEY_END, _ZERO)


@njit(cache=True)
def _absorb_group(
    source: Any,
    x: Any,
    keep: bool,
    table: Any,
    states: Any,
    count: Any,
    final: Any,
) -> None:
    """Extend one group to ``x``, absorb its rows; only if ``keep``, they are left in ``x``."""
    rows = source.shape[0]
    block = blocks_up(source, x, table)
    parts = rows // block
    buffer = strip_buffer(parts) if parts > 1 else x
    for first in range(0, block, STRIP_ROWS):
        if parts > 1:
            strip_up(x, block, first, table, buffer)
        place = first // STRIP_ROWS * parts
        for part in range(parts):
            at = part * STRIP_ROWS if parts > 1 else first
            vector.compress_rows(states[place + part], buffer, at * LANES, count, final)
            if keep and parts > 1:
                for row in range(STRIP_ROWS):
                    value = vector.load(buffer, (at + row) * LANES)
                    vector.store(x, (part * block + first + row) * LANES, value)


@njit(cache=True, parallel=True)
def _leaves(
    coefficients: Any,
    columns: int,
    tables: Any,
    start: Any,
    key_start: Any,
    key: Any,
    scratch: Any,
    kept: Any,
    places: Any,
    states: Any,
    out: Any,
) -> None:
    groups, rows, _ = coefficients.shape
    cosets, workers, batches = tables.shape[0], states.shape[0], states.shape[1]
    parts = rows // min(rows, BLOCK_ROWS)
    for worker in prange(workers):
        own = states[worker]
        keyed = np.empty((8, LANES), dtype=np.uint32)
        message = np.zeros((LANES, LANES), dtype=np.uint32)
        for k in range(8):
            keyed[k, :], message[k, :] = key_start[k], key[k]
        _absorb(keyed, message, KEY_END, _ZERO)
        for coset in range(worker, cosets, workers):
            place = places[coset]
            keep = place >= 0
            _absorb_salts(own, parts, start, keyed, message, coset, cosets)
            for group in range(groups):
                last = group == groups - 1
                size = 4 * columns if last else 64 * (group + 1)
                count, final = np.uint32(KEY_END + size), _ALL_ONES if last else _ZERO
                x = kept[place, group] if keep else scratch[worker]
                _absorb_group(coefficients[group], x, keep, tables[coset], own, count, final)
            for at in range(batches):
                first = _batch(at, parts, batches) * LANES
                for lane in range(LANES):
                    for k in range(8):
                        out[(first + lane) * cosets + coset, k] = own[at, k, lane]


def extended_leaves(
    coefficients: Words,
    columns: int,
    shift: int,
    blowup: int,
    seed: bytes,
    keep: Sequence[int] = (),
) -> tuple[Words, Words]:
    """Salted leaf digests (blowup * rows, 8) of the extension, in natural order, and what is kept.

    ``coefficients`` (groups, rows, 16) are bit-reversed, of which ``columns`` columns are real;
    salt number i is ``expansion.digest(seed, i)``. Kept are these cosets, (cosets, groups, rows,
    16). Rows come in sixteens (``ValueError`` otherwise): that many are hashed in lockstep.
    """
    groups, rows, _ = coefficients.shape
    if rows % LANES:
        raise ValueError(f"{rows} rows are not a multiple of {LANES}")
    workers = min(blowup, get_num_threads())
    places = np.full(blowup, -1, dtype=np.int64)
    places[list(keep)] = np.arange(len(keep))
    kept = aligned((len(keep), groups, rows, LANES))
    out = np.empty((blowup * rows, 8), dtype=np.uint32)
    _leaves(
        coefficients,
        columns,
        coset_tables(rows, shift, blowup, range(blowup)),
        initial_state(LEAF_PERSON, SEED_BYTES),
        *key_block(seed),
        aligned((workers, rows, LANES)),
        kept,
        places,
        aligned((workers, rows // LANES, 8, LANES)),
        out,
    )
    return out, kept
