"""Whole multiples of a step at their edges: what is left over is 0 or one less than the step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.circuit import Circuit, Trace
from circuits.compile import compile_circuit
from circuits.errors import BadInput, InputReason, Reason, Rejected
from circuits.field import P
from circuits.gadgets.exact_sum import limbs_of
from circuits.schema import Schema
from tests.circuits.claims import broken, check, check_chain, opened
from tests.circuits.logs import SignedLog, channel, sign_log

WIDE = Schema((channel("a", 24),), 100)
BELOW_ZERO = Schema((channel("t", 10, "0.1", "-40"),), 100)
STEPS = [1, 2, 7, 2**12 - 1, 2**12, 2**12 + 1, 2**20, 2**20 + 1, 2**24, 10**9, 10**12]


def readings(total: int, schema: Schema = WIDE) -> SignedLog:
    """A log whose raw readings add up to this."""
    top, rows = schema.channels[0].maximum_raw, []
    while total > 0:
        rows.append([min(total, top)])
        total -= rows[-1][0]
    records = np.array(rows, dtype=np.uint64).reshape(len(rows), 1)
    return sign_log(schema, [records[:3], records[3:]], earlier_records=1)


@pytest.mark.parametrize("step", STEPS)
def test_totals_at_and_beside_multiples(step: int) -> None:
    formula = f"rounded(sum(a), {step})"
    circuit = compile_circuit(WIDE, (formula,))
    outcome = circuit.outcomes[0]
    assert outcome.step == outcome.unit == step
    assert sum(circuit.state[0].widths) >= (step - 1).bit_length()
    reach = 9 * (2**24 - 2)  # what a log of a few records adds up to
    added = {0, 1, step - 1, step, step + 1, 3 * step - 1, 3 * step, reach}
    for total in sorted(value for value in added if value <= reach):
        for left_over in {0, step // 2, step - 1}:
            log = replace(readings(total), before={formula: left_over})
            measured = log.measured(circuit)
            whole, rest = divmod(left_over + total, step)
            assert (measured.totals, measured.after) == ((whole,), {formula: rest})
            check(circuit, log)


@pytest.mark.parametrize("raw", [0, 1, 399, 400, 401, 793, 806, 807, 1023])
def test_negative_totals(raw: int) -> None:
    # a reading of raw 0 stands for -40, one of 400 for 0
    log = sign_log(BELOW_ZERO, [np.array([[raw], [0]], dtype=np.uint64)] * 2)
    exact = 2 * (Fraction(raw, 10) - 80)
    formulas = (
        "floor(sum(t))",
        "floor(sum(t) / 7)",
        "floor(-sum(t) / 0.3 + 0.95)",
        "floor(sum(t) - 12.5)",
        "rounded(sum(t), 7)",
        "rounded(-sum(t), 1 / 3)",
    )
    circuit = compile_circuit(BELOW_ZERO, formulas)
    wanted = (
        exact,
        exact / 7,
        -exact / Fraction("0.3") + Fraction("0.95"),
        exact - Fraction("12.5"),
    )
    assert log.totals(circuit)[:4] == tuple(floor(value) for value in wanted)
    assert log.totals(circuit)[4:] == (floor(exact / 7), floor(-exact * 3))
    assert circuit.outcomes[0].minimum_total < 0
    check(circuit, log)


@pytest.mark.parametrize("rest", [0, 1, 5, 6])
def test_floor_at_every_remainder(rest: int) -> None:
    circuit = compile_circuit(WIDE, ("floor(sum(a) / 7)", "floor((sum(a) - 21) / 7)"))
    log = readings(14 + rest)
    assert log.totals(circuit) == (2, -1)
    check(circuit, log)


def test_constants_far_from_any_total() -> None:
    formulas = [f"floor(sum(a) {sign} 1000000000000000)" for sign in "+-"]
    circuit = compile_circuit(WIDE, (*formulas, "floor(max(a) / 1000000000)"))
    log = readings(2**24)
    assert log.totals(circuit) == (10**15 + 2**24, 2**24 - 10**15, 0)
    check(circuit, log)


@pytest.mark.parametrize(
    "formula",
    [
        f"rounded(count(), {10**12})",
        f"rounded(sum(a), {10**18})",
        "rounded(sum(a), 0.000000000000000000000000000001)",
        "floor(sum(a) + 0.000000000000000000000000000001)",
        f"floor(max(a) + {10**29})",
    ],
)
def test_steps_that_no_remainder_fits_are_refused(formula: str) -> None:
    with pytest.raises(BadInput) as caught:
        compile_circuit(WIDE, (formula,))
    assert caught.value.reason is InputReason.OVERFLOW


@pytest.mark.reason(Reason.OUTCOME_RANGE)
@pytest.mark.parametrize(
    "formula", ["rounded(sum(a), 7)", "floor(sum(a) / 7)", "floor(100 - sum(a) / 3)"]
)
def test_more_multiples_than_the_longest_claim_has_are_refused(formula: str) -> None:
    (outcome,) = compile_circuit(WIDE, (formula,)).outcomes
    most = 8 * (2**24 - 1) * 2**20
    if "100" in formula:
        assert outcome.minimum_total <= floor(100 - Fraction(most, 3))
        assert outcome.minimum_total >= floor(100 - Fraction(most, 3)) - 1
    else:
        assert outcome.minimum_total == 0
        assert most // 7 <= outcome.maximum_total <= ceil(Fraction(most, 7)) + 1
    for beyond in (outcome.minimum_total - 1, outcome.maximum_total + 1, 2**127, -(2**127)):
        with pytest.raises(Rejected) as refusal:
            outcome.check_total(beyond)
        assert refusal.value.reason is Reason.OUTCOME_RANGE


def test_limbs_are_one_to_one_on_the_allowed_range() -> None:
    for formula in ("rounded(sum(a), 7)", "floor(5 - sum(a) / 4097)", f"rounded(sum(a), {10**9})"):
        (outcome,) = compile_circuit(WIDE, (formula,)).outcomes
        low, high = outcome.minimum_total, outcome.maximum_total
        totals = {low, low + 1, 0, 1, (low + high) // 2, high - 1, high}
        assert len({tuple(outcome.public_limbs(total)) for total in totals}) == len(totals)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 2**24 - 1), max_size=9), min_size=1, max_size=5),
    st.sampled_from(["1", "7", "4096", "1000000000", "0.3", "2 / 3", "1 / 1000000"]),
    st.sampled_from(["sum(a)", "-sum(a)", "sum(a * dt) / 60", "sum(a) - 3 * sum(a * dt)"]),
    st.integers(1, 2),
)
def test_claims_add_up_to_the_rounded_whole(
    windows: list[list[int]], unit: str, total: str, per_claim: int
) -> None:
    circuit = compile_circuit(WIDE, (f"rounded({total}, {unit})", "floor(sum(a) / 3)"))
    records = [np.array(w, dtype=np.uint64).reshape(len(w), 1) for w in windows]
    check_chain(circuit, sign_log(WIDE, records), per_claim)


# --- another quotient -----------------------------------------------------------------------


@dataclass(frozen=True)
class Spelled:
    """The columns that spell something, lowest digit first; the last may be a bit."""

    columns: list[int]
    bits: int

    def read(self, trace: Trace, row: int) -> int:
        return sum(int(trace.columns[c, row]) << 2 * k for k, c in enumerate(self.columns))

    def write(self, trace: Trace, rows: slice | int, value: int) -> None:
        """The low bits of a value."""
        low = value % (1 << self.bits)
        for k, column in enumerate(self.columns):
            trace.columns[column, rows] = low >> 2 * k & 3


def spelled(circuit: Circuit, name: str) -> Spelled:
    found = [k for k, c in enumerate(circuit.columns) if c.startswith(f"outcome 0 {name}[")]
    constraints = {constraint.name for constraint in circuit.constraints}
    odd = bool(found) and f"{circuit.columns[found[-1]]} boolean" in constraints
    return Spelled(found, 2 * len(found) - odd)


def claim_others(circuit: Circuit, trace: Trace, multiples: int) -> None:
    """What a prover writes on the last active row and behind it who claims so many multiples.

    The equations of the running total determine all of it but the remainder's digits, which come as
    near to what they should spell as digits can.
    """
    (outcome,), row = circuit.outcomes, trace.layout.active_rows - 1
    shapes, top = outcome.limbs, circuit.columns.index("outcome 0 top")
    limbs = [spelled(circuit, f"limb {k} digits") for k in range(len(shapes) - 1)]
    now = [limb.read(trace, row) for limb in limbs]
    now.append((int(trace.columns[top, row]) + P // 2) % P - P // 2)
    total = sum(value << limb.shift for value, limb in zip(now, shapes, strict=True))
    taken = limbs_of(multiples * outcome.step, shapes)
    rest = limbs_of(total - multiples * outcome.step, shapes)
    most = limbs_of(outcome.step - 1, shapes)
    carry = borrow = 0
    for k, limb in enumerate(limbs):
        limb.write(trace, slice(row + 1, None), rest[k])
        carry = (now[k] + carry - taken[k] - rest[k]) >> limb.bits
        # nothing is added on the last row, so what spells the carry there spells 0
        carried = spelled(circuit, f"carry {k} digits")
        carried.write(trace, row, carry + carried.read(trace, -1))
        room = most[k] - rest[k] - borrow
        borrow = int(room < 0)
        spelled(circuit, f"remainder borrow {k}").write(trace, row, borrow)
        spelled(circuit, f"remainder room {k}").write(trace, row, room)
    trace.columns[top, row + 1 :] = rest[-1] % P
    spelled(circuit, "remainder top").write(trace, row, rest[-1])
    spelled(circuit, "remainder top room").write(trace, row, most[-1] - rest[-1] - borrow)


@pytest.mark.parametrize("others", [1, -1, 2, -2, 1000])
@pytest.mark.parametrize("total", [0, 6, 7, 8, 10**7])
@pytest.mark.parametrize(
    "formula", ["floor(sum(a) / 7)", f"floor(sum(a) / {2**20 + 1})", "floor(-sum(a) / 4097)"]
)
def test_no_remainder_makes_up_for_other_multiples(formula: str, total: int, others: int) -> None:
    circuit, log = compile_circuit(WIDE, (formula,)), readings(total)
    statement = log.statement(circuit)
    trace, (true,) = opened(circuit, log, statement, None), statement.totals
    claim_others(circuit, trace, true)
    assert broken(circuit, statement, trace) == set()  # with the truth all of it is right
    claim_others(circuit, trace, true + others)
    found = broken(circuit, replace(statement, totals=(true + others,)), trace)
    assert found
    assert all(name.startswith("outcome 0 remainder") for name in found), found


@pytest.mark.parametrize("others", [1, -1])
def test_no_digits_at_all_spell_the_remainder_of_other_multiples(others: int) -> None:
    circuit, log = compile_circuit(WIDE, ("floor(count() / 3)",)), readings(10**8)
    statement = log.statement(circuit)
    trace, (true,) = opened(circuit, log, statement, None), statement.totals
    claim_others(circuit, trace, true + others)
    lied = replace(statement, totals=(true + others,))
    top, room = (spelled(circuit, f"remainder {name}") for name in ("top", "top room"))
    assert top.bits == room.bits == 2
    for value in range(1 << (top.bits + room.bits)):
        top.write(trace, trace.layout.active_rows - 1, value)
        room.write(trace, trace.layout.active_rows - 1, value >> top.bits)
        found = broken(circuit, lied, trace)
        assert found
        assert found <= {"outcome 0 remainder top", "outcome 0 remainder top room"}
