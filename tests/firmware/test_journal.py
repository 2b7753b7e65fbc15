"""Power cuts, damage and wear: no two checkpoints for one position, ever."""

from __future__ import annotations

import hashlib
import random
import struct
from dataclasses import dataclass
from pathlib import Path

import pytest

from circuits.checkpoint import Link
from tests.firmware.board import PAGE, T0_MS, WINDOW_MS, Board, Cut, Random, Status
from tests.firmware.line import ASK_REPEAT, CHECKPOINT, SESSION, frame
from tests.firmware.twin import schema

ONE = schema(12)
OPENING_SLOT, CLOSING_SLOT = 553, 299
HEAD = struct.Struct("<4sHHIIIQ32s")


@dataclass(frozen=True)
class Slot:
    """The head of a journal slot."""

    sequence: int
    epoch: int
    index: int
    end_ms: int
    chain: bytes


def slot_at(board: Board, page: int) -> Slot | None:
    """What a page holds, if it is whole."""
    content = bytes(board.flash)[page * PAGE :][:PAGE]
    magic, version, length, *rest = HEAD.unpack_from(content)
    if (magic, version) != (b"ZKMj", 1) or length > PAGE:
        return None
    digest = hashlib.blake2b(content[: length - 32], digest_size=32).digest()
    if digest[:31] != content[length - 32 : length - 1]:  # the last byte does not count
        return None
    return Slot(*rest)


def newest(board: Board) -> Slot | None:
    """The slot that counts."""
    slots = [slot for page in (0, 1) if (slot := slot_at(board, page)) is not None]
    return max(slots, key=lambda slot: slot.sequence) if slots else None


def life(board: Board, start_ms: int, windows: int) -> int:
    """Boot and close windows until power goes; the time at which it ended.

    What left the device before power went reaches the operator.
    """
    now_ms = start_ms
    if board.library.zkm_host_boot(
        board.host, board.config, bytes(range(1, 33)), bytes(range(101, 133)), now_ms
    ):
        return now_ms
    board.drain()
    for n in range(windows):
        for step in range(n + 1):
            board.sample([step], now_ms + step)
            board.drain()
        now_ms += WINDOW_MS
        status = board.tick(now_ms)
        board.drain()
        if status is not Status.OK:
            assert status is Status.FLASH
            return now_ms
    return now_ms


def check_history(board: Board) -> None:
    """Links join every epoch to a released end; epochs and indices leave no gaps."""
    known = board.operator.checkpoints
    arrived = {(c.epoch, c.index): c for c in board.operator.arrived}
    assert set(known) == set(arrived)
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


def cut_once(how: Cut, count: int, flash: bytes, start_ms: int) -> Board:
    """Power goes after ``count`` bytes of flash work, comes back, and the device goes on."""
    board = Board(ONE)
    board.flash[:] = flash
    board.cut_after(count, how)
    life(board, start_ms, 2)
    before = newest(board)
    end_ms = T0_MS + 100 * WINDOW_MS
    assert board.boot(end_ms) is Status.OK
    session, *checkpoints = board.drain()
    assert session == SESSION
    assert board.operator.sessions[-1] == (0 if before is None else before.epoch + 1)
    assert checkpoints == [CHECKPOINT] * (0 if before is None else 2 if before.index == 1 else 1)
    if before is not None:
        last = board.operator.arrived[-1]
        assert (last.epoch, last.index, last.end_ms) == (before.epoch, before.index, before.end_ms)
    assert board.tick(end_ms + WINDOW_MS) is Status.OK
    board.drain()
    return board


def counts(how: Cut, *, fresh: bool) -> list[int]:
    """Where ``cut_once`` cuts so that every different content of the flash comes about.

    An erase does nothing to bytes that are erased: behind the slot, and everywhere on a new device.
    Cuts inside a write do not depend on the direction of an erase.
    """
    out: list[int] = []
    start = 0
    for old, new in ((OPENING_SLOT, OPENING_SLOT), (CLOSING_SLOT, CLOSING_SLOT)):
        erase = range(start, start + (0 if fresh else old) + 2)
        if how is Cut.FROM_END:
            erase = range(start + PAGE - len(erase), start + PAGE)
        out += erase
        start += PAGE
        if how is not Cut.FROM_END:
            out += range(start, start + new)
        start += new
    return [*out, start]


@pytest.mark.parametrize("how", [Cut.CLEAN, Cut.HALF])
def test_power_cut_at_every_byte_of_the_first_writes(how: Cut) -> None:
    for count in counts(how, fresh=True):
        check_history(cut_once(how, count, b"\xff" * (2 * PAGE), T0_MS))


@pytest.mark.parametrize("how", list(Cut))
def test_power_cut_at_every_byte_of_later_writes(how: Cut) -> None:
    """Both pages are written; the operator's history starts with the epoch that is cut."""
    old = Board(ONE)
    start_ms = life(old, T0_MS, 2)
    slots = [slot_at(old, page) for page in (0, 1)]
    assert [slot and slot.index for slot in slots] == [1, 2]
    for count in counts(how, fresh=False):
        board = cut_once(how, count, bytes(old.flash), start_ms)
        board.operator.arrived += old.operator.arrived
        for position, body in old.operator.checkpoints.items():
            assert board.operator.checkpoints.setdefault(position, body) == body
        check_history(board)


def test_what_is_sent_again_is_what_was_signed() -> None:
    """Cut behind each whole write: the checkpoint that never left comes at the next boot."""
    reference = Board(ONE)
    life(reference, T0_MS, 2)
    for count in (PAGE + OPENING_SLOT, 2 * PAGE + OPENING_SLOT + CLOSING_SLOT):
        board = Board(ONE)
        board.cut_after(count)
        life(board, T0_MS, 2)
        board.cut_after(0)
        assert board.boot(T0_MS + 5 * WINDOW_MS) is Status.OK
        board.drain()
        for position, body in board.operator.checkpoints.items():
            assert reference.operator.checkpoints[position] == body


def test_power_cuts_at_random_again_and_again() -> None:
    dice = random.Random(5)
    for _ in range(60):
        board = Board(ONE)
        start_ms = T0_MS
        for _ in range(12):
            board.random(Random.SYSTEM)
            board.cut_after(dice.randrange(3000), dice.choice([Cut.CLEAN, Cut.FROM_END]))
            start_ms = life(board, start_ms, 3)
        board.boot(start_ms)
        board.drain()
        assert board.tick(start_ms + WINDOW_MS) is Status.OK
        board.drain()
        check_history(board)


def test_layout() -> None:
    board = Board(ONE)
    life(board, T0_MS, 2)
    content = bytes(board.flash)
    for page, length, entries in ((0, OPENING_SLOT, [188, 140]), (1, CLOSING_SLOT, [140])):
        slot = content[page * PAGE :][:length]
        assert HEAD.unpack_from(slot)[:6] == (b"ZKMj", 1, length, page + 1, 0, page + 1)
        last = board.operator.checkpoints[0, page + 1]
        assert slot[20:28] == (T0_MS + (page + 1) * WINDOW_MS).to_bytes(8, "little")
        assert slot[28:60] == last[108:140]
        assert slot[60] == len(entries)
        expected = [board.operator.checkpoints[0, 0], last] if page == 0 else [last]
        body = b"".join(struct.pack("<H", len(entry)) + entry for entry in expected)
        assert slot[61:-32] == body
        assert slot[-32:] == hashlib.blake2b(slot[:-32], digest_size=32).digest()
        assert set(content[page * PAGE :][length:PAGE]) == {0xFF}


def rewritten(content: bytes, **changes: int) -> bytes:
    """A slot with other head fields and a hash that fits."""
    magic, version, length, sequence, epoch, index, end_ms, chain = HEAD.unpack_from(content)
    fields = {"sequence": sequence, "epoch": epoch, "index": index, "end_ms": end_ms} | changes
    head = HEAD.pack(
        magic, version, length,
        fields["sequence"], fields["epoch"], fields["index"], fields["end_ms"], chain,
    )  # fmt: skip
    body = head + content[HEAD.size : length - 32]
    return body + hashlib.blake2b(body, digest_size=32).digest() + content[length:]


def test_sequence_numbers_wrap() -> None:
    board = Board(ONE)
    life(board, T0_MS, 2)
    for page, sequence in ((0, 2**32 - 2), (1, 2**32 - 1)):
        at = page * PAGE
        content = bytes(board.flash)[at : at + PAGE]
        board.flash[at : at + PAGE] = rewritten(content, sequence=sequence)
    now_ms = T0_MS + 2 * WINDOW_MS
    for expected in range(3):  # 0, 1, 2 follow 2^32 - 1
        assert board.boot(now_ms) is Status.OK
        board.drain()
        now_ms += WINDOW_MS
        assert board.tick(now_ms) is Status.OK
        board.drain()
        written = slot_at(board, expected % 2)
        assert written is not None
        assert (written.sequence, written.epoch) == (expected, expected + 1)
    check_history(board)


def test_no_epoch_is_left_after_the_last() -> None:
    board = Board(ONE)
    life(board, T0_MS, 1)
    content = bytes(board.flash)[:PAGE]
    board.flash[:PAGE] = rewritten(content, epoch=2**32 - 2)
    assert board.boot(T0_MS + WINDOW_MS) is Status.OK
    assert board.operator.receive(board.next_frame()) == SESSION
    assert board.operator.sessions[-1] == 2**32 - 1
    board.flash[:PAGE] = rewritten(content, epoch=2**32 - 1)
    assert board.boot(T0_MS + WINDOW_MS) is Status.WORN


def damaged(board: Board, at: int, bit: int) -> bytes:
    """The board's flash with one bit flipped."""
    content = bytearray(board.flash)
    content[at] ^= 1 << bit
    return bytes(content)


def test_damage_to_the_newest_slot_refuses_to_run() -> None:
    """Going on from the slot before would sign its successor a second time."""
    old = Board(ONE)
    life(old, T0_MS, 2)  # page 0 holds sequence 1, page 1 sequence 2
    for at in range(CLOSING_SLOT - 1):
        board = Board(ONE)
        board.flash[:] = damaged(old, PAGE + at, at % 8)
        assert board.boot(T0_MS + 9 * WINDOW_MS) is Status.FLASH, at
    assert old.flash[PAGE + CLOSING_SLOT - 2] != b"\xff"  # else one more bit would be in doubt
    board.flash[:] = damaged(old, PAGE + CLOSING_SLOT - 1, 0)
    assert board.boot(T0_MS + 9 * WINDOW_MS) is Status.OK
    board.drain()
    assert (0, 2) in board.operator.checkpoints


def test_damage_to_the_older_slot_never_takes_it_for_the_newest() -> None:
    old = Board(ONE)
    life(old, T0_MS, 2)
    for at in range(OPENING_SLOT):
        board = Board(ONE)
        board.flash[:] = damaged(old, at, at % 8)
        status = board.boot(T0_MS + 9 * WINDOW_MS)
        assert status in {Status.OK, Status.FLASH}
        if status is Status.OK:
            board.drain()
            assert list(board.operator.checkpoints) == [(0, 2)]


def test_damage_to_the_only_slot_refuses_to_run() -> None:
    """It was whole once: the device has released what it holds."""
    old = Board(ONE)
    life(old, T0_MS, 1)
    for at in range(OPENING_SLOT - 1):
        board = Board(ONE)
        board.flash[:] = damaged(old, at, at % 8)
        assert board.boot(T0_MS + 9 * WINDOW_MS) is Status.FLASH, at


@pytest.mark.parametrize(
    "content",
    [
        bytes(2 * PAGE),
        b"\xff" * PAGE + bytes(PAGE),
        b"\xff" * 20 + b"\0" + b"\xff" * (2 * PAGE - 21),
        random.Random(1).randbytes(2 * PAGE),
    ],
    ids=["zeros", "one page of zeros", "one stray byte", "noise"],
)
def test_foreign_flash_refuses_to_run(content: bytes) -> None:
    board = Board(ONE)
    board.flash[:] = content
    assert board.boot() is Status.FLASH


def test_two_slots_that_do_not_follow_each_other_refuse_to_run() -> None:
    board = Board(ONE)
    life(board, T0_MS, 2)
    content = bytes(board.flash)
    for sequence in (1, 4, 2**31 + 2):
        board.flash[:] = content[:PAGE] + rewritten(content[PAGE:], sequence=sequence)
        assert board.boot(T0_MS + 9 * WINDOW_MS) is Status.FLASH


def test_flash_that_fails_keeps_the_window_until_it_works() -> None:
    board = Board(ONE)
    assert board.boot() is Status.OK
    board.drain()
    assert board.sample([1], T0_MS) is Status.OK
    board.library.zkm_host_break_flash(board.host, True)
    for late in (0, 1, WINDOW_MS):
        assert board.tick(T0_MS + WINDOW_MS + late) is Status.FLASH
        assert CHECKPOINT not in board.drain()
    assert board.sample([2], T0_MS + 2 * WINDOW_MS) is Status.FLASH
    board.library.zkm_host_break_flash(board.host, False)
    assert board.tick(T0_MS + WINDOW_MS) is Status.OK
    assert board.drain() == [CHECKPOINT, CHECKPOINT]
    assert board.operator.arrived[-1].end_ms == T0_MS + WINDOW_MS
    assert board.operator.windows[0, 0].records(2).tolist() == [[1, 0]]


def test_flash_that_cannot_be_read_refuses_to_run() -> None:
    board = Board(ONE)
    board.library.zkm_host_break_flash(board.host, True)
    assert board.boot() is Status.FLASH


def test_repeat_says_when_the_journal_is_not_what_it_was() -> None:
    board = Board(ONE)
    life(board, T0_MS, 1)
    board.flash[:] = damaged(board, 100, 3)
    assert board.command(frame(ASK_REPEAT), T0_MS + WINDOW_MS) is Status.FLASH
    assert board.drain() == []


def test_flash_in_a_file_outlives_the_process(tmp_path: Path) -> None:
    path = tmp_path / "flash"
    first = Board(ONE, path=path)
    end_ms = life(first, T0_MS, 2)
    assert path.read_bytes() == bytes(first.flash)
    second = Board(ONE, path=path)
    assert second.boot(end_ms) is Status.OK
    assert second.drain() == [SESSION, CHECKPOINT]
    assert second.operator.checkpoints[0, 2] == first.operator.checkpoints[0, 2]
    path.write_bytes(b"short")
    with pytest.raises(OSError, match="no flash"):
        Board(ONE, path=path)
