"""Constraints as text that a person can check: names for indices, small signed coefficients.

A column's value on the next row is marked with ``'``, a public input with ``public``, a selector
that has a column's name with ``selector``. Where an array's columns are digits 0..3 by constraints
of their own (the last one may be a bit), what they spell is written short: ``digits(a[0..2])`` is
a[0] + 4 a[1] + 16 a[2]. Division, by a power of two, is that modulo p. A name that could be misread
as arithmetic is quoted, and one that stands for two things carries its number.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from circuits.circuit import Circuit, Constraint
from circuits.expression import Atom, AtomKind, Form, Graph
from circuits.field import P
from circuits.gadgets.log_hash import log_hash_alone

_ARRAY = re.compile(r"(.*)\[([0-9]+)\]")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_@.]*( [A-Za-z0-9_@.]+)*")
_X = r"(.*)\[([0-9]+)\]"
_RANGES = {  # what says of an array's column that it is a bit or a digit
    "x * (x - 1)": re.compile(_X + r" \* \(\1\[\2\] - 1\)"),
    "x * (x - 3) * (x * (x - 3) + 2)": re.compile(
        _X + r" \* \(\1\[\2\] - 3\) \* \(\1\[\2\] \* \(\1\[\2\] - 3\) \+ 2\)"
    ),
}


@dataclass(frozen=True)
class Leaf:
    """A column, selector or public input as it is printed, or digits that are printed together."""

    text: str


@dataclass(frozen=True)
class Product:
    """The factors as they were written."""

    factors: tuple[Sum, ...]


@dataclass(frozen=True)
class Sum:
    """(constant + sum(coefficient * part)) / divisor, all coefficients signed and nonzero."""

    constant: int
    terms: tuple[tuple[int, Leaf | Product], ...]
    divisor: int = 1


@dataclass(frozen=True)
class ReadableConstraint:
    """One constraint: ``polynomial`` must be 0 on every row that is not exempt."""

    name: str
    degree: int
    polynomial: str


def signed(value: int) -> int:
    """The integer of least absolute value that is ``value`` modulo p."""
    value %= P
    return value - P if value > P // 2 else value


def _power_of_two(coefficients: Sequence[int]) -> int:
    """What all of them are multiplied by to be small, if they are not: the bit that something
    reaches a threshold is a difference divided by 2^n."""
    largest = [max(abs(signed(c << k)) for c in coefficients) for k in range(31)]
    best = min(range(31), key=lambda k: largest[k])
    return 1 << best if largest[best] << 4 < largest[0] else 1


def explain_constraints(
    circuit: Circuit, constraints: Sequence[Constraint]
) -> list[ReadableConstraint]:
    """Readable forms of some of the circuit's constraints, in their order."""
    reader = _Reader(circuit)
    return [ReadableConstraint(c.name, c.degree, sum_text(reader.sum(c.form))) for c in constraints]


def constraint_lines(constraints: Sequence[ReadableConstraint]) -> list[str]:
    """One line per constraint; those that say of an array's columns what range they have share one.

    Such a line reads ``a[0..3] (4 of degree 2): x * (x - 1) for each of them``.
    """

    def range_of(constraint: ReadableConstraint) -> tuple[str, str]:
        """The array and what is said of its column; empty for any other constraint."""
        for text, pattern in _RANGES.items():
            if match := pattern.fullmatch(constraint.polynomial):
                return match[1], text
        return "", ""

    lines = []
    for (array, text), group in groupby(constraints, range_of):
        members = list(group)
        matches = [_RANGES[text].fullmatch(c.polynomial) for c in members] if array else []
        places = [int(match[2]) for match in matches if match]
        if len(places) < 2 or places != list(range(places[0], places[0] + len(places))):
            lines += [f"{c.name} (degree {c.degree}): {c.polynomial}" for c in members]
            continue
        span = f"{array}[{places[0]}..{places[-1]}]"
        degree = members[0].degree
        lines.append(f"{span} ({len(members)} of degree {degree}): {text} for each of them")
    return lines


def joined_names(names: Sequence[str]) -> str:
    """Names in one line, neighbours of one array as ``a[0..3]``."""
    spans: list[tuple[str, int, int]] = []
    for name in names:
        match = _ARRAY.fullmatch(name)
        array, place = (match[1], int(match[2])) if match else (name, -1)
        if spans and place >= 0 and spans[-1][0] == array and spans[-1][2] == place - 1 >= 0:
            spans[-1] = (array, spans[-1][1], place)
        else:
            spans.append((array, place, place))
    texts = []
    for array, low, high in spans:
        index = "" if low < 0 else f"[{low}]" if low == high else f"[{low}..{high}]"
        texts.append(array + index)
    return ", ".join(texts)


def log_hash_constraints(circuit: Circuit) -> int:
    """How many of the circuit's first constraints are exactly those of the log hash gadget.

    0 when it does not begin with all of them.
    """
    alone = log_hash_alone(circuit.schema, bool(circuit.state))
    graph, count = alone.graph, len(alone.constraints)
    same = (
        list(circuit.constraints[:count]) == alone.constraints
        and circuit.graph.atoms[: len(graph.atoms)] == graph.atoms
        and circuit.graph.forms[: len(graph.forms)] == graph.forms
        and list(circuit.columns[: len(alone.columns)]) == alone.columns
        and list(circuit.selectors[: len(alone.selectors)]) == alone.selectors
        and list(circuit.publics[: len(alone.publics)]) == alone.publics
    )
    return count if same else 0


def digit_columns(circuit: Circuit) -> frozenset[int]:
    """Columns x with a constraint x (x - 3) (x (x - 3) + 2) or x (x - 1): digits, or bits."""
    graph, found = circuit.graph, set()
    for constraint in circuit.constraints:
        factors = _factors(graph, constraint.form)
        if factors is None:
            continue
        for one, other in (factors, factors[::-1]):
            column = _column_minus(graph, one, 0)
            if column is not None and _column_minus(graph, other, 1) == column:
                found.add(column)
            outer = _factors(graph, one)
            if outer is None or graph.forms[other] != Form(2, graph.forms[one].terms):
                continue
            for x, y in (outer, outer[::-1]):
                column = _column_minus(graph, x, 0)
                if column is not None and _column_minus(graph, y, 3) == column:
                    found.add(column)
    return frozenset(found)


def _factors(graph: Graph, form: int) -> tuple[int, int] | None:
    """The two forms whose product the form is."""
    content = graph.forms[form]
    if content.constant or len(content.terms) != 1 or content.terms[0][1] != 1:
        return None
    atom = graph.atoms[content.terms[0][0]]
    return (atom.index, atom.other) if atom.kind is AtomKind.PRODUCT else None


def _column_minus(graph: Graph, form: int, less: int) -> int | None:
    """The column x of a form x - less, on this row."""
    content = graph.forms[form]
    if content.constant != -less % P or len(content.terms) != 1 or content.terms[0][1] != 1:
        return None
    atom = graph.atoms[content.terms[0][0]]
    return atom.index if atom.kind is AtomKind.COLUMN else None


def _quoted(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else json.dumps(name)


def _label(name: str) -> str:
    """A name that cannot be taken for arithmetic; an array's index stays behind the quotes."""
    match = _ARRAY.fullmatch(name)
    return f"{_quoted(match[1])}[{int(match[2])}]" if match else _quoted(name)


@dataclass(frozen=True)
class _Run:
    """A column of an array of digits with its coefficient, while a form is put together."""

    array: str
    place: int
    following: bool
    coefficient: int
    atom: int


class _Reader:
    """Looks names up for one circuit."""

    def __init__(self, circuit: Circuit) -> None:
        self.graph = circuit.graph
        self.digits = digit_columns(circuit)
        columns = [_label(name) for name in circuit.columns]
        selectors = [_label(name) for name in circuit.selectors]
        names = {
            AtomKind.COLUMN: columns,
            AtomKind.SELECTOR: [f"selector {x}" if x in columns else x for x in selectors],
            AtomKind.PUBLIC: [f"public {_label(name)}" for name in circuit.publics],
        }
        taken = Counter(label for kind in names.values() for label in kind)
        seen: Counter[str] = Counter()
        self.labels: dict[AtomKind, list[str]] = {}
        for kind, labels in names.items():
            self.labels[kind] = []
            for label in labels:
                seen[label] += 1
                alone = taken[label] == 1
                self.labels[kind].append(label if alone else f"{label} #{seen[label]}")

    def sum(self, form: int) -> Sum:
        """A form as a tree: positive parts first, else in the order of its atoms."""
        made: list[tuple[int, int, Leaf | Product]] = []
        digits: list[_Run] = []
        for number, coefficient in self.graph.forms[form].terms:
            atom = self.graph.atoms[number]
            run = self._digit(number, atom, coefficient)
            if run is not None:
                digits.append(run)
            else:
                made.append((number, signed(coefficient), self._part(atom)))
        made += self._spelled(digits)
        constant = self.graph.forms[form].constant
        divisor = _power_of_two([constant, *(coefficient for _, coefficient, _ in made)])
        made = [(atom, signed(c * divisor), part) for atom, c, part in made]
        made.sort(key=lambda entry: (entry[1] < 0, entry[0]))
        terms = tuple((coefficient, part) for _, coefficient, part in made)
        return Sum(signed(constant * divisor), terms, divisor)

    def _part(self, atom: Atom) -> Leaf | Product:
        if atom.kind is not AtomKind.PRODUCT:
            return Leaf(self._leaf(atom))
        factors: list[Sum] = []
        for form in (atom.index, atom.other):
            inner = self.sum(form)
            match inner:
                case Sum(constant=0, terms=((1, Product(factors=deeper)),), divisor=1):
                    factors += deeper
                case _:
                    factors.append(inner)
        return Product(tuple(factors))

    def _leaf(self, atom: Atom) -> str:
        if atom.kind is AtomKind.NEXT:
            return self.labels[AtomKind.COLUMN][atom.index] + "'"
        return self.labels[atom.kind][atom.index]

    def _digit(self, number: int, atom: Atom, coefficient: int) -> _Run | None:
        if atom.kind not in (AtomKind.COLUMN, AtomKind.NEXT) or atom.index not in self.digits:
            return None
        match = _ARRAY.fullmatch(self.labels[AtomKind.COLUMN][atom.index])
        if match is None:
            return None
        following = atom.kind is AtomKind.NEXT
        return _Run(match[1], int(match[2]), following, coefficient, number)

    def _spelled(self, digits: list[_Run]) -> list[tuple[int, int, Leaf]]:
        """Runs of neighbours with coefficients 1, 4, 16, ... become one part each."""
        out = []
        digits.sort(key=lambda run: (run.array, run.following, run.place))
        for (array, following), group in groupby(digits, lambda run: (run.array, run.following)):
            row = "'" if following else ""
            runs: list[list[_Run]] = []
            for digit in group:
                last = runs[-1][-1] if runs else None
                if (
                    last is not None
                    and digit.place == last.place + 1
                    and digit.coefficient == 4 * last.coefficient % P
                ):
                    runs[-1].append(digit)
                else:
                    runs.append([digit])
            for run in runs:
                low, high = run[0].place, run[-1].place
                text = f"{array}[{low}]" if low == high else f"digits({array}[{low}..{high}])"
                out.append((run[0].atom, signed(run[0].coefficient), Leaf(text + row)))
        return out


def sum_text(tree: Sum) -> str:
    """The text of a tree."""
    parts = [(c, _part_text(part, c)) for c, part in tree.terms]
    if tree.constant or not parts:
        constant = (tree.constant, str(abs(tree.constant)))
        # 1 - x rather than -x + 1
        parts.insert(0 if parts and parts[0][0] < 0 < tree.constant else len(parts), constant)
    first, *rest = parts
    text = f"-{first[1]}" if first[0] < 0 else first[1]
    text += "".join(f" {'-' if c < 0 else '+'} {part}" for c, part in rest)
    return text if tree.divisor == 1 else f"({text}) / {tree.divisor}"


def _part_text(part: Leaf | Product, coefficient: int) -> str:
    factor = "" if abs(coefficient) == 1 else f"{abs(coefficient)} * "
    if isinstance(part, Leaf):
        return factor + part.text
    factors = []
    for text, equal in groupby(_factor_text(factor_tree) for factor_tree in part.factors):
        power = len(list(equal))
        factors.append(text if power == 1 else f"{text}^{power}")
    return factor + " * ".join(factors)


def _factor_text(tree: Sum) -> str:
    """A factor, in parentheses unless it is one name."""
    match tree:
        case Sum(constant=0, terms=((1, Leaf(text=text)),), divisor=1):
            return text
    return f"({sum_text(tree)})"
