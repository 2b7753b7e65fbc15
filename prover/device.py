"""A software device: the Python twin of the sensor's firmware.

Its directory holds the Ed25519 key, the secret from which salts come, and where its log ended. The
state is on disk before a checkpoint leaves, so no two checkpoints ever carry the same epoch and
index with different contents.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from nacl.signing import SigningKey
from numpy.typing import NDArray

from circuits.chain import CHAIN_ELEMENTS, Role, pack_records, window_salt
from circuits.checkpoint import ZERO_CHAIN, Checkpoint, Link, Status, as_chain
from circuits.errors import BadInput, InputReason
from circuits.field import P
from circuits.gadgets.log_hash import ROW_ROLES
from circuits.schema import Schema
from prover.kernels.native import ChainRows, commitments
from prover.kernels.poseidon import chain_rows
from prover.log import ImportedWindow, WindowLog
from verifier.claim import SignedCheckpoint
from verifier.files import (
    PRIVATE_MODE,
    describe,
    make_directory,
    read_file,
    write_atomic,
    write_new_files,
)
from verifier.keys import hex_line, key_files, load_keys, parse_key
from verifier.signatures import public_key, sign_checkpoint

SALT_NAME = "salt.key"
STATE_NAME = "state.json"
LOCK_NAME = "lock"
STATE_FORMAT = 1
_LARGEST_EPOCH = 2**32 - 1


@dataclass(frozen=True)
class DeviceState:
    """Where the log ended: the last epoch's number, final index, end time (ms) and chain value.

    ``epoch`` is -1 before the first one.
    """

    epoch: int = -1
    index: int = 0
    end_ms: int = 0
    chain: tuple[int, ...] = ZERO_CHAIN

    def encode(self) -> bytes:
        """The state file's bytes."""
        document = {"format": STATE_FORMAT, **self.__dict__}
        return json.dumps(document).encode() + b"\n"


@dataclass(frozen=True)
class SignedEpoch:
    """One epoch as the device made it: checkpoints 0..n, its n windows, and the state after it."""

    epoch: int
    checkpoints: tuple[SignedCheckpoint, ...]
    windows: tuple[WindowLog, ...]
    state: DeviceState


class SoftwareDevice:
    """A device whose secrets lie in a directory.

    ``record_epoch`` computes and signs without writing; ``persist`` must come before anything it
    signed leaves.
    """

    def __init__(self, directory: Path, key: SigningKey, secret: bytes, state: DeviceState) -> None:
        self.directory = directory
        self._key = key
        self._secret = secret
        self.state = state

    @property
    def public_key(self) -> bytes:
        """The 32 bytes that the contract names."""
        return public_key(self._key)

    def require_later(self, start_ms: int) -> None:
        """``DEVICE_MISMATCH`` when a log would begin before the device's last end."""
        if self.state.epoch >= 0 and start_ms < self.state.end_ms:
            raise BadInput(
                InputReason.DEVICE_MISMATCH,
                f"{self.directory}: the log begins before the end of what this device has recorded"
                f" (epoch {self.state.epoch})",
            )

    def record_epoch(
        self,
        schema: Schema,
        windows: Sequence[ImportedWindow],
        flags: Status = Status.NONE,
    ) -> SignedEpoch:
        """Commit to the windows of one epoch (at least one, contiguous, in order of time).

        An epoch number is used up only together with a closed, possibly empty, window. ``flags``
        are set from the epoch's opening on.
        """
        if not windows:  # an opening is released together with the first checkpoint after it
            raise BadInput(InputReason.WINDOWS, f"{self.directory}: an epoch without a window")
        epoch = self.state.epoch + 1
        if epoch > _LARGEST_EPOCH:
            raise BadInput(InputReason.DEVICE_MISMATCH, f"{self.directory}: no epochs left")
        self.require_later(windows[0].start_ms)
        opening = self._opening(schema, epoch, windows[0].start_ms, flags)
        logs = tuple(
            WindowLog(window.records, window_salt(self._secret, epoch, index))
            for index, window in enumerate(windows)
        )
        chains = chain_values(opening.chain, schema.width, logs, commitments().rows)
        checkpoints = [opening]
        for window, chain in zip(windows, chains, strict=True):
            last = checkpoints[-1]
            count = len(window.records)
            missed = Status.MISSED if has_missed(schema, window.records) else Status.NONE
            checkpoints.append(
                replace(
                    last,
                    index=last.index + 1,
                    records_in_epoch=last.records_in_epoch + count,
                    records_in_window=count,
                    start_ms=window.start_ms,
                    end_ms=window.end_ms,
                    chain=chain,
                    flags=last.flags | missed,
                    link=None,
                )
            )
        final = checkpoints[-1]
        return SignedEpoch(
            epoch,
            tuple(SignedCheckpoint(c, sign_checkpoint(self._key, c)) for c in checkpoints),
            logs,
            DeviceState(epoch, final.index, final.end_ms, final.chain),
        )

    def persist(self, state: DeviceState) -> None:
        """Put the state on disk (fsync, rename); only then may its checkpoints leave."""
        write_atomic(self.directory / STATE_NAME, state.encode(), mode=PRIVATE_MODE)
        self.state = state

    def _opening(self, schema: Schema, epoch: int, start_ms: int, flags: Status) -> Checkpoint:
        state = self.state
        link = Link() if epoch == 0 else Link(state.epoch, state.index, state.end_ms, state.chain)
        blank = Checkpoint(
            device=self.public_key,
            epoch=epoch,
            index=0,
            records_in_epoch=0,
            records_in_window=0,
            start_ms=start_ms,
            end_ms=start_ms,
            schema=schema.digest(),
            chain=ZERO_CHAIN,
            flags=flags,
            link=link,
        )
        return replace(blank, chain=blank.genesis_chain())


def has_missed(schema: Schema, records: NDArray[np.uint64]) -> bool:
    """Whether a record holds a channel's reserved code: a sample was missed."""
    codes = np.array([channel.maximum_code for channel in schema.channels], dtype=np.uint64)
    return bool((records[:, : len(codes)] == codes).any())


def chain_values(
    start: tuple[int, ...],
    width: int,
    windows: Sequence[WindowLog],
    compute: ChainRows = chain_rows,
) -> list[tuple[int, ...]]:
    """The chain value after each window's closing block, from the chain value before the first."""
    blocks: list[NDArray[np.uint64]] = []
    ends: list[int] = []
    rows = 0
    for window in windows:
        data = pack_records(window.records, width)
        blocks += [data, window.salt.reshape(1, CHAIN_ELEMENTS)]
        rows += len(data) + 1
        ends.append(rows - 1)
    roles = np.full(rows, ROW_ROLES.index(Role.DATA), dtype=np.uint8)
    roles[ends] = ROW_ROLES.index(Role.CLOSING)
    values = compute(
        np.array(start, dtype=np.uint32), np.concatenate(blocks).astype(np.uint32), roles
    )
    return [as_chain(values[end]) for end in ends]


def create_device(directory: Path | str) -> bytes:
    """Make a new software device in ``directory``; returns its public key, never overwrites."""
    key = SigningKey.generate()
    make_directory(directory, mode=0o700)
    write_new_files(
        directory,
        [
            *key_files(key),
            (SALT_NAME, hex_line(os.urandom(32)), PRIVATE_MODE),
            (STATE_NAME, DeviceState().encode(), PRIVATE_MODE),
        ],
    )
    return public_key(key)


def load_device(directory: Path | str) -> SoftwareDevice:
    """Open a software device; ``FILE_MISSING``, ``KEY`` or ``DEVICE_MISMATCH`` when it is unfit."""
    folder = Path(directory)
    key = load_keys(folder)
    salt_path = folder / SALT_NAME
    secret = parse_key(read_file(salt_path).decode("ascii", errors="replace"), str(salt_path))
    return SoftwareDevice(folder, key, secret, _read_state(folder / STATE_NAME))


def _read_state(path: Path) -> DeviceState:
    damaged = BadInput(InputReason.DEVICE_MISMATCH, f"{path}: damaged device state")
    try:
        document = json.loads(read_file(path))
        if document.pop("format") != STATE_FORMAT:
            raise damaged
        chain = tuple(document.pop("chain"))
        state = DeviceState(**document, chain=chain)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise damaged from None
    numbers = (state.epoch, state.index, state.end_ms, *state.chain)
    fine = all(type(n) is int for n in numbers) and len(state.chain) == CHAIN_ELEMENTS
    if not fine or state.epoch < -1 or min(numbers[1:]) < 0 or max(state.chain) >= P:
        raise damaged
    return state


@contextmanager
def locked(directory: Path | str) -> Iterator[None]:
    """Keep other processes from recording with this device meanwhile."""
    path = Path(directory) / LOCK_NAME
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, PRIVATE_MODE)
    except FileNotFoundError:
        raise BadInput(InputReason.FILE_MISSING, f"{directory}: no such device") from None
    except OSError as error:
        raise BadInput(InputReason.WRITE_FAILED, f"{path}: {describe(error)}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(
                InputReason.DEVICE_MISMATCH, f"{directory}: in use by another import"
            ) from None
        yield
    finally:
        os.close(descriptor)
