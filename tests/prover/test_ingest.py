"""The gateway: what arrives whole is stored, in any pieces and order; what does not is named."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from circuits.errors import InputReason, Rejected
from prover.claims import claim_windows, plan_claim
from prover.frames import FrameType, StatusFrame
from prover.ingest import Event, Gateway
from prover.live_store import LiveStore, open_live_store
from prover.log import WindowLog
from prover.received import read_window
from prover.recording import record_log
from prover.store import open_store
from prover.twin import record_stream
from tests.prover.gateway_rig import (
    COUNTS,
    LATER_MS,
    WHOLE,
    Sender,
    Sent,
    assert_holds,
    ingest,
    kinds,
    lost,
    make_again,
    make_gateway_rig,
    refuse_claim,
)
from tests.prover.rig import T0_MS, Rig, steady_log
from verifier.claim import check_claim
from verifier.keys import load_encryption_key


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return make_gateway_rig(tmp_path)


@pytest.fixture
def sent(rig: Rig) -> Sent:
    return Sender(rig).send(COUNTS)


@pytest.mark.parametrize("longest", [1, 2, 13, 500, 10**6])
def test_any_chunking(rig: Rig, sent: Sent, longest: int) -> None:
    generator = random.Random(longest)
    chunks, at = [], 0
    while at < len(sent.stream):
        size = generator.randint(1, longest)
        chunks.append(sent.stream[at : at + size])
        at += size
    assert kinds(ingest(rig, chunks)) == WHOLE
    assert_holds(rig, sent.made)


def test_noise_between_frames_changes_nothing(rig: Rig, sent: Sent) -> None:
    generator = random.Random(5)
    noisy = b"".join(
        generator.randbytes(generator.randrange(0, 900)) + b"\0" + frame for frame in sent.frames
    )
    with open_live_store(rig.store, rig.terms) as store:
        gateway = Gateway(rig.terms, load_encryption_key(rig.operator), store)
        assert kinds(list(gateway.feed(noisy))) == WHOLE
        assert gateway.noise > len(sent.frames)
    assert_holds(rig, sent.made)


def test_everything_twice_changes_nothing(rig: Rig, sent: Sent) -> None:
    assert kinds(ingest(rig, [sent.stream])) == WHOLE
    assert ingest(rig, [sent.stream]) == []
    doubled = make_again(rig)
    assert kinds(ingest(rig, [frame * 2 for frame in sent.frames])) == WHOLE
    assert_holds(doubled, sent.made)


def test_a_restart_between_any_two_frames_loses_nothing(rig: Rig, sent: Sent) -> None:
    for cut in range(len(sent.frames) + 1):
        events = ingest(rig, sent.frames[:cut]) + ingest(rig, sent.frames[cut:])
        assert kinds(events) == WHOLE
        assert_holds(rig, sent.made)
        make_again(rig)
    events = [event for frame in sent.frames for event in ingest(rig, [frame])]
    assert kinds(events) == WHOLE


def test_a_crash_keeps_what_was_read(rig: Rig, sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Power goes in the transaction that adds a window: after it all is as if it had not begun."""
    append = LiveStore._add_window

    def crash(self: LiveStore, *arguments: object) -> None:
        append(self, *arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(LiveStore, "_add_window", crash)
    with pytest.raises(KeyboardInterrupt):
        ingest(rig, sent.frames)
    monkeypatch.undo()
    with open_live_store(rig.store, rig.terms) as store:
        assert store.checkpoint(0, 1) is None
        assert not store.has_window(0, 0)
        assert len(store.frames(0, 0)) == 3
    first = sent.of_type(FrameType.CHECKPOINT)[1]
    assert kinds(ingest(rig, sent.frames[first:])) == WHOLE[1:]
    assert_holds(rig, sent.made)


def test_two_gateways_at_a_time(rig: Rig, sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    """One reads the line, one a capture of it; each window is read by both before one stores it."""
    secret = load_encryption_key(rig.operator)
    turns = iter(range(100))
    with (
        open_live_store(rig.store, rig.terms) as one,
        open_live_store(rig.store, rig.terms) as other,
    ):
        slow, fast = (Gateway(rig.terms, secret, store) for store in (one, other))

        def read(*facts: Any) -> WindowLog:
            log = read_window(*facts)
            if next(turns) % 2 == 0:  # the slow one's
                list(fast.feed(sent.stream[: at + len(frame)]))
            return log

        monkeypatch.setattr("prover.ingest.read_window", read)
        events: list[Event] = []
        at = 0
        for frame in sent.frames:
            events += slow.feed(frame)
            at += len(frame)
    assert kinds(events) == WHOLE[:1]
    assert_holds(rig, sent.made)


@pytest.mark.parametrize("cut", [1, 40, 100])
def test_a_truncated_stream_then_the_rest(rig: Rig, sent: Sent, cut: int) -> None:
    """The gateway stops within a frame of window 0's data: that window is lost, and only it."""
    place = sent.of_type(FrameType.DATA)[0]
    before = b"".join(sent.frames[:place]) + sent.frames[place][:cut]
    after = sent.frames[place][cut:] + b"".join(sent.frames[place + 1 :])
    events = ingest(rig, [before]) + ingest(rig, [after])
    assert lost(events) == {0: InputReason.WINDOW_INCOMPLETE}
    assert_holds(rig, sent.made, lost=[0])
    # the same bytes from a capture complete it later
    assert kinds(ingest(rig, [sent.stream])) == [("window", 0)]
    assert_holds(rig, sent.made)


@pytest.mark.parametrize(
    ("kind", "place"),
    [(FrameType.DATA, 0), (FrameType.DATA, 1), (FrameType.WINDOW, 0)],
)
def test_a_gap_is_named_and_no_claim_crosses_it(
    rig: Rig, sent: Sent, kind: FrameType, place: int
) -> None:
    del sent.frames[sent.of_type(kind)[place]]
    events = ingest(rig, [sent.stream])
    assert lost(events) == {0: InputReason.WINDOW_INCOMPLETE}
    assert kinds(events)[2:] == WHOLE[2:]
    assert_holds(rig, sent.made, lost=[0])
    for first, last in ((0, 0), (0, 3), (1, 1), (2, 3)):  # all need what is counted before
        error = refuse_claim(rig, first, last)
        assert error.reason is InputReason.WINDOWS
        assert "window 0 of epoch 0 did not come through" in error.message


def test_claims_end_before_a_gap(rig: Rig, sent: Sent) -> None:
    del sent.frames[sent.of_type(FrameType.DATA)[3]]  # window 2's
    assert lost(ingest(rig, [sent.stream])) == {2: InputReason.WINDOW_INCOMPLETE}
    with open_store(rig.store) as store:
        plan = plan_claim(rig.load(), rig.operator_key, store, 0, 1)
        assert plan.own.records == 100
    assert refuse_claim(rig, 1, 2).reason is InputReason.WINDOWS
    assert refuse_claim(rig, 3, 3).reason is InputReason.WINDOWS


def test_a_contract_that_starts_after_a_gap_goes_on(rig: Rig, sent: Sent) -> None:
    del sent.frames[sent.of_type(FrameType.DATA)[0]]
    ingest(rig, [sent.stream])
    with open_store(rig.store) as store:
        start = next(e.checkpoint for e in store.windows() if e.index == 0)
    text = rig.contract.read_text().replace("[contract]", f'[contract]\nstart = "{start}"')
    rig.contract.write_text(text)
    rig.sign()
    with open_store(rig.store) as store:
        plan = plan_claim(rig.load(), rig.operator_key, store, 1, 3)
    assert plan.own.records == 92


def test_a_lost_checkpoint_costs_the_windows_at_its_sides(rig: Rig, sent: Sent) -> None:
    place = sent.of_type(FrameType.CHECKPOINT)[2]  # number 2: between windows 1 and 2
    frame = sent.frames.pop(place)
    events = ingest(rig, [sent.stream])
    assert lost(events) == {2: InputReason.WINDOW_INCOMPLETE}
    with open_store(rig.store) as store:
        assert [e.index for e in store.windows() if not e.lost] == [0, 3]
    for first, last in ((0, 1), (1, 1), (2, 2)):
        assert refuse_claim(rig, first, last).reason is InputReason.WINDOWS
    assert kinds(ingest(rig, [frame])) == [("window", 1), ("window", 2)]
    assert_holds(rig, sent.made)


def test_a_lost_opening(rig: Rig, sent: Sent) -> None:
    frame = sent.frames.pop(sent.of_type(FrameType.CHECKPOINT)[0])
    assert lost(ingest(rig, [sent.stream])) == {0: InputReason.WINDOW_INCOMPLETE}
    assert_holds(rig, sent.made, lost=[0])
    assert kinds(ingest(rig, [frame])) == [("window", 0)]
    assert_holds(rig, sent.made)


def test_any_order_of_frames_gives_the_same_windows(rig: Rig, sent: Sent) -> None:
    for seed in range(4):
        shuffled = list(sent.frames)
        random.Random(seed).shuffle(shuffled)
        # a window frame after its data begins the window anew only if another was there
        events = ingest(rig, shuffled)
        stored = sorted(event.index or 0 for event in events if event.kind == "window")
        again = ingest(rig, [sent.stream])
        stored += [event.index or 0 for event in again if event.kind == "window"]
        assert sorted(stored) == [0, 1, 2, 3]
        assert not lost(again)
        assert_holds(rig, sent.made)
        make_again(rig)


def test_a_late_session_frame_opens_what_waits(rig: Rig, sent: Sent) -> None:
    events = ingest(rig, sent.frames[1:])
    assert lost(events) == dict.fromkeys(range(4), InputReason.WINDOW_INCOMPLETE)
    assert kinds(ingest(rig, sent.frames[:1])) == WHOLE
    assert_holds(rig, sent.made)


def test_what_a_device_could_send_again_is_asked_for_once(rig: Rig, sent: Sent) -> None:
    with open_live_store(rig.store, rig.terms) as store:
        gateway = Gateway(rig.terms, load_encryption_key(rig.operator), store)
        first, last = sent.of_type(FrameType.WINDOW)[:2]
        wishes = []
        for place, frame in enumerate(sent.frames):
            if place in (0, last - 1):  # neither the session nor checkpoint 1 comes through
                continue
            list(gateway.feed(frame))
            if gateway.take_repeat_wish():
                wishes.append(place)
                assert not gateway.take_repeat_wish()
                list(gateway.feed(sent.frames[0] + sent.frames[last - 1] * (place == last)))
        assert wishes == [first, last]
    assert_holds(rig, sent.made)


def test_a_device_restarts(rig: Rig) -> None:
    sender = Sender(rig)
    first = sender.send(COUNTS)
    second = sender.send((4, 4), LATER_MS, name="second boot")
    events = ingest(rig, [first.stream, second.stream])
    assert kinds(events) == [*WHOLE, ("session", None), ("window", 0), ("window", 1)]
    assert_holds(rig, first.made)
    assert_holds(rig, second.made)
    with open_store(rig.store) as store:
        plan = plan_claim(rig.load(), rig.operator_key, store, 0, 1, epoch=1)
    assert plan.before.records == sum(COUNTS)


def test_a_checkpoint_that_power_took_comes_after_the_restart(rig: Rig) -> None:
    sender = Sender(rig)
    first = sender.send(COUNTS)
    second = sender.send((4,), LATER_MS, name="second boot")
    events = ingest(rig, [b"".join(first.frames[:-1]), second.stream])
    assert kinds(events) == [*WHOLE[:-1], ("session", None), ("window", 3), ("window", 0)]
    assert_holds(rig, first.made)
    assert_holds(rig, second.made)


def test_a_window_that_never_closed_goes_with_the_restart(rig: Rig) -> None:
    """Power goes before the journal is written: window 4 has data and no checkpoint, ever."""
    sender = Sender(rig)
    longer = sender.send((*COUNTS, 9), persist=False)
    first = sender.send(COUNTS)
    second = sender.send((4,), LATER_MS, name="second boot")
    events = ingest(rig, [b"".join(longer.frames[:-1])])
    assert kinds(events) == WHOLE
    with open_live_store(rig.store, rig.terms) as store:
        assert store.unfinished(0) == [4]
    assert kinds(ingest(rig, [second.stream])) == [("session", None), ("window", 0)]
    with open_live_store(rig.store, rig.terms) as store:
        assert store.unfinished(0) == []
    assert_holds(rig, first.made)
    assert_holds(rig, second.made)


def test_two_boots_before_the_first_window_closes(rig: Rig) -> None:
    """The same epoch number twice, under another session key; only the second one's counts."""
    sender = Sender(rig)
    nothing = sender.send((90,), persist=False, name="first boot")
    sent = sender.send((3,), T0_MS + 5000, name="second boot")
    data = nothing.of_type(FrameType.DATA)[-1]
    events = ingest(rig, [b"".join(nothing.frames[: data + 1]), sent.stream])
    assert kinds(events) == [("session", None), ("session", None), ("window", 0)]
    assert_holds(rig, sent.made)


def test_an_old_session_that_is_sent_again_changes_nothing(rig: Rig) -> None:
    """The epoch is the second boot's, whatever somebody on the line recorded of the first."""
    sender = Sender(rig)
    stale = sender.send((3,), persist=False, name="first boot").frames[0]
    sent = sender.send((*COUNTS, 9), name="second boot")
    data = sent.of_type(FrameType.DATA)
    events = ingest(rig, [stale, *sent.frames[: data[3]], stale, *sent.frames[data[3] :]])
    assert kinds(events) == [("session", None), *WHOLE, ("window", 4)]
    assert_holds(rig, sent.made)


def test_a_session_that_comes_late_opens_what_it_sent(rig: Rig) -> None:
    """The same epoch number twice; the line takes the second session frame, or sends an old one."""
    sender = Sender(rig)
    stale = sender.send((3,), persist=False, name="first boot").frames[:3]
    sent = sender.send(COUNTS, name="second boot")
    session, *rest = sent.frames
    for frames in ([*stale, *rest], [session, *rest[:2], stale[0], *rest[2:]]):
        with open_live_store(rig.store, rig.terms) as store:
            gateway = Gateway(rig.terms, load_encryption_key(rig.operator), store)
            events = [event for frame in frames for event in gateway.feed(frame)]
            assert lost(events) == dict.fromkeys(range(4), InputReason.WINDOW_UNREADABLE)
            assert gateway.take_repeat_wish()
            assert kinds(list(gateway.feed(session))) == WHOLE
        assert_holds(rig, sent.made)
        make_again(rig)


def test_the_end_of_an_epoch_that_did_not_come(rig: Rig) -> None:
    """The next opening tells of windows that the gateway never saw; no claim leaves them out."""
    sender = Sender(rig)
    first = sender.send(COUNTS)
    second = sender.send((4,), LATER_MS, name="second boot")
    place = first.of_type(FrameType.CHECKPOINT)[1] + 1
    again = second.of_type(FrameType.CHECKPOINT)[0]
    del second.frames[again]
    ingest(rig, [b"".join(first.frames[:place]), second.stream])
    with open_store(rig.store) as store:
        assert [(e.epoch, e.windows) for e in store.epochs()] == [(0, 4), (1, 1)]
    assert refuse_claim(rig, 0, 0, epoch=1).reason is InputReason.WINDOWS


def test_a_status_answer_is_passed_on(rig: Rig) -> None:
    (event,) = ingest(
        rig, [StatusFrame(T0_MS, 16, 1000, 2, 3, has_records=False, clocks=0).encode()]
    )
    assert (event.kind, event.epoch, event.index, event.end_ms) == ("status", 2, 3, T0_MS)


def twin_sites(tmp_path: Path, seconds: int) -> tuple[Rig, Rig, bytes]:
    """A CSV log imported at one site, and its frames for a copy of that site."""
    imported = make_gateway_rig(tmp_path / "imported")
    log = imported.directory / "log.csv"
    log.write_text(steady_log(seconds))
    shutil.copytree(imported.directory, tmp_path / "received")
    received = Rig(tmp_path / "received")
    record_log(log, imported.terms, imported.store, imported.device)
    return imported, received, record_stream(log, received.terms, received.device).frames


def test_ten_thousand_records_are_the_imported_ones(tmp_path: Path) -> None:
    imported, received, frames = twin_sites(tmp_path, 10_000)
    events = ingest(received, [frames[at : at + 4096] for at in range(0, len(frames), 4096)])
    assert [event.kind for event in events] == ["session"] + ["window"] * 167
    assert sum(event.records or 0 for event in events) == 10_000
    plans = []
    for rig in (imported, received):
        with open_store(rig.store) as store:
            plans.append(plan_claim(rig.load(), rig.operator_key, store, 3, 166))
    assert plans[0].statement == plans[1].statement
    assert plans[0].before == plans[1].before
    assert plans[0].own.records == 9820


def test_claims_over_received_windows_are_those_over_imported_ones(tmp_path: Path) -> None:
    imported, received, frames = twin_sites(tmp_path, 200)
    ingest(received, [frames])
    claims = []
    for rig in (imported, received):
        claim, checked = claim_windows(
            rig.load(), rig.store, rig.operator, rig.operator_key, (0, 3)
        )
        assert check_claim(claim, rig.load()).outcomes == checked.outcomes
        claims.append(claim)
    assert claims[0].statement_digest == claims[1].statement_digest
    assert claims[0].amount_nanos == claims[1].amount_nanos > 0
    with pytest.raises(Rejected):
        check_claim(replace(claims[1], totals=(claims[1].totals[0] + 1,)), received.load())
