"""Factors of a sum in limbs: by digits of their own, or by those of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuits.builder import Spelling
from circuits.circuit import Trace
from circuits.gadgets.reach import Comparison, add_comparison, distance_bits
from circuits.gadgets.slot_values import SlotInteger
from circuits.gadgets.time_step import add_time_step_bits
from circuits.gadgets.value_bits import add_value_bits
from circuits.language.lowering import RecordCompiler
from circuits.schema import DT_CHANNEL, MAX_DT_MS


@dataclass(frozen=True)
class Compared(SlotInteger):
    """A channel's reading that is compared anyhow: to cut it costs nothing (``reach``).

    Its digits are those of the integer less ``threshold`` - 2^``bits``, one bit more than that.
    """

    threshold: int
    bits: int


def marked(records: RecordCompiler, factors: Sequence[SlotInteger]) -> Sequence[SlotInteger]:
    """The factors of a term, one a slot, as ``Compared`` if all of them are."""
    thresholds = {records.compared(number, factor) for number, factor in enumerate(factors)}
    threshold = thresholds.pop()
    if thresholds or threshold is None:
        return factors
    bits = distance_bits(factors[0], threshold)
    return [Compared(**vars(factor), threshold=threshold, bits=bits) for factor in factors]


def limb_ranges(factor: SlotInteger | None, width: int | None) -> list[tuple[int, int]]:
    """Least and greatest of each limb of a factor; one limb when it is not cut."""
    if factor is None:
        return [(1, 1)]
    bits = (factor.high - factor.low).bit_length()
    if width is None or bits <= width:
        return [(factor.low, factor.high)]
    low, out = _lowest(factor), list[tuple[int, int]]()
    if isinstance(factor, Compared):
        bits = factor.bits + 1
    for at in range(0, bits, width):
        here = min(width, bits - at)
        added = low >> at if at + width >= bits else (low >> at) & ((1 << width) - 1)
        out.append((added, added + (1 << here) - 1))
    return out


def _lowest(factor: SlotInteger) -> int:
    """What the digits of a factor are counted from."""
    if isinstance(factor, Compared):
        return factor.threshold - (1 << factor.bits)
    return factor.low


def _is_time_step(records: RecordCompiler, number: int, factor: SlotInteger) -> bool:
    """Whether a factor is ``dt_ms`` itself, whose bits other outcomes may need too."""
    if not records.log.schema.has_dt or (factor.low, factor.high) != (0, MAX_DT_MS):
        return False
    graph, element = records.builder.graph, records.log.element(number, DT_CHANNEL)
    return graph.form(factor.expression) == graph.form(element)


def add_limb(
    records: RecordCompiler, number: int, factor: SlotInteger, width: int | None, limb: int
) -> SlotInteger:
    """A limb of a factor in a slot: the factor itself when it is not cut."""
    ranges = limb_ranges(factor, width)
    if len(ranges) == 1 or width is None:
        return factor
    spelled: Spelling | Comparison
    if _is_time_step(records, number, factor):
        spelled = add_time_step_bits(records.builder, records.log, number)
    elif isinstance(factor, Compared):
        spelled = add_comparison(records.builder, records.log, factor, factor.threshold)
    else:
        spelled = add_value_bits(records.builder, records.log, factor)
    at, (low, high), lowest = limb * width, ranges[limb], _lowest(factor)

    def values(trace: Trace) -> NDArray[np.int64]:
        # the mask keeps a factor within its bits where the slot holds no record
        return ((factor.values(trace) - lowest) >> at & (high - low)) + low

    return SlotInteger(factor.name, spelled.part(at, width) + low, low, high, values)
