"""A proof made without a witness verifies under the programmed oracle, and only there."""

from __future__ import annotations

import numpy as np
import pytest

from circuits.errors import Reason, Rejected
from circuits.statement import Statement
from tests.support import World
from tests.zero_knowledge.simulator import programmed, simulate
from verifier.kernel import verify as kernel
from verifier.kernel.parameters import STANDARD


def _statement(world: World) -> Statement:
    return world.first.statement


def test_simulated_proof_is_accepted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The unchanged verifier accepts what the simulator made from the statement alone."""
    circuit, statement = world.terms.circuit, _statement(world)
    shape = kernel.proof_shape(circuit, STANDARD, statement)
    proof, challenges = simulate(circuit, shape, statement)
    monkeypatch.setattr(kernel, "Transcript", programmed(challenges))
    monkeypatch.setattr(kernel, "grinding_ok", lambda _state, _nonce, _bits: True)
    kernel.verify(circuit, STANDARD, statement, proof, 120)


def test_simulation_covers_false_statements(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It uses no witness: a statement that nobody could prove is simulated just as well."""
    circuit, statement = world.terms.circuit, _statement(world)
    false = Statement(
        statement.terms_digest, statement.checkpoints, tuple(t + 1 for t in statement.totals)
    )
    shape = kernel.proof_shape(circuit, STANDARD, false)
    proof, challenges = simulate(circuit, shape, false)
    monkeypatch.setattr(kernel, "Transcript", programmed(challenges))
    monkeypatch.setattr(kernel, "grinding_ok", lambda _state, _nonce, _bits: True)
    kernel.verify(circuit, STANDARD, false, proof, 120)


def test_simulated_proof_fails_under_the_real_oracle(world: World) -> None:
    """Soundness is not touched: without programming, the same bytes are refused."""
    circuit, statement = world.terms.circuit, _statement(world)
    shape = kernel.proof_shape(circuit, STANDARD, statement)
    proof, _ = simulate(circuit, shape, statement)
    with pytest.raises(Rejected) as refused:
        kernel.verify(circuit, STANDARD, statement, proof, 120)
    assert refused.value.reason is Reason.PROOF_CONSTRAINTS


def test_relations_are_all_checked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulator that forgets the chunk relation is refused even under its own oracle."""
    circuit, statement = world.terms.circuit, _statement(world)
    shape = kernel.proof_shape(circuit, STANDARD, statement)
    proof, challenges = simulate(circuit, shape, statement)
    at = 6 + 64 + 2 * shape.columns * 24
    words = np.frombuffer(proof[at : at + 4], dtype="<u4") ^ np.uint32(1)
    forged = proof[:at] + words.tobytes() + proof[at + 4 :]
    monkeypatch.setattr(kernel, "Transcript", programmed(challenges))
    monkeypatch.setattr(kernel, "grinding_ok", lambda _state, _nonce, _bits: True)
    with pytest.raises(Rejected) as refused:
        kernel.verify(circuit, STANDARD, statement, forged, 120)
    assert refused.value.reason is Reason.PROOF_CONSTRAINTS
