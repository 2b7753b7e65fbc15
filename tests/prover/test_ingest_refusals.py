"""What the gateway refuses: other keys, devices, channels, records; and contradictions."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from circuits.checkpoint import Status, decode_checkpoint
from circuits.errors import InputReason
from prover.device import SoftwareDevice, load_device
from prover.frames import (
    CheckpointFrame,
    DataFrame,
    FrameReader,
    FrameType,
    SessionFrame,
    WindowFrame,
    encode_frame,
)
from prover.ingest import Event
from prover.recording import record_log
from prover.store import open_store
from prover.twin import TwinSession, checkpoint_frame, epoch_frames
from tests.prover.gateway_rig import (
    COUNTS,
    LATER_MS,
    WHOLE,
    Sender,
    Sent,
    another_operator,
    assert_holds,
    drbg,
    first_message,
    ingest,
    kinds,
    lost,
    made_up_windows,
    make_again,
    make_gateway_rig,
    refuse_claim,
    stopped,
)
from tests.prover.rig import T0_MS, Rig, steady_log
from verifier.claim import SignedCheckpoint
from verifier.signatures import require_checkpoint_signature


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return make_gateway_rig(tmp_path)


@pytest.fixture
def sent(rig: Rig) -> Sent:
    return Sender(rig).send(COUNTS)


def test_a_wrong_operator_key(rig: Rig) -> None:
    sent = Sender(rig, operator=another_operator()).send(COUNTS)
    events = ingest(rig, [sent.stream])
    assert lost(events) == dict.fromkeys(range(4), InputReason.WINDOW_UNREADABLE)
    assert refuse_claim(rig, 0, 3).reason is InputReason.WINDOWS


def rewritten(sent: Sent, place: int, change: Callable[[bytes], bytes]) -> None:
    """Change the message of a data frame; its checksum is right again."""
    message = first_message(sent.frames[place])
    assert isinstance(message, DataFrame)
    sent.frames[place] = replace(message, message=change(message.message)).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m[:-1] + bytes([m[-1] ^ 1]),
        lambda m: bytes([m[0] ^ 1]) + m[1:],
        lambda m: m[:40],
        lambda m: m[:5],
    ],
)
def test_tampered_messages(rig: Rig, sent: Sent, change: Callable[[bytes], bytes]) -> None:
    good = sent.stream
    rewritten(sent, sent.of_type(FrameType.DATA)[1], change)
    events = ingest(rig, [sent.stream])
    assert lost(events) == {0: InputReason.WINDOW_UNREADABLE}
    assert_holds(rig, sent.made, lost=[0])
    assert kinds(ingest(rig, [good])) == [("window", 0)]


def test_messages_in_each_others_place(rig: Rig, sent: Sent) -> None:
    for place, sequence in zip(sent.of_type(FrameType.DATA)[:2], (1, 0), strict=True):
        message = first_message(sent.frames[place])
        assert isinstance(message, DataFrame)
        sent.frames[place] = replace(message, sequence=sequence).encode()
    assert lost(ingest(rig, [sent.stream])) == {0: InputReason.WINDOW_UNREADABLE}


def with_other_records(rig: Rig, sent: Sent, change: Callable[[np.ndarray], np.ndarray]) -> Sent:
    """The signed checkpoints of one log, and the data of another that the device encrypts."""
    windows = tuple(
        replace(window, records=change(window.records.copy())) for window in sent.made.windows
    )
    terms = rig.terms
    operator = terms.parties.operator_encryption
    assert operator is not None
    session = TwinSession.begin(Sender(rig).key, 0, terms.schema, operator, drbg("lie"))
    made = replace(sent.made, windows=windows)
    return Sent(made, list(epoch_frames(session, made, drbg("lie headers"))))


def plus_one(records: np.ndarray) -> np.ndarray:
    records[-1:, 0] += 1
    return records


@pytest.mark.parametrize("change", [plus_one, lambda r: r[:-1], lambda r: np.repeat(r, 2, axis=0)])
def test_records_that_were_not_signed(
    rig: Rig, sent: Sent, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    lie = with_other_records(rig, sent, change)
    found = lost(ingest(rig, [lie.stream]))
    assert found == dict.fromkeys((0, 2, 3), InputReason.WINDOW_MISMATCH)  # window 1 is empty


@pytest.mark.parametrize("place", [0, 1])
def test_records_that_no_formula_could_be_proved_over(rig: Rig, place: int) -> None:
    """The reserved code where the contract lets nothing be missed; a step before the first record.

    Both are signed and lead to the chain value.
    """
    terms = rig.terms
    windows = made_up_windows(terms.schema, (5,))
    windows[0].records[0, place] = (2**18 - 1, 9)[place]
    made = load_device(rig.device).record_epoch(terms.schema, windows)
    operator = terms.parties.operator_encryption
    assert operator is not None
    session = TwinSession.begin(Sender(rig).key, 0, terms.schema, operator, drbg("x"))
    stream = b"".join(epoch_frames(session, made, drbg("y")))
    assert lost(ingest(rig, [stream])) == {0: InputReason.WINDOW_MISMATCH}


def told(events: list[Event]) -> list[tuple[str, InputReason | None]]:
    return [(event.kind, event.reason) for event in events]


def test_a_line_with_another_device_only_stores_nothing(rig: Rig, tmp_path: Path) -> None:
    sender = Sender(make_gateway_rig(tmp_path / "other"))
    other = sender.send((3,))
    for frames in ([other.stream], [other.frames[-1]], other.frames * 2):
        (event,) = ingest(rig, frames)
        assert (event.kind, event.reason) == ("refused", InputReason.DEVICE_MISMATCH)
        assert sender.rig.terms.parties.device.hex() in event.message
    with open_store(rig.store) as store:
        assert store.epochs() == []


def test_what_other_devices_signed_does_not_stop_the_gateway(
    rig: Rig, sent: Sent, tmp_path: Path
) -> None:
    others = [Sender(make_gateway_rig(tmp_path / name)).send((3,)) for name in ("one", "two")]
    signed = [one.frames[place] for one in others for place in (0, -1, -2)]
    for at in range(len(sent.frames), 0, -3):
        sent.frames[at:at] = signed
    events = ingest(rig, [sent.stream])
    assert told(events).count(("refused", InputReason.DEVICE_MISMATCH)) == len(others)
    assert [place for place in kinds(events) if place[0] != "refused"] == WHOLE
    assert_holds(rig, sent.made)


def test_other_channels_do_not_stop_the_gateway(rig: Rig) -> None:
    schema = rig.terms.schema
    wider = replace(schema, channels=(replace(schema.channels[0], bits=20),))
    sender = Sender(rig)
    sent = sender.send((3,), schema=wider, persist=False)
    assert told(ingest(rig, [sent.stream])) == [("refused", InputReason.SCHEMA_MISMATCH)]
    right = sender.send((3,), name="right")
    events = ingest(rig, [sent.frames[0], right.stream])
    assert kinds(events) == [("refused", None), ("session", None), ("window", 0)]


def test_frames_that_nobody_signed_are_refused(rig: Rig, sent: Sent) -> None:
    session = first_message(sent.frames[0])
    assert isinstance(session, SessionFrame)
    opening = first_message(sent.frames[sent.of_type(FrameType.CHECKPOINT)[0]])
    assert isinstance(opening, CheckpointFrame)
    bad = [
        replace(session, epoch=5).encode(),
        replace(session, device=bytes(32)).encode(),
        replace(opening, signature=bytes(64)).encode(),
        replace(opening, encoded=bytes(188)).encode(),
        replace(opening, encoded=opening.encoded[:-1] + b"\x01").encode(),
        WindowFrame(0, 0, b"h" * 24).encode()[:-1] + b"\0",
    ]
    events = ingest(rig, bad)
    assert [(event.kind, event.reason) for event in events] == [("refused", InputReason.FRAME)] * 5
    make_again(rig)
    assert kinds(ingest(rig, [*bad[:5], sent.stream]))[5:] == WHOLE
    assert_holds(rig, sent.made)


@pytest.mark.parametrize(
    "changes",
    [
        {"flags": Status.NONE},
        {"records_in_epoch": 101},
        {"start_ms": T0_MS + 59_999},
        {"end_ms": T0_MS + 120_001},
    ],
)
def test_signed_checkpoints_that_break_the_rules(rig: Rig, changes: dict[str, object]) -> None:
    sender = Sender(rig)
    sent = sender.send((100, 0))
    places = sent.of_type(FrameType.CHECKPOINT)
    first, second = (signed.checkpoint for signed in sent.made.checkpoints[1:])
    if "flags" in changes:
        sent.frames[places[1]] = checkpoint_frame(sender.sign(first, flags=Status.TAMPER))
    sent.frames[places[2]] = checkpoint_frame(sender.sign(second, **changes))
    events = ingest(rig, [sent.stream])
    assert kinds(events) == [("session", None), ("window", 0), ("refused", 2)]
    assert events[-1].reason is InputReason.CHECKPOINT
    assert events[-1].message.startswith("CHECKPOINT_")


@pytest.mark.parametrize("changes", [{"chain": (1,) * 8}, {"end_ms": T0_MS + 5}])
def test_openings_that_break_the_rules(rig: Rig, changes: dict[str, object]) -> None:
    sender = Sender(rig)
    opening = sender.send((1,)).made.checkpoints[0].checkpoint
    (event,) = ingest(rig, [checkpoint_frame(sender.sign(opening, **changes))])
    assert (event.kind, event.reason) == ("refused", InputReason.CHECKPOINT)


def contradiction(rig: Rig, *streams: bytes) -> list[SignedCheckpoint]:
    """Feed until the gateway stops; the two checkpoints of its evidence, signatures checked."""
    error = stopped(lambda: ingest(rig, streams))
    assert error.reason is InputReason.EQUIVOCATION
    (path,) = rig.store.glob("evidence-*.json")
    assert str(path) in error.message
    found = []
    for entry in json.loads(path.read_text())["checkpoints"]:
        checkpoint = decode_checkpoint(bytes.fromhex(entry["encoded"]))
        require_checkpoint_signature(checkpoint, bytes.fromhex(entry["signature"]))
        found.append(SignedCheckpoint(checkpoint, bytes.fromhex(entry["signature"])))
    return found


def test_two_checkpoints_for_one_position_stop_the_gateway(rig: Rig) -> None:
    sender = Sender(rig)
    one = sender.send(COUNTS, persist=False)
    other = sender.send((50, 1), name="copy", start_ms=T0_MS)
    found = contradiction(rig, one.stream, other.stream)
    places = {(s.checkpoint.epoch, s.checkpoint.index) for s in found}
    assert len(places) == 1
    assert found[0].checkpoint != found[1].checkpoint
    assert_holds(rig, one.made)  # what was stored stays as it was


def test_an_epoch_that_continues_an_older_state_stops_the_gateway(rig: Rig) -> None:
    """The device was put back: epoch 1 continues window 1 of epoch 0, which went on to window 3."""
    sender = Sender(rig)
    long = sender.send(COUNTS, persist=False)
    short = sender.send(COUNTS[:2])
    assert short.made.checkpoints == long.made.checkpoints[:3]
    sender.resent = ()
    second = sender.send((4,), LATER_MS, name="second boot")
    found = contradiction(rig, long.stream, second.stream)
    assert [(s.checkpoint.epoch, s.checkpoint.index) for s in found] == [(0, 4), (1, 0)]
    shutil.rmtree(rig.store)
    found = contradiction(rig, short.stream, second.stream, long.stream)
    assert [(s.checkpoint.epoch, s.checkpoint.index) for s in found] == [(0, 3), (1, 0)]


def test_an_interrupted_import_is_settled_first(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    (rig.directory / "log.csv").write_text(steady_log(5))
    monkeypatch.setattr(SoftwareDevice, "persist", stop)
    with pytest.raises(KeyboardInterrupt):
        record_log(rig.directory / "log.csv", rig.terms, rig.store, rig.device)
    monkeypatch.undo()
    assert stopped(lambda: ingest(rig, [])).reason is InputReason.DEVICE_MISMATCH


def hostile(generator: random.Random, frames: list[bytes]) -> bytes:
    """The frames, some dropped, repeated, moved, or changed under a checksum that is right."""
    out = []
    for original in frames:
        frame, chance = original, generator.random()
        if chance < 0.2:
            ((kind, body),) = FrameReader().feed(frame)
            changed = bytearray(body)
            for _ in range(generator.randint(1, 3)):
                at = generator.randrange(min(len(changed), generator.choice((12, 600))))
                changed[at] = generator.choice((0, 1, changed[at] ^ 1, 255))
            cut = generator.choice((0, 0, 0, 1, 20))
            frame = encode_frame(FrameType(kind), bytes(changed[cut:]))
        if chance > 0.1:
            out.append(frame)
        if 0.1 < chance < 0.3:
            out.insert(generator.randrange(len(out)), frame)
    return b"".join(out)


def test_whatever_comes_only_signed_windows_are_stored(rig: Rig) -> None:
    sender = Sender(rig)
    sent = [sender.send((90, 0, 5)), sender.send((7, 2), LATER_MS, name="second boot")]
    frames = [frame for one in sent for frame in one.frames]
    reasons = set()
    stored = 0
    for seed in range(8):
        generator = random.Random(seed)
        for event in ingest(rig, [hostile(generator, frames)]):
            reasons.add(event.reason)
        with open_store(rig.store) as store:
            for entry in store.windows():
                window = sent[entry.epoch].made.windows[entry.index]
                closing = sent[entry.epoch].made.checkpoints[entry.index + 1].checkpoint
                assert entry.checkpoint.endswith(closing.encode()[108:140].hex())
                if not entry.lost:
                    (stored_epoch,) = [e for e in store.epochs() if e.epoch == entry.epoch]
                    (log,) = store.load_windows(stored_epoch, entry.index, entry.index)
                    assert np.array_equal(log.records, window.records)
                    stored += 1
        # the true stream completes whatever hostile bytes left
        ingest(rig, [b"".join(frames)])
        for one in sent:
            assert_holds(rig, one.made)
        make_again(rig)
    assert stored > 8
    assert reasons >= {
        None,
        InputReason.FRAME,
        InputReason.WINDOW_INCOMPLETE,
        InputReason.WINDOW_UNREADABLE,
    }
