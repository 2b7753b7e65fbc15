"""Claims one after the other, and that a circuit admits what is true of each, and only that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from circuits.circuit import MAXIMUM_DEGREE, Circuit, CompiledOutcome, Trace
from circuits.evaluate import interpreter
from circuits.field import multiply
from circuits.language import outcome_syntax as o
from circuits.language.meaning import Meaning
from circuits.language.parsing import parse_outcome
from circuits.records import Records
from circuits.reference_trace import reference_trace as plain_trace
from circuits.schema import Schema
from circuits.state import StateOpening, StateVariable, chain_before, commit_state
from circuits.statement import Statement
from circuits.trace_check import check_trace
from tests.circuits.logs import SignedLog

OTHER_STEPS = (1, -1, 2**13, 2**40)


def claims(circuit: Circuit, log: SignedLog, windows: int) -> Iterator[SignedLog]:
    """The log in claims of so many windows, each with the state that the one before left."""
    before = log.before
    for begin in range(0, len(log.windows), windows):
        end = min(begin + windows, len(log.windows))
        claim = replace(
            log,
            windows=log.windows[begin:end],
            salts=log.salts[begin:end],
            checkpoints=log.checkpoints[begin : end + 1],
            before=before,
        )
        before = claim.measured(circuit).after
        yield claim


def check_chain(circuit: Circuit, log: SignedLog, windows: int) -> None:
    """Every claim by itself, and that what adds up over them is that of one claim over all."""
    parts = list(claims(circuit, log, windows))
    for claim in parts:
        check(circuit, claim)
    whole = log.measured(circuit)
    measured = [claim.measured(circuit) for claim in parts]
    assert measured[-1].after == whole.after
    for index, outcome in enumerate(circuit.outcomes):
        if outcome.additive:
            assert sum(part.totals[index] for part in measured) == whole.totals[index]


def check(circuit: Circuit, log: SignedLog) -> None:
    """The true statement satisfies every constraint; other totals or other states do not."""
    names = [constraint.name for constraint in circuit.constraints]
    assert len(names) == len(set(names))
    assert len(circuit.columns) == len(set(circuit.columns))
    assert circuit.max_degree <= MAXIMUM_DEGREE
    measured = log.measured(circuit)
    plain = Meaning(log.schema, Records.between(log.checkpoints, log.records), log.before)
    for outcome, total in zip(circuit.outcomes, measured.totals, strict=True):
        outcome.check_total(total)
        assert outcome.value(total) >= outcome.minimum
        parsed = parse_outcome(outcome.formula, log.schema)
        if isinstance(parsed, o.Rounded):
            left_over = Fraction(log.before.get(parsed.name, 0), outcome.step)
            units, rest = divmod(plain.linear(parsed.linear) / parsed.unit + left_over, 1)
            assert units == total
            assert rest * outcome.step == measured.after[parsed.name]
        else:
            assert outcome.value(total) == plain.outcome(parsed)
    statement, openings = log.statement(circuit), log.openings(circuit)
    trace = opened(circuit, log, statement, openings)
    assert broken(circuit, statement, trace) == set()
    _refuse_other_totals(circuit, statement, trace)
    if openings is not None:
        _refuse_other_states_after(circuit, log, statement, openings)
        _refuse_other_states_before(circuit, log, statement, openings)


def opened(
    circuit: Circuit,
    log: SignedLog,
    statement: Statement,
    openings: tuple[StateOpening, StateOpening] | None,
) -> Trace:
    """The trace of a prover who opens the state so."""
    windows = list(zip(log.windows, log.salts, strict=True))
    return plain_trace(circuit, statement, windows, openings)


def broken(circuit: Circuit, statement: Statement, trace: Trace) -> set[str]:
    """The constraints that a trace violates for this statement."""
    publics, rows = statement.public_inputs(circuit), trace.columns.shape[1] - 1
    return {f.constraint for f in check_trace(circuit, trace, publics, rows, limit=1000)}


def _refuse_other_totals(circuit: Circuit, statement: Statement, trace: Trace) -> None:
    """Other totals fail where totals are bound, on the last active row."""
    cases = []
    for index, outcome in enumerate(circuit.outcomes):
        others, end = other_totals(outcome, circuit.schema, statement.totals[index])
        for other in others:
            totals = (*statement.totals[:index], other, *statement.totals[index + 1 :])
            cases.append((replace(statement, totals=totals), f"outcome {index} ", end))
    lies = [case[0] for case in cases]
    for found, (_, start, end) in zip(broken_at_end(circuit, lies, trace), cases, strict=True):
        assert found
        assert all(name.startswith(start) and name.endswith(end) for name in found), found


def other_totals(outcome: CompiledOutcome, schema: Schema, total: int) -> tuple[list[int], str]:
    """Totals that are not true, and how the constraints end that refuse them."""
    parsed = parse_outcome(outcome.formula, schema)
    steps = [total + step for step in OTHER_STEPS]
    if isinstance(parsed, o.Exact):
        return steps, "is public"
    if isinstance(parsed, o.Floor | o.Rounded):
        return steps, "adds"
    return [1 - total], "holds" if isinstance(parsed, o.Capability) else "sign"


def broken_at_end(
    circuit: Circuit, statements: Sequence[Statement], trace: Trace
) -> list[set[str]]:
    """For each statement the constraints that this trace violates on the last active row."""
    row, count = trace.layout.active_rows - 1, len(statements)
    columns = trace.columns.astype(np.uint64)
    selectors = [int(row in trace.layout.selector(name)) for name in circuit.selectors]
    one = np.ones(count, dtype=np.uint64)
    values = interpreter(circuit).constraints(
        columns[:, row, None] * one,
        columns[:, row + 1, None] * one,
        np.array(selectors, dtype=np.uint64)[:, None] * one,
        np.stack([statement.public_inputs(circuit) for statement in statements], axis=1),
        one,
        multiply,
    )
    names = np.array([constraint.name for constraint in circuit.constraints])
    return [set(names[values[:, k] != 0].tolist()) for k in range(count)]


def _refuse_other_states_after(
    circuit: Circuit,
    log: SignedLog,
    statement: Statement,
    openings: tuple[StateOpening, StateOpening],
) -> None:
    before, after = openings
    assert statement.state is not None
    for other in neighbours(circuit, after.values):
        lied = replace(after, values=other)
        commitment = commit_state(circuit.state, lied, log.checkpoints[-1].chain)
        link = replace(statement.state, after=commitment)
        trace = opened(circuit, log, statement, (before, lied))
        found = broken(circuit, replace(statement, state=link), trace)
        assert found
        assert all(name.startswith("state after [") for name in found), found
        # and what is opened must be what the claim names
        assert "state_out[0]" in broken(circuit, statement, trace)


def _refuse_other_states_before(
    circuit: Circuit,
    log: SignedLog,
    statement: Statement,
    openings: tuple[StateOpening, StateOpening],
) -> None:
    before, after = openings
    assert statement.state is not None
    for other in neighbours(circuit, before.values):
        lied = replace(before, values=other)
        trace = opened(circuit, log, statement, (lied, after))
        assert "chain flows[0]" in broken(circuit, statement, trace)
        # had the claim before ended so, everything would still be as true as it is with that
        commitment = commit_state(circuit.state, lied, chain_before(log.checkpoints[0]))
        link = replace(statement.state, before=commitment)
        found = broken(circuit, replace(statement, state=link), trace)
        same = replace(log, before=other).measured(circuit) == log.measured(circuit)
        assert (found == set()) == same


def neighbours(circuit: Circuit, values: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """The same state with one value changed by one, for every value that can be another."""
    for variable in circuit.state:
        value, most = values.get(variable.name, 0), largest(circuit, variable)
        if most:
            yield {**values, variable.name: value + 1 if value < most else value - 1}


def largest(circuit: Circuit, variable: StateVariable) -> int:
    """The largest value that a carried integer ever has."""
    if variable.name.startswith("rising("):
        return 1
    if variable.name.startswith("held("):
        return int(variable.name.rsplit(", ", 1)[1].removesuffix(")"))
    steps = {" ".join(outcome.formula.split()): outcome.step for outcome in circuit.outcomes}
    return steps[variable.name] - 1
