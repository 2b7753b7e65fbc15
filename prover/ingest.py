"""The gateway: a device's bytes in, verified and decrypted windows in the store.

Nothing is believed before it is checked. A session, a checkpoint, a header or a message is a fact
that is kept when it arrives, in whatever order; a window enters the store once all of its facts are
there and its decrypted records lead from the signed chain value before it to the one after it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from circuits.checkpoint import Checkpoint, decode_checkpoint
from circuits.errors import BadInput, InputReason, Rejected
from prover.device_clock import DeviceClock
from prover.frames import (
    CheckpointFrame,
    DataFrame,
    FrameReader,
    FrameType,
    Message,
    SessionFrame,
    StatusFrame,
    WindowFrame,
    parse_message,
)
from prover.live_store import HEADER_SEQUENCE, MAXIMUM_KEPT_BYTES, Frame, LiveStore
from prover.received import WindowFacts, link_holds, read_window
from prover.session import require_session_signature
from verifier.claim import SignedCheckpoint
from verifier.claim.checks import check_opening, require_sequence, require_times
from verifier.contract import Terms
from verifier.files import PRIVATE_MODE, write_atomic
from verifier.signatures import require_checkpoint_signature

_MOST_STRANGERS = 100  # anybody can make up keys: so many are told of, and remembered
_MOST_UNSIGNED = 100  # and frames that nobody signed: so many are told of


@dataclass(frozen=True)
class Event:
    """One thing that the gateway has to say.

    ``kind`` is ``session`` (a new one), ``window`` (stored), ``lost`` (closed, but not verified:
    ``reason`` says why; later bytes may still complete it), ``refused`` (a frame that is no good,
    or another contract's; of another device only the first), ``status`` (a device's answer) or
    ``clock`` (what came of setting it). ``index`` is the window's, or the refused checkpoint's.
    """

    kind: str
    epoch: int | None = None
    index: int | None = None
    records: int | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    reason: InputReason | None = None
    message: str = ""


class Gateway:
    """Takes the bytes of one line; ``terms`` name the device, ``secret`` is the operator's X25519.

    ``clock`` hears of sessions and of a device's answers. ``BadInput`` means stop: ``EQUIVOCATION``
    (signed contradictions; the evidence is in a file of the store's directory), or the store's own.
    """

    def __init__(
        self, terms: Terms, secret: bytes, store: LiveStore, clock: DeviceClock | None = None
    ) -> None:
        self._terms = terms
        self._secret = secret
        self._store = store
        self._clock = clock
        self._reader = FrameReader()
        self._kept: list[Frame] = []
        self._wants_repeat = False
        self._strangers: set[tuple[bytes, bytes]] = set()
        self._unsigned = 0
        # windows that cannot be read with what is there: checkpoints are sent again now and then
        self._unreadable: set[tuple[int, int]] = set()

    @property
    def noise(self) -> int:
        """Pieces of the stream that were no frame, or one too many that nobody signed."""
        return self._reader.noise + max(0, self._unsigned - _MOST_UNSIGNED)

    def take_repeat_wish(self) -> bool:
        """Whether a session or checkpoint was missed that a device could send again; asks once."""
        wish, self._wants_repeat = self._wants_repeat, False
        return wish

    def feed(self, data: bytes) -> Iterator[Event]:
        """Take bytes as they come; all of the events must be consumed.

        When this ends, everything that ``data`` completed is on disk.
        """
        for kind, body in self._reader.feed(data):
            try:
                message = parse_message(kind, body)
            except BadInput as bad:
                yield from self._nobodys(bad.message)
                continue
            yield from self._take(message, body)
        self._flush()
        dropped = self._store.drop_excess_frames()
        if dropped:
            yield _dropped(dropped)

    def clock_events(self, send: Callable[[bytes], None]) -> Iterator[Event]:
        """Ask for the device's time and set it where that is due; to be called now and then."""
        if self._clock is None:
            return
        command, text = self._clock.due()
        if command:
            send(command)
        if text:
            yield Event("clock", message=text)

    def _take(self, message: Message, body: bytes) -> Iterator[Event]:
        if isinstance(message, SessionFrame):
            yield from self._session(message, body)
        elif isinstance(message, WindowFrame):
            self._window(message)
        elif isinstance(message, DataFrame):
            place = (message.epoch, message.index, message.sequence)
            self._keep((*place, message.message))
        elif isinstance(message, CheckpointFrame):
            yield from self._checkpoint(message)
        else:
            yield _status(message)
            text = "" if self._clock is None else self._clock.hear(message)
            if text:
                yield Event("clock", message.epoch, message=text)

    def _keep(self, frame: Frame) -> None:
        self._kept.append(frame)
        self._unreadable.discard(frame[:2])

    def _flush(self) -> None:
        if self._kept:
            self._store.keep_frames(self._kept)
            self._kept.clear()

    def _session(self, session: SessionFrame, body: bytes) -> Iterator[Event]:
        try:
            require_session_signature(session)
        except BadInput as bad:
            yield from self._nobodys(bad.message, session.epoch)
            return
        if not self._is_ours(session.device, session.schema):
            yield from self._stranger(session.device, session.schema)
            return
        self._flush()
        known = self._store.session(session.epoch)
        if known not in (None, body) and self._store.has_windows(session.epoch):
            return  # of a boot that closed no window, again: the one that did was another
        if self._clock is not None:
            self._clock.begin(session)
        if known == body:
            return
        self._store.keep_session(session.epoch, body)
        self._unreadable.clear()
        yield Event("session", session.epoch)
        for number in self._store.unfinished(session.epoch):
            yield from self._complete(session.epoch, number)

    def _window(self, window: WindowFrame) -> None:
        self._keep((window.epoch, window.index, HEADER_SEQUENCE, window.header))
        # a window begins after the checkpoint before it was sent, and long after its session
        missed = window.index > 0 and self._store.checkpoint(window.epoch, window.index) is None
        if missed or self._store.session(window.epoch) is None:
            self._wants_repeat = True

    def _checkpoint(self, frame: CheckpointFrame) -> Iterator[Event]:
        try:
            signed = SignedCheckpoint(decode_checkpoint(frame.encoded), frame.signature)
            require_checkpoint_signature(signed.checkpoint, signed.signature)
        except Rejected as rejected:
            yield from self._nobodys(f"a checkpoint: {rejected}")
            return
        checkpoint = signed.checkpoint
        epoch, number = checkpoint.epoch, checkpoint.index
        if not self._is_ours(checkpoint.device, checkpoint.schema):
            yield from self._stranger(checkpoint.device, checkpoint.schema)
            return
        self._flush()
        known = self._store.checkpoint(epoch, number)
        if known is not None:
            yield from self._again(known, signed)
            return
        try:
            self._check(signed)
        except Rejected as rejected:
            yield Event(
                "refused", epoch, number, reason=InputReason.CHECKPOINT, message=str(rejected)
            )
            return
        yield from self._append(signed)
        self._unreadable.discard((epoch, number))  # it has the checkpoint before it now
        yield from self._complete(epoch, number)

    def _again(self, known: SignedCheckpoint, signed: SignedCheckpoint) -> Iterator[Event]:
        """A checkpoint for a place of which the store has one."""
        if known.checkpoint != signed.checkpoint:
            raise self._contradiction(known, signed)
        yield from self._complete(signed.checkpoint.epoch, signed.checkpoint.index - 1)

    def _append(self, signed: SignedCheckpoint) -> Iterator[Event]:
        """Store a checkpoint and the window that it closes."""
        checkpoint = signed.checkpoint
        log, lost = None, None
        if checkpoint.index > 0:
            number = checkpoint.index - 1
            before = self._store.checkpoint(checkpoint.epoch, number)
            try:
                log = read_window(self._facts(checkpoint.epoch, number), before, checkpoint)
            except BadInput as bad:
                lost = bad
        known = self._store.append(signed, log)
        if known is not None:  # another gateway of the same store was faster
            yield from self._again(known, signed)
        elif lost is not None:
            self._unreadable.add((checkpoint.epoch, checkpoint.index - 1))
            if lost.reason is InputReason.WINDOW_UNREADABLE:
                self._wants_repeat = True  # a session frame may have got lost
            yield _closed("lost", checkpoint, lost)
        elif log is not None:
            yield _closed("window", checkpoint)

    def _complete(self, epoch: int, number: int) -> Iterator[Event]:
        """Store a window whose last missing fact was not its checkpoint."""
        if (epoch, number) in self._unreadable or number < 0:
            return
        if self._store.has_window(epoch, number):
            return
        before = self._store.checkpoint(epoch, number)
        after = self._store.checkpoint(epoch, number + 1)
        if before is None or after is None:
            return
        try:
            log = read_window(self._facts(epoch, number), before, after.checkpoint)
        except BadInput:  # it was reported as lost when its checkpoint came
            self._unreadable.add((epoch, number))
            return
        self._store.add_window(epoch, number, log)
        yield _closed("window", after.checkpoint)

    def _facts(self, epoch: int, number: int) -> WindowFacts:
        frames = self._store.frames(epoch, number)
        header = frames.pop(HEADER_SEQUENCE, None)
        body = self._store.session(epoch)
        session = None if body is None else parse_message(FrameType.SESSION, body)
        if session is not None and not isinstance(session, SessionFrame):
            session = None
        return WindowFacts(self._terms.schema, self._secret, session, header, frames)

    def _is_ours(self, device: bytes, schema: bytes) -> bool:
        """The contract's device, recording the contract's channels; asked of signed frames only."""
        return (device, schema) == (self._terms.parties.device, self._terms.schema.digest())

    def _nobodys(self, text: str, epoch: int | None = None) -> Iterator[Event]:
        """Tell of a frame that nobody signed."""
        self._unsigned += 1
        if self._unsigned <= _MOST_UNSIGNED:
            yield Event("refused", epoch, reason=InputReason.FRAME, message=text)

    def _stranger(self, device: bytes, schema: bytes) -> Iterator[Event]:
        """Tell of a device or of channels that are not the contract's, once.

        It is no reason to stop: whoever is on the line can send what another device once signed.
        """
        sender = (device, schema)
        if sender in self._strangers or len(self._strangers) == _MOST_STRANGERS:
            return
        self._strangers.add(sender)
        name = self._terms.name
        if device != self._terms.parties.device:
            text = f"frames of device {device.hex()}, not the one that contract {name!r} names"
            yield Event("refused", reason=InputReason.DEVICE_MISMATCH, message=text)
        else:
            text = f"the device records other channels than contract {name!r} describes"
            yield Event("refused", reason=InputReason.SCHEMA_MISMATCH, message=text)

    def _check(self, signed: SignedCheckpoint) -> None:
        """``Rejected`` where a checkpoint breaks the protocol's rules beside those in the store."""
        checkpoint = signed.checkpoint
        epoch, number = checkpoint.epoch, checkpoint.index
        if number == 0:
            check_opening(checkpoint)
            ended = self._store.last_checkpoint(epoch - 1) if epoch else None
            if ended is not None and not link_holds(checkpoint, ended.checkpoint):
                raise self._contradiction(ended, signed)
        following = self._store.checkpoint(epoch + 1, 0)
        if following is not None and not link_holds(following.checkpoint, checkpoint):
            raise self._contradiction(signed, following)
        before = self._store.checkpoint(epoch, number - 1) if number else None
        after = self._store.checkpoint(epoch, number + 1)
        row = [each.checkpoint for each in (before, signed, after) if each is not None]
        for earlier, later in pairwise(row):
            require_sequence(earlier, later)
            require_times(earlier, later, self._terms.window_ms)

    def _contradiction(self, one: SignedCheckpoint, other: SignedCheckpoint) -> BadInput:
        """Both checkpoints into a file, and the error to stop with."""
        path = write_evidence(self._store.path.parent, one, other)
        places = [f"{s.checkpoint.epoch}/{s.checkpoint.index}" for s in (one, other)]
        return BadInput(
            InputReason.EQUIVOCATION,
            f"the device signed checkpoints {places[0]} and {places[1]}, which contradict each"
            f" other: its key or its state was copied. Both are in {path}",
        )


def write_evidence(directory: Path, one: SignedCheckpoint, other: SignedCheckpoint) -> Path:
    """Keep two signed checkpoints that contradict each other; returns the file."""
    checkpoint = other.checkpoint
    name = (
        f"evidence-{checkpoint.device.hex()[:8]}-{checkpoint.epoch}-{checkpoint.index}"
        f"-{checkpoint.digest.hex()[:8]}.json"
    )
    document = {
        "reason": InputReason.EQUIVOCATION.value,
        "device": checkpoint.device.hex(),
        "checkpoints": [
            {"encoded": s.checkpoint.encode().hex(), "signature": s.signature.hex()}
            for s in (one, other)
        ],
    }
    path = directory / name
    write_atomic(path, json.dumps(document, indent=1).encode() + b"\n", mode=PRIVATE_MODE)
    return path


def _closed(kind: str, closing: Checkpoint, bad: BadInput | None = None) -> Event:
    return Event(
        kind,
        closing.epoch,
        closing.index - 1,
        closing.records_in_window,
        closing.start_ms,
        closing.end_ms,
        None if bad is None else bad.reason,
        "" if bad is None else bad.message,
    )


def _dropped(windows: list[tuple[int, int]]) -> Event:
    more = f" and those of {len(windows) - 1} more windows" if len(windows) > 1 else ""
    text = (
        f"its frames{more} were dropped: more than {MAXIMUM_KEPT_BYTES >> 20} MiB belong to windows"
        " that are not whole"
    )
    return Event("lost", *windows[0], reason=InputReason.WINDOW_INCOMPLETE, message=text)


def _status(status: StatusFrame) -> Event:
    text = f"flags {status.flags:#x}, {status.free_bytes} bytes free in the device's buffer"
    return Event("status", status.epoch, status.index, end_ms=status.now_ms, message=text)
