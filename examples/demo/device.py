"""The log through the firmware: an emulated board reads it with its ADC and signs it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from examples.demo.commands import DemoFailed
from examples.demo.source import ROOT, Source
from firmware.tools.emulator import UART_FILE, Board, BoardFailed, close, run, sample
from prover.device import SALT_NAME
from verifier.contract import Terms
from verifier.keys import load_keys

SOFTWARE, QEMU = DEVICES = ("software", "qemu")
CORE = "cortex_m4"
IMAGE = ROOT / "build" / "firmware" / CORE / "zkmeter.elf"


def record_under_qemu(source: Source, terms: Terms, device: Path, folder: Path) -> Path:
    """Let the emulated sensor read the whole log; the file with what came out of its UART.

    Its secrets are those of the device directory that the contract names.
    """
    if not IMAGE.is_file():
        raise DemoFailed(f"{IMAGE}: not built; `make firmware` builds it")
    folder.mkdir()
    board = Board(
        bits=tuple(channel.bits for channel in terms.schema.channels),
        schema_digest=terms.schema.digest(),
        window_ms=terms.window_ms,
        operator_key=terms.parties.operator_encryption or b"",
        seed=bytes(load_keys(device)),
        salt_secret=bytes.fromhex((device / SALT_NAME).read_text("ascii")),
    )
    times, entries = [], []
    for time, flow in source.records():
        times.append(_milliseconds(time))
        entries.append(sample(times[-1], [int(flow / source.step)]))
    entries.append(close(times[-1] + 1))
    try:
        run(CORE, IMAGE, folder, board, times[0], entries)
    except BoardFailed as failed:
        raise DemoFailed(f"the emulated sensor: {failed}") from None
    return folder / UART_FILE


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)
