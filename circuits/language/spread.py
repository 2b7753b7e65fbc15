"""Variance and process capability: private totals, multiplied with each other.

With x the number in whole units above its least value, over the records that count: n their number,
S = sum(x), Q = sum(x^2). Everything that is compared has the form n * U + S * W, where U and W are
combinations of n, S and Q. It is summed row by row: every record that counts adds U + x * W, U and
W being held as constant columns (``held_total``). n * Q - S^2 is n^2 times the variance.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from circuits.builder import Builder, Column
from circuits.circuit import Limb, Trace
from circuits.gadgets.exact_sum import RowSum, Total
from circuits.gadgets.held_total import add_held_total
from circuits.gadgets.slot_values import SlotInteger
from circuits.gadgets.total_sign import add_sign, add_total_sign
from circuits.language import outcome_syntax as o
from circuits.language.lowering import RecordCompiler, affine
from circuits.language.pieces import Scaled, Slot, aligned, make_row_sum, one
from circuits.language.terms import both, known


@dataclass(frozen=True)
class Combination:
    """n * count + s * S + q * Q, with whole coefficients."""

    n: int = 0
    s: int = 0
    q: int = 0

    def times(self, factor: int) -> Combination:
        """factor * self."""
        return Combination(self.n * factor, self.s * factor, self.q * factor)

    def plus(self, other: Combination) -> Combination:
        """self + other."""
        return Combination(self.n + other.n, self.s + other.s, self.q + other.q)


def add_spread(
    builder: Builder, records: RecordCompiler, name: str, predicate: o.Variance | o.Capability
) -> Total:
    """The predicate as one public bit."""
    spread = _Spread(builder, records, name, predicate)
    if isinstance(predicate, o.Variance):
        bound = predicate.bound / spread.unit**2
        sign = 1 if predicate.relation == "<=" else -1
        left = Combination(n=bound.numerator, q=-bound.denominator).times(sign)
        right = Combination(s=bound.denominator).times(sign)
        return add_total_sign(builder, name, spread.products(name, left, right), 0)
    return spread.capability(predicate)


class _Spread:
    def __init__(
        self,
        builder: Builder,
        records: RecordCompiler,
        name: str,
        predicate: o.Variance | o.Capability,
    ) -> None:
        self.builder, self.records, self.name = builder, records, name
        schema = builder.schema
        where = both(predicate.where, known((predicate.number, predicate.where), schema))
        values = [records.number(predicate.number, slot).whole() for slot in records.slots]
        least = min(value.integer.low for value in values)
        self.unit = values[0].unit
        self.zero = self.unit * least  # what x = 0 stands for
        self.numbers = [records.single(affine(v.integer, 1, -least)) for v in values]
        self.guards = [records.guard(where, slot) for slot in records.slots]

    def term(self, factor: int, left: SlotInteger | None, *, times_x: bool) -> Scaled:
        """factor * left * x over the records that count; no left is 1, or x for x * x."""
        slots = [
            Slot(guard, left or one(self.builder), number if times_x else None)
            for guard, number in zip(self.guards, self.numbers, strict=True)
        ]
        return Scaled(factor, aligned(slots))

    def total(self, wanted: Combination) -> list[Scaled]:
        """A combination as terms."""
        squares = [Slot(g, x, x) for g, x in zip(self.guards, self.numbers, strict=True)]
        terms = [
            self.term(wanted.n, None, times_x=False),
            self.term(wanted.s, None, times_x=True),
            Scaled(wanted.q, aligned(squares)),
        ]
        return [term for term in terms if term.coefficient]

    def products(self, name: str, left: Combination, right: Combination) -> RowSum:
        """n * left + S * right."""
        terms: list[Scaled] = []
        for label, wanted, times_x in (("n", left, False), ("s", right, True)):
            row = make_row_sum(self.records, name, self.total(wanted), cut=True)
            held = add_held_total(self.builder, f"{name} times {label}", row)
            terms += [self.term(1 << shift, limb, times_x=times_x) for shift, limb in held]
        return make_row_sum(self.records, name, terms, cut=True)

    def capability(self, wanted: o.Capability) -> Total:
        """min(S - low * n, high * n - S) >= 0, and its square at least 9 bound^2 (n * Q - S^2)."""
        low, high = ((bound - self.zero) / self.unit for bound in (wanted.low, wanted.high))
        scale = low.denominator * high.denominator
        above = Combination(n=-(low * scale).numerator, s=scale)
        below = Combination(n=(high * scale).numerator, s=-scale)
        share = 9 * wanted.bound**2 * Fraction(scale) ** 2
        bits = []
        for side, room in (("low", above), ("high", below)):
            name = f"{self.name} {side}"
            positive = make_row_sum(self.records, name, self.total(room))
            bits.append(add_sign(self.builder, f"{name} side", positive, 0, per_window=False))
            # room^2 = room * (room.n * n + room.s * S)
            spread = Combination(q=-share.numerator), Combination(s=share.numerator)
            left = room.times(room.n * share.denominator).plus(spread[0])
            right = room.times(room.s * share.denominator).plus(spread[1])
            row = self.products(name, left, right)
            bits.append(add_sign(self.builder, f"{name} square", row, 0, per_window=False))
        return self.all_of(bits)

    def all_of(self, bits: list[Column]) -> Total:
        """The public bit that is the product of four bits on the last active row."""
        last, public = self.builder.selector("last"), self.builder.public(f"{self.name} holds")
        halves = [self.builder.column(f"{self.name} {side} holds") for side in ("low", "high")]
        for k, half in enumerate(halves):
            product = bits[2 * k].now * bits[2 * k + 1].now
            self.builder.constrain(f"{self.name} side {k}", last * (half.now - product))
        both_halves = halves[0].now * halves[1].now
        self.builder.constrain(f"{self.name} holds", last * (public - both_halves))

        def fill(trace: Trace) -> None:
            row = trace.layout.active_rows - 1
            held = np.array([trace.columns[bit.index, row] for bit in bits]).reshape(2, 2)
            for half, pair in zip(halves, held, strict=True):
                trace.columns[half.index, row] = pair.all()

        self.builder.fillers.append(fill)
        return Total((Limb(0, 1),), 0, 1)
