"""Interpreting a constraint system with array arithmetic, level by level.

Atoms are grouped by how many products they rest on; each group's forms are evaluated together as
one sparse matrix product. The verifier runs this at one point of the extension field, the trace
check over rows of the base field.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from circuits.circuit import Circuit
from circuits.expression import AtomKind
from circuits.field import Array, P

Multiply = Callable[[Array, Array], Array]
_P = np.uint64(P)


@dataclass(frozen=True)
class FormBatch:
    """Forms as compressed sparse rows; an empty form keeps one zero term."""

    constants: Array
    starts: NDArray[np.int64]
    atoms: NDArray[np.int64]
    coefficients: Array

    @classmethod
    def of(cls, circuit: Circuit, forms: list[int]) -> FormBatch:
        """Collect these forms, in order."""
        starts: list[int] = []
        atoms: list[int] = []
        coefficients: list[int] = []
        constants: list[int] = []
        for index in forms:
            form = circuit.graph.forms[index]
            constants.append(form.constant)
            starts.append(len(atoms))
            for atom, coefficient in form.terms or ((0, 0),):
                atoms.append(atom)
                coefficients.append(coefficient)
        return cls(
            np.array(constants, dtype=np.uint64),
            np.array(starts, dtype=np.int64),
            np.array(atoms, dtype=np.int64),
            np.array(coefficients, dtype=np.uint64),
        )

    def evaluate(self, values: Array, one: Array) -> Array:
        """Values of the forms, shape (forms, ...), from atom values (atoms, ...)."""
        tail = (1,) * (values.ndim - 1)
        products = self.coefficients.reshape(-1, *tail) * values[self.atoms] % _P
        # at most a few thousand terms below 2^31 each: far below 2^64
        sums = np.add.reduceat(products, self.starts, axis=0)
        result: Array = (sums + self.constants.reshape(-1, *tail) * one) % _P
        return result


@dataclass(frozen=True)
class _Level:
    atoms: NDArray[np.int64]
    forms: FormBatch
    left: NDArray[np.int64]
    right: NDArray[np.int64]


class Interpreter:
    """A circuit prepared for repeated evaluation."""

    def __init__(self, circuit: Circuit) -> None:
        graph = circuit.graph
        self.atom_count = len(graph.atoms)
        kinds = np.array([int(a.kind) for a in graph.atoms])
        self._indices = np.array([a.index for a in graph.atoms])
        self._leaves: dict[AtomKind, NDArray[np.int64]] = {
            kind: np.nonzero(kinds == int(kind))[0]
            for kind in AtomKind
            if kind is not AtomKind.PRODUCT
        }
        self._levels = _products_by_level(circuit)
        self._constraints = FormBatch.of(circuit, [c.form for c in circuit.constraints])

    def constraints(
        self,
        now: Array,
        following: Array,
        selectors: Array,
        publics: Array,
        one: Array,
        multiply: Multiply,
    ) -> Array:
        """The value of every constraint, shape (constraints, ...).

        ``now``, ``following`` (columns, ...), ``selectors`` (selectors, ...) and ``publics``
        (publics, ...) share their trailing shape; ``one`` is the unit of that shape.
        """
        values = np.zeros((self.atom_count, *one.shape), dtype=np.uint64)
        sources: dict[AtomKind, Array] = {
            AtomKind.COLUMN: now,
            AtomKind.NEXT: following,
            AtomKind.SELECTOR: selectors,
            AtomKind.PUBLIC: publics,
        }
        for kind, source in sources.items():
            places = self._leaves[kind]
            values[places] = source[self._indices[places]]
        for level in self._levels:
            forms = level.forms.evaluate(values, one)
            values[level.atoms] = multiply(forms[level.left], forms[level.right])
        return self._constraints.evaluate(values, one)


def _products_by_level(circuit: Circuit) -> list[_Level]:
    graph = circuit.graph
    level = [0] * len(graph.atoms)
    groups: dict[int, list[int]] = {}
    for index, atom in enumerate(graph.atoms):
        if atom.kind is AtomKind.PRODUCT:
            below = [level[a] for f in (atom.index, atom.other) for a, _ in graph.forms[f].terms]
            level[index] = 1 + max(below, default=0)
            groups.setdefault(level[index], []).append(index)
    out = []
    for _, members in sorted(groups.items()):
        needed = sorted({f for m in members for f in (graph.atoms[m].index, graph.atoms[m].other)})
        place = {form: k for k, form in enumerate(needed)}
        out.append(
            _Level(
                np.array(members),
                FormBatch.of(circuit, needed),
                np.array([place[graph.atoms[m].index] for m in members]),
                np.array([place[graph.atoms[m].other] for m in members]),
            )
        )
    return out


_PREPARED: WeakKeyDictionary[Circuit, Interpreter] = WeakKeyDictionary()


def interpreter(circuit: Circuit) -> Interpreter:
    """The prepared interpreter of a circuit, made once per circuit object."""
    known = _PREPARED.get(circuit)
    if known is None:
        known = _PREPARED[circuit] = Interpreter(circuit)
    return known
