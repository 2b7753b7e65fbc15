"""What a formula says of all records of a claim: totals, other aggregates, and predicates."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from circuits.language.syntax import Condition, Number


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


@dataclass(frozen=True)
class Extreme:
    """The greatest (or least) value of a channel over the records under ``where``.

    Over no record the value of raw 0 (of the reserved code, 2^bits - 1).
    """

    channel: str
    greatest: bool
    where: Condition | None


@dataclass(frozen=True)
class Edge:
    """A channel's value on the last (or first) record under ``where``; raw 0 over no record."""

    channel: str
    latest: bool
    where: Condition | None


@dataclass(frozen=True)
class WindowsOf:
    """In how many of the claim's windows, each by itself, a predicate holds."""

    predicate: Predicate


Aggregate = SumOf | CountOf | Extreme | Edge | WindowsOf


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

    @property
    def additive(self) -> bool:
        """Whether it adds up over claims: no constant, no extreme, no first or last value."""
        parts = (SumOf, CountOf, WindowsOf)
        return not self.constant and all(isinstance(a, parts) for _, a in self.terms)


@dataclass(frozen=True)
class Exact:
    """One exact number. Without a constant; it adds up over claims if the combination does."""

    linear: Linear


@dataclass(frozen=True)
class Floor:
    """The largest whole number that the combination reaches; does not add up over claims."""

    linear: Linear


@dataclass(frozen=True)
class Rounded:
    """Whole multiples of ``unit``, the remainder carried on to the next claim; it adds up.

    ``name`` is the carried remainder's: the formula's own text.
    """

    linear: Linear
    unit: Fraction
    name: str


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


@dataclass(frozen=True)
class Variance:
    """The variance of a number over the records under ``where`` against a bound, multiplied out.

    With the number of records as divisor: n * sum(x^2) - sum(x)^2 RELATION bound * n^2.
    """

    number: Number
    where: Condition | None
    relation: str
    bound: Fraction


@dataclass(frozen=True)
class Capability:
    """min(mean - low, high - mean) >= 3 * bound * standard deviation, multiplied out; bound > 0.

    The standard deviation is the root of the variance of all records under ``where``.
    """

    number: Number
    low: Fraction
    high: Fraction
    where: Condition | None
    bound: Fraction


Predicate = Comparison | Ratio | Mean | Percentile | Always | Ever | Variance | Capability
Outcome = Exact | Floor | Rounded | Predicate
