"""What an outcome means: raw readings to exact value, and a circuit that admits that total only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.circuit import Circuit
from circuits.compile import compile_circuit
from circuits.errors import BadInput, InputReason, Reason, Rejected
from circuits.schema import Channel, Schema
from tests.circuits.logs import (
    Records,
    SignedLog,
    channel,
    failures,
    random_log,
    random_windows,
    reference_trace,
    sign_log,
)

PUMP = Schema((channel("flow", 18, "0.001"),))
BELOW_ZERO = Schema((channel("t", 10, "0.1", "-40"), channel("u", 24, "1", "0.5")))
PERIODIC = Schema((channel("v", 16, "0.5", "-3"),), 100)


FORM = re.compile(
    r"(?P<kind>sum|count)\((?P<channel>\w+)(?P<dt> \* dt_ms)?"
    r"( (?P<relation>[<>]=) (?P<bound>\S+))?\)"
    r"( / (?P<divisor>\S+))?"
)


def meaning(schema: Schema, text: str, records: Records, starts_epoch: bool) -> Fraction:
    """One of the four simple forms as a person would work it out, reading by reading."""
    form = FORM.fullmatch(text)
    assert form is not None
    position = [c.name for c in schema.channels].index(form["channel"])
    kind = schema.channels[position]
    values = [int(raw) * kind.scale + kind.offset for raw in records[:, position]]
    divisor = Fraction(form["divisor"] or 1)
    if form["kind"] == "count":
        bound = Fraction(form["bound"])
        held = [v <= bound if form["relation"] == "<=" else v >= bound for v in values]
        return Fraction(sum(held)) / divisor
    steps = [1] * len(values)
    if form["dt"] and schema.period_ms is None:
        steps = [int(step) for step in records[:, -1]]
    elif form["dt"]:
        steps = [schema.period_ms or 0] * len(values)
        if starts_epoch and steps:
            steps[0] = 0
    return sum((v * step for v, step in zip(values, steps, strict=True)), Fraction(0)) / divisor


def check_everything(circuit: Circuit, log: SignedLog) -> None:
    """True totals mean what they should and satisfy every constraint; no other totals do."""
    totals = log.totals(circuit)
    for outcome, total in zip(circuit.outcomes, totals, strict=True):
        expected = meaning(log.schema, outcome.formula, log.records, log.starts_epoch)
        assert outcome.value(total) == expected
        assert expected >= outcome.minimum
        outcome.check_total(total)
    trace = reference_trace(circuit, log)
    assert failures(circuit, log, trace) == []
    for index in range(len(totals)):
        for step in (1, -1, 2**13, 2**40):
            changed = list(totals)
            changed[index] += step
            found = failures(circuit, log, trace, tuple(changed))
            last_row = trace.layout.active_rows - 1
            assert found
            assert all(
                f.constraint.startswith(f"outcome {index} limb ")
                and f.constraint.endswith("is public")
                and f.row == last_row
                for f in found
            )


DECIMALS = ["0", "0", "-4", "0.5", "100", "-0.001", "7.25"]


@st.composite
def channels(draw: st.DrawFn, name: str) -> Channel:
    return channel(
        name,
        draw(st.integers(1, 24)),
        draw(st.sampled_from(["1", "0.1", "0.001", "5", "0.25", "3"])),
        draw(st.sampled_from(DECIMALS)),
    )


@dataclass(frozen=True)
class Case:
    schema: Schema
    formulas: tuple[str, ...]
    windows: tuple[Records, ...]
    earlier_records: int


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A small schema, one to three formulas, and a log whose readings crowd the edges."""
    count = draw(st.integers(1, 4))
    period = draw(st.sampled_from([None, 1, 100, 60_000]))
    schema = Schema(tuple(draw(channels(f"c{k}")) for k in range(count)), period)
    formulas = []
    for _ in range(draw(st.integers(1, 3))):
        chosen = draw(st.sampled_from(schema.channels))
        kind = draw(st.sampled_from(["sum({0})", "sum({0} * dt_ms)", "count({0} {1} {2})"]))
        raw = draw(st.sampled_from([0, 1, chosen.maximum_raw // 2, chosen.maximum_code]))
        near = Fraction(draw(st.sampled_from(["0", "0.5", "-0.5", "1", "-1", "1000000000"])))
        bound = (raw + near) * chosen.scale + chosen.offset
        text = kind.format(chosen.name, draw(st.sampled_from(["<=", ">="])), f"{float(bound):.9f}")
        formulas.append(text + draw(st.sampled_from(["", " / 60000", " / 0.3"])))
    counts = draw(st.lists(st.integers(0, 11), min_size=1, max_size=4))
    seed = draw(st.integers(0, 2**32))
    windows = random_windows(schema, counts, seed)
    random = np.random.default_rng(seed)
    for window in windows:
        for k, kind_of in enumerate(schema.channels):
            edges = np.array([0, 1, kind_of.maximum_raw, kind_of.maximum_code], dtype=np.uint64)
            at_edge = random.integers(0, 2, len(window)).astype(bool)
            window[at_edge, k] = random.choice(edges, int(at_edge.sum()))
        if period is None and draw(st.booleans()):
            window[:, -1] = 2**24 - 1  # the longest step there is
    earlier = draw(st.sampled_from([0, 17]))
    return Case(schema, tuple(formulas), tuple(windows), earlier)


@settings(max_examples=40, deadline=None)
@given(cases())
def test_any_contract_over_any_log(case: Case) -> None:
    try:
        circuit = compile_circuit(case.schema, case.formulas)
    except BadInput as refusal:
        if refusal.reason is not InputReason.OVERFLOW:
            raise
        return  # rare here: ranges that compile are what this is about
    check_everything(
        circuit, sign_log(case.schema, case.windows, earlier_records=case.earlier_records)
    )


@pytest.mark.parametrize("counts", [[1], [4, 4], [5, 0, 3], [0], [0, 0, 2], [7, 9, 0]])
@pytest.mark.parametrize(
    ("schema", "formulas"),
    [
        (PUMP, ("sum(flow * dt_ms) / 60000", "sum(flow)", "count(flow <= 130)")),
        (BELOW_ZERO, ("sum(t * dt_ms)", "sum(u) / 7", "count(t >= 0)")),
        (PERIODIC, ("sum(v * dt_ms) / 3600000", "sum(v)", "count(v >= 100)")),
    ],
    ids=["pump", "below zero", "periodic"],
)
def test_partial_blocks_and_empty_windows(
    schema: Schema, formulas: tuple[str, ...], counts: list[int]
) -> None:
    check_everything(compile_circuit(schema, formulas), random_log(schema, counts))


@pytest.mark.parametrize(
    ("constant", "at_most", "at_least"),
    [
        ("-1", 0, 7),  # below every reading
        ("0", 1, 7),
        ("0.5", 2, 6),
        ("126.5", 5, 2),
        ("127", 6, 2),
        ("127.5", 6, 1),
        ("128", 7, 1),
        ("1000000", 7, 0),  # beyond every reading
    ],
)
def test_thresholds_at_and_beyond_the_ends(constant: str, at_most: int, at_least: int) -> None:
    # readings 0, 0.5, 1, 60, 60.5, 127, 128
    schema = Schema((channel("x", 9, "0.5"),), 100)
    raw = np.array([[0], [1], [2], [120], [121], [254], [256]], dtype=np.uint64)
    circuit = compile_circuit(schema, (f"count(x <= {constant})", f"count(x >= {constant})"))
    log = sign_log(schema, [raw])
    assert log.totals(circuit) == (at_most, at_least)
    check_everything(circuit, log)


@pytest.mark.parametrize("bits", [1, 2, 24])
def test_thresholds_over_the_whole_width(bits: int) -> None:
    # the reserved code is a raw value too: bits are sized for it
    schema = Schema((channel("x", bits),), 100)
    top = 2**bits - 1
    raw = np.array([[0], [top - 1], [top]], dtype=np.uint64)
    formulas = [f"count(x <= {c})" for c in (0, top - 1, top)]
    formulas += [f"count(x >= {c})" for c in (0, 1, top, top + 1)]
    check_everything(compile_circuit(schema, formulas), sign_log(schema, [raw]))


def test_integer_thresholds_round_towards_the_meaning() -> None:
    # 1/3 steps: 0.33 lies below raw 1, 0.34 above it
    third = Channel("x", "", 8, Fraction(1, 3), Fraction(0))
    raw = np.array([[0], [1], [2]], dtype=np.uint64)
    schema = Schema((third,), 100)
    formulas = ("count(x <= 0.33)", "count(x <= 0.34)", "count(x >= 0.33)", "count(x >= 0.34)")
    circuit = compile_circuit(schema, formulas)
    assert sign_log(schema, [raw]).totals(circuit) == (1, 2, 2, 1)
    exact = [Fraction(c) / third.scale for c in ("0.33", "0.34")]
    assert [floor(e) for e in exact] == [0, 1]
    assert [ceil(e) for e in exact] == [1, 2]


def test_negative_totals() -> None:
    schema = Schema((channel("t", 10, "0.1", "-40"),))
    circuit = compile_circuit(schema, ("sum(t * dt_ms)", "sum(t)"))
    records = np.array([[0, 0], [0, 1000], [399, 500], [400, 2**24 - 1]], dtype=np.uint64)
    log = sign_log(schema, [records])
    dt_total, plain = log.totals(circuit)
    assert circuit.outcomes[0].value(dt_total) == -40 * 1000 - Fraction("0.1") * 500
    assert circuit.outcomes[1].value(plain) == -80 - Fraction("0.1")
    assert dt_total < 0
    assert circuit.outcomes[0].minimum < -40 * 1000
    assert circuit.outcomes[1].minimum < 0
    check_everything(circuit, log)


def test_a_fixed_period_counts_from_the_second_record_of_the_epoch() -> None:
    circuit = compile_circuit(PERIODIC, ("sum(v * dt_ms)",))
    windows = [np.array([[10], [20]], dtype=np.uint64), np.array([[40]], dtype=np.uint64)]
    values = [10 * Fraction(1, 2) - 3, 20 * Fraction(1, 2) - 3, 40 * Fraction(1, 2) - 3]
    first, later = sign_log(PERIODIC, windows), sign_log(PERIODIC, windows, earlier_records=5)
    outcome = circuit.outcomes[0]
    assert outcome.value(first.totals(circuit)[0]) == 100 * (values[1] + values[2])
    assert outcome.value(later.totals(circuit)[0]) == 100 * sum(values)
    for log, other in ((first, later), (later, first)):
        check_everything(circuit, log)
        trace = reference_trace(circuit, log)
        assert failures(circuit, log, trace, other.totals(circuit))  # neither passes for the other


def test_an_opening_reading_may_stand_behind_empty_windows() -> None:
    circuit = compile_circuit(PERIODIC, ("sum(v * dt_ms)",))
    empty = np.zeros((0, 1), dtype=np.uint64)
    log = sign_log(PERIODIC, [empty, empty, np.array([[10], [20]], dtype=np.uint64)])
    assert circuit.outcomes[0].value(log.totals(circuit)[0]) == 700
    check_everything(circuit, log)


def test_values_add_up_over_claims() -> None:
    # money rests on cumulative totals: value(sum) must equal the sum of values
    circuit = compile_circuit(BELOW_ZERO, ("sum(t) / 3", "sum(t * dt_ms)", "count(u >= 9)"))
    for outcome in circuit.outcomes:
        parts = outcome.value(17) + outcome.value(1000)
        assert parts == outcome.value(1017)


@pytest.mark.reason(Reason.OUTCOME_RANGE)
@pytest.mark.parametrize("formula", ["sum(flow)", "sum(flow * dt_ms)", "count(flow <= 5)"])
def test_totals_beyond_the_longest_claim_are_refused(formula: str) -> None:
    # above it a total could wrap around the field and pass for another
    outcome = compile_circuit(PUMP, (formula,)).outcomes[0]
    outcome.check_total(outcome.minimum_total)
    outcome.check_total(outcome.maximum_total)
    for beyond in (outcome.minimum_total - 1, outcome.maximum_total + 1, 2**127, -(2**127)):
        with pytest.raises(Rejected) as refusal:
            outcome.check_total(beyond)
        assert refusal.value.reason is Reason.OUTCOME_RANGE


def test_the_range_is_what_the_longest_trace_can_add_up_to() -> None:
    # an outcome that cannot be negative must not be claimable below zero
    rows = 2**20
    sums, products, count = compile_circuit(
        PUMP, ("sum(flow)", "sum(flow * dt_ms)", "count(flow <= 5)")
    ).outcomes
    reading = 2**18 - 1  # every code, a missed sample's too
    assert (sums.minimum_total, sums.maximum_total) == (0, 4 * reading * rows)
    assert (count.minimum_total, count.maximum_total) == (0, 4 * rows)
    assert (products.minimum_total, products.maximum_total) == (
        0,
        4 * reading * (2**24 - 1) * rows,
    )
    below = compile_circuit(BELOW_ZERO, ("sum(t * dt_ms)",)).outcomes[0]
    assert below.minimum_total == 2 * -400 * (2**24 - 1) * rows
    assert below.maximum_total == 2 * (2**10 - 1 - 400) * (2**24 - 1) * rows
    assert below.minimum == below.minimum_total * Fraction(1, 10)


@pytest.mark.parametrize(
    ("schema", "formula"),
    [
        (PUMP, "sum(flow)"),
        (PUMP, "sum(flow * dt_ms)"),
        (PUMP, "count(flow <= 5)"),
        (BELOW_ZERO, "sum(t * dt_ms)"),
        (PERIODIC, "sum(v * dt_ms)"),
    ],
)
def test_limbs_are_one_to_one_on_the_allowed_range(schema: Schema, formula: str) -> None:
    outcome = compile_circuit(schema, (formula,)).outcomes[0]
    low, high = outcome.minimum_total, outcome.maximum_total
    totals = {low, low + 1, -1 if low < 0 else 0, 0, 1, 2**12, high // 2, high - 1, high}
    seen = {tuple(outcome.public_limbs(total)) for total in totals}
    assert len(seen) == len(totals)
    p = 2**31 - 2**24 + 1
    for total in totals:
        limbs = outcome.public_limbs(total)
        top = limbs[-1] if limbs[-1] < p // 2 else limbs[-1] - p
        signed = [*limbs[:-1], top]
        pieces = zip(signed, outcome.limbs, strict=True)
        assert sum(value << limb.shift for value, limb in pieces) == total
