"""Power cuts and interrupted erases: the position is never forgotten, and never signed twice."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.firmware.board import T0_MS, WINDOW_MS, Board, Cut, Random, Status
from tests.firmware.journal import (
    CLOSING_SLOT,
    HEADER_BYTES,
    OPENING_SLOT,
    WORD,
    again,
    check_history,
    life,
    lived,
    newest,
    page_header,
    page_of,
    put,
    renumbered,
    resumed,
    whole_slots,
    words,
)
from tests.firmware.twin import ONE

FULL, ROOM_FOR_ONE = 0, 1
# pages, their size, windows before, and what the page has room for then: the next life (an opening
# slot, then a closing one) goes into the next page with its first or with its second slot. Where
# there were windows before, that page holds old slots.
HISTORIES = [
    (2, 1024, 0, FULL),
    (2, 1024, 6, ROOM_FOR_ONE),
    (3, 1024, 8, FULL),
    (4, 4096, 62, ROOM_FOR_ONE),
]
MORE_HISTORIES = [
    (2, 1024, 5, FULL),
    (3, 1024, 9, ROOM_FOR_ONE),
    (4, 4096, 51, FULL),
]
WRITTEN = HEADER_BYTES + words(OPENING_SLOT) + words(CLOSING_SLOT)
END_MS = T0_MS + 1000 * WINDOW_MS
STRIDE = 13  # of cuts inside erases where not every byte is tried


def cut_once(old: Board, start_ms: int, how: Cut, count: int) -> None:
    """Power goes after ``count`` bytes of flash work, comes back, and the device goes on."""
    board = again(old)
    board.cut_after(count, how)
    life(board, start_ms, 2)
    whole = newest(board)
    released = max(board.operator.checkpoints, default=None)
    assert board.boot(END_MS) is Status.OK
    position = resumed(board)
    assert position == (None if whole is None else whole[1].position)
    assert released is None or (position is not None and position >= released)
    assert board.tick(END_MS + WINDOW_MS) is Status.OK
    board.drain()
    check_history(board)


def cut_everywhere(history: tuple[int, int, int, int], how: Cut, stride: int) -> None:
    """``cut_once`` at every byte of two writes, and at every ``stride``-th one of the erase."""
    pages, page_bytes, windows, room = history
    old, start_ms = lived(windows, pages, page_bytes)
    probe = again(old)
    probe.cut_after(2**32)
    life(probe, start_ms, 2)
    assert probe.worked == page_bytes + WRITTEN
    before = words(OPENING_SLOT) * room
    erase = range(before, before + page_bytes)
    for count in range(page_bytes + WRITTEN + 1):
        inside = count in erase and min(count - erase.start, erase.stop - count) > 2
        if inside and (count - erase.start) % stride:
            continue
        if how is Cut.FROM_END and count not in erase:
            continue  # as the clean one: only erases have a direction
        cut_once(old, start_ms, how, count)


@pytest.mark.parametrize("how", list(Cut))
@pytest.mark.parametrize("history", HISTORIES)
def test_power_cut_at_every_byte_of_every_write(
    history: tuple[int, int, int, int], how: Cut
) -> None:
    cut_everywhere(history, how, STRIDE)


@pytest.mark.long
@pytest.mark.parametrize("how", list(Cut))
@pytest.mark.parametrize("history", HISTORIES + MORE_HISTORIES)
def test_power_cut_at_every_byte_of_every_erase(
    history: tuple[int, int, int, int], how: Cut
) -> None:
    cut_everywhere(history, how, 1)


def interrupted(dice: random.Random, content: bytes) -> bytes:
    """What an interrupted erase can leave: any bits between old and erased; often few or most."""
    share = dice.choice([0.0, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 1.0])
    strips = dice.choice([1, 2, 8])
    out = bytearray(content)
    for strip in range(strips):
        ones = dice.choice([0.0, 1.0, share])
        for at in range(len(out) * strip // strips, len(out) * (strip + 1) // strips):
            if ones == 1.0:
                out[at] = 0xFF
            elif ones > 0.0:
                out[at] |= sum((dice.random() < ones) << bit for bit in range(8))
    return bytes(out)


@dataclass(frozen=True)
class Erasable:
    """A board that is about to erase ``page``."""

    board: Board
    page: int


def erasables(pages: int, page_bytes: int, full: int) -> list[Erasable]:
    """With old slots in the page; and with the page begun, its first write cut in several places.

    ``full``: windows after which the current page is full.
    """
    old, start_ms = lived(full, pages, page_bytes)
    found = newest(old)
    assert found is not None
    page = (found[0] + 1) % pages
    out = [Erasable(old, page)]
    for written in (8, 32, 40, 320, 400, 560, 575):
        for how in (Cut.CLEAN, Cut.HALF):
            begun = again(old)
            begun.cut_after(page_bytes + written, how)
            life(begun, start_ms, 1)
            out.append(Erasable(begun, page))
    return out


@pytest.mark.parametrize(
    ("pages", "page_bytes", "full"), [(2, 1024, 5), (3, 1024, 8), (4, 4096, 51)]
)
def test_an_interrupted_erase_is_no_damage(pages: int, page_bytes: int, full: int) -> None:
    dice = random.Random(pages)
    for case in erasables(pages, page_bytes, full):
        found = newest(case.board)
        assert found is not None
        for _ in range(30):
            board = again(case.board)
            put(board, case.page, 0, interrupted(dice, page_of(board, case.page)))
            for _ in range(dice.choice([1, 2])):  # once more, before anything is written
                assert board.boot(END_MS) is Status.OK
                assert resumed(board) == found[1].position
                put(board, case.page, 0, interrupted(dice, page_of(board, case.page)))
            assert board.boot(END_MS) is Status.OK
            board.drain()
            assert board.tick(END_MS + WINDOW_MS) is Status.OK
            board.drain()
            check_history(board)


def test_an_interrupted_erase_before_the_first_slot_ever_is_no_damage() -> None:
    dice = random.Random(3)
    for count in range(1024, 1024 + HEADER_BYTES + words(OPENING_SLOT), 23):
        board = Board(ONE)
        board.cut_after(count, dice.choice([Cut.CLEAN, Cut.HALF]))
        life(board, T0_MS, 1)
        put(board, 0, 0, interrupted(dice, page_of(board, 0)))
        assert board.boot(END_MS) is Status.OK
        assert resumed(board) is None
        assert board.tick(END_MS + WINDOW_MS) is Status.OK
        board.drain()
        check_history(board)


def test_the_next_pages_numbers_may_look_newer_while_it_is_erased() -> None:
    """Bits that an erase sets can turn an old number into the successor of the current one."""
    board, _ = lived(5, 2, 1024)  # page 1 is full
    renumbered(board, 6)
    found = newest(board)
    assert found is not None
    successor = found[1].sequence + 2
    old = whole_slots(board, 0)[0].sequence
    assert (old, successor, old | successor) == (8, 15, successor)
    put(board, 0, HEADER_BYTES + 8, successor.to_bytes(4, "little"))
    put(board, 0, HEADER_BYTES + 100, b"\xff" * 100)
    put(board, 0, 12, successor.to_bytes(4, "little"))  # but not in the complement
    assert board.boot(END_MS) is Status.OK
    assert resumed(board) == found[1].position
    # a whole header: then the page was erased, and the slot in it was lost
    put(board, 0, 0, page_header(2, 1024, successor, OPENING_SLOT))
    assert board.boot(END_MS) is Status.FLASH


def test_words_that_cannot_be_read_after_a_cut_are_no_damage() -> None:
    """Flash with check bits: the word that was being written then may read as zeros."""
    for windows in (0, 5):
        old, start_ms = lived(windows, 2, 1024)
        found = newest(old)
        page = 0 if found is None else 1 - found[0]
        for written in range(0, HEADER_BYTES + words(OPENING_SLOT) - WORD, WORD):
            board = again(old)
            board.cut_after(1024 + written)
            life(board, start_ms, 1)
            put(board, page, written, bytes(WORD))
            assert board.boot(END_MS) is Status.OK, written
            assert resumed(board) == (None if found is None else found[1].position)
            assert board.tick(END_MS + WINDOW_MS) is Status.OK
            board.drain()
            check_history(board)


def numbers(board: Board) -> list[int]:
    """Of all whole slots."""
    return [slot.sequence for page in range(board.pages) for slot in whole_slots(board, page)]


@pytest.mark.parametrize(("pages", "page_bytes"), [(2, 1024), (3, 1024), (4, 4096)])
def test_sequence_numbers_wrap(pages: int, page_bytes: int) -> None:
    board, now_ms = lived(20, pages, page_bytes)
    found = newest(board)
    assert found is not None
    renumbered(board, -found[1].sequence - 4)
    assert min(numbers(board)) > 2**31
    for _ in range(12):
        before = max(board.operator.checkpoints)
        assert board.boot(now_ms) is Status.OK
        assert resumed(board) == before
        now_ms += WINDOW_MS
        assert board.tick(now_ms) is Status.OK
        board.drain()
    assert min(numbers(board)) < 100
    check_history(board)


@dataclass(frozen=True)
class Life:
    """How one life of a board ends: after some bytes of flash work, in one of three ways.

    ``late``: the flash fails, without a power cut, for that window. ``erased``: as if the erase
    that was cut had left other bits (a seed for them).
    """

    windows: int
    cut: int
    how: Cut
    late: int
    erased: int


LIVES = st.builds(
    Life,
    st.integers(1, 8),
    st.one_of(st.integers(0, 1200), st.integers(0, 6000)),
    st.sampled_from(list(Cut)),
    st.integers(0, 12),
    st.integers(0, 1000),
)


def live(board: Board, plan: Life, now_ms: int) -> int:
    """One life; the time at its end. The flash fails once where the plan says so."""
    for window in range(plan.windows):
        now_ms += WINDOW_MS
        if window == plan.late:
            board.library.zkm_host_break_flash(board.host, True)
            assert board.tick(now_ms) is Status.FLASH
            board.library.zkm_host_break_flash(board.host, False)
            if plan.how is Cut.HALF:  # the checkpoint of the next attempt is another one
                assert board.flags(1) is Status.OK
        status = board.tick(now_ms)
        board.drain()
        if status is not Status.OK:
            return now_ms
    return now_ms


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from([(2, 1024), (3, 1024), (2, 2048), (4, 4096)]),
    st.lists(LIVES, min_size=2, max_size=25),
)
def test_random_lives(geometry: tuple[int, int], plans: list[Life]) -> None:
    """Compared with a model that is one position: the last that was settled, or the one after."""
    pages, page_bytes = geometry
    board = Board(ONE, pages=pages, page_bytes=page_bytes)
    board.random(Random.SYSTEM)
    settled: tuple[int, int] | None = None
    now_ms = T0_MS
    for plan in plans:
        epoch = 0 if settled is None else settled[0] + 1
        assert board.boot(now_ms) is Status.OK
        position = resumed(board)
        making = settled and (settled[0], settled[1] + 1), (epoch, 1)
        assert position == settled or position in making
        settled = position
        board.cut_after(plan.cut, plan.how)
        now_ms = live(board, plan, now_ms)
        settled = max(board.operator.checkpoints, default=None)
        garble(board, plan)
    board.boot(now_ms)
    board.drain()
    assert board.tick(now_ms + WINDOW_MS) is Status.OK
    board.drain()
    check_history(board)


def garble(board: Board, plan: Life) -> None:
    """If an erase was cut just now, other bits of its page may be set as well."""
    found = newest(board)
    if found is None or plan.erased == 0:
        return
    page = (found[0] + 1) % board.pages
    content = page_of(board, page)
    if content[:HEADER_BYTES] == b"\xff" * HEADER_BYTES and content != b"\xff" * len(content):
        put(board, page, 0, interrupted(random.Random(plan.erased), content))
