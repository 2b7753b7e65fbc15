"""From raw logs to the filled trace of a statement."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from circuits.chain import CHAIN_ELEMENTS, pack_records
from circuits.circuit import Circuit, Trace
from circuits.errors import BadInput, InputReason
from circuits.field import P
from circuits.gadgets.log_hash import row_roles
from circuits.schema import BLOCK_ELEMENTS
from circuits.state import chain_before, state_blocks
from circuits.statement import Statement
from prover.kernels.montgomery import Words, aligned
from prover.kernels.poseidon import fill_log_hash
from prover.kernels.vector import LANES
from prover.log import WindowLog
from prover.randomness import random_elements
from prover.state import Openings


def fill_trace(
    circuit: Circuit,
    statement: Statement,
    windows: Sequence[WindowLog],
    log2_rows: int,
    random_rows: int,
    state: Openings | None = None,
) -> Trace:
    """The trace (columns, 2^log2_rows); its last ``random_rows`` rows are uniform in every column.

    ``windows`` are the raw records between the statement's checkpoints, ``state`` the openings of
    what is carried before and after them. Only their sizes are checked here, and that they are
    field elements (``BadInput`` STORE_CORRUPT: the kernels rely on both); another wrong log or
    state gives a trace that violates constraints.
    """
    _require_state(circuit, statement, state)
    layout = statement.layout(circuit)
    blocks = _log_blocks(circuit, windows)
    if len(blocks) != layout.active_rows - layout.state_rows:
        raise BadInput(
            InputReason.STORE_CORRUPT, "the log has other record counts than its checkpoints"
        )
    before, after = (_state_blocks(circuit, state, side) for side in (0, 1))
    rows = 1 << log2_rows
    usable = rows - random_rows
    groups = -(-circuit.column_count // LANES)
    padded = aligned((groups * LANES, rows), zero=True)
    trace = Trace(
        padded[: circuit.column_count],
        layout,
        np.concatenate([before, blocks]),
        {} if state is None else state[0].values,
    )

    def others() -> None:
        for fill in circuit.fillers:
            fill(trace)

    hashed = np.concatenate([trace.blocks, after])
    _fill_hash(trace, statement, hashed, usable, others)
    trace.columns[:, usable:] = random_elements(circuit.column_count, random_rows)
    return trace


def whole_groups(trace: Trace) -> Words:
    """The memory of a filled trace, or a copy: (16 * groups, rows), zeros behind its columns."""
    count, rows = trace.columns.shape
    shape = (-(-count // LANES) * LANES, rows)
    memory, words = trace.columns.base, math.prod(shape)
    if isinstance(memory, np.ndarray) and memory.ndim == 1 and trace.columns.flags.c_contiguous:
        start = (trace.columns.ctypes.data - memory.ctypes.data) // memory.itemsize
        whole = memory[start : start + words]
        if len(whole) == words and not whole[trace.columns.size :].any():
            return whole.reshape(shape)
    copied = aligned(shape, zero=True)
    copied[:count] = trace.columns
    return copied


def wrong_window(statement: Statement, trace: Trace) -> int | None:
    """The first window whose records do not lead to its signed chain value; None if all do."""
    ends = trace.columns[:CHAIN_ELEMENTS, trace.layout.closing + 1].T
    signed = np.array([checkpoint.chain for checkpoint in statement.checkpoints[1:]])
    wrong = np.flatnonzero((ends != signed).any(axis=1))
    return int(wrong[0]) if len(wrong) else None


def _fill_hash(
    trace: Trace,
    statement: Statement,
    blocks: Words,
    usable: int,
    meanwhile: Callable[[], None],
) -> None:
    """The hash columns of the usable rows: each window from where its checkpoint says.

    Where a window does not lead to the next checkpoint, the chain flows on from what it leads to:
    the trace is then that of the log as it is, and its end is not the one that was signed.
    """
    layout, checkpoints = trace.layout, statement.checkpoints
    roles = row_roles(layout)
    firsts = np.concatenate([[0, layout.state_rows], layout.closing + 1])
    pieces = np.stack([firsts, np.diff(firsts, append=usable)], axis=1)
    chains = [chain_before(checkpoints[0]), *(place.chain for place in checkpoints)]
    starts = np.array(chains, dtype=np.uint32)
    ends = fill_log_hash(trace.columns, pieces, starts, blocks, roles, meanwhile)
    wrong = np.flatnonzero((ends[1:-1] != starts[2:]).any(axis=1)) + 1
    if len(wrong):
        row = firsts[wrong[0] + 1]
        rest = np.array([[row, usable - row]])
        fill_log_hash(trace.columns, rest, ends[wrong[:1]], blocks, roles)


def _require_state(circuit: Circuit, statement: Statement, state: Openings | None) -> None:
    for given in (state, statement.state):
        if (given is not None) != bool(circuit.state):
            what = "is missing" if circuit.state else "is given, but nothing is carried"
            raise BadInput(InputReason.STORE_CORRUPT, f"carried state {what}")


def _log_blocks(circuit: Circuit, windows: Sequence[WindowLog]) -> Words:
    width = circuit.schema.width
    pieces: list[NDArray[np.uint64]] = []
    for window in windows:
        pieces += [pack_records(window.records, width), window.salt.reshape(1, BLOCK_ELEMENTS)]
    blocks = np.concatenate(pieces)
    if (blocks >= P).any():
        raise BadInput(InputReason.STORE_CORRUPT, "the log holds more than a field element")
    return blocks.astype(np.uint32)


def _state_blocks(circuit: Circuit, state: Openings | None, side: int) -> Words:
    """The blocks of one commitment; none where nothing is carried."""
    if state is None:
        return np.zeros((0, BLOCK_ELEMENTS), dtype=np.uint32)
    return state_blocks(circuit.state, state[side]).astype(np.uint32)
