"""Formulas of the whole outcome language: known ones, and ones that a program grows.

Target ``formula``: any text to the compiler, without a contract around it.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from circuits.circuit import Circuit
from circuits.compile import compile_circuit
from circuits.errors import BadInput, InputReason
from circuits.records import Records
from circuits.schema import DT_CHANNEL, Channel, Schema
from tests.fuzz.program import Program
from tests.fuzz.target import Target, require

FORMULA_REASONS = {InputReason.FORMULA, InputReason.OVERFLOW}
SCHEMA = Schema(
    (
        Channel("t", "K", 8, Fraction(1, 2), Fraction(-40)),
        Channel("u", "V", 12, Fraction(1, 10), Fraction(0), may_miss=True),
    )
)
# every construct of docs/outcome-language.md; {a} and {b} are channels
FORMULAS = (
    *("sum({a} * dt_ms) / 60000", "sum({a} * {b} * dt)", "sum(abs({a} - 3), where={b} > 2)"),
    *("sum(clip_above({b}, 8) * dt)", "count()", "2 * count({a} != 4) - count({b} == 5)"),
    *("count(between({b}, 0.4, 1.6))", "count(({a} >= 2) & ~({b} < 1) | ({a} < {b}))"),
    *("count(rising({b} > 2))", "count(falling({b} > 2), where=rising({a} > 3))"),
    *("sum(dt, where=held({b} > 2, 3))", "all(~held({a} > 8, 1000000))"),
    *("count(rising(held({b} > 2, 10) & rising({a} > 1)))", "count(missing({b}))"),
    *("sum(dt, where=~missing({b}) & time_of_day('22:00', '06:00'))",),
    "sum({b} * dt, where=time_of_day('06:00', '22:00', '-03:30'))",
    "tariff({b} * dt, '00:00 0.21, 06:00 0.34, 22:00 0.21')",
    'tariff({b}, "00:00 1, 12:00 0", "+14:00", where={a} > 1)',
    *("windows(mean({b}) <= 30)", "windows(all({b} > 1)) + windows(sum({b}) >= count())"),
    *("windows(percentile({b}, 50) <= 3) >= 21", "max({b}) - min({b}, where={a} > 1)"),
    *("last({b}) - first({b}) / 2 + 1 >= 0.5", "first({b})", "floor(sum({b}) / 7 + 0.5)"),
    *("floor(max({b})) > 3", "rounded(sum({b} * dt_ms), 50)", "rounded(sum({b}), 1 / 3)"),
    *("ratio(sum({b} * dt), sum(dt)) >= 0.5", "mean({a}, where={b} > 2) <= 3"),
    *("percentile({b}, 95) <= 2.8", "variance({b}) <= 2", "variance({a} * 2, where={b} > 1) >= 0"),
    *("cpk({b}, 9.95, 10.05) >= 1.33", "any({b} > 7)", "all({a} <= 92.5, where={b} != 0)"),
    *("sum({b}) + count() <= 2 * sum(abs({a}))", "sum({b}) - 0.5 * count() > 3"),
)
# refused: the first of no shape that the language has, the rest of values too wide or too fine
REFUSED = (
    *("sum({a}) == 3", "count({a} <= 1) * count()", "rounded(max({b}), 2)", "sum({a}) + 1"),
    *("windows(windows(all({b} > 1)) > 2) > 3", "{a} > 3", "mean({b})", "cpk({a}, 2, 1) >= 1"),
    *("all({b} * {b} * {b} * {b} > 2)", "rounded(sum({b}), 0.000000000000000000000000000007)"),
    *("sum({a} / 0.000000000000000000000000000001 + {b})", "variance({b} * {b} * {b}) <= 2"),
)
WORDS = (
    *("sum", "count", "tariff", "windows", "min", "max", "first", "last", "floor", "rounded"),
    *("ratio", "mean", "percentile", "variance", "cpk", "all", "any", "where=", "dt", "dt_ms"),
    *("abs", "clip_above", "between", "rising", "falling", "held", "missing", "time_of_day"),
    *(" & ", " | ", "~", " <= ", " >= ", " == ", " != ", " < ", " > ", "'00:00 1, 12:00 0'"),
    *("'22:00', '06:00'", "'+02:00'", ", 1000000)", "1 / 3", "0.000000000000000000000000000001"),
)
_CONSTANTS = (
    *("1", "0", "3.5", "-3.5", "20", "0.001", "-0", "255", "204.7", "60000", "2147483648", "-7"),
    *("9" * 18, "0." + "0" * 17 + "1", "9" * 30, "1e3"),
)
_POSITIVE = (
    "1",
    "2",
    "50",
    "0.7",
    "60000",
    "3600000",
    "0.003",
    "9" * 18,
    "0." + "0" * 17 + "1",
    "0",
)
_LIMITS = ("0, 20", "1.5, 1.5", "-3, 100000", "0.4, 0.6", "12, 204.7", "3, 2")
_COUNTS = ("1", "2", "3", "10", "255", "256", "999999", "1000000", "1000001", "0")
_TIMES = ("'06:00'", "'22:00'", "'00:00'", "'23:59'", "'24:00'", "'6:00'")
_OFFSETS = ("", "", ", '+02:00'", ", '-13:59'", ", '+14:01'")
_SCHEDULES = (
    *("'00:00 1'", "'00:00 0.21, 06:00 0.34, 22:00 0.21'", "'00:00 0'", "'01:00 1'", "'00:00 -1'"),
    "'" + ", ".join(f"{hour:02}:00 {hour % 5}" for hour in range(24)) + "'",
    "'" + ",".join(f"{half // 2:02}:{half % 2 * 30:02} {half % 7}" for half in range(48)) + "'",
    "'00:00 1, 12:00 0." + "0" * 29 + "1'",
)
_RELATIONS = (" <= ", " >= ", " < ", " > ", " == ", " != ")
_BOUNDS = (" >= ", " <= ", " >= ", " <= ", " > ", " < ", " == ")
_DEEPEST = 4


def known_formula(program: Program, names: tuple[str, ...]) -> str:
    """One of ``FORMULAS`` or ``REFUSED`` over these channels."""
    return program.choose((*FORMULAS, *REFUSED)).format(a=names[0], b=names[-1])


class Grower:
    """Reads a program as a formula of the language, nearly always one without an error of form."""

    def __init__(self, program: Program, names: tuple[str, ...]) -> None:
        self._program = program
        self._names = names

    def _constant(self) -> str:
        return self._program.choose(_CONSTANTS)

    def _name(self) -> str:
        return self._program.choose(self._names)

    def _relation(self) -> str:
        return self._program.choose(_RELATIONS)

    def _bound(self) -> str:
        return self._program.choose(_BOUNDS) + self._constant()

    def _kind(self, kinds: int, depth: int) -> int:
        """Which of so many forms; 0, a leaf, at the deepest."""
        return self._program.integer(1) % kinds if depth < _DEEPEST else 0

    def number(self, depth: int) -> str:
        """A number of one record."""
        kind = self._kind(9, depth)
        if kind <= 2:
            return self._name()
        if kind == 3:
            return self._program.choose(("dt_ms", "dt", self._constant()))
        if kind == 4:
            return f"abs({self.number(depth + 1)})"
        if kind == 5:
            return f"clip_above({self.number(depth + 1)}, {self._constant()})"
        if kind == 6:
            return f"{self.number(depth + 1)} / {self._program.choose(_POSITIVE)}"
        operator = self._program.choose((" * ", " + ", " - "))
        return f"({self.number(depth + 1)}{operator}{self.number(depth + 1)})"

    def condition(self, depth: int) -> str:
        """A condition on one record."""
        kind = self._kind(10, depth)
        if kind <= 1:
            return f"({self.number(depth + 1)}{self._relation()}{self._constant()})"
        if kind == 2:
            return f"({self.number(depth + 1)}{self._relation()}{self.number(depth + 1)})"
        if kind == 3:
            return f"between({self.number(depth + 1)}, {self._program.choose(_LIMITS)})"
        if kind == 4:
            word = self._program.choose(("rising", "falling"))
            return f"{word}({self.condition(depth + 1)})"
        if kind == 5:
            return f"held({self.condition(depth + 1)}, {self._program.choose(_COUNTS)})"
        if kind == 6:
            return f"missing({self._name()})"
        if kind == 7:
            times = self._program.choose(_TIMES), self._program.choose(_TIMES)
            return f"time_of_day({', '.join(times)}{self._program.choose(_OFFSETS)})"
        if kind == 8:
            return f"~{self.condition(depth + 1)}"
        operator = self._program.choose((" & ", " | "))
        return f"({self.condition(depth + 1)}{operator}{self.condition(depth + 1)})"

    def _where(self, depth: int) -> str:
        return f", where={self.condition(depth + 1)}" if self._program.integer(1) % 3 == 1 else ""

    def aggregate(self, depth: int) -> str:
        """Something that is taken over all records of a claim."""
        kind = self._kind(6, depth)
        if kind <= 1:
            return f"sum({self.number(depth)}{self._where(depth)})"
        if kind == 2:
            return f"count({self.condition(depth)}{self._where(depth)})"
        if kind == 3:
            word = self._program.choose(("max", "min", "first", "last"))
            return f"{word}({self._name()}{self._where(depth)})"
        if kind == 4:
            return f"windows({self.predicate(depth + 1)})"
        schedule, offset = self._program.choose(_SCHEDULES), self._program.choose(_OFFSETS)
        return f"tariff({self.number(depth)}, {schedule}{offset}{self._where(depth)})"

    def linear(self, depth: int) -> str:
        """Aggregates, added up and scaled."""
        kind = self._kind(5, depth)
        if kind <= 1:
            return self.aggregate(depth)
        if kind == 2:
            return f"{self.aggregate(depth)} / {self._program.choose(_POSITIVE)}"
        if kind == 3:
            return f"{self._constant()} * {self.aggregate(depth)}"
        operator = self._program.choose((" + ", " - "))
        return f"({self.linear(depth + 1)}{operator}{self.linear(depth + 1)})"

    def predicate(self, depth: int) -> str:
        """A condition on the claim, or on a window."""
        kind = self._kind(9, depth)
        if kind <= 1:
            word = self._program.choose(("all", "any"))
            return f"{word}({self.condition(depth)}{self._where(depth)})"
        if kind == 2:
            left = f"{self.linear(depth)} + {self._constant()}"
            return f"{left}{self._program.choose(_BOUNDS)}{self.linear(depth)}"
        if kind == 3:
            return f"ratio({self.linear(depth)}, {self.linear(depth)}){self._bound()}"
        if kind == 4:
            percent = self._program.choose(_POSITIVE)
            return f"percentile({self.number(depth)}, {percent}) <= {self._constant()}"
        if kind == 5:
            limits, where = self._program.choose(_LIMITS), self._where(depth)
            least = self._program.choose(_POSITIVE)
            return f"cpk({self.number(depth)}, {limits}{where}) >= {least}"
        if kind == 6:
            return f"floor({self.linear(depth)}){self._bound()}"
        word = self._program.choose(("mean", "variance"))
        return f"{word}({self.number(depth)}{self._where(depth)}){self._bound()}"

    def outcome(self) -> str:
        """What a contract may pay for."""
        kind = self._program.integer(1) % 6
        if kind <= 1:
            return self.linear(0)
        if kind == 2:
            return f"rounded({self.linear(0)}, {self._program.choose(_POSITIVE)})"
        if kind == 3:
            return f"floor({self.linear(0)} + {self._constant()})"
        return self.predicate(0)


def _some_records(schema: Schema) -> Records:
    """Three windows, the middle one empty: all codes 0, all ones, one less."""
    codes = np.array(
        [[kind % (1 << channel.bits) for channel in schema.channels] for kind in (0, -1, -2)],
        dtype=np.uint64,
    )
    if schema.has_dt:
        codes = np.concatenate([codes, np.array([[0], [1], [2**24 - 1]], dtype=np.uint64)], axis=1)
    return Records(codes, (2, 0, 1), (0, 60_000, 120_000), starts_epoch=True)


def check_meaning(circuit: Circuit) -> None:
    """Totals and state of a few records are what the compiled ranges say they can be."""
    carried: dict[str, int] = {}
    for _ in range(2):
        measured = circuit.measure(_some_records(circuit.schema), carried)
        for outcome, total in zip(circuit.outcomes, measured.totals, strict=True):
            inside = outcome.minimum_total <= total <= outcome.maximum_total
            require(inside, "a total out of its own range")
        carried = measured.after
        for variable in circuit.state:
            require(0 <= carried[variable.name] < 1 << sum(variable.widths), "state out of range")
        require(set(carried) == {variable.name for variable in circuit.state}, "another state")


def _formula(data: bytes) -> str:
    text = data.decode("utf-8", "replace")
    try:
        circuit = compile_circuit(SCHEMA, (text,))
    except BadInput as refusal:
        require(refusal.reason in FORMULA_REASONS, f"reason {refusal.reason}")
        require("\n" not in refusal.message, "more than one line")
        return refusal.reason
    check_meaning(circuit)
    return "state" if circuit.state else "circuit"


def _seeds() -> list[bytes]:
    return [formula.format(a="t", b="u").encode() for formula in (*FORMULAS, *REFUSED)]


FORMULA_TARGETS = (
    Target("formula", _formula, _seeds, 420, (*(w.encode() for w in WORDS), DT_CHANNEL.encode())),
)
