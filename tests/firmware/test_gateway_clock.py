"""The gateway sets the clock of a real device core, or says why not."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
import tty
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from circuits.checkpoint import Status as Flags
from prover.device_clock import ANSWER_SECONDS, ATTEMPTS, EARLIEST_MS, DeviceClock
from prover.frames import REPEAT_COMMAND, STATUS_COMMAND, FrameReader, FrameType, StatusFrame
from prover.ingest import Event, Gateway
from prover.live_store import open_live_store
from prover.store import open_store
from tests.firmware.board import SEED, Board, Status
from tests.prover.gateway_rig import make_gateway_rig
from tests.prover.rig import PUMP, ROOT, Rig
from verifier.keys import load_encryption_key, load_keys

HOUR_MS = 3_600_000
NOW_MS = 1_800_000_000_000  # the gateway's time when a test begins
SECONDS = 30


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """A site whose contract names the board as its device."""
    return site_of_board(tmp_path, PUMP.read_text(encoding="utf-8"))


@pytest.fixture
def strict(tmp_path: Path) -> Rig:
    """One whose contract refuses windows of a device whose clock was set."""
    text = PUMP.read_text(encoding="utf-8")
    refusing = text.replace("_bits = 120", '_bits = 120\nrefuse_flags = ["clock_set"]')
    site = site_of_board(tmp_path, refusing)
    assert site.terms.refuse_flags == Flags.CLOCK_SET
    return site


def site_of_board(tmp_path: Path, template: str) -> Rig:
    """Keys, and a signed contract that names the board."""
    site = make_gateway_rig(tmp_path, template)
    ours = bytes(load_keys(site.device).verify_key).hex()
    text = site.contract.read_text(encoding="utf-8")
    assert ours in text
    board = bytes(SigningKey(SEED).verify_key).hex()
    site.contract.write_text(text.replace(ours, board), encoding="utf-8")
    site.sign()
    return site


def board_of(rig: Rig) -> Board:
    """A board that encrypts to the site's operator; not switched on yet."""
    terms = rig.terms
    board = Board(terms.schema, window_ms=terms.window_ms)
    board.config.operator_key = list(terms.parties.operator_encryption or b"")
    return board


@dataclass
class Line:
    """A gateway and a board with a line between them, in a time that the test makes."""

    rig: Rig
    board: Board
    skew_ms: int = 0  # the board's application's time minus the gateway's
    always: bool = False
    now_ms: int = NOW_MS
    deaf: bool = False  # the board hears nothing
    commands: list[int] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    line: bytes = b""  # on its way to the gateway
    forged: bytes = b""  # by somebody who answers faster than the board

    def run(self, seconds: float = 1.0) -> list[str]:
        """A gateway from its start on, for some seconds; what it said of the clock."""
        secret = load_encryption_key(self.rig.operator)
        clock = DeviceClock(
            secret,
            always=self.always,
            flag_refused=bool(self.rig.terms.refuse_flags & Flags.CLOCK_SET),
            now_ms=lambda: self.now_ms,
            monotonic=lambda: self.now_ms / 1000,
        )
        with open_live_store(self.rig.store, self.rig.terms) as store:
            gateway = Gateway(self.rig.terms, secret, store, clock)
            self.send(REPEAT_COMMAND)
            first = len(self.events)
            for _ in range(round(seconds * 100)):
                self.now_ms += 10
                while frame := self.board.next_frame():
                    self.line += frame
                if self.forged and ASK in self.commands:
                    self.line, self.forged = self.forged + self.line, b""
                arrived, self.line = self.line, b""
                self.events += gateway.feed(arrived)
                self.events += gateway.clock_events(self.send)
        return [event.message for event in self.events[first:] if event.kind == "clock"]

    def send(self, data: bytes) -> None:
        reader = FrameReader()
        for (kind, _), frame in zip(reader.feed(data), data.split(b"\0"), strict=False):
            self.commands.append(kind)
            if not self.deaf:
                self.board.command(frame, self.now_ms + self.skew_ms)

    def sample(self) -> None:
        values = [7] * len(self.rig.terms.schema.channels)
        assert self.board.sample(values, self.now_ms + self.skew_ms) is Status.OK

    def off_ms(self) -> int:
        """The board's clock minus the gateway's."""
        while frame := self.board.next_frame():
            self.line += frame
        assert self.board.command(STATUS_COMMAND[:-1], self.now_ms + self.skew_ms) is Status.OK
        ((_, body),) = FrameReader().feed(self.board.next_frame())
        return StatusFrame.decode(body).now_ms - self.now_ms


def started(rig: Rig, skew_ms: int, *, always: bool = False) -> Line:
    """A line whose board has just been switched on."""
    line = Line(rig, board_of(rig), skew_ms, always)
    assert line.board.boot(NOW_MS + skew_ms) is Status.OK
    return line


ASK, SET, REPEAT = FrameType.STATUS_REQUEST, FrameType.CLOCK, FrameType.REPEAT


@pytest.mark.parametrize(
    ("skew_ms", "found"), [(-HOUR_MS, "3600.01 s behind"), (HOUR_MS, "3599.99 s ahead")]
)
def test_a_clock_that_is_off_is_set_when_the_session_begins(
    rig: Rig, skew_ms: int, found: str
) -> None:
    line = started(rig, skew_ms)
    said = line.run()
    assert len(said) == 1
    assert said[0].startswith("set; it was 3")
    assert said[0].endswith(found[-6:])
    assert line.commands == [REPEAT, ASK, SET, ASK]
    assert abs(line.off_ms()) <= 10
    line.sample()
    assert line.run() == []  # the same session, read by a gateway that starts again
    assert line.board.tick(line.now_ms + skew_ms + rig.terms.window_ms) is Status.OK
    line.run()
    with open_store(rig.store) as store:
        (entry,) = [entry for entry in store.windows() if not entry.lost]
        (stored,) = store.epochs()
        opening, closing = store.checkpoints(stored.device, 0, 0, 1)
    assert abs(entry.start_ms - NOW_MS) < 100
    assert entry.records == 1
    assert opening.checkpoint.flags == closing.checkpoint.flags == Flags.CLOCK_SET


@pytest.mark.parametrize("skew_ms", [0, 900, -900])
def test_a_clock_that_is_right_is_left_alone(rig: Rig, skew_ms: int) -> None:
    line = started(rig, skew_ms)
    assert line.run() == []
    assert line.commands == [REPEAT, ASK]
    assert abs(line.off_ms() - skew_ms) <= 10


def test_every_session_is_asked_once(rig: Rig) -> None:
    line = started(rig, -5000)
    assert len(line.run()) == 1
    line.send(REPEAT_COMMAND)
    assert line.run() == []
    assert line.board.boot(line.now_ms - 5000) is Status.OK
    (said,) = line.run()
    assert said.startswith("set; it was 5.")
    assert line.commands.count(ASK) == 2 + 1 + 2  # each gateway asks, and looks after it has set


def closing_flags(line: Line) -> Flags:
    """The flags with which the open window closes."""
    assert line.board.close(line.now_ms + line.skew_ms + 1) is Status.OK
    line.run()
    with open_live_store(line.rig.store, line.rig.terms) as store:
        signed = store.last_checkpoint(0)
    assert signed is not None
    return signed.checkpoint.flags


def test_after_a_reading_only_small_steps_are_taken(rig: Rig) -> None:
    line = started(rig, -1500)
    line.sample()
    assert line.run() == ["set; it was 1.5 s behind"]
    assert closing_flags(line) == Flags.NONE


def test_the_second_small_step_of_a_session_is_left_to_the_user(rig: Rig) -> None:
    """The device adds them up."""
    line = started(rig, -1200)
    line.sample()
    assert line.run() == ["set; it was 1.2 s behind"]
    line.skew_ms -= 1200
    (said,) = line.run()
    assert said.startswith("1.2 s behind, not set: after a reading that is flagged clock_set")
    assert closing_flags(line) == Flags.NONE


@pytest.mark.parametrize("skew_ms", [HOUR_MS, -HOUR_MS, 1950])
def test_a_clock_is_left_alone_whose_setting_the_contract_refuses(
    strict: Rig, skew_ms: int
) -> None:
    line = started(strict, skew_ms)
    (said,) = line.run()
    assert "not set: that is flagged clock_set, which the contract refuses" in said
    assert line.commands == [REPEAT, ASK]
    assert closing_flags(line) == Flags.NONE


@pytest.mark.parametrize("skew_ms", [HOUR_MS, -HOUR_MS])
def test_the_user_may_set_it_all_the_same(strict: Rig, skew_ms: int) -> None:
    line = started(strict, skew_ms, always=True)
    (said,) = line.run()
    assert said.startswith("set; it was ")
    assert closing_flags(line) == Flags.CLOCK_SET


@pytest.mark.parametrize("skew_ms", [-1500, 1500])
def test_a_small_step_is_taken_whatever_the_contract_refuses(strict: Rig, skew_ms: int) -> None:
    line = started(strict, skew_ms)
    (said,) = line.run()
    assert said.startswith("set; it was 1.")
    assert closing_flags(line) == Flags.NONE


def test_a_board_without_a_clock_gets_one_whatever_the_contract_refuses(strict: Rig) -> None:
    """It is flagged in any case."""
    line = started(strict, -NOW_MS)
    (said,) = line.run()
    assert said.startswith("set; it was 1800000000.0")
    assert abs(line.off_ms()) <= 10
    assert closing_flags(line) == Flags.CLOCK_SET


def test_a_step_that_would_be_flagged_is_left_to_the_user(rig: Rig) -> None:
    line = started(rig, -5000)
    line.sample()
    (said,) = line.run()
    assert said.startswith("5.0 s behind, not set: after a reading that is flagged clock_set")
    assert SET not in line.commands
    line.always = True
    (said,) = line.run()
    assert said.startswith("set; it was 5.0")
    assert closing_flags(line) == Flags.CLOCK_SET


@pytest.mark.parametrize("always", [False, True])
def test_a_clock_that_is_ahead_stays_so_after_a_reading(rig: Rig, always: bool) -> None:
    line = started(rig, 5000, always=always)
    line.sample()
    (said,) = line.run()
    assert said.startswith("4.99 s ahead, not set: it never goes back after a reading")
    assert SET not in line.commands


def test_a_device_that_does_not_take_it_is_asked_so_often(rig: Rig) -> None:
    """Back before what it has closed: no command can do that."""
    line = started(rig, HOUR_MS)
    assert line.board.close(NOW_MS + HOUR_MS + 1) is Status.OK
    (said,) = line.run()
    assert said.endswith("s ahead, not set: the device does not take this computer's time")
    assert line.commands.count(SET) == ATTEMPTS
    assert line.commands.count(ASK) == ATTEMPTS + 1


def test_a_device_that_does_not_answer_is_asked_so_often(rig: Rig) -> None:
    line = started(rig, HOUR_MS)
    while frame := line.board.next_frame():
        line.line += frame
    line.deaf = True
    assert line.run(1 + ANSWER_SECONDS * ATTEMPTS) == [
        "the device does not answer what time it has"
    ]
    assert line.commands == [REPEAT, *[ASK] * ATTEMPTS]


def test_a_computer_without_a_time_sets_none(rig: Rig) -> None:
    line = started(rig, HOUR_MS, always=True)
    line.now_ms, line.skew_ms = EARLIEST_MS - HOUR_MS, HOUR_MS * 9
    (said,) = line.run()
    assert said.endswith("not set: this computer's own clock is not set")


def test_a_forged_answer_only_makes_the_device_refuse(rig: Rig) -> None:
    """Somebody on the line says that the clock is off and that commands were obeyed."""
    line = started(rig, 0)
    line.sample()
    lie = StatusFrame(NOW_MS - HOUR_MS, 0, 1000, 0, 0, has_records=False, clocks=3)
    line.forged = lie.encode()
    assert line.run() == []
    assert line.commands == [REPEAT, ASK, SET, ASK]
    assert closing_flags(line) == Flags.NONE


def test_an_answer_of_another_epoch_is_not_believed(rig: Rig) -> None:
    clock = DeviceClock(bytes(32), now_ms=lambda: NOW_MS)
    status = StatusFrame(5, 0, 1000, 1, 0, has_records=False, clocks=0)
    assert clock.hear(status) == ""
    assert clock.due() == (b"", "")
    board = board_of(rig)
    assert board.boot(NOW_MS) is Status.OK
    secret = load_encryption_key(rig.operator)
    line = Line(rig, board)
    with open_live_store(rig.store, rig.terms) as store:
        clock = DeviceClock(secret, now_ms=lambda: NOW_MS)
        list(Gateway(rig.terms, secret, store, clock).feed(board.next_frame()))
    assert clock.due() == (STATUS_COMMAND, "")
    assert clock.hear(status) == ""
    assert clock.due() == (b"", "")
    assert clock.hear(replace(status, epoch=0)) == ""
    command, _ = clock.due()
    line.send(command)
    assert line.commands == [SET, ASK]


# ---- the program, over a pseudo terminal ----


def talk(rig: Rig, board: Board, skew_ms: int, until: str, *more: str) -> list[dict[str, str]]:
    """Run the gateway against a board until it tells of something; its documents."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    command = [
        *(sys.executable, "-m", "prover.cli", "ingest", "--contract", rig.contract, "--json"),
        *("--store", rig.store, "--keys", rig.operator, "--serial", os.ttyname(theirs), *more),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.PIPE, cwd=ROOT, env=environment
    )
    assert process.stdout is not None
    output = process.stdout.fileno()
    said = heard = b""
    try:
        end = time.monotonic() + SECONDS
        while f'"{until}"'.encode() not in said and time.monotonic() < end:
            ready, _, _ = select.select([ours, output], [], [], 0.02)
            if output in ready:
                said += os.read(output, 1 << 16)
            if ours in ready:
                *frames, heard = (heard + os.read(ours, 1 << 12)).split(b"\0")
                for frame in frames:
                    board.command(frame, time.time_ns() // 10**6 + skew_ms)
            while sent := board.next_frame():
                os.write(ours, sent)
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
        os.close(ours)
        os.close(theirs)
    return [json.loads(line) for line in (said + rest).splitlines()]


def test_the_gateway_sets_a_clock_over_a_line(rig: Rig) -> None:
    board = board_of(rig)
    skew_ms = -HOUR_MS
    assert board.boot(time.time_ns() // 10**6 + skew_ms) is Status.OK
    documents = talk(rig, board, skew_ms, "clock")
    kinds = [document["event"] for document in documents]
    assert kinds[0] == "session"
    assert set(kinds) == {"session", "status", "clock", "end"}
    (said,) = [document for document in documents if document["event"] == "clock"]
    assert said["message"].startswith("set; it was 3")
    again = talk(rig, board, skew_ms, "status")
    assert [document["event"] for document in again] == ["status", "end"]


def test_the_gateway_knows_what_the_contract_refuses(strict: Rig) -> None:
    board = board_of(strict)
    assert board.boot(time.time_ns() // 10**6 - HOUR_MS) is Status.OK
    documents = talk(strict, board, -HOUR_MS, "clock")
    (said,) = [document for document in documents if document["event"] == "clock"]
    assert "not set: that is flagged clock_set, which the contract refuses" in said["message"]


def test_the_gateway_leaves_the_clock_alone_if_told_so(rig: Rig) -> None:
    board = board_of(rig)
    assert board.boot(time.time_ns() // 10**6 - HOUR_MS) is Status.OK
    documents = talk(rig, board, -HOUR_MS, "session", "--clock", "never")
    assert {document["event"] for document in documents} == {"session", "end"}
