"""A proof made without a witness verifies under the programmed oracle, and only there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from circuits.circuit import Circuit
from circuits.errors import Reason, Rejected
from circuits.statement import Statement
from tests.support import World, carrying_world
from tests.zero_knowledge.simulator import (
    Challenges,
    programmed,
    simulate,
    with_drawn_commitments,
)
from verifier.kernel import verify as kernel
from verifier.kernel.parameters import STANDARD

Subject = tuple[Circuit, Statement]


@pytest.fixture(params=["nothing carried", "state carried"])
def subject(request: pytest.FixtureRequest, world: World) -> Subject:
    """A circuit and a true statement; with state, both of its commitments hide something."""
    if request.param == "nothing carried":
        return world.terms.circuit, world.first.statement
    carrying = carrying_world()
    return carrying.terms.circuit, carrying.second.statement


def simulated(subject: Subject) -> tuple[bytes, Challenges]:
    circuit, statement = subject
    return simulate(circuit, kernel.proof_shape(circuit, STANDARD, statement), statement)


def verify_under(
    challenges: Challenges, subject: Subject, proof: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The unchanged verifier, under the programmed oracle."""
    monkeypatch.setattr(kernel, "Transcript", programmed(challenges))
    monkeypatch.setattr(kernel, "grinding_ok", lambda _state, _nonce, _bits: True)
    circuit, statement = subject
    kernel.verify(circuit, STANDARD, statement, proof, 120)


def test_simulated_proof_is_accepted(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """The unchanged verifier accepts what the simulator made from the statement alone."""
    proof, challenges = simulated(subject)
    verify_under(challenges, subject, proof, monkeypatch)


def test_simulation_covers_false_statements(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It uses no witness: a statement that nobody could prove is simulated just as well."""
    circuit, statement = subject
    false = circuit, replace(statement, totals=tuple(t + 1 for t in statement.totals))
    proof, challenges = simulated(false)
    verify_under(challenges, false, proof, monkeypatch)


def test_commitments_are_simulated_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows in front and behind, and commitments to nothing: uniform elements serve as well."""
    carrying = carrying_world()
    circuit, true = carrying.terms.circuit, carrying.second.statement
    drawn = with_drawn_commitments(true)
    assert circuit.state_rows > 0
    assert drawn.state != true.state
    proof, challenges = simulated((circuit, drawn))
    verify_under(challenges, (circuit, drawn), proof, monkeypatch)
    # a proof belongs to its commitments: the verifier's own equation holds them
    with pytest.raises(Rejected) as refused:
        verify_under(asked_anew(challenges), (circuit, true), proof, monkeypatch)
    assert refused.value.reason is Reason.PROOF_CONSTRAINTS


def asked_anew(challenges: Challenges) -> Challenges:
    """The same oracle, asked anew."""
    return Challenges(
        challenges.alpha, challenges.z, challenges.gamma, challenges.betas, challenges.queries
    )


def test_simulated_proof_fails_under_the_real_oracle(subject: Subject) -> None:
    """Soundness is not touched: without programming, the same bytes are refused."""
    circuit, statement = subject
    proof, _ = simulated(subject)
    with pytest.raises(Rejected) as refused:
        kernel.verify(circuit, STANDARD, statement, proof, 120)
    assert refused.value.reason is Reason.PROOF_CONSTRAINTS


def test_relations_are_all_checked(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulator that forgets the chunk relation is refused even under its own oracle."""
    circuit, statement = subject
    shape = kernel.proof_shape(circuit, STANDARD, statement)
    proof, challenges = simulated(subject)
    at = 6 + 64 + (shape.columns + len(shape.next_columns)) * 24
    words = np.frombuffer(proof[at : at + 4], dtype="<u4") ^ np.uint32(1)
    forged = proof[:at] + words.tobytes() + proof[at + 4 :]
    with pytest.raises(Rejected) as refused:
        verify_under(challenges, subject, forged, monkeypatch)
    assert refused.value.reason is Reason.PROOF_CONSTRAINTS
