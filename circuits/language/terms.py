"""Totals as sums of products: what is added up over the records, expanded from a formula.

Every outcome becomes one linear combination of terms, a predicate together with ``>= 0``.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from circuits.errors import BadInput, InputReason
from circuits.language import outcome_syntax as o
from circuits.language import syntax as s
from circuits.schema import Schema


@dataclass(frozen=True)
class Term:
    """factor * the sum of the product of ``numbers`` over the records on which ``where`` holds."""

    factor: Fraction
    where: s.Condition | None
    numbers: tuple[s.Number, ...]


@dataclass(frozen=True)
class Whole:
    """factor * an aggregate that is no sum over records."""

    factor: Fraction
    aggregate: o.Extreme | o.Edge | o.WindowsOf


@dataclass(frozen=True)
class Threshold:
    """linear >= 0, or linear > 0 when strict."""

    linear: o.Linear
    strict: bool


def both(left: s.Condition | None, right: s.Condition | None) -> s.Condition | None:
    """left and right, None being always true."""
    if left is None or right is None:
        return left or right
    return s.Both(left, right)


def known(node: object, schema: Schema) -> s.Condition | None:
    """That no reading which the node needs is missing; None where none can be."""
    found: s.Condition | None = None
    needed = s.readings(node)
    for channel in schema.channels:
        if channel.may_miss and channel.name in needed:
            found = both(found, s.Opposite(s.Missing(channel.name)))
    return found


Simple = o.Comparison | o.Ratio | o.Mean | o.Percentile | o.Always | o.Ever


def threshold(predicate: Simple, schema: Schema) -> Threshold:
    """A predicate as a combination of totals that is (more than) 0 exactly where it holds."""
    one = Fraction(1)
    if isinstance(predicate, o.Always):
        against = o.CountOf(s.Opposite(predicate.condition), predicate.where)
        return Threshold(o.Linear(((-one, against),)), False)
    if isinstance(predicate, o.Ever):
        return Threshold(o.Linear(((one, o.CountOf(predicate.condition, predicate.where)),)), True)
    if isinstance(predicate, o.Percentile):
        fine = s.Compare(predicate.number, "<=", s.Constant(predicate.bound))
        within = o.Linear(((Fraction(100), o.CountOf(fine, predicate.where)),))
        records = o.Linear(((one, _records(predicate, schema)),))
        return Threshold(within.plus(records, -predicate.percent), False)
    if isinstance(predicate, o.Mean):
        left = o.Linear(((one, o.SumOf(predicate.number, predicate.where)),))
        right = o.Linear(((predicate.bound, _records(predicate, schema)),))
    elif isinstance(predicate, o.Ratio):
        left, right = predicate.above, predicate.below.times(predicate.bound)
    else:
        left, right = predicate.left, predicate.right
    if predicate.relation in ("<", "<="):
        left, right = right, left
    return Threshold(left.plus(right, -one), predicate.relation in ("<", ">"))


def _records(predicate: o.Mean | o.Percentile, schema: Schema) -> o.CountOf:
    """The records under ``where`` on which the number is known."""
    return o.CountOf(None, both(predicate.where, known(predicate.number, schema)))


def expand(linear: o.Linear, schema: Schema) -> list[Term | Whole]:
    """The terms of a combination, equal ones collected, those that cancel out left out."""
    collected: dict[tuple[s.Condition | None, tuple[s.Number, ...]], Fraction] = {}
    others: dict[o.Extreme | o.Edge | o.WindowsOf, Fraction] = {}
    for factor, aggregate in linear.terms:
        if isinstance(aggregate, o.Extreme | o.Edge | o.WindowsOf):
            others[aggregate] = others.get(aggregate, Fraction(0)) + factor
            continue
        where = both(aggregate.where, known(aggregate, schema))
        if isinstance(aggregate, o.CountOf):
            where = both(aggregate.condition, where)
            summands: list[tuple[Fraction, tuple[s.Number, ...]]] = [(Fraction(1), ())]
        else:
            summands = _summands(aggregate.number)
        for inner, numbers in summands:
            key = (where, numbers)
            collected[key] = collected.get(key, Fraction(0)) + factor * inner
    products = [Term(factor, *key) for key, factor in collected.items() if factor]
    return [*products, *(Whole(factor, other) for other, factor in others.items() if factor)]


def _summands(node: s.Number) -> list[tuple[Fraction, tuple[s.Number, ...]]]:
    """node = sum(factor * product)."""
    if isinstance(node, s.Plus):
        return _summands(node.left) + _summands(node.right)
    if isinstance(node, s.Scaled):
        return [(node.factor * factor, numbers) for factor, numbers in _summands(node.inner)]
    if isinstance(node, s.Constant):
        return [(node.value, ())]
    if isinstance(node, s.Times):
        factor, numbers = _factors(node)
        return [(factor, numbers)]
    return [(Fraction(1), (node,))]


def _factors(node: s.Number) -> tuple[Fraction, tuple[s.Number, ...]]:
    """node = factor * product of numbers."""
    if isinstance(node, s.Times):
        left, right = _factors(node.left), _factors(node.right)
        return left[0] * right[0], left[1] + right[1]
    if isinstance(node, s.Scaled):
        factor, numbers = _factors(node.inner)
        return node.factor * factor, numbers
    return Fraction(1), (node,)


def split_product(numbers: tuple[s.Number, ...]) -> tuple[s.Number | None, s.Number | None]:
    """A product as (all but one, that one); that one is the time step where there is one."""
    if len(numbers) < 2:
        return (numbers[0] if numbers else None), None
    place = len(numbers) - 1
    for k, number in enumerate(numbers):
        if isinstance(number, s.TimeStep):
            place = k
    rest = numbers[:place] + numbers[place + 1 :]
    product = rest[0]
    for number in rest[1:]:
        product = s.Times(product, number)
    return product, numbers[place]


def require_terms(terms: list[Term | Whole], formula: str) -> list[Term | Whole]:
    """``BadInput`` FORMULA when everything cancelled out."""
    if not terms:
        raise BadInput(InputReason.FORMULA, f"formula {formula[:80]!r}: the totals cancel out")
    return terms
