"""Sixteen ``uint32`` lanes as one Numba value, so that nothing waits for the vectoriser.

The type's data model is LLVM's ``<16 x i32>``; its operations are intrinsics that emit vector IR,
so values stay in registers between them. LLVM splits the type on machines with narrower vectors.
These functions exist only inside compiled code; ``prover.kernels.montgomery`` is their reference.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

from circuits.field import P
from prover.kernels.blake2s_tables import IV, MIXED, SIGMA

LANES = 16
_WORD = ir.IntType(32)
_VECTOR = ir.VectorType(_WORD, LANES)
_WIDE = ir.VectorType(ir.IntType(64), LANES // 2)
_INVERSE = pow(P, -1, 2**32)
# Numba's stubs describe the definition, not the call that it becomes
_intrinsic: Any = intrinsic
_declared: Any = cgutils.get_or_insert_function
_ODD = [index for lane in range(LANES // 2) for index in (2 * lane + 1, LANES + 2 * lane + 1)]
_EVEN = [index for lane in range(LANES // 2) for index in (2 * lane, LANES + 2 * lane)]


class VectorType(types.Type):
    """Sixteen 32-bit lanes."""

    def __init__(self) -> None:
        super().__init__(name="Words16")


_make: Any = VectorType
vector_type: Any = _make()


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)  # type: ignore[no-untyped-call]


def _constant(value: int) -> Any:
    return ir.Constant(_VECTOR, [value % 2**32] * LANES)


def _wide_constant(value: int) -> Any:
    return ir.Constant(_WIDE, [value] * (LANES // 2))


def _shuffle(builder: Any, a: Any, b: Any, lanes: list[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_WORD, len(lanes)), lanes))


def _minimum(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.icmp_unsigned("<", a, b), a, b)


def _low(builder: Any, a: Any) -> Any:
    """The even lanes, widened."""
    return builder.and_(builder.bitcast(a, _WIDE), _wide_constant(2**32 - 1))


def _high(builder: Any, a: Any) -> Any:
    """The odd lanes, widened."""
    return builder.lshr(builder.bitcast(a, _WIDE), _wide_constant(32))


def _halves(builder: Any, even: Any, odd: Any, lanes: list[int]) -> Any:
    """The high (``_ODD``) or low (``_EVEN``) words of the products, interleaved again."""
    return _shuffle(builder, builder.bitcast(even, _VECTOR), builder.bitcast(odd, _VECTOR), lanes)


def _add(builder: Any, a: Any, b: Any) -> Any:
    total = builder.add(a, b)
    return _minimum(builder, total, builder.sub(total, _constant(P)))


def _subtract(builder: Any, a: Any, b: Any) -> Any:
    difference = builder.sub(a, b)
    return _minimum(builder, difference, builder.add(difference, _constant(P)))


def _reduce(builder: Any, even: Any, odd: Any) -> Any:
    """Montgomery: t / 2^32 mod p from the high words of t and of (t * p^-1 mod 2^32) * p."""
    factor = builder.mul(_halves(builder, even, odd, _EVEN), _constant(_INVERSE))
    p = _wide_constant(P)
    taken = _halves(
        builder, builder.mul(_low(builder, factor), p), builder.mul(_high(builder, factor), p), _ODD
    )
    return _subtract(builder, _halves(builder, even, odd, _ODD), taken)


def _broadcast(builder: Any, word: Any) -> Any:
    blank = ir.Constant(_VECTOR, ir.Undefined)
    single = builder.insert_element(blank, word, ir.Constant(_WORD, 0))
    return _shuffle(builder, single, blank, [0] * LANES)


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())


@_intrinsic
def load(_typing: Any, array: Any, index: Any) -> Any:
    """Lanes index .. index + 15 of a C-contiguous ``uint32`` array, by flat index."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        out = builder.load(_pointer(context, builder, signature.args[0], values[0], values[1]))
        out.align = 4
        return out

    return vector_type(array, types.intp), generate


@_intrinsic
def store(_typing: Any, array: Any, index: Any, vector: Any) -> Any:
    """Write the lanes to index .. index + 15 of a C-contiguous ``uint32`` array."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _pointer(context, builder, signature.args[0], values[0], values[1])
        builder.store(values[2], place).align = 4
        return context.get_dummy_value()

    return types.void(array, types.intp, vector_type), generate


@_intrinsic
def prefetch(_typing: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line at a flat index, which may be behind the array."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _pointer(context, builder, signature.args[0], values[0], values[1])
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        function = _declared(builder.module, kind, "llvm.prefetch.p0i8")
        # to read, into every cache, data
        arguments = [ir.Constant(word, 0), ir.Constant(word, 3), ir.Constant(word, 1)]
        builder.call(function, [builder.bitcast(place, byte), *arguments])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


@_intrinsic
def add(_typing: Any, a: Any, b: Any) -> Any:
    """a + b mod p, lane by lane."""
    return vector_type(vector_type, vector_type), lambda _c, builder, _s, v: _add(builder, *v)


@_intrinsic
def subtract(_typing: Any, a: Any, b: Any) -> Any:
    """a - b mod p, lane by lane."""
    return vector_type(vector_type, vector_type), lambda _c, builder, _s, v: _subtract(builder, *v)


@_intrinsic
def multiply(_typing: Any, a: Any, word: Any) -> Any:
    """a * word / 2^32 mod p: Montgomery product with one ``uint32``."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        factor = _low(builder, _broadcast(builder, values[1]))
        return _reduce(
            builder,
            builder.mul(_low(builder, values[0]), factor),
            builder.mul(_high(builder, values[0]), factor),
        )

    return vector_type(vector_type, types.uint32), generate


def _exchange(builder: Any, rows: list[Any], bit: int) -> list[Any]:
    """Swap bit ``bit`` of the row number with the same bit of the lane number."""
    keep = [k if not k & bit else LANES + (k ^ bit) for k in range(LANES)]
    move = [k | bit if not k & bit else LANES + k for k in range(LANES)]
    out = list(rows)
    for low in range(len(rows)):
        if not low & bit:
            high = low | bit
            out[low] = _shuffle(builder, rows[low], rows[high], keep)
            out[high] = _shuffle(builder, rows[low], rows[high], move)
    return out


def _rotate(builder: Any, value: Any, count: int) -> Any:
    right = builder.lshr(value, _constant(count))
    return builder.or_(right, builder.shl(value, _constant(32 - count)))


def _quarter(builder: Any, v: list[Any], places: tuple[int, ...], x: Any, y: Any) -> None:
    a, b, c, d = places
    for word, first, second in ((x, 16, 12), (y, 8, 7)):
        v[a] = builder.add(builder.add(v[a], v[b]), word)
        v[d] = _rotate(builder, builder.xor(v[d], v[a]), first)
        v[c] = builder.add(v[c], v[d])
        v[b] = _rotate(builder, builder.xor(v[b], v[c]), second)


def _blake2s(builder: Any, h: list[Any], m: list[Any], count: Any, final: Any) -> list[Any]:
    """RFC 7693, section 3.2, on sixteen messages at once."""
    v = [*h, *(_constant(word) for word in IV)]
    v[12] = builder.xor(v[12], _broadcast(builder, count))
    v[14] = builder.xor(v[14], _broadcast(builder, final))
    for schedule in SIGMA:
        for k, places in enumerate(MIXED):
            _quarter(builder, v, places, m[schedule[2 * k]], m[schedule[2 * k + 1]])
    return [builder.xor(h[k], builder.xor(v[k], v[k + 8])) for k in range(8)]


def _vectors_at(builder: Any, place: Any, count: int) -> list[Any]:
    out = []
    for k in range(count):
        vector = builder.load(builder.gep(place, [ir.Constant(_WORD, k)]))
        vector.align = 4
        out.append(vector)
    return out


def _generate_compression(lanes: bool) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kinds = signature.args
        zero = ir.Constant(ir.IntType(64), 0)
        place = _pointer(context, builder, kinds[0], values[0], zero)
        h = _vectors_at(builder, place, 8)
        m = _vectors_at(builder, _pointer(context, builder, kinds[1], values[1], values[2]), LANES)
        for bit in () if lanes else (8, 4, 2, 1):
            m = _exchange(builder, m, bit)
        for k, vector in enumerate(_blake2s(builder, h, m, values[3], values[4])):
            where = builder.gep(place, [ir.Constant(_WORD, k)])
            builder.store(vector, where).align = 4
        return context.get_dummy_value()

    return generate


_COMPRESS_ROWS, _COMPRESS_LANES = _generate_compression(False), _generate_compression(True)


@_intrinsic
def compress_rows(_typing: Any, state: Any, words: Any, index: Any, count: Any, final: Any) -> Any:
    """One BLAKE2s block of sixteen messages: rows of 16 words, contiguous from flat ``index``.

    ``state`` (8, 16) holds the chaining values, one message a lane; ``count`` is the bytes so far
    including these, ``final`` all ones on the last block.
    """
    return types.void(state, words, types.intp, types.uint32, types.uint32), _COMPRESS_ROWS


@_intrinsic
def compress_lanes(_typing: Any, state: Any, words: Any, index: Any, count: Any, final: Any) -> Any:
    """As ``compress_rows``, but row k holds word k of all messages, one message a lane."""
    return types.void(state, words, types.intp, types.uint32, types.uint32), _COMPRESS_LANES


@_intrinsic
def compress_nonces(
    _typing: Any, start: Any, words: Any, low: Any, high: Any, count: Any, out: Any
) -> Any:
    """The first digest word of sixteen messages: eight words, a 64-bit nonce, zeros.

    The nonces are low + lane and high * 2^32; ``count`` is the message's bytes, ``start`` (8,) the
    chaining value, ``out`` (16,) receives the words.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kinds = signature.args

        def broadcast(which: int, k: int) -> Any:
            array = context.make_array(kinds[which])(context, builder, values[which])
            place = builder.gep(array.data, [ir.Constant(ir.IntType(64), k)])
            return _broadcast(builder, builder.load(place))

        lanes = ir.Constant(_VECTOR, list(range(LANES)))
        message = [broadcast(1, k) for k in range(8)]
        message += [builder.add(_broadcast(builder, values[2]), lanes)]
        message += [_broadcast(builder, values[3])] + [_constant(0)] * 6
        state = [broadcast(0, k) for k in range(8)]
        final = ir.Constant(_WORD, 2**32 - 1)
        digest = _blake2s(builder, state, message, values[4], final)[0]
        zero = ir.Constant(ir.IntType(64), 0)
        builder.store(digest, _pointer(context, builder, kinds[5], values[5], zero)).align = 4
        return context.get_dummy_value()

    word = types.uint32
    return types.void(start, words, word, word, word, out), generate


@_intrinsic
def transpose(
    _typing: Any, array: Any, index: Any, pitch: Any, out: Any, place: Any, stride: Any
) -> Any:
    """Sixteen rows of 16 words as 16 columns of ``out``.

    Row k begins at flat ``index`` + k * ``pitch``, column k at flat ``place`` + k * ``stride``;
    both arrays C-contiguous ``uint32``.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kinds, rows, where = signature.args, [], values[1]
        for _ in range(LANES):
            source = _pointer(context, builder, kinds[0], values[0], where)
            rows += _vectors_at(builder, source, 1)
            where = builder.add(where, values[2])
        for bit in (8, 4, 2, 1):
            rows = _exchange(builder, rows, bit)
        where = values[4]
        for vector in rows:
            target = _pointer(context, builder, kinds[3], values[3], where)
            builder.store(vector, target).align = 4
            where = builder.add(where, values[5])
        return context.get_dummy_value()

    size = types.intp
    return types.void(array, size, size, out, size, size), generate
