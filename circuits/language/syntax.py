"""What a formula says, as a tree; every node's ``text`` is canonical and names shared columns.

Three layers: numbers of one record, conditions on one record, and what is taken over all records
of a claim. Channel values are exact fractions in the channel's unit.
"""

from __future__ import annotations

from dataclasses import dataclass
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


Condition = Compare | Between | Both | Either | Opposite


# --- over all records ------------------------------------------------------------------------


@dataclass(frozen=True)
class SumOf:
    """The sum of a number over the records on which ``where`` holds (None: all)."""

    number: Number
    where: Condition | None


@dataclass(frozen=True)
class CountOf:
    """On how many of the records under ``where`` the condition holds (None: all of them)."""

    condition: Condition | None
    where: Condition | None


Aggregate = SumOf | CountOf


@dataclass(frozen=True)
class Linear:
    """sum(factor * aggregate) + constant."""

    terms: tuple[tuple[Fraction, Aggregate], ...]
    constant: Fraction = Fraction(0)

    def plus(self, other: Linear, factor: Fraction = Fraction(1)) -> Linear:
        """self + factor * other."""
        moved = other.times(factor)
        return Linear(self.terms + moved.terms, self.constant + moved.constant)

    def times(self, factor: Fraction) -> Linear:
        """factor * self."""
        return Linear(tuple((f * factor, a) for f, a in self.terms), self.constant * factor)


@dataclass(frozen=True)
class Additive:
    """One exact number, which adds up over claims; without a constant."""

    linear: Linear


@dataclass(frozen=True)
class Comparison:
    """left RELATION right; the relation is one of < <= >= >."""

    left: Linear
    relation: str
    right: Linear


@dataclass(frozen=True)
class Ratio:
    """above / below RELATION bound, multiplied out: above RELATION bound * below."""

    above: Linear
    below: Linear
    relation: str
    bound: Fraction


@dataclass(frozen=True)
class Mean:
    """The mean of a number over the records under ``where``, against a bound, multiplied out."""

    number: Number
    where: Condition | None
    relation: str
    bound: Fraction


@dataclass(frozen=True)
class Percentile:
    """At least ``percent`` of 100 records under ``where`` have number <= bound."""

    number: Number
    percent: Fraction
    where: Condition | None
    bound: Fraction


@dataclass(frozen=True)
class Always:
    """The condition holds on every record under ``where``; true when there is none."""

    condition: Condition
    where: Condition | None


@dataclass(frozen=True)
class Ever:
    """The condition holds on some record under ``where``; false when there is none."""

    condition: Condition
    where: Condition | None


Predicate = Comparison | Ratio | Mean | Percentile | Always | Ever
Outcome = Additive | Predicate
