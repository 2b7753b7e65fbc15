"""The text of a constraint says what the constraint says: it is read back and evaluated."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.builder import Builder
from circuits.circuit import Circuit
from circuits.compile import compile_circuit
from circuits.evaluate import interpreter
from circuits.expression import Expression
from circuits.field import P, inverse, multiply
from circuits.gadgets.log_hash import add_log_hash
from circuits.readable import (
    constraint_lines,
    digit_columns,
    explain_constraints,
    joined_names,
    log_hash_constraints,
)
from circuits.schema import Schema
from tests.circuits.logs import channel
from verifier.contract import read_template

ROOT = Path(__file__).resolve().parents[2]
METER = Schema((channel("x"),), 100)
NAME = r'(?:"(?:[^"\\]|\\.)*"|[A-Za-z_][\w@.]*(?: [\w@.]+)*)'
TOKEN = re.compile(
    rf"(?P<digits>digits\((?P<array>{NAME})\[(?P<low>\d+)\.\.(?P<high>\d+)\]\)(?P<mark>'?))"
    rf"|(?P<name>{NAME}(?:\[\d+\])?(?: #\d+)?'?)|(?P<number>\d+)|(?P<sign>[-+*/^()])|(?P<space> +)"
)


class Text:
    """A reader of polynomials as they are printed, with the value of every name."""

    def __init__(self, text: str, values: dict[str, int]) -> None:
        self.values = values
        self.tokens: list[tuple[str, int]] = []
        at = 0
        while at < len(text):
            match = TOKEN.match(text, at)
            assert match, text[at:]
            at = match.end()
            if match["digits"]:
                places = range(int(match["low"]), int(match["high"]) + 1)
                names = [f"{match['array']}[{k}]{match['mark']}" for k in places]
                self.tokens.append(("value", sum(values[n] << 2 * k for k, n in enumerate(names))))
            elif match["name"]:
                self.tokens.append(("value", values[match["name"]]))
            elif match["number"]:
                self.tokens.append(("value", int(match["number"])))
            elif match["sign"]:
                self.tokens.append((match["sign"], 0))
        self.tokens.append(("end", 0))

    def take(self) -> tuple[str, int]:
        return self.tokens.pop(0)

    def sum(self) -> int:
        total, sign = 0, 1
        if self.tokens[0][0] == "-":
            self.take()
            sign = -1
        while True:
            total += sign * self.product()
            kind = self.tokens[0][0]
            if kind not in ("+", "-"):
                return total
            sign = 1 if self.take()[0] == "+" else -1

    def product(self) -> int:
        total = 1
        while True:
            kind, value = self.take()
            if kind == "(":
                value = self.sum()
                assert self.take()[0] == ")"
            else:
                assert kind == "value"
            if self.tokens[0][0] == "^":
                self.take()
                value **= self.take()[1]
            total *= value
            if self.tokens[0][0] == "/":
                self.take()
                total *= pow(self.take()[1], -1, P)
            if self.tokens[0][0] != "*":
                return total
            self.take()

    def value(self) -> int:
        found = self.sum()
        assert self.tokens == [("end", 0)]
        return found % P


def printed(name: str) -> str:
    """A name as it is printed: quoted unless it is words, an array's index behind the quotes."""
    match = re.fullmatch(r"(.*)\[(\d+)\]", name)
    base, index = (match[1], f"[{match[2]}]") if match else (name, "")
    plain = re.fullmatch(r"[A-Za-z_][\w@.]*( [\w@.]+)*", base)
    return (base if plain else json.dumps(base)) + index


def assert_texts_are_true(circuit: Circuit, seed: int = 0) -> list[str]:
    """Every constraint's text has the constraint's own value at a random point."""
    random = np.random.default_rng(seed)
    counts = (len(circuit.columns),) * 2 + (len(circuit.selectors), len(circuit.publics))
    now, following, selectors, publics = (
        random.integers(0, P, (count, 1), dtype=np.uint64) for count in counts
    )
    one = np.ones(1, dtype=np.uint64)
    found = interpreter(circuit).constraints(now, following, selectors, publics, one, multiply)
    values: dict[str, int] = {}
    for names, drawn, before, after in (
        (circuit.columns, now, "", ""),
        (circuit.columns, following, "", "'"),
        (circuit.selectors, selectors, "", ""),
        (circuit.publics, publics, "public ", ""),
    ):
        for name, value in zip(names, drawn[:, 0].tolist(), strict=True):
            label = f"{before}{printed(name)}{after}"
            if names is circuit.selectors and label in values:
                label = f"selector {label}"
            assert label not in values
            values[label] = value
    texts = explain_constraints(circuit, circuit.constraints)
    assert [t.name for t in texts] == [c.name for c in circuit.constraints]
    for text, expected in zip(texts, found[:, 0].tolist(), strict=True):
        assert Text(text.polynomial, values).value() == expected, text
    return [text.polynomial for text in texts]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "examples/contracts").glob("*.toml")), ids=lambda path: path.stem
)
def test_every_contract_reads_as_it_is(path: Path) -> None:
    assert_texts_are_true(read_template(path.read_text(encoding="utf-8")).circuit)


def small_forms(builder: Builder) -> st.SearchStrategy[Expression]:
    """Random polynomials of degree 3 at most over a few columns, digits and inputs."""
    column, other = builder.column("flow>=3@0"), builder.column("top")
    carry = builder.spelling("carry digits", 7)
    leaves = [
        column.now, column.next, other.now, builder.selector("first"), builder.public("limb 0"),
        carry.now, carry.next, carry.part(2, 4), carry.columns[2].now,
    ]  # fmt: skip
    leaf = st.sampled_from(leaves)
    numbers = st.one_of(st.integers(-5, 5), st.integers(-P, P))
    linear = st.builds(lambda a, k, b, n: a * k + b + n, leaf, numbers, leaf, numbers)
    return st.one_of(
        linear,
        st.builds(lambda a, b, k: a * b * k - b, linear, linear, numbers),
        st.builds(lambda a, b, c: a * b * c - 1, linear, linear, linear),
        st.builds(lambda a, b: a * a * a + b, linear, linear),
    )


@settings(max_examples=150, deadline=None)
@given(st.data(), st.integers(0, 1000))
def test_every_small_polynomial_reads_as_it_is(data: st.DataObject, seed: int) -> None:
    builder = Builder(METER)
    expression = data.draw(small_forms(builder))
    builder.constrain("drawn", expression)
    assert_texts_are_true(builder.finish([]), seed)


def texts_of(builder: Builder) -> dict[str, str]:
    circuit = builder.finish([])
    return {c.name: c.polynomial for c in explain_constraints(circuit, circuit.constraints)}


def test_what_a_reader_sees() -> None:
    builder = Builder(METER)
    limb = builder.spelling("limb digits", 24)
    raw = builder.column_array("raw", 2)
    x, y = builder.column("a * b"), builder.column("top")
    first, total = builder.selector("first"), builder.public("total")
    builder.constrain("spelled", y.next - limb.now * 8 - 3)
    builder.constrain("next", first * (limb.next - total))
    builder.constrain("part", limb.part(6, 4) + limb.columns[9].now * 2)
    builder.constrain("not digits", raw[0].now + raw[1].now * 4)
    builder.constrain("quoted", 1 - x.now * y.now)
    builder.constrain("cube", (x.now - 1) * (x.now - 1) * (x.now - 1))
    bit = (x.now - y.now - 40_000) * inverse(1 << 16) + 1
    builder.constrain("divided", first * (1 - bit) - x.next)
    texts = texts_of(builder)
    assert texts["limb digits[3] digit"] == (
        "limb digits[3] * (limb digits[3] - 3) * (limb digits[3] * (limb digits[3] - 3) + 2)"
    )
    assert texts["spelled"] == "top' - 8 * digits(limb digits[0..11]) - 3"
    assert texts["next"] == "first * (digits(limb digits[0..11])' - public total)"
    assert texts["part"] == "digits(limb digits[3..4]) + 2 * limb digits[9]"
    assert texts["not digits"] == "raw[0] + 4 * raw[1]"
    assert texts["quoted"] == '1 - "a * b" * top'
    assert texts["cube"] == '("a * b" - 1)^3'
    assert texts["divided"] == 'first * ((top - "a * b" + 40000) / 65536) - "a * b"\''


def test_two_things_of_one_name_are_told_apart() -> None:
    builder = Builder(METER)
    first, second = builder.column("first"), builder.column("first")
    builder.constrain("c", first.now - second.next + builder.selector("first"))
    assert texts_of(builder) == {"c": "first #1 + selector first - first #2'"}


def test_only_columns_that_are_digits_are_folded() -> None:
    builder = Builder(METER)
    spelling, loose = builder.spelling("b", 5), builder.column_array("c", 6)
    flag = builder.flags("f", 1)[0]
    x, y, z, u, v, w = (column.now for column in loose)
    builder.constrain("not boolean", x * (x - 2))
    builder.constrain("twice", y * (2 * y - 2))
    builder.constrain("other digits", z * (z - 3) * (z * (z - 3) + 3))
    builder.constrain("two columns", u * (v - 3) * (u * (v - 3) + 2))
    builder.constrain("next row", loose[5].next * (loose[5].next - 3) * (w * (w - 3) + 2))
    circuit = builder.finish([])
    assert digit_columns(circuit) == {*(d.index for d in spelling.columns), flag.index}


def test_ranges_of_an_array_share_a_line() -> None:
    builder = Builder(METER)
    spelling = builder.spelling("b", 6)
    builder.constrain("b sum", spelling.now - 5)
    builder.flags("f", 3)
    single = builder.flags("s", 1)
    circuit = builder.finish([])
    assert single[0].index == 6
    assert constraint_lines(explain_constraints(circuit, circuit.constraints)) == [
        "b[0..2] (3 of degree 4): x * (x - 3) * (x * (x - 3) + 2) for each of them",
        "b sum (degree 1): digits(b[0..2]) - 5",
        "f[0..2] (3 of degree 2): x * (x - 1) for each of them",
        "s[0] boolean (degree 2): s[0] * (s[0] - 1)",
    ]


def test_names_are_joined() -> None:
    assert (
        joined_names(["a[0]", "a[1]", "b", "a[2]", "a[3]", "a[5]"]) == "a[0..1], b, a[2..3], a[5]"
    )
    assert joined_names([]) == ""


@pytest.mark.parametrize("state", [False, True])
def test_the_log_hash_is_recognised_and_nothing_else(state: bool) -> None:
    builder = Builder(METER)
    log = add_log_hash(builder, state)
    expected = len(builder.constraints)
    builder.constrain("more", log.data * log.block[0].now)
    circuit = builder.finish([])
    # a circuit that carries nothing has the log hash without state rows
    assert log_hash_constraints(circuit) == (0 if state else expected)
    changed = Builder(METER)
    add_log_hash(changed)
    changed.constraints[20] = changed.constraints[21]
    assert log_hash_constraints(changed.finish([])) == 0


def test_the_log_hash_of_a_contract_comes_first() -> None:
    circuit = compile_circuit(METER, ("sum(x)",))
    count = log_hash_constraints(circuit)
    names = [c.name for c in circuit.constraints]
    assert names[count - 1].startswith("padding of slot 7")
    assert all(name.startswith("outcome 0") for name in names[count:])
