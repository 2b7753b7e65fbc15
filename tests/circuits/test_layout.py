"""Row roles, computed from signed counts alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.circuit import selector_rows
from circuits.layout import MAXIMUM_LOG2_ROWS, MINIMUM_LOG2_ROWS, Layout

RANDOM_ROWS = 148  # of the parameter set `standard`


def described(counts: list[int], per_block: int) -> list[str]:
    """Row by row in plain words: what the layout must say."""
    rows = []
    for count in counts:
        left = count
        while left > 0:
            rows.append(f"data {min(left, per_block)}")
            left -= per_block
        rows.append("closing")
    return rows


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=12),
    st.sampled_from([1, 2, 4, 8]),
    st.booleans(),
)
def test_layout_against_a_row_by_row_description(
    counts: list[int], per_block: int, starts: bool
) -> None:
    layout = Layout.from_counts(counts, per_block, starts)
    rows = described(counts, per_block)
    assert layout.active_rows == len(rows)
    assert layout.records == sum(counts)
    assert layout.closing.tolist() == [k for k, what in enumerate(rows) if what == "closing"]
    partial = {
        k: int(what.split()[1])
        for k, what in enumerate(rows)
        if what not in ("closing", f"data {per_block}")
    }
    assert dict(zip(layout.partial.tolist(), layout.filled.tolist(), strict=True)) == partial
    first = [k for k, what in enumerate(rows) if what != "closing"][:1]
    assert layout.opening.tolist() == (first if starts else [])
    selectors = selector_rows(layout)
    assert selectors["first"].tolist() == [0]
    assert selectors["last"].tolist() == [len(rows) - 1]
    for slot in range(1, per_block):
        expected = [k for k, filled in partial.items() if filled <= slot]
        assert selectors[f"padding{slot}"].tolist() == expected


def test_empty_windows_are_one_closing_row_each() -> None:
    layout = Layout.from_counts([0, 0, 3, 0], 4, True)
    assert layout.closing.tolist() == [0, 1, 3, 4]
    assert layout.opening.tolist() == [2]
    assert Layout.from_counts([0], 8, True).opening.tolist() == []


@pytest.mark.parametrize(
    ("active_rows", "log2_rows"), [(1, 8), (106, 8), (107, 9), (362, 9), (363, 10)]
)
def test_a_trace_leaves_room_for_random_rows_and_two_between(
    active_rows: int, log2_rows: int
) -> None:
    layout = Layout.from_counts([0] * active_rows, 8, False)
    assert layout.active_rows == active_rows
    assert layout.log2_rows(RANDOM_ROWS) == log2_rows


def test_log2_rows_at_the_ends() -> None:
    largest = (1 << MAXIMUM_LOG2_ROWS) - RANDOM_ROWS - 2
    assert Layout.from_counts([largest - 1], 1, False).log2_rows(RANDOM_ROWS) == 20
    assert Layout.from_counts([largest], 1, False).log2_rows(RANDOM_ROWS) == 21
    assert Layout.from_counts([2**32 - 1] * 3, 1, False).log2_rows(RANDOM_ROWS) == 34
    assert Layout.from_counts([0], 8, False).log2_rows(0) == MINIMUM_LOG2_ROWS


def test_layout_of_the_largest_counts_does_not_wrap() -> None:
    layout = Layout.from_counts([2**32 - 1] * 1000, 1, False)
    assert layout.active_rows == 1000 * 2**32
    assert layout.closing.dtype == np.int64


def test_the_row_after_the_last_active_one_is_never_exempt() -> None:
    # a running total ends on that row: exempt, its bits could be any field elements, and the
    # last carry into a total whose limbs are private could be chosen
    for random_rows in (114, 148, 216):
        for active_rows in range(1, 900):
            layout = Layout.from_counts([active_rows - 1], 1, starts_epoch=True)
            assert layout.active_rows == active_rows
            first_exempt = (1 << layout.log2_rows(random_rows)) - random_rows - 1
            assert active_rows < first_exempt
