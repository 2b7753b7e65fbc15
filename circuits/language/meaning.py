"""What a formula means: exact integer arithmetic over raw records, written without the compiler.

A number of every record is a list of Python integers over one common denominator. This is the
definition; the property tests hold the circuit to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import numpy as np
from numpy.typing import NDArray

from circuits.language import syntax as s
from circuits.schema import DT_CHANNEL, Schema

Integers = NDArray[np.object_]
Truths = NDArray[np.bool_]


@dataclass(frozen=True)
class Numbers:
    """One exact number per record: numerators over a positive denominator."""

    numerators: Integers
    denominator: int

    def over(self, denominator: int) -> Integers:
        """Numerators over a multiple of the denominator."""
        scaled: Integers = self.numerators * (denominator // self.denominator)
        return scaled

    def times(self, factor: Fraction) -> Numbers:
        """Every number times a constant."""
        return Numbers(self.numerators * factor.numerator, self.denominator * factor.denominator)


class Meaning:
    """Formulas over one claim's raw records (n, schema.elements), in order."""

    def __init__(self, schema: Schema, records: NDArray[np.uint64], starts_epoch: bool) -> None:
        self.schema, self.starts_epoch = schema, starts_epoch
        self.records: Integers = records.astype(object)
        self.everywhere: Truths = np.ones(len(records), dtype=np.bool_)

    def outcome(self, outcome: s.Outcome) -> Fraction:
        """The exact value; a predicate's is 1 or 0."""
        if isinstance(outcome, s.Additive):
            return self.linear(outcome.linear)
        return Fraction(int(self.holds(outcome)))

    def holds(self, predicate: s.Predicate) -> bool:
        """Whether a predicate holds for these records together."""
        if isinstance(predicate, s.Always):
            return bool(self.condition(predicate.condition)[self.where(predicate.where)].all())
        if isinstance(predicate, s.Ever):
            return bool(self.condition(predicate.condition)[self.where(predicate.where)].any())
        if isinstance(predicate, s.Comparison):
            left, right = self.linear(predicate.left), self.linear(predicate.right)
            return related(left, predicate.relation, right)
        if isinstance(predicate, s.Ratio):
            bound = predicate.bound * self.linear(predicate.below)
            return related(self.linear(predicate.above), predicate.relation, bound)
        where = self.where(predicate.where)
        if isinstance(predicate, s.Mean):
            total = self.total(self.number(predicate.number), where)
            return related(total, predicate.relation, predicate.bound * int(where.sum()))
        fine = s.Compare(predicate.number, "<=", s.Constant(predicate.bound))
        within = int((self.condition(fine) & where).sum())
        return 100 * within >= predicate.percent * int(where.sum())

    def linear(self, linear: s.Linear) -> Fraction:
        """A combination of totals."""
        found = linear.constant
        for factor, aggregate in linear.terms:
            where = self.where(aggregate.where)
            if isinstance(aggregate, s.SumOf):
                found += factor * self.total(self.number(aggregate.number), where)
            else:
                found += factor * int((self.where(aggregate.condition) & where).sum())
        return found

    def total(self, numbers: Numbers, where: Truths) -> Fraction:
        """The sum over the chosen records."""
        return Fraction(int(sum(numbers.numerators[where])), numbers.denominator)

    def where(self, condition: s.Condition | None) -> Truths:
        """The records on which a condition holds; all of them without one."""
        return self.everywhere if condition is None else self.condition(condition)

    def condition(self, node: s.Condition) -> Truths:
        """On which records a condition holds."""
        found: Truths
        if isinstance(node, s.Both):
            found = self.condition(node.left) & self.condition(node.right)
        elif isinstance(node, s.Either):
            found = self.condition(node.left) | self.condition(node.right)
        elif isinstance(node, s.Opposite):
            found = ~self.condition(node.inner)
        elif isinstance(node, s.Between):
            low = s.Compare(node.inner, ">=", s.Constant(node.low))
            high = s.Compare(node.inner, "<=", s.Constant(node.high))
            found = self.condition(low) & self.condition(high)
        else:
            left, right = self.number(node.left), self.number(node.right)
            common = lcm(left.denominator, right.denominator)
            pairs = zip(left.over(common), right.over(common), strict=True)
            found = np.array([related(a, node.relation, b) for a, b in pairs], dtype=np.bool_)
        return found

    def number(self, node: s.Number) -> Numbers:
        """A number of every record."""
        count = len(self.records)
        if isinstance(node, s.Constant):
            return constant(node.value, count)
        if isinstance(node, s.Reading):
            position = self.schema.position(node.channel)
            channel = self.schema.channels[position]
            raw = Numbers(self.records[:, position], 1)
            return add(raw.times(channel.scale), constant(channel.offset, count))
        if isinstance(node, s.TimeStep):
            return Numbers(self.steps(), 1)
        if isinstance(node, s.Plus):
            return add(self.number(node.left), self.number(node.right))
        if isinstance(node, s.Scaled):
            return self.number(node.inner).times(node.factor)
        if isinstance(node, s.Times):
            left, right = self.number(node.left), self.number(node.right)
            return Numbers(left.numerators * right.numerators, left.denominator * right.denominator)
        inner = self.number(node.inner)
        if isinstance(node, s.Absolute):
            return Numbers(np.abs(inner.numerators), inner.denominator)
        above = add(inner, constant(-node.limit, count))
        return Numbers(np.maximum(above.numerators, 0), above.denominator)

    def steps(self) -> Integers:
        """Milliseconds since the record before, of every record."""
        if self.schema.period_ms is None:
            found: Integers = self.records[:, self.schema.position(DT_CHANNEL)]
            return found
        steps = np.full(len(self.records), self.schema.period_ms, dtype=object)
        steps[: 1 if self.starts_epoch else 0] = 0
        return steps


def constant(value: Fraction, count: int) -> Numbers:
    """The same number for every record."""
    return Numbers(np.full(count, value.numerator, dtype=object), value.denominator)


def add(left: Numbers, right: Numbers) -> Numbers:
    """Record by record."""
    common = lcm(left.denominator, right.denominator)
    return Numbers(left.over(common) + right.over(common), common)


def related(left: Fraction | int, relation: str, right: Fraction | int) -> bool:
    """left RELATION right."""
    answers = {
        "<": left < right,
        "<=": left <= right,
        "==": left == right,
        "!=": left != right,
        ">=": left >= right,
        ">": left > right,
    }
    return answers[relation]
