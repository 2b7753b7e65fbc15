"""Proofs over ready traces, forged or not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from circuits.circuit import Circuit, Trace
from circuits.errors import Reason, Rejected
from circuits.statement import Statement
from prover import prove as prove_module
from prover.prove import prove
from prover.randomness import random_elements
from verifier.kernel.parameters import ParameterSet
from verifier.kernel.verify import proof_shape, verify


def without(circuit: Circuit, name: str) -> Circuit:
    """The circuit with one constraint less, and proofs as long as before.

    Where no other constraint reads a column on the next row, it is opened there all the same: else
    the other verifier would read one value as another before it checks any.
    """
    less = replace(circuit, constraints=tuple(c for c in circuit.constraints if c.name != name))
    less.__dict__["next_columns"] = circuit.next_columns
    return less


def as_proof(
    circuit: Circuit, parameters: ParameterSet, statement: Statement, trace: Trace
) -> bytes:
    """A proof over a ready trace, whether it satisfies the circuit or not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prove_module, "fill_trace", lambda *_: trace)
        return prove(circuit, parameters, statement, (), check=False)


def usable_rows(circuit: Circuit, parameters: ParameterSet, statement: Statement) -> int:
    """The rows of a proof without the random ones."""
    return proof_shape(circuit, parameters, statement).rows - parameters.random_rows


def with_random_rows(trace: Trace, parameters: ParameterSet) -> Trace:
    """The trace of all usable rows with those behind them."""
    random = random_elements(len(trace.columns), parameters.random_rows)
    return replace(trace, columns=np.concatenate([trace.columns, random], axis=1))


def check_refused(
    circuit: Circuit, parameters: ParameterSet, name: str, statement: Statement, usable: Trace
) -> None:
    """The proof of a false statement is valid without this constraint, and only without it.

    ``usable`` is the trace of all usable rows.
    """
    weakened = without(circuit, name)
    assert weakened.constraint_count == circuit.constraint_count - 1
    # the control: a verifier without the constraint accepts the false statement
    trace = with_random_rows(usable, parameters)
    proof = as_proof(weakened, parameters, statement, trace)
    verify(weakened, parameters, statement, proof, 120)
    for each in (proof, as_proof(circuit, parameters, statement, trace)):
        with pytest.raises(Rejected) as refusal:
            verify(circuit, parameters, statement, each, 120)
        assert refusal.value.reason is Reason.PROOF_CONSTRAINTS
