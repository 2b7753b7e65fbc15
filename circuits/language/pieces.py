"""From the terms of a combination to what every row adds: units, bounds, limbs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from circuits.builder import Builder
from circuits.circuit import Trace
from circuits.errors import BadInput, InputReason
from circuits.gadgets.exact_sum import Piece, RowSum, Stage, plan_limbs
from circuits.gadgets.slot_values import RowValues, SlotInteger, add_guard
from circuits.language import syntax as s
from circuits.language.factors import Compared, add_limb, limb_ranges, marked
from circuits.language.lowering import RecordCompiler, common_unit
from circuits.language.terms import Term, Whole, split_product

_LIMB_CHOICES = (12, 8, 6, 4, 2)  # whole digits of two bits
_MAXIMUM_ENTRIES = 4096  # what a contract's author may make both sides compute
_MAXIMUM_COEFFICIENT_BITS = 128


@dataclass(frozen=True)
class Slot:
    """A term in one slot: guard * left * right; both factors may be cut into limbs."""

    guard: SlotInteger
    left: SlotInteger
    right: SlotInteger | None = None


@dataclass(frozen=True)
class Scaled:
    """coefficient * a term, in every slot.

    ``of_records``: the guards are 1 on rows with data only. The bits of a factor are bound there
    and nowhere else, so what another row adds is never cut.
    """

    coefficient: int
    slots: tuple[Slot, ...]
    of_records: bool = True


LowerWhole = Callable[[Whole], list[tuple[Fraction, Slot]]]


def lower(
    records: RecordCompiler, terms: list[Term | Whole], whole: LowerWhole
) -> tuple[Fraction, list[Scaled]]:
    """The common unit of the terms, and each as an integer multiple of it.

    ``whole`` makes what an aggregate that is no sum over records adds, with its units.
    """
    lowered: list[tuple[Fraction, tuple[Slot, ...], bool]] = []
    for term in terms:
        if isinstance(term, Whole):
            lowered += [(unit, (slot,), False) for unit, slot in whole(term) if unit]
            continue
        made = [_slot(records, term, slot) for slot in records.slots]
        if any(unit != made[0][0] for unit, _ in made):
            raise BadInput(InputReason.FORMULA, "a term has another unit in another slot")
        lowered.append((made[0][0], aligned([slot for _, slot in made]), True))
    common = abs(lowered[0][0])
    for unit, _, _ in lowered[1:]:
        common = common_unit(common, abs(unit))
    return common, [
        Scaled((unit / common).numerator, slots, of_records) for unit, slots, of_records in lowered
    ]


def one(builder: Builder) -> SlotInteger:
    """The integer 1."""
    expression = builder.graph.constant(1)
    return SlotInteger("1", expression, 1, 1, lambda t: np.ones(len(t.blocks), dtype=np.int64))


def aligned(slots: list[Slot]) -> tuple[Slot, ...]:
    """The slots of a term under common bounds, which plans, limbs and offsets are made for.

    With a fixed period the first slot's ``dt`` varies and the others' does not, so their own
    intervals may differ.
    """
    rights = [slot.right for slot in slots if slot.right is not None]
    if rights and len(rights) != len(slots):
        raise BadInput(InputReason.FORMULA, "a term has another shape in another slot")
    left_low = min(slot.left.low for slot in slots)
    left_high = max(slot.left.high for slot in slots)
    out = []
    for slot in slots:
        right = slot.right
        if right is not None:
            low, high = min(r.low for r in rights), max(r.high for r in rights)
            right = replace(right, low=low, high=high)
        left = replace(slot.left, low=left_low, high=left_high)
        out.append(replace(slot, left=left, right=right))
    return tuple(out)


def _slot(records: RecordCompiler, term: Term, slot: int) -> tuple[Fraction, Slot]:
    """One term in one slot, and its unit; guard * left * right has degree at most 3."""
    builder = records.builder
    first, second = split_product(term.numbers)
    unit, left, right = term.factor, None, None
    if first is not None:
        value = records.number(first, slot).whole()
        unit, left = unit * value.unit, value.integer
    if second is not None and left is not None:
        value = records.number(second, slot).whole()
        unit, left, right = unit * value.unit, records.single(left), records.single(value.integer)
    guard = records.weight(slot)
    if left is None:
        left = one(builder)
    if term.where is not None:
        guard = _guard(builder, records, term.where, slot, 1 if right is not None else 0, left)
    return unit, Slot(guard, left, right)


def _guard(
    builder: Builder,
    records: RecordCompiler,
    where: s.Condition,
    slot: int,
    more: int,
    left: SlotInteger,
) -> SlotInteger:
    """weight * condition, as a column when the product with the rest would pass degree 3."""
    weight, condition = records.weight(slot), records.condition(where, slot)

    def values(trace: Trace) -> NDArray[np.int64]:
        return weight.values(trace) * condition.values(trace)

    kept = SlotInteger(condition.name, condition.expression, 0, 1, values)
    degree = builder.degree(condition.expression) + builder.degree(left.expression) + more
    if degree <= 2:
        return SlotInteger(kept.name, weight.expression * kept.expression, 0, 1, values)
    return add_guard(builder, weight.expression, kept)


def _digits(value: int, width: int | None) -> list[int]:
    """Signed digits: value = sum(digit * 2^(width * k))."""
    if width is None:
        return [value]
    sign, rest = (1 if value >= 0 else -1), abs(value)
    out = []
    while rest:
        out.append(sign * (rest & ((1 << width) - 1)))
        rest >>= width
    return out or [0]


@dataclass(frozen=True)
class _Cut:
    """How factors are cut: in limbs of ``width`` bits (None: not at all), the left one too."""

    width: int | None
    left: bool = False

    def widths(self, term: Scaled) -> tuple[int | None, int | None]:
        """The widths of a term's limbs, left and right."""
        width = self.width if term.of_records else None
        return (width if self.left else None), width


@dataclass(frozen=True)
class _Entry:
    """factor * a term's guard * limb ``left`` of its left factor * limb ``right`` of its right.

    low <= it <= high, over all slots; a guard may be 0.
    """

    term: Scaled
    factor: int
    left: int
    right: int
    low: int
    high: int


def _entries(term: Scaled, cut: _Cut) -> list[tuple[int, list[_Entry]]]:
    """What a term adds at each of its coefficient's digits, from the lowest digit on."""
    slot, (left_width, right_width) = term.slots[0], cut.widths(term)
    products = []
    for left, left_ends in enumerate(limb_ranges(slot.left, left_width)):
        for right, right_ends in enumerate(limb_ranges(slot.right, right_width)):
            corners = [a * b * len(term.slots) for a in left_ends for b in right_ends]
            products.append((left, right, min(0, *corners), max(0, *corners)))
    out = []
    for place, digit in enumerate(_digits(term.coefficient, cut.width)):
        made = []
        for left, right, low, high in products if digit else []:
            ends = sorted((digit * low, digit * high))
            made.append(_Entry(term, digit, left, right, *ends))
        out.append((place, made))
    return out


def bounds(term: Scaled) -> tuple[int, int]:
    """What a row adds of a term: least and greatest."""
    (_, (entry,)), *_ = _entries(term, _Cut(None))
    return entry.low, entry.high


def _plan(terms: list[Scaled], cut: _Cut) -> list[list[_Entry]] | None:
    """For each shift of ``cut.width`` bits what is added there; None where that is too much."""
    shifts: dict[int, list[_Entry]] = {}
    count = 0
    for term in terms:
        for place, made in _entries(term, cut):
            count += len(made)
            if count > _MAXIMUM_ENTRIES:
                return None
            for entry in made:
                shifts.setdefault(place + entry.left + entry.right, []).append(entry)
    return [shifts.get(k, []) for k in range(max(shifts) + 1)]


def _require_alike(terms: list[Scaled], cut: _Cut) -> None:
    """A plan is made for the first slot: all others have the same limbs."""
    for term in terms:
        left, right = cut.widths(term)
        limbs = [(limb_ranges(s.left, left), limb_ranges(s.right, right)) for s in term.slots]
        if any(other != limbs[0] for other in limbs):
            raise ArithmeticError("a factor is cut differently in another slot")


def _cost(terms: list[Scaled], cut: _Cut, stages: list[Stage]) -> int:
    """The columns of limbs and carries, and of every factor that is cut and not compared."""
    columns = sum((stage.width + 1) // 2 + (stage.carry_bits + 1) // 2 for stage in stages)
    for term in terms:
        for slot in term.slots:
            for factor, width in zip((slot.left, slot.right), cut.widths(term), strict=True):
                if factor is None or isinstance(factor, Compared):
                    continue
                if len(limb_ranges(factor, width)) > 1:
                    columns += ((factor.high - factor.low).bit_length() + 1) // 2
    return columns


def make_row_sum(
    records: RecordCompiler,
    name: str,
    terms: list[Scaled],
    *,
    cut: bool = False,
    reduced: bool = False,
) -> RowSum:
    """What a row adds, in the limbs that take the fewest columns and stay clear of p.

    ``cut``: in limbs at any rate. ``reduced``: as ``plan_limbs`` has it.
    """
    widest = max(abs(term.coefficient) for term in terms).bit_length()
    if widest > _MAXIMUM_COEFFICIENT_BITS:
        raise BadInput(
            InputReason.OVERFLOW,
            f"{name}: a factor of {widest} bits over the common unit; at most"
            f" {_MAXIMUM_COEFFICIENT_BITS} are possible",
        )
    terms = [_with_digits(records, term) for term in terms]
    ends = [bounds(term) for term in terms]
    low, high = sum(e[0] for e in ends), sum(e[1] for e in ends)
    nothing = records.builder.graph.constant(0)
    found: list[tuple[int, _Cut, list[Piece], list[list[_Entry]]]] = []
    whole = [] if cut else [_Cut(None)]
    for way in [*whole, *(_Cut(w, left) for left in (False, True) for w in _LIMB_CHOICES)]:
        plan = _plan(terms, way)
        if plan is None:
            continue
        frames = [
            Piece(
                k * (way.width or 0),
                nothing,
                sum(entry.low for entry in entries),
                sum(entry.high for entry in entries),
                _zero,
            )
            for k, entries in enumerate(plan)
        ]
        try:
            stages = plan_limbs(name, frames, reduced=reduced)
        except BadInput:
            continue
        found.append((_cost(terms, way, stages), way, frames, plan))
    if not found:
        raise BadInput(
            InputReason.OVERFLOW, f"{name}: a row adds {low}..{high} steps, too wide to add up"
        )
    _, way, frames, plan = min(found, key=lambda each: each[0])
    _require_alike(terms, way)
    pieces = [
        _piece(records, entries, way, frame) for entries, frame in zip(plan, frames, strict=True)
    ]
    return RowSum(tuple(pieces), low, high)


def _with_digits(records: RecordCompiler, term: Scaled) -> Scaled:
    """The term, its factors marked whose digits are there anyhow: in every slot, or in none.

    With a fixed period ``x * dt_ms`` is the reading itself in all slots but the first.
    """
    if not term.of_records:
        return term
    lefts = marked(records, [slot.left for slot in term.slots])
    rights: Sequence[SlotInteger | None] = [slot.right for slot in term.slots]
    factors = [right for right in rights if right is not None]
    if factors:  # in all slots or in none (``aligned``)
        rights = marked(records, factors)
    slots = zip(term.slots, lefts, rights, strict=True)
    return replace(term, slots=tuple(replace(s, left=a, right=b) for s, a, b in slots))


def _zero(trace: Trace) -> NDArray[np.int64]:
    return np.zeros(len(trace.blocks), dtype=np.int64)


def _piece(records: RecordCompiler, entries: list[_Entry], cut: _Cut, frame: Piece) -> Piece:
    expression = frame.expression
    parts: list[tuple[int, RowValues]] = []
    for entry in entries:
        left_width, right_width = cut.widths(entry.term)
        for number, slot in enumerate(entry.term.slots):
            left = add_limb(records, number, slot.left, left_width, entry.left)
            product = slot.guard.expression * left.expression
            values = _times(slot.guard.values, left.values)
            if slot.right is not None:
                right = add_limb(records, number, slot.right, right_width, entry.right)
                product = product * right.expression
                values = _times(values, right.values)
            expression = expression + product * entry.factor
            parts.append((entry.factor, values))

    def row_values(trace: Trace) -> NDArray[np.int64]:
        total = _zero(trace)
        for factor, values in parts:
            total += values(trace) * factor
        return total

    return Piece(frame.shift, expression, frame.low, frame.high, row_values)


def _times(left: RowValues, right: RowValues) -> RowValues:
    return lambda trace: left(trace) * right(trace)
