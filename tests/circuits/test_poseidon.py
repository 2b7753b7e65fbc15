"""Poseidon: the shared known answer, and constants that nobody could have chosen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from circuits.field import P
from circuits.poseidon import MDS, permute
from circuits.poseidon_constants import MDS_FIRST_ROW, ROUND_CONSTANTS
from tests.reference.grain import round_constants

VECTOR = json.loads(
    (Path(__file__).parents[1] / "vectors" / "poseidon_koalabear_16.json").read_text("utf-8")
)


def plain_permutation(state: list[int]) -> list[int]:
    """The vector's own convention, in Python integers: M * sbox(state + constants)."""
    for number, constants in enumerate(VECTOR["round_constants"]):
        state = [(s + c) % P for s, c in zip(state, constants, strict=True)]
        cubed = 1 if 4 <= number < 24 else 16
        state = [pow(s, 3, P) for s in state[:cubed]] + state[cubed:]
        row = VECTOR["mds_first_row"]
        state = [sum(row[(j - i) % 16] * s for j, s in enumerate(state)) % P for i in range(16)]
    return state


def test_constants_are_those_of_the_vector() -> None:
    assert [list(row) for row in ROUND_CONSTANTS] == VECTOR["round_constants"]
    assert list(MDS_FIRST_ROW) == VECTOR["mds_first_row"]


def test_constants_come_from_the_grain_register() -> None:
    # nothing up the sleeve: the table follows from the instance's parameters
    made = round_constants(P, n=31, t=16, full=8, partial=20)
    assert made == [list(row) for row in ROUND_CONSTANTS]


def test_known_answer() -> None:
    known = VECTOR["known_answer"]
    assert permute(np.array(known["input"], dtype=np.uint64)).tolist() == known["output"]


def test_batches_edges_and_input_left_alone() -> None:
    random = np.random.default_rng(1)
    states = random.integers(0, P, (4, 16), dtype=np.uint64)
    states[0], states[1] = 0, P - 1
    before = states.copy()
    assert permute(states).tolist() == [plain_permutation(row) for row in before.tolist()]
    assert np.array_equal(states, before)


def test_matrix_is_circulant_and_invertible() -> None:
    # a singular mixing layer would lose part of the state
    assert all(MDS[i, j] == MDS[0, (j - i) % 16] for i in range(16) for j in range(16))
    rows = [[int(v) for v in row] for row in MDS]
    for column in range(16):
        pivot = next(r for r in range(column, 16) if rows[r][column])
        rows[column], rows[pivot] = rows[pivot], rows[column]
        scale = pow(rows[column][column], -1, P)
        for r in range(column + 1, 16):
            factor = rows[r][column] * scale % P
            rows[r] = [(a - factor * b) % P for a, b in zip(rows[r], rows[column], strict=True)]
    assert all(rows[k][k] for k in range(16))
