"""Bytes from a serial line, a pipe or a file, until it ends or somebody asks to stop."""

from __future__ import annotations

import os
import select
import signal
import stat
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType as StackFrame

from circuits.errors import BadInput, InputReason
from verifier.files import describe

DEFAULT_BAUD = 115_200
_CHUNK_BYTES = 1 << 16
_WAIT_SECONDS = 0.2  # until a silent line is given up for a moment: to stop, or to ask again
_OUTPUT_SPEED, _INPUT_SPEED = 5, 4  # places in what tcgetattr gives


class Line:
    """An open line; use ``open_line``."""

    def __init__(self, path: Path, descriptor: int, answers: bool) -> None:
        self._path = path
        self._descriptor = descriptor
        self._answers = answers
        self._stopping = False

    @property
    def answers(self) -> bool:
        """Whether there is somebody on the other side who hears commands."""
        return self._answers

    def stop(self, _number: int = 0, _frame: StackFrame | None = None) -> None:
        """Let ``chunks`` end soon; also a signal handler."""
        self._stopping = True

    def send(self, data: bytes) -> None:
        """Send a short command, where the other side can hear it; a full line drops it."""
        if self._answers:
            try:
                os.write(self._descriptor, data)
            except BlockingIOError:  # nobody reads: waiting would stop the reading here too
                pass
            except OSError as error:
                raise self._gone(error) from None

    def chunks(self) -> Iterator[bytes]:
        """Bytes as they come, none while the line is silent; ``FILE_UNREADABLE`` if it is gone."""
        while not self._stopping:
            if not select.select([self._descriptor], [], [], _WAIT_SECONDS)[0]:
                yield b""
                continue
            try:
                data = os.read(self._descriptor, _CHUNK_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._gone(error) from None
            if not data:
                return
            yield data

    def _gone(self, error: OSError) -> BadInput:
        return BadInput(InputReason.FILE_UNREADABLE, f"{self._path}: {describe(error)}")


@contextmanager
def open_line(path: Path | str, baud: int = DEFAULT_BAUD) -> Iterator[Line]:
    """Open a serial device at 8N1 without flow control, or read a pipe or a file as it is.

    SIGTERM and SIGINT end it in good order meanwhile. ``USAGE`` for a speed that this system does
    not have, ``FILE_MISSING`` or ``FILE_UNREADABLE``.
    """
    speed = getattr(termios, f"B{baud}", None)
    if speed is None:
        raise BadInput(InputReason.USAGE, f"--baud: this system has no {baud} baud")
    place = Path(path)
    try:
        is_device = stat.S_ISCHR(place.stat().st_mode)
        descriptor = os.open(place, (os.O_RDWR if is_device else os.O_RDONLY) | os.O_NOCTTY)
    except FileNotFoundError:
        raise BadInput(InputReason.FILE_MISSING, f"{place}: no such file or device") from None
    except OSError as error:
        raise BadInput(InputReason.FILE_UNREADABLE, f"{place}: {describe(error)}") from None
    try:
        is_terminal = os.isatty(descriptor)
        if is_terminal:
            _configure(place, descriptor, speed)
            os.set_blocking(descriptor, False)
        line = Line(place, descriptor, is_terminal)
        with _stopped_by_signals(line):
            yield line
    finally:
        os.close(descriptor)


def _configure(path: Path, descriptor: int, speed: int) -> None:
    try:
        tty.setraw(descriptor, termios.TCSANOW)
        attributes = termios.tcgetattr(descriptor)
        attributes[_INPUT_SPEED] = attributes[_OUTPUT_SPEED] = speed
        attributes[2] |= termios.CLOCAL | termios.CREAD
        attributes[2] &= ~(termios.CSTOPB | termios.CRTSCTS)
        termios.tcsetattr(descriptor, termios.TCSANOW, attributes)
    except termios.error:
        raise BadInput(InputReason.FILE_UNREADABLE, f"{path}: the line cannot be set up") from None


@contextmanager
def _stopped_by_signals(line: Line) -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, line.stop) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
