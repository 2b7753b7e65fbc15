"""Combinations of totals as exact sums: units, coefficients, and the pieces of a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product

from tests.reference.exact_sum import Limb, Piece, Row, limb_plan
from tests.reference.gadgets import Ranged
from tests.reference.polynomial import Polynomial, constant, total
from tests.reference.records import Slot, common_unit, corners
from tests.reference.spelling import in_digits
from tests.reference.syntax import Number, Times, TimeStep
from tests.reference.terms import Term, WholeTerm

ONE = Ranged(constant(1), 1, 1)


@dataclass(frozen=True)
class Cut:
    """How factors are cut: the right ones in limbs of ``width`` bits, or the left ones too."""

    width: int | None
    left_too: bool = False


WHOLE = Cut(None)
CUTS = tuple(Cut(width, left) for left in (False, True) for width in (12, 8, 6, 4, 2))


@dataclass(frozen=True)
class Summand:
    """What a slot, or one row, adds up of a term: guard * left * right."""

    guard: Polynomial
    left: Ranged
    right: Ranged = ONE


@dataclass(frozen=True)
class Multiple:
    """coefficient * a term, in every slot; the factors have the same bounds in all of them.

    What one row adds that holds no records is ``whole``: its factors are not cut. ``thresholds``:
    by which the left and the right factors are *compared*, if they are in every slot.
    """

    coefficient: int
    summands: Sequence[Summand]
    whole: bool = False
    thresholds: tuple[int | None, int | None] = (None, None)

    @classmethod
    def of(cls, coefficient: int, summands: Sequence[Summand], *, whole: bool = False) -> Multiple:
        """With the widest bounds of all slots."""
        lefts = _widest([summand.left for summand in summands])
        rights = _widest([summand.right for summand in summands])
        triples = zip(summands, lefts, rights, strict=True)
        return cls(coefficient, [Summand(s.guard, a, b) for s, a, b in triples], whole)

    def compared(self, slots: Sequence[Slot]) -> Multiple:
        """With the thresholds."""
        if self.whole:
            return self
        lefts = {s.threshold(a.left) for s, a in zip(slots, self.summands, strict=True)}
        rights = {s.threshold(a.right) for s, a in zip(slots, self.summands, strict=True)}
        left, right = (own.pop() if len(own) == 1 else None for own in (lefts, rights))
        return replace(self, thresholds=(left, right))

    def widths(self, cut: Cut) -> tuple[int | None, int | None]:
        """The limbs' width of both factors."""
        if self.whole:
            return None, None
        return cut.width if cut.left_too else None, cut.width

    def digits(self, width: int | None) -> list[int]:
        """The coefficient's digits, each with its sign."""
        if width is None:
            return [self.coefficient]
        sign = 1 if self.coefficient > 0 else -1
        magnitude = abs(self.coefficient)
        shifts = range(0, magnitude.bit_length(), width)
        return [sign * ((magnitude >> shift) % (1 << width)) for shift in shifts]

    @property
    def bounds(self) -> tuple[int, int]:
        """What a row adds at least and at most: the corners and 0 in every slot."""
        left, right = self.summands[0].left, self.summands[0].right
        low, high = corners(
            (self.coefficient * left.low, self.coefficient * left.high), (right.low, right.high)
        )
        return len(self.summands) * min(0, low), len(self.summands) * max(0, high)


def _widest(integers: Sequence[Ranged]) -> list[Ranged]:
    low, high = min(i.low for i in integers), max(i.high for i in integers)
    return [replace(integer, low=low, high=high) for integer in integers]


def _is_cut(factor: Ranged, width: int | None) -> bool:
    return width is not None and (factor.high - factor.low).bit_length() > width


def limbs_of(
    slot: Slot, factor: Ranged, width: int | None, threshold: int | None
) -> list[tuple[int, int]]:
    """The bounds of a factor's limbs; of the factor itself if it is not cut."""
    if width is None or not _is_cut(factor, width):
        return [(factor.low, factor.high)]
    low, bits = slot.digit_range(factor, threshold)
    limbs = []
    for shift in range(0, bits, width):
        added = low >> shift
        if shift + width < bits:
            added %= 1 << width
        limbs.append((added, added + (1 << min(width, bits - shift)) - 1))
    return limbs


@dataclass(frozen=True)
class Entry:
    """A digit of a term's coefficient, and one limb of each of its factors.

    ``low`` and ``high`` are what all slots add at least and at most: the corners and 0.
    """

    term: Multiple
    digit: int
    left: int
    right: int
    low: int
    high: int

    def added(self, slots: Sequence[Slot], cut: Cut) -> Iterator[Polynomial]:
        """The polynomial, slot by slot."""
        left_width, right_width = self.term.widths(cut)
        for slot, summand in zip(slots, self.term.summands, strict=False):
            left = _limb(slot, summand.left, left_width, self.left, self.term.thresholds[0])
            right = _limb(slot, summand.right, right_width, self.right, self.term.thresholds[1])
            yield summand.guard * left * right * self.digit


def _limb(
    slot: Slot, factor: Ranged, width: int | None, limb: int, threshold: int | None
) -> Polynomial:
    if width is None or not _is_cut(factor, width):
        return factor.e
    added, _ = limbs_of(slot, factor, width, threshold)[limb]
    return slot.digits_of(factor, threshold).cut(limb * width, width) + added


WholeParts = Callable[[WholeTerm], Sequence[tuple[Fraction, Summand]]]


def multiples(
    slots: Sequence[Slot], terms: Sequence[Term | WholeTerm], whole: WholeParts
) -> tuple[Fraction, list[Multiple]]:
    """The unit of a combination without its constant, and its terms over that unit.

    ``whole`` lowers a term that is no sum over records.
    """
    lowered: list[tuple[Fraction, Sequence[Summand], bool]] = []
    for term in terms:
        if isinstance(term, WholeTerm):
            lowered += [(unit, [summand], True) for unit, summand in whole(term) if unit]
            continue
        first, second = _split(term.numbers)
        found = [_summand(slot, term, first, second) for slot in slots]
        if any(unit != found[0][0] for unit, _ in found):
            raise ValueError("a term has another unit in another slot")
        lowered.append((found[0][0], [summand for _, summand in found], False))
    unit = common_unit(*(own for own, _, _ in lowered))
    return unit, [
        Multiple.of(int(own / unit), summands, whole=is_whole)
        for own, summands, is_whole in lowered
    ]


def _split(numbers: Sequence[Number]) -> tuple[Number | None, Number | None]:
    """A product as (all but one, that one): the last time step, else the last factor."""
    if not numbers:
        return None, None
    place = len(numbers) - 1
    if TimeStep() in numbers:
        place = max(k for k, number in enumerate(numbers) if number == TimeStep())
    if len(numbers) == 1:
        return numbers[0], None
    rest = [*numbers[:place], *numbers[place + 1 :]]
    others = rest[0]
    for number in rest[1:]:
        others = Times(others, number)
    return others, numbers[place]


def _summand(
    slot: Slot, term: Term, first: Number | None, second: Number | None
) -> tuple[Fraction, Summand]:
    unit, left, right = term.factor, ONE, ONE
    if first is not None:
        value = slot.number(first).whole()
        unit, left = unit * value.unit, value.integer
    if second is not None:
        value = slot.number(second).whole()
        unit = unit * value.unit
        left, right = slot.committed(left), slot.committed(value.integer)
    guard = slot.weight
    if term.where is not None:
        condition = slot.condition(term.where)
        degree = condition.degree + left.e.degree + (second is not None)
        guard = guard * condition if degree <= 2 else slot.counted(condition)
    return unit, Summand(guard, left, right)


def row_of(
    slots: Sequence[Slot],
    terms: Sequence[Multiple],
    cuts: Sequence[Cut] = (WHOLE, *CUTS),
    *,
    reduced: bool = False,
) -> Row:
    """What a row adds, cut in the cheapest way whose exact sum is allowed; the first of equals."""
    allowed = []
    terms = [term.compared(slots) for term in terms]
    for cut in cuts:
        plan = _plan(slots[0], terms, cut)
        bare = [
            Piece(
                k * (cut.width or 0), constant(0), sum(e.low for e in row), sum(e.high for e in row)
            )
            for k, row in enumerate(plan)
        ]
        try:
            cost = _cost(terms, cut, limb_plan(bare, reduced=reduced))
        except OverflowError:
            continue
        allowed.append((cost, cut, plan, bare))
    if not allowed:
        raise OverflowError("too wide to add up")
    _, cut, plan, bare = min(allowed, key=lambda each: each[0])
    pieces = [
        replace(piece, e=total(e for entry in entries for e in entry.added(slots, cut)))
        for piece, entries in zip(bare, plan, strict=True)
    ]
    bounds = [term.bounds for term in terms]
    return Row(pieces, sum(low for low, _ in bounds), sum(high for _, high in bounds))


def _plan(slot: Slot, terms: Sequence[Multiple], cut: Cut) -> list[list[Entry]]:
    """What is added at each shift."""
    shifts: dict[int, list[Entry]] = {}
    for term in terms:
        summand, slots = term.summands[0], len(term.summands)
        left_width, right_width = term.widths(cut)
        lefts = limbs_of(slot, summand.left, left_width, term.thresholds[0])
        rights = limbs_of(slot, summand.right, right_width, term.thresholds[1])
        digits = [(k, digit) for k, digit in enumerate(term.digits(cut.width)) if digit]
        for (k, digit), i, j in product(digits, range(len(lefts)), range(len(rights))):
            low, high = corners((digit * lefts[i][0], digit * lefts[i][1]), rights[j])
            entry = Entry(term, digit, i, j, slots * min(0, low), slots * max(0, high))
            shifts.setdefault(k + i + j, []).append(entry)
    return [shifts.get(k, []) for k in range(max(shifts) + 1)]


def _cost(terms: Sequence[Multiple], cut: Cut, plan: Sequence[Limb]) -> int:
    """Columns of limbs and carries, and those of every factor that is cut and not compared."""
    cost = sum(in_digits(limb.width) + in_digits(limb.carry_bits) for limb in plan)
    for term in terms:
        summand = term.summands[0]
        factors = zip((summand.left, summand.right), term.widths(cut), term.thresholds, strict=True)
        for factor, width, threshold in factors:
            if _is_cut(factor, width) and threshold is None:
                cost += len(term.summands) * in_digits((factor.high - factor.low).bit_length())
    return cost
