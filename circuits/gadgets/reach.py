"""1 if and only if integer >= threshold, for any slot integer: digits, but no column for the bit.

With d = integer - threshold and s spelled in n bits the constraint is data * (d - s) (d - s + 2^n)
= 0, and 1 + (d - s) / 2^n is the bit. 1 says that d = s modulo p, 0 that d = s - 2^n: so d lies in
0..2^n - 1, or in -2^n..-1. n is what the interval of d needs, and the wrong side is p away: a
negative d would have to equal s - p, a d >= 0 would have to equal s - 2^n + p; both are refused at
compile time. Holds on rows with data; elsewhere the bit is anything, and never counted.

So s + 2^n * bit = integer - (threshold - 2^n), on every row: whoever needs the integer in limbs can
have it in these digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuits.builder import Builder, Log, Spelling
from circuits.circuit import Trace
from circuits.errors import BadInput, InputReason
from circuits.expression import Expression
from circuits.field import P, inverse
from circuits.gadgets.slot_values import SlotInteger, commit, unused_name


@dataclass(frozen=True)
class Comparison:
    """integer = threshold - 2^n + ``low`` + 2^n * ``bit`` where there is a record."""

    bit: SlotInteger
    low: Spelling

    def part(self, first: int, count: int) -> Expression:
        """What ``count`` of the n + 1 bits from bit ``first`` on, which is even, spell."""
        below = self.low.bits - first
        spelled = self.low.part(first, min(count, below))
        return spelled if count <= below else spelled + self.bit.expression * (1 << below)


def add_reaches(builder: Builder, log: Log, integer: SlotInteger, threshold: int) -> SlotInteger:
    """The bit integer >= threshold, of degree 1; low < threshold <= high.

    ``BadInput`` OVERFLOW when the distances do not fit the field. The integer's degree is at
    most 2.
    """
    return add_comparison(builder, log, integer, threshold).bit


def add_comparison(builder: Builder, log: Log, integer: SlotInteger, threshold: int) -> Comparison:
    """The bit of ``add_reaches``, with its digits: as many as this integer's interval needs."""
    single = commit(builder, log, integer)
    width = distance_bits(integer, threshold)
    # another formula for the same polynomial may have a wider interval, and more digits
    key = f"reach {builder.graph.form(single.expression)} {threshold} {width}"
    known = builder.shared.get(key)
    if isinstance(known, Comparison):
        return known
    low, high = single.low - threshold, single.high - threshold
    if (1 << width) - 1 >= min(P + low, P - high - 1):
        raise BadInput(
            InputReason.OVERFLOW,
            f"{single.name} lies {low}..{high} steps from {threshold}: too far to compare",
        )
    name = unused_name(builder, f"{single.name} >= {threshold}")
    spelled = builder.spelling(f"{name} digits", width)
    away = single.expression - threshold - spelled.now
    builder.constrain(name, log.data * away * (away + (1 << width)))

    def fill(trace: Trace) -> None:
        above = np.where(trace.data_rows, single.values(trace) - threshold, 0)
        spelled.write(trace, above, slice(len(above)))  # two's complement: d + 2^n if < 0

    def values(trace: Trace) -> NDArray[np.int64]:
        return (single.values(trace) >= threshold).astype(np.int64)

    builder.fillers.append(fill)
    bit = SlotInteger(name, away * inverse(1 << width) + 1, 0, 1, values)
    made = Comparison(bit, spelled)
    builder.shared[key] = made
    return made


def distance_bits(integer: SlotInteger, threshold: int) -> int:
    """n: as many bits as what lies between the threshold and either end of the interval."""
    return max(integer.high - threshold, threshold - integer.low - 1).bit_length()
