"""Gadgets about single records and their sums against a prover who lies about them."""

from __future__ import annotations

import numpy as np
import pytest

from circuits.circuit import Circuit, Trace
from circuits.compile import compile_circuit
from circuits.field import P
from circuits.schema import Schema
from tests.circuits.logs import SignedLog, channel, failures, reference_trace, sign_log
from tests.forgery.cells import check_cells
from tests.forgery.claims import Contract
from tests.forgery.record_lies import (
    BIT_LIES,
    CHOSEN,
    DAY,
    EQUALITY_LIES,
    MISSED,
    PRODUCT,
    REACH_LIES,
    SAME,
    SEGMENT_LIES,
    SEGMENTS,
    SLOT_LIES,
    STEPS,
    TIME_LIES,
    WIDE,
)
from tests.forgery.told import GAPS, Told, contract, each, refused
from tests.forgery.total_lies import EXACT, EXACT_LIES, SHORT, SIGN_LIES

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


@pytest.mark.gadget("reach")
@each(REACH_LIES)
def test_a_lie_about_a_comparison(told: Told) -> None:
    refused(told)


@pytest.mark.gadget("segments")
@each(SEGMENT_LIES)
def test_a_lie_about_many_thresholds(told: Told) -> None:
    refused(told)


@pytest.mark.gadget("equality")
@each(EQUALITY_LIES)
def test_a_lie_about_an_equality(told: Told) -> None:
    refused(told)


@pytest.mark.gadget("slot_values")
@each(SLOT_LIES)
def test_a_lie_about_a_product_or_what_counts(told: Told) -> None:
    refused(told)


@pytest.mark.gadget("time_step", "value_bits")
@each(BIT_LIES)
def test_a_lie_about_bits(told: Told) -> None:
    refused(told)


@pytest.mark.gadget("window_time")
@each(TIME_LIES)
def test_a_lie_about_the_time_of_day(told: Told) -> None:
    refused(told)


@pytest.mark.gadget("exact_sum")
@each(EXACT_LIES)
def test_a_lie_about_a_sum(told: Told) -> None:
    refused(told)


@pytest.mark.gadget("total_sign", "exact_sum")
@each(SIGN_LIES)
def test_a_lie_about_a_sign(told: Told) -> None:
    refused(told)


@pytest.mark.gadget(
    "reach",
    "segments",
    "equality",
    "slot_values",
    "time_step",
    "value_bits",
    "window_time",
    "exact_sum",
    "total_sign",
)
@pytest.mark.parametrize(
    "made",
    [
        PRODUCT,
        SAME,
        MISSED,
        CHOSEN,
        STEPS,
        WIDE,
        SEGMENTS,
        DAY,
        EXACT,
        SHORT,
        contract(*FORMULAS),
        contract("sum(a * b * dt, where=between(a, 2, 5) | missing(b))", schema=GAPS),
        contract("tariff(a * dt, '00:00 1, 00:02 2.5, 00:03 0.5')"),
    ],
    ids=lambda made: " and ".join(made.formulas),
)
def test_every_cell_matters_or_is_known_not_to(made: Contract) -> None:
    check_cells(made)


def columns_named(circuit: Circuit, prefix: str) -> list[int]:
    return [k for k, name in enumerate(circuit.columns) if name.startswith(prefix)]


def bits_of(circuit: Circuit, name: str) -> int:
    """The bits of a spelling: two for a digit, one for what is constrained to a bit."""
    names = {constraint.name for constraint in circuit.constraints}
    places = [circuit.columns[k] for k in columns_named(circuit, f"{name}[")]
    assert all((f"{p} digit" in names) != (f"{p} boolean" in names) for p in places)
    return sum(2 if f"{place} digit" in names else 1 for place in places)


def test_no_digits_justify_the_wrong_comparison(
    circuit: Circuit, log: SignedLog, trace: Trace
) -> None:
    # for every product that is possible the digits of the other bit would spell 2^n or more
    reach = 1 << bits_of(circuit, "(a * b)@0 >= 18 digits")
    for product in range(7 * 15 + 1):
        difference = product - 18
        wrong = difference + reach if difference >= 0 else difference
        assert wrong % P >= reach
        assert difference % reach in (difference, difference + reach)


def test_no_sign_digits_justify_the_other_bit(
    circuit: Circuit, log: SignedLog, trace: Trace
) -> None:
    totals = log.totals(circuit)
    assert totals[4:6] == (1, 0)
    row = trace.layout.active_rows - 1
    for place in (4, 5):
        lied = tuple(1 - t if k == place else t for k, t in enumerate(totals))
        assert broken(circuit, log, trace, lied) == [(f"outcome {place} sign", row)]
        reach = 1 << bits_of(circuit, f"outcome {place} sign digits")
        top = int(trace.columns[circuit.columns.index(f"outcome {place} top"), row + 1])
        shifted = (top + (1 - lied[place]) * reach) % P
        assert shifted >= reach  # no k bits spell it


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


@pytest.mark.gadget("slot_values")
def test_a_condition_on_a_padded_slot_or_a_salt_never_counts() -> None:
    # both conditions hold for the zeros of padding; what a closing row holds is a salt
    formulas = (
        "count((a <= 3) & (b <= 3) & (b != 2))",
        "sum(dt, where=(a >= 3) | (b <= a))",
        "count()",
    )
    circuit = compile_circuit(SCHEMA, formulas)
    log = sign_log(SCHEMA, [RECORDS, RECORDS[:1], RECORDS[:0]])
    trace = reference_trace(circuit, log)
    assert log.totals(circuit) == (0, 4700, 4)
    assert broken(circuit, log, trace) == []
    places = [k for k, name in enumerate(circuit.columns) if name.endswith("counted")]
    assert len(places) == 2
    for index in places:
        for row in np.nonzero(trace.columns[index] == 0)[0][:-1].tolist():
            trace.columns[index, row] = 1
            assert (circuit.columns[index], row) in broken(circuit, log, trace)
            trace.columns[index, row] = 0


def test_digits_of_a_wide_factor_are_its_only_spelling() -> None:
    schema = Schema((channel("a", 20), channel("b", 20, "1", "-9")), 100)
    circuit = compile_circuit(schema, ("sum(a * b)",))
    log = sign_log(schema, [np.array([[9, 5], [3, 1000], [2**20 - 1, 7]], dtype=np.uint64)])
    trace = reference_trace(circuit, log)
    assert broken(circuit, log, trace) == []
    wide = "b@1 + -9"
    digits = columns_named(circuit, f"{wide} digits[")
    for row in range(trace.columns.shape[1] - 1):
        for index in digits[:3]:
            trace.columns[index, row] ^= 1
            assert (f"{wide} digits", row) in broken(circuit, log, trace)
            trace.columns[index, row] ^= 1
    assert len(digits) == 10
