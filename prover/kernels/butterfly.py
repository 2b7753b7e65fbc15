"""Butterflies of two, four or eight rows of sixteen columns, in registers.

``up`` are layers of an evaluation (decimation in time), ``down`` layers of an interpolation
(decimation in frequency). A twiddle w comes together with floor(2^32 w / p), so that a product is
reduced by the low words of two products and the high word of a third (Shoup), and stays canonical
without Montgomery form. The rows are read in one place and written to another, which may be the
same. These functions exist only inside compiled code; places and counts there are ``int64``.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from circuits.field import P
from prover.kernels.vector import (
    _ODD,
    _add,
    _broadcast,
    _constant,
    _halves,
    _high,
    _intrinsic,
    _low,
    _minimum,
    _pointer,
    _subtract,
)


def _index(value: int) -> Any:
    return ir.Constant(ir.IntType(64), value)


def _times(builder: Any, a: Any, factor: tuple[Any, Any]) -> Any:
    """a * w mod p for any a below 2^32.

    With the quotient q = floor(a * floor(2^32 w / p) / 2^32), a w - q p is in 0 .. 2p - 1.
    """
    weight, ratio = factor
    wide = _low(builder, ratio)
    even, odd = (builder.mul(half(builder, a), wide) for half in (_low, _high))
    quotient = _halves(builder, even, odd, _ODD)
    rest = builder.sub(builder.mul(a, weight), builder.mul(quotient, _constant(P)))
    return _minimum(builder, rest, builder.sub(rest, _constant(P)))


class _Rows:
    """2^layers rows at x, x + step, ..., with the twiddles of their layers.

    Those of layer l stand at half * 2^l + k + (row mod 2^l) * half.
    """

    def __init__(self, context: Any, builder: Any, kinds: Any, values: Any, layers: int) -> None:
        self.context, self.builder, self.kinds, self.layers = context, builder, kinds, layers
        self.values = values
        self.table, self.ratios, self.half, self.k = values[6:]
        self.rows = [self._load(place) for place in self._places(0)]

    def _places(self, first: int) -> list[Any]:
        """Pointers to the rows of the array, place and step at arguments ``first`` and so on."""
        builder, (array, at, step) = self.builder, self.values[first : first + 3]
        return [
            _pointer(
                self.context,
                builder,
                self.kinds[first],
                array,
                builder.add(at, builder.mul(step, _index(row))),
            )
            for row in range(1 << self.layers)
        ]

    def _load(self, place: Any) -> Any:
        out = self.builder.load(place)
        out.align = 4
        return out

    def store(self) -> None:
        """Put the rows where they belong."""
        for place, row in zip(self._places(3), self.rows, strict=True):
            self.builder.store(row, place).align = 4

    def twiddle(self, layer: int, row: int) -> tuple[Any, Any]:
        """The factor of a row whose bit ``layer`` is 0, in both forms, in every lane."""
        builder = self.builder
        start = builder.add(builder.mul(self.half, _index(1 << layer)), self.k)
        within = builder.mul(self.half, _index(row % (1 << layer)))
        place = builder.add(start, within)
        words = []
        for table, kind in ((self.table, self.kinds[6]), (self.ratios, self.kinds[7])):
            data = self.context.make_array(kind)(self.context, builder, table).data
            words.append(_broadcast(builder, builder.load(builder.gep(data, [place]))))
        return words[0], words[1]

    def pairs(self, layer: int) -> list[tuple[int, int]]:
        """Which rows meet in a layer."""
        bit = 1 << layer
        return [(row, row | bit) for row in range(1 << self.layers) if not row & bit]


def _generate_up(layers: int) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        work = _Rows(context, builder, signature.args, values, layers)
        for layer in range(layers):
            for a, b in work.pairs(layer):
                upper = work.rows[a]
                lower = _times(builder, work.rows[b], work.twiddle(layer, a))
                work.rows[a] = _add(builder, upper, lower)
                work.rows[b] = _subtract(builder, upper, lower)
        work.store()
        return context.get_dummy_value()

    return generate


def _generate_down(layers: int) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        work = _Rows(context, builder, signature.args, values, layers)
        for layer in reversed(range(layers)):
            for a, b in work.pairs(layer):
                upper, lower = work.rows[a], work.rows[b]
                work.rows[a] = _add(builder, upper, lower)
                # below 2 p, which the product takes
                difference = builder.add(upper, builder.sub(_constant(P), lower))
                work.rows[b] = _times(builder, difference, work.twiddle(layer, a))
        work.store()
        return context.get_dummy_value()

    return generate


def _butterfly(generate: Any, name: str) -> Any:
    """(x, at, step) to (y, to, leap): rows of 16 words at flat indices at, at + step, ...

    ``w`` and ``ratios`` are the twiddles' tables, ``half`` and ``k`` say which of them.
    """

    def rows(
        _typing: Any,
        x: Any,
        at: Any,
        step: Any,
        y: Any,
        to: Any,
        leap: Any,
        w: Any,
        ratios: Any,
        half: Any,
        k: Any,
    ) -> Any:
        return types.void(x, at, step, y, to, leap, w, ratios, half, k), generate

    rows.__name__ = name
    return _intrinsic(rows)


up1, up2, up3 = (_butterfly(_generate_up(layers), f"up{layers}") for layers in (1, 2, 3))
down1, down2, down3 = (_butterfly(_generate_down(layers), f"down{layers}") for layers in (1, 2, 3))
