"""Butterflies of two, four or eight rows of sixteen columns, in registers.

``up`` are layers of an evaluation (decimation in time), ``down`` layers of an interpolation
(decimation in frequency). A twiddle w comes in Montgomery form together with w / p mod 2^32, so
that the factor of the reduction does not wait for the product. These functions exist only inside
compiled code; places and counts there are ``int64``.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from circuits.field import P
from prover.kernels.vector import (
    _VECTOR,
    LANES,
    _add,
    _broadcast,
    _high,
    _intrinsic,
    _low,
    _pointer,
    _shuffle,
    _subtract,
    _wide_constant,
)

# even lanes from the first vector's high words, odd lanes from the second's
_HIGH_WORDS = [k + 1 if k % 2 == 0 else LANES + k for k in range(LANES)]


def _index(value: int) -> Any:
    return ir.Constant(ir.IntType(64), value)


def _negated_times(builder: Any, a: Any, factor: tuple[Any, Any]) -> Any:
    """-a * w / 2^32 mod p: ((a w / p mod 2^32) p - a w) / 2^32 is exact and in -p .. p.

    The other way round LLVM would multiply by -p, for which there is no short instruction.
    """
    weight, quotient = factor
    taken = builder.mul(a, quotient)
    w, p, exact = _low(builder, weight), _wide_constant(P), []
    for half in (_low, _high):
        product = builder.mul(half(builder, a), w)
        exact.append(builder.sub(builder.mul(half(builder, taken), p), product))
    even, odd = (builder.bitcast(part, _VECTOR) for part in exact)
    out = _shuffle(builder, even, odd, _HIGH_WORDS)
    # p more where that is negative
    raised = builder.add(out, ir.Constant(_VECTOR, [P] * LANES))
    return builder.select(builder.icmp_unsigned("<", out, raised), out, raised)


class _Rows:
    """2^layers rows at x, x + step, ..., with the twiddles of their layers.

    Those of layer l stand at half * 2^l + k + (row mod 2^l) * half.
    """

    def __init__(self, context: Any, builder: Any, kinds: Any, values: Any, layers: int) -> None:
        self.context, self.builder, self.kinds, self.layers = context, builder, kinds, layers
        self.x, self.at, self.step, self.table, self.quotients, self.half, self.k = values
        self.places = [
            builder.add(self.at, builder.mul(self.step, _index(row))) for row in range(1 << layers)
        ]
        self.rows = [self._load(place) for place in self.places]

    def _place(self, place: Any) -> Any:
        return _pointer(self.context, self.builder, self.kinds[0], self.x, place)

    def _load(self, place: Any) -> Any:
        out = self.builder.load(self._place(place))
        out.align = 4
        return out

    def store(self) -> None:
        """Put the rows back."""
        for place, row in zip(self.places, self.rows, strict=True):
            self.builder.store(row, self._place(place)).align = 4

    def twiddle(self, layer: int, row: int) -> tuple[Any, Any]:
        """The factor of a row whose bit ``layer`` is 0, in both forms, in every lane."""
        builder = self.builder
        start = builder.add(builder.mul(self.half, _index(1 << layer)), self.k)
        within = builder.mul(self.half, _index(row % (1 << layer)))
        place = builder.add(start, within)
        words = []
        for table, kind in ((self.table, self.kinds[3]), (self.quotients, self.kinds[4])):
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
                less = _negated_times(builder, work.rows[b], work.twiddle(layer, a))
                work.rows[a] = _subtract(builder, upper, less)
                work.rows[b] = _add(builder, upper, less)
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
                difference = _subtract(builder, lower, upper)
                work.rows[b] = _negated_times(builder, difference, work.twiddle(layer, a))
        work.store()
        return context.get_dummy_value()

    return generate


_UP = {layers: _generate_up(layers) for layers in (1, 2, 3)}
_DOWN = {layers: _generate_down(layers) for layers in (1, 2, 3)}


@_intrinsic
def up1(_typing: Any, x: Any, at: Any, step: Any, w: Any, quotients: Any, half: Any, k: Any) -> Any:
    """One layer on the rows at flat indices ``at`` and ``at + step`` of x, in place."""
    return types.void(x, at, step, w, quotients, half, k), _UP[1]


@_intrinsic
def up2(_typing: Any, x: Any, at: Any, step: Any, w: Any, quotients: Any, half: Any, k: Any) -> Any:
    """Two layers on four rows."""
    return types.void(x, at, step, w, quotients, half, k), _UP[2]


@_intrinsic
def up3(_typing: Any, x: Any, at: Any, step: Any, w: Any, quotients: Any, half: Any, k: Any) -> Any:
    """Three layers on eight rows."""
    return types.void(x, at, step, w, quotients, half, k), _UP[3]


@_intrinsic
def down1(
    _typing: Any, x: Any, at: Any, step: Any, w: Any, quotients: Any, half: Any, k: Any
) -> Any:
    """One layer back."""
    return types.void(x, at, step, w, quotients, half, k), _DOWN[1]


@_intrinsic
def down2(
    _typing: Any, x: Any, at: Any, step: Any, w: Any, quotients: Any, half: Any, k: Any
) -> Any:
    """Two layers back."""
    return types.void(x, at, step, w, quotients, half, k), _DOWN[2]


@_intrinsic
def down3(
    _typing: Any, x: Any, at: Any, step: Any, w: Any, quotients: Any, half: Any, k: Any
) -> Any:
    """Three layers back."""
    return types.void(x, at, step, w, quotients, half, k), _DOWN[3]
