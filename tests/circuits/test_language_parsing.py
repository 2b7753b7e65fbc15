"""The outcome language's grammar: what it reads as, and what it refuses where."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.compile import compile_circuit
from circuits.errors import BadInput, InputReason
from circuits.language import syntax as s
from circuits.language.parsing import parse_outcome
from circuits.language.record_parsing import LATER
from circuits.schema import Schema
from tests.circuits.logs import channel

SCHEMA = Schema((channel("flow", 8), channel("p", 8)))
FLOW, PRESSURE = s.Reading("flow"), s.Reading("p")


def refusal(text: str) -> BadInput:
    with pytest.raises(BadInput) as caught:
        parse_outcome(text, SCHEMA)
    assert caught.value.reason is InputReason.FORMULA
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 400
    return caught.value


def test_constants_fold_and_sides_turn() -> None:
    one = parse_outcome("count(3 - 1 <= 2 * flow / 4)", SCHEMA)
    half = s.Scaled(FLOW, Fraction(1, 2))
    condition = s.Compare(half, ">=", s.Constant(Fraction(2)))
    assert one == s.Additive(s.Linear(((Fraction(1), s.CountOf(condition, None)),)))
    assert parse_outcome("count(-(-flow) * 1 + 0 > p)", SCHEMA) == parse_outcome(
        "count(flow > p)", SCHEMA
    )
    assert parse_outcome("3 <= mean(flow)", SCHEMA) == s.Mean(FLOW, None, ">=", Fraction(3))


def test_seconds_are_milliseconds() -> None:
    seconds = parse_outcome("sum(flow * dt)", SCHEMA)
    step = s.Scaled(s.TimeStep(), Fraction(1, 1000))
    assert seconds == s.Additive(s.Linear(((Fraction(1), s.SumOf(s.Times(FLOW, step), None)),)))
    # a channel of that name is the channel
    own = Schema((channel("dt", 8),), 100)
    assert parse_outcome("any(dt > 3)", own) == s.Ever(
        s.Compare(s.Reading("dt"), ">", s.Constant(Fraction(3))), None
    )


def test_decimals_stay_exact() -> None:
    outcome = parse_outcome("sum(0.1 * flow) / 9007199254740993", SCHEMA)
    assert isinstance(outcome, s.Additive)
    assert outcome.linear.terms[0][0] == Fraction(1, 9007199254740993)
    assert outcome.linear.terms[0][1] == s.SumOf(s.Scaled(FLOW, Fraction(1, 10)), None)


@pytest.mark.parametrize("name", sorted(LATER))
def test_what_comes_later_is_named(name: str) -> None:
    assert f"{name} is not supported yet" in refusal(f"{name}(flow)").message
    assert "not supported yet" in refusal(f"count({name}(flow > 3))").message
    assert "not supported yet" in refusal(f"sum({name}(flow))").message


REFUSED = {
    "": "not an expression",
    "sum(flow": "not an expression",
    "flow": "expected sum or count",
    "3": "does not add up",
    "sum(flow) + 3": "does not add up",
    "sum(3)": "sum of a constant",
    "sum(flow) * sum(p)": "not multiplied",
    "sum(flow) * 0": "factor is not 0",
    "sum(flow) / sum(p)": "expected a decimal constant",
    "sum(flow) / 0": "divisor is positive",
    "sum(flow) // 2": "expected sum or count",
    "sum(flow / p)": "expected a decimal constant",
    "sum(flow / 0)": "divisor is positive",
    "sum(flow / -2)": "divisor is positive",
    "sum(flow ** 2)": "+ - * and / constant",
    "sum(flow % 2)": "+ - * and / constant",
    "sum(pressure)": "unknown channel 'pressure'",
    "sum(flow, p)": "takes 1",
    "sum(*flow)": "takes 1",
    "sum(flow, when=p > 1)": "where=condition",
    "sum(flow, **p)": "where=condition",
    "sum(flow, where=p > 1, where=p > 2)": "where=condition",
    "sum(flow, where=p)": "expected a condition",
    "sum(flow > 3)": "expected a number",
    "count(flow)": "expected a condition",
    "count(1 < 2)": "two constants",
    "count(1 <= flow <= 3)": "one comparison at a time",
    "count(flow > 1 & p < 2)": "one comparison at a time",
    "count(flow > 1 and p < 2)": "parentheses, & | ~",
    "count(not flow > 1)": "parentheses, & | ~",
    "count(flow in p)": "comparisons are",
    "count(flow > 1e3)": "decimal constant",
    "count(flow > 0x10)": "decimal constant",
    "count(flow > True)": "decimal constant",
    "count(flow > '1')": "decimal constant",
    "count(between(flow, 3, 2))": "low <= high",
    "count(between(flow, p, 2))": "decimal constant",
    "count(between(flow, 1))": "takes 3",
    "sum(abs(flow, p))": "takes 1",
    "sum(abs(3))": "of a constant",
    "sum(clip_above(flow, p))": "decimal constant",
    "sum(sqrt(flow))": "expected a number",
    "count(odd(flow))": "expected a condition",
    "mean(flow)": "gives one bit",
    "percentile(flow, 95)": "gives one bit",
    "ratio(sum(flow), sum(p))": "gives one bit",
    "mean(flow) + 1 >= 3": "gives one bit",
    "mean(flow) >= sum(p)": "decimal constant",
    "mean(flow) > 3": "<= or >=",
    "mean(flow) == 3": "totals are compared",
    "percentile(flow, 95) >= 3": "compared with <=",
    "percentile(flow, 0) <= 3": "more than 0",
    "percentile(flow, 100.1) <= 3": "more than 0",
    "ratio(sum(flow), sum(p), where=p > 1) >= 3": "where=condition",
    "all(flow > 1) >= 1": "bit already",
    "all(flow > 1) & any(p > 1)": "expected sum or count",
    "sum(flow) > 1 > 0": "one comparison at a time",
    "sum(flow) != 1": "totals are compared",
    "sum(flow).real": "expected sum or count",
    "[sum(flow)]": "expected sum or count",
    "__import__('os').system('true')": "expected sum or count",
    "sum(" + "(-" * 60 + "flow" + ")" * 60 + ")": "deep",
    "count(" + "~(" * 60 + "flow > 1" + ")" * 61: "deep",
    "-" * 60 + "sum(flow)": "deep",
    "sum(flow)" + " " * 400: "longer than 400",
    "\ud800": "not an expression",
}


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_refused_with_the_reason(text: str) -> None:
    assert REFUSED[text] in refusal(text).message


def test_a_refusal_names_the_place() -> None:
    assert "line 1, byte 12: unknown channel 'q'" in refusal("sum(flow * q)").message
    assert "line 1, character" in refusal("sum(flow").message


def test_what_cancels_out_or_divides_by_a_negative_total_is_refused() -> None:
    below = Schema((channel("t", 8, "1", "-5"), channel("u", 8)))
    for formula, what in (
        ("sum(t) - sum(t)", "cancel out"),
        ("ratio(sum(u), sum(t)) >= 2", "could be negative"),
        ("ratio(sum(u), count() - count(u > 3)) >= 2", "could be negative"),
    ):
        with pytest.raises(BadInput, match=what) as caught:
            compile_circuit(below, (formula,))
        assert caught.value.reason is InputReason.FORMULA


PIECES = [
    *("sum", "count", "all", "any", "mean", "ratio", "abs", "between", "where", "=", "(", ")"),
    *("flow", "p", "dt", "+", "-", "*", "/", "&", "|", "~", "<=", ">=", "==", ",", "1", "0.5", " "),
]


@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")
@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=50), st.lists(st.sampled_from(PIECES), max_size=16).map("".join)))
def test_any_text_gives_an_outcome_or_the_reason(text: str) -> None:
    try:
        parse_outcome(text, SCHEMA)
    except BadInput as caught:
        if caught.reason is not InputReason.FORMULA:
            raise
