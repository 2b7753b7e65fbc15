"""What a contract carries from one claim to the next, and the commitment to it.

A claim names two commitments: to the state before its first record and to the state after its last
one. Each continues a chain value in a role of its own: blocks of carried integers, zero-filled,
then one block of eight blinding elements. ``before`` starts from the chain value where the claim
before ended, so that equal states of different places have different commitments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from circuits.chain import CHAIN_ELEMENTS, Role, absorb
from circuits.checkpoint import Checkpoint, as_chain
from circuits.errors import BadInput, InputReason
from circuits.field import Array
from circuits.schema import BLOCK_ELEMENTS

Commitment = tuple[int, ...]


@dataclass(frozen=True)
class StateVariable:
    """One carried integer, 0 <= value < 2^sum(widths), in limbs of ``widths`` bits, lowest first.

    ``name`` is canonical, so that equal conditions of two outcomes carry one variable.
    """

    name: str
    widths: tuple[int, ...]

    def elements(self, value: int) -> list[int]:
        """The limbs of a value; ``BadInput`` STORE_CORRUPT when it does not fit."""
        if not 0 <= value < 1 << sum(self.widths):
            raise BadInput(InputReason.STORE_CORRUPT, f"carried state {self.name}: out of range")
        out = []
        for width in self.widths:
            out.append(value & ((1 << width) - 1))
            value >>= width
        return out


@dataclass(frozen=True)
class StateOpening:
    """Carried values by variable name, and eight uniform field elements that hide them."""

    values: Mapping[str, int]
    blinding: tuple[int, ...]


def state_rows(variables: Sequence[StateVariable]) -> int:
    """Trace rows that one commitment takes: its blocks, the blinding included; 0 without state."""
    elements = sum(len(variable.widths) for variable in variables)
    return -(-elements // BLOCK_ELEMENTS) + 1 if elements else 0


def state_blocks(variables: Sequence[StateVariable], opening: StateOpening) -> Array:
    """The blocks that a commitment absorbs, (state_rows, 8); absent values are 0."""
    elements = [e for v in variables for e in v.elements(opening.values.get(v.name, 0))]
    elements += [0] * (-len(elements) % BLOCK_ELEMENTS)
    blocks = np.array([*elements, *opening.blinding], dtype=np.uint64)
    return blocks.reshape(-1, BLOCK_ELEMENTS)


def commit_state(
    variables: Sequence[StateVariable], opening: StateOpening, chain: Commitment
) -> Commitment:
    """The commitment that continues ``chain``."""
    value = np.array(chain, dtype=np.uint64)
    for block in state_blocks(variables, opening):
        value = absorb(value, block, Role.STATE)
    return as_chain(value)


def chain_before(first: Checkpoint) -> Commitment:
    """The chain value where the claim before ended, from a claim's first checkpoint."""
    return first.chain if first.link is None else first.link.chain


def initial_opening() -> StateOpening:
    """The state at a contract's start: every value 0, and nothing to hide."""
    return StateOpening({}, (0,) * CHAIN_ELEMENTS)
