"""KoalaBear and its degree-6 extension: the plain reference, in NumPy.

The base field is F_p with p = 2^31 - 2^24 + 1; p - 1 = 2^24 * 127. The extension is
F_p[x]/(x^6 + x^3 + 1), the ninth cyclotomic polynomial, irreducible because p mod 9 = 2 has order
6 modulo 9. In it x^9 = 1, so the Frobenius map sends x^k to x^(2k mod 9).

Base elements are canonical integers 0..p-1 in ``uint64`` arrays; extension elements carry a last
axis of length ``DEGREE`` (coefficient of x^0 first). Products of two canonical elements stay
below 2^62, so ``uint64`` never overflows.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

P = 2**31 - 2**24 + 1
DEGREE = 6
TWO_ADICITY = 24
GENERATOR = 3  # of the whole multiplicative group; also the shift of the evaluation domain
TWO_ADIC_ROOT = pow(GENERATOR, (P - 1) >> TWO_ADICITY, P)

Array = NDArray[np.uint64]
_P = np.uint64(P)
_TABLE_BITS = 12  # powers of roots of unity: two tables of at most 2^12
_FEW = 16  # elements that are inverted one by one
_MOST_TERMS = 2**15  # products that ``matrix_product`` sums
_LIMB_BITS = np.uint64(16)
_LIMB_MASK = np.uint64(2**16 - 1)


def root_of_unity(log2_order: int) -> int:
    """A primitive 2^log2_order-th root of unity, 0 <= log2_order <= 24."""
    if not 0 <= log2_order <= TWO_ADICITY:
        raise ValueError(f"log2_order {log2_order} not in 0..{TWO_ADICITY}")
    return pow(TWO_ADIC_ROOT, 1 << (TWO_ADICITY - log2_order), P)


def inverse(value: int) -> int:
    """The inverse of a nonzero integer modulo p."""
    return pow(value, -1, P)


def to_base(values: Any) -> Array:
    """Integers of any sign, reduced to canonical base elements."""
    return (np.asarray(values, dtype=np.int64) % P).astype(np.uint64)


def add(a: Array, b: Array) -> Array:
    """a + b, elementwise; serves base and extension elements alike."""
    return (a + b) % _P


def subtract(a: Array, b: Array) -> Array:
    """a - b, elementwise; serves base and extension elements alike."""
    return (a + (_P - b)) % _P


def multiply(a: Array, b: Array) -> Array:
    """a * b in the base field (or a base array broadcast against an extension array)."""
    return (a * b) % _P


def powers(base: int, count: int) -> Array:
    """base^0 .. base^(count-1) by doubling."""
    out = np.ones(max(count, 1), dtype=np.uint64)
    filled, factor = 1, base % P
    while filled < count:
        step = min(filled, count - filled)
        out[filled : filled + step] = out[:step] * np.uint64(factor) % _P
        filled += step
        factor = factor * factor % P
    return out[:count]


def powers_of(a: Array, count: int) -> Array:
    """a^0 .. a^(count-1) of each base element of ``a`` (n,), shape (n, count), by doubling."""
    out = np.ones((len(a), max(count, 1)), dtype=np.uint64)
    filled, factor = 1, a[:, None]
    while filled < count:
        step = min(filled, count - filled)
        out[:, filled : filled + step] = out[:, :step] * factor % _P
        filled += step
        factor = factor * factor % _P
    return out[:, :count]


@lru_cache(maxsize=TWO_ADICITY + 1)
def _root_tables(log2_order: int) -> tuple[Array, Array]:
    """Powers of the root of unity with exponents below 2^12, and with their multiples of 2^12."""
    root = root_of_unity(log2_order)
    low = powers(root, 1 << min(log2_order, _TABLE_BITS))
    high = powers(pow(root, 1 << _TABLE_BITS, P), 1 << max(log2_order - _TABLE_BITS, 0))
    return low, high


def root_powers(log2_order: int, exponents: NDArray[np.int64]) -> Array:
    """root_of_unity(log2_order)^e for an array of exponents e >= 0."""
    low, high = _root_tables(log2_order)
    exponents = exponents & ((1 << log2_order) - 1)
    result: Array = low[exponents & (2**_TABLE_BITS - 1)] * high[exponents >> _TABLE_BITS] % _P
    return result


def power(a: Array, exponent: int) -> Array:
    """a^exponent in the base field, exponent >= 0."""
    result = np.ones_like(a)
    square = a
    while exponent:
        if exponent & 1:
            result = result * square % _P
        square = square * square % _P
        exponent >>= 1
    return result


def inverses(a: Array) -> Array:
    """1/a of nonzero base elements (n,); ``ValueError`` where one is zero.

    1/x = y / (xy): pairs are multiplied together until few are left to be inverted.
    """
    if len(a) <= _FEW:
        return np.array([inverse(int(value)) for value in a], dtype=np.uint64)
    half = len(a) // 2
    left, right, rest = a[:half], a[half : 2 * half], a[2 * half :]
    inverted = inverses(np.concatenate([left * right % _P, rest]))
    of_pairs, of_rest = inverted[:half], inverted[half:]
    return np.concatenate([of_pairs * right % _P, of_pairs * left % _P, of_rest])


def extension(value: int) -> Array:
    """The base element ``value`` as an extension element of shape (6,)."""
    out = np.zeros(DEGREE, dtype=np.uint64)
    out[0] = value % P
    return out


def lift(a: Array) -> Array:
    """Base elements of shape S as extension elements of shape S + (6,)."""
    out = np.zeros((*a.shape, DEGREE), dtype=np.uint64)
    out[..., 0] = a
    return out


# Row i of the matrix of b holds x^i b. As x^9 = 1 that is b turned by i places; then coordinates 6
# to 8 are taken off the others, because x^(6+k) = -x^(3+k) - x^k.
_ROW, _COLUMN = np.indices((DEGREE, DEGREE))
_TURNED = (_COLUMN - _ROW) % 9
_FOLDED = (6 + _COLUMN % 3 - _ROW) % 9


def multiplication_matrix(b: Array) -> Array:
    """The matrices (..., 6, 6) with a @ matrix = a * b, for b of shape (..., 6).

    Entries lie below 2^32 and are not reduced: ``matrix_product`` takes them.
    """
    wide = np.zeros((*b.shape[:-1], 9), dtype=np.uint64)
    wide[..., :DEGREE] = b
    matrix: Array = wide[..., _TURNED] + (_P - wide[..., _FOLDED])
    return matrix


def matrix_product(a: Array, b: Array) -> Array:
    """The matrix product a @ b over the base field, (..., n, k) by (..., k, m).

    Entries of ``a`` are canonical, those of ``b`` below 2^32. Each element of ``a`` is taken as two
    limbs of 16 bits, so that up to 2^15 products below 2^48 are summed before one reduction;
    ``ValueError`` for a larger k.
    """
    if a.shape[-1] > _MOST_TERMS:
        raise ValueError(f"sums of {a.shape[-1]} products may overflow")
    high = (a >> _LIMB_BITS) @ b % _P
    result: Array = ((high << _LIMB_BITS) + (a & _LIMB_MASK) @ b) % _P
    return result


def extension_multiply(a: Array, b: Array) -> Array:
    """Product in the extension; shapes broadcast, last axis 6."""
    product: Array = matrix_product(a[..., None, :], multiplication_matrix(b))[..., 0, :]
    return product


def frobenius(a: Array, times: int = 1) -> Array:
    """a^(p^times): x^k goes to x^(k * 2^times mod 9), reduced again."""
    step = pow(P, times, 9)
    wide = np.zeros((*a.shape[:-1], 9), dtype=np.uint64)
    for k in range(DEGREE):
        wide[..., k * step % 9] += a[..., k]
    out = np.empty_like(a)
    for k in range(3):
        out[..., k] = (wide[..., k] + _P - wide[..., k + 6]) % _P
        out[..., k + 3] = (wide[..., k + 3] + _P - wide[..., k + 6]) % _P
    return out


def extension_inverse(a: Array) -> Array:
    """1/a for nonzero a: the product of the other conjugates over the norm (Itoh-Tsujii)."""
    conjugates = frobenius(a, 1)
    for times in range(2, DEGREE):
        conjugates = extension_multiply(conjugates, frobenius(a, times))
    norm = extension_multiply(a, conjugates)[..., 0]
    return conjugates * inverses(norm.ravel()).reshape(norm.shape)[..., None] % _P


def inverse_differences(points: Array, z: Array) -> Array:
    """1/(x - z), shape (n, 6), for base elements x (n,) and an extension element z (6,).

    ``extension_inverse`` for many x and one z: the other conjugates of x - z are x - z^(p^k), so
    that their product is one polynomial of degree 5 in x. ``ValueError`` where an x is z.
    """
    others = extension(1)[None]
    for times in range(1, DEGREE):
        lower = extension_multiply(others, frobenius(z, times))
        zero = np.zeros((1, DEGREE), dtype=np.uint64)
        others = subtract(np.concatenate([zero, others]), np.concatenate([lower, zero]))
    conjugates = matrix_product(powers_of(points, DEGREE), others)
    norm = subtract(
        points * conjugates[:, 0] % _P, matrix_product(conjugates, multiplication_matrix(z))[:, 0]
    )
    return conjugates * inverses(norm)[:, None] % _P


def extension_power(a: Array, exponent: int) -> Array:
    """a^exponent in the extension, exponent >= 0; a of shape (..., 6)."""
    result = lift(np.ones(a.shape[:-1], dtype=np.uint64))
    for bit in f"{exponent:b}":
        result = extension_multiply(result, result)
        if bit == "1":
            result = extension_multiply(result, a)
    return result


def extension_powers(a: Array, count: int) -> Array:
    """a^0 .. a^(count-1) as an array (count, 6), by doubling."""
    out = np.zeros((max(count, 1), DEGREE), dtype=np.uint64)
    out[0, 0] = 1
    filled, factor = 1, a
    while filled < count:
        step = min(filled, count - filled)
        out[filled : filled + step] = extension_multiply(out[:step], factor)
        filled += step
        factor = extension_multiply(factor, factor)
    return out[:count]


def extension_product(a: Array) -> Array:
    """The product of all elements of an array (n, 6), n >= 1."""
    while len(a) > 1:
        if len(a) % 2:
            a = np.concatenate([a, extension(1)[None]])
        a = extension_multiply(a[0::2], a[1::2])
    product: Array = a[0]
    return product


def extension_dot(a: Array, b: Array) -> Array:
    """sum over the first axis of a * b in the extension; fewer than 2^32 terms."""
    total: Array = extension_multiply(a, b).sum(axis=0) % _P
    return total


def in_proper_subfield(a: Array) -> bool:
    """True when the element (6,) lies in F_p, F_p^2 or F_p^3 (all proper subfields)."""
    return bool(np.array_equal(frobenius(a, 2), a) or np.array_equal(frobenius(a, 3), a))
