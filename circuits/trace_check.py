"""The debugging interpreter: which constraint fails on which row, and with what values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from circuits.circuit import Circuit, Trace
from circuits.evaluate import interpreter
from circuits.expression import AtomKind
from circuits.field import Array, multiply

_CHUNK_ROWS = 1024


@dataclass(frozen=True)
class Failure:
    """A constraint that does not vanish; ``values`` maps the columns it reads to their values."""

    constraint: str
    row: int
    values: dict[str, int]


def check_trace(
    circuit: Circuit, trace: Trace, publics: Array, rows: int, limit: int = 20
) -> list[Failure]:
    """Evaluate every constraint on rows 0..rows-1 (row ``rows`` must exist: it is the next row).

    Returns at most ``limit`` failures, by row. For a circuit's author: it prints readings.
    """
    prepared = interpreter(circuit)
    columns = trace.columns.astype(np.uint64)
    selectors = np.zeros((len(circuit.selectors), trace.columns.shape[1]), dtype=np.uint64)
    for k, name in enumerate(circuit.selectors):
        selectors[k, trace.layout.selector(name)] = 1
    failures: list[Failure] = []
    for start in range(0, rows, _CHUNK_ROWS):
        stop = min(start + _CHUNK_ROWS, rows)
        one = np.ones(stop - start, dtype=np.uint64)
        values = prepared.constraints(
            columns[:, start:stop],
            columns[:, start + 1 : stop + 1],
            selectors[:, start:stop],
            publics[:, None] * one,
            one,
            multiply,
        )
        for offset, index in zip(*np.nonzero(values.T), strict=True):
            if len(failures) == limit:
                return failures
            failures.append(_describe(circuit, columns, int(index), start + int(offset)))
    return failures


def _describe(circuit: Circuit, columns: Array, index: int, row: int) -> Failure:
    constraint = circuit.constraints[index]
    read: dict[str, int] = {}
    for kind, column in circuit.graph.leaves([constraint.form]):
        if kind in (AtomKind.COLUMN, AtomKind.NEXT):
            following = kind is AtomKind.NEXT
            name = circuit.columns[column] + ("'" if following else "")
            read[name] = int(columns[column, row + following])
    return Failure(constraint.name, row, read)
