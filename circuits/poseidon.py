"""Poseidon over KoalaBear, width 16, alpha 3, 8 full and 20 partial rounds (ePrint 2019/458).

The plain reference: NumPy over any number of states at once. Constants are data in
``poseidon_constants``; ``tests/vectors/poseidon_koalabear_16.json`` pins them.
"""

from __future__ import annotations

import numpy as np

from circuits.field import Array, P
from circuits.poseidon_constants import MDS_FIRST_ROW, ROUND_CONSTANTS

WIDTH = 16
FULL_ROUNDS_EACH_SIDE = 4
PARTIAL_ROUNDS = 20

_CONSTANTS = np.array(ROUND_CONSTANTS, dtype=np.uint64)
MDS = np.array(
    [[MDS_FIRST_ROW[(j - i) % WIDTH] for j in range(WIDTH)] for i in range(WIDTH)], dtype=np.uint64
)
_P = np.uint64(P)


def _mix(state: Array) -> Array:
    # entries of MDS are at most 101, so sixteen products stay below 16 * 101 * 2^31 < 2^42
    return (state @ MDS.T) % _P


def _cube(a: Array) -> Array:
    return a * a % _P * a % _P


def permute(state: Array) -> Array:
    """The permutation on canonical states of shape (..., 16)."""
    state = np.array(state, dtype=np.uint64)
    for index in range(2 * FULL_ROUNDS_EACH_SIDE + PARTIAL_ROUNDS):
        state = (state + _CONSTANTS[index]) % _P
        if FULL_ROUNDS_EACH_SIDE <= index < FULL_ROUNDS_EACH_SIDE + PARTIAL_ROUNDS:
            state[..., 0] = _cube(state[..., 0])
        else:
            state = _cube(state)
        state = _mix(state)
    return state
