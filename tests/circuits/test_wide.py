"""Numbers at the ends of their ranges: the widest channels, far offsets, thresholds everywhere."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.compile import compile_circuit
from circuits.errors import BadInput, InputReason
from circuits.schema import Channel, Schema
from tests.circuits.claims import check
from tests.circuits.logs import SignedLog, channel, random_windows, sign_log

TOP = 2**24 - 1
WIDE = Schema((channel("a", 24), channel("b", 24, "0.001", "-7")))
FORMULAS = (
    "sum(a * b)",
    "sum(b * dt, where=a >= 3) - 3 * sum(a)",
    "sum(a * dt) + max(b) - 1000000007 * min(a)",
    "sum(dt_ms * dt_ms) / 7",
    "sum(abs(a - 8388608) * dt)",
    "count(b * 1000 >= a)",
    "floor(sum(a * b) / 1000000)",
    "rounded(sum(a * b), 0.7)",
    "windows(sum(a * b) >= 140737488355328)",
    "mean(a) >= 16777214.999999",
    "ratio(sum(a * dt), sum(dt)) <= 0.000001",
    "percentile(b, 99.9999) <= 16770.214",
    "last(a) * 1000000000000 - first(b)",
)


def extreme_log(schema: Schema, seed: int) -> SignedLog:
    """Readings and steps of nothing but 0, 1, the greatest reading and the reserved code."""
    windows = random_windows(schema, [5, 0, 3], seed)
    random = np.random.default_rng(seed)
    bits = [c.bits for c in schema.channels] + [24] * schema.has_dt
    for window in windows:
        for k, width in enumerate(bits):
            ends = np.array([0, 1, 2**width - 2, 2**width - 1], dtype=np.uint64)
            window[:, k] = random.choice(ends[: 4 if seed else 1], len(window))
            if seed == 1:
                window[:, k] = ends[-1]
    return sign_log(schema, windows)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("period_ms", [None, 1000])
def test_readings_at_the_ends_of_24_bits(seed: int, period_ms: int | None) -> None:
    # seed 0 is all zeros, seed 1 all ones
    circuit = compile_circuit(Schema(WIDE.channels, period_ms), FORMULAS)
    check(circuit, extreme_log(circuit.schema, seed))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    "odd",
    [
        Channel("x", "", 24, Fraction(1, 10**9), Fraction(1, 3)),
        Channel("x", "", 8, Fraction(1), Fraction(10**9)),
        Channel("x", "", 1, Fraction(1, 2**25), Fraction(1)),
        Channel("x", "", 24, Fraction(1, 63), Fraction(-(10**6))),
        Channel("x", "", 2, Fraction(3, 7), Fraction(-11, 13)),
    ],
)
@pytest.mark.parametrize("period_ms", [None, 100])
def test_scales_and_offsets_that_just_fit(odd: Channel, period_ms: int | None, seed: int) -> None:
    formulas = ("sum(x)", "sum(x * dt_ms)", "mean(x) >= 1", "max(x) - 3 * last(x)", "floor(sum(x))")
    circuit = compile_circuit(Schema((odd,), period_ms), formulas)
    check(circuit, extreme_log(circuit.schema, seed))


@pytest.mark.parametrize(
    "formula",
    [
        "count(a * b > 3)",
        "sum(a * b * dt)",
        "sum(abs(a - 0.000000001))",
        "count(a * 1000000000 > b)",
        "sum(a * b * 0.00000000000000000001) + sum(a)",
        "windows(all(a * b > 3))",
    ],
)
def test_too_wide_is_refused_with_the_range(formula: str) -> None:
    schema = Schema((channel("a", 24), channel("b", 24)))
    with pytest.raises(BadInput) as caught:
        compile_circuit(schema, (formula,))
    assert caught.value.reason is InputReason.OVERFLOW
    assert ".." in caught.value.message


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 6),
    st.sampled_from(["1", "0.5", "0.3"]),
    st.sampled_from(["0", "-2", "0.7"]),
    st.lists(st.integers(-6, 70), min_size=1, max_size=12),
    st.sampled_from([None, 100]),
)
def test_thresholds_everywhere_over_all_codes(
    bits: int, scale: str, offset: str, bounds: list[int], period_ms: int | None
) -> None:
    # a few thresholds are compared one by one, many of one channel by its segments
    schema = Schema((channel("x", bits, scale, offset),), period_ms)
    texts = [f"{bound / 2:.1f}" for bound in bounds]
    relations = ("<", "<=", ">=", ">")
    formulas = [f"count(x {relations[k % 4]} {text})" for k, text in enumerate(texts)]
    low, high = sorted((bounds[0], bounds[-1]))
    formulas += [f"count(between(x, {low / 2:.1f}, {high / 2:.1f}))", "all(x > -2)"]
    circuit = compile_circuit(schema, formulas)
    records = np.zeros((2**bits, schema.elements), dtype=np.uint64)
    records[:, 0] = np.arange(2**bits)
    check(circuit, sign_log(schema, [records, records[::-1][:3]]))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_equal_polynomials_keep_their_own_intervals(order: tuple[int, int]) -> None:
    # with a fixed period dt is a constant in every slot but the first, where alone a column is
    # committed: an interval shared along with it would make the slots disagree on their limbs
    schema = Schema((channel("x", 14), channel("a", 18)), 100)
    formulas = ("sum(a * (x * dt + x))", "sum(a * (x * dt + x + 600 * x - 600 * x))")
    circuit = compile_circuit(schema, tuple(formulas[k] for k in order))
    for seed in range(3):
        check(circuit, sign_log(schema, random_windows(schema, [7, 5], seed)))
