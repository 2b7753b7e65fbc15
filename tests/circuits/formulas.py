"""Random formulas of the outcome language, as text, over given channel names."""

from __future__ import annotations

from functools import cache

from hypothesis import strategies as st

Names = tuple[str, ...]

CONSTANTS = st.sampled_from(["0", "1", "-1", "3", "0.5", "-2.25", "12.1", "100", "1000.7"])
POSITIVE = st.sampled_from(["1", "2", "0.5", "60", "3.7"])
ORDER = st.sampled_from(["<", "<=", ">=", ">"])
RELATION = st.sampled_from(["<", "<=", "==", "!=", ">=", ">"])


@cache
def numbers(names: Names, depth: int = 2) -> st.SearchStrategy[str]:
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
def conditions(names: Names, depth: int = 2) -> st.SearchStrategy[str]:
    """A condition on one record."""
    number = numbers(names, min(depth, 1))
    leaf = st.one_of(
        st.builds("({} {} {})".format, number, RELATION, CONSTANTS),
        st.builds("({} {} {})".format, CONSTANTS, RELATION, number),
        st.builds("({} {} {})".format, number, RELATION, number),
        st.builds("between({}, {}, {})".format, number, st.just("-2"), POSITIVE),
    )
    if depth == 0:
        return leaf
    inner = conditions(names, depth - 1)
    return st.one_of(
        leaf,
        st.builds("({} & {})".format, inner, inner),
        st.builds("({} | {})".format, inner, inner),
        st.builds("~{}".format, inner),
    )


@cache
def wheres(names: Names) -> st.SearchStrategy[str]:
    """Nothing, or a restriction to some records."""
    return st.one_of(st.just(""), st.builds(", where={}".format, conditions(names, 1)))


@cache
def totals(names: Names, depth: int = 1) -> st.SearchStrategy[str]:
    """A combination of totals."""
    leaf = st.one_of(
        st.builds("sum({}{})".format, numbers(names), wheres(names)),
        st.builds("count({}{})".format, conditions(names), wheres(names)),
        st.just("count()"),
    )
    if depth == 0:
        return leaf
    inner = totals(names, depth - 1)
    return st.one_of(
        leaf,
        st.builds("({} + {})".format, inner, inner),
        st.builds("({} - {})".format, inner, inner),
        st.builds("({} * {})".format, POSITIVE, inner),
        st.builds("({} / {})".format, inner, POSITIVE),
        st.builds("-{}".format, inner),
    )


@cache
def predicates(names: Names) -> st.SearchStrategy[str]:
    """One bit about all records."""
    total, where = totals(names), wheres(names)
    condition, number = conditions(names), numbers(names)
    counted = st.builds("count({})".format, conditions(names, 1))
    return st.one_of(
        st.builds("{} {} {}".format, total, ORDER, CONSTANTS),
        st.builds("{} {} {}".format, CONSTANTS, ORDER, total),
        st.builds("{} {} {} + {}".format, total, ORDER, total, CONSTANTS),
        st.builds("ratio({}, {}) >= {}".format, total, counted, CONSTANTS),
        st.builds("ratio({}, {}) <= {}".format, total, counted, CONSTANTS),
        st.builds("mean({}{}) >= {}".format, number, where, CONSTANTS),
        st.builds("mean({}{}) <= {}".format, number, where, CONSTANTS),
        st.builds("percentile({}, {}{}) <= {}".format, number, POSITIVE, where, CONSTANTS),
        st.builds("all({}{})".format, condition, where),
        st.builds("any({}{})".format, condition, where),
    )
