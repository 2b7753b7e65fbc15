"""Lies about single records: comparisons, products, guards, digits, and the time of day."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from circuits.field import P, inverse
from circuits.schema import Schema
from tests.circuits.logs import channel
from tests.forgery.claims import forge, refusing
from tests.forgery.following import Lie
from tests.forgery.sheet import Sheet
from tests.forgery.told import GAPS, Told, contract, out_of_range
from tests.forgery.traces import CannotForge, digits

ATTEMPTS = 400


def cells(values: dict[str, int], row: int) -> Callable[[Sheet], None]:
    """These columns on one row."""

    def tell(sheet: Sheet) -> None:
        for name, value in values.items():
            sheet.set(name, row, value)

    return tell


def spelling(stem: str, row: int, value: int, more: dict[str, int] | None = None) -> Lie:
    """Digits that spell another value, and more cells of the row."""

    def tell(sheet: Sheet) -> None:
        sheet.spell(stem, row, value)
        cells(more or {}, row)(sheet)

    return Lie(tell)


# products: 45, 18 | 12, 84 | 1 | 56, 28 | 8, 0 | 66
AB = "(a * b)"
PRODUCT = contract("count(a * b > 17)")
NEAR = f"{AB}@1 >= 18"

TURNED = f"{AB}@0 >= 18"


def _halves(name: str, spelled: dict[int, int]) -> Lie:
    """Digits 64 beside the true ones: each record's bit is one half, two of them count as one."""

    def tell(sheet: Sheet) -> None:
        for row, value in spelled.items():
            sheet.spell(f"{name} digits", row, value)

    return Lie(tell)


def _turned(row: int, value: int) -> Lie:
    """The condition turned around: the digits are 128 less, or more, than they should be."""
    return spelling(f"{TURNED} digits", row, value)


REACH_LIES = (
    Told(NEAR, PRODUCT, lambda: _halves(NEAR, {0: 18 - 18 + 64, 5: 28 - 18 + 64})),
    Told(TURNED, PRODUCT, lambda: _halves(TURNED, {1: 12 - 18 + 64, 6: 8 - 18 + 64})),
    *out_of_range(
        PRODUCT, f"{TURNED} digits", lambda: _turned(1, 12 - 18), digits=range(3), bits=[3]
    ),
    *out_of_range(
        PRODUCT, f"{TURNED} digits", lambda: _turned(0, 45 - 18 + 128), digits=range(3), bits=[3]
    ),
)

# sums: 14, 9 | 8, 19 | 2 | 18, 11 | 6, 8 | 17
SAME = contract("count(a + b == 11)")
MISSED = contract("count(missing(a))", "sum(b, where=a > 1)", schema=GAPS)
EQUALITY_LIES = (
    Told(
        "(a + b)@0 == 11 only if",
        SAME,
        lambda: Lie(cells({"(a + b)@0 == 11": 1, "(a + b)@0 == 11 inverse": 0}, 0)),
    ),
    Told("(a + b)@1 == 11 if", SAME, lambda: Lie(cells({"(a + b)@1 == 11": 0}, 5))),
    # a reading that is missing taken for one, and one for missing
    Told("a@1 == 7 if", MISSED, lambda: Lie(cells({"a@1 == 7": 0}, 1))),
    Told(
        "a@0 == 7 only if",
        MISSED,
        lambda: Lie(cells({"a@0 == 7": 1, "a@0 == 7 inverse": 0}, 5)),
    ),
)

WHERE = "((a > 4) & (b > 4))"
CHOSEN = contract("sum(a * b, where=(a > 4) & (b > 4))")
SLOT_LIES = (
    Told(
        f"{AB}@0 committed",
        PRODUCT,
        lambda: spelling(f"{TURNED} digits", 1, 2, {f"{AB}@0": 20}),
    ),
    # a record that does not count, one that does
    Told(f"{WHERE}@1 counted", CHOSEN, lambda: Lie(cells({f"{WHERE}@1 counted": 1}, 0))),
    Told(f"{WHERE}@0 counted", CHOSEN, lambda: Lie(cells({f"{WHERE}@0 counted": 0}, 0))),
)

STEPS = contract("sum(a * b * dt)")
DT = "dt_ms digits@0"
WIDE_SCHEMA = Schema((channel("a", 20), channel("b", 20, "1", "-9")), 100)
WIDE_LOG = (((9, 5), (3, 1000), (2**20 - 1, 7), (777_777, 123_456)),)
WIDE = contract("sum(a * b)", schema=WIDE_SCHEMA, windows=WIDE_LOG)
B = "b@1 + -9 digits"
# the same with 19 bits: the last one is by itself
ODD_SCHEMA = Schema((channel("a", 20), channel("b", 19, "1", "-9")), 100)
ODD = contract("sum(a * b)", schema=ODD_SCHEMA, windows=WIDE_LOG)


def _other_parts(place: int) -> Lie:
    """1000 modulo p from other digits, one of them wild: what is cut from them differs.

    The first that comes to a total within its carries' range.
    """
    names = [f"{B}[{k}]" for k in range(10)]
    random = np.random.default_rng(place)
    for _ in range(ATTEMPTS):
        others = int(random.integers(0, 4 ** len(names))) & ~(3 << 2 * place)
        wild = (1000 - others) * inverse(4**place)
        values = dict(zip(names, digits(others, len(names)), strict=True)) | {names[place]: wild}
        lie = Lie(cells(values, 0))
        if refusing(forge(WIDE, lie)) == {f"{names[place]} digit"}:
            return lie
    raise CannotForge("no other parts fit")


BIT_LIES = (
    Told(DT, STEPS, lambda: spelling(DT, 1, 501)),
    Told(B, WIDE, lambda: spelling(B, 0, 1001)),
    Told(f"{B}[5] digit", WIDE, lambda: _other_parts(5)),
    # the true value and p, the same modulo p: what is cut from its digits differs
    *out_of_range(WIDE, B, lambda: spelling(B, 0, 1000 + P), digits=[3, 9], turns=[0]),
    *out_of_range(ODD, B, lambda: spelling(B, 0, 1000 + P), digits=[8], bits=[9], turns=[0]),
    *out_of_range(STEPS, DT, lambda: spelling(DT, 2, 40 + P), digits=[6, 11], turns=[0]),
)

SEGMENTS = contract("count(a > 1)", "count(a > 3)", "count(a > 5)")
A0 = "segments a@0"


def _segment(row: int, inside: list[int], offset: int, rest: int) -> Lie:
    """Bits of the segments 2, 4 and 6 (0 without any), each two long, and where in it."""

    def tell(sheet: Sheet) -> None:
        for k, bit in enumerate(inside):
            sheet.set(f"{A0} inside[{k}]", row, bit)
        sheet.spell(f"{A0} offset", row, offset)
        sheet.spell(f"{A0} rest", row, rest)

    return Lie(tell)


SEGMENT_LIES = (
    # 5 said to lie with 6 and 7; with 2 and 3; 6 in two segments at once
    Told(A0, SEGMENTS, lambda: _segment(0, [0, 0, 1], 0, 1)),
    *out_of_range(
        SEGMENTS, f"{A0} offset", lambda: _segment(0, [0, 0, 1], -1, 2), digits=[0], bits=[1]
    ),
    Told(f"{A0} end", SEGMENTS, lambda: _segment(0, [1, 0, 0], 3, 0)),
    *out_of_range(
        SEGMENTS, f"{A0} rest", lambda: _segment(0, [1, 0, 0], 3, -2), digits=[0], bits=[1]
    ),
    Told(f"{A0} at most one", SEGMENTS, lambda: _segment(8, [1, 1, 0], 0, 1)),
    # 1 in 2 + 4 - 6
    Told(f"{A0} inside[2] boolean", SEGMENTS, lambda: _segment(2, [1, 1, -1], 1, 0)),
)

# windows start at 00:00, 00:01, ...
INSIDE = "time of day 1 3"
DAY = contract("count(time_of_day('00:01', '00:03'))")
TIME_LIES = (
    Told(f"{INSIDE} within a window", DAY, lambda: Lie(cells({INSIDE: 1}, 2))),
    Told(f"{INSIDE} by its start", DAY, lambda: Lie(lambda s: s.set(INSIDE, slice(8, 10), 1))),
    Told(f"{INSIDE} by its start", DAY, lambda: Lie(lambda s: s.set(INSIDE, slice(5, 8), 0))),
)
