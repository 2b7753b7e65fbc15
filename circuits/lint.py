"""Looks for what is probably a mistake in a circuit: parts that do nothing or bind nothing.

It changes one cell at a time, so it finds columns that are free by themselves, not groups of
columns that could move together. A clean answer proves nothing; a finding wants an explanation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from circuits.circuit import MAXIMUM_DEGREE, Circuit, Trace
from circuits.evaluate import interpreter
from circuits.expression import AtomKind
from circuits.field import Array, P, inverse, multiply
from circuits.free_cells import Freedom, column_freedom
from circuits.gadgets.log_hash import log_hash_alone
from circuits.layout import Layout
from circuits.readable import log_hash_constraints
from circuits.synthetic_log import synthetic_claims
from circuits.trace_check import check_trace

_POINTS = 4
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Finding:
    """``check`` is one of a few fixed phrases, ``subject`` a name within the circuit."""

    check: str
    subject: str
    detail: str


@dataclass
class Report:
    """What the lint found; ``partly_free`` is for curiosity and no finding."""

    findings: list[Finding] = field(default_factory=list)
    partly_free: list[Freedom] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, check: str, subject: str, detail: str) -> None:
        """Note one finding."""
        self.findings.append(Finding(check, subject, detail))


def lint_circuit(circuit: Circuit, progress: Progress | None = None) -> Report:
    """Everything that looks wrong. Takes seconds: it tries every cell of an honest trace."""
    report = Report()
    _check_degrees(circuit, report)
    _check_reads(circuit, report)
    _check_polynomials(circuit, report)
    if not log_hash_constraints(circuit):
        report.notes.append("it does not begin with the log hash: no trace was tried")
    elif not _is_complete(circuit, report):
        report.notes.append("no trace can be made of it: none was tried")
    else:
        _check_cells(circuit, report, progress or (lambda _step, _fraction: None))
    return report


def form_degrees(circuit: Circuit) -> list[int]:
    """The degree of every form, worked out anew: columns and selectors count one."""
    graph = circuit.graph
    atoms: list[int] = []

    def of_form(form: int) -> int:
        return max((atoms[atom] for atom, _ in graph.forms[form].terms), default=0)

    for atom in graph.atoms:
        if atom.kind is AtomKind.PRODUCT:
            atoms.append(of_form(atom.index) + of_form(atom.other))
        else:
            atoms.append(0 if atom.kind is AtomKind.PUBLIC else 1)
    return [of_form(form) for form in range(len(graph.forms))]


def _check_degrees(circuit: Circuit, report: Report) -> None:
    degrees = form_degrees(circuit)
    for constraint in circuit.constraints:
        degree = degrees[constraint.form]
        if degree > MAXIMUM_DEGREE:
            detail = f"degree {degree}; a proof has room for {MAXIMUM_DEGREE}"
            report.add("degree too high", constraint.name, detail)
        if degree != constraint.degree:
            detail = f"says {constraint.degree}, is {degree}"
            report.add("wrong degree", constraint.name, detail)


def leaves_of_forms(circuit: Circuit) -> list[frozenset[tuple[AtomKind, int]]]:
    """Which columns (on this row, on the next), selectors and public inputs every form reads."""
    graph = circuit.graph
    atoms: list[frozenset[tuple[AtomKind, int]]] = []
    nothing: frozenset[tuple[AtomKind, int]] = frozenset()

    def of_form(form: int) -> frozenset[tuple[AtomKind, int]]:
        return nothing.union(*(atoms[atom] for atom, _ in graph.forms[form].terms))

    for atom in graph.atoms:
        if atom.kind is AtomKind.PRODUCT:
            atoms.append(of_form(atom.index) | of_form(atom.other))
        else:
            atoms.append(frozenset([(atom.kind, atom.index)]))
    return [of_form(form) for form in range(len(graph.forms))]


def _check_reads(circuit: Circuit, report: Report) -> None:
    """Columns, selectors and public inputs that no constraint reads."""
    read = set(circuit.graph.leaves(constraint.form for constraint in circuit.constraints))
    for index, name in enumerate(circuit.columns):
        if not {(AtomKind.COLUMN, index), (AtomKind.NEXT, index)} & read:
            report.add("unused column", name, "no constraint reads it")
    own = log_hash_alone(circuit.schema, bool(circuit.state))
    for index, name in enumerate(circuit.selectors):
        # the log hash names selectors for gadgets behind it, needed or not
        if (AtomKind.SELECTOR, index) not in read and name not in own.selectors:
            report.add("unused selector", name, "no constraint reads it")
    for index, name in enumerate(circuit.publics):
        if (AtomKind.PUBLIC, index) not in read:
            report.add("unused public input", name, "no constraint reads it: it binds nothing")


def _check_polynomials(circuit: Circuit, report: Report) -> None:
    """Constraints that are constant, or a multiple of one before, by their values at random."""
    random = np.random.default_rng()

    def draw(count: int) -> Array:
        return random.integers(0, P, (count, _POINTS), dtype=np.uint64)

    columns, one = len(circuit.columns), np.ones(_POINTS, dtype=np.uint64)
    values = interpreter(circuit).constraints(
        draw(columns),
        draw(columns),
        draw(len(circuit.selectors)),
        draw(len(circuit.publics)),
        one,
        multiply,
    )
    seen: dict[tuple[int, ...], str] = {}
    for constraint, row in zip(circuit.constraints, values.tolist(), strict=True):
        if len(set(row)) == 1:
            never = "" if row[0] == 0 else ": no trace satisfies it"
            report.add("constant constraint", constraint.name, f"always {row[0]}{never}")
            continue
        scale = inverse(row[0]) if row[0] else 1
        key = tuple(value * scale % P for value in row)
        if key in seen:
            report.add("duplicate constraint", constraint.name, f"the same as {seen[key]!r}")
        else:
            seen[key] = constraint.name


def _is_complete(circuit: Circuit, report: Report) -> bool:
    """Whether a statement gives it all public inputs and its layout all selectors."""
    own = log_hash_alone(circuit.schema, bool(circuit.state))
    spelled = len(own.publics) + sum(len(outcome.limbs) for outcome in circuit.outcomes)
    if spelled != len(circuit.publics):
        detail = f"the chain and the outcomes' limbs make {spelled}"
        report.add("public inputs", f"{len(circuit.publics)} public inputs", detail)
    layout = Layout.from_counts([1], circuit.schema.records_per_block, True, [0], 2)
    unknown = [name for name in circuit.selectors if not _is_selector(layout, name)]
    for name in unknown:
        report.add("unknown selector", name, "no rows are defined for it")
    return spelled == len(circuit.publics) and not unknown


def _is_selector(layout: Layout, name: str) -> bool:
    try:
        layout.selector(name)
    except (KeyError, ValueError, IndexError):
        return False
    return True


def _check_cells(circuit: Circuit, report: Report, progress: Progress) -> None:
    """Fill honest traces, check them, and look for cells that no constraint misses."""
    traces: list[tuple[Trace, NDArray[np.uint64]]] = []
    for claim in synthetic_claims(circuit):
        trace, publics = claim.trace(circuit), claim.statement.public_inputs(circuit)
        failures = check_trace(circuit, trace, publics, trace.columns.shape[1] - 1)
        for name in sorted({failure.constraint for failure in failures}):
            row = next(f.row for f in failures if f.constraint == name)
            report.add("honest trace refused", name, f"fails on row {row} of a true statement")
        if failures:
            return
        traces.append((trace, publics))
    unused = {f.subject for f in report.findings if f.check == "unused column"}
    for freedom in column_freedom(circuit, leaves_of_forms(circuit), traces, progress):
        if freedom.column in unused:
            continue
        if freedom.everywhere:
            what = "any value" if freedom.any_value else "0 and 1"
            detail = f"may be {what} on every row: {freedom.text}"
            report.add("free column", freedom.column, detail)
        elif freedom.cells:
            report.partly_free.append(freedom)
