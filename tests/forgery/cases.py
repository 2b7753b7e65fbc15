"""Small contracts and logs in which every kind of constraint occurs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from circuits.circuit import Circuit
from circuits.compile import compile_circuit
from circuits.schema import Schema
from tests.circuits.logs import SignedLog, channel, random_windows, sign_log


@dataclass(frozen=True)
class Case:
    """A contract and an honest log.

    ``planted`` readings (raw, of channel 0) are put into every slot of one full row each:
    thresholds, where a comparison is decided by one step. Some window's last row holds one record.
    """

    name: str
    schema: Schema
    formulas: tuple[str, ...]
    counts: tuple[int, ...]
    planted: tuple[int, ...] = ()
    earlier_records: int = 0

    @property
    def circuit(self) -> Circuit:
        """The compiled contract."""
        return _compiled(self.schema, self.formulas)

    @property
    def log(self) -> SignedLog:
        """The honest log."""
        return _signed(self)


@cache
def _compiled(schema: Schema, formulas: tuple[str, ...]) -> Circuit:
    return compile_circuit(schema, formulas)


@cache
def _signed(case: Case) -> SignedLog:
    windows = random_windows(case.schema, case.counts, seed=11)
    fullest = max(windows, key=len)
    slots = case.schema.records_per_block
    for k, raw in enumerate(case.planted):
        fullest[(k + 1) * slots : (k + 2) * slots, 0] = np.uint64(raw)
    return sign_log(case.schema, windows, earlier_records=case.earlier_records)


CASES = (
    Case(
        "product and counts",
        Schema((channel("flow", 23, "0.001"),)),
        ("sum(flow * dt_ms) / 60000", "count(flow <= 100)", "count(flow >= 200)"),
        (81, 0, 46),
        planted=(100_001, 200_000),
    ),
    Case(
        "signed carries",
        Schema((channel("t", 16, "0.1", "-40"), channel("u", 24))),
        ("sum(t * dt_ms)", "sum(u) / 7"),
        (61, 0, 22),
        earlier_records=5,
    ),
    Case(
        "fixed period with opening",
        Schema((channel("v", 24, "0.5", "-3"),), 100),
        ("sum(v * dt_ms)", "sum(v)", "count(v >= 1000)"),
        (0, 161, 83),
        planted=(2006,),
    ),
    Case(
        "small readings",
        Schema((channel("x", 4), channel("y", 3)), 1000),
        ("sum(y * dt_ms)", "count(x <= 7)"),
        (9, 13),
        planted=(8,),
    ),
)

# A free limb bit of a narrow sum needs this many rows to bring the total once around p.
MANY_ROWS = Case(
    "narrow readings, many rows",
    Schema((channel("x", 15),), 100),
    ("sum(x)",),
    (60_001, 17),
)
