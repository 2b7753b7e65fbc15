"""From a formula to the totals behind it, and what of them is public."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import ceil, floor, lcm

import numpy as np
from numpy.typing import NDArray

from circuits.builder import Builder, Column
from circuits.circuit import CompiledOutcome, Trace
from circuits.errors import BadInput, InputReason
from circuits.gadgets.edge import add_edge
from circuits.gadgets.exact_sum import RowSum, Total, add_exact_sum
from circuits.gadgets.extreme import add_extreme
from circuits.gadgets.multiples import add_multiples
from circuits.gadgets.slot_values import SlotInteger, unused_name
from circuits.gadgets.total_sign import add_sign, add_total_sign
from circuits.language import outcome_syntax as o
from circuits.language import syntax as s
from circuits.language.lowering import RecordCompiler
from circuits.language.meaning import Meaning
from circuits.language.pieces import Scaled, Slot, bounds, lower, make_row_sum, one
from circuits.language.spread import add_spread
from circuits.language.terms import Simple, Whole, both, expand, known, require_terms, threshold


def compile_outcome(
    builder: Builder, records: RecordCompiler, name: str, formula: str, outcome: o.Outcome
) -> CompiledOutcome:
    """Columns, constraints and public inputs of one outcome; ``BadInput`` FORMULA or OVERFLOW."""
    return _OutcomeCompiler(builder, records, name, formula).compile(outcome)


class _OutcomeCompiler:
    def __init__(self, builder: Builder, records: RecordCompiler, name: str, formula: str) -> None:
        self.builder, self.records = builder, records
        self.name, self.formula = name, formula
        self.schema = builder.schema

    def compile(self, outcome: o.Outcome) -> CompiledOutcome:
        if isinstance(outcome, o.Exact):
            unit, scaled = self.lower(outcome.linear)
            total = add_exact_sum(self.builder, self.name, self.row_sum(scaled))
            additive = outcome.linear.additive
            return self.made(total, unit, _in_units(outcome, unit), additive=additive)
        if isinstance(outcome, o.Floor):
            return self.floor(outcome)
        if isinstance(outcome, o.Rounded):
            return self.rounded(outcome)
        if isinstance(outcome, o.Variance | o.Capability):
            total = add_spread(self.builder, self.records, self.name, outcome)
        else:
            row, start = self.signed(outcome)
            total = add_total_sign(self.builder, self.name, row, start)
        return self.made(total, Fraction(1), _in_units(outcome, Fraction(1)), additive=False)

    def made(
        self, total: Total, unit: Fraction, meaning: Callable[[Meaning], int], *, additive: bool
    ) -> CompiledOutcome:
        return CompiledOutcome(
            self.formula, unit, total.minimum, total.maximum, total.limbs, meaning, additive
        )

    def lower(self, linear: o.Linear) -> tuple[Fraction, list[Scaled]]:
        terms = require_terms(expand(linear, self.schema), self.formula)
        return lower(self.records, terms, self.whole)

    def row_sum(self, scaled: list[Scaled], *, reduced: bool = False) -> RowSum:
        return make_row_sum(self.records, self.name, scaled, reduced=reduced)

    def floor(self, outcome: o.Floor) -> CompiledOutcome:
        """floor(unit * total + constant), over a common denominator."""
        unit, scaled = self.lower(outcome.linear)
        step = lcm(unit.denominator, outcome.linear.constant.denominator)
        row = self.row_sum(_times(scaled, (unit * step).numerator), reduced=True)
        start = (outcome.linear.constant * step).numerator
        total = add_multiples(self.builder, self.name, row, step, start)
        compiled = self.made(total, Fraction(1), _in_units(outcome, Fraction(1)), additive=False)
        return replace(compiled, step=step)

    def rounded(self, outcome: o.Rounded) -> CompiledOutcome:
        """The remainder counts in parts of a unit that the total is a whole number of."""
        unit, scaled = self.lower(outcome.linear)
        share = unit / outcome.unit
        row = self.row_sum(_times(scaled, share.numerator), reduced=True)
        total = add_multiples(self.builder, self.name, row, share.denominator, outcome.name)
        meaning = lambda plain: plain.rounded(outcome, share)  # noqa: E731
        compiled = self.made(total, outcome.unit, meaning, additive=True)
        return replace(compiled, step=share.denominator)

    def signed(self, predicate: Simple) -> tuple[RowSum, int]:
        """What a row adds to a running total, and its start: 0 or more exactly where it holds."""
        if isinstance(predicate, o.Ratio):
            self.require_not_negative(predicate.below)
        wanted = threshold(predicate, self.schema)
        unit, scaled = self.lower(wanted.linear)
        bound = -wanted.linear.constant / unit
        least = floor(bound) + 1 if wanted.strict else ceil(bound)
        return self.row_sum(scaled), -least

    def require_not_negative(self, linear: o.Linear) -> None:
        """What a ratio divides by, or the multiplied-out comparison would turn around."""
        _, scaled = self.lower(linear)
        low = sum(bounds(term)[0] for term in scaled)
        if low < 0 or linear.constant < 0:
            raise BadInput(
                InputReason.FORMULA,
                f"formula {self.formula[:80]!r}: what a ratio divides by could be negative",
            )

    def whole(self, term: Whole) -> list[tuple[Fraction, Slot]]:
        """An aggregate that is no sum over records, as something that one row adds."""
        if isinstance(term.aggregate, o.WindowsOf):
            holds = self.windows(term.aggregate)
            return [(term.factor, Slot(_selected(self.builder, "closing"), holds))]
        channel = self.schema.channels[self.schema.position(term.aggregate.channel)]
        last = _selected(self.builder, "last")
        return [
            (term.factor * channel.scale, Slot(last, self.chosen(term.aggregate))),
            (term.factor * channel.offset, Slot(last, one(self.builder))),
        ]

    def chosen(self, aggregate: o.Extreme | o.Edge) -> SlotInteger:
        """The raw reading that an extreme or an edge chooses."""
        key = f"chosen {aggregate!r}"
        found = self.builder.shared.get(key)
        if not isinstance(found, SlotInteger):
            reading = s.Reading(aggregate.channel)
            where = both(aggregate.where, known((reading, aggregate.where), self.schema))
            slots = self.records.slots
            readings = [self.records.number(reading, slot).integer for slot in slots]
            guards = [self.records.guard(where, slot) for slot in slots]
            if isinstance(aggregate, o.Extreme):
                name = unused_name(
                    self.builder, f"{'max' if aggregate.greatest else 'min'}({aggregate.channel})"
                )
                found = add_extreme(
                    self.builder, name, readings, guards, greatest=aggregate.greatest
                )
            else:
                name = unused_name(
                    self.builder, f"{'last' if aggregate.latest else 'first'}({aggregate.channel})"
                )
                found = add_edge(self.builder, name, readings, guards, latest=aggregate.latest)
            self.builder.shared[key] = found
        return found

    def windows(self, aggregate: o.WindowsOf) -> SlotInteger:
        """On closing rows, whether the predicate holds for the window that ends there."""
        key = f"windows {aggregate!r}"
        column = self.builder.shared.get(key)
        if not isinstance(column, Column):
            predicate = aggregate.predicate
            if isinstance(predicate, o.Variance | o.Capability):
                raise BadInput(
                    InputReason.FORMULA,
                    f"formula {self.formula[:80]!r}: variance and cpk are not counted in windows",
                )
            row, start = self.signed(predicate)
            name = f"{self.name} windows"
            while f"{name} top" in self.builder.columns:  # there is another one in this formula
                name += "*"
            column = add_sign(self.builder, name, row, start, per_window=True)
            self.builder.shared[key] = column
        bit = column
        return SlotInteger(
            "windows",
            bit.now,
            0,
            1,
            lambda t: t.columns[bit.index, : len(t.blocks)].astype(np.int64),
        )


def _in_units(outcome: o.Outcome, unit: Fraction) -> Callable[[Meaning], int]:
    def total(plain: Meaning) -> int:
        exact = plain.outcome(outcome) / unit
        if exact.denominator != 1:
            raise ArithmeticError("the meaning is not a whole multiple of the compiler's unit")
        return exact.numerator

    return total


def _times(scaled: list[Scaled], factor: int) -> list[Scaled]:
    return [replace(term, coefficient=term.coefficient * factor) for term in scaled]


def _selected(builder: Builder, name: str) -> SlotInteger:
    """1 on the rows of a selector among the active ones, else 0."""

    def values(trace: Trace) -> NDArray[np.int64]:
        rows = np.zeros(len(trace.blocks), dtype=np.int64)
        rows[trace.layout.selector(name)] = 1
        return rows

    return SlotInteger(name, builder.selector(name), 0, 1, values)
