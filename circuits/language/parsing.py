"""Formulas from a safe subset of Python expressions: read with ``ast``, never evaluated."""

from __future__ import annotations

import ast
from fractions import Fraction

from circuits.language import syntax as s
from circuits.language.record_parsing import LATER, RecordParser
from circuits.schema import Schema

_ORDER = ("<", "<=", ">=", ">")
_AGGREGATES = ("sum", "count")
_PREDICATES = ("ratio", "mean", "percentile", "all", "any")


def parse_outcome(text: str, schema: Schema) -> s.Outcome:
    """One formula; ``BadInput`` FORMULA says what is not understood and at which character."""
    return _OutcomeParser(text, schema).outcome()


class _OutcomeParser(RecordParser):
    """What is taken over all records of a claim."""

    def outcome(self) -> s.Outcome:
        node = self.tree()
        if isinstance(node, ast.Compare):
            return self.comparison(node)
        if self.called(node) in ("all", "any"):
            return self.quantified(node)
        if self.called(node) in _PREDICATES:
            self.fail(node, f"{self.called(node)} gives one bit: compare it with a constant")
        linear = self.linear(node, 0)
        if linear.constant or not linear.terms:
            self.fail(node, "a constant does not add up over claims")
        return s.Additive(linear)

    def comparison(self, node: ast.Compare) -> s.Predicate:
        left, relation, right = self.sides(node)
        if relation not in _ORDER:
            self.fail(node, "totals are compared with < <= >= or >")
        if self.called(right) in _PREDICATES:
            left, relation, right = right, s.MIRRORED[relation], left
        name = self.called(left)
        if name in ("all", "any"):
            self.fail(left, f"{name} is a bit already")
        if name in _PREDICATES:
            if name == "percentile" and relation != "<=":
                self.fail(node, "a percentile is compared with <=")
            if relation not in ("<=", ">="):
                self.fail(node, f"{name} is compared with <= or >=")
            return self.multiplied_out(name, left, relation, self.constant(right))
        return s.Comparison(self.linear(left, 0), relation, self.linear(right, 0))

    def multiplied_out(
        self, name: str, node: ast.expr, relation: str, bound: Fraction
    ) -> s.Predicate:
        if name == "ratio":
            arguments, _ = self.arguments(node, 2, where=False)
            above, below = (self.linear(argument, 0) for argument in arguments)
            return s.Ratio(above, below, relation, bound)
        if name == "mean":
            arguments, where = self.arguments(node, 1)
            return s.Mean(self.number(arguments[0], 0), where, relation, bound)
        arguments, where = self.arguments(node, 2)
        percent = self.constant(arguments[1])
        if not 0 < percent <= 100:
            self.fail(arguments[1], "a percentile is more than 0 and at most 100")
        return s.Percentile(self.number(arguments[0], 0), percent, where, bound)

    def quantified(self, node: ast.expr) -> s.Predicate:
        arguments, where = self.arguments(node, 1)
        condition = self.condition(arguments[0], 0)
        return (s.Always if self.called(node) == "all" else s.Ever)(condition, where)

    def linear(self, node: ast.expr, depth: int) -> s.Linear:
        """sum and count, added up and scaled by constants."""
        self.deeper(node, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            sign = Fraction(1 if isinstance(node.op, ast.Add) else -1)
            return self.linear(node.left, depth + 1).plus(self.linear(node.right, depth + 1), sign)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            return self.linear(node.left, depth + 1).times(1 / self.divisor(node.right))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            left, right = self.linear(node.left, depth + 1), self.linear(node.right, depth + 1)
            if right.terms:
                left, right = right, left
            if right.terms:
                self.fail(node, "totals are not multiplied with each other")
            if not right.constant:
                self.fail(node, "a factor is not 0")
            return left.times(right.constant)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return self.linear(node.operand, depth + 1).times(Fraction(-1))
        if isinstance(node, ast.Constant):
            return s.Linear((), self.constant(node))
        return s.Linear(((Fraction(1), self.aggregate(node)),))

    def aggregate(self, node: ast.expr) -> s.Aggregate:
        name = self.called(node)
        if name in LATER:
            self.fail(node, f"{name} is not supported yet")
        if name in _PREDICATES:
            self.fail(node, f"{name} gives one bit, which is not added or compared further")
        if name not in _AGGREGATES:
            self.fail(node, f"expected {' or '.join(_AGGREGATES)} of something")
        if name == "count":
            arguments, where = self.arguments(node, None)
            condition = self.condition(arguments[0], 0) if arguments else None
            return s.CountOf(condition, where)
        arguments, where = self.arguments(node, 1)
        number = self.number(arguments[0], 0)
        if isinstance(number, s.Constant):
            self.fail(node, "the sum of a constant: use count")
        return s.SumOf(number, where)

    def arguments(
        self, node: ast.expr, count: int | None, where: bool = True
    ) -> tuple[list[ast.expr], s.Condition | None]:
        """Positional arguments and ``where``; count None: none or one."""
        if not isinstance(node, ast.Call):
            self.fail(node, "expected a call")
        fine = len(node.args) <= 1 if count is None else len(node.args) == count
        if not fine or any(isinstance(a, ast.Starred) for a in node.args):
            self.fail(node, f"{self.called(node)} takes {'at most 1' if count is None else count}")
        keywords = [k.arg for k in node.keywords]
        if keywords not in ([], ["where"]) or (keywords and not where):
            self.fail(node, "the only keyword is where=condition")
        if not keywords:
            return node.args, None
        return node.args, self.condition(node.keywords[0].value, 0)
