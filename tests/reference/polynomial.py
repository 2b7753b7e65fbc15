"""Polynomials over a row's columns and selectors, and their values at a point."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from tests.reference.field import Extension, P, linear


@dataclass(frozen=True)
class Point:
    """The columns at z, those of *next* at gz, the selectors at z by name, all totals' limbs."""

    here: Sequence[Extension]
    following: Mapping[int, Extension]
    selectors: Mapping[str, Extension]
    limbs: Sequence[int]


@dataclass(frozen=True)
class Column:
    """A column's value on this row."""

    index: int

    @property
    def degree(self) -> int:
        """Of one unknown."""
        return 1

    def at(self, point: Point) -> Extension:
        """The value at z."""
        return point.here[self.index]


@dataclass(frozen=True)
class Next:
    """A column's value on the next row."""

    index: int

    @property
    def degree(self) -> int:
        """Of one unknown."""
        return 1

    def at(self, point: Point) -> Extension:
        """The value at gz."""
        return point.following[self.index]


@dataclass(frozen=True)
class Selector:
    """A selector's value on this row."""

    name: str

    @property
    def degree(self) -> int:
        """Of one unknown."""
        return 1

    def at(self, point: Point) -> Extension:
        """The value at z."""
        return point.selectors[self.name]


@dataclass(frozen=True)
class Product:
    """A product of two polynomials, in either order; of one with itself if there is only one."""

    factors: frozenset[Polynomial]

    @cached_property
    def degree(self) -> int:
        """Both degrees together, without terms that cancel."""
        return sum(factor.reduced_degree for factor in self._pair)

    @property
    def _pair(self) -> tuple[Polynomial, Polynomial]:
        first, *rest = self.factors
        return (first, rest[0]) if rest else (first, first)

    def at(self, point: Point) -> Extension:
        """The value at z."""
        left, right = self._pair
        return left.at(point) * right.at(point)


Atom = Column | Next | Selector | Product


class Polynomial:
    """constant + sum(coefficient * atom), integers modulo p; like terms are collected.

    Products are not multiplied out: (a + b) * c and a * c + b * c are two polynomials. A term that
    cancels is no part of the polynomial, but its degree still counts until a product is made.
    """

    __slots__ = ("_hash", "constant", "terms")

    def __init__(self, constant: int, terms: Mapping[Atom, int]) -> None:
        self.constant, self.terms = constant, terms
        self._hash = hash((constant % P, frozenset(self._reduced.items())))

    @property
    def _reduced(self) -> dict[Atom, int]:
        return {atom: factor % P for atom, factor in self.terms.items() if factor % P}

    @classmethod
    def of(cls, atom: Atom) -> Polynomial:
        """One atom."""
        return cls(0, {atom: 1})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Polynomial):
            return NotImplemented
        return (self.constant - other.constant) % P == 0 and self._reduced == other._reduced

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"Polynomial({self.constant}, {self.terms})"

    @property
    def degree(self) -> int:
        """Columns and selectors count one."""
        return max((atom.degree for atom in self.terms), default=0)

    @property
    def reduced_degree(self) -> int:
        """The degree without terms that cancel."""
        return max((atom.degree for atom in self._reduced), default=0)

    def __add__(self, other: Polynomial | int) -> Polynomial:
        if isinstance(other, int):
            return Polynomial(self.constant + other, self.terms)
        terms = dict(self.terms)
        for atom, factor in other.terms.items():
            terms[atom] = terms.get(atom, 0) + factor
        return Polynomial(self.constant + other.constant, terms)

    def __sub__(self, other: Polynomial | int) -> Polynomial:
        return self + other * -1

    def __rsub__(self, other: int) -> Polynomial:
        return self * -1 + other

    def __mul__(self, other: Polynomial | int) -> Polynomial:
        if isinstance(other, Polynomial):
            if other.terms and self.terms:
                return Polynomial.of(Product(frozenset((self, other))))
            if other.terms:
                return other * self.constant
            other = other.constant
        return Polynomial(
            self.constant * other, {atom: factor * other for atom, factor in self.terms.items()}
        )

    def at(self, point: Point) -> Extension:
        """The value at z; what cancels is not looked at, so that it counts as not read."""
        terms = self._reduced
        return linear([atom.at(point) for atom in terms], list(terms.values())) + self.constant


def constant(value: int) -> Polynomial:
    """A constant polynomial."""
    return Polynomial(value, {})


def column(index: int) -> Polynomial:
    """A column on this row."""
    return Polynomial.of(Column(index))


def following(index: int) -> Polynomial:
    """A column on the next row."""
    return Polynomial.of(Next(index))


def selector(name: str) -> Polynomial:
    """A selector."""
    return Polynomial.of(Selector(name))


def spelling(columns: Iterable[int]) -> Polynomial:
    """sum 4^i column_i."""
    return Polynomial(0, {Column(index): 4**i for i, index in enumerate(columns)})


def spelling_after(columns: Iterable[int]) -> Polynomial:
    """sum 4^i column_i on the next row."""
    return Polynomial(0, {Next(index): 4**i for i, index in enumerate(columns)})


def total(polynomials: Iterable[Polynomial]) -> Polynomial:
    """The sum of polynomials."""
    return sum(polynomials, start=constant(0))
