"""A Python twin of what the sensor's firmware sends: the frames of one epoch, byte for byte.

The log itself (chain, salts, checkpoints) comes from ``prover.device``; here is the way out: a
session, then per window its stream of encrypted records and its checkpoint. For tests of the
gateway, and for trying it without hardware.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nacl.signing import SigningKey

from circuits.errors import BadInput, InputReason
from circuits.schema import Schema
from prover.device import SignedEpoch, load_device, locked
from prover.frames import CheckpointFrame, DataFrame, SessionFrame, WindowFrame
from prover.importer import Progress, cut_windows, read_log
from prover.log import WindowLog
from prover.session import (
    HEADER_BYTES,
    KEY_BYTES,
    SESSION_TAG,
    WindowStream,
    session_key,
    shared_key,
    x25519_public,
)
from verifier.claim import SignedCheckpoint
from verifier.contract import Terms
from verifier.keys import load_keys
from verifier.signatures import public_key, sign

MAXIMUM_RECORD_BYTES = 480  # in one message of 512 bytes, so that the salt always fits behind
ELEMENT_BYTES = 3
_SESSION_DRAWS = 3  # two test the random source, the third is the secret

Random = Callable[[int], bytes]


@dataclass(frozen=True)
class TwinSession:
    """One boot of a device: its signed session frame and the key that follows from it."""

    frame: SessionFrame
    key: bytes

    @classmethod
    def begin(
        cls, device: SigningKey, epoch: int, schema: Schema, operator: bytes, random: Random
    ) -> TwinSession:
        """Agree on a key with the operator's X25519 key; ``KEY`` where that one is no good."""
        secret = [random(KEY_BYTES) for _ in range(_SESSION_DRAWS)][-1]
        ephemeral = x25519_public(secret)
        shared = shared_key(secret, operator)
        if shared is None:
            raise BadInput(InputReason.KEY, "operator_encryption: a key of small order")
        bare = SessionFrame(public_key(device), epoch, ephemeral, schema.digest(), b"")
        signature = sign(device, SESSION_TAG, bare.message)
        frame = SessionFrame(bare.device, epoch, ephemeral, bare.schema, signature)
        return cls(frame, session_key(shared, ephemeral, operator))


def checkpoint_frame(signed: SignedCheckpoint) -> bytes:
    """The frame of one signed checkpoint."""
    return CheckpointFrame(signed.checkpoint.encode(), signed.signature).encode()


def window_frames(
    session: TwinSession, index: int, window: WindowLog, random: Random
) -> Iterator[bytes]:
    """The window frame and the data frames of window ``index``.

    A message leaves when the next record has no room in it; the last one takes what is left and the
    salt.
    """
    epoch, header = session.frame.epoch, random(HEADER_BYTES)
    yield WindowFrame(epoch, index, header).encode()
    stream = WindowStream(session.key, epoch, index, header)
    plain = _element_bytes(window)
    elements = window.records.shape[1]
    step = MAXIMUM_RECORD_BYTES // (ELEMENT_BYTES * elements) * ELEMENT_BYTES * elements
    full = max(len(plain) - 1, 0) // step
    for sequence in range(full):
        message = stream.seal(plain[sequence * step : (sequence + 1) * step], final=False)
        yield DataFrame(epoch, index, sequence, message).encode()
    last = plain[full * step :] + window.salt.astype("<u4").tobytes()
    yield DataFrame(epoch, index, full, stream.seal(last, final=True)).encode()


def epoch_frames(
    session: TwinSession,
    made: SignedEpoch,
    random: Random,
    resent: Sequence[SignedCheckpoint] = (),
) -> Iterator[bytes]:
    """Everything that a device sends from a boot on.

    ``resent`` are the journal's checkpoints of the epoch before, which a device sends again.
    """
    yield session.frame.encode()
    for signed in resent:
        yield checkpoint_frame(signed)
    for index, window in enumerate(made.windows):
        yield from window_frames(session, index, window, random)
        if index == 0:  # an opening leaves together with the checkpoint after it
            yield checkpoint_frame(made.checkpoints[0])
        yield checkpoint_frame(made.checkpoints[index + 1])


@dataclass(frozen=True)
class StreamedEpoch:
    """What ``record_stream`` recorded: the signed epoch and its frames."""

    made: SignedEpoch
    frames: bytes


def record_stream(
    log: Path | str,
    terms: Terms,
    device_directory: Path | str,
    progress: Progress | None = None,
    random: Random = os.urandom,
) -> StreamedEpoch:
    """Let a software device record a CSV log as one epoch and send it as frames.

    The device's state is on disk before the frames are returned. ``CONTRACT_FIELD`` where the
    contract names no X25519 key of the operator's; otherwise as ``record_log``.
    """
    operator = terms.parties.operator_encryption
    if operator is None:
        raise BadInput(
            InputReason.CONTRACT_FIELD,
            f"contract {terms.name!r} names no parties.operator_encryption to send readings to",
        )
    with locked(device_directory):
        device = load_device(device_directory)
        if device.public_key != terms.parties.device:
            raise BadInput(
                InputReason.DEVICE_MISMATCH,
                f"{device_directory}: not the device that contract {terms.name!r} names",
            )
        imported = read_log(log, terms, progress)
        made = device.record_epoch(terms.schema, cut_windows(imported, terms.window_ms))
        key = load_keys(device_directory)
        session = TwinSession.begin(key, made.epoch, terms.schema, operator, random)
        frames = b"".join(epoch_frames(session, made, random))
        device.persist(made.state)
    return StreamedEpoch(made, frames)


def _element_bytes(window: WindowLog) -> bytes:
    """Every element of every record in three little-endian bytes."""
    words = np.ascontiguousarray(window.records, dtype="<u4").view(np.uint8)
    return words.reshape(-1, 4)[:, :ELEMENT_BYTES].tobytes()
