"""The line itself: what happens when nobody is on its other side."""

from __future__ import annotations

import os
import pty
import tty
from collections.abc import Iterator

import pytest

from prover.frames import REPEAT_COMMAND
from prover.serial_line import Line, open_line


@pytest.fixture
def ends() -> Iterator[tuple[Line, int]]:
    """A terminal that is open as a line, and its other side."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    with open_line(os.ttyname(theirs)) as line:
        yield line, ours
    os.close(ours)
    os.close(theirs)


def test_commands_that_nobody_reads_are_dropped(ends: tuple[Line, int]) -> None:
    line, ours = ends
    for _ in range(1 << 16):  # more than any terminal keeps
        line.send(REPEAT_COMMAND)
    os.write(ours, b"frames")
    assert next(line.chunks()) == b"frames"
    assert os.read(ours, len(REPEAT_COMMAND)) == REPEAT_COMMAND


def test_a_silent_line_gives_no_bytes(ends: tuple[Line, int]) -> None:
    line, _ = ends
    chunks = line.chunks()
    assert next(chunks) == b""
    line.stop()
    assert list(chunks) == []
