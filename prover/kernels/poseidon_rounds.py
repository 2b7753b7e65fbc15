"""Rounds of Poseidon on the explicit vector type: sixteen states in lanes, or one state.

All values between the steps are canonical elements, so the cells of a trace need no conversion. A
Montgomery reduction divides by R = 2^32; what it divides too often is made good by a factor inside
the S-box, whose product waits for nothing.

Sums of products with 31-bit coefficients are kept below 2^32 p: two products are less than
2 p^2 < 2^32 p, so with them a sum stays below 2^33 p < 2^64, and one conditional subtraction of
2^32 p keeps the bound. From there a reduction ends below p.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from circuits.field import P
from circuits.poseidon import WIDTH
from circuits.poseidon_constants import MDS_FIRST_ROW
from prover.kernels import vector
from prover.kernels.poseidon_tables import ARGUMENTS, FORMS, ONE, STATE_BEHIND
from prover.kernels.vector import LANES, vector_type

_intrinsic: Any = intrinsic
_variable: Any = cgutils.alloca_once_value
_HALF = WIDTH // 2
_R = 2**32
_LIMIT = P << 32
# the mix doubles and divides by R once, the S-box by R three times
_FULL_FACTOR = _R**4 * pow(2, -1, P) % P
_PARTIAL_FACTOR = _R**3 % P
_CYCLIC = [MDS_FIRST_ROW[k] + MDS_FIRST_ROW[k + _HALF] for k in range(_HALF)]
_NEGACYCLIC = [MDS_FIRST_ROW[k] - MDS_FIRST_ROW[k + _HALF] for k in range(_HALF)]
# lanes 0, 8, 1, 9, .. back in order
_IN_ORDER = [*range(0, LANES, 2), *range(1, LANES, 2)]


def _number(value: int) -> Any:
    return ir.Constant(ir.IntType(64), value)


def _place(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    return builder.gep(context.make_array(kind)(context, builder, array).data, [index])


def _get(builder: Any, place: Any, index: int, kind: Any = vector._VECTOR) -> Any:
    where = builder.bitcast(builder.gep(place, [_number(index)]), kind.as_pointer())
    out = builder.load(where)
    out.align = 4
    return out


def _put(builder: Any, place: Any, index: int, value: Any) -> None:
    where = builder.bitcast(builder.gep(place, [_number(index)]), value.type.as_pointer())
    builder.store(value, where).align = 4


def _low_words(builder: Any, wide: Any) -> Any:
    return builder.and_(wide, vector._wide_constant(_R - 1))


def _below_limit(builder: Any, total: Any) -> Any:
    return vector._minimum(builder, total, builder.sub(total, vector._wide_constant(_LIMIT)))


def _product(builder: Any, a: Any, b: Any) -> Any:
    even = builder.mul(vector._low(builder, a), vector._low(builder, b))
    odd = builder.mul(vector._high(builder, a), vector._high(builder, b))
    return vector._reduce(builder, even, odd)


def _cube(builder: Any, x: Any, factor: int) -> Any:
    """factor * x^3 / R^3, lane by lane."""
    square = _product(builder, x, x)
    return _product(builder, square, _product(builder, x, vector._constant(factor)))


def _tree(builder: Any, terms: list[Any]) -> Any:
    """The sum of eight terms, which wait for each other as little as possible."""
    while len(terms) > 1:
        terms = [builder.add(a, b) for a, b in zip(terms[::2], terms[1::2], strict=True)]
    return terms[0]


def _signed(builder: Any, a: Any) -> tuple[Any, Any]:
    """The even and the odd lanes, widened with their signs."""
    wide, shift = builder.bitcast(a, vector._WIDE), vector._wide_constant(32)
    return builder.ashr(builder.shl(wide, shift), shift), builder.ashr(wide, shift)


def _weights(table: list[int], i: int, sign: int) -> list[int]:
    """What the elements of a half count in sum i; those before it return with this sign."""
    return [table[(j - i) % _HALF] * (1 if j >= i else sign) for j in range(_HALF)]


def _weighted(builder: Any, wide: list[Any], half: int, weights: list[int]) -> Any:
    # one sum after the other needs the fewest registers
    total = vector._wide_constant(0)
    for value, weight in zip(wide, weights, strict=True):
        product = builder.mul(value[half], vector._wide_constant(weight))
        total = builder.add(total, product)
    return total


def _mix_lanes(builder: Any, state: list[Any]) -> list[Any]:
    """2 MDS state / R, of sixteen states in lanes.

    The circulant matrix splits: sums y_i + y_(i+8) are a cyclic product of the sums of halves,
    differences a negacyclic one of the differences: half as many products. All stay below 2^43.
    """
    pairs = list(zip(state[:_HALF], state[_HALF:], strict=True))
    totals = [builder.add(a, b) for a, b in pairs]
    wide = [(vector._low(builder, a), vector._high(builder, a)) for a in totals]
    signed = [_signed(builder, builder.sub(a, b)) for a, b in pairs]
    low, high = [], []
    for i in range(_HALF):
        plus, minus = _weights(_CYCLIC, i, 1), _weights(_NEGACYCLIC, i, -1)
        a0, a1 = (_weighted(builder, wide, half, plus) for half in range(2))
        d0, d1 = (_weighted(builder, signed, half, minus) for half in range(2))
        low.append(vector._reduce(builder, builder.add(a0, d0), builder.add(a1, d1)))
        high.append(vector._reduce(builder, builder.sub(a0, d0), builder.sub(a1, d1)))
    return low + high


def _mix_state(builder: Any, state: Any) -> Any:
    """The same of one state, whose elements are the lanes."""
    swapped = vector._shuffle(builder, state, state, [*range(_HALF, WIDTH), *range(_HALF)])
    total, difference = builder.add(state, swapped), builder.sub(state, swapped)
    plus: list[Any] = []
    minus: list[Any] = []
    for j in range(_HALF):
        everywhere = [vector._shuffle(builder, a, a, [j] * LANES) for a in (total, difference)]
        wide = vector._high(builder, everywhere[0]), _signed(builder, everywhere[1])[1]
        for k, (terms, table, sign) in enumerate(((plus, _CYCLIC, 1), (minus, _NEGACYCLIC, -1))):
            weights = [_weights(table, i, sign)[j] for i in range(_HALF)]
            terms.append(builder.mul(wide[k], ir.Constant(vector._WIDE, weights)))
    a, d = _tree(builder, plus), _tree(builder, minus)
    mixed = vector._reduce(builder, builder.add(a, d), builder.sub(a, d))
    return vector._shuffle(builder, mixed, mixed, _IN_ORDER)


@_intrinsic
def full_round_of_lanes(
    _typing: Any, cells: Any, _source: Any, _target: Any, constants: Any, _first: Any
) -> Any:
    """One full round of sixteen states: 16 vectors from ``source`` on to 16 from ``target`` on.

    Places are flat indices into ``cells``; the constants are 16 words from index ``first`` on.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kinds = signature.args
        source = _place(context, builder, kinds[0], values[0], values[1])
        target = _place(context, builder, kinds[0], values[0], values[2])
        words = _place(context, builder, kinds[3], values[3], values[4])
        state = []
        for k in range(WIDTH):
            word = builder.load(builder.gep(words, [_number(k)]))
            constant = vector._broadcast(builder, word)
            entering = vector._add(builder, _get(builder, source, k * LANES), constant)
            state.append(_cube(builder, entering, _FULL_FACTOR))
        for k, mixed in enumerate(_mix_lanes(builder, state)):
            _put(builder, target, k * LANES, mixed)
        return context.get_dummy_value()

    return types.void(cells, types.intp, types.intp, constants, types.intp), generate


@_intrinsic
def full_round_of_state(_typing: Any, _state: Any, _constants: Any) -> Any:
    """One full round of the state in the lanes."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        entering = vector._add(builder, values[0], values[1])
        return _mix_state(builder, _cube(builder, entering, _FULL_FACTOR))

    return vector_type(vector_type, vector_type), generate


@_intrinsic
def cube(_typing: Any, _vector: Any) -> Any:
    """x^3, lane by lane."""
    return vector_type(vector_type), lambda _c, builder, _s, v: _cube(
        builder, v[0], _PARTIAL_FACTOR
    )


@_intrinsic
def store_argument(_typing: Any, arguments: Any, _index: Any, _vector: Any) -> Any:
    """Write a vector as an argument for ``form``: 32 words from flat index 32 * ``index`` on."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        index = builder.mul(values[1], _number(2 * LANES))
        place = _place(context, builder, signature.args[0], values[0], index)
        _put(builder, place, 0, values[2])
        _put(builder, place, LANES, vector._high(builder, values[2]))
        return context.get_dummy_value()

    return types.void(arguments, types.intp, vector_type), generate


@_intrinsic
def form(_typing: Any, rows: Any, _row: Any, arguments: Any, _count: Any) -> Any:
    """sum rows[row, k] * argument k over k < count, in lanes; count is a multiple of four."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kinds = signature.args
        first = builder.mul(values[1], _number(ARGUMENTS))
        weights = _place(context, builder, kinds[0], values[0], first)
        given = _place(context, builder, kinds[2], values[2], _number(0))
        totals = [_variable(builder, vector._wide_constant(0)) for _ in range(2)]
        with cgutils.for_range_slice(builder, _number(0), values[3], _number(4)) as (k, _):
            sums = [builder.load(total) for total in totals]
            weight_at = builder.gep(weights, [k])
            given_at = builder.gep(given, [builder.mul(k, _number(2 * LANES))])
            for at in range(4):
                word = builder.load(builder.gep(weight_at, [_number(at)]))
                weight = vector._low(builder, vector._broadcast(builder, word))
                for half in range(2):
                    value = _get(builder, given_at, (2 * at + half) * LANES)
                    product = builder.mul(vector._low(builder, value), weight)
                    sums[half] = builder.add(sums[half], product)
                if at % 2:
                    sums = [_below_limit(builder, total) for total in sums]
            for total, value in zip(totals, sums, strict=True):
                builder.store(value, total)
        return vector._reduce(builder, *(builder.load(total) for total in totals))

    return vector_type(rows, types.intp, arguments, types.intp), generate


def _wide_at(builder: Any, columns: Any, argument: int, block: int) -> Any:
    return _get(builder, columns, argument * FORMS + block * _HALF, vector._WIDE)


@_intrinsic
def begin_forms(_typing: Any, columns: Any, totals: Any, _state: Any) -> Any:
    """``totals`` (FORMS,) := R times all forms of one state, without S-box outputs; < 2^32 p."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _place(context, builder, signature.args[0], values[0], _number(0))
        target = _place(context, builder, signature.args[1], values[1], _number(0))
        blocks = range(FORMS // _HALF)
        sums = [_wide_at(builder, place, ONE, block) for block in blocks]
        for j in range(WIDTH):
            everywhere = vector._shuffle(builder, values[2], values[2], [j] * LANES)
            element = vector._low(builder, everywhere)
            for block in blocks:
                weight = _low_words(builder, _wide_at(builder, place, j, block))
                sums[block] = builder.add(sums[block], builder.mul(weight, element))
                if j % 2:
                    sums[block] = _below_limit(builder, sums[block])
        for block in blocks:
            _put(builder, target, block * _HALF, sums[block])
        return context.get_dummy_value()

    return types.void(columns, totals, vector_type), generate


@_intrinsic
def add_to_forms(
    _typing: Any, columns: Any, _argument: Any, totals: Any, _block: Any, _word: Any
) -> Any:
    """Add an argument's share to eight totals, number ``block`` of them; they stay < 2^32 p."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        at = builder.mul(values[3], _number(_HALF))
        target = _place(context, builder, signature.args[2], values[2], at)
        row = builder.add(builder.mul(values[1], _number(FORMS)), at)
        place = _place(context, builder, signature.args[0], values[0], row)
        weight = _low_words(builder, _get(builder, place, 0, vector._WIDE))
        element = vector._low(builder, vector._broadcast(builder, values[4]))
        total = builder.add(_get(builder, target, 0, vector._WIDE), builder.mul(weight, element))
        _put(builder, target, 0, _below_limit(builder, total))
        return context.get_dummy_value()

    return types.void(columns, types.intp, totals, types.intp, types.uint32), generate


@_intrinsic
def state_behind(_typing: Any, totals: Any) -> Any:
    """The state behind the partial rounds, from the totals of its forms."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _place(context, builder, signature.args[0], values[0], _number(STATE_BEHIND))
        halves = [_get(builder, place, k * _HALF, vector._WIDE) for k in range(2)]
        out = vector._reduce(builder, *halves)
        return vector._shuffle(builder, out, out, _IN_ORDER)

    return vector_type(totals), generate


@_intrinsic
def lower_half(_typing: Any, _vector: Any) -> Any:
    """The first eight lanes; zeros in the others."""
    mask = ir.Constant(vector._VECTOR, [_R - 1] * _HALF + [0] * _HALF)
    return vector_type(vector_type), lambda _c, builder, _s, v: builder.and_(v[0], mask)


@_intrinsic
def transpose(_typing: Any, source: Any, _index: Any, _stride: Any, target: Any) -> Any:
    """16 vectors, ``stride`` words apart from flat ``index`` on, to 16 x 16 words, transposed."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kinds = signature.args
        place = _place(context, builder, kinds[0], values[0], values[1])
        out = _place(context, builder, kinds[3], values[3], _number(0))
        rows = []
        for k in range(LANES):
            rows.append(_get(builder, place, 0))
            if k < LANES - 1:
                place = builder.gep(place, [values[2]])
        for bit in (8, 4, 2, 1):
            rows = vector._exchange(builder, rows, bit)
        for k, row in enumerate(rows):
            _put(builder, out, k * LANES, row)
        return context.get_dummy_value()

    return types.void(source, types.intp, types.intp, target), generate
