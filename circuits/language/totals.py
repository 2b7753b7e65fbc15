"""From a formula to one exact sum: units, limbs, and what of the total is public."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from circuits.builder import Builder, Log, from_bits
from circuits.circuit import CompiledOutcome, Trace
from circuits.errors import BadInput, InputReason
from circuits.expression import Expression
from circuits.gadgets.exact_sum import Piece, Total, add_exact_sum, fits
from circuits.gadgets.slot_values import SlotInteger, add_guard
from circuits.gadgets.time_step import add_time_step_bits
from circuits.gadgets.total_sign import add_total_sign
from circuits.gadgets.value_bits import add_value_bits
from circuits.language import syntax as s
from circuits.language.lowering import RecordCompiler, common_unit
from circuits.language.meaning import Meaning
from circuits.language.terms import Term, Threshold, expand, require_terms, split_product, threshold

_LIMB_CHOICES = (12, 8, 6, 4, 3, 2, 1)


@dataclass(frozen=True)
class _Slot:
    """A term in one slot: guard * left * right, ``right`` being what may be cut into limbs."""

    guard: SlotInteger
    left: SlotInteger
    right: SlotInteger | None
    right_is_time_step: bool


@dataclass(frozen=True)
class _Scaled:
    """coefficient * a term, in every slot."""

    coefficient: int
    slots: tuple[_Slot, ...]


@dataclass(frozen=True)
class _Part:
    """What one slot adds to one piece: factor * guard * left * limb."""

    expression: Expression
    low: int
    high: int
    values: Callable[[Trace], NDArray[np.int64]]


def compile_outcome(
    builder: Builder, records: RecordCompiler, name: str, formula: str, outcome: s.Outcome
) -> CompiledOutcome:
    """Columns, constraints and public inputs of one outcome; ``BadInput`` FORMULA or OVERFLOW."""
    if isinstance(outcome, s.Additive):
        return _additive(builder, records, name, formula, outcome)
    return _predicate(builder, records, name, formula, outcome)


def _additive(
    builder: Builder, records: RecordCompiler, name: str, formula: str, outcome: s.Additive
) -> CompiledOutcome:
    terms = require_terms(expand(outcome.linear), formula)
    unit, scaled = _lower(records, terms)
    total = add_exact_sum(builder, name, _pieces(builder, records.log, name, scaled))
    schema = builder.schema

    def reference(rows: NDArray[np.uint64], starts_epoch: bool) -> int:
        exact = Meaning(schema, rows, starts_epoch).outcome(outcome) / unit
        if exact.denominator != 1:
            raise ArithmeticError("the meaning is not a whole multiple of the compiler's unit")
        return exact.numerator

    return CompiledOutcome(
        formula=formula,
        aggregate=" ".join(formula.split()),
        total_factor=unit,
        records_factor=Fraction(0),
        minimum_total=total.minimum,
        maximum_total=total.maximum,
        minimum=unit * total.minimum,
        limbs=total.limbs,
        reference=reference,
    )


def _predicate(
    builder: Builder, records: RecordCompiler, name: str, formula: str, outcome: s.Predicate
) -> CompiledOutcome:
    if isinstance(outcome, s.Ratio):
        _require_not_negative(records, formula, outcome.below)
    total = _sign(builder, records, name, formula, threshold(outcome))
    schema = builder.schema
    return CompiledOutcome(
        formula=formula,
        aggregate=" ".join(formula.split()),
        total_factor=Fraction(1),
        records_factor=Fraction(0),
        minimum_total=total.minimum,
        maximum_total=total.maximum,
        minimum=Fraction(0),
        limbs=total.limbs,
        reference=lambda rows, starts: int(Meaning(schema, rows, starts).holds(outcome)),
        additive=False,
    )


def _sign(
    builder: Builder, records: RecordCompiler, name: str, formula: str, wanted: Threshold
) -> Total:
    """unit * total + constant >= 0, turned into total >= an integer."""
    unit, scaled = _lower(records, require_terms(expand(wanted.linear), formula))
    bound = -wanted.linear.constant / unit
    least = floor(bound) + 1 if wanted.strict else ceil(bound)
    return add_total_sign(builder, name, _pieces(builder, records.log, name, scaled), -least)


def _require_not_negative(records: RecordCompiler, formula: str, linear: s.Linear) -> None:
    """What a ratio divides by, or the multiplied-out comparison would turn around."""
    _, scaled = _lower(records, require_terms(expand(linear), formula))
    low = sum(_bounds(term, term.coefficient, None, 0)[0] for term in scaled)
    if low < 0 or linear.constant < 0:
        raise BadInput(
            InputReason.FORMULA,
            f"formula {formula[:80]!r}: what a ratio divides by could be negative",
        )


def _lower(records: RecordCompiler, terms: list[Term]) -> tuple[Fraction, list[_Scaled]]:
    """The common unit of the terms, and each as an integer multiple of it."""
    units: list[Fraction] = []
    lowered: list[tuple[_Slot, ...]] = []
    for term in terms:
        made = [_slot(records, term, slot) for slot in records.slots]
        units.append(made[0][0])
        if any(unit != units[-1] for unit, _ in made):
            raise BadInput(InputReason.FORMULA, "a term has another unit in another slot")
        lowered.append(_aligned([slot for _, slot in made]))
    common = abs(units[0])
    for unit in units[1:]:
        common = common_unit(common, abs(unit))
    coefficients = [(unit / common).numerator for unit in units]
    return common, [_Scaled(c, t) for c, t in zip(coefficients, lowered, strict=True)]


def _aligned(slots: list[_Slot]) -> tuple[_Slot, ...]:
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


def _slot(records: RecordCompiler, term: Term, slot: int) -> tuple[Fraction, _Slot]:
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
        one = builder.graph.constant(1)
        left = SlotInteger("1", one, 1, 1, lambda t: np.ones(len(t.blocks), dtype=np.int64))
    if term.where is not None:
        guard = _guard(builder, records, term.where, slot, 1 if right is not None else 0, left)
    return unit, _Slot(guard, left, right, isinstance(second, s.TimeStep))


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


def _limb_ranges(slot: _Slot, width: int | None) -> list[tuple[int, int]]:
    """Least and greatest of each limb of the right factor; one limb when it is not cut."""
    if slot.right is None:
        return [(1, 1)]
    low, high = slot.right.low, slot.right.high
    bits = (high - low).bit_length()
    if width is None or bits <= width:
        return [(low, high)]
    out = []
    for at in range(0, bits, width):
        here = min(width, bits - at)
        added = low >> at if at + width >= bits else (low >> at) & ((1 << width) - 1)
        out.append((added, added + (1 << here) - 1))
    return out


def _bounds(term: _Scaled, factor: int, width: int | None, limb: int) -> tuple[int, int]:
    """Of factor * guard * left * limb, over all slots; a guard may be 0."""
    slot = term.slots[0]
    ends = _limb_ranges(slot, width)[limb]
    corners = [factor * a * b for a in (slot.left.low, slot.left.high) for b in ends]
    return len(term.slots) * min(0, *corners), len(term.slots) * max(0, *corners)


def _total_bounds(bounds: list[tuple[int, int]]) -> tuple[int, int]:
    return sum(low for low, _ in bounds), sum(high for _, high in bounds)


def _plan(terms: list[_Scaled], width: int | None) -> list[list[tuple[_Scaled, int, int]]]:
    """For each shift of ``width`` bits: which term, with which factor, and which of its limbs."""
    shifts: dict[int, list[tuple[_Scaled, int, int]]] = {}
    for term in terms:
        for k, digit in enumerate(_digits(term.coefficient, width)):
            for limb in range(len(_limb_ranges(term.slots[0], width))):
                if digit:
                    shifts.setdefault(k + limb, []).append((term, digit, limb))
    return [shifts.get(k, []) for k in range(max(shifts) + 1)]


def _zero(trace: Trace) -> NDArray[np.int64]:
    return np.zeros(len(trace.blocks), dtype=np.int64)


def _pieces(builder: Builder, log: Log, name: str, terms: list[_Scaled]) -> list[Piece]:
    """The row's contribution in the widest limbs whose sums stay clear of p."""
    nothing = builder.graph.constant(0)
    for width in (None, *_LIMB_CHOICES):
        plan = _plan(terms, width)
        bounds = [
            _total_bounds([_bounds(t, f, width, k) for t, f, k in entries]) for entries in plan
        ]
        shifts = [k * (width or 0) for k in range(len(plan))]
        trial = [
            Piece(at, nothing, b[0], b[1], _zero) for at, b in zip(shifts, bounds, strict=True)
        ]
        if fits(trial):
            break
    else:
        low, high = _total_bounds([_bounds(t, t.coefficient, None, 0) for t in terms])
        raise BadInput(
            InputReason.OVERFLOW, f"{name}: a row adds {low}..{high} steps, too wide to add up"
        )
    return [
        _piece(builder, log, entries, width, frame)
        for entries, frame in zip(plan, trial, strict=True)
    ]


def _piece(
    builder: Builder,
    log: Log,
    entries: list[tuple[_Scaled, int, int]],
    width: int | None,
    frame: Piece,
) -> Piece:
    expression = frame.expression
    parts: list[Callable[[Trace], NDArray[np.int64]]] = []
    for term, factor, limb in entries:
        for number, slot in enumerate(term.slots):
            added, values = _product(builder, log, number, slot, width, limb)
            expression = expression + added * factor
            parts.append(_times(values, factor))

    def row_values(trace: Trace) -> NDArray[np.int64]:
        total = _zero(trace)
        for part in parts:
            total += part(trace)
        return total

    return Piece(frame.shift, expression, frame.low, frame.high, row_values)


def _times(
    values: Callable[[Trace], NDArray[np.int64]], factor: int
) -> Callable[[Trace], NDArray[np.int64]]:
    return lambda trace: values(trace) * factor


def _product(
    builder: Builder, log: Log, number: int, slot: _Slot, width: int | None, limb: int
) -> tuple[Expression, Callable[[Trace], NDArray[np.int64]]]:
    """guard * left * limb of right."""
    expression = slot.guard.expression * slot.left.expression
    right, ranges = slot.right, _limb_ranges(slot, width)

    def whole(trace: Trace) -> NDArray[np.int64]:
        factor = right.values(trace) if right is not None else 1
        return slot.guard.values(trace) * slot.left.values(trace) * factor

    if right is None:
        return expression, whole
    if len(ranges) == 1 or width is None:
        return expression * right.expression, whole
    if slot.right_is_time_step and log.schema.has_dt:
        bits = add_time_step_bits(builder, log, number)
    else:
        bits = add_value_bits(builder, log, right)
    at, added = limb * width, ranges[limb][0]
    cut = from_bits(bits[at : at + width]) + added

    def part(trace: Trace) -> NDArray[np.int64]:
        # the mask keeps a factor within its bits where the slot holds no record
        here = (right.values(trace) - right.low) >> at & ((1 << len(bits[at : at + width])) - 1)
        return slot.guard.values(trace) * slot.left.values(trace) * (here + added)

    return expression * cut, part
