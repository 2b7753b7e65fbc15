"""A prover that says false values of its columns at z or gz: refused whatever it commits to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from circuits.errors import Reason
from circuits.field import Array, P
from tests.forgery.false_values import FalseValues, Layer, Value, forgetful, values_at_gz
from tests.kernel.malicious import lying, where_degree_shows, where_values_meet
from tests.kernel.proofs import Made

# two columns of the chain on the next row, linear in all constraints; one of a round, which no
# constraint reads on the next row; the running total of readings
FIRST, SECOND = Value(0, next=True), Value(1, next=True)
ROUND = Value(20)


def total(made: Made, *, following: bool = False) -> Value:
    return Value(made.circuit.columns.index("outcome 0 top"), following)


def saying(
    made: Made, false: Value, balance: Value | None, layer: Layer = Layer.HONEST, by: int = 1
) -> Made:
    return lying(made, FalseValues(made.circuit, made.statement, false, balance, layer, by))


FALSE: dict[str, tuple[Callable[[Made], Value], Callable[[Made], Value]]] = {
    "at gz": (lambda _: FIRST, lambda _: SECOND),
    "a total at gz": (lambda made: total(made, following=True), lambda _: SECOND),
    "at z, open at z alone": (lambda _: ROUND, lambda _: SECOND),
    "at z, open at gz too": (lambda _: Value(0), lambda _: SECOND),
    "at z, both of them": (lambda _: ROUND, total),
}
false_values = pytest.mark.parametrize("name", FALSE)


def test_which_columns_are_open_where(made: Made) -> None:
    next_columns = made.circuit.next_columns
    assert {FIRST.column, SECOND.column, total(made).column} <= set(next_columns)
    assert ROUND.column not in next_columns
    assert 0 < len(next_columns) < made.circuit.column_count


@pytest.mark.reason(Reason.PROOF_CONSTRAINTS)
@false_values
def test_a_false_value_by_itself(made: Made, name: str) -> None:
    false, _ = FALSE[name]
    assert saying(made, false(made), None).reason() is Reason.PROOF_CONSTRAINTS


@pytest.mark.reason(Reason.PROOF_FRI_PATH)
@pytest.mark.parametrize("layer", [Layer.HONEST, Layer.NOT_AT_GZ])
@false_values
def test_false_values_with_which_the_constraints_hold(
    short: Made, made: Made, name: str, layer: Layer
) -> None:
    false, balance = FALSE[name]
    for each in (short, made):
        forged = saying(each, false(each), balance(each), layer)
        assert forged.reason() is where_values_meet(each)


@pytest.mark.reason(Reason.PROOF_FRI_FINAL)
@false_values
def test_the_combination_of_false_values_has_poles(made: Made, name: str) -> None:
    false, balance = FALSE[name]
    forged = saying(made, false(made), balance(made), Layer.POLES)
    assert forged.reason() is where_degree_shows(made)


@pytest.mark.reason(Reason.PROOF_FRI_PATH)
@pytest.mark.parametrize("false", [FIRST, ROUND], ids=["at gz", "at z alone"])
def test_poles_with_more_layers(folded: Made, false: Value) -> None:
    forged = saying(folded, false, SECOND, Layer.POLES)
    refusal = forged.refusal()
    assert refusal.reason is Reason.PROOF_FRI_PATH
    assert refusal.detail.startswith("layer 1: ")


@pytest.mark.parametrize("layer", Layer)
def test_the_control_of_true_values(made: Made, layer: Layer) -> None:
    # nothing is added to any value; what leaves out an opening is another combination all the same
    forged = saying(made, FIRST, SECOND, layer, by=0)
    if layer is Layer.NOT_AT_GZ:
        assert forged.reason() is Reason.PROOF_FRI_PATH
    else:
        forged.verify()


def test_the_control_of_a_verifier_that_does_not_look(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    # nothing but the opening at gz binds these values
    forged = saying(made, FIRST, SECOND, Layer.NOT_AT_GZ)
    forgetful([FIRST.column])(monkeypatch)
    assert forged.reason() is Reason.PROOF_FRI_PATH
    monkeypatch.undo()
    forgetful([FIRST.column, SECOND.column])(monkeypatch)
    forged.verify()


# other columns at gz than those that follow from the circuit


def scattered(made: Made, values: Array) -> Array:
    """A value for every column, as if all were open at gz."""
    out = np.full((made.circuit.column_count, 6), P - 1, dtype=np.uint64)
    out[list(made.circuit.next_columns)] = values
    return out


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        (lambda _, values: values, set()),
        (lambda _, values: values[::-1], {Reason.PROOF_CONSTRAINTS}),
        # what follows is read as values, which bytes of a root seldom are, or values as a root
        (lambda _, values: values[:-1], {Reason.PROOF_CONSTRAINTS, Reason.PROOF_FIELD_ELEMENT}),
        (lambda _, values: np.concatenate([values, values[-1:]]), {Reason.PROOF_CONSTRAINTS}),
        (scattered, {Reason.PROOF_CONSTRAINTS}),
    ],
    ids=["control", "in another order", "one fewer", "one more", "of all columns"],
)
def test_the_values_at_gz_are_those_of_next_columns(
    made: Made, change: Callable[[Made, Array], Array], reasons: set[Reason]
) -> None:
    forged = lying(made, values_at_gz(lambda values: change(made, values)))
    if reasons:
        assert forged.reason() in reasons
    else:
        forged.verify()
