"""What formulas carry from claim to claim, and how they pass over missing readings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.language import outcome_syntax as o
from circuits.language import syntax as s
from circuits.language.meaning import Meaning
from circuits.language.parsing import parse_outcome
from circuits.records import Records
from circuits.schema import Schema
from tests.circuits.meanings import FLOWS, GAP, GAPS, PLAIN, check, counted, flows, log, value

# --- what is carried ------------------------------------------------------------------------

RISING = "rising((flow > 3))"
HELD = "held((flow > 3), 3)"


def test_rising_counts_switching_on() -> None:
    formula = "count(rising(flow > 3))"
    assert counted(formula, flows(1, 5, 6, 2, 7)) == (2, {RISING: 0})
    assert counted(formula, flows(5, 6, 2)) == (0, {RISING: 1})  # on from the epoch's start
    later = flows(5, 6, 2, starts_epoch=False)
    assert counted(formula, later, {RISING: 1})[0] == 1
    assert counted(formula, later, {RISING: 0})[0] == 0
    assert counted(formula, flows(5, 1), {RISING: 1})[0] == 0  # a new epoch has no record before
    assert counted("count(falling(flow > 3))", flows(1, 5, 6, 2, 7, 7, 3))[0] == 2
    assert counted("count(falling(flow > 3))", flows(1, 1))[0] == 0


def test_held_needs_the_whole_run() -> None:
    formula = "count(held(flow > 3, 3))"
    assert counted(formula, flows(5, 5, 5, 5, 1, 5, 5)) == (2, {HELD: 2})
    later = flows(5, 5, 1, starts_epoch=False)
    assert counted(formula, later, {HELD: 1}) == (1, {HELD: 0})
    assert counted(formula, later, {HELD: 3}) == (2, {HELD: 0})
    assert counted(formula, flows(5, 5), {HELD: 3}) == (0, {HELD: 2})
    assert counted("count(held(flow > 3, 1))", flows(5, 1, 5)) == (2, {"held((flow > 3), 1)": 1})
    nothing = log([[], []])
    for condition in (HELD, RISING):
        assert counted(f"count({condition})", nothing, {condition: 1}) == (0, {condition: 1})


def test_conditions_with_a_past_nest() -> None:
    # three on in a row, switched to so once in each run
    formula = "count(rising(held(flow > 3, 3)))"
    assert counted(formula, flows(5, 5, 5, 5, 1, 5, 5, 5))[0] == 2
    switched = "count(held(rising(flow > 3) | falling(flow > 3), 2), where=p >= 0)"
    assert counted(switched, flows(1, 5, 1, 5, 5, 6))[0] == 1
    # flow = 5 has p = 0.5, flow = 1 has p = -1.5
    assert set(counted(switched, flows(1))[1]) == {
        RISING,
        "rising(~(flow > 3))",
        "held((rising((flow > 3)) | rising(~(flow > 3))), 2)",
    }


def test_one_state_for_two_outcomes() -> None:
    plain = Meaning(PLAIN, flows(1, 5, 1, 5), {})
    totals = [
        plain.outcome(parse_outcome(formula, PLAIN))
        for formula in ("count(rising(flow > 3))", "sum(flow, where=rising(flow > 3))")
    ]
    assert totals == [2, 10]
    assert plain.after == {RISING: 0}


# --- rounding with a carried remainder ------------------------------------------------------


def rounded(formula: str, claims: Sequence[Records], step: str) -> tuple[list[int], dict[str, int]]:
    outcome = parse_outcome(formula, PLAIN)
    assert isinstance(outcome, o.Rounded)
    state: dict[str, int] = {}
    units = []
    for claim in claims:
        plain = Meaning(PLAIN, claim, state)
        units.append(plain.rounded(outcome, Fraction(step)))
        state = plain.after
    return units, state


def test_a_remainder_is_carried_on() -> None:
    # the compiler counts in 1/2 L, a unit is 5 L: one step is 1/10 of a unit
    formula = "rounded(sum(flow) / 2, 5)"
    claims = [flows(9), flows(12), flows(), flows(9, 9, starts_epoch=False)]
    assert rounded(formula, claims, "1/10") == ([0, 2, 0, 1], {formula: 9})
    # the same with steps of 1/6 L
    assert rounded(formula, claims, "1/30") == ([0, 2, 0, 1], {formula: 27})
    # a unit that is no multiple of the step: 3/2 units for one step of 3 L
    assert rounded("rounded(sum(3 * flow), 2)", [flows(1), flows(1)], "3/2")[0] == [1, 2]
    with pytest.raises(ArithmeticError, match="whole multiple"):
        rounded(formula, claims, "1/4")
    with pytest.raises(ArithmeticError, match="rounded"):
        value(formula, flows(1))


@given(st.lists(FLOWS, min_size=1, max_size=6), st.integers(1, 20), st.booleans())
def test_rounded_claims_add_up_to_the_rounded_whole(
    claims: list[list[int]], unit: int, negative: bool
) -> None:
    sign = "-" if negative else ""
    formula = f"rounded({sign}sum(flow) / 2, {unit} / 3)"
    units, state = rounded(formula, [flows(*values) for values in claims], f"3/{2 * unit}")
    whole = Fraction((-1 if negative else 1) * 3 * sum(map(sum, claims)), 2 * unit)
    assert sum(units) == floor(whole)
    parts = Fraction(3, 2 * unit).denominator
    assert Fraction(state[formula], parts) == whole - floor(whole)


# --- missing readings -----------------------------------------------------------------------


def test_missing_readings_are_left_out() -> None:
    # flow 4, gap, 8, 2; p = -2, 1, gap, 3
    records = log([[[4, 0, 0], [GAP, 6, 1000], [8, GAP, 1000]], [[2, 10, 1000]]])
    check(
        {
            "sum(flow)": 14,
            "count()": 4,
            "sum(dt)": 3,
            "sum(flow * dt)": 10,
            "sum(flow, where=p >= -2)": 6,
            "sum(dt, where=flow > 1)": 2,
            "count(flow > 3)": 2,
            "count(~(flow > 3))": 1,
            "count(flow > 3, where=p < 1)": 1,
            "count(missing(flow))": 1,
            "count(missing(flow) | missing(p))": 2,
            "count(missing(flow) | (flow > 3))": 2,
            "sum(p, where=missing(flow))": 1,
            "all(flow < 9)": 1,
            "any(p > 5)": 0,
            "mean(flow) >= 4.66": 1,
            "mean(flow) <= 4.67": 1,
            "percentile(flow, 66) <= 4": 1,
            "percentile(flow, 67) <= 4": 0,
            "variance(flow) <= 6.23": 1,
            "variance(flow) <= 6.22": 0,
            "max(flow)": 8,
            "max(p) - min(p)": 5,
            "last(p, where=flow > 3)": -2,
            "first(p, where=dt > 0)": 1,
            # each total by itself: the time without a reading counts below
            "ratio(sum(dt, where=flow > 1), sum(dt)) >= 0.67": 0,
            "ratio(sum(dt, where=flow > 1), sum(dt, where=~missing(flow))) >= 1": 1,
            "windows(mean(p) <= 0)": 1,
        },
        records,
        GAPS,
    )
    check({"sum(flow)": 29, "any(p > 5)": 1, "count(missing(flow))": 1}, records)


def test_runs_do_not_see_missing_readings() -> None:
    records = flows(1, GAP, 5, GAP, 5, 6, GAP)
    assert counted("count(rising(flow > 3))", records, schema=GAPS) == (1, {RISING: 0})
    assert counted("count(held(flow > 3, 3))", records, schema=GAPS) == (1, {HELD: 3})
    only = flows(GAP, starts_epoch=False)
    for formula, name, before in (
        ("count(rising(flow > 3))", RISING, 1),
        ("count(held(flow > 3, 3))", HELD, 2),
    ):
        assert counted(formula, only, {name: before}, GAPS) == (0, {name: before})
        opening = flows(GAP, 5)
        after = counted(formula, opening, {name: before}, GAPS)
        assert after == (0, {name: 0 if name == RISING else 1})
    assert counted("count(rising(missing(flow)))", records, schema=GAPS)[0] == 3


# --- cuts -----------------------------------------------------------------------------------

CUT = (
    "sum(flow * p)",
    "count(rising(flow > 5))",
    "count(held(flow > 5, 3), where=p < 3)",
    "sum(flow, where=held(rising(flow > 5) | falling(p > 1), 2))",
    "windows(any(rising(flow > 5)))",
    "windows(mean(p) >= 1) - tariff(flow, '00:00 1, 05:00 2', where=rising(p > 0))",
)
READING = st.sampled_from([0, 3, 6, 7, 14, GAP])
WINDOW = st.lists(st.tuples(READING, READING, st.integers(0, 3000)), max_size=5)


def naive(values: Sequence[int], wanted: int) -> tuple[int, int]:
    """On how many records flow > 5 rises, and on how many it was held for ``wanted`` records."""
    held = [raw > 5 for raw in values if raw != GAP]
    rises = sum(held[k] and not held[k - 1] for k in range(1, len(held)))
    runs = sum(k + 1 >= wanted and all(held[k + 1 - wanted : k + 1]) for k in range(len(held)))
    return rises, runs


@settings(max_examples=100, deadline=None)
@given(
    st.lists(WINDOW, min_size=1, max_size=7),
    st.integers(1, 4),
    st.booleans(),
    st.sampled_from([PLAIN, GAPS]),
    st.integers(0, 2),
)
def test_cuts_change_no_sum_and_no_state(
    windows: list[list[tuple[int, int, int]]],
    size: int,
    starts_epoch: bool,
    schema: Schema,
    seed: int,
) -> None:
    whole = log(windows, starts_epoch=starts_epoch)
    parsed = [parse_outcome(formula, schema) for formula in CUT]
    carried = {part.text for part in s.parts(tuple(parsed)) if isinstance(part, s.Rising | s.Held)}
    before = {name: seed if name.startswith("held") else seed % 2 for name in carried}
    together = Meaning(schema, whole, before)
    expected = [together.outcome(outcome) for outcome in parsed]
    state: Mapping[str, int] = before
    sums = [Fraction(0)] * len(parsed)
    for piece in whole.split(size):
        plain = Meaning(schema, piece, state)
        sums = [total + plain.outcome(outcome) for total, outcome in zip(sums, parsed, strict=True)]
        state = plain.after
    assert sums == expected
    assert state == together.after
    if starts_epoch and schema is GAPS:
        rises, runs = naive([row[0] for window in windows for row in window], 2)
        assert value(CUT[1], whole, GAPS) == rises
        assert value("count(held(flow > 5, 2))", whole, GAPS) == runs
