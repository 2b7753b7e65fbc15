"""Gadgets that go on from record to record or from row to row (section 5.3)."""

from __future__ import annotations

from collections.abc import Sequence

from tests.reference.field import Extension, total
from tests.reference.gadgets import Gadgets, Values
from tests.reference.polynomial import Point, Polynomial, column, following, selector
from tests.reference.spelling import boolean

FIRST, LAST, CLOSING = selector("first"), selector("last"), selector("closing")
OPENING = selector("opening")


class Register:
    """A value before a row's first record, and behind each of its slots."""

    def __init__(self, gadgets: Gadgets, slots: int) -> None:
        self.columns = gadgets.columns(slots)

    def after(self, slot: int) -> Polynomial:
        """The value behind a slot; behind the last one it stands on the next row."""
        if slot + 1 < len(self.columns):
            return column(self.columns[slot + 1])
        return following(self.columns[0])

    def before(self, slot: int, entering: int | None = None) -> Polynomial:
        """The value before a slot's record; ``entering`` is another column for the first one's."""
        first = self.columns[0] if entering is None else entering
        return column(self.columns[slot] if slot else first)

    def changes(self, point: Point, slot: int, entering: int | None, added: Extension) -> Extension:
        """after - before - added."""
        return self.after(slot).at(point) - self.before(slot, entering).at(point) - added


def _enters(point: Point, register: Register, entering: int) -> Extension:
    opening = OPENING.at(point)
    return point.here[entering] - point.here[register.columns[0]] * (1 - opening)


class WindowTime:
    """`time_of_day`: whether the row's window starts within an interval."""

    def __init__(self, gadgets: Gadgets, start: int, end: int) -> None:
        self._inside = selector(f"inside {start} {end}")
        self._column = gadgets.columns(1)[0]

    @property
    def bit(self) -> Polynomial:
        """The column."""
        return column(self._column)

    def constraints(self, point: Point) -> Values:
        """It changes behind closing rows only, where a selector says what it is."""
        closing, here = CLOSING.at(point), point.here[self._column]
        yield (1 - closing) * (point.following[self._column] - here)
        yield closing * here - self._inside.at(point)


class Rising:
    """`rising`: a condition holds and did not on the record before."""

    def __init__(
        self, gadgets: Gadgets, conditions: Sequence[Polynomial], guards: Sequence[Polynomial]
    ) -> None:
        self._conditions, self._guards = conditions, guards
        self._not_held = Register(gadgets, len(guards))
        self._entering = gadgets.columns(1)[0]
        gadgets.carried.append(column(self._not_held.columns[0]))

    def bit(self, slot: int) -> Polynomial:
        """Whether it rises in a slot."""
        return self._conditions[slot] * self._not_held.before(slot, self._entering)

    def constraints(self, point: Point) -> Values:
        """What enters, then slot by slot."""
        register, entering = self._not_held, self._entering
        yield _enters(point, register, entering)
        for slot, (c, g) in enumerate(zip(self._conditions, self._guards, strict=True)):
            before = register.before(slot, entering).at(point)
            added = g.at(point) * (1 - c.at(point) - before)
            yield register.changes(point, slot, entering, added)


class Held:
    """`held`: for how many records in a row a condition held, up to a limit."""

    def __init__(
        self,
        gadgets: Gadgets,
        limit: int,
        conditions: Sequence[Polynomial],
        guards: Sequence[Polynomial],
    ) -> None:
        self._limit, self._conditions, self._guards = limit, conditions, guards
        self._length, self._full, self._inverse = (Register(gadgets, len(guards)) for _ in range(3))
        self._entering, self._entering_full = gadgets.columns(2)
        gadgets.carried.append(column(self._length.columns[0]))

    def bit(self, slot: int) -> Polynomial:
        """Whether it held behind a slot."""
        return self._full.after(slot)

    def constraints(self, point: Point) -> Values:
        """Which lengths are full, what enters, then slot by slot."""
        registers = (self._length.columns, self._full.columns, self._inverse.columns)
        for columns in zip(*registers, strict=True):
            length, full, inverse = (point.here[index] for index in columns)
            yield full * (length - self._limit)
            yield 1 - full - (length - self._limit) * inverse
        yield _enters(point, self._length, self._entering)
        yield _enters(point, self._full, self._entering_full)
        for slot, (c, g) in enumerate(zip(self._conditions, self._guards, strict=True)):
            length = self._length.before(slot, self._entering).at(point)
            full = self._full.before(slot, self._entering_full).at(point)
            added = g.at(point) * (c.at(point) * (length + 1 - full) - length)
            yield self._length.changes(point, slot, self._entering, added)


class Extreme:
    """*Extreme*: the greatest or least reading of a channel where the guards are 1."""

    def __init__(
        self,
        gadgets: Gadgets,
        bits: int,
        readings: Sequence[Polynomial],
        guards: Sequence[Polynomial],
        *,
        greatest: bool,
    ) -> None:
        self._readings, self._guards, self._greatest = readings, guards, greatest
        self._empty = 0 if greatest else (1 << bits) - 1
        self._extreme, self._marks = gadgets.columns(2)
        self._slots = [(gadgets.spelled(bits), gadgets.columns(1)[0]) for _ in guards]

    @property
    def value(self) -> Polynomial:
        """The reading."""
        return column(self._extreme)

    def constraints(self, point: Point) -> Values:
        """One value on all rows, distances and marks slot by slot, then the sum of the marks."""
        extreme, marks_after = point.here[self._extreme], point.following[self._marks]
        yield point.following[self._extreme] - extreme
        yield FIRST.at(point) * point.here[self._marks]
        marks = [point.here[mark] for _, mark in self._slots]
        for k, (distance, _) in enumerate(self._slots):
            guard, away = self._guards[k].at(point), extreme - self._readings[k].at(point)
            away = away if self._greatest else -away
            yield from distance.ranges(point)
            yield boolean(marks[k])
            yield guard * away - distance.at(point)
            yield marks[k] * (1 - guard)
            yield marks[k] * away
        yield marks_after - point.here[self._marks] - total(marks)
        yield LAST.at(point) * (extreme - self._empty) * (marks_after - 1)


class Edge:
    """*Edge*: the reading of a channel on the last or first record where the guards are 1."""

    def __init__(
        self,
        gadgets: Gadgets,
        readings: Sequence[Polynomial],
        guards: Sequence[Polynomial],
        *,
        latest: bool,
    ) -> None:
        self._readings, self._guards = readings, guards
        self._value = Register(gadgets, len(guards))
        self._found = None if latest else Register(gadgets, len(guards))

    @property
    def value(self) -> Polynomial:
        """The reading, on the last active row."""
        return column(self._value.columns[0])

    def constraints(self, point: Point) -> Values:
        """Both start at 0, then slot by slot."""
        first, found = FIRST.at(point), self._found
        yield first * point.here[self._value.columns[0]]
        if found is not None:
            yield first * point.here[found.columns[0]]
        for slot, (x, g) in enumerate(zip(self._readings, self._guards, strict=True)):
            added = g.at(point) * (x.at(point) - self._value.before(slot).at(point))
            if found is not None:
                open_still = 1 - found.before(slot).at(point)
                yield found.changes(point, slot, None, g.at(point) * open_still)
                added = added * open_still
            yield self._value.changes(point, slot, None, added)
