"""Numbers and conditions of one record, read from Python's syntax (docs/outcome-language.md)."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from fractions import Fraction

from tests.reference.day import DECIMAL, in_utc, minute_of, offset_of
from tests.reference.syntax import (
    Absolute,
    Between,
    Both,
    ClipAbove,
    Compare,
    Condition,
    Constant,
    Either,
    IsHeld,
    Missing,
    Number,
    Opposite,
    Reading,
    Rises,
    TimeOfDay,
    Times,
    TimeStep,
    minus,
    plus,
    scaled,
)

RELATIONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.GtE: ">=",
    ast.Gt: ">",
}
MIRRORED = {"<": ">", "<=": ">=", "==": "==", "!=": "!=", ">=": "<=", ">": "<"}
LONGEST_RUN = 1_000_000


def called(node: ast.expr) -> str:
    """The name of the function that is called."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id
    return ""


class RecordParser:
    """Reads numbers and conditions; ValueError on what is none."""

    def __init__(self, text: str, channels: Sequence[str]) -> None:
        self.text, self.channels = text, channels

    def arguments(self, node: ast.expr, *counts: int) -> Sequence[ast.expr]:
        """Positional arguments, one of these many."""
        if not isinstance(node, ast.Call) or node.keywords or len(node.args) not in counts:
            raise ValueError("not so many plain arguments")
        return node.args

    def sides(self, node: ast.Compare) -> tuple[ast.expr, str, ast.expr]:
        """The two sides of a comparison."""
        if len(node.ops) != 1 or type(node.ops[0]) not in RELATIONS:
            raise ValueError("one comparison at a time")
        return node.left, RELATIONS[type(node.ops[0])], node.comparators[0]

    def decimal(self, node: ast.expr) -> Fraction:
        """A decimal, with a minus sign or without."""
        sign = 1
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            sign, node = -1, node.operand
        literal = ast.get_source_segment(self.text, node) or ""
        if not isinstance(node, ast.Constant) or not DECIMAL.fullmatch(literal):
            raise ValueError("no decimal")
        return sign * Fraction(literal)

    def positive(self, node: ast.expr) -> Fraction:
        """A positive decimal."""
        value = self.decimal(node)
        if value <= 0:
            raise ValueError("not positive")
        return value

    def quoted(self, node: ast.expr) -> str:
        """Text in quotes."""
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            raise ValueError("no text in quotes")
        return node.value

    def offset(self, nodes: Sequence[ast.expr]) -> int:
        """An offset from UTC in minutes, 0 where there is none."""
        return offset_of(self.quoted(nodes[0])) if nodes else 0

    def channel(self, node: ast.expr) -> Reading:
        """A channel, named alone."""
        if not isinstance(node, ast.Name) or node.id not in self.channels:
            raise ValueError("no channel")
        return Reading(node.id)

    # --- numbers -------------------------------------------------------------------------------

    def number(self, node: ast.expr) -> Number:
        """A number of one record."""
        if isinstance(node, ast.Name):
            return self._named(node)
        if isinstance(node, ast.Constant):
            return Constant(self.decimal(node))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return scaled(self.number(node.operand), Fraction(-1))
        if isinstance(node, ast.BinOp):
            return self._operation(node)
        if called(node) == "abs":
            (inner,) = self.arguments(node, 1)
            return Absolute(self.varying(inner))
        if called(node) == "clip_above":
            inner, limit = self.arguments(node, 2)
            return ClipAbove(self.varying(inner), self.decimal(limit))
        raise ValueError("no number")

    def varying(self, node: ast.expr) -> Number:
        """A number that is no constant."""
        number = self.number(node)
        if isinstance(number, Constant):
            raise ValueError("a constant where a number of the record belongs")
        return number

    def _named(self, node: ast.Name) -> Number:
        if node.id == "dt_ms":
            return TimeStep()
        if node.id == "dt" and node.id not in self.channels:
            return scaled(TimeStep(), Fraction(1, 1000))
        return self.channel(node)

    def _operation(self, node: ast.BinOp) -> Number:
        left = self.number(node.left)
        if isinstance(node.op, ast.Div):
            return scaled(left, 1 / self.positive(node.right))
        right = self.number(node.right)
        if isinstance(node.op, ast.Add):
            return plus(left, right)
        if isinstance(node.op, ast.Sub):
            return minus(left, right)
        if not isinstance(node.op, ast.Mult):
            raise ValueError("numbers are combined with + - * /")
        if isinstance(right, Constant):
            return scaled(left, right.value)
        return scaled(right, left.value) if isinstance(left, Constant) else Times(left, right)

    # --- conditions ----------------------------------------------------------------------------

    def condition(self, node: ast.expr) -> Condition:
        """A condition on one record."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd):
            return Both(self.condition(node.left), self.condition(node.right))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return Either(self.condition(node.left), self.condition(node.right))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert):
            return Opposite(self.condition(node.operand))
        if isinstance(node, ast.Compare):
            left_node, relation, right_node = self.sides(node)
            left, right = self.number(left_node), self.number(right_node)
            if isinstance(left, Constant):
                left, relation, right = right, MIRRORED[relation], left
            if isinstance(left, Constant):
                raise ValueError("two constants are compared")
            return Compare(left, relation, right)
        return self._stated(node)

    def _stated(self, node: ast.expr) -> Condition:
        name = called(node)
        if name == "between":
            inner, low, high = self.arguments(node, 3)
            if self.decimal(low) > self.decimal(high):
                raise ValueError("between needs low <= high")
            return Between(self.varying(inner), self.decimal(low), self.decimal(high))
        if name in ("rising", "falling"):
            (inner,) = self.arguments(node, 1)
            condition = self.condition(inner)
            return Rises(condition if name == "rising" else Opposite(condition))
        if name == "held":
            inner, count = self.arguments(node, 2)
            length = self.decimal(count)
            if length.denominator != 1 or not 1 <= length <= LONGEST_RUN:
                raise ValueError("no number of records")
            return IsHeld(self.condition(inner), int(length))
        if name == "missing":
            (channel,) = self.arguments(node, 1)
            return Missing(self.channel(channel).channel)
        if name == "time_of_day":
            start, end, *rest = self.arguments(node, 2, 3)
            minutes = [minute_of(self.quoted(time)) for time in (start, end)]
            if minutes[0] == minutes[1]:
                raise ValueError("the two times are one")
            offset = self.offset(rest)
            return TimeOfDay(in_utc(minutes[0], offset), in_utc(minutes[1], offset))
        raise ValueError("no condition")
