"""Parsing what a formula says about one record: numbers and conditions."""

from __future__ import annotations

import ast
from fractions import Fraction
from typing import NoReturn

from circuits.errors import BadInput, InputReason
from circuits.language import syntax as s
from circuits.language.day import DECIMAL, in_utc, minute_of_day, offset_minutes
from circuits.language.text import MAXIMUM_COMPILED_CHARACTERS, expression_tree
from circuits.schema import DT_CHANNEL, Schema

MAXIMUM_DEPTH = 40
DT_SECONDS = "dt"
MAXIMUM_HELD = 1_000_000
_RELATIONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.GtE: ">=",
    ast.Gt: ">",
}


class RecordParser:
    """Walks a parsed text; every refusal names the character where it stands."""

    def __init__(self, text: str, schema: Schema) -> None:
        self.text = text
        self.channels = {channel.name for channel in schema.channels}

    def fail(self, node: ast.expr | None, what: str) -> NoReturn:
        """``BadInput`` FORMULA with the position of ``node``."""
        place = "" if node is None else f" at line {node.lineno}, byte {node.col_offset + 1}"
        raise BadInput(InputReason.FORMULA, f"formula {self.text[:80]!r}{place}: {what}")

    def tree(self) -> ast.expr:
        """The text as one expression."""
        if len(self.text) > MAXIMUM_COMPILED_CHARACTERS:
            self.fail(None, f"longer than {MAXIMUM_COMPILED_CHARACTERS} characters")
        try:
            return expression_tree(self.text)
        except SyntaxError as error:
            self.fail(None, f"not an expression (line {error.lineno}, character {error.offset})")
        except (ValueError, MemoryError, RecursionError):
            self.fail(None, "not an expression")

    def deeper(self, node: ast.expr, depth: int) -> None:
        """Refuse what is nested too deeply."""
        if depth > MAXIMUM_DEPTH:
            self.fail(node, f"nested more than {MAXIMUM_DEPTH} deep")

    def called(self, node: ast.expr) -> str:
        """The name of the function that is called, or an empty text."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return node.func.id
        return ""

    def sides(self, node: ast.Compare) -> tuple[ast.expr, str, ast.expr]:
        """Left, relation and right of a single comparison."""
        if len(node.ops) != 1:
            self.fail(node, "one comparison at a time: put each in parentheses")
        relation = _RELATIONS.get(type(node.ops[0]))
        if relation is None:
            self.fail(node, f"comparisons are {' '.join(s.RELATIONS)}")
        return node.left, relation, node.comparators[0]

    def constant(self, node: ast.expr) -> Fraction:
        """A decimal, exactly as written."""
        sign = 1
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            sign, node = -1, node.operand
        literal = ast.get_source_segment(self.text, node) or ""
        if not isinstance(node, ast.Constant) or not DECIMAL.fullmatch(literal):
            self.fail(node, "expected a decimal constant")
        return sign * Fraction(literal)

    def divisor(self, node: ast.expr) -> Fraction:
        """A positive decimal."""
        divisor = self.constant(node)
        if divisor <= 0:
            self.fail(node, "a divisor is positive")
        return divisor

    def number(self, node: ast.expr, depth: int) -> s.Number:
        """A number of one record."""
        self.deeper(node, depth)
        if isinstance(node, ast.Name):
            return self.named(node)
        if isinstance(node, ast.Constant):
            return s.Constant(self.constant(node))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return scaled(self.number(node.operand, depth + 1), Fraction(-1))
        if isinstance(node, ast.BinOp):
            return self.operation(node, depth)
        if not isinstance(node, ast.Call):
            self.fail(node, "expected a number: channels, dt, dt_ms, constants, + - * / constant")
        return self.function(node, depth)

    def named(self, node: ast.Name) -> s.Number:
        if node.id == DT_CHANNEL:
            return s.TimeStep()
        if node.id in self.channels:
            return s.Reading(node.id)
        if node.id != DT_SECONDS:
            self.fail(node, f"unknown channel {node.id!r}")
        return s.Scaled(s.TimeStep(), Fraction(1, 1000))

    def operation(self, node: ast.BinOp, depth: int) -> s.Number:
        left = self.number(node.left, depth + 1)
        if isinstance(node.op, ast.Div):
            return scaled(left, 1 / self.divisor(node.right))
        right = self.number(node.right, depth + 1)
        if isinstance(node.op, ast.Add):
            return plus(left, right)
        if isinstance(node.op, ast.Sub):
            return plus(left, scaled(right, Fraction(-1)))
        if not isinstance(node.op, ast.Mult):
            self.fail(node, "numbers are combined with + - * and / constant")
        if isinstance(right, s.Constant):
            return scaled(left, right.value)
        if isinstance(left, s.Constant):
            return scaled(right, left.value)
        return s.Times(left, right)

    def function(self, node: ast.Call, depth: int) -> s.Number:
        name = self.called(node)
        counts = {"abs": 1, "clip_above": 2}
        if name not in counts:
            self.fail(node, "expected a number: abs(x) and clip_above(x, c) are known")
        arguments = self.positional(node, counts[name])
        inner = self.number(arguments[0], depth + 1)
        if isinstance(inner, s.Constant):
            self.fail(node, f"{name} of a constant")
        if name == "abs":
            return s.Absolute(inner)
        return s.Excess(inner, self.constant(arguments[1]))

    def channel(self, node: ast.expr) -> str:
        """The name of a channel."""
        if not isinstance(node, ast.Name):
            self.fail(node, "expected a channel's name")
        if node.id not in self.channels:
            self.fail(node, f"unknown channel {node.id!r}")
        return node.id

    def literal(self, node: ast.expr) -> str:
        """A plain string in quotes, without escapes."""
        text = ast.get_source_segment(self.text, node) or ""
        value = node.value if isinstance(node, ast.Constant) else None
        if not isinstance(value, str) or text not in (f'"{value}"', f"'{value}'"):
            self.fail(node, "expected plain text in quotes")
        return value

    def offset(self, nodes: list[ast.expr]) -> int:
        """How many minutes local time is ahead of UTC; 0 without a node."""
        if not nodes:
            return 0
        try:
            return offset_minutes(self.literal(nodes[0]))
        except ValueError as error:
            self.fail(nodes[0], str(error))

    def minute(self, node: ast.expr) -> int:
        """A time of day in minutes after midnight."""
        try:
            return minute_of_day(self.literal(node))
        except ValueError as error:
            self.fail(node, str(error))

    def positional(self, node: ast.Call, least: int, most: int | None = None) -> list[ast.expr]:
        """``least`` to ``most`` plain arguments, the most being the least without it."""
        most = least if most is None else most
        if (
            node.keywords
            or not least <= len(node.args) <= most
            or any(isinstance(a, ast.Starred) for a in node.args)
        ):
            self.fail(node, f"{self.called(node)} takes {so_many(least, most)} plain arguments")
        return node.args

    def condition(self, node: ast.expr, depth: int) -> s.Condition:
        """Something that a record fulfils or not."""
        self.deeper(node, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd | ast.BitOr):
            left = self.condition(node.left, depth + 1)
            right = self.condition(node.right, depth + 1)
            return (s.Both if isinstance(node.op, ast.BitAnd) else s.Either)(left, right)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert):
            return s.Opposite(self.condition(node.operand, depth + 1))
        if isinstance(node, ast.Compare):
            return self.compared(node, depth)
        if not isinstance(node, ast.Call):
            self.fail(node, "expected a condition: comparisons in parentheses, & | ~ or between")
        return self.stated(node, depth)

    def compared(self, node: ast.Compare, depth: int) -> s.Condition:
        left_node, relation, right_node = self.sides(node)
        left = self.number(left_node, depth + 1)
        right = self.number(right_node, depth + 1)
        if isinstance(left, s.Constant):
            left, relation, right = right, s.MIRRORED[relation], left
        if isinstance(left, s.Constant):
            self.fail(node, "two constants are compared")
        return s.Compare(left, relation, right)

    def stated(self, node: ast.Call, depth: int) -> s.Condition:
        name = self.called(node)
        if name == "between":
            return self.between(node, depth)
        if name == "time_of_day":
            return self.time_of_day(node)
        if name == "missing":
            return s.Missing(self.channel(self.positional(node, 1)[0]))
        if name == "held":
            inner, count = self.positional(node, 2)
            return s.Held(self.condition(inner, depth + 1), self.run_length(count))
        if name not in ("rising", "falling"):
            self.fail(
                node,
                "expected a condition: between, rising, falling, held, missing and time_of_day"
                " are known",
            )
        condition = self.condition(self.positional(node, 1)[0], depth + 1)
        return s.Rising(condition if name == "rising" else s.Opposite(condition))

    def between(self, node: ast.Call, depth: int) -> s.Condition:
        inner_node, low_node, high_node = self.positional(node, 3)
        inner = self.number(inner_node, depth + 1)
        low, high = self.constant(low_node), self.constant(high_node)
        if isinstance(inner, s.Constant) or low > high:
            self.fail(node, "between needs a number of the record and low <= high")
        return s.Between(inner, low, high)

    def time_of_day(self, node: ast.Call) -> s.Condition:
        """[a, b) in UTC, or in a local time at a fixed offset from it."""
        begin, end, *rest = self.positional(node, 2, 3)
        start_minute, end_minute = self.minute(begin), self.minute(end)
        if start_minute == end_minute:
            self.fail(node, "the two times of day differ")
        offset = self.offset(rest)
        return s.TimeOfDay(in_utc(start_minute, offset), in_utc(end_minute, offset))

    def run_length(self, node: ast.expr) -> int:
        """How many records a condition is to hold for."""
        if not isinstance(node, ast.Constant) or type(node.value) is not int:
            self.fail(node, "expected a whole number of records")
        count = self.constant(node)
        if not 1 <= count <= MAXIMUM_HELD:
            self.fail(node, f"a condition is held for 1 to {MAXIMUM_HELD} records")
        return int(count)


def so_many(least: int, most: int) -> str:
    """A number of arguments in words."""
    return f"{least}" if least == most else f"{least} or {most}"


def scaled(inner: s.Number, factor: Fraction) -> s.Number:
    """factor * inner, folded where that is possible."""
    if isinstance(inner, s.Constant):
        return s.Constant(inner.value * factor)
    if isinstance(inner, s.Scaled):
        return scaled(inner.inner, inner.factor * factor)
    if factor == 0:
        return s.Constant(Fraction(0))
    return inner if factor == 1 else s.Scaled(inner, factor)


def plus(left: s.Number, right: s.Number) -> s.Number:
    """left + right, folded where that is possible."""
    if isinstance(left, s.Constant) and isinstance(right, s.Constant):
        return s.Constant(left.value + right.value)
    if isinstance(left, s.Constant):
        left, right = right, left
    if isinstance(right, s.Constant) and right.value == 0:
        return left
    return s.Plus(left, right)
