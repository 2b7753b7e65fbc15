"""Aggregates as sums of products over the records; predicates as combinations that are >= 0."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from tests.reference.syntax import (
    Always,
    Compare,
    Condition,
    Constant,
    CountOf,
    Ever,
    Linear,
    Mean,
    Missing,
    Number,
    Opposite,
    Percentile,
    Plus,
    Ratio,
    Reading,
    Scaled,
    Sign,
    SumOf,
    Times,
    Whole,
    both,
    parts,
)

ONE = Fraction(1)


@dataclass(frozen=True)
class Term:
    """factor * the sum of the numbers' product over the records on which ``where`` holds."""

    factor: Fraction
    where: Condition | None
    numbers: tuple[Number, ...]


@dataclass(frozen=True)
class WholeTerm:
    """factor * something that is no sum over records."""

    factor: Fraction
    whole: Whole


def known(may_miss: Sequence[str], *needed: object) -> Condition | None:
    """That no reading is missing that these trees need; ``may_miss`` in the channels' order."""
    channels = {part.channel for part in parts(needed) if isinstance(part, Reading)}
    found: Condition | None = None
    for channel in may_miss:
        if channel in channels:
            found = both(found, Opposite(Missing(channel)))
    return found


def terms_of(linear: Linear, may_miss: Sequence[str]) -> list[Term | WholeTerm]:
    """A combination's terms, equal ones in one; ValueError if none is left.

    Each stands where the first of its kind stands, sums before the others.
    """
    sums: dict[tuple[Condition | None, tuple[Number, ...]], Fraction] = {}
    wholes: dict[Whole, Fraction] = {}
    for factor, aggregate in linear.terms:
        if not isinstance(aggregate, SumOf | CountOf):
            wholes[aggregate] = wholes.get(aggregate, Fraction(0)) + factor
            continue
        where = both(aggregate.where, known(may_miss, aggregate))
        if isinstance(aggregate, CountOf):
            where = both(aggregate.condition, where)
            number: Number = Constant(ONE)
        else:
            number = aggregate.number
        for inner, numbers in _summands(number):
            key = where, numbers
            sums[key] = sums.get(key, Fraction(0)) + factor * inner
    found: list[Term | WholeTerm] = [Term(f, *key) for key, f in sums.items() if f]
    found += [WholeTerm(f, whole) for whole, f in wholes.items() if f]
    if not found:
        raise ValueError("the totals cancel out")
    return found


def _summands(number: Number) -> Iterator[tuple[Fraction, tuple[Number, ...]]]:
    if isinstance(number, Plus):
        yield from _summands(number.left)
        yield from _summands(number.right)
    elif isinstance(number, Scaled):
        yield from ((number.factor * factor, rest) for factor, rest in _summands(number.inner))
    elif isinstance(number, Constant):
        yield number.value, ()
    else:
        yield _factors(number)


def _factors(number: Number) -> tuple[Fraction, tuple[Number, ...]]:
    if isinstance(number, Times):
        left, right = _factors(number.left), _factors(number.right)
        return left[0] * right[0], left[1] + right[1]
    if isinstance(number, Scaled):
        factor, rest = _factors(number.inner)
        return number.factor * factor, rest
    return ONE, (number,)


def difference(predicate: Sign, may_miss: Sequence[str]) -> tuple[Linear, bool]:
    """The combination that is at least 0, or more than 0 where it is strict."""
    if isinstance(predicate, Always):
        return Linear(((-ONE, CountOf(Opposite(predicate.condition), predicate.where)),)), False
    if isinstance(predicate, Ever):
        return Linear(((ONE, CountOf(predicate.condition, predicate.where)),)), True
    if isinstance(predicate, Percentile):
        within = Compare(predicate.number, "<=", Constant(predicate.bound))
        counted = CountOf(within, predicate.where)
        everything = CountOf(None, both(predicate.where, known(may_miss, predicate.number)))
        return Linear(((Fraction(100), counted), (-predicate.percent, everything))), False
    if isinstance(predicate, Mean):
        left = Linear(((ONE, SumOf(predicate.number, predicate.where)),))
        records = CountOf(None, both(predicate.where, known(may_miss, predicate.number)))
        right = Linear(((predicate.bound, records),))
    elif isinstance(predicate, Ratio):
        left, right = predicate.above, predicate.below.times(predicate.bound)
    else:
        left, right = predicate.left, predicate.right
    if predicate.relation in ("<", "<="):
        left, right = right, left
    return left.plus(right, -ONE), predicate.relation in ("<", ">")
