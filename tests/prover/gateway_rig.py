"""A site whose operator has an X25519 key, and a device that sends frames, for gateway tests."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from nacl.signing import SigningKey

from circuits.checkpoint import Checkpoint
from circuits.errors import BadInput, InputReason
from circuits.schema import Schema
from prover.claims import plan_claim
from prover.device import SignedEpoch, SoftwareDevice, create_device, load_device
from prover.frames import FrameReader, parse_message
from prover.ingest import Event, Gateway
from prover.live_store import open_live_store
from prover.log import ImportedWindow
from prover.session import x25519_public
from prover.store import open_store
from prover.template import fill_template
from prover.twin import TwinSession, epoch_frames
from tests.prover.rig import PUMP, T0_MS, Rig
from verifier.claim import SignedCheckpoint
from verifier.keys import create_keys, find_encryption_key, load_encryption_key, load_keys
from verifier.signatures import sign_checkpoint

COUNTS = (100, 0, 85, 7)
WHOLE = [("session", None), ("window", 0), ("window", 1), ("window", 2), ("window", 3)]
LATER_MS = T0_MS + 10 * 60_000


def make_gateway_rig(directory: Path, template: str | None = None) -> Rig:
    """Keys, a device and a signed contract that names the operator's key for readings."""
    rig = Rig(directory)
    operator = create_keys(rig.operator, encryption=True)
    parties = (operator, create_keys(rig.supplier), create_device(rig.device))
    text, _ = fill_template(
        template or PUMP.read_text(encoding="utf-8"),
        *parties,
        operator_encryption=find_encryption_key(str(rig.operator)),
    )
    rig.contract.write_text(text, encoding="utf-8")
    rig.sign()
    return rig


def drbg(name: str) -> Callable[[int], bytes]:
    """A random source that gives the same bytes in every run."""
    counter = iter(range(1 << 30))

    def draw(count: int) -> bytes:
        return hashlib.shake_128(f"{name} {next(counter)}".encode()).digest(count)

    return draw


def made_up_windows(
    schema: Schema, counts: Sequence[int], start_ms: int = T0_MS, length_ms: int = 60_000
) -> list[ImportedWindow]:
    """Windows of so many records each; the epoch's first record has no time step."""
    generator = np.random.default_rng(start_ms)
    windows = []
    for number, count in enumerate(counts):
        columns = [
            generator.integers(0, channel.maximum_raw + 1, count, dtype=np.uint64)
            for channel in schema.channels
        ]
        if schema.has_dt:
            columns.append(generator.integers(0, 1000, count, dtype=np.uint64))
        records = np.stack(columns, axis=1)
        if schema.has_dt and count and not sum(counts[:number]):
            records[0, -1] = 0
        begin = start_ms + number * length_ms
        windows.append(ImportedWindow(begin, begin + length_ms, records))
    return windows


@dataclass
class Sent:
    """One epoch as it left the device: frames one by one, and what was signed."""

    made: SignedEpoch
    frames: list[bytes]

    @property
    def stream(self) -> bytes:
        return b"".join(self.frames)

    def of_type(self, kind: int) -> list[int]:
        """Places of the frames of a type."""
        reader = FrameReader()
        kinds = [reader.feed(frame)[0][0] for frame in self.frames]
        return [place for place, found in enumerate(kinds) if found == kind]


@dataclass
class Sender:
    """A device on the line."""

    rig: Rig
    operator: bytes = b""
    resent: tuple[SignedCheckpoint, ...] = field(default_factory=tuple)

    @property
    def key(self) -> SigningKey:
        return load_keys(self.rig.device)

    def send(
        self,
        counts: Sequence[int],
        start_ms: int = T0_MS,
        *,
        name: str = "twin",
        schema: Schema | None = None,
        persist: bool = True,
    ) -> Sent:
        """Boot, record windows of so many records, send them."""
        terms = self.rig.terms
        recorded = schema or terms.schema
        device: SoftwareDevice = load_device(self.rig.device)
        made = device.record_epoch(recorded, made_up_windows(recorded, counts, start_ms))
        operator = self.operator or terms.parties.operator_encryption or b""
        session = TwinSession.begin(self.key, made.epoch, recorded, operator, drbg(name))
        frames = list(epoch_frames(session, made, drbg(f"{name} headers"), self.resent))
        if persist:
            device.persist(made.state)
            self.resent = made.checkpoints[-1:] if len(made.windows) > 1 else made.checkpoints
        return Sent(made, frames)

    def sign(self, checkpoint: Checkpoint, **changes: object) -> SignedCheckpoint:
        """Another checkpoint, signed by the same device."""
        other = replace(checkpoint, **changes)  # type: ignore[arg-type]
        return SignedCheckpoint(other, sign_checkpoint(self.key, other))


def ingest(rig: Rig, chunks: Iterable[bytes], secret: bytes | None = None) -> list[Event]:
    """A gateway process from its start to its end."""
    terms = rig.terms
    key = secret or load_encryption_key(rig.operator)
    with open_live_store(rig.store, terms) as store:
        gateway = Gateway(terms, key, store)
        return [event for chunk in chunks for event in gateway.feed(chunk)]


def kinds(events: Iterable[Event]) -> list[tuple[str, int | None]]:
    return [(event.kind, event.index) for event in events]


def assert_holds(rig: Rig, made: SignedEpoch, lost: Iterable[int] = ()) -> None:
    """The store has exactly this epoch, but for the windows that were lost."""
    missing = set(lost)
    with open_store(rig.store) as store:
        (stored,) = [e for e in store.epochs() if e.epoch == made.epoch]
        assert stored.windows == len(made.windows)
        entries = [e for e in store.windows() if e.epoch == made.epoch]
        assert {e.index for e in entries if e.lost} == missing
        for number, window in enumerate(made.windows):
            if number in missing:
                continue
            (log,) = store.load_windows(stored, number, number)
            assert np.array_equal(log.records, window.records)
            assert np.array_equal(log.salt, window.salt)
            assert entries[number].signed


def first_message(frame: bytes) -> object:
    """What one frame says."""
    return parse_message(*FrameReader().feed(frame)[0])


def another_operator() -> bytes:
    """The X25519 public key of somebody else."""
    return x25519_public(hashlib.sha256(b"somebody else").digest())


def stopped(call: Callable[[], object]) -> BadInput:
    with pytest.raises(BadInput) as caught:
        call()
    assert "\n" not in caught.value.message
    return caught.value


def refuse_claim(rig: Rig, first: int, last: int, epoch: int | None = None) -> BadInput:
    with open_store(rig.store) as store:
        return stopped(lambda: plan_claim(rig.load(), rig.operator_key, store, first, last, epoch))


def lost(events: list[Event]) -> dict[int | None, InputReason | None]:
    return {event.index: event.reason for event in events if event.kind == "lost"}


def make_again(rig: Rig) -> Rig:
    """The same site with an empty store."""
    shutil.rmtree(rig.store)
    return rig
