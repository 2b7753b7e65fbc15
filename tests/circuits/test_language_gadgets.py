"""Every gadget of the outcome language against a prover who fills its columns otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from circuits.circuit import Circuit, Trace
from circuits.compile import compile_circuit
from circuits.field import P
from circuits.schema import Schema
from tests.circuits.logs import SignedLog, channel, failures, reference_trace, sign_log

SCHEMA = Schema((channel("a", 3), channel("b", 4)))
# a, b, dt: rows 0 and 1 hold records (the second one only one), row 2 closes
RECORDS = np.array([[2, 9, 0], [5, 3, 700], [6, 6, 4000]], dtype=np.uint64)
FORMULAS = (
    "count(a * b > 17)",
    "count(a + b == 11)",
    "sum(abs(a - b) * dt)",
    "sum(a * b, where=(a > 4) & (b > 4))",
    "sum(a * dt) >= 27.5",
    "any(a == 7)",
    "sum(clip_above(a * b, 10.5))",
)


@pytest.fixture(scope="module")
def circuit() -> Circuit:
    return compile_circuit(SCHEMA, FORMULAS)


@pytest.fixture(scope="module")
def log() -> SignedLog:
    return sign_log(SCHEMA, [RECORDS])


@pytest.fixture
def trace(circuit: Circuit, log: SignedLog) -> Trace:
    return reference_trace(circuit, log)


def broken(
    circuit: Circuit, log: SignedLog, trace: Trace, totals: tuple[int, ...] | None = None
) -> list[tuple[str, int]]:
    return [(f.constraint, f.row) for f in failures(circuit, log, trace, totals)]


def test_the_fixture_is_honest(circuit: Circuit, log: SignedLog, trace: Trace) -> None:
    assert trace.layout.closing.tolist() == [2]
    assert broken(circuit, log, trace) == []
    assert log.totals(circuit)[:2] == (2, 1)
    assert [o.additive for o in circuit.outcomes] == [True] * 4 + [False] * 2 + [True]


CASES = [
    # comparison of any integer: bit, distance, booleanity
    ("(a * b)@0 >= 18", 0, 0, "(a * b)@0 >= 18 distance", 0),
    ("(a * b)@0 >= 18", 0, 2, "(a * b)@0 >= 18 boolean", 0),
    ("(a * b)@0 >= 18 distance[0]", 0, 1, "(a * b)@0 >= 18 distance", 0),
    ("(a * b)@0 >= 18 distance[0]", 0, P - 1, "(a * b)@0 >= 18 distance[0] boolean", 0),
    # equality: the bit one way, the bit the other way, the inverse
    ("(a + b)@0 == 11", 0, 0, "(a + b)@0 == 11 if", 0),
    ("(a + b)@1 == 11", 0, 1, "(a + b)@1 == 11 only if", 0),
    ("(a + b)@1 == 11 inverse", 0, 5, "(a + b)@1 == 11 if", 0),
    # committed intermediate
    ("(a * b)@0", 0, 17, "(a * b)@0 committed", 0),
    ("(a * b)@1", 1, 3, "(a * b)@1 committed", 1),
    # a condition that counts, also where no record stands
    ("counted@0", 0, 1, "counted@0", 0),
    ("counted@1", 1, 1, "counted@1", 1),
    ("counted@1", 2, 1, "counted@1", 2),
    # start and sign of a private total
    ("outcome 4 top", 0, 7, "outcome 4 limb * starts", 0),
    ("outcome 4 sign bits[0]", 2, 9, "outcome 4 sign bits[0] boolean", 2),
    ("outcome 4 sign bits[1]", 2, None, "outcome 4 sign", 2),
    ("outcome 5 sign bits[0]", 2, None, "outcome 5 sign", 2),
]


def find(names: list[str], wanted: str) -> str:
    """The one name that is as wanted: exactly, or by its end for a guard."""
    if wanted.startswith("counted"):
        slot = wanted.removeprefix("counted")
        (found,) = [n for n in names if n.endswith(f"{slot} counted") and "(b > 4)" in n]
        return found
    if "*" in wanted and wanted.endswith("starts"):
        head = wanted.split("*", 1)[0]
        return [n for n in names if n.startswith(head) and "starts" in n][-1]
    found_all = [n for n in names if n == wanted]
    assert found_all, (wanted, names)
    return found_all[0]


@pytest.mark.parametrize(("column", "row", "value", "constraint", "at"), CASES)
def test_a_wrong_cell_is_named(
    circuit: Circuit,
    log: SignedLog,
    trace: Trace,
    column: str,
    row: int,
    value: int | None,
    constraint: str,
    at: int,
) -> None:
    index = circuit.columns.index(find(list(circuit.columns), column))
    value = int(trace.columns[index, row]) ^ 1 if value is None else value
    assert trace.columns[index, row] != value
    trace.columns[index, row] = value
    expected = find([c.name for c in circuit.constraints], constraint)
    assert (expected, at) in broken(circuit, log, trace)


def columns_named(circuit: Circuit, prefix: str) -> list[int]:
    return [k for k, name in enumerate(circuit.columns) if name.startswith(prefix)]


def test_no_distance_justifies_the_wrong_comparison(
    circuit: Circuit, log: SignedLog, trace: Trace
) -> None:
    # every product that is possible, with every pattern of distance bits of the wrong side
    bits = columns_named(circuit, "(a * b)@0 >= 18 distance")
    reach = 1 << len(bits)
    for product in range(7 * 15 + 1):
        difference = product - 18
        wrong = -difference - 1 if difference >= 0 else difference
        assert wrong % P >= reach


def test_no_sign_bits_justify_the_other_bit(circuit: Circuit, log: SignedLog, trace: Trace) -> None:
    totals = log.totals(circuit)
    assert totals[4:6] == (1, 0)
    row = trace.layout.active_rows - 1
    for place in (4, 5):
        lied = tuple(1 - t if k == place else t for k, t in enumerate(totals))
        assert broken(circuit, log, trace, lied) == [(f"outcome {place} sign", row)]
        bits = columns_named(circuit, f"outcome {place} sign bits")
        top = int(trace.columns[circuit.columns.index(f"outcome {place} top"), row + 1])
        shifted = (top + (1 - lied[place]) * (1 << len(bits))) % P
        assert shifted >= 1 << len(bits)  # no k bits spell it


def test_the_sign_is_constrained_both_ways_at_its_edge() -> None:
    # 10 readings of 1: the total is 10, compared with 9, 10 and 11
    schema = Schema((channel("a", 3),), 100)
    log = sign_log(schema, [np.ones((10, 1), dtype=np.uint64)])
    relations = ("<", "<=", ">=", ">")
    formulas = [f"sum(a) {relation} {n}" for n in (9, 10, 11) for relation in relations]
    expected = (0, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 0)
    circuit = compile_circuit(schema, formulas)
    trace = reference_trace(circuit, log)
    assert log.totals(circuit) == expected
    assert broken(circuit, log, trace) == []
    for place in range(len(expected)):
        lied = tuple(1 - t if k == place else t for k, t in enumerate(expected))
        assert broken(circuit, log, trace, lied) == [(f"outcome {place} sign", 2)]


def test_a_condition_on_a_padded_slot_or_a_salt_never_counts() -> None:
    # a <= 3 holds for the zeros of padding; what a closing row holds is a salt
    formulas = (
        "count((a <= 3) & (b <= 3) & (b != 2))",
        "sum(dt, where=(a < 9) | (b > a))",
        "count()",
    )
    circuit = compile_circuit(SCHEMA, formulas)
    log = sign_log(SCHEMA, [RECORDS, RECORDS[:1], RECORDS[:0]])
    trace = reference_trace(circuit, log)
    assert log.totals(circuit) == (0, 4700, 4)
    assert broken(circuit, log, trace) == []
    places = [k for k, name in enumerate(circuit.columns) if name.endswith("counted")]
    assert places
    for index in places:
        for row in np.nonzero(trace.columns[index] == 0)[0][:-1].tolist():
            if trace.columns[index, row]:
                continue
            trace.columns[index, row] = 1
            assert (circuit.columns[index], row) in broken(circuit, log, trace)
            trace.columns[index, row] = 0


def test_bits_of_a_wide_factor_are_its_only_spelling() -> None:
    schema = Schema((channel("a", 20), channel("b", 20, "1", "-9")), 100)
    circuit = compile_circuit(schema, ("sum(a * b)",))
    log = sign_log(schema, [np.array([[9, 5], [3, 1000], [2**20 - 1, 7]], dtype=np.uint64)])
    trace = reference_trace(circuit, log)
    assert broken(circuit, log, trace) == []
    wide = "b@1 + -9"
    bits = columns_named(circuit, f"{wide} bits[")
    for row in range(trace.columns.shape[1] - 1):
        for index in bits[:3]:
            trace.columns[index, row] ^= 1
            assert (f"{wide} bits", row) in broken(circuit, log, trace)
            trace.columns[index, row] ^= 1
    assert bits
