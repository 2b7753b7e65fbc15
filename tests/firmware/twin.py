"""The same log from the firmware and from the Python device, to be compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from nacl.signing import SigningKey

from circuits.checkpoint import Status as Flags
from circuits.schema import MAX_DT_MS, Channel, Schema
from prover.device import DeviceState, SoftwareDevice
from prover.log import ImportedWindow
from tests.firmware.board import SECRET, SEED, T0_MS, WINDOW_MS, Board, Status
from tests.firmware.line import SESSION


def schema(*bits: int, period_ms: int | None = None, may_miss: bool = False) -> Schema:
    """A schema with one channel for each number of bits."""
    return Schema(
        tuple(
            Channel(f"c{n}", "unit", b, Fraction(1, 10), Fraction(-3), may_miss)
            for n, b in enumerate(bits)
        ),
        period_ms,
    )


ONE = schema(12)  # one channel and dt_ms


def started(form: Schema = ONE, now_ms: int = T0_MS, window_ms: int = WINDOW_MS) -> Board:
    """A board that runs, its session frame sent."""
    board = Board(form, window_ms=window_ms)
    assert board.boot(now_ms) is Status.OK
    assert board.drain() == [SESSION]
    return board


def software_device() -> SoftwareDevice:
    """A Python device with the board's secrets and no history."""
    return SoftwareDevice(Path("nowhere"), SigningKey(SEED), SECRET, DeviceState())


@dataclass
class Window:
    """One window as both devices get it; ``samples`` hold values and a time."""

    start_ms: int
    end_ms: int
    samples: list[tuple[list[int], int]] = field(default_factory=list)


def imported(form: Schema, windows: list[Window]) -> list[ImportedWindow]:
    """What the Python device records for samples within their ranges."""
    out = []
    last = None
    for window in windows:
        rows = []
        for values, time_ms in window.samples:
            row = list(values)
            if form.has_dt:
                row.append(min(time_ms - last, MAX_DT_MS) if last is not None else 0)
            last = time_ms
            rows.append(row)
        records = np.array(rows, dtype=np.uint64).reshape(-1, form.elements)
        out.append(ImportedWindow(window.start_ms, window.end_ms, records))
    return out


def feed(board: Board, windows: list[Window]) -> None:
    """Give the board one epoch's windows; closes them early where they are shorter."""
    for window in windows:
        for values, time_ms in window.samples:
            assert board.sample(values, time_ms) is Status.OK
            board.drain()
        if window.end_ms - window.start_ms == board.config.window_ms:
            assert board.tick(window.end_ms) is Status.OK
        else:
            assert board.close(window.end_ms) is Status.OK
        board.drain()


def compare_epoch(
    board: Board,
    device: SoftwareDevice,
    windows: list[Window],
    flags: Flags = Flags.NONE,
    opening_flags: Flags = Flags.NONE,
) -> None:
    """Every checkpoint, signature, salt and record of the epoch after ``device.state`` is equal.

    ``flags`` are those at its end.
    """
    signed = device.record_epoch(board.schema, imported(board.schema, windows), opening_flags)
    for expected in signed.checkpoints:
        checkpoint = expected.checkpoint
        got = board.operator.checkpoints[checkpoint.epoch, checkpoint.index]
        assert got == checkpoint.encode() + expected.signature
    for index, log in enumerate(signed.windows):
        window = board.operator.windows[signed.epoch, index]
        assert window.salt == tuple(log.salt)
        assert np.array_equal(window.records(board.schema.elements), log.records)
    device.state = signed.state
    assert board.operator.arrived[-1].flags == flags
