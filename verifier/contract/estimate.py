"""About how long the operator proves a claim, from figures that were measured once.

seconds = START + rows * (PER_ROW + PER_CELL * blowup * columns + PER_TERM * terms), with the
circuit's columns and the terms of its constraints. It says "about, on two cores": another machine,
or one that does something else as well, takes another time.
"""

from __future__ import annotations

from dataclasses import dataclass

from circuits.circuit import Circuit
from circuits.expression import AtomKind
from circuits.layout import MAXIMUM_LOG2_ROWS, Layout
from verifier.contract.terms import Terms
from verifier.kernel.parameters import PARAMETER_SETS, ParameterSet

# `python -m prover.calibrate examples/contracts/{capability,temperature,availability,pump}.toml`,
# nothing else running: long claims are within a third, short ones hang on the proof of work's luck
START_SECONDS = 0.5
SECONDS_PER_ROW = 8e-6
SECONDS_PER_CELL = 8.3e-9
SECONDS_PER_TERM = 3e-9
RECORD_COUNTS = (1_000, 100_000, 864_000)  # where the terms do not say: the last is a day at 10 Hz


@dataclass(frozen=True)
class Estimate:
    """One claim over so many windows that hold so many records together, in a trace of ``rows``."""

    windows: int
    records: int
    rows: int
    seconds: float


def constraint_terms(circuit: Circuit) -> int:
    """Terms and products of everything that the constraints are made of, each counted once."""
    graph, forms, atoms = circuit.graph, set[int](), set[int]()
    pending = [constraint.form for constraint in circuit.constraints]
    while pending:
        form = pending.pop()
        if form in forms:
            continue
        forms.add(form)
        for number, _ in graph.forms[form].terms:
            atom = graph.atoms[number]
            if atom.kind is AtomKind.PRODUCT and number not in atoms:
                atoms.add(number)
                pending += [atom.index, atom.other]
    return len(atoms) + sum(len(graph.forms[form].terms) for form in forms)


def prove_seconds(circuit: Circuit, parameters: ParameterSet, rows: int) -> float:
    """About how long a trace of ``rows`` rows takes, on two cores."""
    cells = SECONDS_PER_CELL * parameters.blowup * circuit.column_count
    terms = SECONDS_PER_TERM * constraint_terms(circuit)
    return START_SECONDS + rows * (SECONDS_PER_ROW + cells + terms)


def estimates(terms: Terms) -> list[Estimate]:
    """Claims of the contract: of the one length that the terms fix, or else of a few lengths.

    With a fixed period the records of a window are known; without, ``RECORD_COUNTS`` are tried. A
    claim covers as many windows as the terms say, or one. Lengths that do not fit are left out.
    """
    windows, period = terms.windows_per_claim or 1, terms.log.period_ms
    totals: tuple[int, ...] = RECORD_COUNTS
    if period is not None:
        totals = (windows * -(-terms.window_ms // period),)
    circuit, parameters = terms.circuit, PARAMETER_SETS[terms.parameter_set]
    out = []
    for records in totals:
        counts = [records // windows] * windows
        counts[-1] += records % windows
        layout = Layout.from_counts(
            counts, terms.schema.records_per_block, False, (), circuit.state_rows
        )
        log2_rows = layout.log2_rows(parameters.random_rows)
        if log2_rows <= MAXIMUM_LOG2_ROWS:
            rows = 1 << log2_rows
            seconds = prove_seconds(circuit, parameters, rows)
            out.append(Estimate(windows, records, rows, seconds))
    return out
