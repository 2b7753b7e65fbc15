"""The image for a Cortex-M says, byte for byte, what the same device on this computer says."""

from __future__ import annotations

import random
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.firmware.board import SECRET, SEED, T0_MS, Board, Status
from tests.firmware.build import build_image
from tests.firmware.twin import Window, compare_epoch, schema, software_device

MACHINES = {"cortex_m4": "mps2-an386", "cortex_m3": "mps2-an385"}
SAMPLE, CLOSE = 0, 3
FORM = schema(12, 18, 7)
_WORD = 2**64 - 1


def mixed(number: int) -> int:
    """The host port's seeded random source."""
    z = number * 0x9E3779B97F4A7C15 & _WORD
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & _WORD
    z = (z ^ z >> 27) * 0x94D049BB133111EB & _WORD
    return z ^ z >> 31


def draws() -> Iterator[int]:
    """Bytes as the device draws them: three times 32, then 24 for each window."""
    for number, size in enumerate([32] * 3 + [24] * 20, start=1):
        yield from ((mixed(number * 64 + n + 1) >> 32) & 0xFF for n in range(size))


def device_file(board: Board) -> bytes:
    """What ``firmware/ports/cortex_m/main.c`` reads first."""
    config = board.config
    return (
        struct.pack("<B7sI", config.channels, bytes(config.bits), config.period_ms)
        + bytes(config.schema_digest)
        + struct.pack("<I", config.window_ms)
        + bytes(config.operator_key)
        + bytes([config.may_miss])
        + SEED
        + SECRET
        + T0_MS.to_bytes(8, "little")
    )


def play(board: Board) -> tuple[bytes, bytes, list[Window]]:
    """Random samples into the board: entries for the image, bytes on the line, the windows."""
    dice = random.Random(3)
    entries, line = bytearray(), bytearray()

    def drain() -> None:
        while sent := board.next_frame():
            line.extend(sent)
            board.operator.receive(sent)

    assert board.boot() is Status.OK
    drain()
    length = board.config.window_ms
    windows = [Window(T0_MS, T0_MS + length)]
    now_ms = T0_MS
    for _ in range(3000):
        now_ms += dice.randrange(30)
        values = [dice.randrange(channel.maximum_raw + 1) for channel in FORM.channels]
        entries += struct.pack("<BQ3I", SAMPLE, now_ms, *values)
        while now_ms >= windows[-1].end_ms:
            windows.append(Window(windows[-1].end_ms, windows[-1].end_ms + length))
        windows[-1].samples.append((values, now_ms))
        assert board.sample(values, now_ms) is Status.OK
        drain()
    entries += struct.pack("<BQ", CLOSE, now_ms + 1)
    assert board.close(now_ms + 1) is Status.OK
    drain()
    windows[-1].end_ms = now_ms + 1
    return bytes(entries), bytes(line), windows


@pytest.mark.parametrize("core", MACHINES)
def test_image_and_host_say_the_same(core: str, tmp_path: Path) -> None:
    image = build_image(core)
    board = Board(FORM)
    entries, line, windows = play(board)
    compare_epoch(board, software_device(), windows)
    paths = [tmp_path / name for name in ("device", "samples", "flash", "random", "uart")]
    for path, content in zip(
        paths, (device_file(board), entries, None, bytes(draws())), strict=False
    ):
        if content is not None:
            path.write_bytes(content)
    arguments = ",".join(f"arg={word}" for word in ("zkmeter", *paths[:4]))
    done = subprocess.run(
        [
            *("qemu-system-arm", "-M", MACHINES[core], "-display", "none", "-monitor", "none"),
            *("-serial", f"file:{paths[4]}", "-icount", "shift=6,sleep=off", "-kernel", image),
            *("-semihosting-config", f"enable=on,target=native,{arguments}"),
        ],
        timeout=300,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert paths[4].read_bytes() == line
    assert paths[2].read_bytes() == bytes(board.flash)
