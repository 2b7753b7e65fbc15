"""The workbench refuses what the proof system cannot carry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.builder import Builder
from circuits.circuit import MAXIMUM_DEGREE, Trace
from circuits.errors import BadInput, InputReason
from circuits.evaluate import interpreter
from circuits.field import P, multiply
from circuits.gadgets.exact_sum import MAXIMUM_ROWS, Piece, plan_limbs
from circuits.gadgets.log_hash import add_log_hash
from circuits.layout import Layout
from circuits.schema import Schema
from tests.circuits.logs import channel

METER = Schema((channel("x"),), 100)


def test_a_constraint_above_degree_four_is_refused() -> None:
    # the quotient's size, hence the proof's, is fixed for degree 4 with selectors counted
    builder = Builder(METER)
    x, first = builder.column("x").now, builder.selector("first")
    builder.constrain("fourth power", x * x * (x * x))
    assert builder.constraints[-1].degree == MAXIMUM_DEGREE
    for product in (x * x * x * x * x, first * x * x * x * x, (x * x) * (first * x * x)):
        with pytest.raises(BadInput, match="degree 5") as refusal:
            builder.constrain("too high", product)
        assert refusal.value.reason is InputReason.FORMULA
    assert len(builder.constraints) == 1


def test_elements_lie_within_their_block() -> None:
    log = add_log_hash(Builder(METER))
    assert [log.index(slot, "x") for slot in range(8)] == list(range(8))
    with pytest.raises(IndexError):
        log.index(8, "x")


def test_digits_spell_an_integer_on_this_row_or_the_next() -> None:
    builder = Builder(METER)
    spelling = builder.spelling("b", 5)
    for following in (False, True):
        spelled = spelling.next if following else spelling.now
        atoms = [(digit.next if following else digit.now) for digit in spelling.columns]
        weights = [spelled.terms[next(iter(atom.terms))] for atom in atoms]
        assert weights == [1, 4, 16]
    assert builder.spelling("none", 0).columns == ()
    assert builder.spelling("none", 0).now.terms == {}
    assert [(c.name, c.degree) for c in builder.constraints] == [
        ("b[0] digit", 4),
        ("b[1] digit", 4),
        ("b[2] boolean", 2),
    ]


def test_parts_of_a_spelling_are_whole_digits() -> None:
    builder = Builder(METER)
    spelling = builder.spelling("b", 7)
    whole = [next(iter(digit.now.terms)) for digit in spelling.columns]
    assert spelling.part(2, 4).terms == {whole[1]: 1, whole[2]: 4}
    assert spelling.part(4, 4).terms == {whole[2]: 1, whole[3]: 4}
    for first, count in ((1, 2), (2, 3), (3, 4)):
        with pytest.raises(ValueError, match="no whole digits"):
            spelling.part(first, count)


@pytest.mark.parametrize("bits", [1, 2, 5, 8, 31])
def test_what_is_written_satisfies_the_ranges_and_is_read_again(bits: int) -> None:
    builder = Builder(METER)
    add_log_hash(builder)
    spelling = builder.spelling("b", bits)
    values = np.array([0, 1, (1 << bits) - 1, -1, -2, 1 << (bits - 1)], dtype=np.int64)
    columns = np.zeros((len(builder.columns), len(values)), dtype=np.uint32)
    layout = Layout.from_counts([1], 8, starts_epoch=True)
    trace = Trace(columns, layout, np.zeros((2, 8), dtype=np.uint32))
    spelling.write(trace, values, slice(len(values)))
    assert [spelling.read(trace, row) for row in range(len(values))] == [
        int(value) % (1 << bits) for value in values
    ]
    digits = columns[[column.index for column in spelling.columns]]
    assert int(digits.max()) == (3 if bits > 1 else 1)
    assert int(digits[bits // 2 :].max(initial=0)) <= 1


@pytest.mark.parametrize("value", range(6))
def test_a_digit_is_one_of_four_and_a_bit_one_of_two(value: int) -> None:
    builder = Builder(METER)
    spelling = builder.spelling("b", 3)
    circuit = builder.finish([])
    for column, most in zip(spelling.columns, (3, 1), strict=True):
        here = np.zeros((circuit.column_count, 1), dtype=np.uint64)
        for cell in (value, P - value):
            here[column.index] = cell % P
            found = interpreter(circuit).constraints(
                here, here, np.zeros((0, 1), np.uint64), np.zeros((0, 1), np.uint64),
                np.ones(1, np.uint64), multiply,
            )  # fmt: skip
            holds = not found[column.index].any()
            assert holds == (cell % P <= most)


def piece(low: int, high: int, shift: int = 0) -> Piece:
    constant = Builder(METER).graph.constant(0)
    return Piece(shift, constant, low, high, lambda _: np.zeros(0, dtype=np.int64))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, (P // 2 - 1) // MAXIMUM_ROWS, True),  # a bare counter: its total stays below p / 2
        (0, P // 2 // MAXIMUM_ROWS + 1, True),  # limbs from here on
        (-(2**28), 2**28, True),
        (0, P - 1, False),
        (-(P // 2), P // 2, False),
        (-P, 0, False),
    ],
)
def test_what_a_sum_can_hold(low: int, high: int, expected: bool) -> None:
    if expected:
        plan_limbs("test", [piece(low, high)])
        return
    with pytest.raises(BadInput, match=r"-?\d+\.\.-?\d+") as refusal:
        plan_limbs("test", [piece(low, high)])
    assert refusal.value.reason is InputReason.OVERFLOW


@settings(max_examples=300, deadline=None)
@given(
    st.integers(1, 12),
    st.integers(1, 8),
    st.integers(0, 2**33).map(lambda v: v % (1 << (v % 34))),
    st.integers(0, 2**33).map(lambda v: v % (1 << (v % 34))),
    st.booleans(),
)
def test_no_limb_can_wrap_around_the_field(
    width: int, count: int, below: int, above: int, reduced: bool
) -> None:
    # a' + 2^w c = a + piece + c_before, with every side's range as the bits admit it: the two
    # sides must not differ by a multiple of p other than zero, and honest values must be spelled
    pieces = [piece(-below, above, k * width) for k in range(count)]
    try:
        stages = plan_limbs("test", pieces, reduced=reduced)
    except BadInput as refusal:
        if refusal.reason is not InputReason.OVERFLOW:
            raise
        return
    carry = (0, 0)
    for stage in stages:
        # a reduced sum also takes away what a limb can spell
        taken = (1 << stage.width) - 1 if reduced else 0
        right = (carry[0] - below - taken, carry[1] + above + (1 << stage.width) - 1)
        carry = (stage.carry_low, stage.carry_low + (1 << stage.carry_bits) - 1)
        left = (carry[0] << stage.width, (carry[1] << stage.width) + (1 << stage.width) - 1)
        assert left[0] <= right[0]
        assert right[1] <= left[1]
        assert left[1] - right[0] < P
        assert right[1] - left[0] < P
    step = carry if stages else (-below, above)
    assert max(-step[0], step[1]) * MAXIMUM_ROWS < P // 2
    assert [stage.width for stage in stages[:-1]] == [width] * (len(stages) - 1)
