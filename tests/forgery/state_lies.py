"""Lies about what is carried from record to record and from claim to claim."""

from __future__ import annotations

from collections.abc import Callable

from circuits.field import P, inverse
from tests.forgery.following import Lie
from tests.forgery.sheet import Sheet
from tests.forgery.told import GAPS, LAST, Told, contract

STATE = 2  # rows of the state before, here
FIRST = STATE  # the row of the first two records
BEHIND = STATE + LAST + 1  # the first row behind the log

R = "rising((a > 3))"
RISING = contract(f"count({R})")
RISING_LATER = contract(f"count({R})", opens=False)
RISING_OPENS = contract(f"count({R})", before={R: 1})

Rows = int | slice


def _register(name: str, rows: Rows, value: int) -> Callable[[Sheet], None]:
    """A register, and what it is when the row begins: another value on some rows."""

    def tell(sheet: Sheet) -> None:
        sheet.set(name, rows, value)
        sheet.set(f"{name} entering", rows, value)

    return tell


def _rising_at_last(sheet: Sheet) -> None:
    """The condition is said not to have held on the last record."""
    _register(R, slice(BEHIND - 1, None), 1)(sheet)
    sheet.set(f"{R} after slot 0", slice(BEHIND - 2, None), 1)


ON = (((5, 9, 0), (6, 3, 1000), (6, 6, 500)), ((4, 14, 2000), (4, 7, 1000)))
GUARDED = contract(f"count({R})", schema=GAPS, windows=ON)
GUARD = "~missing(a)@1 counted"


def _counted_padding(sheet: Sheet) -> None:
    """An empty slot taken for a record on which the condition does not hold: the next one rises."""
    row = FIRST + 1
    sheet.set(GUARD, row, 1)
    sheet.set(f"{R} after slot 0", row + 1, 1)
    _register(R, slice(row + 1, row + 3), 1)(sheet)


RISING_LIES = (
    Told(GUARD, GUARDED, lambda: Lie(_counted_padding)),
    # on, on: said to be off in between
    Told(f"{R} slot 0", RISING, lambda: Lie(lambda s: s.set(f"{R} after slot 0", FIRST, 1))),
    # the same over the end of a row
    Told(f"{R} slot 1", RISING, lambda: Lie(_register(R, FIRST + 6, 1))),
    # a record that rises taken away on a row without records
    Told(f"{R} slot 1", RISING, lambda: Lie(_register(R, FIRST + 8, 0))),
    # the state after
    Told(f"{R} slot 0", RISING, lambda: Lie(_rising_at_last)),
    # an epoch opens: what was before does not count
    Told(f"{R} enters", RISING_OPENS, lambda: Lie(opening=False)),
    # off before, said to be on
    Told(f"{R} enters", RISING, lambda: Lie(lambda s: s.set(f"{R} entering", FIRST, 1))),
)

H, LIMIT = "held((a > 3), 3)", 3
PAIR = "held((a > 3), 2)"
HELD = contract(f"count({H})")
HELD_LATER = contract(f"count({H})", before={H: 1}, opens=False)
HELD_OPENS = contract(f"count({H})", before={H: 2})
PAIR_OPENS = contract(f"count({PAIR})", before={PAIR: 2})


def _length(
    name: str, place: tuple[int, int], length: int, full: int | None = None, limit: int = LIMIT
) -> Callable[[Sheet], None]:
    """How many held after slot s of a row, (row, s), and whether that is enough: said otherwise.

    Without ``full`` it follows from the length.
    """
    row, slot = place
    away = (length - limit) % P

    def tell(sheet: Sheet) -> None:
        reached = int(length == limit) if full is None else full
        end, at = (" after slot 0", row) if slot == 0 else ("", row + 1)
        sheet.set(name + end, at, length)
        sheet.set(f"{name} full{end}", at, reached)
        sheet.set(f"{name} inverse{end}", at, (1 - reached) * (inverse(away) if away else 0))
        if slot:
            sheet.set(f"{name} entering", at, length)
            sheet.set(f"{name} full entering", at, reached)

    return tell


def _all(*tells: Callable[[Sheet], None]) -> Callable[[Sheet], None]:
    def tell(sheet: Sheet) -> None:
        for each in tells:
            each(sheet)

    return tell


def _full_enters(sheet: Sheet) -> None:
    """The run before the epoch was full, so that the one in it begins later."""
    sheet.set(f"{PAIR} full entering", FIRST, 1)
    _length(PAIR, (FIRST, 0), 0, limit=2)(sheet)
    _length(PAIR, (FIRST, 1), 1, limit=2)(sheet)


HELD_LIES = (
    # two held: said to be three
    Told(
        f"{H} slot 0",
        HELD,
        lambda: Lie(_all(_length(H, (FIRST, 0), 2), _length(H, (FIRST, 1), 3))),
    ),
    Told(f"{H} slot 1", HELD, lambda: Lie(_length(H, (FIRST, 1), 3))),
    # full at two
    Told(
        f"{H} full before slot 0, only if",
        HELD,
        lambda: Lie(_length(H, (FIRST, 1), 2, full=1)),
    ),
    # full at one; it then grows by nothing
    Told(
        f"{H} full before slot 1, only if",
        HELD,
        lambda: Lie(_all(_length(H, (FIRST, 0), 1, full=1), _length(H, (FIRST, 1), 1))),
    ),
    # not full at three
    Told(
        f"{H} full before slot 1, if",
        HELD,
        lambda: Lie(_length(H, (FIRST + 6, 0), 3, full=0)),
    ),
    Told(
        f"{H} full before slot 0, if",
        HELD_LATER,
        lambda: Lie(_length(H, (FIRST, 1), 3, full=0)),
    ),
    # the run goes on where an epoch opens
    Told(f"{H} enters", HELD_OPENS, lambda: Lie(opening=False)),
    Told(f"{PAIR} full enters", PAIR_OPENS, lambda: Lie(_full_enters)),
)

# ten variables: the last two stand in the second row of a commitment
TEN = (
    *(f"count(rising(a == {k}))" for k in range(8)),
    "count(rising(b == 9))",
    "count(rising(b == 11))",
)
MANY, MANY_LATER = contract(*TEN), contract(*TEN, opens=False)
CARRIED_LIES = (
    # another state before than was committed to, and another one after than there is
    Told("state before [0]", RISING_LATER, lambda: Lie(believed={R: 1})),
    Told("state before [0]", HELD_LATER, lambda: Lie(believed={H: 2})),
    Told("state before [8]", MANY_LATER, lambda: Lie(believed={"rising((b == 9))": 1})),
    Told("state after [0]", RISING_LATER, lambda: Lie(left={0: 1})),
    Told("state after [0]", HELD_LATER, lambda: Lie(left={0: 3})),
    Told("state after [8]", MANY_LATER, lambda: Lie(left={8: 0})),
    # the first row of the state after counts as two records, which changes the second row
    Told("row after last inactive", MANY, lambda: Lie(late=True)),
)
