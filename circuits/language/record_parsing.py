"""Parsing what a formula says about one record: numbers and conditions."""

from __future__ import annotations

import ast
import re
from fractions import Fraction
from typing import NoReturn

from circuits.errors import BadInput, InputReason
from circuits.formula import expression_tree
from circuits.language import syntax as s
from circuits.schema import DT_CHANNEL, Schema

MAXIMUM_CHARACTERS = 400
MAXIMUM_DEPTH = 40
DT_SECONDS = "dt"
LATER = frozenset(
    [
        "rising",
        "falling",
        "held",
        "min",
        "max",
        "first",
        "last",
        "time_of_day",
        "missing",
        "floor",
        "variance",
        "cpk",
        "tariff",
    ]
)
_DECIMAL = re.compile(r"[0-9]{1,30}(\.[0-9]{1,30})?")
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
        if len(self.text) > MAXIMUM_CHARACTERS:
            self.fail(None, f"longer than {MAXIMUM_CHARACTERS} characters")
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
        if not isinstance(node, ast.Constant) or not _DECIMAL.fullmatch(literal):
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
        if name in LATER:
            self.fail(node, f"{name} is not supported yet")
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

    def positional(self, node: ast.Call, count: int) -> list[ast.expr]:
        """Exactly ``count`` plain arguments."""
        if (
            node.keywords
            or len(node.args) != count
            or any(isinstance(a, ast.Starred) for a in node.args)
        ):
            self.fail(node, f"{self.called(node)} takes {count} plain arguments")
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
        if name in LATER:
            self.fail(node, f"{name} is not supported yet")
        if name != "between":
            self.fail(node, "expected a condition: between(x, low, high) is known")
        inner_node, low_node, high_node = self.positional(node, 3)
        inner = self.number(inner_node, depth + 1)
        low, high = self.constant(low_node), self.constant(high_node)
        if isinstance(inner, s.Constant) or low > high:
            self.fail(node, "between needs a number of the record and low <= high")
        return s.Between(inner, low, high)


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
