"""The gateway sets a device's clock: it asks once per session, and sets where that harms nothing.

What a device says of its time is not signed. A forged answer can make it refuse a command, or make
the gateway send this computer's time where none was wanted; the command itself is authenticated.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from circuits.checkpoint import Status
from circuits.errors import BadInput
from prover.frames import STATUS_COMMAND, SessionFrame, StatusFrame
from prover.session import clock_command, open_session

TOLERANCE_MS = 1000
# In a session the device takes up to 2000 ms of steps without a word (clock_set): so one of them,
# and 100 ms less, for what passes on the way.
LARGEST_SILENT_STEP_MS = 1900
EARLIEST_MS = 1_735_689_600_000  # 2025-01-01: a computer that has an earlier time has none
ATTEMPTS = 3  # to get an answer, and to set the clock
ANSWER_SECONDS = 2.0


def wall_clock_ms() -> int:
    """This computer's time, milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


@dataclass
class _Round:
    """One session's attempt: questions asked, commands sent, and how far off the clock was."""

    session: SessionFrame
    key: bytes = field(repr=False)
    asked_ms: int = 0
    asks: int = 0
    sets: int = 0
    clocks: int = 0  # that the device had obeyed before the last one
    found: str = ""
    due: float = 0.0
    pending: bytes = field(default=b"", repr=False)


class DeviceClock:
    """Compares the clock of a session's device with this computer's and sets it; does no I/O.

    ``begin`` and ``hear`` take what arrives, ``due`` says what to send. Where the device will flag
    the step (``clock_set``) it is taken before the epoch's first reading, unless the contract
    refuses that flag (``flag_refused``); ``always`` takes every step.
    """

    def __init__(
        self,
        secret: bytes,
        *,
        always: bool = False,
        flag_refused: bool = False,
        now_ms: Callable[[], int] = wall_clock_ms,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._secret = secret
        self._always = always
        self._flag_refused = flag_refused
        self._now_ms = now_ms
        self._monotonic = monotonic
        self._latest: SessionFrame | None = None
        self._round: _Round | None = None

    def begin(self, session: SessionFrame) -> None:
        """A session of the contract's device, its signature checked; each counts once.

        Epochs go up only: one of an earlier epoch is over, whoever sends it again.
        """
        latest = self._latest
        if latest is not None and (session == latest or session.epoch < latest.epoch):
            return
        self._latest = session
        try:
            self._round = _Round(session, open_session(self._secret, session))
        except BadInput:  # nothing can be read or set in it
            self._round = None

    def due(self) -> tuple[bytes, str]:
        """What to send now, and what to tell the user; either may be empty."""
        current = self._round
        if current is None:
            return b"", ""
        if current.pending:
            commands, current.pending = current.pending, b""
            return commands, ""
        if self._monotonic() < current.due:
            return b"", ""
        if current.asks == ATTEMPTS:
            self._round = None
            return b"", "the device does not answer what time it has"
        if current.asks == 0:
            current.asked_ms = self._now_ms()
        self._count_ask(current)
        return STATUS_COMMAND, ""

    def hear(self, status: StatusFrame) -> str:
        """Take an answer; what to tell the user, if anything."""
        current = self._round
        if current is None or not current.asks or status.epoch != current.session.epoch:
            return ""
        if current.pending:  # an answer to what was asked before
            return ""
        now_ms = self._now_ms()
        # the device looked at its clock between question and answer, however slow the line is
        behind_ms, ahead_ms = current.asked_ms - status.now_ms, status.now_ms - now_ms
        if max(behind_ms, ahead_ms) <= TOLERANCE_MS:
            self._round = None
            was_obeyed = current.sets and status.clocks > current.clocks
            return f"set; it was {current.found}" if was_obeyed else ""
        found = f"{behind_ms / 1000} s behind" if behind_ms > 0 else f"{ahead_ms / 1000} s ahead"
        current.found = current.found or found
        refusal = self._refusal(status, now_ms, current.asked_ms)
        if not refusal and current.sets == ATTEMPTS:
            refusal = "the device does not take this computer's time"
        if refusal:
            self._round = None
            return f"{found}, not set: {refusal}"
        current.pending = clock_command(current.key, now_ms, status.clocks) + STATUS_COMMAND
        current.sets += 1
        current.clocks = status.clocks
        current.asked_ms, current.asks = now_ms, 0
        self._count_ask(current)
        return ""

    def _count_ask(self, current: _Round) -> None:
        current.asks += 1
        current.due = self._monotonic() + ANSWER_SECONDS

    def _refusal(self, status: StatusFrame, now_ms: int, asked_ms: int) -> str:
        """Why this clock is not to be set now, or nothing."""
        if status.has_records and status.now_ms > now_ms:
            return "it never goes back after a reading; the device's next start can set it"
        if now_ms < EARLIEST_MS:
            return "this computer's own clock is not set"
        step_ms = max(now_ms - status.now_ms, status.now_ms - asked_ms)
        silent = status.clocks == 0 and step_ms <= LARGEST_SILENT_STEP_MS
        if silent or self._always:
            return ""
        if status.has_records:
            return (
                "after a reading that is flagged clock_set for the rest of the epoch; the device's"
                " next start can set it, or --clock always"
            )
        if self._flag_refused and not status.flags & Status.CLOCK_SET:
            return (
                "that is flagged clock_set, which the contract refuses; set the clock that the"
                " device has of its own and restart it, or --clock always"
            )
        return ""
