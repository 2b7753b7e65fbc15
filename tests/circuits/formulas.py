"""Random formulas of the outcome language, as text, over a given schema."""

from __future__ import annotations

from hypothesis import strategies as st

from circuits.schema import Schema

CONSTANTS = st.sampled_from(["0", "1", "-1", "3", "0.5", "-2.25", "12.1", "100", "1000.7"])
POSITIVE = st.sampled_from(["1", "2", "0.5", "60", "3.7"])
ORDER = st.sampled_from(["<", "<=", ">=", ">"])
RELATION = st.sampled_from(["<", "<=", "==", "!=", ">=", ">"])


def numbers(schema: Schema, depth: int = 2) -> st.SearchStrategy[str]:
    """A number of one record that contains a channel or the time step."""
    names = [channel.name for channel in schema.channels] + ["dt_ms", "dt"]
    leaf = st.sampled_from(names)
    if depth == 0:
        return leaf
    inner = numbers(schema, depth - 1)
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


def conditions(schema: Schema, depth: int = 2) -> st.SearchStrategy[str]:
    """A condition on one record."""
    number = numbers(schema, min(depth, 1))
    leaf = st.one_of(
        st.builds("({} {} {})".format, number, RELATION, CONSTANTS),
        st.builds("({} {} {})".format, CONSTANTS, RELATION, number),
        st.builds("({} {} {})".format, number, RELATION, number),
        st.builds("between({}, {}, {})".format, number, st.just("-2"), POSITIVE),
    )
    if depth == 0:
        return leaf
    inner = conditions(schema, depth - 1)
    return st.one_of(
        leaf,
        st.builds("({} & {})".format, inner, inner),
        st.builds("({} | {})".format, inner, inner),
        st.builds("~{}".format, inner),
    )


def wheres(schema: Schema) -> st.SearchStrategy[str]:
    """Nothing, or a restriction to some records."""
    return st.one_of(st.just(""), st.builds(", where={}".format, conditions(schema, 1)))


def totals(schema: Schema, depth: int = 1) -> st.SearchStrategy[str]:
    """A combination of totals."""
    leaf = st.one_of(
        st.builds("sum({}{})".format, numbers(schema), wheres(schema)),
        st.builds("count({}{})".format, conditions(schema), wheres(schema)),
        st.just("count()"),
    )
    if depth == 0:
        return leaf
    inner = totals(schema, depth - 1)
    return st.one_of(
        leaf,
        st.builds("({} + {})".format, inner, inner),
        st.builds("({} - {})".format, inner, inner),
        st.builds("({} * {})".format, POSITIVE, inner),
        st.builds("({} / {})".format, inner, POSITIVE),
        st.builds("-{}".format, inner),
    )


def predicates(schema: Schema) -> st.SearchStrategy[str]:
    """One bit about all records."""
    total, where = totals(schema), wheres(schema)
    condition, number = conditions(schema), numbers(schema)
    counted = st.builds("count({})".format, conditions(schema, 1))
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
