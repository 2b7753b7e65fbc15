"""What a formula means: exact integer arithmetic over raw records, written without the compiler.

This is the definition; the property tests hold the circuit to it. Every aggregate leaves out the
records on which a reading that it needs is missing.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import floor

import numpy as np

from circuits.language import outcome_syntax as o
from circuits.language import syntax as s
from circuits.language.record_meaning import RELATED, WHOLE, RecordMeaning, Truths


class Meaning(RecordMeaning):
    """Formulas over one claim's raw records, in order.

    ``before`` are the carried values before the first record, absent ones 0; evaluating leaves the
    values after the last one in ``after``. What takes a ``span`` is about those records alone.
    """

    def outcome(self, outcome: o.Outcome) -> Fraction:
        """The exact value; a predicate's is 1 or 0. ``rounded`` has a method of its own."""
        if isinstance(outcome, o.Exact):
            return self.linear(outcome.linear)
        if isinstance(outcome, o.Floor):
            return Fraction(floor(self.linear(outcome.linear)))
        if isinstance(outcome, o.Rounded):
            raise ArithmeticError("the remainder is carried in the compiler's steps: use rounded()")
        return Fraction(int(self.holds(outcome)))

    def rounded(self, outcome: o.Rounded, step: Fraction) -> int:
        """How many whole units there are, together with what earlier claims left over.

        ``step`` = alpha / beta > 0 says how many units one step of the compiler's integer total
        is. The remainder, 0..beta - 1, counts parts of 1 / beta of a unit.
        """
        steps = self.linear(outcome.linear) / outcome.unit / step
        if steps.denominator != 1:
            raise ArithmeticError("the total is not a whole multiple of the compiler's step")
        left_over = self.before.get(outcome.name, 0)
        units, remainder = divmod(left_over + step.numerator * steps.numerator, step.denominator)
        self.after[outcome.name] = remainder
        return units

    def holds(self, predicate: o.Predicate, span: slice = WHOLE) -> bool:
        """Whether a predicate holds for the records together."""
        if isinstance(predicate, o.Always | o.Ever):
            chosen = self.chosen(predicate.where, predicate.condition, span)
            holds = self.condition(predicate.condition)[span][chosen]
            return bool(holds.all() if isinstance(predicate, o.Always) else holds.any())
        if isinstance(predicate, o.Comparison):
            left, right = self.linear(predicate.left, span), self.linear(predicate.right, span)
            return related(left, predicate.relation, right)
        if isinstance(predicate, o.Ratio):
            above, below = self.linear(predicate.above, span), self.linear(predicate.below, span)
            return related(above, predicate.relation, predicate.bound * below)
        chosen = self.chosen(predicate.where, predicate.number, span)
        records = int(chosen.sum())
        if isinstance(predicate, o.Percentile):
            fine = s.Compare(predicate.number, "<=", s.Constant(predicate.bound))
            within = int(self.condition(fine)[span][chosen].sum())
            return 100 * within >= predicate.percent * records
        total = self.total(predicate.number, chosen, span)
        if isinstance(predicate, o.Mean):
            return related(total, predicate.relation, predicate.bound * records)
        squares = self.total(s.Times(predicate.number, predicate.number), chosen, span)
        spread = records * squares - total**2  # the variance times records^2
        if isinstance(predicate, o.Variance):
            return related(spread, predicate.relation, predicate.bound * records**2)
        room = min(total - predicate.low * records, predicate.high * records - total)
        return room >= 0 and room**2 >= 9 * predicate.bound**2 * spread

    def linear(self, linear: o.Linear, span: slice = WHOLE) -> Fraction:
        """A combination of aggregates."""
        found = linear.constant
        for factor, aggregate in linear.terms:
            found += factor * self.aggregate(aggregate, span)
        return found

    def aggregate(self, aggregate: o.Aggregate, span: slice = WHOLE) -> Fraction:
        """One number of all records."""
        if isinstance(aggregate, o.WindowsOf):
            return Fraction(self.windows(aggregate.predicate))
        if isinstance(aggregate, o.SumOf):
            chosen = self.chosen(aggregate.where, aggregate.number, span)
            return self.total(aggregate.number, chosen, span)
        if isinstance(aggregate, o.CountOf):
            chosen = self.chosen(aggregate.where, aggregate.condition, span)
            if aggregate.condition is not None:
                chosen = chosen & self.condition(aggregate.condition)[span]
            return Fraction(int(chosen.sum()))
        chosen = self.chosen(aggregate.where, s.Reading(aggregate.channel), span)
        channel, raw = self.channel(aggregate.channel), self.raw(aggregate.channel, span)[chosen]
        if isinstance(aggregate, o.Edge):
            code = raw[-1 if aggregate.latest else 0] if len(raw) else 0
        elif aggregate.greatest:
            code = raw.max(initial=0)
        else:
            code = raw.min(initial=channel.maximum_code)
        return int(code) * channel.scale + channel.offset

    def windows(self, predicate: o.Predicate) -> int:
        """In how many windows, each by itself, a predicate holds."""
        ends = [0, *np.cumsum(self.claim.counts).tolist()]
        return sum(self.holds(predicate, slice(start, end)) for start, end in pairwise(ends))

    def chosen(
        self, where: s.Condition | None, needed: s.Number | s.Condition | None, span: slice
    ) -> Truths:
        """The records under ``where`` on which it and what else is needed are known."""
        known = self.known((where, needed), span)
        return known if where is None else known & self.condition(where)[span]

    def total(self, node: s.Number, chosen: Truths, span: slice) -> Fraction:
        """The sum of a number over the chosen records of the span."""
        numbers = self.number(node, span)
        return Fraction(int(sum(numbers.numerators[chosen])), numbers.denominator)


def related(left: Fraction, relation: str, right: Fraction) -> bool:
    """left RELATION right."""
    return bool(RELATED[relation](left, right))
