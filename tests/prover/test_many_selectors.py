"""Circuits with more selectors than a vector has lanes."""

from __future__ import annotations

from circuits.compile import compile_circuit
from circuits.schema import Schema
from prover.log import WindowLog
from prover.prove import prove
from tests.circuits.logs import channel, random_windows, sign_log
from verifier.kernel.parameters import STANDARD
from verifier.kernel.verify import verify

SCHEMA = Schema((channel("c", 3),), 100)
TIMES = [f"time_of_day('{hour:02}:00', '23:00')" for hour in range(20)]
COUNTS = tuple(f"count({' | '.join(TIMES[k : k + 10])})" for k in (0, 10))


def test_selectors_fill_more_than_one_group() -> None:
    for formulas, least in (
        (("count(rising(c > 2))",), 17),
        ((*COUNTS, "count(rising(c > 2))"), 33),
    ):
        circuit = compile_circuit(SCHEMA, formulas)
        assert len(circuit.selectors) >= least
        log = sign_log(SCHEMA, random_windows(SCHEMA, [30, 0, 41], 3))
        statement = log.statement(circuit)
        windows = [WindowLog(r, s) for r, s in zip(log.windows, log.salts, strict=True)]
        proof = prove(circuit, STANDARD, statement, windows, state=log.openings(circuit))
        verify(circuit, STANDARD, statement, proof, 120)
