"""The trace check names what fails and where; the interpreter agrees with plain recursion."""

from __future__ import annotations

import numpy as np
import pytest

from circuits.chain import Role, absorb, sample_elements
from circuits.circuit import Circuit, Trace
from circuits.compile import compile_circuit
from circuits.evaluate import interpreter
from circuits.expression import AtomKind
from circuits.field import DEGREE, Array, P, extension, extension_multiply, lift, multiply
from circuits.gadgets.log_hash import COLUMN_COUNT, fill_log_hash, row_roles
from circuits.schema import Schema
from tests.circuits.logs import (
    SignedLog,
    channel,
    failures,
    random_log,
    reference_trace,
    sign_log,
)

SCHEMA = Schema((channel("flow", 12), channel("t", 8, "1", "-5")))
FORMULAS = ("sum(flow * dt_ms)", "sum(t)", "count(flow <= 2000)")


@pytest.fixture(scope="module")
def circuit() -> Circuit:
    return compile_circuit(SCHEMA, FORMULAS)


@pytest.fixture(scope="module")
def log() -> SignedLog:
    return random_log(SCHEMA, [5, 0, 4])  # rows: 3 data, closing, closing, 2 data, closing


@pytest.fixture
def trace(circuit: Circuit, log: SignedLog) -> Trace:
    return reference_trace(circuit, log)


def broken(circuit: Circuit, log: SignedLog, trace: Trace) -> list[tuple[str, int]]:
    return [(f.constraint, f.row) for f in failures(circuit, log, trace)]


def test_rows_are_as_the_fixture_says(circuit: Circuit, log: SignedLog, trace: Trace) -> None:
    assert trace.layout.closing.tolist() == [3, 4, 7]
    assert broken(circuit, log, trace) == []


@pytest.mark.gadget("log_hash", "exact_sum", "time_step")
@pytest.mark.parametrize(
    ("column", "row", "value", "expected"),
    [
        ("full1[3]", 2, 77, ("full round 1[3]", 2)),
        ("sbox[19]", 0, 77, ("partial round 20", 0)),
        ("full7[15]", 6, 77, ("full round 7[15]", 6)),
        ("chain[0]", 0, 77, ("chain_in[0]", 0)),
        ("chain[5]", 4, 77, ("chain flows[5]", 3)),
        ("chain[2]", 8, 77, ("chain_out[2]", 7)),
        ("active", 2, 0, ("active never rises", 2)),
        ("active", 2, 2, ("active never rises", 2)),
        ("active", 7, 0, ("last row active", 7)),
        ("active", 8, 1, ("row after last inactive", 7)),
        ("outcome 1 top", 0, 1, ("outcome 1 limb 0 starts", 0)),
        ("outcome 1 top", 5, 1, ("outcome 1 limb 0 adds", 4)),
        ("outcome 1 top", 8, 1, ("outcome 1 limb 0 is public", 7)),
        ("outcome 0 limb 0 digits[0]", 0, 1, ("outcome 0 limb 0 starts", 0)),
        ("outcome 0 limb 1 digits[2]", 3, 4, ("outcome 0 limb 1 digits[2] digit", 3)),
        ("outcome 0 carry 0 digits[0]", 9, 1, ("outcome 0 limb 0 adds", 9)),
        ("dt_ms digits@0[4]", 4, 1, ("dt_ms digits@0", 4)),
        ("dt_ms digits@0[11]", 9, 1, ("dt_ms digits@0", 9)),
        ("flow@1 >= 2001 digits[0]", 0, P - 1, ("flow@1 >= 2001 digits[0] digit", 0)),
    ],
)
def test_a_wrong_cell_is_named(
    circuit: Circuit,
    log: SignedLog,
    trace: Trace,
    column: str,
    row: int,
    value: int,
    expected: tuple[str, int],
) -> None:
    index = circuit.columns.index(column)
    assert trace.columns[index, row] != value
    trace.columns[index, row] = value
    assert expected in broken(circuit, log, trace)


def test_a_failure_carries_the_values_it_read(
    circuit: Circuit, log: SignedLog, trace: Trace
) -> None:
    index = circuit.columns.index("outcome 1 top")
    trace.columns[index, 5] += 1
    found = {f.constraint: f for f in failures(circuit, log, trace) if f.row == 4}
    values = found["outcome 1 limb 0 adds"].values
    assert values["outcome 1 top"] == trace.columns[index, 4]
    assert values["outcome 1 top'"] == trace.columns[index, 5]
    assert values["active"] == 1


def test_the_digits_of_a_comparison_are_bound_on_either_side(
    circuit: Circuit, log: SignedLog, trace: Trace
) -> None:
    places = [circuit.columns.index(name) for name in digit_names(circuit)]
    data_rows = np.nonzero(trace.data_rows)[0]
    reaches = trace.columns[8, data_rows] >= 2001
    assert set(reaches.tolist()) == {False, True}  # both sides are exercised
    for row in data_rows.tolist():
        for place in places:
            trace.columns[place, row] ^= 1
            assert ("flow@0 >= 2001", row) in broken(circuit, log, trace)
            trace.columns[place, row] ^= 1


def digit_names(circuit: Circuit) -> list[str]:
    return [name for name in circuit.columns if name.startswith("flow@0 >= 2001 digits[")]


def test_no_digits_justify_the_wrong_comparison(circuit: Circuit) -> None:
    # the other bit would need 2^n more, or less, than what the digits spell
    reach = 4 ** len(digit_names(circuit))
    assert reach == 2**12
    for reading in (0, 2000, 2001, 2**12 - 1):
        wrong = reading - 2001 if reading < 2001 else reading - 2001 + reach
        assert wrong % P >= reach


def test_padding_slots_must_be_zero() -> None:
    # else the operator could hide readings in what it declares to be padding, or invent some
    circuit = compile_circuit(SCHEMA, FORMULAS)
    honest = random_log(SCHEMA, [3])
    log = sign_log(SCHEMA, [np.concatenate([honest.records, honest.records[1:2]])])
    trace = reference_trace(circuit, log)
    counts = honest.statement(circuit).layout(circuit)
    lying = Trace(trace.columns, counts, trace.blocks)
    names = {name for name, row in broken(circuit, log, lying) if row == 1}
    assert {"padding of slot 1[0]", "padding of slot 1[1]", "padding of slot 1[2]"} <= names


def test_the_failure_limit_and_order(circuit: Circuit, log: SignedLog, trace: Trace) -> None:
    trace.columns[:] = 5
    found = failures(circuit, log, trace)
    assert len(found) == 20
    assert [f.row for f in found] == sorted(f.row for f in found)


def test_traces_longer_than_one_chunk() -> None:
    # the check works in chunks of 1024 rows; the row after a chunk belongs to the next one
    schema = Schema((channel("x", 4),), 100)
    circuit = compile_circuit(schema, ("sum(x)",))
    log = sign_log(schema, [np.zeros((0, 1), dtype=np.uint64)] * 1030)
    trace = reference_trace(circuit, log)
    assert broken(circuit, log, trace) == []
    trace.columns[circuit.columns.index("outcome 0 top"), 1024] = 1
    assert broken(circuit, log, trace) == [
        ("outcome 0 limb 0 adds", 1023),
        ("outcome 0 limb 0 adds", 1024),
    ]


def test_hash_columns_follow_the_chain(circuit: Circuit, log: SignedLog) -> None:
    trace = reference_trace(circuit, log)
    closing = set(trace.layout.closing.tolist())
    chain: Array = np.array(log.checkpoints[0].chain, dtype=np.uint64)
    for row, block in enumerate(trace.blocks):
        assert trace.columns[:8, row].tolist() == chain.tolist()
        assert trace.columns[8:16, row].tolist() == block.tolist()
        role = Role.CLOSING if row in closing else Role.DATA
        chain = absorb(chain, block.astype(np.uint64), role)
    assert tuple(chain.tolist()) == log.checkpoints[-1].chain
    empty = np.zeros((COLUMN_COUNT, 12), dtype=np.uint32)
    start = np.array(log.checkpoints[0].chain, dtype=np.uint64)
    end = fill_log_hash(empty, start, trace.blocks, row_roles(trace.layout), 12)
    padded = chain
    for _ in range(12 - len(trace.blocks)):
        padded = absorb(padded, np.zeros(8, dtype=np.uint64), Role.DATA)
    assert np.array_equal(end, padded)
    shown = min(12, trace.columns.shape[1])
    assert np.array_equal(empty[:, :shown], trace.columns[:COLUMN_COUNT, :shown])


def plain_constraint(circuit: Circuit, index: int, sources: dict[AtomKind, list[int]]) -> int:
    """A constraint by recursion over its definition, in Python integers."""
    graph = circuit.graph

    def atom(number: int) -> int:
        this = graph.atoms[number]
        if this.kind is AtomKind.PRODUCT:
            return form(this.index) * form(this.other) % P
        return sources[this.kind][this.index]

    def form(number: int) -> int:
        this = graph.forms[number]
        return (this.constant + sum(c * atom(a) for a, c in this.terms)) % P

    return form(circuit.constraints[index].form)


def test_interpreter_agrees_with_recursion(circuit: Circuit) -> None:
    sizes = {
        AtomKind.COLUMN: len(circuit.columns),
        AtomKind.NEXT: len(circuit.columns),
        AtomKind.SELECTOR: len(circuit.selectors),
        AtomKind.PUBLIC: len(circuit.publics),
    }
    drawn = {kind: sample_elements(b"", kind.name.encode(), size) for kind, size in sizes.items()}
    got = interpreter(circuit).constraints(
        drawn[AtomKind.COLUMN][:, None],
        drawn[AtomKind.NEXT][:, None],
        drawn[AtomKind.SELECTOR][:, None],
        drawn[AtomKind.PUBLIC][:, None],
        np.ones(1, dtype=np.uint64),
        multiply,
    )
    plain = {kind: [int(v) for v in values] for kind, values in drawn.items()}
    for index in range(circuit.constraint_count):
        assert got[index, 0] == plain_constraint(circuit, index, plain)


def test_interpreter_over_the_extension_restricts_to_the_base(circuit: Circuit) -> None:
    columns = sample_elements(b"", b"columns", 2 * len(circuit.columns)).reshape(2, -1)
    selectors = sample_elements(b"", b"selectors", len(circuit.selectors))
    publics = sample_elements(b"", b"publics", len(circuit.publics))
    base = interpreter(circuit).constraints(
        columns[0][:, None],
        columns[1][:, None],
        selectors[:, None],
        publics[:, None],
        np.ones(1, dtype=np.uint64),
        multiply,
    )
    wide = interpreter(circuit).constraints(
        lift(columns[0]),
        lift(columns[1]),
        lift(selectors),
        lift(publics),
        extension(1),
        extension_multiply,
    )
    assert wide.shape == (circuit.constraint_count, DEGREE)
    assert np.array_equal(wide, lift(base[:, 0]))


def test_the_interpreter_is_made_once(circuit: Circuit) -> None:
    assert interpreter(circuit) is interpreter(circuit)
