"""How totals are cut into limbs: what a first hostile reading found, and the limits it led to."""

from __future__ import annotations

import pytest

from circuits.compile import compile_circuit
from circuits.errors import BadInput, InputReason
from circuits.schema import Schema
from tests.circuits.logs import channel, failures, random_windows, reference_trace, sign_log

WIDE = Schema((channel("a", 24), channel("c", 24, "1", "7")))


@pytest.mark.parametrize(
    "formula",
    [
        "sum(a * dt_ms) + max(c)",
        "sum(a * dt_ms) - 3 * min(c)",
        "sum(a * dt_ms) + last(c) - first(c)",
        "floor((sum(a * dt_ms) + last(c)) / 50)",
    ],
)
@pytest.mark.parametrize("period_ms", [None, 100])
def test_what_is_added_once_is_never_cut(formula: str, period_ms: int | None) -> None:
    # bits of a factor are bound on rows with data: cut, an extreme would count as 0 at the end
    schema = Schema(WIDE.channels, period_ms)
    circuit = compile_circuit(schema, (formula,))
    log = sign_log(schema, random_windows(schema, [9, 0, 5], 4))
    trace = reference_trace(circuit, log)
    assert failures(circuit, log, trace) == []
    cut = [name for name in circuit.columns if name.startswith(("max", "min", "last", "first"))]
    assert not any(" digits" in name for name in cut)
    (total,) = log.totals(circuit)
    without = compile_circuit(schema, ("sum(a * dt_ms)",))
    if "floor" not in formula:
        assert failures(circuit, log, trace, log.totals(without))
    assert failures(circuit, log, trace, (total + 1,))


def test_two_kinds_of_windows_in_one_formula() -> None:
    circuit = compile_circuit(
        WIDE, ("windows(mean(a) <= 9000000) - 2 * windows(any(c > 9999999))",)
    )
    log = sign_log(WIDE, random_windows(WIDE, [5, 0, 1, 3], 2))
    assert failures(circuit, log, reference_trace(circuit, log)) == []


def test_carried_conditions_that_cancel_out_carry_nothing() -> None:
    circuit = compile_circuit(WIDE, ("count(rising(a > 5)) - count(rising(a > 5)) + count()",))
    assert circuit.state == ()
    assert circuit.state_rows == 0
    log = sign_log(WIDE, random_windows(WIDE, [5], 2))
    assert log.totals(circuit) == (5,)
    assert failures(circuit, log, reference_trace(circuit, log)) == []


def test_scales_that_would_take_long_to_plan_are_refused() -> None:
    # six channels whose scales have no common unit to speak of, every product of two of them
    names = "abcdef"
    scales = [f"999999999999999{prime}.{prime:018d}" for prime in (997, 991, 983, 977, 971, 967)]
    schema = Schema(tuple(channel(n, 24, s) for n, s in zip(names, scales, strict=True)))
    products = [f"sum({x}*{y})" for k, x in enumerate(names) for y in names[k:]]
    with pytest.raises(BadInput) as caught:
        compile_circuit(schema, ("+".join(products) + ">=0",))
    assert caught.value.reason is InputReason.OVERFLOW
    assert "factor of" in caught.value.message


@pytest.mark.parametrize(
    "formulas",
    [
        ("sum(a)", "count(a > 999)"),
        ("count(a > 999)", "count(a < 16777215)", "sum(a) / 3"),
        ("sum(a * a) <= 1000000000", "rounded(sum(a), 1000)", "all(a > 5)"),
        ("variance(a) <= 3", "any(a == 7) ", "windows(mean(a) >= 4) + count(a > 7)"),
        ("sum(a * dt_ms, where=c > 9)", "count(a >= 8388608)"),
        # the same reading with a wider interval: a comparison of its own, with more digits
        ("count(a + c - c > 3)", "sum(a * a)", "count(a > 3)"),
        ("count((a > 3) & rising(a + c - c > 3))", "sum(a * a)"),
    ],
)
def test_factors_cut_by_the_digits_of_a_comparison(formulas: tuple[str, ...]) -> None:
    check_totals(WIDE, formulas)


@pytest.mark.parametrize("period_ms", [1, 100])
@pytest.mark.parametrize(
    "formulas",
    [
        # in all slots but the first x * dt_ms is x itself: it is cut as in the first
        ("sum(a * abs(a * dt_ms))", "count(a >= 121)"),
        ("sum(abs(a * dt_ms) * abs(a * dt_ms))", "count(a >= 121)"),
        ("sum(c * abs(a * dt_ms))", "count(a >= 5000)"),
        ("1234567.5 * sum(a * dt_ms * dt_ms) + sum(c)", "count(a >= 5000)"),
        ("variance(a * dt_ms) >= 1", "count(a >= 200)"),
        ("rounded(sum(a * dt_ms * dt_ms), 1 / 3)", "count(a >= 121)"),
    ],
)
def test_a_factor_that_is_a_reading_in_some_slots(
    formulas: tuple[str, ...], period_ms: int
) -> None:
    check_totals(Schema((channel("a", 16), channel("c", 20)), period_ms), formulas)


def check_totals(schema: Schema, formulas: tuple[str, ...]) -> None:
    """The true totals hold, others do not."""
    circuit = compile_circuit(schema, formulas)
    log = sign_log(schema, random_windows(schema, [9, 0, 5, 1], 3))
    totals = log.totals(circuit)
    assert failures(circuit, log, reference_trace(circuit, log)) == []
    for place, outcome in enumerate(circuit.outcomes):
        for other in (totals[place] + 1, totals[place] - 1, totals[place] ^ 1 << 13):
            if outcome.minimum_total <= other <= outcome.maximum_total:
                lied = (*totals[:place], other, *totals[place + 1 :])
                assert failures(circuit, log, reference_trace(circuit, log), lied)


def test_a_comparison_makes_a_sum_cheaper() -> None:
    schema = Schema((channel("a", 16),), 100)
    alone, count, both = (
        compile_circuit(schema, formulas)
        for formulas in (["sum(a)"], ["count(a > 9)"], ["sum(a)", "count(a > 9)"])
    )
    hashed = len(alone.columns) - 11  # 6 + 4 digits of a limb and its carry, and the top
    assert both.column_count == hashed + (count.column_count - hashed) + 6 + 2 + 1
    assert both.outcomes[0].minimum_total == 0
    assert both.outcomes[0].maximum_total == alone.outcomes[0].maximum_total


def test_many_thresholds_on_one_channel_share_their_spelling() -> None:
    def columns(thresholds: int) -> int:
        formulas = [f"count(a >= {1000 * (k + 1)})" for k in range(thresholds)]
        return compile_circuit(WIDE, formulas).column_count

    one, two, three, four = (columns(k) for k in (1, 2, 3, 4))
    counter = 1  # of each outcome
    slots = WIDE.records_per_block
    assert two - one == slots * 12 + counter
    assert four - three == slots * 1 + counter
    assert three < one + 2 * (two - one)


@pytest.mark.parametrize("seed", range(3))
def test_segments_agree_with_the_meaning(seed: int) -> None:
    schema = Schema((channel("x", 4), channel("y", 3)), 100)
    formulas = [f"count(x >= {k})" for k in range(17)]
    formulas = [*formulas[:8], "all(between(x, 3, 9))", "count(x < 12)", "count(y > 2)"]
    circuit = compile_circuit(schema, formulas)
    assert any(name.startswith("segments x@0") for name in circuit.columns)
    assert not any(name.startswith("segments y") for name in circuit.columns)
    log = sign_log(schema, random_windows(schema, [40, 0, 13], seed))
    trace = reference_trace(circuit, log)
    assert failures(circuit, log, trace) == []
    for name in ("segments x@0 inside[0]", "segments x@1 offset[0]", "segments x@0 rest[1]"):
        index = circuit.columns.index(name)
        trace.columns[index, 3] ^= 1
        assert failures(circuit, log, trace)
        trace.columns[index, 3] ^= 1
