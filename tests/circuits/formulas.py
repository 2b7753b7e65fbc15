"""Random formulas of the outcome language, as text, over given channel names."""

from __future__ import annotations

from functools import cache

from hypothesis import strategies as st

Names = tuple[str, ...]
Texts = st.SearchStrategy[str]

CONSTANTS = st.sampled_from(["0", "1", "-1", "3", "0.5", "-2.25", "12.1", "100", "1000.7"])
POSITIVE = st.sampled_from(["1", "2", "0.5", "60", "3.7"])
ORDER = st.sampled_from(["<", "<=", ">=", ">"])
RELATION = st.sampled_from(["<", "<=", "==", "!=", ">=", ">"])
TIMES = st.sampled_from(["00:00", "00:01", "06:30", "12:00", "22:00", "23:59"])
OFFSETS = st.sampled_from(["", ", '+01:00'", ", '-03:30'", ", '+14:00'"])
SCHEDULES = st.sampled_from(
    [
        "00:00 0.21, 06:00 0.34, 22:00 0.21",
        "00:00 2",
        "00:00 0, 07:15 1, 12:00 0.5, 18:00 3",
    ]
)
RUNS = st.sampled_from(["1", "2", "3", "4", "10"])
UNITS = st.sampled_from(["1", "7", "0.5", "50", "1 / 3", "2.5 / 0.7", "1000000"])
INDICES = st.sampled_from(["0.05", "0.33", "1", "1.33"])


def evenly(*kinds: Texts) -> Texts:
    """One of the kinds, each as likely as another however many forms it has."""
    return st.integers(0, len(kinds) - 1).flatmap(kinds.__getitem__)


@cache
def numbers(names: Names, depth: int = 2) -> Texts:
    """A number of one record that contains a channel or the time step."""
    leaf = st.sampled_from([*names, "dt_ms", "dt"])
    if depth == 0:
        return leaf
    inner = numbers(names, depth - 1)
    return st.one_of(
        leaf,
        st.builds("({} + {})".format, inner, inner),
        st.builds("({} - {})".format, inner, inner),
        st.builds("({} * {})".format, inner, leaf),
        st.builds("({} * {})".format, POSITIVE, inner),
        st.builds("({} / {})".format, inner, POSITIVE),
        st.builds("(-{})".format, inner),
        st.builds("({} + {})".format, CONSTANTS, inner),
        st.builds("abs({} - {})".format, inner, leaf),
        st.builds("clip_above({}, {})".format, inner, CONSTANTS),
    )


@cache
def conditions(names: Names, depth: int = 2) -> Texts:
    """A condition on one record."""
    number = numbers(names, min(depth, 1))
    compared = st.one_of(
        st.builds("({} {} {})".format, number, RELATION, CONSTANTS),
        st.builds("({} {} {})".format, CONSTANTS, RELATION, number),
        st.builds("({} {} {})".format, number, RELATION, number),
        st.builds("between({}, {}, {})".format, number, st.just("-2"), POSITIVE),
    )
    day = st.tuples(TIMES, TIMES, OFFSETS).filter(lambda drawn: drawn[0] != drawn[1])
    stated = st.one_of(
        st.builds("missing({})".format, st.sampled_from(names)),
        day.map(lambda drawn: "time_of_day('{}', '{}'{})".format(*drawn)),
    )
    leaf = evenly(compared, compared, compared, stated)
    if depth == 0:
        return leaf
    inner = conditions(names, depth - 1)
    joined = st.one_of(
        st.builds("({} & {})".format, inner, inner),
        st.builds("({} | {})".format, inner, inner),
        st.builds("~{}".format, inner),
    )
    running = st.one_of(
        st.builds("rising({})".format, inner),
        st.builds("falling({})".format, inner),
        st.builds("held({}, {})".format, inner, RUNS),
    )
    return evenly(leaf, joined, running)


@cache
def wheres(names: Names) -> Texts:
    """Nothing, or a restriction to some records."""
    return st.one_of(st.just(""), st.builds(", where={}".format, conditions(names, 1)))


@cache
def sums(names: Names) -> Texts:
    """One sum over records."""
    return st.one_of(
        st.builds("sum({}{})".format, numbers(names), wheres(names)),
        st.builds("count({}{})".format, conditions(names), wheres(names)),
        st.just("count()"),
    )


@cache
def aggregates(names: Names) -> Texts:
    """One number that adds up over claims."""
    tariff = st.builds(
        "tariff({}, '{}'{}{})".format, numbers(names, 1), SCHEDULES, OFFSETS, wheres(names)
    )
    windows = st.builds("windows({})".format, _simple_predicates(sums(names), names))
    return evenly(sums(names), sums(names), tariff, windows)


@cache
def edges(names: Names) -> Texts:
    """One number that does not add up over claims."""
    kind = st.sampled_from(["min", "max", "first", "last"])
    return st.builds("{}({}{})".format, kind, st.sampled_from(names), wheres(names))


def combined(leaf: Texts, depth: int = 1) -> Texts:
    """A combination of such numbers."""
    if depth == 0:
        return leaf
    inner = combined(leaf, depth - 1)
    return st.one_of(
        leaf,
        st.builds("({} + {})".format, inner, inner),
        st.builds("({} - {})".format, inner, inner),
        st.builds("({} * {})".format, POSITIVE, inner),
        st.builds("({} / {})".format, inner, POSITIVE),
        st.builds("-{}".format, inner),
    )


@cache
def totals(names: Names, depth: int = 1) -> Texts:
    """An exact number of all records."""
    return combined(evenly(aggregates(names), aggregates(names), edges(names)), depth)


@cache
def whole_numbers(names: Names) -> Texts:
    """Whole multiples, the remainder dropped or carried on."""
    floored = st.one_of(totals(names), st.builds("{} + {}".format, totals(names), CONSTANTS))
    return evenly(
        st.builds("floor({})".format, floored),
        st.builds("rounded({}, {})".format, combined(aggregates(names)), UNITS),
    )


def _simple_predicates(total: Texts, names: Names) -> Texts:
    """One bit, of a comparison of such totals or about all records."""
    condition, number, where = conditions(names), numbers(names), wheres(names)
    counted = st.builds("count({})".format, conditions(names, 1))
    return st.one_of(
        st.builds("{} {} {}".format, total, ORDER, CONSTANTS),
        st.builds("{} {} {}".format, CONSTANTS, ORDER, total),
        st.builds("{} {} {} + {}".format, total, ORDER, total, CONSTANTS),
        st.builds("floor({}) {} {}".format, total, ORDER, CONSTANTS),
        st.builds("ratio({}, {}) >= {}".format, total, counted, CONSTANTS),
        st.builds("ratio({}, {}) <= {}".format, total, counted, CONSTANTS),
        st.builds("mean({}{}) >= {}".format, number, where, CONSTANTS),
        st.builds("mean({}{}) <= {}".format, number, where, CONSTANTS),
        st.builds("percentile({}, {}{}) <= {}".format, number, POSITIVE, where, CONSTANTS),
        st.builds("all({}{})".format, condition, where),
        st.builds("any({}{})".format, condition, where),
    )


@cache
def spreads(names: Names) -> Texts:
    """One bit about a variance."""
    number, where = numbers(names, 1), wheres(names)
    low, high = st.sampled_from(["-1000", "-2.25", "0"]), st.sampled_from(["0.5", "3", "1000.7"])
    return st.one_of(
        st.builds("variance({}{}) >= {}".format, number, where, POSITIVE),
        st.builds("variance({}{}) <= {}".format, number, where, st.one_of(POSITIVE, st.just("0"))),
        st.builds("cpk({}, {}, {}{}) >= {}".format, number, low, high, where, INDICES),
    )


@cache
def predicates(names: Names) -> Texts:
    """One bit about all records."""
    simple = _simple_predicates(totals(names), names)
    return evenly(simple, simple, simple, spreads(names))


@cache
def outcomes(names: Names) -> Texts:
    """Any outcome of a contract."""
    return evenly(totals(names), predicates(names), spreads(names), whole_numbers(names))
