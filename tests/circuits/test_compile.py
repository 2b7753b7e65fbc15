"""Compiling: refusals, degrees, identifiers that are stable and tell circuits apart."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from circuits.circuit import MAXIMUM_DEGREE
from circuits.compile import MAXIMUM_OUTCOMES, compile_circuit
from circuits.errors import BadInput, InputReason
from circuits.schema import Channel, Schema
from tests.circuits.logs import channel
from tests.vectors.make_circuits import document

PUMP = Schema((channel("flow", 18, "0.001"),))
VECTORS = Path(__file__).parents[1] / "vectors" / "circuits.json"


def refusal(schema: Schema, *formulas: str) -> BadInput:
    with pytest.raises(BadInput) as caught:
        compile_circuit(schema, formulas)
    return caught.value


def test_identifiers_are_those_on_record() -> None:
    # a change here breaks every signed contract: it belongs into the CHANGELOG, not into a diff
    assert json.loads(VECTORS.read_text("utf-8")) == document()


def test_identifier_is_stable_over_compilations() -> None:
    formulas = ("sum(flow)", "count(flow <= 3)")
    first, second = compile_circuit(PUMP, formulas), compile_circuit(PUMP, formulas)
    assert first is not second
    assert first.identifier == second.identifier
    assert len(first.identifier) == 32


TOLD_APART = (
    "sum(flow, where=flow > 3)",
    "count(rising(flow > 3))",
    "count(falling(flow > 3))",
    "count(held(flow > 3, 4))",
    "count(held(flow > 3, 5))",
    "count(missing(flow))",
    "count(time_of_day('06:00', '22:00'))",
    "count(time_of_day('22:00', '06:00'))",
    "count(time_of_day('06:00', '22:00', '+01:00'))",
    "tariff(flow, '00:00 1, 06:00 2')",
    "tariff(flow, '00:00 1, 06:00 3')",
    "tariff(flow, '00:00 1, 07:00 2')",
    "windows(sum(flow) >= 3)",
    "windows(sum(flow) >= 4)",
    "sum(flow) >= 3",
    "sum(flow) <= 3",
    "min(flow)",
    "max(flow)",
    "first(flow)",
    "last(flow)",
    "max(flow, where=flow > 3)",
    "floor(sum(flow))",
    "floor(sum(flow) + 0.5)",
    "floor(sum(flow) + 0.6)",
    "floor(sum(flow) / 2)",
    "rounded(sum(flow), 1)",
    "rounded(sum(flow), 50)",
    "rounded(sum(flow), 50 / 7)",
    "variance(flow) <= 3",
    "variance(flow) >= 3",
    "variance(flow) <= 4",
    "cpk(flow, 3, 5) >= 1",
    "cpk(flow, 3, 6) >= 1",
    "cpk(flow, 2, 5) >= 1",
    "cpk(flow, 3, 5) >= 1.33",
)


def test_identifier_tells_statements_apart() -> None:
    flow = PUMP.channels[0]
    both = Schema((flow, channel("p", 18, "0.001")))
    different = [
        (PUMP, ("sum(flow)",)),
        (PUMP, ("sum(flow * dt_ms)",)),
        (PUMP, ("count(flow <= 3)",)),
        (PUMP, ("count(flow <= 3.001)",)),
        (PUMP, ("count(flow >= 3)",)),
        (PUMP, ("sum(flow)", "sum(flow)")),
        (PUMP, ("sum(flow)", "count(flow <= 3)")),
        (PUMP, ("count(flow <= 3)", "sum(flow)")),
        (replace(PUMP, period_ms=100), ("sum(flow)",)),
        (replace(PUMP, period_ms=200), ("sum(flow)",)),
        (Schema((replace(flow, unit="other"),)), ("sum(flow)",)),
        (Schema((replace(flow, scale=Fraction(1)),)), ("sum(flow)",)),
        (Schema((replace(flow, offset=Fraction(1)),)), ("sum(flow)",)),
        (Schema((replace(flow, bits=17),)), ("sum(flow)",)),
        (both, ("sum(flow)",)),
        (both, ("sum(p)",)),
        (Schema((replace(flow, may_miss=True),)), ("sum(flow)",)),  # not in the schema's digest
        *((PUMP, (formula,)) for formula in TOLD_APART),
    ]
    identifiers = {compile_circuit(*case).identifier for case in different}
    assert len(identifiers) == len(different)


def test_a_divisor_or_spelling_is_not_part_of_the_circuit() -> None:
    # they only scale the value; the terms digest binds them
    plain = compile_circuit(PUMP, ("sum(flow)",)).identifier
    assert compile_circuit(PUMP, ("sum( flow ) / 60",)).identifier == plain


def test_sizes() -> None:
    circuit = compile_circuit(PUMP, ("sum(flow * dt_ms)", "count(flow <= 3)"))
    assert circuit.max_degree == MAXIMUM_DEGREE
    assert circuit.column_count == len(circuit.columns) == len(set(circuit.columns))
    names = [constraint.name for constraint in circuit.constraints]
    assert circuit.constraint_count == len(names) == len(set(names))
    assert len(circuit.publics) == 16 + sum(len(o.limbs) for o in circuit.outcomes)
    assert circuit.columns[:8] == tuple(f"chain[{k}]" for k in range(8))


def test_equal_conditions_share_their_columns() -> None:
    # a price per good and per bad minute must not pay for the comparison twice
    one = compile_circuit(PUMP, ("count(flow >= 3)",)).column_count
    two = compile_circuit(PUMP, ("count(flow >= 3)", "count(flow >= 3) / 2")).column_count
    other = compile_circuit(PUMP, ("count(flow >= 3)", "count(flow >= 4)")).column_count
    assert two - one == 1  # a second running count
    assert other - one > 20


@pytest.mark.parametrize("formulas", [(), ("sum(flow)",) * (MAXIMUM_OUTCOMES + 1)])
def test_number_of_outcomes(formulas: tuple[str, ...]) -> None:
    assert refusal(PUMP, *formulas).reason is InputReason.FORMULA
    assert len(compile_circuit(PUMP, ("sum(flow)",) * MAXIMUM_OUTCOMES).outcomes) == 16


@pytest.mark.parametrize(
    "odd",
    [
        Channel("flow", "", 24, Fraction(1, 1000), Fraction(1, 7919)),
        Channel("flow", "", 8, Fraction(1), Fraction(2 * 10**9)),
        Channel("flow", "", 8, Fraction(1), Fraction(-(10**18))),
        Channel("flow", "", 1, Fraction(1, 2**31), Fraction(1)),
    ],
)
@pytest.mark.parametrize("period_ms", [None, 100])
def test_what_cannot_be_exact_is_refused(odd: Channel, period_ms: int | None) -> None:
    schema = Schema((odd,), period_ms)
    for formula in ("sum(flow * dt_ms)", "sum(flow)", "mean(flow) <= 1", "variance(flow) <= 1"):
        assert refusal(schema, formula).reason is InputReason.OVERFLOW
    # comparing the channel itself compares raw readings, and a single reading is cut into limbs
    formulas = ("count(flow <= 3)", "all(flow >= 0.5)", "max(flow) <= 10")
    assert compile_circuit(schema, formulas).outcomes


def test_the_widest_channel_fits_everywhere() -> None:
    for period_ms in (None, 100):
        schema = Schema((channel("x", 24),), period_ms)
        assert compile_circuit(schema, ("sum(x)", "sum(x * dt_ms)", "count(x <= 5)")).outcomes


@pytest.mark.parametrize(
    "schema",
    [
        Schema(()),
        Schema((), 100),
        Schema(tuple(channel(f"c{k}") for k in range(8))),
        Schema(tuple(channel(f"c{k}") for k in range(9)), 100),
        Schema((channel("c0"), channel("c0"))),
        Schema((channel("c0"), channel("dt_ms"))),
        Schema((channel("c0", 0),)),
        Schema((channel("c0", 25),)),
        Schema((channel("c0", 16, "0"),)),
        Schema((channel("c0", 16, "-1"),)),
        Schema((channel("c0"),), 0),
    ],
)
def test_schemas_that_the_bounds_do_not_cover(schema: Schema) -> None:
    # a 31-bit channel, say, would let a comparison wrap around the field
    assert refusal(schema, "count(c0 <= 1)").reason is InputReason.CONTRACT_FIELD
