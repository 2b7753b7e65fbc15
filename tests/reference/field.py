"""KoalaBear and its sextic extension in plain Python integers (docs/protocol.md, section 2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

P = 2**31 - 2**24 + 1
GENERATOR = 3
DEGREE = 6

Words = tuple[int, int, int, int, int, int]


def root_of_unity(log2_order: int) -> int:
    """w_k, the 2^k-th root of unity."""
    return pow(GENERATOR, (P - 1) >> log2_order, P)


class Extension:
    """An element of E = F_p[x] / (x^6 + x^3 + 1): six words, coefficient of x^0 first."""

    __slots__ = ("words",)

    def __init__(self, words: Words) -> None:
        self.words = words

    @classmethod
    def of(cls, words: Sequence[int]) -> Extension:
        """The element with these six coefficients, reduced."""
        a, b, c, d, e, f = words
        return cls((a % P, b % P, c % P, d % P, e % P, f % P))

    @classmethod
    def base(cls, value: int) -> Extension:
        """A base element, or any integer, as an element of E."""
        return cls((value % P, 0, 0, 0, 0, 0))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Extension) and self.words == other.words

    def __hash__(self) -> int:
        return hash(self.words)

    def __repr__(self) -> str:
        return f"Extension({self.words})"

    def __add__(self, other: Extension | int) -> Extension:
        a0, a1, a2, a3, a4, a5 = self.words
        if isinstance(other, int):
            return Extension(((a0 + other) % P, a1, a2, a3, a4, a5))
        b0, b1, b2, b3, b4, b5 = other.words
        return Extension(
            (
                (a0 + b0) % P,
                (a1 + b1) % P,
                (a2 + b2) % P,
                (a3 + b3) % P,
                (a4 + b4) % P,
                (a5 + b5) % P,
            )
        )

    def __radd__(self, other: int) -> Extension:
        return self + other

    def __neg__(self) -> Extension:
        return self * -1

    def __sub__(self, other: Extension | int) -> Extension:
        if isinstance(other, int):
            return self + -other
        a0, a1, a2, a3, a4, a5 = self.words
        b0, b1, b2, b3, b4, b5 = other.words
        return Extension(
            (
                (a0 - b0) % P,
                (a1 - b1) % P,
                (a2 - b2) % P,
                (a3 - b3) % P,
                (a4 - b4) % P,
                (a5 - b5) % P,
            )
        )

    def __rsub__(self, other: int) -> Extension:
        return -self + other

    def __mul__(self, other: Extension | int) -> Extension:
        a0, a1, a2, a3, a4, a5 = self.words
        if isinstance(other, int):
            return Extension(
                (
                    a0 * other % P,
                    a1 * other % P,
                    a2 * other % P,
                    a3 * other % P,
                    a4 * other % P,
                    a5 * other % P,
                )
            )
        b0, b1, b2, b3, b4, b5 = other.words
        # x^6 = -x^3 - 1, x^7 = -x^4 - x, x^8 = -x^5 - x^2, x^9 = 1, x^10 = x
        c6 = a1 * b5 + a2 * b4 + a3 * b3 + a4 * b2 + a5 * b1
        c7 = a2 * b5 + a3 * b4 + a4 * b3 + a5 * b2
        c8 = a3 * b5 + a4 * b4 + a5 * b3
        c9 = a4 * b5 + a5 * b4
        c10 = a5 * b5
        return Extension(
            (
                (a0 * b0 - c6 + c9) % P,
                (a0 * b1 + a1 * b0 - c7 + c10) % P,
                (a0 * b2 + a1 * b1 + a2 * b0 - c8) % P,
                (a0 * b3 + a1 * b2 + a2 * b1 + a3 * b0 - c6) % P,
                (a0 * b4 + a1 * b3 + a2 * b2 + a3 * b1 + a4 * b0 - c7) % P,
                (a0 * b5 + a1 * b4 + a2 * b3 + a3 * b2 + a4 * b1 + a5 * b0 - c8) % P,
            )
        )

    def __rmul__(self, other: int) -> Extension:
        return self * other

    def __pow__(self, exponent: int) -> Extension:
        result, power = ONE, self
        while exponent:
            if exponent & 1:
                result = result * power
            power = power * power
            exponent >>= 1
        return result

    def __truediv__(self, other: Extension | int) -> Extension:
        if isinstance(other, int):
            return self * pow(other, -1, P)
        return self * other.inverse()

    def frobenius(self) -> Extension:
        """The p-th power: x^i goes to x^(i p mod 9), because x^9 = 1."""
        powers = [0] * 9
        for exponent, word in enumerate(self.words):
            powers[exponent * P % 9] += word
        return Extension.of([powers[i] - powers[6 + i % 3] for i in range(DEGREE)])

    def inverse(self) -> Extension:
        """The product of the other conjugates over the norm; the norm lies in F_p."""
        conjugate, others = self, ONE
        for _ in range(DEGREE - 1):
            conjugate = conjugate.frobenius()
            others = others * conjugate
        norm, *rest = (self * others).words
        if any(rest) or not norm:
            raise ZeroDivisionError("zero has no inverse")
        return others * pow(norm, -1, P)

    def in_subfield(self) -> bool:
        """Whether the element lies in a proper subfield."""
        twice = self.frobenius().frobenius()
        return self in (twice, twice.frobenius())


ZERO = Extension.base(0)
ONE = Extension.base(1)


def total(elements: Iterable[Extension]) -> Extension:
    """The sum of elements of E."""
    return sum(elements, ZERO)


def linear(elements: Sequence[Extension], weights: Sequence[int]) -> Extension:
    """sum weights[i] elements[i], with weights in F_p."""
    sums = [0] * DEGREE
    for element, weight in zip(elements, weights, strict=True):
        a0, a1, a2, a3, a4, a5 = element.words
        sums[0] += a0 * weight
        sums[1] += a1 * weight
        sums[2] += a2 * weight
        sums[3] += a3 * weight
        sums[4] += a4 * weight
        sums[5] += a5 * weight
    return Extension.of(sums)


def evaluate(coefficients: Sequence[Extension], at: Extension | int) -> Extension:
    """The polynomial with these coefficients, constant first, at a point."""
    value = ZERO
    for coefficient in reversed(coefficients):
        value = value * at + coefficient
    return value
