"""The outcome formulas of a contract: parsed from a safe subset of Python, never evaluated.

    sum(<channel>)   sum(<channel> * dt_ms)   count(<channel> <= c)   count(<channel> >= c)

each optionally divided by a positive constant. Constants are decimals in channel units and become
exact fractions.
"""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from fractions import Fraction
from typing import NoReturn

from circuits.errors import BadInput, InputReason
from circuits.schema import DT_CHANNEL, Schema

MAXIMUM_CHARACTERS = 400
_DECIMAL = re.compile(r"[0-9]{1,30}(\.[0-9]{1,30})?")


@dataclass(frozen=True)
class Sum:
    """The sum of a channel, or of channel * dt_ms (channel units times milliseconds)."""

    channel: str
    times_dt: bool


@dataclass(frozen=True)
class Count:
    """How many records have channel <= bound (``at_most``) or channel >= bound."""

    channel: str
    at_most: bool
    bound: Fraction


@dataclass(frozen=True)
class Formula:
    """``aggregate / divisor``."""

    text: str
    aggregate: Sum | Count
    divisor: Fraction

    @property
    def aggregate_text(self) -> str:
        """The aggregate in readable form."""
        inner = self.aggregate
        if isinstance(inner, Sum):
            return (
                f"sum({inner.channel} * {DT_CHANNEL})"
                if inner.times_dt
                else f"sum({inner.channel})"
            )
        return f"count({inner.channel} {'<=' if inner.at_most else '>='} {inner.bound})"


def parse_formula(text: str, schema: Schema) -> Formula:
    """Parse one formula; ``BadInput`` FORMULA names what is not understood."""
    return _Parser(text, schema).parse()


def expression_tree(text: str) -> ast.expr:
    """The text as one expression; ``ValueError`` unless it is printable ASCII without comments.

    A comment would hide from a reader, or from what is put behind a formula, that it ends there.
    What else the parser raises is the caller's to answer: SyntaxError, MemoryError, RecursionError.
    """
    if not (text.isascii() and text.isprintable()) or "#" in text:
        raise ValueError("not plain text")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the parser warns of what its callers refuse anyway
        return ast.parse(text, mode="eval").body


def require_expression(text: str) -> None:
    """``BadInput`` FORMULA unless the text is one complete expression by itself."""
    try:
        expression_tree(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise BadInput(
            InputReason.FORMULA, f"formula {text[:80]!r}: not one expression in plain ASCII"
        ) from None


class _Parser:
    def __init__(self, text: str, schema: Schema) -> None:
        self.text = text
        self.schema = schema

    def parse(self) -> Formula:
        if len(self.text) > MAXIMUM_CHARACTERS:
            self.fail(f"longer than {MAXIMUM_CHARACTERS} characters")
        try:
            body = expression_tree(self.text)
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            self.fail("not an expression")
        divisor = Fraction(1)
        if isinstance(body, ast.BinOp) and isinstance(body.op, ast.Div):
            divisor = self.constant(body.right)
            if divisor <= 0:
                self.fail("the divisor must be positive")
            body = body.left
        return Formula(self.text, self.aggregate(body), divisor)

    def fail(self, what: str) -> NoReturn:
        raise BadInput(
            InputReason.FORMULA,
            f"formula {self.text[:80]!r}: {what}; expected sum(channel), sum(channel * dt_ms), "
            "count(channel <= c) or count(channel >= c), optionally / constant",
        )

    def aggregate(self, node: ast.expr) -> Sum | Count:
        if (
            not isinstance(node, ast.Call)
            or not isinstance(node.func, ast.Name)
            or len(node.args) != 1
            or node.keywords
        ):
            self.fail("not an aggregate")
        argument = node.args[0]
        if node.func.id == "sum":
            return self.sum_of(argument)
        if node.func.id != "count":
            self.fail(f"unknown function {node.func.id!r}")
        return self.count_of(argument)

    def sum_of(self, node: ast.expr) -> Sum:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            names = [self.name(node.left), self.name(node.right)]
            if names.count(DT_CHANNEL) != 1:
                self.fail(f"a product is of one channel and {DT_CHANNEL}")
            names.remove(DT_CHANNEL)
            return Sum(self.channel(names[0]), True)
        return Sum(self.channel(self.name(node)), False)

    def count_of(self, node: ast.expr) -> Count:
        if not isinstance(node, ast.Compare) or len(node.ops) != 1:
            self.fail("count needs one comparison")
        operator = node.ops[0]
        if not isinstance(operator, ast.LtE | ast.GtE):
            self.fail("only <= and >= are understood")
        channel = self.channel(self.name(node.left))
        return Count(channel, isinstance(operator, ast.LtE), self.constant(node.comparators[0]))

    def name(self, node: ast.expr) -> str:
        if not isinstance(node, ast.Name):
            self.fail("expected a channel name")
        return node.id

    def channel(self, name: str) -> str:
        if name == DT_CHANNEL or name not in {c.name for c in self.schema.channels}:
            self.fail(f"unknown channel {name!r}")
        return name

    def constant(self, node: ast.expr) -> Fraction:
        sign = 1
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            sign, node = -1, node.operand
        literal = ast.get_source_segment(self.text, node) or ""
        if not isinstance(node, ast.Constant) or not _DECIMAL.fullmatch(literal):
            self.fail("expected a decimal constant")
        return sign * Fraction(literal)
