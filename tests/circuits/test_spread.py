"""Variance and process capability at their edges, worked out with the statistics module."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from statistics import mean, pvariance

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.circuit import Circuit
from circuits.compile import compile_circuit
from circuits.errors import BadInput, InputReason
from circuits.schema import Schema
from tests.circuits.claims import check
from tests.circuits.logs import SignedLog, channel, sign_log

TOP = 2**24 - 1
WIDE = Schema((channel("a", 24), channel("b", 24, "0.001", "-7")), 100)
NARROW = Schema((channel("x", 5, "0.5", "-2"),))


@cache
def compiled(*formulas: str) -> Circuit:
    """A contract over ``WIDE``."""
    return compile_circuit(WIDE, formulas)


def readings(schema: Schema, values: Sequence[int]) -> SignedLog:
    """Two windows in which every channel reads these raw codes; steps of a second."""
    rows = [[value] * len(schema.channels) + [1000] * schema.has_dt for value in values]
    records = np.array(rows, dtype=np.uint64).reshape(len(rows), schema.elements)
    return sign_log(schema, [records[:2], records[2:]])


def capable(values: Sequence[Fraction], low: Fraction, high: Fraction, index: Fraction) -> bool:
    """Whether a sample has this index; no sample has any."""
    if not values:
        return True
    room = min(mean(values) - low, high - mean(values))
    return room >= 0 and room**2 >= 9 * index**2 * pvariance(values)


@pytest.mark.parametrize(
    ("values", "variance"),
    [
        ([], 0),
        ([5], 0),
        ([TOP], 0),
        ([0] * 7, 0),
        ([TOP] * 9, 0),
        ([0, TOP], Fraction(TOP**2, 4)),
        ([TOP, 0, TOP, 0, TOP, 0], Fraction(TOP**2, 4)),
        ([0, 1], Fraction(1, 4)),
        ([TOP, TOP - 1, TOP], Fraction(2, 9)),
    ],
)
def test_variance_of_a_24_bit_channel(values: list[int], variance: Fraction | int) -> None:
    quarter = "70368735789056.25"  # the greatest variance that there is
    assert Fraction(quarter) == Fraction(TOP**2, 4)
    bounds = ["0", "0.25", "0.23", "1", quarter, "70368735789056.24", "70368735789056.26"]
    for relation in ("<=", ">="):
        circuit = compiled(*(f"variance(a) {relation} {bound}" for bound in bounds))
        log = readings(WIDE, values)
        expected = [
            not values or (variance <= Fraction(b) if relation == "<=" else variance >= Fraction(b))
            for b in bounds
        ]
        assert log.totals(circuit) == tuple(int(holds) for holds in expected)
        check(circuit, log)


@pytest.mark.parametrize(
    "values", [[], [5], [TOP], [0], [0] * 5, [TOP // 2] * 3, [0, TOP], [0, TOP, TOP], [7000, 7001]]
)
def test_capability_of_a_24_bit_channel(values: list[int]) -> None:
    cases = [
        ("a", "0", f"{TOP}", "1"),
        ("a", "0", f"{TOP}", "0.33333"),
        ("a", "8388607", "8388607.5", "0.000001"),
        ("b", "-7", "16770.215", "0.33"),
        ("b", "-0.0005", "0.0015", "1.33"),
        ("a", "-1000000000", "1000000000", "100"),
    ]
    circuit = compiled(
        *(f"cpk({name}, {low}, {high}) >= {index}" for name, low, high, index in cases)
    )
    log = readings(WIDE, values)
    expected = []
    for name, low, high, index in cases:
        scale, offset = (1, 0) if name == "a" else (Fraction(1, 1000), -7)
        sample = [Fraction(value) * scale + offset for value in values]
        expected.append(capable(sample, Fraction(low), Fraction(high), Fraction(index)))
    assert log.totals(circuit) == tuple(int(holds) for holds in expected)
    check(circuit, log)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 30), max_size=12),
    st.sampled_from(["0", "0.25", "1.5", "17", "60"]),
    st.sampled_from([(-2, 13), (0, 3), (-1000, 1000), (2, Fraction(5, 2))]),
    st.sampled_from(["0.05", "0.33", "1", "1.33"]),
    st.booleans(),
)
def test_against_the_statistics_module(
    values: list[int], bound: str, limits: tuple[int, int], index: str, chosen: bool
) -> None:
    low, high = (Fraction(limit) for limit in limits)
    where = ", where=x > 1" if chosen else ""
    circuit = compile_circuit(
        NARROW,
        (
            f"variance(x{where}) <= {bound}",
            f"variance(x{where}) >= {bound}",
            f"cpk(x, {float(low)}, {float(high)}{where}) >= {index}",
        ),
    )
    log = readings(NARROW, values)
    sample = [Fraction(raw, 2) - 2 for raw in values]
    sample = [value for value in sample if value > 1 or not chosen]
    variance = pvariance(sample) if sample else None
    expected = [
        variance is None or variance <= Fraction(bound),
        variance is None or variance >= Fraction(bound),
        capable(sample, low, high, Fraction(index)),
    ]
    assert log.totals(circuit) == tuple(int(holds) for holds in expected)
    check(circuit, log)


def test_spread_of_products_and_steps() -> None:
    formulas = ("variance(a * dt) <= 0", "variance(dt) >= 0.0001", "cpk(dt_ms, 0, 200) >= 0.5")
    circuit = compile_circuit(WIDE, formulas)
    records = np.array([[TOP, 0], [0, 0], [TOP, TOP]], dtype=np.uint64)
    # with a fixed period the epoch's first record has no step before it: 0, 100, 100 ms
    log = sign_log(WIDE, [records])
    steps = [Fraction(0), Fraction(100), Fraction(100)]
    assert capable(steps, Fraction(0), Fraction(200), Fraction("0.5")) == 0
    assert log.totals(circuit) == (0, int(pvariance(steps) / 10**6 >= Fraction("0.0001")), 0)
    check(circuit, log)
    later = sign_log(WIDE, [records], earlier_records=4)
    assert later.totals(circuit) == (0, 0, 1)
    check(circuit, later)


@pytest.mark.parametrize(
    "formula",
    [
        "variance(a * b) <= 1",  # the number itself is too wide
        "variance(a + b) <= 1",
        "variance(a) >= 0.000000000000000000000000000001",
        f"variance(a) <= {'9' * 30}.{'9' * 30}",
        "cpk(a, 0.000000000000000001, 0.000000000000000002) >= 1",
        f"cpk(a, 0, 1) >= {'9' * 30}",
    ],
)
def test_bounds_too_fine_or_too_far_are_refused(formula: str) -> None:
    with pytest.raises(BadInput) as caught:
        compile_circuit(WIDE, (formula,))
    assert caught.value.reason is InputReason.OVERFLOW


@pytest.mark.parametrize("values", [[0, TOP, 5], [9]])
def test_bounds_far_from_any_variance(values: list[int]) -> None:
    far = 10**18
    formulas = (f"variance(a) <= {far}", f"variance(a) >= {far}", "cpk(a, -1000000000000, 0) >= 3")
    circuit = compile_circuit(WIDE, (*formulas, "cpk(a, -1000000000000, 1000000000000) >= 3"))
    log = readings(WIDE, values)
    assert log.totals(circuit) == (1, 0, 0, 1)
    check(circuit, log)
