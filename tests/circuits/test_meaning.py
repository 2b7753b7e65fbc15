"""What formulas mean, worked out by hand or another way: no circuit is involved."""

from __future__ import annotations

import statistics
from fractions import Fraction
from math import floor

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.records import Records
from circuits.schema import Schema
from tests.circuits.meanings import FLOWS, HOUR, PLAIN, check, flows, log, value

# --- time of day ----------------------------------------------------------------------------


def test_time_of_day_goes_by_the_start_of_the_window() -> None:
    # a record two hours into its window still counts as of 5 o'clock
    night = log([[[1, 0, 0]], [[2, 0, 2 * HOUR]], [[4, 0, 0]], [[8, 0, 0]]], hour=4)
    check(
        {
            "sum(flow, where=time_of_day('05:00', '06:00'))": 2,
            "sum(flow, where=time_of_day('05:00', '07:00'))": 6,
            "sum(flow, where=time_of_day('06:00', '05:00'))": 13,
            "sum(flow, where=time_of_day('06:01', '05:01'))": 11,
            "sum(flow, where=time_of_day('07:00', '08:00', '+02:00'))": 2,
            "count(time_of_day('05:00', '06:00'))": 1,
        },
        night,
    )


def test_tariffs_over_midnight_and_with_an_offset() -> None:
    # windows from 20:00 UTC on, one an hour, with flow 1, 2, 4, 8, 8
    hours = log([[[flow, 0, 0]] for flow in (1, 2, 4, 8, 8)], hour=20)
    cheap = "'00:00 0.21, 06:00 0.34, 22:00 0.21'"
    check(
        {
            f"tariff(flow, {cheap})": "5.22",  # 3 * 0.34 + 20 * 0.21
            f"tariff(flow, {cheap}, '+01:00')": "4.96",  # from 21:00 UTC on it is cheap
            f"tariff(flow, {cheap}, '-02:00')": "6.78",  # until 24:00 UTC it is dear
            f"tariff(flow, {cheap}, where=flow > 1) / 2": "2.44",
            "tariff(flow, '00:00 3, 20:00 0, 21:00 1, 23:00 0')": 30,
            "tariff(flow, '00:00 2')": 46,
            f"tariff(flow, {cheap}) <= 5.22": 1,
            f"tariff(flow, {cheap}) < 5.22": 0,
        },
        hours,
    )


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(["0", "0.5", "1", "7"]), min_size=1, max_size=24), st.data())
def test_every_window_has_exactly_one_price(prices: list[str], data: st.DataObject) -> None:
    if set(prices) == {"0"}:
        prices = ["1"]
    offset = data.draw(st.integers(-14, 14))
    hour = data.draw(st.integers(0, 10**5))
    entries = ", ".join(f"{k:02d}:00 {price}" for k, price in enumerate(prices))
    formula = f"tariff(flow, '{entries}', '{offset:+03d}:00')"
    local = (hour + offset) % 24
    expected = Fraction(prices[min(local, len(prices) - 1)])
    assert value(formula, log([[[1, 0, 0]]], hour=hour)) == expected


# --- numbers of a claim ---------------------------------------------------------------------


def test_least_greatest_first_and_last() -> None:
    # p = -1.5, 3, 0.5
    records = log([[[3, 1, 0]], [], [[9, 10, 500], [5, 5, 500]]])
    check(
        {
            "min(p)": "-1.5",
            "max(p)": 3,
            "max(p) - min(p)": "4.5",
            "min(p, where=flow > 3)": "0.5",
            "first(p)": "-1.5",
            "last(p)": "0.5",
            "first(p, where=flow > 3)": 3,
            "last(p, where=flow > 8)": 3,
            "2 * last(flow) - first(flow) >= 7": 1,
            "max(p) + sum(flow) > 20": 0,
        },
        records,
    )
    check(
        {"max(p)": -2, "min(p)": "5.5", "first(p)": -2, "last(flow)": 0, "max(p) >= -1": 0},
        log([[]]),
    )
    check({"min(p, where=flow > 14)": "5.5", "max(p, where=flow > 14)": -2}, records)


def test_windows_are_judged_one_by_one() -> None:
    records = log([[[3, 1, 0], [9, 9, 1000]], [], [[9, 10, 3000]], [[1, 1, 500]]], hour=3)
    check(
        {
            "windows(all(flow >= 9))": 2,
            "windows(any(flow >= 9))": 2,
            "windows(sum(dt, where=flow >= 4) >= 1)": 2,
            "windows(count() <= 0)": 1,
            "windows(mean(flow) <= 6)": 3,
            "windows(percentile(flow, 50) <= 3)": 3,
            "windows(variance(flow) >= 9)": 2,
            "windows(ratio(sum(flow), count()) >= 9)": 2,
            "windows(floor(sum(flow) / 4) >= 3)": 1,
            "windows(any(time_of_day('05:00', '07:00')))": 2,
            "windows(all(flow > 1)) * 2 + sum(flow)": 28,
            "windows(all(flow > 1)) >= 4": 0,
            # switched off across a border between windows: conditions know the whole claim
            "windows(all(falling(flow > 8)))": 2,
            "windows(any(held(flow > 2, 3)))": 1,
        },
        records,
    )


def test_floor() -> None:
    records = flows(3, 4, 6)
    check(
        {
            "floor(sum(flow) / 2)": 6,
            "floor(sum(flow) / 2 + 0.5)": 7,
            "floor(-sum(flow) / 2)": -7,
            "floor(max(p))": 1,
            "floor(sum(flow) / 2) >= 6.5": 0,
            "floor(sum(flow) / 2) >= 6": 1,
            "floor(sum(flow) / 2) > 5.5": 1,
            "floor(sum(flow) / 2) > 6": 0,
            "floor(sum(flow) / 2) <= 6": 1,
            "floor(sum(flow) / 2) <= 5.9": 0,
            "floor(sum(flow) / 2) < 6.5": 1,
            "floor(sum(flow) / 2) < 6": 0,
        },
        records,
    )


@given(FLOWS, st.sampled_from([">=", ">", "<=", "<"]), st.integers(-9, 99))
def test_a_compared_floor_means_the_comparison(
    values: list[int], relation: str, tenths: int
) -> None:
    exact = floor(Fraction(sum(values) - 5, 7))
    bound = Fraction(tenths, 10)
    wanted = {
        ">=": exact >= bound,
        ">": exact > bound,
        "<=": exact <= bound,
        "<": exact < bound,
    }
    formula = f"floor((sum(flow) - 5) / 7) {relation} {tenths / 10}"
    assert value(formula, flows(*values)) == int(wanted[relation])


# --- spread ---------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 14), min_size=1, max_size=9), st.integers(0, 60))
def test_spread_against_textbook_fractions(values: list[int], bound: int) -> None:
    readings = [Fraction(raw, 2) - 2 for raw in values]
    variance, mean = statistics.pvariance(readings), statistics.mean(readings)
    nearest, index = min(mean + 2, 4 - mean), Fraction(bound + 1, 10)
    capable = nearest >= 0 and (variance == 0 or nearest**2 / variance >= (3 * index) ** 2)
    check(
        {
            f"variance(p) <= {bound}": int(variance <= bound),
            f"variance(p) >= {bound}": int(variance >= bound),
            f"variance(2 * p + 1) >= {bound}": int(4 * variance >= bound),
            f"variance(p) <= {floor(variance)}": int(variance.denominator == 1),
            f"cpk(p, -2, 4) >= {float(index)}": int(capable),
        },
        flows(*values),
    )


def test_capability_by_hand() -> None:
    # mean 3, variance 2/3: (3 - 0)^2 = 9 against 9 q^2 * 2/3
    records = flows(2, 3, 4, 14)
    check(
        {
            "cpk(flow, 0, 7, where=flow < 9) >= 1.22": 1,
            "cpk(flow, 0, 7, where=flow < 9) >= 1.23": 0,
            "cpk(flow, 0, 5, where=flow < 9) >= 0.82": 0,
            "cpk(flow, 0, 5, where=flow < 9) >= 0.81": 1,
            "cpk(flow, 4, 5, where=flow < 9) >= 0.01": 0,  # the mean lies outside
            "cpk(flow, 0, 5, where=flow > 99) >= 9": 1,  # no record: 0 >= 0
            "cpk(flow, 2, 4, where=flow == 4) >= 9": 1,
            "variance(flow, where=flow < 9) <= 0.67": 1,
            "variance(flow, where=flow < 9) <= 0.66": 0,
            "variance(flow, where=flow > 99) >= 9": 1,
        },
        records,
    )


def test_a_fixed_period_counts_from_the_second_record_of_an_epoch() -> None:
    periodic = Schema(PLAIN.channels[:1], 100)
    rows = np.array([[1], [2], [4]], dtype=np.uint64)
    for starts_epoch, expected in ((True, 600), (False, 700)):
        records = Records(rows, (0, 3), (0, HOUR), starts_epoch)
        assert value("sum(flow * dt_ms)", records, periodic) == expected
        assert value("windows(sum(flow * dt_ms) >= 700)", records, periodic) == (not starts_epoch)
