"""Everything public is in the transcript before the first challenge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from circuits.checkpoint import Status
from circuits.circuit import Circuit
from circuits.compile import compile_circuit
from circuits.errors import Reason
from circuits.schema import Schema
from tests.kernel.proofs import PUMP, PUMP_FORMULAS, Made
from verifier.kernel.verify import start_transcript


def relabelled() -> Circuit:
    """The same constraints over a channel in another unit: only the identifier differs."""
    flow = replace(PUMP.channels[0], unit="another unit")
    return compile_circuit(Schema((flow,)), PUMP_FORMULAS)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"blowup": 32},
        {"queries": 69},
        {"grinding_bits": 22},
        {"final_domain": 128},
        {"fold": 16},
    ],
    ids=str,
)
def test_every_size_is_bound(made: Made, change: dict[str, Any]) -> None:
    # a proof for weaker parameters must not pass for one of stronger ones
    honest = start_transcript(made.circuit, made.shape, made.statement).state
    shape = replace(made.shape, parameters=replace(made.parameters, **change))
    assert start_transcript(made.circuit, shape, made.statement).state != honest


def test_the_trace_length_is_bound(made: Made) -> None:
    honest = start_transcript(made.circuit, made.shape, made.statement).state
    longer = replace(made.shape, log2_rows=made.shape.log2_rows + 1)
    assert start_transcript(made.circuit, longer, made.statement).state != honest


def test_every_part_of_the_statement_is_bound(made: Made) -> None:
    statement = made.statement
    others = [
        statement,
        replace(statement, terms_digest=bytes(32)),
        replace(statement, totals=(statement.totals[0] + 1, statement.totals[1])),
        replace(statement, totals=(statement.totals[0], statement.totals[1] + 1)),
    ]
    for at, checkpoint in enumerate(statement.checkpoints):
        for changed in (
            replace(checkpoint, flags=Status.TAMPER),
            replace(checkpoint, epoch=1),
            replace(checkpoint, end_ms=checkpoint.end_ms + 1),
            replace(checkpoint, schema=bytes(32)),
        ):
            checkpoints = list(statement.checkpoints)
            checkpoints[at] = changed
            others.append(replace(statement, checkpoints=tuple(checkpoints)))
    states = {start_transcript(made.circuit, made.shape, other).state for other in others}
    assert len(states) == len(others)


@pytest.mark.reason(Reason.PROOF_CONSTRAINTS)
def test_the_circuit_is_bound_by_its_identifier(made: Made) -> None:
    # equal constraints, other meaning: litres must not be provable as cubic metres
    other = relabelled()
    assert [c.form for c in other.constraints] == [c.form for c in made.circuit.constraints]
    assert replace(made, circuit=other).reason() is Reason.PROOF_CONSTRAINTS
