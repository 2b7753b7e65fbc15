"""Spelled integers take what docs/protocol.md says, and nothing else."""

from __future__ import annotations

from itertools import product

import pytest

from tests.reference.field import ZERO, Extension
from tests.reference.polynomial import Point
from tests.reference.spelling import Spelled, in_digits

FIRST = 2


def read(digits: tuple[int, ...]) -> Point:
    """A row with these digits behind two other columns."""
    here = [ZERO] * FIRST + [Extension.base(digit) for digit in digits]
    return Point(here, {}, {}, ())


@pytest.mark.parametrize("bits", range(8))
def test_every_integer_has_one_spelling(bits: int) -> None:
    """The ranges leave 0..2^bits - 1, each once; no digit is 4 or -1, and no last bit 2."""
    columns = in_digits(bits)
    spelled = Spelled(range(FIRST, FIRST + columns), bits)
    found = []
    for digits in product(range(-1, 5), repeat=columns):
        point = read(digits)
        if all(value == ZERO for value in spelled.ranges(point)):
            found.append(spelled.at(point).words[0])
    assert sorted(found) == list(range(1 << bits))


def test_cuts_are_whole_digits() -> None:
    """Bits 2..5, bits 4 up to the last one, and no others."""
    spelled = Spelled(range(FIRST, FIRST + 4), 7)
    point = read((3, 1, 2, 1))
    whole = 3 + 4 * 1 + 16 * 2 + 64
    assert spelled.at(point) == Extension.base(whole)
    assert spelled.cut(2, 4).at(point) == Extension.base(whole >> 2 & 15)
    assert spelled.cut(4, 8).at(point) == Extension.base(whole >> 4)
    for first, count in ((1, 2), (2, 3)):
        with pytest.raises(ValueError, match="whole digits"):
            spelled.cut(first, count)
