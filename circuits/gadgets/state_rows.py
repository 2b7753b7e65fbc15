"""What a contract carries, tied to the commitments at both ends of a claim.

A carried limb is a column that nothing changes on rows without data, so that it holds the state
before up to the first record and the state after behind the last one. Where the k-th row of a
commitment absorbs it, block element and column are equal. The blocks' filling is zero; the last
block blinds.
"""

from __future__ import annotations

from circuits.builder import Builder, Log
from circuits.schema import BLOCK_ELEMENTS


def add_state_rows(builder: Builder, log: Log) -> None:
    """Open both commitments; call it once, after everything that carries."""
    limbs = [limb for carried in builder.carried for limb in carried.limbs]
    zero = builder.graph.constant(0)
    limbs += [zero] * (-len(limbs) % BLOCK_ELEMENTS)
    for place, limb in enumerate(limbs):
        row, element = divmod(place, BLOCK_ELEMENTS)
        for side in ("before", "after"):
            here = builder.selector(f"state_{side} {row}")
            difference = log.block[element].now - limb
            builder.constrain(f"state {side} [{place}]", here * difference)
