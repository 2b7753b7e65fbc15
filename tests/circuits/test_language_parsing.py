"""The outcome language's grammar: what it reads as."""

from __future__ import annotations

from fractions import Fraction

import pytest

from circuits.language import outcome_syntax as o
from circuits.language import syntax as s
from circuits.language.day import schedule
from circuits.language.parsing import parse_outcome
from circuits.schema import Schema
from tests.circuits.logs import channel

SCHEMA = Schema((channel("flow", 8), channel("p", 8)))
FLOW, PRESSURE = s.Reading("flow"), s.Reading("p")
HIGH = s.Compare(PRESSURE, ">", s.Constant(Fraction(1)))
ONE = Fraction(1)


def exact(*terms: tuple[Fraction | int | str, o.Aggregate]) -> o.Exact:
    return o.Exact(o.Linear(tuple((Fraction(factor), term) for factor, term in terms)))


def condition(text: str) -> s.Condition:
    """The condition that a formula counts."""
    outcome = parse_outcome(f"count({text})", SCHEMA)
    assert isinstance(outcome, o.Exact)
    counted = outcome.linear.terms[0][1]
    assert isinstance(counted, o.CountOf)
    assert counted.condition is not None
    return counted.condition


@pytest.mark.parametrize(
    ("text", "number", "factor"),
    [
        ("sum(flow)", FLOW, "1"),
        ("sum( p )/4", PRESSURE, "1/4"),
        ("sum(flow * dt_ms)/60000", s.Times(FLOW, s.TimeStep()), "1/60000"),
        ("sum(dt_ms*flow) / 0.5", s.Times(s.TimeStep(), FLOW), "2"),
        ("(sum(flow)) / 3 / 2", FLOW, "1/6"),
        ("-sum(flow) * 2.50", FLOW, "-5/2"),
    ],
)
def test_sums(text: str, number: s.Number, factor: str) -> None:
    assert parse_outcome(text, SCHEMA) == exact((factor, o.SumOf(number, None)))


@pytest.mark.parametrize(
    ("text", "relation", "bound"),
    [
        ("flow <= 12.5", "<=", "12.5"),
        ("flow >= -3", ">=", "-3"),
        (" flow>=7.10 ", ">=", "7.1"),
        ("3 <= flow", ">=", "3"),
        ("flow <= 0.1", "<=", "1/10"),
        (f"flow < {'1' * 30}.{'1' * 30}", "<", f"{'1' * 30}.{'1' * 30}"),
    ],
)
def test_thresholds_stay_exact(text: str, relation: str, bound: str) -> None:
    assert condition(text) == s.Compare(FLOW, relation, s.Constant(Fraction(bound)))


def test_constants_fold_and_sides_turn() -> None:
    one = parse_outcome("count(3 - 1 <= 2 * flow / 4)", SCHEMA)
    half = s.Scaled(FLOW, Fraction(1, 2))
    assert one == exact((1, o.CountOf(s.Compare(half, ">=", s.Constant(Fraction(2))), None)))
    assert condition("-(-flow) * 1 + 0 > p") == condition("flow > p")
    assert parse_outcome("3 <= mean(flow)", SCHEMA) == o.Mean(FLOW, None, ">=", Fraction(3))


def test_seconds_are_milliseconds() -> None:
    step = s.Scaled(s.TimeStep(), Fraction(1, 1000))
    seconds = parse_outcome("sum(flow * dt)", SCHEMA)
    assert seconds == exact((1, o.SumOf(s.Times(FLOW, step), None)))
    # a channel of that name is the channel
    own = Schema((channel("dt", 8),), 100)
    assert parse_outcome("any(dt > 3)", own) == o.Ever(
        s.Compare(s.Reading("dt"), ">", s.Constant(Fraction(3))), None
    )


def test_decimals_stay_exact() -> None:
    tenth = o.SumOf(s.Scaled(FLOW, Fraction(1, 10)), None)
    outcome = parse_outcome("sum(0.1 * flow) / 9007199254740993", SCHEMA)
    assert outcome == exact((Fraction(1, 9007199254740993), tenth))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rising(p > 1)", s.Rising(HIGH)),
        ("falling(p > 1)", s.Rising(s.Opposite(HIGH))),
        ("held(p > 1, 30)", s.Held(HIGH, 30)),
        ("held(p > 1, 1000000)", s.Held(HIGH, 10**6)),
        ("rising(held(p > 1, 1))", s.Rising(s.Held(HIGH, 1))),
        ("~missing(flow) & (p > 1)", s.Both(s.Opposite(s.Missing("flow")), HIGH)),
        ("time_of_day('06:00', \"22:30\")", s.TimeOfDay(360, 1350)),
        ("time_of_day('22:00', '06:00')", s.TimeOfDay(1320, 360)),
        ("time_of_day('06:00', '22:00', '+02:00')", s.TimeOfDay(240, 1200)),
        ("time_of_day('01:00', '22:00', '+14:00')", s.TimeOfDay(660, 480)),
        ("time_of_day('00:00', '23:59', '-05:30')", s.TimeOfDay(330, 329)),
    ],
)
def test_conditions_with_a_past_and_a_time(text: str, expected: s.Condition) -> None:
    assert condition(text) == expected


def test_what_a_node_reads() -> None:
    read = condition("held(rising((flow > 1) | missing(p)), 3) & time_of_day('01:00', '02:00')")
    assert s.readings(read) == {"flow"}
    assert s.readings((PRESSURE, None, read)) == {"flow", "p"}
    assert s.readings(condition("missing(p) | (dt > 3)")) == frozenset()


@pytest.mark.parametrize(
    ("text", "aggregate"),
    [
        ("min(p)", o.Extreme("p", False, None)),
        ("max(p, where=p > 1)", o.Extreme("p", True, HIGH)),
        ("first(flow)", o.Edge("flow", False, None)),
        ("last(flow, where=p > 1)", o.Edge("flow", True, HIGH)),
        ("windows(all(p > 1))", o.WindowsOf(o.Always(HIGH, None))),
        (
            "windows(count(p > 1) / 2 >= 4)",
            o.WindowsOf(
                o.Comparison(
                    o.Linear(((Fraction(1, 2), o.CountOf(HIGH, None)),)),
                    ">=",
                    o.Linear((), Fraction(4)),
                )
            ),
        ),
        ("windows(mean(p) <= 3)", o.WindowsOf(o.Mean(PRESSURE, None, "<=", Fraction(3)))),
    ],
)
def test_other_aggregates(text: str, aggregate: o.Aggregate) -> None:
    assert parse_outcome(text, SCHEMA) == exact((1, aggregate))
    assert parse_outcome(f"{text} - 2 * sum(flow) > 1", SCHEMA) == o.Comparison(
        o.Linear(((ONE, aggregate), (Fraction(-2), o.SumOf(FLOW, None)))),
        ">",
        o.Linear((), ONE),
    )


def test_what_adds_up_over_claims() -> None:
    for text, additive in (
        ("sum(flow) - 2 * count(p > 1)", True),
        ("windows(any(p > 1)) / 3", True),
        ("tariff(flow, '00:00 1, 06:00 2')", True),
        ("max(p) - min(p)", False),
        ("last(p) + sum(flow)", False),
    ):
        outcome = parse_outcome(text, SCHEMA)
        assert isinstance(outcome, o.Exact)
        assert outcome.linear.additive == additive


def inside(start: int, end: int) -> s.Condition:
    return s.TimeOfDay(60 * start, 60 * end)


@pytest.mark.parametrize(
    ("arguments", "terms"),
    [
        ("'00:00 0.21'", [("0.21", None)]),
        ("'00:00 0.21, 12:00 0.210'", [("0.21", None)]),
        # equal prices before and after midnight are one interval
        (
            "'00:00 0.21, 06:00 0.34, 22:00 0.21'",
            [("0.34", inside(6, 22)), ("0.21", inside(22, 6))],
        ),
        (
            "'00:00 1, 06:00 2,22:00   3', where=p > 1",
            [
                ("1", s.Both(inside(0, 6), HIGH)),
                ("2", s.Both(inside(6, 22), HIGH)),
                ("3", s.Both(inside(22, 0), HIGH)),
            ],
        ),
        ("'00:00 0, 06:00 2, 07:00 2, 08:00 0'", [("2", inside(6, 8))]),
        ("'00:00 0, 06:00 2', '+07:00'", [("2", inside(23, 17))]),
        ("'00:00 1', '-01:00', where=p > 1", [("1", HIGH)]),
    ],
)
def test_tariffs(arguments: str, terms: list[tuple[str, s.Condition | None]]) -> None:
    expected = exact(*((price, o.SumOf(FLOW, where)) for price, where in terms))
    assert parse_outcome(f"tariff(flow, {arguments})", SCHEMA) == expected


def test_a_tariff_is_a_total_like_any_other() -> None:
    total = o.Linear(((Fraction(6), o.SumOf(FLOW, inside(1, 2))), (-ONE, o.SumOf(FLOW, None))))
    tariff = "tariff(flow, '00:00 0, 01:00 3, 02:00 0')"
    assert parse_outcome(f"2 * {tariff} - sum(flow)", SCHEMA) == o.Exact(total)
    bound = o.Linear((), Fraction(5))
    windows = o.WindowsOf(o.Comparison(o.Linear(total.terms[1:]).times(-ONE), ">=", bound))
    assert parse_outcome("windows(tariff(flow, '00:00 1') >= 5)", SCHEMA) == exact((1, windows))


def test_as_many_entries_as_half_hours() -> None:
    short = ",".join(f"{k // 2:02d}:{k % 2 * 30:02d} {k % 10}" for k in range(48))
    outcome = parse_outcome(f'tariff(p,"{short}")', SCHEMA)
    assert isinstance(outcome, o.Exact)
    assert len(outcome.linear.terms) == 43  # those with a price
    with pytest.raises(ValueError, match="at most 48"):
        schedule(short + ",23:45 1")


def test_whole_numbers_and_rounding() -> None:
    litres = o.Linear(((Fraction(1, 60000), o.SumOf(s.Times(FLOW, s.TimeStep()), None)),))
    text = "sum(flow * dt_ms) / 60000"
    assert parse_outcome(f"floor({text} + 2)", SCHEMA) == o.Floor(
        o.Linear(litres.terms, Fraction(2))
    )
    assert parse_outcome("floor(max(p) / 10)", SCHEMA) == o.Floor(
        o.Linear(((Fraction(1, 10), o.Extreme("p", True, None)),))
    )
    for unit, value in (("0.5", "1/2"), ("1/3", "1/3"), ("0.5 / 0.2", "5/2")):
        outcome = parse_outcome(f"rounded( {text},   {unit})", SCHEMA)
        assert outcome == o.Rounded(litres, Fraction(value), f"rounded( {text}, {unit})")


@pytest.mark.parametrize(
    ("text", "relation", "bound"),
    [
        ("floor(sum(flow)) >= 2.5", ">=", 3),
        ("floor(sum(flow)) >= 3", ">=", 3),
        ("floor(sum(flow)) > 2.5", ">=", 3),
        ("3 < floor(sum(flow))", ">=", 4),
        ("floor(sum(flow)) <= 2.5", "<", 3),
        ("floor(sum(flow)) <= 3", "<", 4),
        ("floor(sum(flow)) < 2.5", "<", 3),
        ("3 > floor(sum(flow))", "<", 3),
        ("floor(sum(flow)) >= -2.5", ">=", -2),
    ],
)
def test_a_compared_floor_is_a_comparison(text: str, relation: str, bound: int) -> None:
    linear = o.Linear(((ONE, o.SumOf(FLOW, None)),))
    expected = o.Comparison(linear, relation, o.Linear((), Fraction(bound)))
    assert parse_outcome(text, SCHEMA) == expected


def test_spread() -> None:
    assert parse_outcome("variance(flow) <= 0", SCHEMA) == o.Variance(FLOW, None, "<=", Fraction(0))
    assert parse_outcome("2 <= variance(flow * p, where=p > 1)", SCHEMA) == o.Variance(
        s.Times(FLOW, PRESSURE), HIGH, ">=", Fraction(2)
    )
    assert parse_outcome("cpk(p, -1, 0.5, where=p > 1) >= 1.33", SCHEMA) == o.Capability(
        PRESSURE, Fraction(-1), Fraction(1, 2), HIGH, Fraction("1.33")
    )
