"""The CSV importer: exact numbers, every fault named by row and column, no reading echoed."""

from __future__ import annotations

import os
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.errors import BadInput, InputReason
from circuits.schema import MAX_DT_MS, Channel
from prover.importer import MAXIMUM_MISSED, cut_windows, parse_time, read_log
from prover.numbers import CellError, RawCoder
from tests.prover.rig import COLUMN, PUMP, T0_MS, WATER, log_text, steady_log
from verifier.contract import ChannelTerms, Terms, read_template

TERMS = read_template(PUMP.read_text(encoding="utf-8"))
PERIODIC = read_template(
    PUMP.read_text(encoding="utf-8").replace(
        'time = "datetime"', 'time = "datetime"\nperiod_ms = 1000'
    )
)


def read(tmp_path: Path, text: str | bytes, terms: Terms = TERMS) -> np.ndarray:
    path = tmp_path / "log.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_log(path, terms).records


def refused(tmp_path: Path, text: str | bytes, terms: Terms = TERMS) -> BadInput:
    with pytest.raises(BadInput) as caught:
        read(tmp_path, text, terms)
    assert "log.csv" in caught.value.message
    assert "\n" not in caught.value.message
    return caught.value


def coder(scale: str, offset: str, bits: int, rounding: str = "nearest") -> RawCoder:
    return RawCoder(
        ChannelTerms("c", rounding, Channel("c", "V", bits, Fraction(scale), Fraction(offset)))
    )


@settings(deadline=None)
@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-1000, max_value=1000),
    st.sampled_from(["0.001", "0.25", "3", "0.7"]),
    st.sampled_from(["0", "-100", "0.0005", "12.5"]),
)
def test_raw_is_the_nearest_integer_ties_to_even(value: Decimal, scale: str, offset: str) -> None:
    exact = (Fraction(value) - Fraction(offset)) / Fraction(scale)
    expected = round(exact)  # Fraction rounds half to even
    made = coder(scale, offset, 24)
    for text in (str(value), f"{value:f}", f" {value:+f} ", f"{value:e}"):
        if 0 <= expected <= 2**24 - 2:
            assert made.raw(text) == expected
        else:
            with pytest.raises(CellError) as caught:
                made.raw(text)
            assert caught.value.reason is InputReason.CSV_RANGE


def test_ties_agree_with_decimal() -> None:
    made = coder("0.01", "0", 16)
    for thousandths in range(0, 300, 5):
        text = f"{thousandths / 1000:.3f}"
        expected = (Decimal(text) * 100).quantize(Decimal(1), rounding=ROUND_HALF_EVEN)
        assert made.raw(text) == int(expected)


def test_exact_rounding_refuses_what_does_not_fit() -> None:
    made = coder("0.01", "0", 16, "exact")
    assert made.raw("1.230") == 123
    with pytest.raises(CellError) as caught:
        made.raw("1.234")
    assert caught.value.reason is InputReason.CSV_ROUNDING


@pytest.mark.parametrize(
    "cell",
    ["", " ", ".", "-", "nan", "inf", "-Infinity", "1_000", "0x10", "1,5", "1e", "1e9999", "--1",
     "\u0661", "9" * 70, "1 2"],
)  # fmt: skip
def test_what_is_not_a_number(cell: str) -> None:
    with pytest.raises(CellError) as caught:
        coder("1", "0", 8).raw(cell)
    assert caught.value.reason is InputReason.CSV_NUMBER
    assert not cell.strip() or len(cell.strip()) == 1 or cell.strip() not in caught.value.message


def test_the_reserved_code_is_out_of_range() -> None:
    made = coder("1", "0", 8)
    assert made.raw("254") == 254
    for cell in ("255", "256", "-1", "1e300"):
        with pytest.raises(CellError) as caught:
            made.raw(cell)
        assert caught.value.reason is InputReason.CSV_RANGE
        assert "0..254 V" in caught.value.message


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1970-01-01 00:00:00", 0),
        ("1970-01-01T00:00:00.123", 123),
        ("1970-01-01T00:00:00,123000", 123),
        ("1970-01-01T01:00:00+01:00", 0),
        (" 1970-01-01T00:00:01Z ", 1000),
        ("1970-01-01 05:30:00.5+05:30", 500),
        ("2022-03-20T11:00:00+01:00", 1647770400000),
    ],
)
def test_times(text: str, milliseconds: int) -> None:
    assert parse_time(text) == milliseconds


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "1969-12-31 23:59:59", "1970-01-01T00:00:00.1234", "2024-02-30 00:00:00",
     "1970-01-01T00:00:00.000000001", "2024-01-01 25:00:00", "1970-01-01T00:30:00+01:00"],
)  # fmt: skip
def test_what_is_not_a_time(text: str) -> None:
    with pytest.raises(CellError) as caught:
        parse_time(text)
    assert caught.value.reason is InputReason.CSV_TIME


def test_records_keep_readings_and_steps(tmp_path: Path) -> None:
    records = read(tmp_path, log_text([(0, "32"), (1000, "0.0005"), (1000, "1.0015"), (3500, "5")]))
    assert records.tolist() == [[32000, 0], [0, 1000], [1002, 0], [5000, 2500]]
    assert records.dtype == np.uint64


def test_a_byte_order_mark_crlf_quotes_and_blank_ends_are_fine(tmp_path: Path) -> None:
    plain = log_text([(0, "1"), (1000, "2")])
    quoted = plain.replace(COLUMN, f'"{COLUMN}"').replace("\n", "\r\n") + "\r\n\r\n"
    expected = read(tmp_path, plain).tolist()
    assert read(tmp_path, b"\xef\xbb\xbf" + quoted.encode()).tolist() == expected


def test_more_columns_and_another_order_are_fine(tmp_path: Path) -> None:
    text = f"{COLUMN};anomaly;datetime\n1.5;0.0;2024-05-01 12:00:00\n"
    assert read(tmp_path, text).tolist() == [[1500, 0]]


GOOD = [(k * 1000, f"{k}.5") for k in range(5)]


def with_row(number: int, moment: int, flow: str) -> str:
    rows = list(GOOD)
    rows[number - 1] = (moment, flow)
    return log_text(rows)


@pytest.mark.parametrize(
    ("text", "reason", "parts"),
    [
        (with_row(3, 2000, "secret"), InputReason.CSV_NUMBER, ["row 3", repr(COLUMN)]),
        (with_row(3, 2000, ""), InputReason.CSV_NUMBER, ["row 3", repr(COLUMN)]),
        (with_row(4, 3000, "300.123"), InputReason.CSV_RANGE, ["row 4", repr(COLUMN)]),
        (with_row(5, 4000, "-0.001"), InputReason.CSV_RANGE, ["row 5", repr(COLUMN)]),
        (with_row(2, 5000, "1"), InputReason.CSV_TIME_ORDER, ["row 3", "'datetime'"]),
        (with_row(5, 3000 + MAX_DT_MS + 1, "1"), InputReason.CSV_TIME_GAP, ["row 5", "16777215"]),
        (log_text([]), InputReason.CSV_EMPTY, []),
        ("", InputReason.CSV_EMPTY, []),
        ("\n\n", InputReason.CSV_EMPTY, []),
        (log_text(GOOD).replace(COLUMN, "flow"), InputReason.CSV_COLUMN, [COLUMN, "missing"]),
        (log_text(GOOD).replace("Pressure", COLUMN), InputReason.CSV_COLUMN, ["more than once"]),
        (log_text(GOOD, ","), InputReason.CSV_COLUMN, ["';'"]),
        (log_text(GOOD) + "2024-05-01 12:00:06;1\n", InputReason.CSV_COLUMN, ["row 6", "2 cells"]),
        (log_text(GOOD) + "\n2024-05-01 12:00:06;1;2\n", InputReason.CSV_COLUMN, ["row 6"]),
        (log_text(GOOD).replace(":03;", ":0x;"), InputReason.CSV_TIME, ["row 4", "'datetime'"]),
        (log_text(GOOD) + '"open', InputReason.FILE_UNREADABLE, ["row 6"]),
        (log_text(GOOD).encode() + b"\xff;\xff;\xff\n", InputReason.FILE_UNREADABLE, ["UTF-8"]),
        (log_text(GOOD).encode("utf-16"), InputReason.FILE_UNREADABLE, ["UTF-8"]),
    ],
)
def test_faults_are_named(
    tmp_path: Path, text: str | bytes, reason: InputReason, parts: list[str]
) -> None:
    error = refused(tmp_path, text)
    assert error.reason is reason
    for part in parts:
        assert part in error.message
    for reading in ("secret", "300.123", "-0.001"):
        assert reading not in error.message


def test_the_longest_step_is_kept(tmp_path: Path) -> None:
    records = read(tmp_path, log_text([(0, "1"), (MAX_DT_MS, "1")]))
    assert records[1, 1] == MAX_DT_MS


def test_a_fixed_period_holds_exactly(tmp_path: Path) -> None:
    assert read(tmp_path, log_text(GOOD), PERIODIC).shape == (5, 1)
    for text in (with_row(3, 2001, "1"), with_row(5, 5000, "1"), with_row(2, 0, "1")):
        error = refused(tmp_path, text, PERIODIC)
        assert error.reason is InputReason.CSV_TIME_GAP
        assert "not 1000 ms after the row before" in error.message


MAY_MISS = "bits = 18\nmay_miss = true"
GAPS = read_template(
    PUMP.read_text(encoding="utf-8")
    .replace('time = "datetime"', 'time = "datetime"\nperiod_ms = 1000')
    .replace("bits = 18", MAY_MISS)
)
MISSED = 2**18 - 1


def test_periods_that_are_absent_were_missed(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(log_text([(0, "1"), (1000, ""), (4000, "2"), (5000, " "), (6000, "3")]))
    log = read_log(path, GAPS)
    assert log.times_ms.tolist() == [T0_MS + 1000 * k for k in range(7)]
    assert log.records[:, 0].tolist() == [1000, MISSED, MISSED, MISSED, 2000, MISSED, 3000]


@pytest.mark.parametrize("moment", [1000, 1001, 2999, 1])
def test_a_gap_of_part_of_a_period_is_refused(tmp_path: Path, moment: int) -> None:
    text = log_text([(0, "1"), (1000, "1"), (moment + 1000, "2")])
    if moment == 1000:
        assert len(read(tmp_path, text, GAPS)) == 3
        return
    error = refused(tmp_path, text, GAPS)
    assert error.reason is InputReason.CSV_TIME_GAP
    assert "multiple of 1000 ms" in error.message


def test_the_same_moment_twice_is_no_gap(tmp_path: Path) -> None:
    error = refused(tmp_path, log_text([(0, "1"), (0, "2")]), GAPS)
    assert error.reason is InputReason.CSV_TIME_GAP


def test_a_gap_has_an_end(tmp_path: Path) -> None:
    longest = MAXIMUM_MISSED * 1000
    assert len(read(tmp_path, log_text([(0, "1"), (longest, "2")]), GAPS)) == MAXIMUM_MISSED + 1
    error = refused(tmp_path, log_text([(0, "1"), (longest + 1000, "2")]), GAPS)
    assert error.reason is InputReason.CSV_TIME_GAP
    assert "a log of its own" in error.message


def test_one_channel_that_may_not_miss_forbids_gaps(tmp_path: Path) -> None:
    extra = (
        '[[channels]]\nname = "pressure"\ncolumn = "Pressure"\nunit = "bar"\nscale = "0.1"\n'
        'offset = "0"\nbits = 10\nrounding = "nearest"\n'
    )
    text = PUMP.read_text(encoding="utf-8").replace("bits = 18", MAY_MISS) + extra
    strict = read_template(text.replace('time = "datetime"', 'time = "datetime"\nperiod_ms = 1000'))
    error = refused(tmp_path, log_text([(0, "1"), (2000, "2")]), strict)
    assert error.reason is InputReason.CSV_TIME_GAP
    assert "may_miss of every channel" in error.message
    # what the other channel read still counts, with a fixed period or without
    for terms in (strict, read_template(text)):
        records = read(tmp_path, log_text([(0, "1"), (1000, "")]), terms)
        assert records[:, :2].tolist() == [[1000, 1], [MISSED, 1]]
    empty = log_text([(0, "1")]).replace(";0.1;", ";;")
    assert refused(tmp_path, empty, strict).reason is InputReason.CSV_NUMBER


def test_a_reading_never_has_the_reserved_code(tmp_path: Path) -> None:
    for terms in (PERIODIC, GAPS):
        assert read(tmp_path, log_text([(0, "262.142")]), terms).tolist() == [[MISSED - 1]]
        assert refused(tmp_path, log_text([(0, "262.143")]), terms).reason is InputReason.CSV_RANGE


def test_unreadable_files(tmp_path: Path) -> None:
    for path, reason in (
        (tmp_path / "none.csv", InputReason.FILE_MISSING),
        (tmp_path, InputReason.FILE_UNREADABLE),
    ):
        with pytest.raises(BadInput) as caught:
            read_log(path, TERMS)
        assert caught.value.reason is reason


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_mangled_logs_give_records_or_a_reason(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    good = log_text(GOOD).encode()
    at = data.draw(st.integers(0, len(good)))
    width = data.draw(st.integers(0, 10))
    path = tmp_path_factory.getbasetemp() / f"mangled{os.getpid()}.csv"
    path.write_bytes(good[:at] + data.draw(st.binary(max_size=6)) + good[at + width :])
    message = ""
    try:
        read_log(path, TERMS)
    except BadInput as error:
        message = error.message
    assert "\n" not in message


def test_windows_follow_from_the_first_record(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(log_text([(0, "1"), (59_999, "2"), (60_000, "3"), (250_000, "4")]))
    windows = cut_windows(read_log(path, TERMS), 60_000)
    spans = [(w.start_ms - T0_MS, w.end_ms - T0_MS, len(w.records)) for w in windows]
    assert spans == [
        (0, 60_000, 2),
        (60_000, 120_000, 1),
        (120_000, 180_000, 0),
        (180_000, 240_000, 0),
        (240_000, 250_001, 1),
    ]


@given(st.lists(st.integers(0, 200_000), min_size=1, max_size=60), st.integers(1000, 90_000))
@settings(max_examples=40, deadline=None)
def test_windows_tile_the_log(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], window_ms: int
) -> None:
    path = tmp_path_factory.getbasetemp() / f"tiles{os.getpid()}.csv"
    path.write_text(log_text((moment, "1") for moment in np.cumsum(steps).tolist()))
    log = read_log(path, TERMS)
    windows = cut_windows(log, window_ms)
    assert windows[0].start_ms == log.start_ms
    assert windows[-1].end_ms == log.times_ms[-1] + 1
    assert all(a.end_ms == b.start_ms for a, b in pairwise(windows))
    assert all(w.end_ms - w.start_ms == window_ms for w in windows[:-1])
    assert np.array_equal(np.concatenate([w.records for w in windows]), log.records)
    times = iter(log.times_ms.tolist())
    for window in windows:
        for _ in range(len(window.records)):
            assert window.start_ms <= next(times) < window.end_ms


def test_the_water_template_reads_hourly_logs_with_offsets(tmp_path: Path) -> None:
    terms = read_template(WATER.read_text(encoding="utf-8"))
    text = "Time,Water flow [l/s]\n2022-03-20T11:00:00+01:00,100.59\n2022-03-20T12:00:00+01:00,9\n"
    assert read(tmp_path, text, terms).tolist() == [[100590, 0], [9000, 3_600_000]]


def test_progress_reaches_towards_one(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(steady_log(20_000))
    seen: list[float] = []
    read_log(path, TERMS, lambda _step, fraction: seen.append(fraction))
    assert seen == sorted(seen)
    assert 0 < seen[0] < seen[-1] <= 1
