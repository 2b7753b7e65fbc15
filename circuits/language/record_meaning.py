"""What a formula means for every record of a claim: numbers, conditions, and carried state.

A number of every record is a list of Python integers over one common denominator. This is the
definition, written without the compiler.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuits.language import syntax as s
from circuits.layout import in_time_of_day
from circuits.records import Records
from circuits.schema import DT_CHANNEL, Channel, Schema

Integers = NDArray[np.object_]
Truths = NDArray[np.bool_]

WHOLE = slice(None)
RELATED: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
}


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


class RecordMeaning:
    """Numbers and conditions of one claim's records, in order.

    ``before`` are the carried values before the first record, absent ones 0. Evaluating a condition
    that carries something leaves its value after the last record in ``after``.
    """

    def __init__(self, schema: Schema, records: Records, before: Mapping[str, int]) -> None:
        self.schema, self.claim, self.before = schema, records, before
        self.after: dict[str, int] = {}
        self.records: Integers = records.rows.astype(object)
        self.everywhere: Truths = np.ones(len(records.rows), dtype=np.bool_)
        self._conditions: dict[s.Condition, Truths] = {}

    def channel(self, name: str) -> Channel:
        """A channel by name."""
        return self.schema.channels[self.schema.position(name)]

    def raw(self, name: str, span: slice = WHOLE) -> NDArray[np.uint64]:
        """A channel's raw codes."""
        return self.claim.rows[span, self.schema.position(name)]

    def missing(self, name: str, span: slice = WHOLE) -> Truths:
        """Where a channel has the code of a missed sample."""
        found: Truths = self.raw(name, span) == self.channel(name).maximum_code
        return found

    def known(self, nodes: object, span: slice = WHOLE) -> Truths:
        """Where nothing is missing that these nodes read of channels that may miss readings."""
        found = self.everywhere[span]
        for name in s.readings(nodes):
            if self.channel(name).may_miss:
                found = found & ~self.missing(name, span)
        return found

    def condition(self, node: s.Condition) -> Truths:
        """On which records a condition holds; meaningless where it is not known."""
        if node not in self._conditions:
            self._conditions[node] = self._condition(node)
        return self._conditions[node]

    def _condition(self, node: s.Condition) -> Truths:
        if isinstance(node, s.Both):
            return self.condition(node.left) & self.condition(node.right)
        if isinstance(node, s.Either):
            return self.condition(node.left) | self.condition(node.right)
        if isinstance(node, s.Opposite):
            return ~self.condition(node.inner)
        if isinstance(node, s.Between):
            low = s.Compare(node.inner, ">=", s.Constant(node.low))
            high = s.Compare(node.inner, "<=", s.Constant(node.high))
            return self.condition(low) & self.condition(high)
        if isinstance(node, s.Rising):
            return self._rising(node)
        if isinstance(node, s.Held):
            return self._held(node)
        if isinstance(node, s.Missing):
            return self.missing(node.channel)
        if isinstance(node, s.TimeOfDay):
            starts = self.claim.starts_ms
            inside = [in_time_of_day(start, node.start, node.end) for start in starts]
            return np.repeat(np.array(inside, dtype=np.bool_), self.claim.counts)
        left, right = self.number(node.left), self.number(node.right)
        common = lcm(left.denominator, right.denominator)
        found: Truths = RELATED[node.relation](left.over(common), right.over(common))
        return found.astype(np.bool_)

    def carried(self, name: str) -> int:
        """A carried value when the first record comes: 0 where that one opens its epoch."""
        if self.claim.starts_epoch and len(self.everywhere):
            return 0
        return self.before.get(name, 0)

    def _rising(self, node: s.Rising) -> Truths:
        """Carries whether there was a record before on which the condition did not hold."""
        known, failed_before = self.known(node.inner), self.carried(node.text)
        holds = self.condition(node.inner)[known]
        failed = np.concatenate([[bool(failed_before)], ~holds])
        self.after[node.text] = int(failed[-1])
        found = np.zeros_like(self.everywhere)
        found[known] = holds & failed[:-1]
        return found

    def _held(self, node: s.Held) -> Truths:
        """Carries for how many records in a row the condition held, up to the wanted number."""
        known, run = self.known(node.inner), self.carried(node.text)
        reached = []
        for holds in self.condition(node.inner)[known].tolist():
            run = min(node.count, run + 1) if holds else 0
            reached.append(run == node.count)
        self.after[node.text] = run
        found = np.zeros_like(self.everywhere)
        found[known] = reached
        return found

    def number(self, node: s.Number, span: slice = WHOLE) -> Numbers:
        """A number of every record."""
        if isinstance(node, s.Constant):
            return self._constant(node.value, span)
        if isinstance(node, s.Reading):
            channel = self.channel(node.channel)
            raw = Numbers(self.records[span, self.schema.position(node.channel)], 1)
            return add(raw.times(channel.scale), self._constant(channel.offset, span))
        if isinstance(node, s.TimeStep):
            return Numbers(self.steps[span], 1)
        if isinstance(node, s.Plus):
            return add(self.number(node.left, span), self.number(node.right, span))
        if isinstance(node, s.Scaled):
            return self.number(node.inner, span).times(node.factor)
        if isinstance(node, s.Times):
            left, right = self.number(node.left, span), self.number(node.right, span)
            return Numbers(left.numerators * right.numerators, left.denominator * right.denominator)
        inner = self.number(node.inner, span)
        if isinstance(node, s.Absolute):
            return Numbers(np.abs(inner.numerators), inner.denominator)
        above = add(inner, self._constant(-node.limit, span))
        return Numbers(np.maximum(above.numerators, 0), above.denominator)

    def _constant(self, value: Fraction, span: slice) -> Numbers:
        """The same number for every record."""
        count = len(self.everywhere[span])
        return Numbers(np.full(count, value.numerator, dtype=object), value.denominator)

    @cached_property
    def steps(self) -> Integers:
        """Milliseconds since the record before, of every record."""
        if self.schema.period_ms is None:
            found: Integers = self.records[:, self.schema.position(DT_CHANNEL)]
            return found
        steps = np.full(len(self.records), self.schema.period_ms, dtype=object)
        steps[: 1 if self.claim.starts_epoch else 0] = 0
        return steps


def add(left: Numbers, right: Numbers) -> Numbers:
    """Record by record."""
    common = lcm(left.denominator, right.denominator)
    return Numbers(left.over(common) + right.over(common), common)
