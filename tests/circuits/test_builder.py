"""The workbench refuses what the proof system cannot carry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.builder import Builder, from_bits
from circuits.circuit import MAXIMUM_DEGREE
from circuits.errors import BadInput, InputReason
from circuits.field import P
from circuits.gadgets.exact_sum import MAXIMUM_ROWS, Piece, plan_limbs
from circuits.gadgets.log_hash import add_log_hash
from circuits.schema import Schema
from tests.circuits.logs import channel

METER = Schema((channel("x"),), 100)


def test_a_constraint_above_degree_three_is_refused() -> None:
    # the quotient's size, hence the proof's, is fixed for degree 3 with selectors counted
    builder = Builder(METER)
    x, first = builder.column("x").now, builder.selector("first")
    builder.constrain("cube", x * x * x)
    assert builder.constraints[-1].degree == MAXIMUM_DEGREE
    for product in (x * x * x * x, first * x * x * x, (x * x) * (first * x)):
        with pytest.raises(BadInput, match="degree 4") as refusal:
            builder.constrain("too high", product)
        assert refusal.value.reason is InputReason.FORMULA
    assert len(builder.constraints) == 1


def test_elements_lie_within_their_block() -> None:
    log = add_log_hash(Builder(METER))
    assert [log.index(slot, "x") for slot in range(8)] == list(range(8))
    with pytest.raises(IndexError):
        log.index(8, "x")


def test_bits_spell_an_integer_on_this_row_or_the_next() -> None:
    builder = Builder(METER)
    bits = builder.bits("b", 5)
    for following in (False, True):
        spelled = from_bits(bits, following=following)
        atoms = [(bit.next if following else bit.now) for bit in bits]
        weights = [spelled.terms[next(iter(atom.terms))] for atom in atoms]
        assert weights == [1, 2, 4, 8, 16]
    assert builder.bits("none", 0) == []
    assert len(builder.constraints) == 5


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
