"""*Reaches* takes what docs/protocol.md says, and its digits spell what was compared."""

from __future__ import annotations

from itertools import product

import pytest

from tests.reference.field import ZERO, Extension
from tests.reference.gadgets import Gadgets, Ranged, Reaches
from tests.reference.polynomial import Point, column, constant

BITS = 3
LAST = (1 << BITS) - 1
FIRST = 1  # behind the reading


def made(threshold: int) -> tuple[Reaches, int]:
    """The gadget for a reading in column 0, and how many columns it takes."""
    gadgets = Gadgets(FIRST)
    gadgets.data = constant(1)
    reaches = Reaches(gadgets, Ranged(column(0), 0, LAST), threshold)
    return reaches, gadgets.column_count - FIRST


@pytest.mark.parametrize("threshold", range(1, LAST + 1))
def test_every_reading_has_one_spelling(threshold: int) -> None:
    """Of all digits one choice is left, on which the bit is right and the cuts spell x - low."""
    reaches, columns = made(threshold)
    low = threshold - (1 << reaches.distance_bits)
    for reading in range(LAST + 1):
        found = []
        for digits in product(range(-1, 5), repeat=columns):
            here = [Extension.base(value) for value in (reading, *digits)]
            point = Point(here, {}, {}, ())
            if all(value == ZERO for value in reaches.constraints(point)):
                found.append(point)
        (point,) = found
        assert reaches.bit.at(point) == Extension.base(int(reading >= threshold))
        spelled = reading - low
        for width in (2, 4):
            for first in range(0, reaches.distance_bits + 1, width):
                limb = reaches.cut(first, width).at(point)
                assert limb == Extension.base((spelled >> first) % (1 << width))


def test_bits_of_the_distance() -> None:
    """By hand: no bit of its own, and the digits of the farther end's distance."""
    assert made(4)[1] == 1  # 3 up to 7, 3 down to 0: two bits
    assert made(5)[1] == 2  # 4 down to 0: three bits
