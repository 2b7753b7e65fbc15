"""Times of day, offsets from UTC, and schedules of prices (docs/outcome-language.md)."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise

MINUTES = 1440
MAXIMUM_OFFSET = 14 * 60
DECIMAL = re.compile(r"[0-9]{1,30}(\.[0-9]{1,30})?")
TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


def minute_of(text: str) -> int:
    """HH:MM as minutes after midnight."""
    match = TIME.fullmatch(text)
    if match is None:
        raise ValueError("no time of day")
    return 60 * int(match[1]) + int(match[2])


def offset_of(text: str) -> int:
    """+HH:MM or -HH:MM as minutes ahead of UTC."""
    offset = minute_of(text[1:])
    if text[:1] not in ("+", "-") or offset > MAXIMUM_OFFSET:
        raise ValueError("no offset from UTC")
    return offset if text[0] == "+" else -offset


def in_utc(minute: int, offset: int) -> int:
    """A local minute of the day in UTC."""
    return (minute - offset) % MINUTES


def prices_of(text: str) -> list[tuple[int, int, Fraction]]:
    """A schedule's (start, end, price), neighbours of one price as one.

    A price that holds all day has start = end = 0.
    """
    entries = []
    for entry in text.split(","):
        time, price = entry.split()
        if not DECIMAL.fullmatch(price):
            raise ValueError("no price")
        entries.append((minute_of(time), Fraction(price)))
    starts = [start for start, _ in entries]
    if starts[0] != 0 or any(a >= b for a, b in pairwise(starts)):
        raise ValueError("a schedule ascends from 00:00")
    changes = [entry for k, entry in enumerate(entries) if entry[1] != entries[k - 1][1]]
    if not changes:
        return [(0, 0, entries[0][1])]
    ends = [start for start, _ in changes[1:] + changes[:1]]
    return [(start, end, price) for (start, price), end in zip(changes, ends, strict=True)]
