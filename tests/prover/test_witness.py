"""The filled trace against the reference, whether the log is the signed one or not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from circuits.errors import BadInput, InputReason
from circuits.field import P
from circuits.reference_trace import reference_trace
from prover.log import WindowLog
from prover.witness import fill_trace, wrong_window
from tests.kernel.proofs import PUMP, Made, make

# enough windows to be filled in lockstep, among them an empty one and a long one
COUNTS = [9, 8, 0, 7, 30, *[6] * 16]
RANDOM_ROWS = 148


@pytest.fixture(scope="module")
def pump() -> Made:
    return make(PUMP, ("sum(flow)",), COUNTS)


def changed(made: Made, number: int) -> list[WindowLog]:
    """The log with one reading more in this window."""
    windows = list(made.windows)
    records = windows[number].records.copy()
    records[-1, 0] += 1
    windows[number] = WindowLog(records, windows[number].salt)
    return windows


def check(made: Made, windows: list[WindowLog], wrong: int | None) -> None:
    """The trace is the reference's in every usable row, and says which window is another one."""
    usable = 2**9 - RANDOM_ROWS
    trace = fill_trace(made.circuit, made.statement, windows, 9, RANDOM_ROWS)
    layout = trace.layout
    pairs = [(window.records, window.salt) for window in windows]
    plain = reference_trace(
        made.circuit, made.statement, pairs, padding_rows=usable - layout.active_rows
    )
    assert np.array_equal(trace.columns[:, :usable], plain.columns)
    assert wrong_window(made.statement, trace) == wrong


def test_the_signed_log(pump: Made) -> None:
    check(pump, list(pump.windows), None)


@pytest.mark.parametrize("number", [0, 1, 4, len(COUNTS) - 1])
def test_another_log_flows_on_from_where_it_differs(pump: Made, number: int) -> None:
    check(pump, changed(pump, number), number)


def test_only_the_ends_of_a_claim_bind_its_chain(pump: Made) -> None:
    # a checkpoint between them that says something else changes nothing in the trace
    places = list(pump.statement.checkpoints)
    places[3] = replace(places[3], chain=(P - 1,) * 8)
    statement = replace(pump.statement, checkpoints=tuple(places))
    check(replace(pump, statement=statement), list(pump.windows), 2)


@pytest.mark.parametrize("value", [P, 2**32, 2**63])
def test_what_is_no_element_never_reaches_a_kernel(pump: Made, value: int) -> None:
    salt = np.array([value] * 8, dtype=np.uint64)
    windows = [WindowLog(pump.windows[0].records, salt), *pump.windows[1:]]
    with pytest.raises(BadInput, match="field element") as refusal:
        fill_trace(pump.circuit, pump.statement, windows, 9, RANDOM_ROWS)
    assert refusal.value.reason is InputReason.STORE_CORRUPT
