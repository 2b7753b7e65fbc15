"""Random formulas over random logs: the circuit admits what the plain meaning says, only that."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from circuits.circuit import Circuit
from circuits.compile import compile_circuit
from circuits.errors import BadInput, InputReason, Reason, Rejected
from circuits.language.meaning import Meaning
from circuits.language.parsing import parse_outcome
from circuits.schema import Channel, Schema
from tests.circuits.formulas import predicates, totals
from tests.circuits.logs import (
    Records,
    SignedLog,
    channel,
    failures,
    random_windows,
    reference_trace,
    sign_log,
)

CLOSENESS = Schema((channel("a", 3), channel("b", 4, "0.5", "-2")))


@dataclass(frozen=True)
class Case:
    schema: Schema
    formulas: tuple[str, ...]
    windows: tuple[Records, ...]
    earlier_records: int


@st.composite
def channels(draw: st.DrawFn, name: str) -> Channel:
    return channel(
        name,
        draw(st.sampled_from([1, 2, 3, 5, 9, 14])),
        draw(st.sampled_from(["1", "0.5", "0.1", "3"])),
        draw(st.sampled_from(["0", "0", "-4", "0.5", "7.25"])),
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A small schema, one or two formulas, and a log whose readings crowd together."""
    count = draw(st.integers(1, 3))
    period = draw(st.sampled_from([None, None, 1, 100]))
    schema = Schema(tuple(draw(channels(f"c{k}")) for k in range(count)), period)
    names = tuple(c.name for c in schema.channels)
    formula = st.one_of(totals(names), predicates(names))
    formulas = tuple(draw(st.lists(formula, min_size=1, max_size=2)))
    counts = draw(st.lists(st.integers(0, 9), min_size=1, max_size=3))
    seed = draw(st.integers(0, 2**32))
    windows = random_windows(schema, counts, seed)
    random = np.random.default_rng(seed)
    for window in windows:
        for k, kind in enumerate(schema.channels):
            middle = min(2, kind.maximum_code)
            edges = np.array([0, 1, middle, kind.maximum_raw, kind.maximum_code], dtype=np.uint64)
            at_edge = random.integers(0, 2, len(window)).astype(bool)
            window[at_edge, k] = random.choice(edges, int(at_edge.sum()))
        if period is None and draw(st.booleans()):
            window[:, -1] = draw(st.sampled_from([0, 1, 2**24 - 1]))
    return Case(schema, formulas, tuple(windows), draw(st.sampled_from([0, 17])))


def check(circuit: Circuit, log: SignedLog) -> None:
    """The meaning's totals satisfy every constraint, and others fail where totals are bound."""
    claimed = log.totals(circuit)
    meaning = Meaning(log.schema, log.records, log.starts_epoch)
    for outcome, total in zip(circuit.outcomes, claimed, strict=True):
        outcome.check_total(total)
        value = outcome.value(total, len(log.records))
        # the simple forms have their own compiler: the language must mean the same
        assert value == meaning.outcome(parse_outcome(outcome.formula, log.schema))
        assert value >= outcome.minimum
    trace = reference_trace(circuit, log)
    assert failures(circuit, log, trace) == []
    last_row = trace.layout.active_rows - 1
    for index, outcome in enumerate(circuit.outcomes):
        others = [1 - claimed[index]]
        if outcome.additive:
            others = [claimed[index] + step for step in (1, -1, 2**13, 2**40)]
        for other in others:
            changed = [*claimed[:index], other, *claimed[index + 1 :]]
            found = failures(circuit, log, trace, tuple(changed))
            end = "is public" if outcome.additive else "sign"
            assert found
            assert all(f.row == last_row for f in found)
            assert all(f.constraint.startswith(f"outcome {index} ") for f in found)
            assert all(f.constraint.endswith(end) for f in found)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_any_formula_over_any_log(case: Case) -> None:
    try:
        circuit = compile_circuit(case.schema, case.formulas)
    except BadInput as refusal:
        known = ("cancel out", "longer than")
        if refusal.reason is not InputReason.OVERFLOW and not any(
            what in refusal.message for what in known
        ):
            raise
        return
    names = [constraint.name for constraint in circuit.constraints]
    assert len(names) == len(set(names))
    assert len(circuit.columns) == len(set(circuit.columns))
    assert circuit.max_degree <= 3
    check(circuit, sign_log(case.schema, case.windows, earlier_records=case.earlier_records))


FORMULAS = [
    "sum(a * dt_ms, where=b >= 2.5) / 60000",
    "sum(a * b)",
    "sum(a * b * dt, where=(a > 1) & (b < 3) | ~(a != 2))",
    "sum(abs(a - b) * dt)",
    "sum(clip_above(a, 2.5)) - 3 * count(b == 0)",
    "count(between(b, -1.5, 0.75))",
    "count(a == 3, where=b >= 0)",
    "count(a == 2.5)",
    "count(a + b > a * b)",
    "count(dt_ms <= 1000) + 2 * count() / 3",
    "all(a <= 6)",
    "all(a <= 7, where=b < -100)",
    "any(a == 7)",
    "ratio(sum(dt, where=a >= 1), sum(dt)) >= 0.98",
    "ratio(count(a >= 1), count()) <= 0.5",
    "mean(a) >= 3.5",
    "mean(b, where=a > 3) <= 1",
    "percentile(a, 95) <= 6",
    "percentile(b, 100) <= 5.5",
    "sum(a * dt) > 20",
    "sum(a * dt) < 1000000000000000000",
    "count(a > 1) >= count(b > 1)",
]


@pytest.mark.parametrize("counts", [[5, 0, 4], [0], [1], [0, 0, 2]])
@pytest.mark.parametrize("period_ms", [None, 100])
def test_every_construct_with_partial_blocks_and_empty_windows(
    counts: list[int], period_ms: int | None
) -> None:
    schema = Schema(CLOSENESS.channels, period_ms)
    for start in range(0, len(FORMULAS), 11):
        circuit = compile_circuit(schema, FORMULAS[start : start + 11])
        for earlier in (0, 5):
            windows = random_windows(schema, counts, 7)
            check(circuit, sign_log(schema, windows, earlier_records=earlier))


def total(formula: str, rows: list[list[int]], schema: Schema = CLOSENESS) -> Fraction:
    records = np.array(rows, dtype=np.uint64).reshape(len(rows), schema.elements)
    return Meaning(schema, records, True).outcome(parse_outcome(formula, schema))


def test_meanings_by_hand() -> None:
    # a = 0, 3, 7; b = -2, 0, 1.5; steps 0, 500, 2000 ms
    rows = [[0, 0, 0], [3, 4, 500], [7, 7, 2000]]
    expected: dict[str, int | str] = {
        "sum(a)": 10,
        "sum(b) * 2": -1,
        "sum(a * b)": "10.5",
        "sum(a * dt)": "15.5",
        "sum(a * dt, where=b > 0)": 14,
        "sum(abs(a - b))": "10.5",
        "sum(clip_above(a, 2.5))": 5,
        "count()": 3,
        "count(a != 3)": 2,
        "count(between(b, -2, 0))": 2,
        "count((a > 1) & ~(b > 1) | (dt == 2))": 2,
        "count(a > b, where=dt_ms > 0)": 2,
        "all(a > b)": 1,
        "all(a > 0)": 0,
        "all(a > 0, where=dt_ms > 0)": 1,
        "any(b == 1.5)": 1,
        "any(b == 1.4)": 0,
        "mean(a) >= 3.34": 0,
        "mean(a) >= 3.33": 1,
        "ratio(sum(a * dt), sum(dt)) >= 6.2": 1,
        "ratio(sum(a * dt), sum(dt)) >= 6.21": 0,
        "percentile(a, 66) <= 3": 1,
        "percentile(a, 67) <= 3": 0,
        "sum(a) > 10": 0,
        "sum(a) >= 10": 1,
        "10 <= sum(a)": 1,
        "sum(a) - count() * 3 < 1.5 - 1": 0,
    }
    for formula, value in expected.items():
        assert total(formula, rows) == Fraction(value), formula


def test_nothing_recorded() -> None:
    expected: dict[str, int | str] = {
        "sum(a)": 0,
        "all(a > 3)": 1,
        "any(a > 3)": 0,
        "mean(a) >= 5": 1,
        "mean(a) <= 5": 1,
        "ratio(count(a > 1), count()) >= 2": 1,
        "percentile(a, 95) <= 1": 1,
        "sum(a) > 0": 0,
    }
    for formula, value in expected.items():
        assert total(formula, []) == value, formula


def test_a_predicate_is_a_bit_that_does_not_add_up() -> None:
    holds, number = compile_circuit(CLOSENESS, ("sum(a) >= 3", "sum(a) + count()")).outcomes
    assert (holds.additive, number.additive) == (False, True)
    assert [(limb.shift, limb.width) for limb in holds.limbs] == [(0, 1)]
    for impossible in (-1, 2, 2**31 - 2**24 + 1):
        with pytest.raises(Rejected) as refusal:
            holds.check_total(impossible)
        assert refusal.value.reason is Reason.OUTCOME_RANGE


def test_constants_far_from_any_total_keep_their_meaning() -> None:
    far = "9" * 30
    formulas = [f"sum(a * dt) {r} {s}{far}" for r in (">=", "<=") for s in ("", "-")]
    circuit = compile_circuit(CLOSENESS, formulas)
    log = sign_log(CLOSENESS, random_windows(CLOSENESS, [5], 3))
    assert log.totals(circuit) == (0, 1, 1, 0)
    check(circuit, log)


def test_equal_parts_share_their_columns() -> None:
    one = compile_circuit(CLOSENESS, ("count(a * b > 3)",)).column_count
    two = compile_circuit(CLOSENESS, ("count(a * b > 3)", "sum(a * dt, where=a * b > 3)"))
    alone = compile_circuit(CLOSENESS, ("sum(a * dt, where=a * b > 3)",)).column_count
    assert two.column_count < one + alone - 149
    assert two.outcomes[0].columns == one - 149
    assert two.column_count == 149 + sum(outcome.columns for outcome in two.outcomes)


@pytest.mark.parametrize(
    ("bits", "formula"),
    [
        (24, "count(a * b > 3)"),
        (24, "sum(a * b * dt)"),
        (24, "sum(abs(a - 0.000000001))"),
        (24, "count(a * 1000000000 > b)"),
        (24, "sum(a * b * 0.00000000000000000001) + sum(a)"),
    ],
)
def test_too_wide_is_refused_with_the_range(bits: int, formula: str) -> None:
    schema = Schema((channel("a", bits), channel("b", bits)))
    with pytest.raises(BadInput) as caught:
        compile_circuit(schema, (formula,))
    assert caught.value.reason is InputReason.OVERFLOW
    assert ".." in caught.value.message


def test_products_of_wide_channels_are_cut_into_limbs() -> None:
    schema = Schema((channel("a", 24), channel("b", 24, "0.001", "-7")))
    circuit = compile_circuit(schema, ("sum(a * b)", "sum(b * dt, where=a >= 3)"))
    log = sign_log(schema, random_windows(schema, [5, 3], 1))
    check(circuit, log)
    assert max(abs(t) for t in log.totals(circuit)) > 2**40


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_equal_polynomials_keep_their_own_intervals(order: tuple[int, int]) -> None:
    # with a fixed period dt is a constant in every slot but the first, where alone a column is
    # committed: an interval shared along with it would make the slots disagree on their limbs
    schema = Schema((channel("x", 14), channel("a", 18)), 100)
    formulas = ("sum(a * (x * dt + x))", "sum(a * (x * dt + x + 600 * x - 600 * x))")
    circuit = compile_circuit(schema, tuple(formulas[k] for k in order))
    for seed in range(3):
        check(circuit, sign_log(schema, random_windows(schema, [7, 5], seed)))
