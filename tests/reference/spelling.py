"""*Spelling* of section 5.3: integers in columns of digits 0..3, and flags."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.reference.field import Extension
from tests.reference.polynomial import Point, Polynomial, spelling, spelling_after

DIGIT_BITS = 2


def boolean(flag: Extension) -> Extension:
    """The constraint that a column is 0 or 1."""
    return flag * (flag - 1)


def in_digits(bits: int) -> int:
    """How many columns an integer of so many bits takes."""
    return -(-bits // DIGIT_BITS)


@dataclass(frozen=True)
class Spelled:
    """An integer in 0..2^bits - 1: a digit 0..3 per column, the least significant first.

    With an odd number of bits the last column is 0 or 1; without bits it is 0 and has no column.
    """

    columns: range
    bits: int

    @property
    def now(self) -> Polynomial:
        """The integer on this row."""
        return spelling(self.columns)

    @property
    def after(self) -> Polynomial:
        """The integer on the next row."""
        return spelling_after(self.columns)

    def cut(self, first: int, count: int) -> Polynomial:
        """What so many bits from this one on spell; ValueError where a digit would be split."""
        stop = min(first + count, self.bits)
        if first % DIGIT_BITS or (stop % DIGIT_BITS and stop < self.bits):
            raise ValueError(f"bits {first}..{stop - 1} are no whole digits")
        return spelling(self.columns[first // DIGIT_BITS : in_digits(stop)])

    def at(self, point: Point) -> Extension:
        """The integer at z."""
        return self.now.at(point)

    def ranges(self, point: Point) -> Iterator[Extension]:
        """*Ranges*: what keeps every column within its digits, in the columns' order."""
        for place, index in enumerate(self.columns):
            digit = point.here[index]
            if DIGIT_BITS * (place + 1) <= self.bits:
                yield digit * (digit - 1) * (digit - 2) * (digit - 3)
            else:
                yield boolean(digit)
