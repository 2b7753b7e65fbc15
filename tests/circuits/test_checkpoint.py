"""Checkpoint bytes: one encoding, and no other bytes pass."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.checkpoint import (
    CHECKPOINT_BYTES,
    MAX_TIME_MS,
    OPENING_BYTES,
    Checkpoint,
    Link,
    Status,
    as_chain,
    decode_checkpoint,
)
from circuits.errors import Reason, Rejected
from circuits.field import P

CHAIN = st.tuples(*[st.integers(0, P - 1)] * 8)
LATER = Checkpoint(
    device=bytes(range(32)),
    epoch=3,
    index=7,
    records_in_epoch=1_000_000_000_000,
    records_in_window=600,
    start_ms=1_583_000_000_000,
    end_ms=1_583_000_060_000,
    schema=bytes(range(100, 132)),
    chain=(0, 1, 2, 3, P - 1, 5, 6, 7),
    flags=Status.CLOCK_SET | Status.MISSED,
)
OPENING = replace(
    LATER,
    index=0,
    records_in_epoch=0,
    records_in_window=0,
    end_ms=LATER.start_ms,
    link=Link(2, 41, 1_582_000_000_000, (P - 1, 0, 1, 2, 3, 4, 5, 6)),
)
# offsets of the layout in the module's docstring
VERSION, FLAGS, INDEX, TOTAL, COUNT, START, END, CHAIN_AT = 4, 6, 44, 48, 56, 60, 68, 108
LINK_END, LINK_CHAIN = 148, 156


def patched(checkpoint: Checkpoint, offset: int, layout: str, value: int) -> bytes:
    data = bytearray(checkpoint.encode())
    struct.pack_into(layout, data, offset, value)
    return bytes(data)


def test_sizes_and_first_bytes() -> None:
    assert (CHECKPOINT_BYTES, OPENING_BYTES) == (140, 188)
    assert len(LATER.encode()) == CHECKPOINT_BYTES
    assert len(OPENING.encode()) == OPENING_BYTES
    assert LATER.encode()[:8] == b"ZKMc" + bytes([1, 0, 4 | 16, 0])


@pytest.mark.parametrize("checkpoint", [LATER, OPENING])
def test_round_trip(checkpoint: Checkpoint) -> None:
    assert decode_checkpoint(checkpoint.encode()) == checkpoint


@settings(max_examples=100, deadline=None)
@given(
    device=st.binary(min_size=32, max_size=32),
    epoch=st.integers(0, 2**32 - 1),
    index=st.integers(0, 2**32 - 1),
    counts=st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**60)),
    times=st.tuples(st.integers(0, MAX_TIME_MS), st.integers(0, MAX_TIME_MS)),
    chain=CHAIN,
    flags=st.integers(0, 63),
    link=st.builds(
        Link,
        st.integers(0, 2**32 - 1),
        st.integers(0, 2**32 - 1),
        st.integers(0, MAX_TIME_MS),
        CHAIN,
    ),
)
def test_round_trip_of_anything_valid(
    device: bytes,
    epoch: int,
    index: int,
    counts: tuple[int, int],
    times: tuple[int, int],
    chain: tuple[int, ...],
    flags: int,
    link: Link,
) -> None:
    first = index == 0
    made = Checkpoint(
        device=device,
        epoch=epoch,
        index=index,
        records_in_epoch=0 if first else counts[0] + counts[1],
        records_in_window=0 if first else counts[0],
        start_ms=min(times),
        end_ms=max(times),
        schema=device[::-1],
        chain=chain,
        flags=Status(flags),
        link=link if first else None,
    )
    assert decode_checkpoint(made.encode()) == made


@pytest.mark.reason(Reason.CHECKPOINT_MALFORMED)
@pytest.mark.parametrize(
    "data",
    [
        b"",
        LATER.encode()[:-1],
        LATER.encode() + b"\0",
        OPENING.encode()[:-1],
        OPENING.encode() + b"\0",
        b"ZKMd" + LATER.encode()[4:],
        patched(LATER, VERSION, "<H", 2),
        patched(LATER, FLAGS, "<H", 64),
        patched(LATER, FLAGS, "<H", 0x8000),
        patched(LATER, INDEX, "<I", 0),
        patched(OPENING, INDEX, "<I", 1),
        patched(LATER, START, "<Q", LATER.end_ms + 1),
        patched(LATER, END, "<Q", MAX_TIME_MS + 1),
        patched(LATER, END, "<Q", 2**64 - 1),
        patched(LATER, TOTAL, "<Q", 599),
        patched(OPENING, TOTAL, "<Q", 1),
        patched(OPENING, COUNT, "<I", 1),
        *(patched(LATER, CHAIN_AT + 4 * k, "<I", P) for k in range(8)),
        patched(LATER, CHAIN_AT, "<I", 2**32 - 1),
        patched(OPENING, LINK_END, "<Q", MAX_TIME_MS + 1),
        *(patched(OPENING, LINK_CHAIN + 4 * k, "<I", P) for k in range(8)),
    ],
)
def test_anything_else_is_malformed(data: bytes) -> None:
    with pytest.raises(Rejected) as refusal:
        decode_checkpoint(data)
    assert refusal.value.reason is Reason.CHECKPOINT_MALFORMED


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.binary(min_size=CHECKPOINT_BYTES - 8, max_size=CHECKPOINT_BYTES - 8).map(
            lambda tail: LATER.encode()[:8] + tail
        ),
    )
)
def test_any_bytes_give_a_checkpoint_or_the_reason(data: bytes) -> None:
    # any other exception, or another reason, fails the test
    try:
        assert decode_checkpoint(data).encode() == data  # nothing has two encodings
    except Rejected as refusal:
        if refusal.reason is not Reason.CHECKPOINT_MALFORMED:
            raise


@pytest.mark.parametrize("checkpoint", [LATER, OPENING])
def test_every_bit_changes_the_digest(checkpoint: Checkpoint) -> None:
    data = checkpoint.encode()
    for position in range(len(data)):
        try:
            other = decode_checkpoint(
                data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
            )
        except Rejected:
            continue
        assert other.digest != checkpoint.digest


@pytest.mark.parametrize(
    "changed",
    [
        replace(OPENING, device=bytes(32)),
        replace(OPENING, epoch=4),
        replace(OPENING, start_ms=0),
        replace(OPENING, schema=bytes(32)),
        replace(OPENING, flags=Status.NONE),
        replace(OPENING, link=Link(2, 42, 1_582_000_000_000, (P - 1, 0, 1, 2, 3, 4, 5, 6))),
        replace(OPENING, link=Link(2, 41, 1_582_000_000_000, (P - 1, 0, 1, 2, 3, 4, 5, 7))),
    ],
)
def test_genesis_binds_what_an_opening_declares(changed: Checkpoint) -> None:
    assert changed.genesis_chain() != OPENING.genesis_chain()


def test_genesis_does_not_depend_on_the_chain_value_it_fills() -> None:
    assert replace(OPENING, chain=(1,) * 8).genesis_chain() == OPENING.genesis_chain()
    assert max(OPENING.genesis_chain()) < P


def test_as_chain_gives_plain_integers() -> None:
    assert as_chain(np.arange(8, dtype=np.uint64)) == (0, 1, 2, 3, 4, 5, 6, 7)
