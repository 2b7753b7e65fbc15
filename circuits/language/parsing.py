"""Formulas from a safe subset of Python expressions: read with ``ast``, never evaluated."""

from __future__ import annotations

import ast
from fractions import Fraction
from math import ceil, floor

from circuits.language import outcome_syntax as o
from circuits.language import syntax as s
from circuits.language.day import in_utc, priced_intervals, schedule
from circuits.language.record_parsing import RecordParser, so_many
from circuits.schema import Schema

_ORDER = ("<", "<=", ">=", ">")
_OF_A_CHANNEL = ("min", "max", "first", "last")
_AGGREGATES = ("sum", "count", *_OF_A_CHANNEL, "windows", "tariff")
_QUANTIFIERS = ("all", "any")
_MULTIPLIED_OUT = ("ratio", "mean", "percentile", "variance", "cpk")
_PREDICATES = (*_MULTIPLIED_OUT, *_QUANTIFIERS)
_ONE_SIDED = {"percentile": "<=", "cpk": ">="}
_ALONE = {
    "floor": "floor stands alone or is compared with a constant",
    "rounded": "rounded stands alone",
}


def parse_outcome(text: str, schema: Schema) -> o.Outcome:
    """One formula; ``BadInput`` FORMULA says what is not understood and at which character."""
    return _OutcomeParser(text, schema).outcome()


class _OutcomeParser(RecordParser):
    """What is taken over all records of a claim."""

    def __init__(self, text: str, schema: Schema) -> None:
        super().__init__(text, schema)
        self.inside_windows = False

    def outcome(self) -> o.Outcome:
        node = self.tree()
        name = self.called(node)
        if isinstance(node, ast.Compare) or name in _QUANTIFIERS:
            return self.predicate(node)
        if name in _PREDICATES:
            self.fail(node, f"{name} gives one bit: compare it with a constant")
        if name == "floor":
            return o.Floor(self.floored(node))
        if name == "rounded":
            return self.rounded(node)
        linear = self.linear(node, 0)
        if linear.constant or not linear.terms:
            self.fail(node, "a constant does not add up over claims")
        return o.Exact(linear)

    def predicate(self, node: ast.expr) -> o.Predicate:
        if isinstance(node, ast.Compare):
            return self.comparison(node)
        if self.called(node) not in _QUANTIFIERS:
            self.fail(node, "expected one bit about many records: all, any or totals compared")
        return self.quantified(node)

    def comparison(self, node: ast.Compare) -> o.Predicate:
        left, relation, right = self.sides(node)
        if relation not in _ORDER:
            self.fail(node, "totals are compared with < <= >= or >")
        if self.called(right) in (*_PREDICATES, "floor"):
            left, relation, right = right, s.MIRRORED[relation], left
        name = self.called(left)
        if name in _QUANTIFIERS:
            self.fail(left, f"{name} is a bit already")
        if name == "floor":
            return whole_comparison(self.floored(left), relation, self.constant(right))
        if name in _MULTIPLIED_OUT:
            only = _ONE_SIDED.get(name, relation)
            if relation != only:
                self.fail(node, f"{name} is compared with {only}")
            if relation not in ("<=", ">="):
                self.fail(node, f"{name} is compared with <= or >=")
            return self.multiplied_out(name, left, relation, right)
        sides = self.linear(left, 0), self.linear(right, 0)
        if not any(side.terms for side in sides):
            self.fail(node, "two constants are compared")
        return o.Comparison(sides[0], relation, sides[1])

    def multiplied_out(
        self, name: str, node: ast.expr, relation: str, bound_node: ast.expr
    ) -> o.Predicate:
        bound = self.constant(bound_node)
        if name == "ratio":
            arguments, _ = self.arguments(node, 2, where=False)
            above, below = (self.linear(argument, 0) for argument in arguments)
            return o.Ratio(above, below, relation, bound)
        if name == "mean":
            arguments, where = self.arguments(node, 1)
            return o.Mean(self.number(arguments[0], 0), where, relation, bound)
        if name == "variance":
            arguments, where = self.arguments(node, 1)
            if bound < 0:
                self.fail(bound_node, "a variance is compared with 0 or more")
            return o.Variance(self.varying(arguments[0], name), where, relation, bound)
        if name == "cpk":
            arguments, where = self.arguments(node, 3)
            number = self.varying(arguments[0], name)
            low, high = self.constant(arguments[1]), self.constant(arguments[2])
            if low >= high or bound <= 0:
                self.fail(node, "cpk needs low < high and is compared with more than 0")
            return o.Capability(number, low, high, where, bound)
        arguments, where = self.arguments(node, 2)
        percent = self.constant(arguments[1])
        if not 0 < percent <= 100:
            self.fail(arguments[1], "a percentile is more than 0 and at most 100")
        return o.Percentile(self.number(arguments[0], 0), percent, where, bound)

    def varying(self, node: ast.expr, name: str) -> s.Number:
        """A number of the record that is no constant."""
        number = self.number(node, 0)
        if isinstance(number, s.Constant):
            self.fail(node, f"{name} of a constant")
        return number

    def quantified(self, node: ast.expr) -> o.Predicate:
        arguments, where = self.arguments(node, 1)
        condition = self.condition(arguments[0], 0)
        return (o.Always if self.called(node) == "all" else o.Ever)(condition, where)

    def floored(self, node: ast.expr) -> o.Linear:
        """What floor is taken of."""
        arguments, _ = self.arguments(node, 1, where=False)
        linear = self.linear(arguments[0], 0)
        if not linear.terms:
            self.fail(node, "floor of a constant")
        return linear

    def rounded(self, node: ast.expr) -> o.Rounded:
        arguments, _ = self.arguments(node, 2, where=False)
        linear, unit = self.linear(arguments[0], 0), self.unit(arguments[1])
        if not linear.additive or not linear.terms:
            self.fail(
                node,
                "only what adds up over claims is rounded: no constant, min, max, first or last",
            )
        return o.Rounded(linear, unit, " ".join(self.text.split()))

    def unit(self, node: ast.expr) -> Fraction:
        """A positive decimal, or one divided by another."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            unit = self.constant(node.left) / self.divisor(node.right)
        else:
            unit = self.constant(node)
        if unit <= 0:
            self.fail(node, "the unit of rounding is positive")
        return unit

    def linear(self, node: ast.expr, depth: int) -> o.Linear:
        """Aggregates, added up and scaled by constants."""
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
            return o.Linear((), self.constant(node))
        if self.called(node) == "tariff":
            return self.tariff(node)
        return o.Linear(((Fraction(1), self.aggregate(node)),))

    def aggregate(self, node: ast.expr) -> o.Aggregate:
        name = self.called(node)
        if name in _PREDICATES:
            self.fail(node, f"{name} gives one bit, which is not added or compared further")
        if name in _ALONE:
            self.fail(node, _ALONE[name])
        if name not in _AGGREGATES:
            names = f"{', '.join(_AGGREGATES[:-1])} or {_AGGREGATES[-1]}"
            self.fail(node, f"expected {names} of something")
        if self.inside_windows and name not in ("sum", "count"):
            self.fail(node, f"{name}: not inside windows")
        if name == "windows":
            return self.windows(node)
        if name == "count":
            arguments, where = self.arguments(node, 0, 1)
            condition = self.condition(arguments[0], 0) if arguments else None
            return o.CountOf(condition, where)
        arguments, where = self.arguments(node, 1)
        if name in ("min", "max"):
            return o.Extreme(self.channel(arguments[0]), name == "max", where)
        if name in ("first", "last"):
            return o.Edge(self.channel(arguments[0]), name == "last", where)
        return o.SumOf(self.summed(node, arguments[0]), where)

    def summed(self, node: ast.expr, argument: ast.expr) -> s.Number:
        """What is added up over the records."""
        number = self.number(argument, 0)
        if isinstance(number, s.Constant):
            self.fail(node, f"the {self.called(node)} of a constant: use count")
        return number

    def windows(self, node: ast.expr) -> o.WindowsOf:
        arguments, _ = self.arguments(node, 1, where=False)
        self.inside_windows = True
        predicate = self.predicate(arguments[0])
        self.inside_windows = False
        return o.WindowsOf(predicate)

    def tariff(self, node: ast.expr) -> o.Linear:
        """One sum for each interval of the day, with its price as factor."""
        arguments, where = self.arguments(node, 2, 3)
        number, offset = self.summed(node, arguments[0]), self.offset(arguments[2:])
        text = self.literal(arguments[1])
        try:
            entries = schedule(text)
        except ValueError as error:
            self.fail(arguments[1], str(error))
        intervals = priced_intervals(entries)
        if not intervals:
            terms = [(entries[0][1], o.SumOf(number, where))]
        else:
            terms = []
            for start, end, price in intervals:
                inside: s.Condition = s.TimeOfDay(in_utc(start, offset), in_utc(end, offset))
                chosen = inside if where is None else s.Both(inside, where)
                terms.append((price, o.SumOf(number, chosen)))
        priced = tuple(term for term in terms if term[0])
        if not priced:
            self.fail(arguments[1], "every price is 0")
        return o.Linear(priced)

    def arguments(
        self, node: ast.expr, least: int, most: int | None = None, where: bool = True
    ) -> tuple[list[ast.expr], s.Condition | None]:
        """``least`` to ``most`` positional arguments (the least without it), and ``where``."""
        most = least if most is None else most
        if not isinstance(node, ast.Call):
            self.fail(node, "expected a call")
        if not least <= len(node.args) <= most or any(
            isinstance(a, ast.Starred) for a in node.args
        ):
            self.fail(node, f"{self.called(node)} takes {so_many(least, most)}")
        keywords = [k.arg for k in node.keywords]
        if keywords not in ([], ["where"]) or (keywords and not where):
            self.fail(node, "the only keyword is where=condition")
        if not keywords:
            return node.args, None
        return node.args, self.condition(node.keywords[0].value, 0)


def whole_comparison(linear: o.Linear, relation: str, bound: Fraction) -> o.Comparison:
    """floor(linear) RELATION bound, without the floor."""
    upper, strict = relation in ("<", "<="), relation in ("<=", ">")
    least = Fraction(floor(bound) + 1 if strict else ceil(bound))
    return o.Comparison(linear, "<" if upper else ">=", o.Linear((), least))
