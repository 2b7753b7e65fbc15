"""What the gateway keeps and tells is bounded, whatever comes over the line."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from nacl.signing import SigningKey

from circuits.errors import InputReason
from prover.database import connection
from prover.frames import CheckpointFrame, DataFrame, FrameType, SessionFrame, encode_frame
from prover.ingest import Event, Gateway
from prover.live_store import LiveStore, open_live_store
from prover.log import WindowLog
from prover.received import read_window
from prover.session import SESSION_TAG
from prover.store import STORE_NAME, VERSION
from tests.prover.gateway_rig import (
    COUNTS,
    WHOLE,
    Sender,
    Sent,
    assert_holds,
    ingest,
    kinds,
    make_again,
    make_gateway_rig,
)
from tests.prover.rig import Rig
from verifier.keys import load_encryption_key
from verifier.signatures import public_key, sign


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return make_gateway_rig(tmp_path)


@pytest.fixture
def sent(rig: Rig) -> Sent:
    return Sender(rig).send(COUNTS)


def told(events: list[Event]) -> list[tuple[str, InputReason | None]]:
    return [(event.kind, event.reason) for event in events]


def test_so_many_strangers_are_told_of(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody can make up keys, and sign with them."""
    monkeypatch.setattr("prover.ingest._MOST_STRANGERS", 3)
    frames = []
    for number in range(5):
        key = SigningKey(bytes([number]) * 32)
        bare = SessionFrame(public_key(key), 0, bytes(32), bytes(32), b"")
        frames.append(replace(bare, signature=sign(key, SESSION_TAG, bare.message)).encode())
    assert told(ingest(rig, frames * 2)) == [("refused", InputReason.DEVICE_MISMATCH)] * 3


def test_so_many_frames_that_nobody_signed_are_told_of(
    rig: Rig, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short one would cost a line of text each; the rest counts as noise."""
    monkeypatch.setattr("prover.ingest._MOST_UNSIGNED", 4)
    session = SessionFrame(bytes(32), 7, bytes(32), bytes(32), bytes(64))
    checkpoint = CheckpointFrame(bytes(140), bytes(64))
    frames = [encode_frame(FrameType.REPEAT, b""), session.encode(), checkpoint.encode()] * 3
    with open_live_store(rig.store, rig.terms) as store:
        gateway = Gateway(rig.terms, load_encryption_key(rig.operator), store)
        events = list(gateway.feed(b"".join(frames)))
        assert told(events) == [("refused", InputReason.FRAME)] * 4
        assert gateway.noise == 5
        assert kinds(gateway.feed(sent.stream)) == WHOLE


@pytest.fixture
def little_room(monkeypatch: pytest.MonkeyPatch) -> int:
    """Bytes that frames may take; about twenty of ``made_up_data``."""
    monkeypatch.setattr("prover.live_store.MAXIMUM_KEPT_BYTES", 20 * 300)
    return 20 * 300


def made_up_data(epoch: int, index: int) -> bytes:
    return DataFrame(epoch, index, 0, bytes(236)).encode()


def kept_bytes(rig: Rig) -> int:
    with connection(rig.store / STORE_NAME, VERSION, "", create=False) as opened:
        (found,) = opened.execute("SELECT sum(length(body) + 64) FROM frames").fetchone()
    return int(found)


def test_frames_that_nobody_can_read_do_not_pile_up(rig: Rig, little_room: int) -> None:
    frames = [made_up_data(9, number) for number in range(100)]
    events = ingest(rig, frames)
    assert told(events) == [("lost", InputReason.WINDOW_INCOMPLETE)] * len(events)
    assert len(events) > 10
    assert events[0].message.startswith(
        "its frames and those of 5 more windows were dropped: more than"
    )
    assert (events[0].epoch, events[0].index) == (9, 0)
    assert kept_bytes(rig) <= little_room
    more = ingest(rig, frames)  # a gateway that starts again counts what is there
    assert len(more) > 10
    assert kept_bytes(rig) <= little_room


def test_the_window_that_grows_is_not_dropped(rig: Rig, sent: Sent, little_room: int) -> None:
    """Made-up frames go in between, more than there is room for."""
    made_up = iter(made_up_data(9, number) for number in range(1000))
    mixed = [part for frame in sent.frames for part in (frame, *islice(made_up, 5))]
    events = ingest(rig, mixed)
    assert [place for place in kinds(events) if place[0] != "lost"] == WHOLE
    assert {event.epoch for event in events if event.kind == "lost"} == {9}
    assert_holds(rig, sent.made)


def test_a_window_that_cannot_be_read_is_not_read_again_for_its_checkpoint(
    rig: Rig, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint is short, and a window may be long; what is new to it counts."""
    reads = []

    def read(*facts: Any) -> WindowLog:
        reads.append(facts)
        return read_window(*facts)

    monkeypatch.setattr("prover.ingest.read_window", read)
    data = sent.frames[sent.of_type(FrameType.DATA)[1]]
    opening, closing = (sent.frames[at] for at in sent.of_type(FrameType.CHECKPOINT)[:2])
    for missing in (data, opening, sent.frames[0]):
        reads.clear()
        rest = sent.stream.replace(missing, b"", 1)
        events = ingest(rig, [rest, closing * 50, missing, closing])
        assert kinds(events).count(("window", 0)) == 1
        assert len(reads) <= 2 * len(COUNTS)
        assert_holds(rig, sent.made)
        make_again(rig)


def test_frames_that_are_replaced_do_not_have_all_counted_each_time(
    rig: Rig, little_room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With hardly any room left to count up to; counting reads every frame."""
    ingest(rig, [made_up_data(9, number) for number in range(20)])
    counts = []
    count = LiveStore._count_kept_bytes

    def counted(store: LiveStore) -> int:
        counts.append(store)
        return count(store)

    monkeypatch.setattr(LiveStore, "_count_kept_bytes", counted)
    ingest(rig, [made_up_data(9, 19)] * 100)
    assert len(counts) <= 2 + 100 * 300 // (little_room // 4)


def test_frames_that_are_replaced_or_read_do_not_count(
    rig: Rig, sent: Sent, little_room: int
) -> None:
    again = [made_up_data(9, 0)] * 50
    assert kinds(ingest(rig, [*again, sent.stream, *again])) == WHOLE
    assert kept_bytes(rig) < little_room
