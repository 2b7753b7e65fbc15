"""What the gateway checks: one window's messages against its checkpoints, links of epochs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuits.chain import CHAIN_ELEMENTS
from circuits.checkpoint import Checkpoint
from circuits.errors import BadInput, InputReason
from circuits.field import P
from circuits.schema import Schema
from prover.device import chain_values
from prover.frames import SessionFrame
from prover.log import WindowLog
from prover.session import TAG_FINAL, TAG_MESSAGE, WindowStream, open_session
from verifier.claim import SignedCheckpoint

ELEMENT_BYTES = 3
SALT_BYTES = 4 * CHAIN_ELEMENTS


@dataclass(frozen=True)
class WindowFacts:
    """What there is to read one window with; ``messages`` by their sequence number."""

    schema: Schema
    secret: bytes
    session: SessionFrame | None
    header: bytes | None
    messages: Mapping[int, bytes]


def read_window(
    facts: WindowFacts, before: SignedCheckpoint | None, closing: Checkpoint
) -> WindowLog:
    """Decrypt a window and verify it against the checkpoints before and after it.

    ``WINDOW_INCOMPLETE`` when something did not come, ``WINDOW_UNREADABLE`` when a message does not
    open or is not what a device writes, ``WINDOW_MISMATCH`` when the records are not the signed
    ones, or not such as the contract's formulas can be proved over.
    """
    if before is None:
        raise _incomplete("the checkpoint before the window")
    if facts.session is None:
        raise _incomplete("the session frame")
    if facts.header is None:
        raise _incomplete("the window frame")
    opening = before.checkpoint
    key = open_session(facts.secret, facts.session)
    stream = WindowStream(key, opening.epoch, opening.index, facts.header)
    log = _parse(_decrypt(stream, facts.messages), facts.schema.elements)
    _check_records(log.records, opening, closing, facts.schema)
    if chain_values(opening.chain, facts.schema.width, [log]) != [closing.chain]:
        raise _mismatch("do not lead to the signed chain value")
    return log


def _decrypt(stream: WindowStream, messages: Mapping[int, bytes]) -> bytes:
    """Records and salt of a whole window; what was kept behind the final message is ignored."""
    plain = bytearray()
    for sequence in range(len(messages) + 1):
        message = messages.get(sequence)
        if message is None:
            raise _incomplete(f"data frame {sequence}")
        opened = stream.open(message)
        if opened is None or opened[1] not in (TAG_MESSAGE, TAG_FINAL):
            raise BadInput(
                InputReason.WINDOW_UNREADABLE,
                f"data frame {sequence} does not open: it was altered, or encrypted to another"
                " operator's key",
            )
        plain += opened[0]
        if opened[1] == TAG_FINAL:
            break
    return bytes(plain)


def _parse(plain: bytes, elements: int) -> WindowLog:
    records, salt = plain[:-SALT_BYTES], plain[-SALT_BYTES:]
    if len(salt) != SALT_BYTES or len(records) % (ELEMENT_BYTES * elements):
        raise BadInput(InputReason.WINDOW_UNREADABLE, "no whole records and a salt")
    parts = np.frombuffer(records, dtype=np.uint8).reshape(-1, ELEMENT_BYTES).astype(np.uint64)
    values = parts[:, 0] | parts[:, 1] << np.uint64(8) | parts[:, 2] << np.uint64(16)
    words = np.frombuffer(salt, dtype="<u4").astype(np.uint64)
    if (words >= P).any():
        raise BadInput(InputReason.WINDOW_UNREADABLE, "the salt is not canonical")
    return WindowLog(values.reshape(-1, elements), words)


def _check_records(
    records: NDArray[np.uint64], opening: Checkpoint, closing: Checkpoint, schema: Schema
) -> None:
    if len(records) != closing.records_in_window:
        raise _mismatch("are not as many as the checkpoint says")
    for place, channel in enumerate(schema.channels):
        limit = channel.maximum_code if channel.may_miss else channel.maximum_raw
        if (records[:, place] > limit).any():
            raise _mismatch(f"hold a code that channel {channel.name!r} does not have")
    if schema.has_dt and opening.records_in_epoch == 0 and records[:1, -1].any():
        raise _mismatch("begin the epoch with a time step")


def link_holds(opening: Checkpoint, ended: Checkpoint) -> bool:
    """Whether an opening may follow a checkpoint of the epoch before it.

    It must name that checkpoint, or a later one of the same epoch.
    """
    link = opening.link
    if link is None or link.index < ended.index:
        return False
    named = (link.index, link.end_ms, link.chain)
    return link.index > ended.index or named == (ended.index, ended.end_ms, ended.chain)


def _incomplete(what: str) -> BadInput:
    return BadInput(InputReason.WINDOW_INCOMPLETE, f"{what} did not come")


def _mismatch(what: str) -> BadInput:
    return BadInput(InputReason.WINDOW_MISMATCH, f"the records {what}")
