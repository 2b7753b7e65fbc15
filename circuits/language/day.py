"""Times of day in formulas: HH:MM, offsets from UTC, and schedules of prices."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise

from circuits.layout import MINUTES_PER_DAY

MAXIMUM_ENTRIES = 48
DECIMAL = re.compile(r"[0-9]{1,30}(\.[0-9]{1,30})?")
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_OFFSET = re.compile(r"([+-])(0[0-9]:[0-5][0-9]|1[0-3]:[0-5][0-9]|14:00)")

Entry = tuple[int, Fraction]


def minute_of_day(text: str) -> int:
    """HH:MM as minutes after midnight, 0..1439; ``ValueError`` on anything else."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError("expected a time of day from 00:00 to 23:59")
    return int(found[1]) * 60 + int(found[2])


def offset_minutes(text: str) -> int:
    """+HH:MM or -HH:MM as minutes ahead of UTC, at most 14 hours; ``ValueError`` otherwise."""
    found = _OFFSET.fullmatch(text)
    if found is None:
        raise ValueError("expected an offset from UTC, -14:00 to +14:00")
    hours, minutes = found[2].split(":")
    size = int(hours) * 60 + int(minutes)
    return size if found[1] == "+" else -size


def schedule(text: str) -> list[Entry]:
    """``HH:MM price`` entries that cover a day: (minute, price), ascending from minute 0.

    ``ValueError`` says what is wrong.
    """
    entries = [_entry(entry) for entry in text.split(",")]
    if len(entries) > MAXIMUM_ENTRIES:
        raise ValueError(f"a schedule has at most {MAXIMUM_ENTRIES} entries")
    minutes = [minute for minute, _ in entries]
    if minutes[0] != 0 or any(a >= b for a, b in pairwise(minutes)):
        raise ValueError("a schedule begins at 00:00 and its times ascend")
    return entries


def _entry(text: str) -> Entry:
    words = text.split()
    if len(words) != 2 or not DECIMAL.fullmatch(words[1]):
        raise ValueError("a schedule is 'HH:MM price, HH:MM price' with prices of 0 or more")
    return minute_of_day(words[0]), Fraction(words[1])


def priced_intervals(entries: list[Entry]) -> list[tuple[int, int, Fraction]]:
    """(start, end, price) around the clock, neighbours of one price as one; empty if all are."""
    changes = [
        entry for k, entry in enumerate(entries) if entry[1] != entries[k - 1][1]
    ]  # the entry before the first one is the last one of the day before
    ends = [minute for minute, _ in changes[1:] + changes[:1]]
    return [(start, end, price) for (start, price), end in zip(changes, ends, strict=True)]


def in_utc(minute: int, offset: int) -> int:
    """A local minute of the day in UTC, for local time ``offset`` minutes ahead of it."""
    return (minute - offset) % MINUTES_PER_DAY
