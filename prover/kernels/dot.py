"""Sums of products over sixteen lanes, reduced once at their end.

A product of two words below p is below p^2 < C / 2 with C = 2^32 p. A 64-bit sum that is kept below
C takes two more products (it stays below 2 C < 2^64) before one conditional subtraction of C; what
is left is one Montgomery reduction away from a word below p. So one of the two factors is in
Montgomery form. These functions exist only inside compiled code; what counts or
places something there is an ``int64``.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from circuits.field import P
from prover.kernels.vector import (
    _WIDE,
    _WORD,
    LANES,
    _high,
    _intrinsic,
    _low,
    _minimum,
    _pointer,
    _reduce,
    _wide_constant,
)

COORDINATES = 6
_alloca: Any = cgutils.alloca_once


def _index(value: int) -> Any:
    return ir.Constant(ir.IntType(64), value)


class _Sums:
    """``count`` sums of sixteen lanes each, the even lanes and the odd lanes in 64 bits."""

    def __init__(self, builder: Any, count: int) -> None:
        self.builder = builder
        self.places = [(_alloca(builder, _WIDE), _alloca(builder, _WIDE)) for _ in range(count)]
        for pair in self.places:
            for place in pair:
                builder.store(_wide_constant(0), place)

    def add(self, which: int, factors: tuple[Any, Any], even: Any, odd: Any) -> None:
        """Add the products of two vectors, given by their widened lanes."""
        builder = self.builder
        for place, a, b in zip(self.places[which], factors, (even, odd), strict=True):
            builder.store(builder.add(builder.load(place), builder.mul(a, b)), place)

    def keep_small(self) -> None:
        """The conditional subtraction, after at most two ``add`` to each sum."""
        builder = self.builder
        for pair in self.places:
            for place in pair:
                total = builder.load(place)
                less = builder.sub(total, _wide_constant(P << 32))
                builder.store(_minimum(builder, total, less), place)

    def reduced(self, which: int) -> Any:
        """One sum as sixteen words below p."""
        even, odd = self.places[which]
        return _reduce(self.builder, self.builder.load(even), self.builder.load(odd))


def _vector_at(builder: Any, place: Any, index: Any) -> Any:
    out = builder.load(builder.gep(place, [index]))
    out.align = 4
    return out


def _broadcast_wide(builder: Any, word: Any) -> Any:
    """A word in every 64-bit lane."""
    blank = ir.Constant(_WIDE, ir.Undefined)
    wide = builder.zext(word, ir.IntType(64))
    single = builder.insert_element(blank, wide, ir.Constant(_WORD, 0))
    zeros = ir.Constant(ir.VectorType(_WORD, LANES // 2), [0] * (LANES // 2))
    return builder.shuffle_vector(single, blank, zeros)


def _generate_weighted(count: int) -> Any:
    """Code for ``count`` sums: in one pass over the rows, all of them in registers."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kinds = signature.args
        source = _pointer(context, builder, kinds[0], values[0], values[1])
        place = _pointer(context, builder, kinds[3], values[3], values[4])
        factors = builder.bitcast(place, _WORD.as_pointer())
        target = _pointer(context, builder, kinds[5], values[5], values[6])
        sums = _Sums(builder, count)
        with cgutils.for_range(builder, builder.lshr(values[2], _index(1))) as loop:
            for part in range(2):
                row = builder.add(builder.shl(loop.index, _index(1)), _index(part))
                vector = _vector_at(builder, source, row)
                lanes = _low(builder, vector), _high(builder, vector)
                first = builder.mul(row, _index(count))
                for j in range(count):
                    place = builder.gep(factors, [builder.add(first, _index(j))])
                    weight = _broadcast_wide(builder, builder.load(place))
                    sums.add(j, lanes, weight, weight)
            sums.keep_small()
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
    """out[j] = sum over ``count`` rows (even) of row * weights[row, j] / 2^32 mod p, j < 6.

    ``rows`` and ``out`` hold rows of sixteen words from the flat indices ``at`` and ``out_at`` on;
    ``weights`` (count, 6) words from ``weights_at`` on.
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
    out: Any,
    out_at: Any,
) -> Any:
    """out[e] = sum over ``count`` groups of group * weights[group, e] / 2^32 mod p, e < 6.

    Lane by lane: groups are vectors at flat indices at, at + stride, ...; ``weights`` is
    (count, 6, 16); ``out`` receives six rows of sixteen words from flat index ``out_at`` on.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kinds = signature.args
        factors = _pointer(context, builder, kinds[4], values[4], _index(0))
        target = _pointer(context, builder, kinds[5], values[5], values[6])
        sums = _Sums(builder, COORDINATES)
        with cgutils.for_range(builder, values[3]) as loop:
            where = builder.add(values[1], builder.mul(loop.index, values[2]))
            source = _pointer(context, builder, kinds[0], values[0], where)
            vector = _vector_at(builder, source, _index(0))
            lanes = _low(builder, vector), _high(builder, vector)
            first = builder.mul(loop.index, _index(COORDINATES))
            for e in range(COORDINATES):
                weight = _vector_at(builder, factors, builder.add(first, _index(e)))
                sums.add(e, lanes, _low(builder, weight), _high(builder, weight))
            sums.keep_small()
        for e in range(COORDINATES):
            place = builder.gep(target, [_index(e)])
            builder.store(sums.reduced(e), place).align = 4
        return context.get_dummy_value()

    return types.void(groups, at, stride, count, weights, out, out_at), generate
