"""All outcomes of a contract: columns, constraint values at a point, public limbs (section 5.3)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Protocol

from tests.reference.exact_sum import ExactSum, PrivateSign, PublicSign, Row
from tests.reference.facts import Schema
from tests.reference.formula import parse
from tests.reference.gadgets import Gadget, Gadgets, Ranged, Values
from tests.reference.multiples import Multiples
from tests.reference.polynomial import Point, Polynomial, constant, selector
from tests.reference.records import Records, Thresholds
from tests.reference.registers import Edge, Extreme
from tests.reference.spread import Spread, capability, variance
from tests.reference.syntax import (
    Capability,
    EdgeOf,
    ExtremeOf,
    Floor,
    Linear,
    Outcome,
    Ratio,
    Rounded,
    Sign,
    Total,
    Variance,
    WindowsOf,
    both,
)
from tests.reference.terms import WholeTerm, difference, known, terms_of
from tests.reference.totals import Multiple, Summand, multiples, row_of

MAXIMUM_COLUMNS = 8192
BLOCK_ELEMENTS = 8


class Revealed(Gadget, Protocol):
    """The gadget that makes an outcome public."""

    def limbs_of(self, total: int) -> list[int]:
        """The public inputs of a total; OUTCOME_RANGE where none can be that."""
        ...


class Outcomes:
    """All outcomes of a contract, in its order.

    OverflowError on what cannot be exact (``OVERFLOW``), ValueError on what is no formula.
    """

    def __init__(self, schema: Schema, formulas: Sequence[str], first_column: int) -> None:
        names = [channel.name for channel in schema.channels]
        parsed = [parse(formula, names) for formula in formulas]
        self._schema, self._first_column = schema, first_column
        self._compile_all(parsed, {}, state=False)
        thresholds, state = self._records.found(), bool(self.gadgets.carried)
        if thresholds or state:  # known only now
            self._compile_all(parsed, thresholds, state=state)

    def _compile_all(
        self, parsed: Sequence[Outcome], thresholds: Thresholds, *, state: bool
    ) -> None:
        self.gadgets = Gadgets(self._first_column, state=state)
        self._records = Records(self.gadgets, self._schema, thresholds)
        self._slots = self._records.slots
        self.revealed: list[Revealed] = []
        for outcome in parsed:
            self.revealed.append(self.gadgets.add(self._compile(outcome)))
            if self.column_count > MAXIMUM_COLUMNS:
                raise ValueError(f"more than {MAXIMUM_COLUMNS} columns")

    @property
    def column_count(self) -> int:
        """Columns of the whole circuit."""
        return self.gadgets.column_count

    @property
    def state_rows(self) -> int:
        """B: rows that one commitment to the carried limbs takes; 0 where nothing is carried."""
        limbs = len(self.gadgets.carried)
        return -(-limbs // BLOCK_ELEMENTS) + 1 if limbs else 0

    def constraints(self, point: Point) -> Values:
        """The values of all outcome constraints, in order."""
        for gadget in self.gadgets.made:
            yield from gadget.constraints(point)

    def publics(self, totals: Sequence[int]) -> list[int]:
        """The public limbs of every total, in the contract's order."""
        return [
            limb
            for revealed, integer in zip(self.revealed, totals, strict=True)
            for limb in revealed.limbs_of(integer)
        ]

    # --- what is revealed ----------------------------------------------------------------------

    def _compile(self, outcome: Outcome) -> Revealed:
        if isinstance(outcome, Total):
            return ExactSum(self.gadgets, row_of(self._slots, self._lowered(outcome.linear)[1]))
        if isinstance(outcome, Floor):
            return self._floor(outcome.linear)
        if isinstance(outcome, Rounded):
            unit, terms = self._lowered(outcome.linear)
            share = unit / outcome.unit
            row = self._row(terms, share.numerator)
            return Multiples(self.gadgets, row, share.denominator, None)
        if isinstance(outcome, Variance | Capability):
            where = both(outcome.where, known(self._schema.may_miss, outcome.number, outcome.where))
            spread = Spread(self.gadgets, self._slots, outcome.number, where)
            if isinstance(outcome, Variance):
                return variance(spread, outcome)
            return capability(spread, outcome)
        return PublicSign(self.gadgets, *self._signed(outcome))

    def _floor(self, linear: Linear) -> Multiples:
        unit, terms = self._lowered(linear)
        step = math.lcm(unit.denominator, linear.constant.denominator)
        row = self._row(terms, int(unit * step))
        return Multiples(self.gadgets, row, step, int(linear.constant * step))

    def _signed(self, predicate: Sign) -> tuple[Row, int]:
        """What a row adds to a sum, and its start, that is 0 or more where the predicate holds."""
        if isinstance(predicate, Ratio):
            _, terms = self._lowered(predicate.below)
            if sum(term.bounds[0] for term in terms) < 0 or predicate.below.constant < 0:
                raise ValueError("what a ratio divides by could be negative")
        linear, strict = difference(predicate, self._schema.may_miss)
        unit, terms = self._lowered(linear)
        bound = -linear.constant / unit
        least = math.floor(bound) + 1 if strict else math.ceil(bound)
        return row_of(self._slots, terms), -least

    # --- combinations --------------------------------------------------------------------------

    def _lowered(self, linear: Linear) -> tuple[Fraction, list[Multiple]]:
        terms = terms_of(linear, self._schema.may_miss)
        return multiples(self._slots, terms, self._whole)

    def _row(self, terms: Sequence[Multiple], factor: int) -> Row:
        """What a row adds to factor * the terms, which are counted in multiples."""
        terms = [replace(term, coefficient=term.coefficient * factor) for term in terms]
        return row_of(self._slots, terms, reduced=True)

    def _whole(self, term: WholeTerm) -> list[tuple[Fraction, Summand]]:
        """What one row adds of an aggregate that is no sum over records."""
        whole = term.whole
        if isinstance(whole, WindowsOf):
            return [(term.factor, Summand(selector("closing"), self._windows(whole)))]
        channel = next(c for c in self._schema.channels if c.name == whole.channel.channel)
        last, one = selector("last"), Ranged(constant(1), 1, 1)
        return [
            (term.factor * channel.scale, Summand(last, self._chosen(whole, channel.bits))),
            (term.factor * channel.offset, Summand(last, one)),
        ]

    def _windows(self, whole: WindowsOf) -> Ranged:
        predicate = whole.predicate
        if isinstance(predicate, Variance | Capability):
            raise TypeError("the parser lets neither into windows")

        def make() -> PrivateSign:
            row, start = self._signed(predicate)
            return PrivateSign(self.gadgets, row, start, per_window=True)

        return Ranged(self.gadgets.once(PrivateSign, make, whole).bit, 0, 1)

    def _chosen(self, whole: ExtremeOf | EdgeOf, bits: int) -> Ranged:
        def parts() -> tuple[list[Polynomial], list[Polynomial]]:
            where = both(whole.where, known(self._schema.may_miss, whole.channel, whole.where))
            readings = [slot.number(whole.channel).integer.e for slot in self._slots]
            return readings, [slot.guard(where) for slot in self._slots]

        if isinstance(whole, ExtremeOf):
            greatest = whole.greatest

            def extreme() -> Extreme:
                return Extreme(self.gadgets, bits, *parts(), greatest=greatest)

            value = self.gadgets.once(Extreme, extreme, whole).value
        else:
            latest = whole.latest

            def edge() -> Edge:
                return Edge(self.gadgets, *parts(), latest=latest)

            value = self.gadgets.once(Edge, edge, whole).value
        return Ranged(value, 0, (1 << bits) - 1)
