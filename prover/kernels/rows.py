"""Many rows of one value as one Numba value, and their sums of products in 64 bits.

``Rows`` is LLVM's ``<count x i32>`` for ``BLOCK`` or ``PART`` rows, wider than any machine's
vector: LLVM splits it, and the pieces hide one another's latency. ``Sums`` holds one 64-bit sum per
row, those of even and of odd rows apart, as products come out of the multiplier. These functions
exist only inside compiled code; ``prover.kernels.montgomery`` is their reference.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

from circuits.field import P

BLOCK = 128
PART = 32
# a sum that ``reduce`` takes is nonnegative and below this
SUM_LIMIT = 2 * P << 32
CENTER = (P - 1) // 2
FOLDED = 2**56  # magnitude of a folded sum: 2^31 * (2^25 - 2) + 2^32
_FOLD = 2**32 % P
_INVERSE = pow(P, -1, 2**32)
_LOW = 2**32 - 1
_WORD = ir.IntType(32)
_WIDE = ir.IntType(64)
# Numba's stubs describe the definition, not the call that it becomes
_intrinsic: Any = intrinsic


class RowsType(types.Type):
    """``count`` rows of 32 bits."""

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(name=f"Rows{count}")


class SumsType(types.Type):
    """``count`` rows of 64 bits: the even ones, then the odd ones."""

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(name=f"Sums{count}")


_make_rows: Any = RowsType
_make_sums: Any = SumsType
_ROWS = {count: _make_rows(count) for count in (PART, BLOCK)}
_SUMS = {count: _make_sums(count) for count in (PART, BLOCK)}


def _words(count: int) -> Any:
    return ir.VectorType(_WORD, count)


def _halves(count: int) -> Any:
    return ir.VectorType(_WIDE, count // 2)


@register_model(RowsType)
class _RowsModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _words(kind.count))  # type: ignore[no-untyped-call]


@register_model(SumsType)
class _SumsModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        pair = ir.LiteralStructType([_halves(kind.count)] * 2)
        super().__init__(manager, kind, pair)  # type: ignore[no-untyped-call]


def _same(kind: Any, value: int) -> Any:
    return ir.Constant(kind, [value % (1 << kind.element.width)] * kind.count)


def _broadcast(builder: Any, kind: Any, word: Any) -> Any:
    blank = ir.Constant(kind, ir.Undefined)
    single = builder.insert_element(blank, word, ir.Constant(_WORD, 0))
    return builder.shuffle_vector(single, blank, _same(_words(kind.count), 0))


def _minimum(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.icmp_unsigned("<", a, b), a, b)


def _add(builder: Any, a: Any, b: Any) -> Any:
    total = builder.add(a, b)
    return _minimum(builder, total, builder.sub(total, _same(a.type, P)))


def _subtract(builder: Any, a: Any, b: Any) -> Any:
    difference = builder.sub(a, b)
    return _minimum(builder, difference, builder.add(difference, _same(a.type, P)))


def _split(builder: Any, rows: Any) -> tuple[Any, Any]:
    """Even and odd rows, widened without sign."""
    wide = builder.bitcast(rows, _halves(rows.type.count))
    low, shift = _same(wide.type, _LOW), _same(wide.type, 32)
    return builder.and_(wide, low), builder.lshr(wide, shift)


def _split_signed(builder: Any, rows: Any) -> tuple[Any, Any]:
    """Even and odd rows, widened with their sign."""
    wide = builder.bitcast(rows, _halves(rows.type.count))
    shift = _same(wide.type, 32)
    return builder.ashr(builder.shl(wide, shift), shift), builder.ashr(wide, shift)


def _high_words(builder: Any, even: Any, odd: Any) -> Any:
    """The high words of both, as rows again."""
    upper = builder.lshr(even, _same(even.type, 32))
    joined = builder.or_(upper, builder.and_(odd, _same(odd.type, _LOW << 32)))
    return builder.bitcast(joined, _words(2 * even.type.count))


def _parts(builder: Any, sums: Any) -> tuple[Any, Any]:
    return builder.extract_value(sums, 0), builder.extract_value(sums, 1)


def _joined(builder: Any, even: Any, odd: Any) -> Any:
    blank = ir.Constant(ir.LiteralStructType([even.type, odd.type]), ir.Undefined)
    return builder.insert_value(builder.insert_value(blank, even, 0), odd, 1)


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any, to: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), to.as_pointer())


def _loader(count: int) -> Any:
    def load_rows(_typing: Any, array: Any, index: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            array, index = values
            kind = signature.args[0]
            out = builder.load(_pointer(context, builder, kind, array, index, _words(count)))
            out.align = 4
            return out

        return _ROWS[count](array, index), generate

    return _intrinsic(load_rows)


# rows index .. index + count - 1 of a C-contiguous ``uint32`` array, by flat index
load = _loader(BLOCK)
load_part = _loader(PART)


@_intrinsic
def store(_typing: Any, array: Any, index: Any, rows: Any) -> Any:
    """Write rows to a C-contiguous ``uint32`` array from flat ``index`` on."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        array, index, rows = values
        place = _pointer(context, builder, signature.args[0], array, index, rows.type)
        builder.store(rows, place).align = 4
        return context.get_dummy_value()

    return types.void(array, index, rows), generate


@_intrinsic
def load_sums(_typing: Any, array: Any, index: Any) -> Any:
    """``PART`` sums of a C-contiguous ``int64`` array from flat ``index`` on."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        array, index = values
        place = _pointer(context, builder, signature.args[0], array, index, _halves(PART))
        loaded = []
        for k in range(2):
            loaded.append(builder.load(builder.gep(place, [ir.Constant(_WORD, k)])))
            loaded[-1].align = 8
        return _joined(builder, *loaded)

    return _SUMS[PART](array, index), generate


@_intrinsic
def store_sums(_typing: Any, array: Any, index: Any, sums: Any) -> Any:
    """Write ``PART`` sums to a C-contiguous ``int64`` array from flat ``index`` on."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        array, index, sums = values
        place = _pointer(context, builder, signature.args[0], array, index, _halves(PART))
        for k, part in enumerate(_parts(builder, sums)):
            builder.store(part, builder.gep(place, [ir.Constant(_WORD, k)])).align = 8
        return context.get_dummy_value()

    return types.void(array, index, sums), generate


@_intrinsic
def fill(_typing: Any, word: Any) -> Any:
    """One ``uint32`` in each of ``BLOCK`` rows."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return _broadcast(builder, _words(BLOCK), values[0])

    return _ROWS[BLOCK](word), generate


@_intrinsic
def start(_typing: Any, word: Any) -> Any:
    """``BLOCK`` sums that begin at one ``uint64``."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        half = _broadcast(builder, _halves(BLOCK), values[0])
        return _joined(builder, half, half)

    return _SUMS[BLOCK](word), generate


@_intrinsic
def add(_typing: Any, a: Any, b: Any) -> Any:
    """a + b mod p, row by row."""
    return a(a, b), lambda _c, builder, _s, v: _add(builder, *v)


@_intrinsic
def subtract(_typing: Any, a: Any, b: Any) -> Any:
    """a - b mod p, row by row."""
    return a(a, b), lambda _c, builder, _s, v: _subtract(builder, *v)


@_intrinsic
def center(_typing: Any, a: Any) -> Any:
    """a - ``CENTER``: signed, of magnitude ``CENTER`` at most."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return builder.sub(values[0], _same(values[0].type, CENTER))

    return a(a), generate


def _product(name: str) -> Any:
    def accumulate(_typing: Any, sums: Any, a: Any, b: Any) -> Any:
        def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
            step = getattr(builder, name)
            left, right = _split(builder, values[1]), _split(builder, values[2])
            parts = zip(_parts(builder, values[0]), left, right, strict=True)
            return _joined(builder, *(step(s, builder.mul(x, y)) for s, x, y in parts))

        return sums(sums, a, b), generate

    return _intrinsic(accumulate)


# sums + a * b and sums - a * b of rows below 2^31, row by row
add_product = _product("add")
subtract_product = _product("sub")


@_intrinsic
def add_scaled(_typing: Any, sums: Any, a: Any, coefficient: Any) -> Any:
    """sums + a * coefficient: signed rows, an ``int64`` of 32 significant bits."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        total, rows, scalar = values
        parts = list(zip(_parts(builder, total), _split_signed(builder, rows), strict=True))
        factor = _broadcast(builder, parts[0][0].type, scalar)
        shift = _same(factor.type, 32)
        factor = builder.ashr(builder.shl(factor, shift), shift)
        return _joined(builder, *(builder.add(s, builder.mul(x, factor)) for s, x in parts))

    return sums(sums, a, coefficient), generate


@_intrinsic
def fold(_typing: Any, sums: Any) -> Any:
    """Signed sums to congruent ones: high word * (2^32 mod p) + low word, at most ``FOLDED``."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        out = []
        for part in _parts(builder, values[0]):
            high = builder.ashr(part, _same(part.type, 32))
            low = builder.and_(part, _same(part.type, _LOW))
            out.append(builder.add(low, builder.mul(high, _same(part.type, _FOLD))))
        return _joined(builder, *out)

    return sums(sums), generate


@_intrinsic
def lift(_typing: Any, sums: Any) -> Any:
    """Signed sums of at most ``FOLDED`` to congruent ones that ``reduce`` takes."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        parts = _parts(builder, values[0])
        return _joined(builder, *(builder.add(part, _same(part.type, P << 26)) for part in parts))

    return sums(sums), generate


@_intrinsic
def reduce(_typing: Any, sums: Any) -> Any:
    """Sums in [0, ``SUM_LIMIT``) divided by 2^32, mod p.

    With m = sum * p^-1 mod 2^32, sum - m * p has no low word: what is left is a difference of high
    words, the first below 2p, the second below p.
    """

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        even, odd = _parts(builder, values[0])
        taken = []
        for part in (even, odd):
            low = _same(part.type, _LOW)
            # only the low words count: both at once is cheaper than a product of 64 bits
            words = builder.bitcast(part, _words(2 * part.type.count))
            factor = builder.bitcast(builder.mul(words, _same(words.type, _INVERSE)), part.type)
            taken.append(builder.mul(builder.and_(factor, low), _same(part.type, P)))
        high = _high_words(builder, even, odd)
        high = _minimum(builder, high, builder.sub(high, _same(high.type, P)))
        return _subtract(builder, high, _high_words(builder, *taken))

    return _ROWS[sums.count](sums), generate
