"""Row roles, computed from signed counts and times alone."""

from __future__ import annotations

from datetime import UTC, datetime, time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.layout import MAXIMUM_LOG2_ROWS, MINIMUM_LOG2_ROWS, Layout, in_time_of_day

RANDOM_ROWS = 148  # of the parameter set `standard`
DAY_MS = 86_400_000
STATE = ("state", "state_before", "state_before 0", "state_after 0", "resume", "state_end")


def described(counts: list[int], per_block: int, state_rows: int = 0) -> list[str]:
    """Row by row in plain words: what the layout must say, the state after included."""
    rows = [f"before {k}" for k in range(state_rows)]
    for count in counts:
        left = count
        while left > 0:
            rows.append(f"data {min(left, per_block)}")
            left -= per_block
        rows.append("closing")
    return rows + [f"after {k}" for k in range(state_rows)]


def chosen(layout: Layout, name: str) -> list[int]:
    rows: list[int] = layout.selector(name).tolist()
    return rows


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=12),
    st.sampled_from([1, 2, 4, 8]),
    st.booleans(),
    st.integers(0, 3),
)
def test_layout_against_a_row_by_row_description(
    counts: list[int], per_block: int, starts: bool, state_rows: int
) -> None:
    layout = Layout.from_counts(counts, per_block, starts, state_rows=state_rows)
    rows = described(counts, per_block, state_rows)

    def where(word: str) -> list[int]:
        return [k for k, what in enumerate(rows) if what.split()[0] == word]

    last = where("closing")[-1]
    assert layout.active_rows == last + 1 == len(rows) - state_rows
    assert layout.records == sum(counts)
    assert layout.closing.tolist() == chosen(layout, "closing") == where("closing")
    partial = {k: int(rows[k].split()[1]) for k in where("data") if rows[k] != f"data {per_block}"}
    assert dict(zip(layout.partial.tolist(), layout.filled.tolist(), strict=True)) == partial
    assert chosen(layout, "opening") == (where("data")[:1] if starts else [])
    assert (chosen(layout, "first"), chosen(layout, "last")) == ([0], [last])
    for slot in range(1, per_block):
        expected = [k for k, filled in partial.items() if filled <= slot]
        assert chosen(layout, f"padding {slot}") == expected
    assert chosen(layout, "state") == where("before") + where("after")
    assert chosen(layout, "state_before") == where("before")
    assert chosen(layout, "resume") == where("before")[-1:]
    assert chosen(layout, "state_end") == where("after")[-1:]
    for k in range(state_rows):
        assert chosen(layout, f"state_before {k}") == [rows.index(f"before {k}")]
        assert chosen(layout, f"state_after {k}") == [rows.index(f"after {k}")]


def test_state_rows_stand_in_front_and_behind() -> None:
    # 2 rows of state, 2 of data and one closing, an empty window's closing row, 2 of state
    layout = Layout.from_counts([5, 0], 4, True, state_rows=2)
    assert (layout.active_rows, layout.state_rows) == (6, 2)
    assert layout.closing.tolist() == [4, 5]
    assert [chosen(layout, name) for name in STATE] == [[0, 1, 6, 7], [0, 1], [0], [6], [1], [7]]
    assert [chosen(layout, f"state_{side} 1") for side in ("before", "after")] == [[1], [7]]
    assert chosen(layout, "opening") == [2]  # the state before is no record
    assert chosen(layout, "first") == [0]  # the first row is the state's


def test_without_state_no_row_is_the_states() -> None:
    layout = Layout.from_counts([5, 0], 4, True)
    assert [chosen(layout, name) for name in STATE] == [[]] * len(STATE)


@pytest.mark.parametrize("name", ["", "padding", "state_middle", "inside 1", "state_before 0 1"])
def test_unknown_selectors(name: str) -> None:
    with pytest.raises(KeyError):
        Layout.from_counts([3], 4, True, [0], 2).selector(name)


# --- times of day ---------------------------------------------------------------------------


def clock(time_ms: int) -> time:
    return datetime.fromtimestamp(time_ms // 1000, UTC).time()


def at(minute: int) -> time:
    return time(minute // 60, minute % 60)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.integers(0, 30_000 * DAY_MS), min_size=1, max_size=8),
    st.integers(0, 1439),
    st.integers(0, 1439),
    st.integers(0, 2),
)
def test_inside_is_what_a_clock_says(
    starts_ms: list[int], start: int, end: int, state_rows: int
) -> None:
    if start == end:
        return
    layout = Layout.from_counts([1] * len(starts_ms), 1, False, starts_ms, state_rows)
    begin, stop = at(start), at(end)
    expected = []
    for row, time_ms in zip(layout.closing.tolist(), starts_ms, strict=True):
        now = clock(time_ms)
        if begin <= now < stop if begin < stop else now >= begin or now < stop:
            expected.append(row)
    assert chosen(layout, f"inside {start} {end}") == expected
    others = chosen(layout, f"inside {end} {start}")
    assert sorted(expected + others) == layout.closing.tolist()  # exactly one of both


def test_inside_over_midnight_at_its_borders() -> None:
    minutes = [1319, 1320, 1439, 0, 359, 360, 720]  # 22:00 is 1320, 06:00 is 360
    starts = [minute * 60_000 for minute in minutes]
    layout = Layout.from_counts([0] * 7, 8, True, starts)
    assert chosen(layout, "inside 1320 360") == [1, 2, 3, 4]
    assert chosen(layout, "inside 360 1320") == [0, 5, 6]
    assert chosen(layout, "inside 0 1439") == [0, 1, 3, 4, 5, 6]
    assert chosen(layout, "inside 1439 0") == [2]
    # the last millisecond of a minute belongs to it, and every day is like the first
    late = [start + 59_999 + 19_000 * DAY_MS for start in starts]
    assert chosen(Layout.from_counts([0] * 7, 8, True, late), "inside 1320 360") == [1, 2, 3, 4]


def test_times_up_to_the_last_one_that_a_checkpoint_can_name() -> None:
    latest = 2**53 - 1
    minute = latest // 60_000 % 1440
    assert in_time_of_day(latest, minute, (minute + 1) % 1440)
    assert not in_time_of_day(latest, (minute + 1) % 1440, minute)


# --- the length of the trace ----------------------------------------------------------------


def test_empty_windows_are_one_closing_row_each() -> None:
    layout = Layout.from_counts([0, 0, 3, 0], 4, True)
    assert layout.closing.tolist() == [0, 1, 3, 4]
    assert layout.opening.tolist() == [2]
    assert Layout.from_counts([0], 8, True).opening.tolist() == []


@pytest.mark.parametrize(
    ("used_rows", "log2_rows"), [(5, 8), (106, 8), (107, 9), (362, 9), (363, 10)]
)
@pytest.mark.parametrize("state_rows", [0, 1, 2])
def test_a_trace_leaves_room_for_random_rows_and_two_between(
    used_rows: int, log2_rows: int, state_rows: int
) -> None:
    layout = Layout.from_counts([0] * (used_rows - 2 * state_rows), 8, False, (), state_rows)
    assert layout.active_rows + state_rows == used_rows
    assert layout.log2_rows(RANDOM_ROWS) == log2_rows


def test_log2_rows_at_the_ends() -> None:
    largest = (1 << MAXIMUM_LOG2_ROWS) - RANDOM_ROWS - 2
    assert Layout.from_counts([largest - 1], 1, False).log2_rows(RANDOM_ROWS) == 20
    assert Layout.from_counts([largest], 1, False).log2_rows(RANDOM_ROWS) == 21
    for state_rows in (1, 3):
        with_state = [
            Layout.from_counts([largest - 2 * state_rows - 1 + more], 1, False, (), state_rows)
            for more in (0, 1)
        ]
        assert [layout.log2_rows(RANDOM_ROWS) for layout in with_state] == [20, 21]
    assert Layout.from_counts([2**32 - 1] * 3, 1, False).log2_rows(RANDOM_ROWS) == 34
    assert Layout.from_counts([0], 8, False).log2_rows(0) == MINIMUM_LOG2_ROWS


def test_layout_of_the_largest_counts_does_not_wrap() -> None:
    layout = Layout.from_counts([2**32 - 1] * 1000, 1, False)
    assert layout.active_rows == 1000 * 2**32
    assert layout.closing.dtype == np.int64


@pytest.mark.parametrize("state_rows", [0, 1, 2, 17])
def test_the_row_after_the_last_used_one_is_never_exempt(state_rows: int) -> None:
    # running totals and the state after end there: were it exempt, its bits could be any field
    # elements, and the last carry into a total whose limbs are private could be chosen
    for random_rows in (114, 148, 216):
        for rows in range(1, 600):
            layout = Layout.from_counts([rows - 1], 1, True, (), state_rows)
            used_rows = layout.active_rows + state_rows
            assert used_rows == rows + 2 * state_rows
            first_exempt = (1 << layout.log2_rows(random_rows)) - random_rows - 1
            assert used_rows < first_exempt
