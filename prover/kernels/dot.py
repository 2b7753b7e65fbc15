"""Sums of products over sixteen lanes, reduced once at their end.

Four products of words below p are below 2^64 - 2^57. Then a 64-bit sum is folded: its high word
counts 2^32 mod p = 2^25 - 2, so it is below 2^57 again. At the end a Montgomery reduction makes a
word below p of it; so one of the two factors is in Montgomery form. These functions exist only
inside compiled code; what counts or places something there is an ``int64``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from circuits.field import P
from prover.kernels.vector import (
    _WIDE,
    _WORD,
    _broadcast,
    _high,
    _intrinsic,
    _low,
    _pointer,
    _reduce,
    _wide_constant,
)

COORDINATES = 6
TERMS = 4
_alloca: Any = cgutils.alloca_once


def _index(value: int) -> Any:
    return ir.Constant(ir.IntType(64), value)


class _Sums:
    """Sums of sixteen lanes each, the even lanes and the odd lanes in 64 bits."""

    def __init__(self, builder: Any, before: Sequence[Any]) -> None:
        self.builder = builder
        places = [_alloca(builder, _WIDE) for _ in before]
        for place, total in zip(places, before, strict=True):
            builder.store(total, place)
        self.places = list(zip(places[::2], places[1::2], strict=True))

    def add(self, which: int, factors: tuple[Any, Any], even: Any, odd: Any) -> None:
        """Add the products of two vectors, given by their widened lanes."""
        builder = self.builder
        for place, a, b in zip(self.places[which], factors, (even, odd), strict=True):
            builder.store(builder.add(builder.load(place), builder.mul(a, b)), place)

    def fold(self) -> None:
        """After at most ``TERMS`` calls of ``add`` for each sum."""
        builder = self.builder
        for pair in self.places:
            for place in pair:
                total = builder.load(place)
                low = builder.and_(total, _wide_constant(2**32 - 1))
                high = builder.lshr(total, _wide_constant(32))
                more = builder.mul(high, _wide_constant(2**32 % P))
                builder.store(builder.add(low, more), place)

    def totals(self) -> list[Any]:
        """What the sums are now."""
        return [self.builder.load(place) for pair in self.places for place in pair]

    def reduced(self, which: int) -> Any:
        """One sum as sixteen words below p."""
        even, odd = self.places[which]
        return _reduce(self.builder, self.builder.load(even), self.builder.load(odd))


def _vector_at(builder: Any, place: Any, index: Any) -> Any:
    out = builder.load(builder.gep(place, [index]))
    out.align = 4
    return out


def _generate_weighted(count: int) -> Any:
    """Code for ``count`` sums: in one pass over the rows, all of them in registers."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kinds = signature.args
        source = _pointer(context, builder, kinds[0], values[0], values[1])
        place = _pointer(context, builder, kinds[3], values[3], values[4])
        factors = builder.bitcast(place, _WORD.as_pointer())
        target = _pointer(context, builder, kinds[5], values[5], values[6])
        sums = _Sums(builder, [_wide_constant(0)] * (2 * count))
        with cgutils.for_range(builder, builder.lshr(values[2], _index(2))) as loop:
            for part in range(TERMS):
                row = builder.add(builder.shl(loop.index, _index(2)), _index(part))
                vector = _vector_at(builder, source, row)
                lanes = _low(builder, vector), _high(builder, vector)
                first = builder.mul(row, _index(count))
                for j in range(count):
                    place = builder.gep(factors, [builder.add(first, _index(j))])
                    weight = _low(builder, _broadcast(builder, builder.load(place)))
                    sums.add(j, lanes, weight, weight)
            sums.fold()
        for j in range(count):
            builder.store(sums.reduced(j), builder.gep(target, [_index(j)])).align = 4
        return context.get_dummy_value()

    return generate


_SIX, _TWELVE = _generate_weighted(6), _generate_weighted(12)


@_intrinsic
def six_sums(
    _typing: Any,
    rows: Any,
    at: Any,
    count: Any,
    weights: Any,
    weights_at: Any,
    out: Any,
    out_at: Any,
) -> Any:
    """out[j] = sum over ``count`` rows (a multiple of 4) of row * weights[row, j] / 2^32 mod p.

    j < 6. ``rows`` and ``out`` hold rows of sixteen words from the flat indices ``at`` and
    ``out_at`` on; ``weights`` (count, 6) words from ``weights_at`` on.
    """
    return types.void(rows, at, count, weights, weights_at, out, out_at), _SIX


@_intrinsic
def twelve_sums(
    _typing: Any,
    rows: Any,
    at: Any,
    count: Any,
    weights: Any,
    weights_at: Any,
    out: Any,
    out_at: Any,
) -> Any:
    """As ``six_sums`` with twelve sums."""
    return types.void(rows, at, count, weights, weights_at, out, out_at), _TWELVE


@_intrinsic
def combine_row(
    _typing: Any,
    groups: Any,
    at: Any,
    stride: Any,
    count: Any,
    weights: Any,
    weights_at: Any,
    sums: Any,
    sums_at: Any,
) -> Any:
    """sums[e] += group * weights[group, e], lane by lane, over ``count`` <= 4 groups, e < 6.

    Groups are vectors at flat indices at, at + stride, ...; ``weights`` (count, 6, 16) words from
    ``weights_at`` on. ``sums`` (6, 16) are ``uint64`` below 2^57 from flat index ``sums_at`` on:
    of each the even lanes, then the odd ones.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kinds = signature.args
        factors = _pointer(context, builder, kinds[4], values[4], values[5])
        target = _pointer(context, builder, kinds[6], values[6], values[7])
        halves = builder.bitcast(target, _WIDE.as_pointer())
        places = [builder.gep(halves, [_index(k)]) for k in range(2 * COORDINATES)]
        before = [builder.load(place) for place in places]
        for total in before:
            total.align = 8
        sums = _Sums(builder, before)
        with cgutils.for_range(builder, values[3]) as loop:
            where = builder.add(values[1], builder.mul(loop.index, values[2]))
            source = _pointer(context, builder, kinds[0], values[0], where)
            vector = _vector_at(builder, source, _index(0))
            lanes = _low(builder, vector), _high(builder, vector)
            first = builder.mul(loop.index, _index(COORDINATES))
            for e in range(COORDINATES):
                weight = _vector_at(builder, factors, builder.add(first, _index(e)))
                sums.add(e, lanes, _low(builder, weight), _high(builder, weight))
        sums.fold()
        for place, total in zip(places, sums.totals(), strict=True):
            builder.store(total, place).align = 8
        return context.get_dummy_value()

    return types.void(groups, at, stride, count, weights, weights_at, sums, sums_at), generate
