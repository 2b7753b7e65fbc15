"""Tables of the Poseidon kernels: the partial rounds as one linear map, and constants as words.

Only one element of the state passes the S-box in a partial round. So every S-box input x_0 .. x_19,
and the state behind the last of these rounds, is a fixed linear form of the state that enters them,
of 1, and of the S-box outputs before it. The forms are worked out here once, for all states.
"""

from __future__ import annotations

import numpy as np

from circuits.chain import ROLE_CONSTANTS
from circuits.field import Array, P
from circuits.gadgets.log_hash import ROW_ROLES
from circuits.poseidon import FULL_ROUNDS_EACH_SIDE, MDS, PARTIAL_ROUNDS, WIDTH
from circuits.poseidon_constants import ROUND_CONSTANTS
from prover.kernels.montgomery import R, Words, to_montgomery

# arguments of a form: the state, 1, the S-box outputs; three zeros make their number round
ONE = WIDTH
FIRST_OUTPUT = ONE + 1
ARGUMENTS = 40
# forms: the S-box inputs, four zeros, and the state behind, in whole eights
STATE_BEHIND = 24
FORMS = STATE_BEHIND + WIDTH

_P = np.uint64(P)


def partial_forms() -> Array:
    """The forms' coefficients, canonical, (FORMS, ARGUMENTS)."""
    forms = np.zeros((FORMS, ARGUMENTS), dtype=np.uint64)
    state = np.zeros((WIDTH, ARGUMENTS), dtype=np.uint64)
    state[:, :WIDTH] = np.eye(WIDTH, dtype=np.uint64)
    for r in range(PARTIAL_ROUNDS):
        constants = np.array(ROUND_CONSTANTS[FULL_ROUNDS_EACH_SIDE + r], dtype=np.uint64)
        state[:, ONE] = (state[:, ONE] + constants) % _P
        forms[r] = state[0]
        state[0] = 0
        state[0, FIRST_OUTPUT + r] = 1
        state = MDS @ state % _P  # below 16 * 101 * 2^31, as in circuits.poseidon
    forms[STATE_BEHIND:] = state
    return forms


def _factors_of_next(forms: Array) -> Words:
    """What x_r is multiplied by so that x_r^2 / R times it is the step from u_r to x_(r+1)."""
    cubed = R * R * R % P
    out = [int(forms[r + 1, FIRST_OUTPUT + r]) * cubed % P for r in range(PARTIAL_ROUNDS - 1)]
    return np.array([*out, 0], dtype=np.uint32)


FULL_CONSTANTS: Words = np.array(
    ROUND_CONSTANTS[:FULL_ROUNDS_EACH_SIDE] + ROUND_CONSTANTS[-FULL_ROUNDS_EACH_SIDE:],
    dtype=np.uint32,
)
FORM_ROWS: Words = to_montgomery(partial_forms())
# one row per argument, in words of 64 bits, as products are accumulated
FORM_COLUMNS: Array = np.ascontiguousarray(FORM_ROWS.T).astype(np.uint64)
FACTORS_OF_NEXT: Words = _factors_of_next(partial_forms())
ROLES: Words = np.stack([ROLE_CONSTANTS[role] for role in ROW_ROLES]).astype(np.uint32)
