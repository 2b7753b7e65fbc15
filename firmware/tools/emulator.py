"""Runs the sensor under QEMU: what a board has as hardware are files here.

``ports/cortex_m/main.c`` says what they hold. A second run in the same folder is the same board
after a restart: its flash pages stay in ``flash.bin``. Frames from the UART are in ``uart.bin``.
"""

from __future__ import annotations

import re
import struct
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MACHINES = {"cortex_m4": "mps2-an386", "cortex_m3": "mps2-an385"}
SECONDS = 300
_DEVICE = struct.Struct("<B7sI32sI32sB32s32sQ")
_ENTRY = struct.Struct("<BQ")
_SAMPLE, _MISSED, _TICK, _CLOSE = range(4)
_DEVICE_FILE, SAMPLES_FILE, FLASH_FILE = "device.bin", "samples.bin", "flash.bin"
_SYSTEM_RANDOM = "/dev/urandom"
RANDOM_FILE, UART_FILE = "random.bin", "uart.bin"
_STACK = re.compile(r"^stack (\d+)$", re.MULTILINE)


class BoardFailed(Exception):
    """The emulator did not end with exit status 0; one line."""


@dataclass(frozen=True)
class Board:
    """What is built into one sensor: keys of 32 bytes each, and what the contract says of the log.

    ``period_ms`` 0: records carry dt_ms. ``operator_key`` is the operator's X25519 key.
    """

    bits: tuple[int, ...]
    schema_digest: bytes
    window_ms: int
    operator_key: bytes
    seed: bytes
    salt_secret: bytes
    period_ms: int = 0
    may_miss: bool = False

    def encode(self, now_ms: int) -> bytes:
        """The file that the emulated board reads at boot, with its clock."""
        return _DEVICE.pack(
            len(self.bits),
            bytes(self.bits),
            self.period_ms,
            self.schema_digest,
            self.window_ms,
            self.operator_key,
            self.may_miss,
            self.seed,
            self.salt_secret,
            now_ms,
        )


def sample(time_ms: int, values: Iterable[int]) -> bytes:
    """What the ADC delivers at a time: one value of 32 bits per channel."""
    return _ENTRY.pack(_SAMPLE, time_ms) + b"".join(struct.pack("<I", value) for value in values)


def missed(time_ms: int) -> bytes:
    """The ADC delivered nothing at a time at which it had to."""
    return _ENTRY.pack(_MISSED, time_ms)


def tick(time_ms: int) -> bytes:
    """The application's timer: windows that ended are closed."""
    return _ENTRY.pack(_TICK, time_ms)


def close(time_ms: int) -> bytes:
    """The application closes the window early."""
    return _ENTRY.pack(_CLOSE, time_ms)


@dataclass(frozen=True)
class Run:
    """What came of one run: the bytes from the UART, and how much stack was ever used."""

    frames: bytes
    stack_bytes: int


def run(
    core: str,
    image: Path,
    folder: Path,
    board: Board,
    now_ms: int,
    entries: Iterable[bytes],
    *,
    random: bytes | None = None,
) -> Run:
    """Switch the board on at ``now_ms``, play the entries, switch it off.

    ``random`` is what its random source gives, for tests that need the same bytes again; without it
    the system's. Raises ``BoardFailed``.
    """
    (folder / SAMPLES_FILE).write_bytes(b"".join(entries))
    if random is not None:
        (folder / RANDOM_FILE).write_bytes(random)
    words = command(core, image, f"file:{UART_FILE}", random=random is not None)
    with secrets(board, folder, now_ms):
        try:
            done = subprocess.run(
                words, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise BoardFailed(f"{core}: not done after {SECONDS} s") from None
    stack = _STACK.search(done.stderr)
    if done.returncode != 0 or stack is None:
        raise BoardFailed(f"{core}: exit status {done.returncode}: {done.stderr.strip()}")
    return Run((folder / UART_FILE).read_bytes(), int(stack[1]))


@contextmanager
def secrets(board: Board, folder: Path, now_ms: int) -> Iterator[None]:
    """The file with the sensor's keys, there only while the block runs."""
    path = folder / _DEVICE_FILE
    path.touch(mode=0o600)
    path.write_bytes(board.encode(now_ms))
    try:
        yield
    finally:
        path.unlink()


def command(core: str, image: Path, serial: str, *, random: bool = False) -> list[str]:
    """QEMU's command line, to be run in the board's folder; ``serial`` is what UART 0 is wired to.

    ``random``: the random source is a file.
    """
    source = RANDOM_FILE if random else _SYSTEM_RANDOM
    arguments = ("zkmeter", _DEVICE_FILE, SAMPLES_FILE, FLASH_FILE, source)
    given = ",".join(f"arg={word}" for word in arguments)
    return [
        *("qemu-system-arm", "-M", MACHINES[core], "-display", "none", "-monitor", "none"),
        *("-serial", serial, "-icount", "shift=6,sleep=off"),
        *("-semihosting-config", f"enable=on,target=native,{given}", "-kernel", str(image)),
    ]
