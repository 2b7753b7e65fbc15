"""The outcome language (docs/outcome-language.md): from a formula's text to its tree."""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from fractions import Fraction

from tests.reference.day import in_utc, prices_of
from tests.reference.record_formula import MIRRORED, RecordParser, called
from tests.reference.syntax import (
    Aggregate,
    Always,
    Capability,
    Comparison,
    Condition,
    CountOf,
    EdgeOf,
    Ever,
    ExtremeOf,
    Floor,
    Linear,
    Mean,
    Outcome,
    Percentile,
    Predicate,
    Ratio,
    Rounded,
    SumOf,
    TimeOfDay,
    Total,
    Variance,
    WindowsOf,
    both,
)

BOUNDED = ("ratio", "mean", "percentile", "variance", "cpk")
ONE_SIDED = {"percentile": "<=", "cpk": ">="}


def parse(text: str, channels: Sequence[str]) -> Outcome:
    """One formula; ValueError if it is none."""
    return _Parser(text, channels).outcome()


class _Parser(RecordParser):
    """Reads what is said over all records of a claim."""

    inside_windows = False

    def outcome(self) -> Outcome:
        node = ast.parse(self.text, mode="eval").body
        if isinstance(node, ast.Compare) or called(node) in ("all", "any"):
            return self.predicate(node)
        if called(node) == "floor":
            return Floor(self._floored(node))
        if called(node) == "rounded":
            argument, unit = self.arguments(node, 2)
            linear = self.linear(argument)
            if not linear.adds_up:
                raise ValueError("what does not add up is not rounded")
            if isinstance(unit, ast.BinOp) and isinstance(unit.op, ast.Div):
                return Rounded(linear, self.positive(unit.left) / self.positive(unit.right))
            return Rounded(linear, self.positive(unit))
        linear = self.linear(node)
        if linear.constant or not linear.terms:
            raise ValueError("a bare constant")
        return Total(linear)

    # --- conditions on a claim -----------------------------------------------------------------

    def predicate(self, node: ast.expr) -> Predicate:
        """A condition on a claim as a whole."""
        if called(node) in ("all", "any"):
            (argument,), where = self.restricted(node, 1)
            kind = Always if called(node) == "all" else Ever
            return kind(self.condition(argument), where)
        if not isinstance(node, ast.Compare):
            raise ValueError("no condition on a claim")
        left, relation, right = self.sides(node)
        if called(right) in (*BOUNDED, "floor"):
            left, relation, right = right, MIRRORED[relation], left
        name = called(left)
        if relation in ("==", "!=") or (
            name in BOUNDED
            and (relation in ("<", ">") or ONE_SIDED.get(name, relation) != relation)
        ):
            raise ValueError(f"not compared with {relation}")
        if name == "floor":
            return _compared_floor(self._floored(left), relation, self.decimal(right))
        if name in BOUNDED:
            return self._bounded(left, relation, self.decimal(right))
        sides = self.linear(left), self.linear(right)
        if not sides[0].terms and not sides[1].terms:
            raise ValueError("two constants are compared")
        return Comparison(sides[0], relation, sides[1])

    def _bounded(self, node: ast.expr, relation: str, bound: Fraction) -> Predicate:
        name = called(node)
        if name == "ratio":
            above, below = self.arguments(node, 2)
            return Ratio(self.linear(above), self.linear(below), relation, bound)
        if name == "mean":
            (argument,), where = self.restricted(node, 1)
            return Mean(self.number(argument), where, relation, bound)
        if name == "percentile":
            (argument, share), where = self.restricted(node, 2)
            percent = self.positive(share)
            if percent > 100:
                raise ValueError("a percentile is at most 100")
            return Percentile(self.number(argument), percent, where, bound)
        if name == "variance":
            (argument,), where = self.restricted(node, 1)
            if bound < 0:
                raise ValueError("a variance is compared with 0 or more")
            return Variance(self.varying(argument), where, relation, bound)
        (argument, low, high), where = self.restricted(node, 3)
        ends = self.decimal(low), self.decimal(high)
        if ends[0] >= ends[1] or bound <= 0:
            raise ValueError("cpk needs low < high and a positive bound")
        return Capability(self.varying(argument), *ends, where, bound)

    def _floored(self, node: ast.expr) -> Linear:
        (argument,) = self.arguments(node, 1)
        linear = self.linear(argument)
        if not linear.terms:
            raise ValueError("floor of a constant")
        return linear

    # --- combinations --------------------------------------------------------------------------

    def linear(self, node: ast.expr) -> Linear:
        """A combination of aggregates and constants."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return self.linear(node.operand).times(Fraction(-1))
        if isinstance(node, ast.Constant):
            return Linear((), self.decimal(node))
        if called(node) == "tariff":
            return self._tariff(node)
        if not isinstance(node, ast.BinOp):
            return Linear(((Fraction(1), self._aggregate(node)),))
        left = self.linear(node.left)
        if isinstance(node.op, ast.Div):
            return left.times(1 / self.positive(node.right))
        right = self.linear(node.right)
        if isinstance(node.op, ast.Add):
            return left.plus(right)
        if isinstance(node.op, ast.Sub):
            return left.plus(right, Fraction(-1))
        if right.terms:
            left, right = right, left
        if not isinstance(node.op, ast.Mult) or right.terms or not right.constant:
            raise ValueError("totals are multiplied by constants other than 0")
        return left.times(right.constant)

    def _aggregate(self, node: ast.expr) -> Aggregate:
        name = called(node)
        if self.inside_windows and name not in ("sum", "count"):
            raise ValueError(f"{name} inside windows")
        if name == "windows":
            (argument,) = self.arguments(node, 1)
            self.inside_windows = True
            predicate = self.predicate(argument)
            self.inside_windows = False
            if isinstance(predicate, Variance | Capability):
                raise ValueError("variance or cpk inside windows")
            return WindowsOf(predicate)
        if name == "count":
            arguments, where = self.restricted(node, 0, 1)
            return CountOf(self.condition(arguments[0]) if arguments else None, where)
        (argument,), where = self.restricted(node, 1)
        if name in ("max", "min"):
            return ExtremeOf(self.channel(argument), name == "max", where)
        if name in ("last", "first"):
            return EdgeOf(self.channel(argument), name == "last", where)
        if name != "sum":
            raise ValueError("no aggregate")
        return SumOf(self.varying(argument), where)

    def _tariff(self, node: ast.expr) -> Linear:
        (argument, schedule, *rest), where = self.restricted(node, 2, 3)
        number, offset = self.varying(argument), self.offset(rest)
        terms: list[tuple[Fraction, Aggregate]] = []
        for start, end, price in prices_of(self.quoted(schedule)):
            inside = TimeOfDay(in_utc(start, offset), in_utc(end, offset)) if start != end else None
            if price:
                terms.append((price, SumOf(number, both(inside, where))))
        if not terms:
            raise ValueError("every price is 0")
        return Linear(tuple(terms))

    def restricted(
        self, node: ast.expr, *counts: int
    ) -> tuple[Sequence[ast.expr], Condition | None]:
        """Positional arguments, and ``where``."""
        if not isinstance(node, ast.Call) or len(node.args) not in counts:
            raise ValueError("not so many arguments")
        if [keyword.arg for keyword in node.keywords] not in ([], ["where"]):
            raise ValueError("a keyword other than where")
        where = [self.condition(keyword.value) for keyword in node.keywords]
        return node.args, where[0] if where else None


def _compared_floor(linear: Linear, relation: str, bound: Fraction) -> Comparison:
    """floor(linear) RELATION bound, without the floor."""
    least = math.floor(bound) + 1 if relation in ("<=", ">") else math.ceil(bound)
    turned = "<" if relation in ("<", "<=") else ">="
    return Comparison(linear, turned, Linear((), Fraction(least)))
