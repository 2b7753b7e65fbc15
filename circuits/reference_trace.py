"""The trace of a statement in plain NumPy, row by row: slow, and written to be read.

What the prover's kernels fill must equal this; tests and the lint build their traces with it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from circuits.chain import pack_records
from circuits.circuit import Circuit, Trace
from circuits.errors import BadInput, InputReason
from circuits.field import Array
from circuits.gadgets.log_hash import fill_log_hash, row_roles
from circuits.schema import BLOCK_ELEMENTS
from circuits.state import StateOpening, chain_before, state_blocks
from circuits.statement import Statement

PADDING_ROWS = 3


def reference_trace(
    circuit: Circuit,
    statement: Statement,
    windows: Sequence[tuple[NDArray[np.uint64], Array]],
    openings: tuple[StateOpening, StateOpening] | None = None,
    padding_rows: int = PADDING_ROWS,
) -> Trace:
    """The trace up to ``padding_rows`` rows behind the used ones.

    ``windows`` are raw records (n, schema.elements) and salt (8) of every window of the statement;
    ``openings`` the state before and after, exactly when the circuit carries state. ``BadInput``
    STORE_CORRUPT when their sizes do not fit; other wrong ones give a trace that violates
    constraints.
    """
    layout, first = statement.layout(circuit), statement.checkpoints[0]
    width, start = circuit.schema.width, layout.state_rows
    before = after = np.zeros((0, BLOCK_ELEMENTS), dtype=np.uint64)
    if openings is not None:
        before, after = (state_blocks(circuit.state, opening) for opening in openings)
    pieces = [
        piece for rows, salt in windows for piece in (pack_records(rows, width), salt[None, :])
    ]
    blocks = np.concatenate([before, *pieces]).astype(np.uint32)
    if len(before) != start or len(blocks) != layout.active_rows:
        raise BadInput(InputReason.STORE_CORRUPT, "records or state do not fit the statement")
    rows = layout.active_rows + layout.state_rows + padding_rows
    trace = Trace(
        np.zeros((circuit.column_count, rows), dtype=np.uint32),
        layout,
        blocks,
        {} if openings is None else openings[0].values,
    )
    for fill in circuit.fillers:
        fill(trace)
    roles = row_roles(layout)
    # the state before continues the claim before; the log begins with its own first chain value,
    # and the state after continues the log
    earlier = np.array(chain_before(first), dtype=np.uint64)
    fill_log_hash(trace.columns[:, :start], earlier, blocks[:start], roles[:start], start)
    behind = np.concatenate([blocks[start:], after.astype(np.uint32)])
    chain = np.array(first.chain, dtype=np.uint64)
    fill_log_hash(trace.columns[:, start:], chain, behind, roles[start:], rows - start)
    return trace
