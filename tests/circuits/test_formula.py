"""Formulas: a small language, exact constants, and nothing else gets through."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.errors import BadInput, InputReason
from circuits.formula import MAXIMUM_CHARACTERS, Count, Sum, parse_formula
from circuits.schema import Schema
from tests.circuits.logs import channel

SCHEMA = Schema((channel("flow"), channel("_p1")))


@pytest.mark.parametrize(
    ("text", "aggregate", "divisor"),
    [
        ("sum(flow)", Sum("flow", False), "1"),
        ("sum(_p1) / 4", Sum("_p1", False), "4"),
        ("sum(flow * dt_ms)/60000", Sum("flow", True), "60000"),
        ("sum(dt_ms * flow) / 0.5", Sum("flow", True), "0.5"),
        ("count(flow <= 12.5)", Count("flow", True, Fraction("12.5")), "1"),
        ("count(flow >= -3)", Count("flow", False, Fraction(-3)), "1"),
        ("count( flow>=7.10 ) / 1.0", Count("flow", False, Fraction("7.1")), "1"),
        ("(sum(flow)) / 3", Sum("flow", False), "3"),
    ],
)
def test_accepted(text: str, aggregate: Sum | Count, divisor: str) -> None:
    formula = parse_formula(text, SCHEMA)
    assert (formula.aggregate, formula.divisor) == (aggregate, Fraction(divisor))
    assert formula.text == text


def test_decimals_stay_exact() -> None:
    # as floats these would be 0.1 + 5e-18 and 2^53
    formula = parse_formula("count(flow <= 0.1) / 9007199254740993", SCHEMA)
    assert isinstance(formula.aggregate, Count)
    assert formula.aggregate.bound == Fraction(1, 10)
    assert formula.divisor == 9007199254740993
    thirty = "1" * 30
    fine = parse_formula(f"count(flow <= {thirty}.{thirty})", SCHEMA).aggregate
    assert isinstance(fine, Count)
    assert fine.bound == Fraction(f"{thirty}.{thirty}")


@pytest.mark.parametrize(
    ("text", "readable"),
    [
        ("sum( flow )/ 2", "sum(flow)"),
        ("sum(dt_ms*flow)", "sum(flow * dt_ms)"),
        ("count(flow<=2.50)", "count(flow <= 5/2)"),
        ("count(flow>=-1)", "count(flow >= -1)"),
    ],
)
def test_aggregate_text(text: str, readable: str) -> None:
    assert parse_formula(text, SCHEMA).aggregate_text == readable


REFUSED = [
    "",
    " ",
    "sum",
    "sum()",
    "sum(flow",
    "sum(flow))",
    "flow",
    "1",
    "sum(1)",
    "sum(flow, flow)",
    "sum(flow=flow)",
    "sum(*flow)",
    "sum(flow)(flow)",
    "sum(flow).real",
    "sum(flow[0])",
    "sum(flow + flow)",
    "sum(flow * flow)",
    "sum(flow * 2)",
    "sum(flow * dt_ms * dt_ms)",
    "sum(dt_ms)",
    "sum(dt_ms * dt_ms)",
    "sum(flow - dt_ms)",
    "sum(pressure)",
    "sum(Flow)",
    "mean(flow)",
    "max(flow)",
    "count(flow)",
    "count(flow < 3)",
    "count(flow > 3)",
    "count(flow == 3)",
    "count(flow != 3)",
    "count(1 <= flow <= 3)",
    "count(3 <= flow)",
    "count(flow <= flow)",
    "count(flow <= 1e3)",
    "count(flow <= 007)",
    "count(flow <= 0x10)",
    "count(flow <= 1_000)",
    "count(flow <= .5)",
    "count(flow <= 5.)",
    "count(flow <= 1j)",
    "count(flow <= --1)",
    "count(flow <= +1)",
    "count(flow <= 1 + 1)",
    "count(flow <= '1')",
    "count(flow <= True)",
    "count(flow <= nan)",
    "count(flow <= 0." + "0" * 30 + "1)",
    "count(flow <= " + "9" * 31 + ")",
    "count(dt_ms <= 3)",
    "sum(flow) / 0",
    "sum(flow) / 0.0",
    "sum(flow) / -1",
    "sum(flow) / flow",
    "sum(flow) / 2 / 3",
    "sum(flow) // 2",
    "sum(flow) * 2",
    "2 / sum(flow)",
    "sum(flow) + sum(flow)",
    "-sum(flow)",
    "sum(flow); sum(flow)",
    "x = sum(flow)",
    "lambda: sum(flow)",
    "[sum(flow)]",
    "sum(flow) if 1 else 2",
    "(x := sum(flow))",
    "__import__('os').system('true')",
    "sum(__import__)",
    "sum(flow)\0",
    "\ud800",
    "count(flow <= \u0661)",
    "(" * 200,
    "(" * 90 + "sum(flow)" + ")" * 90 + "x",
    "-" * 399,
    "[" * 399,
    "sum(flow)" + " " * MAXIMUM_CHARACTERS,
]


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_refused_with_the_reason(text: str) -> None:
    with pytest.raises(BadInput) as refusal:
        parse_formula(text, SCHEMA)
    assert refusal.value.reason is InputReason.FORMULA
    assert "\n" not in refusal.value.message
    assert len(refusal.value.message) < 600


@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")
@settings(max_examples=400, deadline=None)
@given(
    st.one_of(
        st.text(max_size=60),
        st.lists(
            st.sampled_from(
                [
                    *("sum", "count", "(", ")", "flow", "dt_ms", "*", "/", "<=", ">=", "-"),
                    *("1", "0.5", "#", "\\", "'", ":", ",", ".", " ", "\n", "\t", "\f"),
                ]
            ),
            max_size=14,
        ).map("".join),
    )
)
def test_any_text_gives_a_formula_or_the_reason(text: str) -> None:
    # any other exception, or another reason, fails the test
    try:
        formula = parse_formula(text, SCHEMA)
        assert formula.divisor > 0
        assert formula.aggregate.channel in ("flow", "_p1")
    except BadInput as refusal:
        if refusal.reason is not InputReason.FORMULA:
            raise


def test_dt_is_a_factor_with_a_fixed_period_too() -> None:
    periodic = Schema((channel("flow"),), 100)
    assert parse_formula("sum(flow * dt_ms)", periodic).aggregate == Sum("flow", True)
