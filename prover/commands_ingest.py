"""``ingest``: a device's frames into the store; ``device stream``: such frames without hardware."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, cast

import click

from circuits.errors import BadInput, InputReason
from verifier.console import EXIT_NO, Output, leaf, utc_text

if TYPE_CHECKING:
    from io import BufferedReader

    from prover.ingest import Event, Gateway
    from prover.serial_line import Line

STANDARD_OUTPUT = "-"
_CHUNK_BYTES = 1 << 16


def add_ingest(root: click.Group) -> None:
    """Add ``ingest`` to the console script."""

    @leaf(root, "ingest")
    @click.option(
        "--contract", required=True, metavar="C.toml", help="The contract, signed by both parties."
    )
    @click.option("--store", required=True, metavar="DIR", help="The operator's store.")
    @click.option("--keys", required=True, metavar="DIR", help="The operator's key directory.")
    @click.option("--serial", metavar="PATH", help="Read this serial device, pipe or file.")
    @click.option("--baud", type=int, metavar="N", help="The serial device's speed; 115200.")
    @click.option("--stdin", "standard", is_flag=True, help="Read standard input.")
    @click.option(
        "--clock",
        type=click.Choice(["safe", "always", "never"]),
        help="Whether to set the serial device's clock: only where that spoils nothing (safe, the"
        " default), wherever it differs, or never.",
    )
    def ingest(
        output: Output,
        contract: str,
        store: str,
        keys: str,
        serial: str | None,
        baud: int | None,
        standard: bool,
        clock: str | None,
    ) -> int:
        """Keep what a device sends: check, decrypt, store.

        Prints a line (with --json a document) for every window, and one at the end. Stop it with
        SIGTERM or Ctrl-C and start it again at any time; what it read is in the store. Exit status
        1 when a window was lost or a frame refused.

        This computer decides about time: when a session begins and the device's clock is more than
        a second off, the gateway sets it, so keep this computer's clock right. A step of more than
        two seconds is flagged (clock_set) until the device starts again. After the epoch's first
        reading, or where the contract refuses that flag, it is taken with --clock always only.
        """
        from circuits.checkpoint import Status
        from prover.device_clock import DeviceClock
        from prover.ingest import Gateway
        from prover.live_store import open_live_store
        from verifier.contract import load_contract

        for_serial = (baud, clock)
        if (serial is None) != standard or (serial is None and for_serial != (None, None)):
            raise BadInput(
                InputReason.USAGE,
                "give either --serial PATH [--baud N] [--clock WHEN] or --stdin",
            )
        terms = load_contract(contract).require_signed().terms
        secret = _operator_secret(keys, terms.parties.operator_encryption)
        counted: Counter[str] = Counter()
        with ExitStack() as opened:
            kept = opened.enter_context(open_live_store(store, terms))
            line = None if serial is None else opened.enter_context(_open(serial, baud))
            sets_clock = line is not None and line.answers and clock != "never"
            device_clock = DeviceClock(
                secret,
                always=clock == "always",
                flag_refused=bool(terms.refuse_flags & Status.CLOCK_SET),
            )
            gateway = Gateway(terms, secret, kept, device_clock if sets_clock else None)
            for event in _events(gateway, line):
                counted[event.kind] += 1
                if event.kind == "window":
                    counted["records"] += event.records or 0
                output.emit(_document(event), _text(event))
        document = {
            "event": "end",
            "windows": counted["window"],
            "records": counted["records"],
            "lost": counted["lost"],
            "refused": counted["refused"],
            "noise": gateway.noise,
        }
        output.emit(document, _summary(document))
        return EXIT_NO if counted["lost"] or counted["refused"] else 0


def add_device_stream(group: click.Group) -> None:
    """Add ``stream`` to the console script's group ``device``."""

    @leaf(group, "stream")
    @click.argument("log", metavar="LOG.csv")
    @click.option("--contract", required=True, metavar="C.toml", help="The contract.")
    @click.option("--device", required=True, metavar="DIR", help="The software device's directory.")
    @click.option("--out", required=True, metavar="FILE", help="Where to write; - for a pipe.")
    def stream(output: Output, log: str, contract: str, device: str, out: str) -> None:
        """Write the frames that a device would send of a log.

        One stream is one epoch of the software device. Its state is saved before anything is
        written: what is lost on the way is lost for good.
        """
        from prover.twin import record_stream
        from verifier.contract import load_contract
        from verifier.files import PRIVATE_MODE, require_writable, write_atomic

        to_pipe = out == STANDARD_OUTPUT
        if to_pipe and output.as_json:
            raise BadInput(InputReason.USAGE, "--json: standard output already carries the frames")
        if not to_pipe:
            require_writable(out)
        terms = load_contract(contract).terms
        with output.progress("stream") as progress:
            streamed = record_stream(log, terms, device, progress)
        last = streamed.made.checkpoints[-1].checkpoint
        document = {
            "file": out,
            "epoch": last.epoch,
            "windows": last.index,
            "records": last.records_in_epoch,
            "bytes": len(streamed.frames),
        }
        if to_pipe:
            sys.stdout.buffer.write(streamed.frames)
            sys.stdout.buffer.flush()
            return
        write_atomic(out, streamed.frames, mode=PRIVATE_MODE)
        output.emit(
            document,
            f"{out}: epoch {last.epoch}, {last.records_in_epoch} records in {last.index} windows,"
            f" {len(streamed.frames)} bytes",
        )


def _operator_secret(keys: str, named: bytes | None) -> bytes:
    """The X25519 secret; ``KEY`` when the contract names another operator's."""
    from prover.session import x25519_public
    from verifier.keys import load_encryption_key

    secret = load_encryption_key(keys)
    if named is not None and x25519_public(secret) != named:
        raise BadInput(
            InputReason.KEY, f"{keys}: not the key that the contract's operator_encryption names"
        )
    return secret


def _open(serial: str, baud: int | None) -> Any:
    from prover.serial_line import DEFAULT_BAUD, open_line

    return open_line(serial, DEFAULT_BAUD if baud is None else baud)


def _events(gateway: Gateway, line: Line | None) -> Iterator[Event]:
    from prover.frames import REPEAT_COMMAND

    if line is None:
        source = cast("BufferedReader", sys.stdin.buffer)
        while data := source.read1(_CHUNK_BYTES):
            yield from gateway.feed(data)
        return
    line.send(REPEAT_COMMAND)  # the session and the last checkpoints may have gone by already
    for data in line.chunks():
        yield from gateway.feed(data)
        if gateway.take_repeat_wish():
            line.send(REPEAT_COMMAND)
        yield from gateway.clock_events(line.send)


def _document(event: Event) -> dict[str, Any]:
    fields = {
        "event": event.kind,
        "epoch": event.epoch,
        "index": event.index,
        "records": event.records,
        "start": None if event.start_ms is None else utc_text(event.start_ms),
        "end": None if event.end_ms is None else utc_text(event.end_ms),
        "reason": event.reason,
        "message": event.message or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _text(event: Event) -> str:
    place = "" if event.epoch is None else f" epoch {event.epoch}"
    if event.index is not None:
        place += f" {'checkpoint' if event.kind == 'refused' else 'window'} {event.index}"
    text = event.kind + place
    if event.kind in ("window", "lost"):
        text = f"{event.kind}: epoch {event.epoch} window {event.index}"
        if event.records is not None:
            text += f": {event.records} records"
            text += f", {utc_text(event.start_ms or 0)} to {utc_text(event.end_ms or 0)}"
    if event.reason is not None:
        text += f": {event.reason.value}"
    return f"{text}: {event.message}" if event.message else text


def _summary(document: dict[str, Any]) -> str:
    text = f"{document['windows']} windows with {document['records']} records stored"
    for name in ("lost", "refused", "noise"):
        if document[name]:
            text += f", {document[name]} {name}"
    return text
