"""The constraint language: polynomials over trace columns, selectors and public inputs.

A constraint system is kept in two sorts. An *atom* is a column (on this row or the next), a
selector, a public input, or the product of two forms. A *form* is a constant plus a linear
combination of atoms. Every interpreter (symbolic degree, trace check, prover, verifier) walks the
same two lists, so there is one definition of what is proved.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from circuits.field import P


class AtomKind(IntEnum):
    """What an atom refers to; the values are part of the circuit id."""

    COLUMN = 0
    NEXT = 1
    SELECTOR = 2
    PUBLIC = 3
    PRODUCT = 4


@dataclass(frozen=True)
class Atom:
    """``index`` is a column, selector or public input; a product holds its two forms."""

    kind: AtomKind
    index: int
    other: int = 0


@dataclass(frozen=True)
class Form:
    """constant + sum(coefficient * atom), coefficients canonical and nonzero, atoms ascending."""

    constant: int
    terms: tuple[tuple[int, int], ...]


@dataclass
class Graph:
    """Atoms and forms, each kept once; a product only refers to atoms before itself."""

    atoms: list[Atom] = field(default_factory=list)
    forms: list[Form] = field(default_factory=list)
    degrees: list[int] = field(default_factory=list)
    _atom_ids: dict[Atom, int] = field(default_factory=dict)
    _form_ids: dict[Form, int] = field(default_factory=dict)

    def __copy__(self) -> Graph:
        return Graph(
            [*self.atoms], [*self.forms], [*self.degrees], {**self._atom_ids}, {**self._form_ids}
        )

    def atom(self, kind: AtomKind, index: int, other: int = 0) -> Expression:
        """The expression that consists of one atom."""
        key = Atom(kind, index, other)
        known = self._atom_ids.get(key)
        if known is None:
            known = self._atom_ids[key] = len(self.atoms)
            self.atoms.append(key)
            if kind is AtomKind.PRODUCT:
                self.degrees.append(self.form_degree(index) + self.form_degree(other))
            else:
                self.degrees.append(0 if kind is AtomKind.PUBLIC else 1)
        return Expression(self, 0, {known: 1})

    def form(self, expression: Expression) -> int:
        """The identifier of a form equal to ``expression``."""
        terms = tuple(sorted((a, c % P) for a, c in expression.terms.items() if c % P))
        key = Form(expression.constant % P, terms)
        known = self._form_ids.get(key)
        if known is None:
            known = self._form_ids[key] = len(self.forms)
            self.forms.append(key)
        return known

    def form_degree(self, form: int) -> int:
        """The degree of a form: columns and selectors count one, public inputs nothing."""
        return max((self.degrees[a] for a, _ in self.forms[form].terms), default=0)

    def leaves(self, forms: Iterable[int]) -> list[tuple[AtomKind, int]]:
        """What these forms read: (kind, index) of columns, selectors and public inputs, each once.

        A term that cancels when a form is collected reads nothing.
        """
        found, waiting, seen = list[tuple[AtomKind, int]](), list(forms), set[int]()
        while waiting:
            for number, _ in self.forms[waiting.pop()].terms:
                if number in seen:
                    continue
                seen.add(number)
                atom = self.atoms[number]
                if atom.kind is AtomKind.PRODUCT:
                    waiting += [atom.index, atom.other]
                else:
                    found.append((atom.kind, atom.index))
        return found

    def constant(self, value: int) -> Expression:
        """A constant as an expression."""
        return Expression(self, value % P, {})


class Expression:
    """A polynomial in the making; ``+ - *`` with expressions and integers."""

    __slots__ = ("constant", "graph", "terms")

    def __init__(self, graph: Graph, constant: int, terms: dict[int, int]) -> None:
        self.graph = graph
        self.constant = constant
        self.terms = terms

    def _lifted(self, other: Expression | int) -> Expression:
        return other if isinstance(other, Expression) else self.graph.constant(other)

    def _combine(self, other: Expression | int, sign: int) -> Expression:
        right = self._lifted(other)
        terms = dict(self.terms)
        for atom, coefficient in right.terms.items():
            terms[atom] = (terms.get(atom, 0) + sign * coefficient) % P
        return Expression(self.graph, (self.constant + sign * right.constant) % P, terms)

    def __add__(self, other: Expression | int) -> Expression:
        return self._combine(other, 1)

    __radd__ = __add__

    def __sub__(self, other: Expression | int) -> Expression:
        return self._combine(other, -1)

    def __rsub__(self, other: int) -> Expression:
        return self._lifted(other)._combine(self, -1)

    def __neg__(self) -> Expression:
        return self * -1

    def __mul__(self, other: Expression | int) -> Expression:
        if not isinstance(other, Expression):
            scaled = {a: c * other % P for a, c in self.terms.items()}
            return Expression(self.graph, self.constant * other % P, scaled)
        if not other.terms:
            return self * other.constant
        if not self.terms:
            return other * self.constant
        pair = sorted((self.graph.form(self), self.graph.form(other)))
        return self.graph.atom(AtomKind.PRODUCT, pair[0], pair[1])

    __rmul__ = __mul__


def weighted_sum(expressions: list[Expression], weights: list[int]) -> Expression:
    """sum(weight * expression); the lists are of equal, nonzero length."""
    constant, terms = 0, dict[int, int]()
    for expression, weight in zip(expressions, weights, strict=True):
        constant += expression.constant * weight
        for atom, coefficient in expression.terms.items():
            terms[atom] = (terms.get(atom, 0) + coefficient * weight) % P
    return Expression(expressions[0].graph, constant % P, terms)
