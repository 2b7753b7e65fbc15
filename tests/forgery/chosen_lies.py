"""Lies about the greatest, least, first and last reading."""

from __future__ import annotations

from collections.abc import Callable

from tests.forgery.claims import Contract
from tests.forgery.following import Lie
from tests.forgery.sheet import Sheet
from tests.forgery.told import LAST, Told, contract, out_of_range

Place = tuple[int, int]

# b: 9, 3 | 6, 12 | 1 | 14, 7 | 2, 8 | 11
MAX, MIN = "max(b)", "min(b)"
GREATEST, LEAST = contract(MAX), contract(MIN)
# a: 5, 6 | 2, 7 | 1 | 4, 4 | 4, 0 | 6, of three bits
NARROW_MAX = "max(a)"
NARROW = contract(NARROW_MAX)
# where a < 4: 6, 1, 8
AMONG = contract("max(b, where=a < 4)")
NOBODY = contract("max(b, where=a == 3)")
NOBODY_LEAST = contract("min(b, where=a == 3)")


def _extreme(made: Contract, name: str, value: int, mark: Place | None = None) -> Callable[[], Lie]:
    """Another extreme with the distances that fit; on which record it is said to stand."""
    sign = 1 if name.startswith("max") else -1
    position = made.schema.position(name[len("max(") : -1])

    def tell(sheet: Sheet) -> None:
        sheet.set(name, slice(None), value)
        for slot in (0, 1):
            sheet.set(f"{name} mark@{slot}[0]", slice(None), 0)
            guard = [n for n in made.circuit.columns if n.endswith(f"@{slot} counted")]
            for row in range(LAST + 1):
                weight = int(sheet.trace.slot_weights[row, slot])
                counted = int(sheet[guard[0]][row]) if guard else weight
                reading = int(sheet.trace.blocks[row, 4 * slot + position])
                away = counted * sign * (value - reading)
                sheet.spell(f"{name} distance@{slot}", row, away)
        marks = f"{name} marks"
        sheet.set(marks, slice(None), 0)
        if mark is not None:
            sheet.set(f"{name} mark@{mark[1]}[0]", mark[0], 1)
            sheet.set(marks, slice(mark[0] + 1, None), 1)

    return lambda: Lie(tell)


def _marked_from(made: Contract, name: str, value: int, row: int) -> Callable[[], Lie]:
    """Marks that add up to one from a row on, without any."""
    told = _extreme(made, name, value)().tell

    def tell(sheet: Sheet) -> None:
        told(sheet)
        sheet.set(f"{name} marks", slice(row, None), 1)

    return lambda: Lie(tell)


def _another_at_last(sheet: Sheet) -> None:
    sheet.set(MAX, slice(LAST, None), 13)


EXTREME_LIES = (
    Told(f"{MAX} is constant", GREATEST, lambda: Lie(_another_at_last)),
    Told(f"{MAX} marks start", GREATEST, _marked_from(GREATEST, MAX, 15, 0)),
    Told(f"{MAX} marks add up", GREATEST, _marked_from(GREATEST, MAX, 15, 4)),
    Told(f"{MAX} is reached", GREATEST, _extreme(GREATEST, MAX, 15)),
    # a smaller one that stands in the log, without its distance to the greatest, or with a wild one
    Told(f"{MAX} reaches@0", GREATEST, _extreme(GREATEST, MAX, 12, (1, 1))),
    *out_of_range(
        GREATEST, f"{MAX} distance@0", _extreme(GREATEST, MAX, 12, (1, 1)), digits=[0, 1]
    ),
    *out_of_range(
        NARROW, f"{NARROW_MAX} distance@1", _extreme(NARROW, NARROW_MAX, 6, (0, 1)), bits=[1]
    ),
    # a greater one that does not count, and one that stands nowhere
    Told(f"{MAX} mark@1 counts", AMONG, _extreme(AMONG, MAX, 12, (1, 1))),
    Told(f"{MAX} mark@1 equals", GREATEST, _extreme(GREATEST, MAX, 15, (1, 1))),
    # the zeros of an empty slot
    Told(f"{MIN} mark@1 counts", LEAST, _extreme(LEAST, MIN, 0, (2, 1))),
    Told(f"{MIN} reaches@0", LEAST, _extreme(LEAST, MIN, 2, (6, 0))),
    # no record counts
    Told(f"{MAX} is reached", NOBODY, _extreme(NOBODY, MAX, 9)),
    Told(f"{MIN} is reached", NOBODY_LEAST, _extreme(NOBODY_LEAST, MIN, 9)),
    Told(f"{MIN} mark@0 counts", NOBODY_LEAST, _extreme(NOBODY_LEAST, MIN, 9, (0, 0))),
)

FINAL, INITIAL = "last(b)", "first(b)"
# where a > 3: 9, 3, 12, 14, 7, 2, 11; where a < 4: 6, 1, 8
LATEST = contract("last(b, where=a > 3)")
EARLIEST = contract("first(b, where=a < 4)")
NO_LATEST = contract("last(b, where=a == 3)")
NO_EARLIEST = contract("first(b, where=a == 3)")


def _value(name: str, row: int, slot: int, value: int) -> Callable[[Sheet], None]:
    """The register's value from behind a slot on."""

    def tell(sheet: Sheet) -> None:
        sheet.set(name, slice(row + 1, None), value)
        sheet.set(f"{name} after slot 0", slice(row + slot, None), value)

    return tell


def _constant(name: str, value: int) -> Callable[[Sheet], None]:
    def tell(sheet: Sheet) -> None:
        sheet.set(name, slice(None), value)
        sheet.set(f"{name} after slot 0", slice(None), value)

    return tell


def _unseen(sheet: Sheet) -> None:
    """The first one is not remembered, and the next one overwrites it."""
    found = f"{INITIAL} found"
    sheet.set(found, slice(0, 3), 0)
    sheet.set(f"{found} after slot 0", slice(0, 2), 0)
    _value(INITIAL, 2, 0, 1)(sheet)


def _seen_before(sheet: Sheet) -> None:
    """Something was found before the first record, so that none is taken."""
    _constant(f"{INITIAL} found", 1)(sheet)
    _constant(INITIAL, 0)(sheet)


EDGE_LIES = (
    # the last one passed over; one taken that does not count; an arbitrary one
    Told(f"{FINAL} slot 0", LATEST, lambda: Lie(_value(FINAL, 8, 0, 2))),
    Told(f"{FINAL} slot 1", LATEST, lambda: Lie(_value(FINAL, 8, 1, 8))),
    Told(f"{FINAL} slot 1", LATEST, lambda: Lie(_value(FINAL, 8, 1, 13))),
    Told(f"{FINAL} starts", NO_LATEST, lambda: Lie(_constant(FINAL, 9))),
    Told(f"{INITIAL} slot 0", EARLIEST, lambda: Lie(_value(INITIAL, 1, 0, 12))),
    Told(f"{INITIAL} slot 1", EARLIEST, lambda: Lie(_value(INITIAL, 5, 1, 7))),
    Told(f"{INITIAL} starts", NO_EARLIEST, lambda: Lie(_constant(INITIAL, 9))),
    Told(f"{INITIAL} found slot 0", EARLIEST, lambda: Lie(_unseen)),
    Told(f"{INITIAL} found starts", EARLIEST, lambda: Lie(_seen_before)),
)
