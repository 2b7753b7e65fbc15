"""Random formulas over random logs: the circuit admits what the plain meaning says, only that."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from circuits.circuit import Circuit
from circuits.compile import MAXIMUM_OUTCOMES, compile_circuit
from circuits.errors import BadInput, InputReason, Reason, Rejected
from circuits.schema import Channel, Schema
from tests.circuits.claims import check, check_chain
from tests.circuits.formulas import numbers, outcomes
from tests.circuits.logs import Records, channel, random_windows, sign_log

CLOSENESS = Schema((channel("a", 3), channel("b", 4, "0.5", "-2")))
WINDOW_TIMES = st.sampled_from([60_000, 3_600_000, 18_180_000, 86_399_000])
REFUSALS = ("cancel out", "longer than", "columns")


@dataclass(frozen=True)
class Case:
    """``before`` are windows of an earlier epoch, whose state is carried on, if any."""

    schema: Schema
    formulas: tuple[str, ...]
    windows: tuple[Records, ...]
    before: tuple[Records, ...]
    earlier_records: int
    start_ms: int
    window_ms: int
    windows_per_claim: int


@st.composite
def channels(draw: st.DrawFn, name: str) -> Channel:
    return channel(
        name,
        draw(st.sampled_from([1, 2, 3, 5, 9, 16, 24])),
        draw(st.sampled_from(["1", "0.5", "0.1", "3"])),
        draw(st.sampled_from(["0", "0", "-4", "0.5", "7.25"])),
        may_miss=draw(st.booleans()),
    )


@st.composite
def compared_and_summed(draw: st.DrawFn, schema: Schema) -> list[str]:
    """A channel's readings counted from one of its codes on, and its products added up."""
    chosen = draw(st.sampled_from(schema.channels))
    value = chosen.scale * draw(st.integers(0, chosen.maximum_code)) + chosen.offset
    bound = Decimal(value.numerator) / Decimal(value.denominator)
    factor = numbers(tuple(c.name for c in schema.channels), 1)
    itself = st.sampled_from([chosen.name, f"{chosen.name} * dt", f"abs({chosen.name} * dt_ms)"])
    product = st.builds("{} * {}".format, itself, factor)
    total = st.builds("sum({})".format, st.one_of(product, itself))
    other = st.builds("variance({}) >= 3".format, itself)
    return [f"count({chosen.name} >= {bound:f})", draw(st.one_of(total, total, other))]


@st.composite
def logs(draw: st.DrawFn, schema: Schema, most_windows: int) -> tuple[Records, ...]:
    """Windows whose readings crowd at the edges of a channel, or around one value."""
    counts = draw(st.lists(st.integers(0, 9), min_size=1, max_size=most_windows))
    seed, narrow = draw(st.integers(0, 2**32)), draw(st.integers(0, 3))
    windows = random_windows(schema, counts, seed)
    random = np.random.default_rng(seed)
    for k, kind in enumerate(schema.channels):
        middle = int(random.integers(0, kind.maximum_code + 1))
        for window in windows:
            if narrow == 0:
                spread = random.integers(-1, 2, len(window)) + middle
                window[:, k] = np.clip(spread, 0, kind.maximum_code)
            edges = [0, 1, min(2, kind.maximum_code), kind.maximum_raw, kind.maximum_code]
            at_edge = random.integers(0, 2 if narrow else 8, len(window)) == 0
            window[at_edge, k] = random.choice(np.array(edges, dtype=np.uint64), at_edge.sum())
    if schema.has_dt and draw(st.booleans()):
        for window in windows:
            window[:, -1] = draw(st.sampled_from([0, 1, 2**24 - 1]))
    return tuple(windows)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A schema of any width, one or two formulas, and a log in claims of a few windows."""
    count = draw(st.sampled_from([1, 1, 2, 2, 3, 4, 7]))
    period = draw(st.sampled_from([None, None, 1, 100]))
    schema = Schema(tuple(draw(channels(f"c{k}")) for k in range(count)), period)
    formula = outcomes(tuple(c.name for c in schema.channels))
    formulas = draw(
        st.one_of(st.lists(formula, min_size=1, max_size=2), compared_and_summed(schema))
    )
    return Case(
        schema,
        tuple(formulas),
        draw(logs(schema, 6)),
        draw(st.one_of(st.just(()), logs(schema, 2))),
        draw(st.sampled_from([0, 17])),
        draw(st.integers(0, 2**40)),
        draw(WINDOW_TIMES),
        draw(st.integers(1, 3)),
    )


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_any_formula_over_any_log(case: Case) -> None:
    try:
        circuit = compile_circuit(case.schema, case.formulas)
    except BadInput as refusal:
        if refusal.reason is not InputReason.OVERFLOW and not any(
            what in refusal.message for what in REFUSALS
        ):
            raise
        return
    log = sign_log(
        case.schema,
        case.windows,
        earlier_records=case.earlier_records,
        start_ms=case.start_ms,
        window_ms=case.window_ms,
    )
    if case.before:
        log = replace(log, before=sign_log(case.schema, case.before).measured(circuit).after)
    check_chain(circuit, log, case.windows_per_claim)


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
    "count(rising(a > 3))",
    "sum(b, where=falling(a > 3))",
    "count(held(a > 1, 3))",
    "all(~held(a * b > 2, 2))",
    "count(held(a >= 0, 1), where=b > 0)",
    "sum(dt, where=rising(held(a > 1, 2) | (b < 0)))",
    "count(held(rising(a > b), 1) & ~missing(b))",
    "count(missing(a)) + 2 * count(missing(a) | missing(b))",
    "sum(a, where=~missing(b))",
    "sum(a, where=time_of_day('22:00', '06:00', '-02:00'))",
    "count(time_of_day('08:00', '08:01') & rising(a > 3))",
    "tariff(a * dt, '00:00 0.21, 06:00 0.34, 22:00 0.21', '+01:00')",
    "tariff(b, '00:00 0, 09:00 2', where=a > 1) >= 3.5",
    "windows(mean(a) >= 3.5)",
    "windows(all(held(a > 1, 2))) - 2 * windows(any(rising(a > 3)))",
    "windows(sum(a * b * dt) > 2) >= 2",
    "windows(ratio(sum(a), count()) <= 3) + count()",
    "windows(percentile(b, 50, where=a > 1) <= 1)",
    "min(a)",
    "max(b, where=a > 3)",
    "max(b) - min(b) + 2 * first(a)",
    "last(b, where=a <= 3) / 3",
    "first(b, where=held(a > 1, 2)) <= -2",
    "last(a) - first(a) + count() >= 7",
    "floor(sum(a * dt) / 3)",
    "floor(-sum(b) / 0.7 + 1.25)",
    "floor(max(b) - last(a))",
    "floor(sum(b) / 3) <= 2",
    "rounded(sum(a), 7)",
    "rounded(-sum(a * b * dt) / 60, 0.1)",
    "rounded(count(rising(a > 3)) + windows(any(b > 1)), 2 / 3)",
    "rounded(tariff(a * dt, '00:00 0.21, 06:00 0.34'), 0.01)",
    "variance(a) <= 5.3",
    "variance(a * b, where=b > 0) >= 20",
    "variance(dt) <= 0",
    "cpk(a, 0, 7) >= 0.33",
    "cpk(b - a, -1000.5, 1000) >= 12",
    "cpk(a, 3, 4, where=rising(a > 2)) >= 0.5",
]
CHANNELS = (*CLOSENESS.channels, *(channel(name, 9) for name in "cde"))
# elements of a record, zeros included: channels, period in ms, and whether readings may be missing
WIDTHS = {1: (1, 100, False), 2: (1, None, True), 4: (2, None, False), 8: (5, 100, True)}


@cache
def contract(width: int) -> list[Circuit]:
    """All constructs over records of so many elements."""
    count, period_ms, may_miss = WIDTHS[width]
    kinds = (replace(kind, may_miss=may_miss) for kind in CHANNELS[:count])
    schema = Schema(tuple(kinds), period_ms)
    assert schema.width == width
    formulas = FORMULAS
    if count == 1:
        formulas = [re.sub(r"\bb\b", "a", text) for text in FORMULAS]
        formulas = [text for text in formulas if text != "count(a > 1) >= count(a > 1)"]
    return [
        compile_circuit(schema, formulas[start : start + MAXIMUM_OUTCOMES])
        for start in range(0, len(formulas), MAXIMUM_OUTCOMES)
    ]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("counts", [[5, 0, 4], [0], [1], [0, 0, 2], [16, 3, 8]])
def test_every_construct_with_partial_blocks_and_empty_windows(
    counts: list[int], width: int
) -> None:
    for circuit in contract(width):
        schema = circuit.schema
        earlier = sign_log(schema, random_windows(schema, [3, 0, 6], 1))
        windows = crowded(schema, counts, 7)
        for records, state in ((0, earlier.measured(circuit).after), (5, {})):
            log = sign_log(schema, windows, earlier_records=records, window_ms=28_860_000)
            check(circuit, replace(log, before=state))


def crowded(schema: Schema, counts: list[int], seed: int) -> list[Records]:
    """Random windows in which every fifth reading or so is missing."""
    windows = random_windows(schema, counts, seed)
    random = np.random.default_rng(seed)
    for window in windows:
        for k, kind in enumerate(schema.channels):
            window[random.integers(0, 5, len(window)) == 0, k] = kind.maximum_code
    return windows


ADDITIVE = {
    "sum(a) + count()": True,
    "tariff(a, '00:00 1, 06:00 2') - windows(any(a > 3))": True,
    "rounded(sum(a), 7)": True,
    "sum(a) + max(a)": False,
    "min(a)": False,
    "first(a) - last(b)": False,
    "floor(sum(a))": False,
    "sum(a) >= 3": False,
    "windows(any(a > 3)) >= 3": False,
    "variance(a) <= 3": False,
    "cpk(a, 0, 3) >= 1": False,
}


def test_what_adds_up_over_claims() -> None:
    circuit = compile_circuit(CLOSENESS, list(ADDITIVE))
    assert {o.formula: o.additive for o in circuit.outcomes} == ADDITIVE


@pytest.mark.reason(Reason.OUTCOME_RANGE)
@pytest.mark.parametrize("formula", ["sum(a) >= 3", "variance(a) <= 3", "cpk(a, 0, 3) >= 1"])
def test_a_predicate_is_a_bit(formula: str) -> None:
    (holds,) = compile_circuit(CLOSENESS, (formula,)).outcomes
    assert [(limb.shift, limb.width) for limb in holds.limbs] == [(0, 1)]
    assert (holds.minimum_total, holds.maximum_total) == (0, 1)
    assert holds.unit == 1
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
