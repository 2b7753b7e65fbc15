"""Formulas as trees: numbers and conditions of one record, and what is said of all of them.

Two trees are equal if they are written alike, constants folded.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from fractions import Fraction

# --- numbers of one record -------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """A channel's value."""

    channel: str


@dataclass(frozen=True)
class TimeStep:
    """Milliseconds since the record before."""


@dataclass(frozen=True)
class Constant:
    """A constant."""

    value: Fraction


@dataclass(frozen=True)
class Plus:
    """left + right; a constant stands on the right."""

    left: Number
    right: Number


@dataclass(frozen=True)
class Times:
    """left * right, neither of them constant."""

    left: Number
    right: Number


@dataclass(frozen=True)
class Scaled:
    """factor * inner; the factor is neither 0 nor 1, inner neither a constant nor scaled."""

    inner: Number
    factor: Fraction


@dataclass(frozen=True)
class Absolute:
    """|inner|."""

    inner: Number


@dataclass(frozen=True)
class ClipAbove:
    """max(inner - limit, 0)."""

    inner: Number
    limit: Fraction


Number = Reading | TimeStep | Constant | Plus | Times | Scaled | Absolute | ClipAbove


# --- conditions on one record ----------------------------------------------------------------


@dataclass(frozen=True)
class Compare:
    """left RELATION right, one of < <= == != >= >."""

    left: Number
    relation: str
    right: Number


@dataclass(frozen=True)
class Between:
    """low <= inner <= high."""

    inner: Number
    low: Fraction
    high: Fraction


@dataclass(frozen=True)
class Both:
    """left & right."""

    left: Condition
    right: Condition


@dataclass(frozen=True)
class Either:
    """left | right."""

    left: Condition
    right: Condition


@dataclass(frozen=True)
class Opposite:
    """~inner."""

    inner: Condition


@dataclass(frozen=True)
class Rises:
    """rising(inner)."""

    inner: Condition


@dataclass(frozen=True)
class IsHeld:
    """held(inner, count)."""

    inner: Condition
    count: int


@dataclass(frozen=True)
class TimeOfDay:
    """The record's window starts in [start, end) minutes after midnight UTC."""

    start: int
    end: int


@dataclass(frozen=True)
class Missing:
    """missing(channel)."""

    channel: str


Condition = Compare | Between | Both | Either | Opposite | Rises | IsHeld | TimeOfDay | Missing


# --- over all records of a claim -------------------------------------------------------------


@dataclass(frozen=True)
class SumOf:
    """sum(number, where=where)."""

    number: Number
    where: Condition | None


@dataclass(frozen=True)
class CountOf:
    """count(condition, where=where)."""

    condition: Condition | None
    where: Condition | None


@dataclass(frozen=True)
class ExtremeOf:
    """max or min of a channel."""

    channel: Reading
    greatest: bool
    where: Condition | None


@dataclass(frozen=True)
class EdgeOf:
    """last or first of a channel."""

    channel: Reading
    latest: bool
    where: Condition | None


@dataclass(frozen=True)
class WindowsOf:
    """windows(predicate)."""

    predicate: Predicate


Whole = ExtremeOf | EdgeOf | WindowsOf
Aggregate = SumOf | CountOf | Whole


@dataclass(frozen=True)
class Linear:
    """The sum of factor * aggregate, and a constant."""

    terms: tuple[tuple[Fraction, Aggregate], ...] = ()
    constant: Fraction = Fraction(0)

    def times(self, factor: Fraction) -> Linear:
        """factor * self."""
        return Linear(tuple((own * factor, a) for own, a in self.terms), self.constant * factor)

    def plus(self, other: Linear, factor: Fraction = Fraction(1)) -> Linear:
        """self + factor * other."""
        moved = other.times(factor)
        return Linear(self.terms + moved.terms, self.constant + moved.constant)

    @property
    def adds_up(self) -> bool:
        """Whether the numbers of two claims add up to that of both together."""
        whole = any(isinstance(a, ExtremeOf | EdgeOf) for _, a in self.terms)
        return bool(self.terms) and not self.constant and not whole


@dataclass(frozen=True)
class Comparison:
    """left RELATION right."""

    left: Linear
    relation: str
    right: Linear


@dataclass(frozen=True)
class Ratio:
    """ratio(above, below) RELATION bound."""

    above: Linear
    below: Linear
    relation: str
    bound: Fraction


@dataclass(frozen=True)
class Mean:
    """mean(number, where=where) RELATION bound."""

    number: Number
    where: Condition | None
    relation: str
    bound: Fraction


@dataclass(frozen=True)
class Percentile:
    """percentile(number, percent, where=where) <= bound."""

    number: Number
    percent: Fraction
    where: Condition | None
    bound: Fraction


@dataclass(frozen=True)
class Always:
    """all(condition, where=where)."""

    condition: Condition
    where: Condition | None


@dataclass(frozen=True)
class Ever:
    """any(condition, where=where)."""

    condition: Condition
    where: Condition | None


@dataclass(frozen=True)
class Variance:
    """variance(number, where=where) RELATION bound."""

    number: Number
    where: Condition | None
    relation: str
    bound: Fraction


@dataclass(frozen=True)
class Capability:
    """cpk(number, low, high, where=where) >= bound."""

    number: Number
    low: Fraction
    high: Fraction
    where: Condition | None
    bound: Fraction


Sign = Comparison | Ratio | Mean | Percentile | Always | Ever
Predicate = Sign | Variance | Capability


@dataclass(frozen=True)
class Total:
    """An outcome that is one exact number."""

    linear: Linear


@dataclass(frozen=True)
class Floor:
    """floor(linear)."""

    linear: Linear


@dataclass(frozen=True)
class Rounded:
    """rounded(linear, unit)."""

    linear: Linear
    unit: Fraction


Outcome = Total | Floor | Rounded | Predicate


# --- building and reading trees --------------------------------------------------------------


def scaled(inner: Number, factor: Fraction) -> Number:
    """factor * inner, constants folded."""
    if isinstance(inner, Scaled):
        return scaled(inner.inner, inner.factor * factor)
    if isinstance(inner, Constant) or factor == 0:
        return Constant(inner.value * factor if isinstance(inner, Constant) else factor)
    return inner if factor == 1 else Scaled(inner, factor)


def plus(left: Number, right: Number) -> Number:
    """left + right, constants folded."""
    if isinstance(left, Constant) and isinstance(right, Constant):
        return Constant(left.value + right.value)
    if isinstance(left, Constant):
        left, right = right, left
    return left if right == Constant(Fraction(0)) else Plus(left, right)


def minus(left: Number, right: Number) -> Number:
    """left - right, constants folded."""
    return plus(left, scaled(right, Fraction(-1)))


def both(left: Condition | None, right: Condition | None) -> Condition | None:
    """left & right, None being always true."""
    if left is None or right is None:
        return left or right
    return Both(left, right)


def parts(node: object) -> list[object]:
    """A tree's nodes."""
    if isinstance(node, tuple):
        return [part for child in node for part in parts(child)]
    if not is_dataclass(node):
        return []
    children = [getattr(node, field.name) for field in fields(node)]
    return [node, *(part for child in children for part in parts(child))]
