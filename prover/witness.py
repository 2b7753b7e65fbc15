"""From raw logs to the filled trace of a statement."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from circuits.chain import pack_records
from circuits.circuit import Circuit, Trace
from circuits.errors import BadInput, InputReason
from circuits.schema import BLOCK_ELEMENTS
from circuits.statement import Statement
from prover.kernels.poseidon import fill_log_hash
from prover.log import WindowLog
from prover.randomness import random_elements


def fill_trace(
    circuit: Circuit,
    statement: Statement,
    windows: Sequence[WindowLog],
    log2_rows: int,
    random_rows: int,
) -> Trace:
    """The trace (columns, 2^log2_rows); its last ``random_rows`` rows are uniform in every column.

    ``windows`` are the raw records between the statement's checkpoints. Only their number of rows
    is checked here (``BadInput`` STORE_CORRUPT: the kernels index by it); another wrong log gives a
    trace that violates constraints.
    """
    schema = circuit.schema
    layout = statement.layout(schema.records_per_block)
    blocks = np.concatenate(
        [
            piece
            for window in windows
            for piece in (pack_records(window.records, schema.width), window.salt[None, :])
        ]
    ).astype(np.uint32)
    if blocks.shape != (layout.active_rows, BLOCK_ELEMENTS):
        raise BadInput(
            InputReason.STORE_CORRUPT, "the log has other record counts than its checkpoints"
        )
    rows = 1 << log2_rows
    usable = rows - random_rows
    trace = Trace(np.zeros((circuit.column_count, rows), dtype=np.uint32), layout, blocks)
    fill_log_hash(
        trace.columns, np.array(statement.checkpoints[0].chain), blocks, ~trace.data_rows, usable
    )
    for fill in circuit.fillers:
        fill(trace)
    trace.columns[:, usable:] = random_elements(circuit.column_count, random_rows)
    return trace
