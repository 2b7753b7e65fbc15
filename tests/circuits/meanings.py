"""Small claims in plain records, and what formulas mean on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from circuits.language.meaning import Meaning
from circuits.language.parsing import parse_outcome
from circuits.records import Records
from circuits.schema import Schema
from tests.circuits.logs import channel

# flow in steps of 1; p = raw / 2 - 2, at most 5.5; 15 is the reserved code of both
PLAIN = Schema((channel("flow", 4), channel("p", 4, "0.5", "-2")))
GAPS = Schema(tuple(replace(kind, may_miss=True) for kind in PLAIN.channels))
HOUR = 3_600_000
GAP = 15
FLOWS = st.lists(st.integers(0, 14), max_size=8)


def log(
    windows: Sequence[Sequence[Sequence[int]]], *, starts_epoch: bool = True, hour: int = 0
) -> Records:
    """Windows of (flow, p, dt_ms), one an hour from ``hour`` o'clock UTC on."""
    rows = [row for window in windows for row in window]
    return Records(
        np.array(rows, dtype=np.uint64).reshape(len(rows), 3),
        tuple(len(window) for window in windows),
        tuple((hour + k) * HOUR for k in range(len(windows))),
        starts_epoch,
    )


def flows(*values: int, starts_epoch: bool = True) -> Records:
    """One window of flow readings a second apart, p = raw."""
    return log([[[value, value, 1000] for value in values]], starts_epoch=starts_epoch)


def value(formula: str, records: Records, schema: Schema = PLAIN) -> Fraction:
    """A formula's value where nothing was carried before."""
    return Meaning(schema, records, {}).outcome(parse_outcome(formula, schema))


def counted(
    formula: str,
    records: Records,
    before: Mapping[str, int] | None = None,
    schema: Schema = PLAIN,
) -> tuple[int, dict[str, int]]:
    """A whole number, and the state after."""
    plain = Meaning(schema, records, before or {})
    return int(plain.outcome(parse_outcome(formula, schema))), plain.after


def check(expected: Mapping[str, int | str], records: Records, schema: Schema = PLAIN) -> None:
    """Each formula has the value that stands next to it."""
    for formula, wanted in expected.items():
        assert value(formula, records, schema) == Fraction(wanted), formula
