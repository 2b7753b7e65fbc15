"""Poseidon along the log: the chain of a device, and the hash columns of a trace.

A chain is serial, but the checkpoints of a claim tell where each of its windows starts: so the rows
are filled in pieces, sixteen of them in lockstep, or alone where too few are left or one is long.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
from numba import njit
from numpy.typing import NDArray

from circuits.field import P
from circuits.gadgets.log_hash import COLUMN_COUNT, ROW_ROLES
from circuits.poseidon import FULL_ROUNDS_EACH_SIDE, PARTIAL_ROUNDS, WIDTH
from prover.kernels import montgomery, vector
from prover.kernels import poseidon_rounds as rounds
from prover.kernels.montgomery import Words
from prover.kernels.poseidon_tables import (
    ARGUMENTS,
    FACTORS_OF_NEXT,
    FIRST_OUTPUT,
    FORM_COLUMNS,
    FORM_ROWS,
    FORMS,
    FULL_CONSTANTS,
    ONE,
    ROLES,
    STATE_BEHIND,
)
from prover.kernels.vector import LANES

_HALF = WIDTH // 2
_FULL = FULL_ROUNDS_EACH_SIDE
# where a row's cells lie: chain value and block, states after full rounds, S-box outputs, states
_BEFORE = WIDTH
_SBOX = _BEFORE + _FULL * WIDTH
_BEHIND = _SBOX + PARTIAL_ROUNDS
_STATE = COLUMN_COUNT  # behind a row's cells, for the state on its way in and out
_CELLS = _STATE + WIDTH
_SOURCES = np.array(
    [_STATE, *range(_BEFORE, _SBOX - WIDTH, WIDTH), _STATE, *range(_BEHIND, _STATE, WIDTH)]
)
_TARGETS = np.array([*range(_BEFORE, _SBOX, WIDTH), *range(_BEHIND, _STATE, WIDTH), _STATE])
# rows until cells are written to their columns: runs that are long, from a buffer that fits L2
_TILE = 80
# sixteen chains in lockstep take as long as so many alone
_LOCKSTEP = 6
_CUBED = np.uint32(montgomery.R**3 % P)
_P32, _P64 = np.uint32(P), np.uint64(P)
_LIMIT = np.uint64(P << 32)
_SHIFT = np.uint64(32)
_NEGATIVE_INVERSE = np.uint32(-pow(P, -1, 2**32) % 2**32)


@njit(inline="always")
def _reduce(total: Any) -> Any:
    """total / 2^32 mod p for total < 2^32 p; with the multiple of p it stays below 2^33 p."""
    factor = np.uint64(np.uint32(np.uint32(total) * _NEGATIVE_INVERSE))
    reduced = np.uint32((total + factor * _P64) >> _SHIFT)
    return min(reduced, np.uint32(reduced - _P32))


@njit(inline="always")
def _partial_rounds_of_lanes(cells: Any, base: Any, arguments: Any) -> None:
    for k in range(WIDTH):
        entering = vector.load(cells, base + (_SBOX - WIDTH + k) * LANES)
        rounds.store_argument(arguments, k, entering)
    for r in range(PARTIAL_ROUNDS):
        count = (FIRST_OUTPUT + r + 3) // 4 * 4
        output = rounds.cube(rounds.form(FORM_ROWS, r, arguments, count))
        vector.store(cells, base + (_SBOX + r) * LANES, output)
        rounds.store_argument(arguments, FIRST_OUTPUT + r, output)
    for k in range(WIDTH):
        behind = rounds.form(FORM_ROWS, STATE_BEHIND + k, arguments, ARGUMENTS)
        vector.store(cells, base + (_STATE + k) * LANES, behind)


@njit(inline="always")
def _permute_lanes(cells: Any, base: Any, arguments: Any) -> None:
    """The permutation of sixteen states; ``cells`` from ``base`` on receives what rows commit."""
    for r in range(2 * _FULL):
        if r == _FULL:
            _partial_rounds_of_lanes(cells, base, arguments)
        source, target = base + _SOURCES[r] * LANES, base + _TARGETS[r] * LANES
        rounds.full_round_of_lanes(cells, source, target, FULL_CONSTANTS, r * WIDTH)


@njit(inline="always")
def _partial_rounds_of_state(state: Any, cells: Any, row: Any, totals: Any) -> Any:
    rounds.begin_forms(FORM_COLUMNS, totals, state)
    x = _reduce(totals[0])
    for r in range(PARTIAL_ROUNDS):
        square = montgomery.multiply(x, x)
        output = montgomery.multiply(square, montgomery.multiply(x, _CUBED))
        # the next input does not wait for this output
        step = np.uint64(square) * np.uint64(montgomery.multiply(x, FACTORS_OF_NEXT[r]))
        total = totals[r + 1] + step
        x = _reduce(min(total, total - _LIMIT))
        cells[row, _SBOX + r] = output
        for block in range((r + 2) // _HALF, FORMS // _HALF):
            rounds.add_to_forms(FORM_COLUMNS, FIRST_OUTPUT + r, totals, block, output)
    return rounds.state_behind(totals)


@njit(inline="always")
def _permute_state(state: Any, cells: Any, row: Any, totals: Any) -> Any:
    """The permutation of one state; a row of ``cells`` receives what a row commits."""
    for r in range(2 * _FULL):
        if r == _FULL:
            state = _partial_rounds_of_state(state, cells, row, totals)
        state = rounds.full_round_of_state(state, vector.load(FULL_CONSTANTS, r * WIDTH))
        vector.store(cells, row * _CELLS + _TARGETS[r], state)
    return state


@njit(inline="always")
def _gather_lane(
    cells: Any, lane: int, blocks: Any, roles: Any, first: int, count: int, steps: int
) -> None:
    """A lane's next blocks, and what enters the permutation with them."""
    for step in range(steps):
        row = first + step
        given = step < count and row < blocks.shape[0]
        role = roles[row] if given else np.uint8(0)
        for k in range(_HALF):
            word = blocks[row, k] if given else np.uint32(0)
            cells[step, _HALF + k, lane] = word
            cells[step, _STATE + k, lane] = ROLES[role, k]
            cells[step, _STATE + _HALF + k, lane] = word


@njit(inline="always")
def _step_of_lanes(cells: Any, step: int, chain: Any, arguments: Any) -> None:
    """Absorb the gathered blocks of one step into sixteen chains."""
    base = step * _CELLS * LANES
    state = base + _STATE * LANES
    for k in range(_HALF):
        before = vector.load(chain, k * LANES)
        vector.store(cells, base + k * LANES, before)
        role = vector.load(cells, state + k * LANES)
        vector.store(cells, state + k * LANES, vector.add(before, role))
    _permute_lanes(cells, base, arguments)
    for k in range(_HALF):
        before, after = vector.load(chain, k * LANES), vector.load(cells, state + k * LANES)
        vector.store(chain, k * LANES, vector.add(before, after))


@njit(cache=True, nogil=True)
def _fill_in_lockstep(
    columns: Any, pieces: Any, batches: Any, starts: Any, ends: Any, blocks: Any, roles: Any
) -> None:
    """Fill batches (count, 16) of pieces; -1 is a lane without a piece."""
    cells = np.zeros((_TILE, _CELLS, LANES), dtype=np.uint32)
    chain = np.zeros((_HALF, LANES), dtype=np.uint32)
    tile = np.empty((LANES, LANES), dtype=np.uint32)
    arguments = np.zeros((ARGUMENTS, 2 * LANES), dtype=np.uint32)
    arguments[ONE, :LANES] = 1
    arguments[ONE, LANES::2] = 1
    firsts, counts = np.zeros(LANES, dtype=np.int64), np.zeros(LANES, dtype=np.int64)
    for batch in batches:
        for lane, piece in enumerate(batch):
            counts[lane] = 0
            if piece >= 0:
                firsts[lane], counts[lane] = pieces[piece, 0], pieces[piece, 1]
                for k in range(_HALF):
                    chain[k, lane] = starts[piece, k]
        longest = counts.max()
        for done in range(0, longest, _TILE):
            steps = min(_TILE, longest - done)
            for lane in range(LANES):
                first, count = firsts[lane] + done, counts[lane] - done
                _gather_lane(cells, lane, blocks, roles, first, count, steps)
            for step in range(steps):
                _step_of_lanes(cells, step, chain, arguments)
                for lane in range(LANES):
                    if counts[lane] == done + step + 1:
                        for k in range(_HALF):
                            ends[batch[lane], k] = chain[k, lane]
            shortest = counts.min() - done
            for column in range(COLUMN_COUNT):
                for block in range((steps + LANES - 1) // LANES):
                    # the last one reaches back to whole vectors
                    at = min(block * LANES, max(steps - LANES, 0))
                    source = (at * _CELLS + column) * LANES
                    rounds.transpose(cells, source, _CELLS * LANES, tile)
                    if at + LANES <= shortest:
                        for lane in range(LANES):
                            target = column * columns.shape[1] + firsts[lane] + done + at
                            vector.store(columns, target, vector.load(tile, lane * LANES))
                    else:
                        for lane in range(LANES):
                            for k in range(min(LANES, counts[lane] - done - at)):
                                columns[column, firsts[lane] + done + at + k] = tile[lane, k]


@njit(inline="always")
def _gather(entering: Any, blocks: Any, roles: Any, first: int, steps: int) -> None:
    """What enters the permutation beside the chain value: role constants and blocks."""
    for step in range(steps):
        row = first + step
        given = row < blocks.shape[0]
        role = roles[row] if given else np.uint8(0)
        for k in range(_HALF):
            entering[step, k] = ROLES[role, k]
            entering[step, _HALF + k] = blocks[row, k] if given else np.uint32(0)


@njit(cache=True, nogil=True)
def _fill_alone(
    columns: Any, first: int, count: int, start: Any, end: Any, blocks: Any, roles: Any
) -> None:
    """Fill the hash columns of one piece, or the first of them where ``columns`` has fewer."""
    cells = np.zeros((_TILE, _CELLS), dtype=np.uint32)
    entering = np.empty((_TILE, WIDTH), dtype=np.uint32)
    tile = np.empty((LANES, LANES), dtype=np.uint32)
    totals = np.empty(FORMS, dtype=np.uint64)
    filled = min(COLUMN_COUNT, columns.shape[0])
    for k in range(_HALF):
        cells[0, k] = start[k]
    chain = vector.load(cells, 0)
    for done in range(0, count, _TILE):
        rows = min(_TILE, count - done)
        _gather(entering, blocks, roles, first + done, rows)
        for step in range(rows):
            vector.store(cells, step * _CELLS, chain)
            for k in range(_HALF, WIDTH):
                cells[step, k] = entering[step, k]
            state = vector.add(chain, vector.load(entering, step * WIDTH))
            state = _permute_state(state, cells, step, totals)
            chain = vector.add(chain, rounds.lower_half(state))
        for group in range(0, filled, LANES):
            for block in range((rows + LANES - 1) // LANES):
                at = min(block * LANES, max(rows - LANES, 0))
                rounds.transpose(cells, at * _CELLS + group, _CELLS, tile)
                if rows >= LANES and group + LANES <= filled:
                    for k in range(LANES):
                        target = (group + k) * columns.shape[1] + first + done + at
                        vector.store(columns, target, vector.load(tile, k * LANES))
                else:
                    for k in range(min(LANES, filled - group)):
                        for step in range(min(LANES, rows)):
                            columns[group + k, first + done + at + step] = tile[k, step]
    vector.store(cells, 0, chain)
    for k in range(_HALF):
        end[k] = cells[0, k]


def _shared_out(counts: NDArray[np.int64]) -> tuple[list[int], list[NDArray[np.int64]]]:
    """Pieces to be filled alone, and batches (up to 8, 16) of the others, the longest first."""
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    alone, batches, at = [], [], 0
    while at < len(order):
        together = order[at : at + LANES]
        if _LOCKSTEP * counts[together[0]] >= counts[together].sum():
            alone.append(int(together[0]))
            at += 1
        else:
            batches.append(np.full(LANES, -1, dtype=np.int64))
            batches[-1][: len(together)] = together
            at += LANES
    return alone, [np.stack(batches[k : k + 8]) for k in range(0, len(batches), 8)]


def fill_log_hash(
    columns: Words,
    pieces: NDArray[np.int64],
    starts: Words,
    blocks: Words,
    roles: NDArray[np.uint8],
    meanwhile: Callable[[], None] = lambda: None,
) -> Words:
    """Fill the 148 hash columns (see ``circuits.gadgets.log_hash``), piece by piece.

    ``columns`` is the C-contiguous trace, ``pieces`` (count, 2) hold a first row and a number of
    rows each, ``starts`` (count, 8) the chain values at the first rows. ``blocks`` (n, 8) and
    ``roles``, indices into ``ROW_ROLES``, are those of the trace's first n rows; rows behind them
    absorb zeros as data. ``meanwhile`` is called while they are filled. Returns the chain value
    behind each piece, (count, 8); that of an empty piece is where it starts. ``ValueError`` for
    other shapes, roles, or elements above P - 1.
    """
    _require_known(starts, blocks, roles)
    if not columns.flags.c_contiguous or len(columns) < COLUMN_COUNT:
        raise ValueError("the columns of a whole trace")
    inside = (pieces >= 0).all() and (pieces.sum(axis=1) <= columns.shape[1]).all()
    if not inside or starts.shape != (len(pieces), _HALF):
        raise ValueError("pieces inside the trace, each with a chain value")
    blocks, starts = (np.ascontiguousarray(a, dtype=np.uint32) for a in (blocks, starts))
    ends = starts.copy()
    alone, batches = _shared_out(pieces[:, 1])
    # kernels release the GIL; the longest chains begin first
    with ThreadPoolExecutor(numba.get_num_threads()) as pool:
        running = []
        for one in alone:
            first, count = (int(value) for value in pieces[one])
            given = columns, first, count, starts[one], ends[one], blocks, roles
            running.append(pool.submit(_fill_alone, *given))
        for some in batches:
            together = columns, pieces, some, starts, ends, blocks, roles
            running.append(pool.submit(_fill_in_lockstep, *together))
        meanwhile()
        for task in running:
            task.result()
    return ends


def chain_rows(start: NDArray[Any], blocks: NDArray[Any], roles: NDArray[np.uint8]) -> Words:
    """The chain value after each block, (rows, 8); ``roles`` as for ``fill_log_hash``.

    ``ValueError`` unless every element is in 0..P-1 and every role known.
    """
    _require_known(start, blocks, roles)
    words, rows = np.ascontiguousarray(blocks, dtype=np.uint32), len(blocks)
    before, end = np.empty((_HALF, rows), dtype=np.uint32), start.astype(np.uint32)
    _fill_alone(before, 0, rows, end.copy(), end, words, roles)
    after = np.empty((rows, _HALF), dtype=np.uint32)
    after[:-1], after[-1:] = before[:, 1:].T, end
    return after


def _require_known(starts: NDArray[Any], blocks: NDArray[Any], roles: NDArray[np.uint8]) -> None:
    """The kernels index by roles without bounds checks, and add elements in 32 bits."""
    if len(roles) != len(blocks) or (len(roles) and roles.max() >= len(ROW_ROLES)):
        raise ValueError("one known role per block")
    if any((values >= P).any() or (values < 0).any() for values in (starts, blocks)):
        raise ValueError("field elements in 0..P-1")
