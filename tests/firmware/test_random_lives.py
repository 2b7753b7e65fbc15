"""Random lives of a device: every byte that the C core sends is what the Python twin sends."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from nacl.signing import SigningKey
from numpy.typing import NDArray

from circuits.checkpoint import Status as Flags
from circuits.schema import MAX_DT_MS, Schema
from prover.device import SignedEpoch
from prover.frames import FrameReader, FrameType
from prover.log import ImportedWindow, WindowLog
from prover.session import clock_command
from prover.twin import TwinSession, checkpoint_frame, epoch_frames, window_frames
from tests.firmware.board import SEED, T0_MS, Board, Status
from tests.firmware.line import ASK_REPEAT, frame
from tests.firmware.twin import schema, software_device
from verifier.claim import SignedCheckpoint
from verifier.claim.checks import require_sequence
from verifier.signatures import sign_checkpoint

CASES, LONG_CASES = 20, 500
BOOTS = 3
SILENT_STEPS_MS = 2000  # of a boot, together
KNOWN_MS = 1_577_836_800_000  # 2020-01-01: before it a board does not know the time
LONGEST_MS = 2**26  # of a window: time steps overflow in it
MASK = 2**64 - 1


@dataclass
class Seeded:
    """The host port's seeded random source (splitmix64)."""

    draws: int = 0

    def __call__(self, size: int) -> bytes:
        self.draws += 1
        return bytes(self._mixed(self.draws * 64 + at + 1) >> 32 & 0xFF for at in range(size))

    @staticmethod
    def _mixed(number: int) -> int:
        z = number * 0x9E3779B97F4A7C15 & MASK
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
        return z ^ z >> 31


@dataclass
class Window:
    """A window as the model has it: rows of codes, and the flags at its end.

    ``repeats``: how often session and checkpoints were asked for again right after it.
    """

    start_ms: int
    end_ms: int = 0
    rows: list[list[int]] = field(default_factory=list)
    flags: Flags = Flags.NONE
    repeats: int = 0

    def records(self, elements: int) -> NDArray[np.uint64]:
        return np.array(self.rows, dtype=np.uint64).reshape(-1, elements)


def random_form(dice: random.Random) -> Schema:
    bits = [dice.randrange(1, 25) for _ in range(dice.randrange(1, 8))]
    period_ms = dice.choice([None, 10])
    may_miss = period_ms is not None and dice.random() < 0.5
    return schema(*bits, period_ms=period_ms, may_miss=may_miss)


class Life:
    """One device twice: the C core, and a model of it from which the twin writes its stream."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.form = random_form(dice)
        self.window_ms = dice.choice([dice.randrange(20, 3000), LONGEST_MS])
        self.board = Board(self.form, window_ms=self.window_ms)
        self.twin = software_device()
        self.source = Seeded()
        self.resent: list[SignedCheckpoint] = []
        self.app_ms = T0_MS  # the application's time

    def boot(self) -> None:
        """Power on; the clock may be set, and then the epoch begins again."""
        end_ms = self.twin.state.end_ms
        self.app_ms = max(self.app_ms, end_ms) + self.dice.randrange(5000)
        if self.dice.random() < 0.2:  # a board without a battery
            self.app_ms = self.dice.choice([0, KNOWN_MS - 1, max(end_ms - 1, 0)])
        self.offset_ms = max(end_ms - self.app_ms, 0)  # the device's time minus the application's
        assert self.board.boot(self.app_ms) is Status.OK
        operator = bytes(self.board.operator.key.public_key)
        epoch = self.twin.state.epoch + 1
        key = SigningKey(SEED)
        self.session = TwinSession.begin(key, epoch, self.form, operator, self.source)
        self.sent = b""
        self.clocks = 0
        in_doubt = self.offset_ms > 0 or self.app_ms < KNOWN_MS
        self.flags = Flags.CLOCK_SET if in_doubt else Flags.NONE
        self.moved_ms = 0  # by clock commands
        self.last_ms: int | None = None  # of the epoch's records
        while self.dice.random() < 0.3:
            steps = [-700, 1, 700, SILENT_STEPS_MS, self.dice.randrange(10**9)]
            self.set_clock(max(self.dice.choice(steps), end_ms - self.now_ms))
        self.opening_flags = self.flags
        self.windows = [Window(self.now_ms)]

    def run(self) -> None:
        """Everything until power goes, then the comparison."""
        self.boot()
        actions = {
            self.sample: 70,
            self.miss: 6,
            self.tick: 6,
            self.close: 3,
            self.flag: 1,
            self.step_clock: 1,
            self.repeat: 2,
        }
        for _ in range(self.dice.randrange(1, 250)):
            self.app_ms += self.dice.choice([0, 1, self.dice.randrange(1 + self.window_ms // 9)])
            self.dice.choices(list(actions), list(actions.values()))[0]()
            if self.dice.random() < 0.4:
                self.take()
        self.take()
        expected = self.frames_of_the_twin()
        assert [f + b"\0" for f in self.sent.split(b"\0")[:-1]] == expected

    # ---- the line ----

    def take(self, most: int = 1000) -> None:
        while most and (sent := self.board.next_frame()):
            self.sent += sent
            most -= 1

    def until_done(self, call: Callable[[], Status]) -> None:
        while (status := call()) is Status.FULL:
            self.take(1)
        assert status is Status.OK

    # ---- what an application does, on both sides ----

    @property
    def now_ms(self) -> int:
        """The device's time."""
        return self.app_ms + self.offset_ms

    def sample(self) -> None:
        values = [self.dice.randrange(channel.maximum_raw + 1) for channel in self.form.channels]
        if self.dice.random() < 0.1:
            place = self.dice.randrange(len(values))
            values[place] = self.dice.choice([values[place] + 1, 2**24, 2**31, 2**32 - 1])
        self.until_done(lambda: self.board.sample(values, self.app_ms))
        self.end_windows()
        largest = [channel.maximum_raw for channel in self.form.channels]
        codes = [min(pair) for pair in zip(values, largest, strict=True)]
        if codes != values:
            self.flags |= Flags.SATURATED
        self.record(codes)

    def miss(self) -> None:
        self.tick()  # the flag belongs to the window that is open when the call fails, too
        self.until_done(lambda: self.board.missed(self.app_ms))
        self.flags |= Flags.MISSED
        if self.form.channels[0].may_miss:
            self.record([channel.maximum_code for channel in self.form.channels])

    def tick(self) -> None:
        self.until_done(lambda: self.board.tick(self.app_ms))
        self.end_windows()

    def close(self) -> None:
        self.until_done(lambda: self.board.close(self.app_ms))
        self.end_windows()
        if self.windows[-1].rows or self.now_ms > self.windows[-1].start_ms:
            self.end_window(self.now_ms)

    def flag(self) -> None:
        flag = self.dice.choice([Flags.TAMPER, Flags.BROWN_OUT])
        assert self.board.flags(flag) is Status.OK
        self.flags |= flag

    def repeat(self) -> None:
        """Where nothing has come of the open window yet."""
        if len(self.windows) > 1 and not self.windows[-1].rows:
            self.take()
            assert self.board.command(frame(ASK_REPEAT), self.app_ms) is Status.OK
            self.windows[-2].repeats += 1

    def step_clock(self) -> None:
        """Forward, in an epoch that has begun; back where it has no records."""
        if len(self.windows) > 1 or self.windows[-1].rows:
            step_ms = self.dice.choice([-300, 0, 1, 700, SILENT_STEPS_MS, SILENT_STEPS_MS + 1])
            earliest_ms = self.now_ms if self.last_ms is not None else self.windows[-1].start_ms
            self.set_clock(max(step_ms, earliest_ms - self.now_ms))

    # ---- the model ----

    def set_clock(self, step_ms: int) -> None:
        command = clock_command(self.session.key, self.now_ms + step_ms, self.clocks)
        assert self.board.command(command[:-1], self.app_ms) is Status.OK
        self.offset_ms += step_ms
        self.clocks += 1
        self.moved_ms += abs(step_ms)
        if self.moved_ms > SILENT_STEPS_MS:
            self.flags |= Flags.CLOCK_SET

    def record(self, codes: list[int]) -> None:
        if self.form.has_dt:
            dt_ms = 0 if self.last_ms is None else self.now_ms - self.last_ms
            if dt_ms > MAX_DT_MS:
                self.flags |= Flags.DT_OVERFLOW
            codes = [*codes, min(dt_ms, MAX_DT_MS)]
        self.last_ms = self.now_ms
        self.windows[-1].rows.append(codes)

    def end_windows(self) -> None:
        while self.now_ms - self.windows[-1].start_ms >= self.window_ms:
            self.end_window(self.windows[-1].start_ms + self.window_ms)

    def end_window(self, end_ms: int) -> None:
        self.windows[-1].end_ms = end_ms
        self.windows[-1].flags = self.flags
        self.windows.append(Window(end_ms))

    # ---- the twin ----

    def frames_of_the_twin(self) -> list[bytes]:
        """What the Python twin sends of this boot; a window that never closed stays behind."""
        *closed, last = self.windows
        session, elements = self.session, self.form.elements
        frames = [session.frame.encode(), *map(checkpoint_frame, self.resent)]
        if closed:
            made = self.signed_epoch(closed)
            frames = self.with_repeats(
                list(epoch_frames(session, made, self.source, self.resent)), made, closed
            )
            self.twin.state = made.state
            self.resent = list(made.checkpoints[0 if len(closed) == 1 else -1 :])
        if last.rows:
            log = WindowLog(last.records(elements), np.zeros(8, dtype=np.uint64))
            frames += list(window_frames(session, len(closed), log, self.source))[:-1]
        return frames

    def signed_epoch(self, closed: list[Window]) -> SignedEpoch:
        """The epoch of the Python device, with the flags that it knows nothing of."""
        elements = self.form.elements
        imported = [ImportedWindow(w.start_ms, w.end_ms, w.records(elements)) for w in closed]
        made = self.twin.record_epoch(self.form, imported, self.opening_flags)
        checkpoints = [made.checkpoints[0]]
        for signed, window in zip(made.checkpoints[1:], closed, strict=True):
            assert signed.checkpoint.flags | window.flags == window.flags
            flagged = replace(signed.checkpoint, flags=window.flags)
            signature = sign_checkpoint(SigningKey(SEED), flagged)
            require_sequence(checkpoints[-1].checkpoint, flagged)
            checkpoints.append(SignedCheckpoint(flagged, signature))
        return replace(made, checkpoints=tuple(checkpoints))

    def with_repeats(
        self, frames: list[bytes], made: SignedEpoch, closed: list[Window]
    ) -> list[bytes]:
        """The stream with what was asked for again."""
        out = []
        checkpoints = -1 - len(self.resent)
        for sent in frames:
            out.append(sent)
            ((kind, _),) = FrameReader().feed(sent)
            checkpoints += kind == FrameType.CHECKPOINT
            if kind == FrameType.CHECKPOINT and checkpoints > 0:
                again = made.checkpoints[0 if checkpoints == 1 else checkpoints : checkpoints + 1]
                repeated = [self.session.frame.encode(), *map(checkpoint_frame, again)]
                out += repeated * closed[checkpoints - 1].repeats
        return out


@pytest.mark.parametrize(
    "cases", [range(CASES), pytest.param(range(CASES, LONG_CASES), marks=pytest.mark.long)]
)
def test_every_byte_is_the_twins(cases: range) -> None:
    kinds = set()
    for case in cases:
        life = Life(random.Random(case))
        for _ in range(BOOTS):
            life.run()
            kinds |= {kind for kind, _ in FrameReader().feed(life.sent)}
    assert kinds == {
        *(FrameType.SESSION, FrameType.WINDOW, FrameType.DATA, FrameType.CHECKPOINT),
    }
