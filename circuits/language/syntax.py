"""What a formula says, as a tree; every node's ``text`` is canonical and names shared columns.

Numbers of one record and conditions on one record; ``outcome_syntax`` has what is taken over all
records of a claim. Channel values are exact fractions in the channel's unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from fractions import Fraction

from circuits.schema import DT_CHANNEL

RELATIONS = ("<", "<=", "==", "!=", ">=", ">")
MIRRORED = {"<": ">", "<=": ">=", "==": "==", "!=": "!=", ">=": "<=", ">": "<"}


# --- numbers of one record -------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """A channel's value."""

    channel: str

    @property
    def text(self) -> str:
        """Canonical form."""
        return self.channel


@dataclass(frozen=True)
class TimeStep:
    """Milliseconds since the record before; 0 on an epoch's first record."""

    @property
    def text(self) -> str:
        """Canonical form."""
        return DT_CHANNEL


@dataclass(frozen=True)
class Constant:
    """An exact constant."""

    value: Fraction

    @property
    def text(self) -> str:
        """Canonical form."""
        return str(self.value)


@dataclass(frozen=True)
class Plus:
    """left + right."""

    left: Number
    right: Number

    @property
    def text(self) -> str:
        """Canonical form."""
        return f"({self.left.text} + {self.right.text})"


@dataclass(frozen=True)
class Times:
    """left * right, neither of them constant."""

    left: Number
    right: Number

    @property
    def text(self) -> str:
        """Canonical form."""
        return f"({self.left.text} * {self.right.text})"


@dataclass(frozen=True)
class Scaled:
    """factor * inner; the factor is not 0."""

    inner: Number
    factor: Fraction

    @property
    def text(self) -> str:
        """Canonical form."""
        return f"({self.factor} * {self.inner.text})"


@dataclass(frozen=True)
class Absolute:
    """The magnitude of a number."""

    inner: Number

    @property
    def text(self) -> str:
        """Canonical form."""
        return f"abs({self.inner.text})"


@dataclass(frozen=True)
class Excess:
    """How far a number lies above a limit: max(inner - limit, 0)."""

    inner: Number
    limit: Fraction

    @property
    def text(self) -> str:
        """Canonical form."""
        return f"clip_above({self.inner.text}, {self.limit})"


Number = Reading | TimeStep | Constant | Plus | Times | Scaled | Absolute | Excess


# --- conditions on one record ----------------------------------------------------------------


@dataclass(frozen=True)
class Compare:
    """left RELATION right."""

    left: Number
    relation: str
    right: Number

    @property
    def text(self) -> str:
        """Canonical form."""
        return f"({self.left.text} {self.relation} {self.right.text})"


@dataclass(frozen=True)
class Between:
    """low <= inner <= high, with low <= high."""

    inner: Number
    low: Fraction
    high: Fraction

    @property
    def text(self) -> str:
        """Canonical form."""
        return f"between({self.inner.text}, {self.low}, {self.high})"


@dataclass(frozen=True)
class Both:
    """left and right."""

    left: Condition
    right: Condition

    @property
    def text(self) -> str:
        """Canonical form."""
        return f"({self.left.text} & {self.right.text})"


@dataclass(frozen=True)
class Either:
    """left or right or both."""

    left: Condition
    right: Condition

    @property
    def text(self) -> str:
        """Canonical form."""
        return f"({self.left.text} | {self.right.text})"


@dataclass(frozen=True)
class Opposite:
    """Not inner."""

    inner: Condition

    @property
    def text(self) -> str:
        """Canonical form."""
        return f"~{self.inner.text}"


@dataclass(frozen=True)
class Rising:
    """The condition holds and did not on the record before; false on an epoch's first record."""

    inner: Condition

    @property
    def text(self) -> str:
        """Canonical form; also the name of the state that it carries from claim to claim."""
        return f"rising({self.inner.text})"


@dataclass(frozen=True)
class Held:
    """The condition held on each of the last ``count`` records of the epoch, this one included."""

    inner: Condition
    count: int

    @property
    def text(self) -> str:
        """Canonical form; also the name of the state that it carries from claim to claim."""
        return f"held({self.inner.text}, {self.count})"


@dataclass(frozen=True)
class TimeOfDay:
    """The record's window starts in [start, end) minutes after midnight UTC.

    Both are 0..1439 and differ; with start > end the interval runs over midnight.
    """

    start: int
    end: int

    @property
    def text(self) -> str:
        """Canonical form."""
        return f"time_of_day({clock(self.start)}, {clock(self.end)})"


@dataclass(frozen=True)
class Missing:
    """The channel's reading is the reserved code of a missed sample."""

    channel: str

    @property
    def text(self) -> str:
        """Canonical form."""
        return f"missing({self.channel})"


Condition = Compare | Between | Both | Either | Opposite | Rising | Held | TimeOfDay | Missing


def clock(minute: int) -> str:
    """HH:MM."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def parts(node: object) -> Iterator[object]:
    """The node and everything below it, parents first."""
    yield node
    children: Iterable[object] = ()
    if isinstance(node, tuple):
        children = node
    elif is_dataclass(node):
        children = (getattr(node, field.name) for field in fields(node))
    for child in children:
        yield from parts(child)


def readings(node: object) -> frozenset[str]:
    """The channels whose values are needed to know the node; ``missing`` needs none."""
    return frozenset(part.channel for part in parts(node) if isinstance(part, Reading))
