"""The journal's flash as docs/firmware.md describes it, and a device's lives on it."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, replace

from circuits.checkpoint import Link
from tests.firmware.board import SECRET, SEED, T0_MS, WINDOW_MS, Board, Status
from tests.firmware.twin import ONE

OPENING_SLOT, CLOSING_SLOT = 553, 299
HEADER_BYTES = 32
WORD = 16
HEAD = struct.Struct("<4sHHIIIQ32s")
PAGE_HEAD = struct.Struct("<4sBBHII")
NUMBERS = 2**32


@dataclass(frozen=True)
class Slot:
    """A slot of the journal: where it stands in its page, and its bytes."""

    at: int
    content: bytes

    @property
    def sequence(self) -> int:
        """Its number."""
        return int(HEAD.unpack_from(self.content)[3])

    @property
    def position(self) -> tuple[int, int]:
        """Epoch and index of the last checkpoint in it."""
        _, _, _, _, epoch, index, _, _ = HEAD.unpack_from(self.content)
        return epoch, index

    @property
    def end_ms(self) -> int:
        """Where that checkpoint's window ended."""
        return int(HEAD.unpack_from(self.content)[6])

    @property
    def end(self) -> int:
        """Where the next slot would stand."""
        return self.at + words(len(self.content))

    @property
    def last_word(self) -> int:
        """Where its last word begins."""
        return self.end - WORD

    def changed(self, **fields: int) -> Slot:
        """The same with another ``sequence`` or ``epoch``, and a hash that fits."""
        values = list(HEAD.unpack_from(self.content))
        for name, value in fields.items():
            values[{"sequence": 3, "epoch": 4}[name]] = value
        body = HEAD.pack(*values) + self.content[HEAD.size : -32]
        return replace(self, content=body + hashlib.blake2b(body, digest_size=32).digest())


def words(size: int) -> int:
    """Bytes that so many bytes take in flash that is written in words."""
    return -(-size // WORD) * WORD


def page_header(pages: int, page_bytes: int, first: int, length: int) -> bytes:
    """A page's header; ``first`` and ``length`` are its first slot's."""
    head = PAGE_HEAD.pack(b"ZKMp", 1, pages, length, page_bytes, first)
    return head + bytes(byte ^ 0xFF for byte in head)


def page_of(board: Board, page: int) -> bytes:
    """A page's bytes."""
    return bytes(board.flash)[page * board.page_bytes :][: board.page_bytes]


def put(board: Board, page: int, at: int, content: bytes) -> None:
    """Change bytes of a page."""
    start = page * board.page_bytes + at
    board.flash[start : start + len(content)] = content


def whole_slots(board: Board, page: int) -> list[Slot]:
    """The whole slots of a page that no damage has been done to, in order."""
    content = page_of(board, page)
    slots: list[Slot] = []
    at = HEADER_BYTES
    while at + CLOSING_SLOT <= len(content):
        magic, version, length = struct.unpack_from("<4sHH", content, at)
        slot = Slot(at, content[at : at + length])
        if (magic, version) != (b"ZKMj", 1) or not is_whole(content, slot):
            break
        slots.append(slot)
        at = slot.end
    return slots


def is_whole(page: bytes, slot: Slot) -> bool:
    """Whether its last word was begun and everything before is right."""
    if len(slot.content) not in {OPENING_SLOT, CLOSING_SLOT}:
        return False
    digest = hashlib.blake2b(slot.content[:-32], digest_size=32).digest()
    counted = 32 - len(slot.content) % WORD
    begun = page[slot.last_word : slot.end] != b"\xff" * WORD
    return begun and slot.content[-32:][:counted] == digest[:counted]


def newest(board: Board) -> tuple[int, Slot] | None:
    """Page and slot that count, of a journal in which no number has wrapped."""
    found = [(page, slot) for page in range(board.pages) for slot in whole_slots(board, page)]
    return max(found, key=lambda one: one[1].sequence, default=None)


def renumbered(board: Board, difference: int) -> None:
    """Add to every number in a journal without damage, modulo 2^32."""
    for page in range(board.pages):
        slots = whole_slots(board, page)
        for number, slot in enumerate(slots):
            moved = slot.changed(sequence=(slot.sequence + difference) % NUMBERS)
            put(board, page, slot.at, moved.content)
            if number == 0:
                put(
                    board,
                    page,
                    0,
                    page_header(board.pages, board.page_bytes, moved.sequence, len(moved.content)),
                )


def life(board: Board, start_ms: int, windows: int) -> int:
    """Boot and close windows until power goes; the time at which it ended.

    What left the device before power went reaches the operator.
    """
    now_ms = start_ms
    if board.library.zkm_host_boot(board.host, board.config, SEED, SECRET, now_ms):
        return now_ms
    board.drain()
    for step in range(windows):
        if board.sample([step], now_ms) is Status.OK:
            board.drain()
        now_ms += WINDOW_MS
        status = board.tick(now_ms)
        board.drain()
        if status is not Status.OK:
            assert status is Status.FLASH
            return now_ms
    return now_ms


def lived(windows: int, pages: int, page_bytes: int) -> tuple[Board, int]:
    """A board after one life of so many windows, and its time."""
    board = Board(ONE, pages=pages, page_bytes=page_bytes)
    return board, life(board, T0_MS, windows)


def again(old: Board) -> Board:
    """Another board with the same flash, and an operator who knows what the old one's knows."""
    board = Board(ONE, pages=old.pages, page_bytes=old.page_bytes)
    board.flash[:] = bytes(old.flash)
    board.operator.checkpoints = dict(old.operator.checkpoints)
    board.operator.arrived = list(old.operator.arrived)
    return board


def resumed(board: Board) -> tuple[int, int] | None:
    """Epoch and index that a board which just booted goes on from, by its frames."""
    known = len(board.operator.arrived)
    board.drain()
    sent = board.operator.arrived[known:]
    assert board.operator.sessions[-1] == (sent[-1].epoch + 1 if sent else 0)
    return (sent[-1].epoch, sent[-1].index) if sent else None


def check_history(board: Board) -> None:
    """Links join every epoch to a released end; epochs and indices leave no gaps."""
    arrived = {(c.epoch, c.index): c for c in board.operator.arrived}
    assert set(board.operator.checkpoints) == set(arrived)
    epochs = sorted({epoch for epoch, _ in arrived})
    assert epochs == list(range(len(epochs)))
    for epoch in epochs:
        indices = sorted(index for e, index in arrived if e == epoch)
        assert indices == list(range(len(indices)))
        assert len(indices) >= 2, "an opening without a closed window"
        link = arrived[epoch, 0].link
        if epoch == 0:
            assert link == Link()
        else:
            end = arrived[epoch - 1, max(i for e, i in arrived if e == epoch - 1)]
            assert link == Link(end.epoch, end.index, end.end_ms, end.chain)
