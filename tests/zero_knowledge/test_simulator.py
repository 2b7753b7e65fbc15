"""A proof made without a witness verifies under the programmed oracle, and only there."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from circuits.circuit import Circuit
from circuits.errors import Reason, Rejected
from circuits.statement import Statement
from tests.kernel.proofs import with_layers
from tests.support import World, carrying_world
from tests.zero_knowledge.simulator import (
    Challenges,
    programmed,
    simulate,
    with_drawn_commitments,
)
from verifier.kernel import verify as kernel
from verifier.kernel.parameters import ParameterSet
from verifier.kernel.proof import Shape


@dataclass(frozen=True)
class Subject:
    """What is simulated, and under which parameters."""

    circuit: Circuit
    statement: Statement
    parameters: ParameterSet

    @property
    def shape(self) -> Shape:
        """The sizes of the proof."""
        return kernel.proof_shape(self.circuit, self.parameters, self.statement)

    def verify(self, proof: bytes) -> None:
        """The unchanged verifier."""
        kernel.verify(self.circuit, self.parameters, self.statement, proof, 120)


@pytest.fixture(params=["no layer", "layers"])
def chosen(request: pytest.FixtureRequest, parameters: ParameterSet) -> ParameterSet:
    """Every set as it is, and with FRI layers for these short traces."""
    return parameters if request.param == "no layer" else with_layers(parameters)


@pytest.fixture(params=["nothing carried", "state carried"])
def subject(request: pytest.FixtureRequest, world: World, chosen: ParameterSet) -> Subject:
    """A circuit and a true statement; with state, both of its commitments hide something."""
    parameters = chosen
    if request.param == "nothing carried":
        return Subject(world.terms.circuit, world.first.statement, parameters)
    carrying = carrying_world()
    return Subject(carrying.terms.circuit, carrying.second.statement, parameters)


def simulated(subject: Subject) -> tuple[bytes, Challenges]:
    return simulate(subject.circuit, subject.shape, subject.statement)


def verify_under(
    challenges: Challenges, subject: Subject, proof: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The unchanged verifier, under the programmed oracle."""
    monkeypatch.setattr(kernel, "Transcript", programmed(challenges))
    monkeypatch.setattr(kernel, "grinding_ok", lambda _state, _nonce, _bits: True)
    subject.verify(proof)


def test_the_subjects_have_no_layer_or_some(subject: Subject) -> None:
    assert (subject.shape.folds == 0) == (subject.parameters.final_domain != 256)


def test_simulated_proof_is_accepted(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """The unchanged verifier accepts what the simulator made from the statement alone."""
    proof, challenges = simulated(subject)
    verify_under(challenges, subject, proof, monkeypatch)


def test_simulation_covers_false_statements(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It uses no witness: a statement that nobody could prove is simulated just as well."""
    totals = tuple(total + 1 for total in subject.statement.totals)
    false = replace(subject, statement=replace(subject.statement, totals=totals))
    proof, challenges = simulated(false)
    verify_under(challenges, false, proof, monkeypatch)


def test_commitments_are_simulated_too(
    parameters: ParameterSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows in front and behind, and commitments to nothing: uniform elements serve as well."""
    carrying = carrying_world()
    true = Subject(carrying.terms.circuit, carrying.second.statement, parameters)
    drawn = replace(true, statement=with_drawn_commitments(true.statement))
    assert true.circuit.state_rows > 0
    assert drawn.statement.state != true.statement.state
    proof, challenges = simulated(drawn)
    verify_under(challenges, drawn, proof, monkeypatch)
    # a proof belongs to its commitments: the verifier's own equation holds them
    with pytest.raises(Rejected) as refused:
        verify_under(asked_anew(challenges), true, proof, monkeypatch)
    assert refused.value.reason is Reason.PROOF_CONSTRAINTS


def asked_anew(challenges: Challenges) -> Challenges:
    """The same oracle, asked anew."""
    return Challenges(
        challenges.alpha, challenges.z, challenges.gamma, challenges.betas, challenges.queries
    )


def test_simulated_proof_fails_under_the_real_oracle(subject: Subject) -> None:
    """Soundness is not touched: without programming, the same bytes are refused."""
    proof, _ = simulated(subject)
    with pytest.raises(Rejected) as refused:
        subject.verify(proof)
    assert refused.value.reason is Reason.PROOF_CONSTRAINTS


def test_relations_are_all_checked(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulator that forgets the chunk relation is refused even under its own oracle."""
    shape = subject.shape
    proof, challenges = simulated(subject)
    at = 6 + 64 + (shape.columns + len(shape.next_columns)) * 24
    words = np.frombuffer(proof[at : at + 4], dtype="<u4") ^ np.uint32(1)
    forged = proof[:at] + words.tobytes() + proof[at + 4 :]
    with pytest.raises(Rejected) as refused:
        verify_under(challenges, subject, forged, monkeypatch)
    assert refused.value.reason is Reason.PROOF_CONSTRAINTS
