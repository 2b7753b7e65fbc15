"""What the outcome language refuses, why, and where in the text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.compile import compile_circuit
from circuits.errors import BadInput, InputReason
from circuits.language.parsing import parse_outcome
from circuits.language.text import MAXIMUM_COMPILED_CHARACTERS
from circuits.schema import Schema
from tests.circuits.logs import channel

SCHEMA = Schema((channel("flow", 8), channel("p", 8)))


def refusal(text: str) -> BadInput:
    with pytest.raises(BadInput) as caught:
        parse_outcome(text, SCHEMA)
    assert caught.value.reason is InputReason.FORMULA
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 400
    return caught.value


REFUSED = {
    "": "not an expression",
    "sum(flow": "not an expression",
    "flow": "expected sum, count, min",
    "3": "does not add up",
    "sum(flow) + 3": "does not add up",
    "sum(3)": "sum of a constant",
    "sum(flow) * sum(p)": "not multiplied",
    "sum(flow) * 0": "factor is not 0",
    "sum(flow) / sum(p)": "expected a decimal constant",
    "sum(flow) / 0": "divisor is positive",
    "sum(flow) // 2": "expected sum, count, min",
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
    "all(flow > 1) & any(p > 1)": "expected sum, count, min",
    "sum(flow) > 1 > 0": "one comparison at a time",
    "sum(flow) != 1": "totals are compared",
    "sum(flow).real": "expected sum, count, min",
    "sum(flow)(flow)": "expected sum, count, min",
    "sum(flow[0])": "expected a number",
    "sum()": "takes 1",
    "sum": "expected sum, count, min",
    "sum(Flow)": "unknown channel 'Flow'",
    "sum(flow))": "not an expression",
    "2 / sum(flow)": "decimal constant",
    "count(flow <= .5)": "decimal constant",
    "count(flow <= 5.)": "decimal constant",
    "count(flow <= 1_000)": "decimal constant",
    "count(flow <= 007)": "not an expression",
    "count(flow <= 1j)": "decimal constant",
    "count(flow <= +1)": "expected a number",
    "count(flow <= nan)": "unknown channel 'nan'",
    "count(flow <= 0." + "0" * 30 + "1)": "decimal constant",
    "count(flow <= " + "9" * 31 + ")": "decimal constant",
    "count(flow <= \u0661)": "not an expression",
    "sum(flow) # all": "not an expression",
    "sum(flow)\0": "not an expression",
    "sum(flow)\n": "not an expression",
    "sum(flow); sum(flow)": "not an expression",
    "x = sum(flow)": "not an expression",
    "lambda: sum(flow)": "expected sum, count, min",
    "sum(flow) if 1 else 2": "expected sum, count, min",
    "(x := sum(flow))": "expected sum, count, min",
    "(" * 200: "not an expression",
    "-" * 399: "not an expression",
    "[sum(flow)]": "expected sum, count, min",
    "__import__('os').system('true')": "expected sum, count, min",
    "sum(" + "(-" * 60 + "flow" + ")" * 60 + ")": "deep",
    "count(" + "~(" * 60 + "flow > 1" + ")" * 61: "deep",
    "-" * 60 + "sum(flow)": "deep",
    # positions and arguments of what carries state or asks for a time
    "count(rising(flow))": "expected a condition",
    "count(rising(p > 1, p > 2))": "rising takes 1 plain",
    "count(rising(p > 1, where=p > 1))": "rising takes 1 plain",
    "count(held(p > 1))": "held takes 2 plain",
    "count(held(p > 1, 0))": "held for 1 to 1000000",
    "count(held(p > 1, 1000001))": "held for 1 to 1000000",
    "count(held(p > 1, 2.0))": "whole number of records",
    "count(held(p > 1, -2))": "whole number of records",
    "count(held(p > 1, True))": "whole number of records",
    "count(held(p > 1, 0x10))": "decimal constant",
    "count(missing(q))": "unknown channel 'q'",
    "count(missing(dt))": "unknown channel 'dt'",
    "count(missing(p + 1))": "expected a channel's name",
    "count(missing('p'))": "expected a channel's name",
    "count(time_of_day('06:00'))": "takes 2 or 3",
    "count(time_of_day('06:00', '06:00'))": "differ",
    "count(time_of_day('06:00', '24:00'))": "00:00 to 23:59",
    "count(time_of_day('6:00', '07:00'))": "00:00 to 23:59",
    "count(time_of_day('06:60', '07:00'))": "00:00 to 23:59",
    "count(time_of_day(6, 7))": "plain text in quotes",
    "count(time_of_day('06' ':00', '07:00'))": "plain text in quotes",
    "count(time_of_day(r'06:00', '07:00'))": "plain text in quotes",
    r"count(time_of_day('06\x3a00', '07:00'))": "plain text in quotes",
    "count(time_of_day('06:00', '07:00', '02:00'))": "offset from UTC",
    "count(time_of_day('06:00', '07:00', '+14:01'))": "offset from UTC",
    "count(time_of_day('06:00', '07:00', '-2:00'))": "offset from UTC",
    "count(time_of_day('06:00', '07:00', offset='+02:00'))": "takes 2 or 3",
    "'06:00'": "decimal constant",
    "sum(flow, where='06:00')": "expected a condition",
    # aggregates
    "min()": "takes 1",
    "min(flow + p)": "expected a channel's name",
    "max(dt)": "unknown channel 'dt'",
    "max(flow, p)": "takes 1",
    "first(q)": "unknown channel 'q'",
    "last(flow, when=p > 1)": "where=condition",
    "max(p) + 1": "does not add up",
    "max(p) * min(p)": "not multiplied",
    "sum(max(p))": "expected a number",
    "count(p > max(p))": "expected a number",
    "windows()": "takes 1",
    "windows(sum(flow))": "one bit about many records",
    "windows(p > 1)": "expected sum, count, min",
    "windows(all(p > 1), where=p > 1)": "where=condition",
    "windows(1 < 2)": "two constants",
    "windows(windows(all(p > 1)) >= 2)": "windows: not inside windows",
    "windows(max(p) > 2)": "max: not inside windows",
    "windows(3 >= sum(p) + min(p))": "min: not inside windows",
    "windows(ratio(last(p), count()) >= 2)": "last: not inside windows",
    "windows(first(p) > 2)": "first: not inside windows",
    "tariff(flow)": "tariff takes 2 or 3",
    "tariff(3, '00:00 1')": "tariff of a constant",
    "tariff(flow, 3)": "plain text in quotes",
    "tariff(flow, '')": "a schedule is",
    "tariff(flow, '00:00 1,')": "a schedule is",
    "tariff(flow, '00:00 -1')": "a schedule is",
    "tariff(flow, '00:00 1e3')": "a schedule is",
    "tariff(flow, '00:00 1 06:00 2')": "a schedule is",
    "tariff(flow, '24:00 1')": "00:00 to 23:59",
    "tariff(flow, '01:00 1')": "begins at 00:00",
    "tariff(flow, '00:00 1, 07:00 2, 06:00 3')": "times ascend",
    "tariff(flow, '00:00 1, 06:00 2, 06:00 3')": "times ascend",
    "tariff(flow, '00:00 0, 06:00 0.0')": "every price is 0",
    "tariff(flow, '00:00 1', '2')": "offset from UTC",
    "tariff(flow, '00:00 1') * sum(p)": "not multiplied",
    # whole formulas
    "floor(3)": "floor of a constant",
    "floor(sum(flow), 2)": "takes 1",
    "floor(sum(flow)) + 1": "floor stands alone",
    "2 * floor(sum(flow)) >= 3": "floor stands alone",
    "sum(flow) >= floor(sum(p))": "decimal constant",
    "floor(sum(flow)) >= floor(sum(p))": "decimal constant",
    "floor(sum(flow)) == 3": "totals are compared",
    "floor(floor(sum(flow)))": "floor stands alone",
    "rounded(sum(flow))": "rounded takes 2",
    "rounded(sum(flow), 0)": "positive",
    "rounded(sum(flow), -1)": "positive",
    "rounded(sum(flow), 1/0)": "divisor is positive",
    "rounded(sum(flow), 1/2/3)": "decimal constant",
    "rounded(sum(flow), p)": "decimal constant",
    "rounded(sum(flow) + 1, 2)": "only what adds up",
    "rounded(3, 2)": "only what adds up",
    "rounded(max(p), 2)": "only what adds up",
    "rounded(sum(flow), 2) >= 3": "rounded stands alone",
    "-rounded(sum(flow), 2)": "rounded stands alone",
    "variance(flow)": "gives one bit",
    "variance(flow) < 3": "<= or >=",
    "variance(flow) <= -1": "0 or more",
    "variance(3) <= 1": "variance of a constant",
    "cpk(flow, 1, 2)": "gives one bit",
    "cpk(flow, 2, 2) >= 1": "low < high",
    "cpk(flow, 1, 2) >= 0": "more than 0",
    "cpk(flow, 1, 2) <= 1": "compared with >=",
    "cpk(flow, p, 2) >= 1": "decimal constant",
    "cpk(2, 1, 3) >= 1": "cpk of a constant",
    "1 <= 2": "two constants",
    "sum(flow)" + " " * MAXIMUM_COMPILED_CHARACTERS: "longer than 600",
    "\ud800": "not an expression",
}


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_refused_with_the_reason(text: str) -> None:
    assert REFUSED[text] in refusal(text).message


def test_a_refusal_names_the_place() -> None:
    assert "line 1, byte 12: unknown channel 'q'" in refusal("sum(flow * q)").message
    assert "line 1, character" in refusal("sum(flow").message
    for text, byte, what in (
        ("count(held(p > 1, 0))", 19, "a condition is held"),
        ("count(time_of_day('06:00', '25:00'))", 28, "expected a time"),
        ("sum(p) + tariff(p, '01:00 1')", 20, "a schedule begins"),
        ("windows(sum(p) >= max(p))", 19, "max: not inside"),
        ("sum(p) + floor(sum(p))", 10, "floor stands"),
        ("rounded(sum(p), 0)", 17, "the unit"),
        ("variance(p) <= -1", 16, "a variance"),
    ):
        assert f"line 1, byte {byte}: {what}" in refusal(text).message


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
    *("rising(", "held(", "missing(", "time_of_day(", "min(", "last(", "windows(", "tariff(flow,"),
    *("floor(", "rounded(", "variance(", "cpk(p,", "'06:00'", "'00:00 1, 07:00 2'", "'+02:00'"),
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
