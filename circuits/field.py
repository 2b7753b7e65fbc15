"""KoalaBear and its degree-6 extension: the plain reference, in NumPy.

The base field is F_p with p = 2^31 - 2^24 + 1; p - 1 = 2^24 * 127. The extension is
F_p[x]/(x^6 + x^3 + 1), the ninth cyclotomic polynomial, irreducible because p mod 9 = 2 has order
6 modulo 9. In it x^9 = 1, so the Frobenius map sends x^k to x^(2k mod 9).

Base elements are canonical integers 0..p-1 in ``uint64`` arrays; extension elements carry a last
axis of length ``DEGREE`` (coefficient of x^0 first). Products of two canonical elements stay
below 2^62, so ``uint64`` never overflows.
"""

from __future__ import annotations

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


def root_powers(log2_order: int, exponents: NDArray[np.int64]) -> Array:
    """root_of_unity(log2_order)^e for an array of exponents e >= 0."""
    out = np.ones(len(exponents), dtype=np.uint64)
    factor = root_of_unity(log2_order)
    for bit in range(log2_order):
        chosen = (exponents >> bit) & 1 == 1
        out[chosen] = out[chosen] * np.uint64(factor) % _P
        factor = factor * factor % P
    return out


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


def _reduction_matrices() -> tuple[Array, Array]:
    """How the 36 products a_i b_j enter the six coordinates, plus and minus.

    x^6 = -x^3 - 1, x^7 = -x^4 - x, x^8 = -x^5 - x^2, x^9 = 1, x^10 = x.
    """
    plus = np.zeros((DEGREE * DEGREE, DEGREE), dtype=np.uint64)
    minus = np.zeros_like(plus)
    for i in range(DEGREE):
        for j in range(DEGREE):
            k = i + j
            if k < DEGREE:
                plus[i * DEGREE + j, k] = 1
            elif k >= 9:
                plus[i * DEGREE + j, k - 9] = 1
            else:
                minus[i * DEGREE + j, [k - 6, k - 3]] = 1
    return plus, minus


_PLUS, _MINUS = _reduction_matrices()


def extension_multiply(a: Array, b: Array) -> Array:
    """Product in the extension; shapes broadcast, last axis 6.

    A coordinate adds at most six values below 2^31 and subtracts at most six: 6 p keeps it
    nonnegative.
    """
    products = a[..., :, None] * b[..., None, :] % _P
    flat = products.reshape(*products.shape[:-2], DEGREE * DEGREE)
    result: Array = (flat @ _PLUS + np.uint64(6 * P) - flat @ _MINUS) % _P
    return result


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
    return conjugates * power(norm, P - 2)[..., None] % _P


def extension_power(a: Array, exponent: int) -> Array:
    """a^exponent in the extension, exponent >= 0; a of shape (..., 6)."""
    result = np.zeros_like(a)
    result[..., 0] = 1
    square = a
    while exponent:
        if exponent & 1:
            result = extension_multiply(result, square)
        square = extension_multiply(square, square)
        exponent >>= 1
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
