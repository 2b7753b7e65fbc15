"""Openings of carried state: what the prover shows of it to the circuit, and nobody else.

A commitment to carried state is hidden by eight blinding elements. They are derived from the
operator's key, the terms and the checkpoint at which the state stands, so there is nothing to store
and nothing to lose between two claims. Under given terms the records up to a checkpoint are one and
the same for ever, so is the state there: no blinding is ever used for two states, unless another
version of this software carries something else under the same terms.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from nacl.signing import SigningKey

from circuits.chain import CHAIN_ELEMENTS, sample_elements
from circuits.checkpoint import Checkpoint, as_chain
from circuits.circuit import Circuit
from circuits.state import StateOpening, chain_before, commit_state
from circuits.statement import StateLink

Openings = tuple[StateOpening, StateOpening]


def opening_at(
    operator_key: SigningKey, terms_digest: bytes, place: Checkpoint, values: Mapping[str, int]
) -> StateOpening:
    """The opening of the state at ``place``, where a claim ends; ``values`` by variable name."""
    key = hashlib.blake2s(bytes(operator_key), person=b"zkm:blnd").digest()
    blinding = sample_elements(key, terms_digest + place.digest, CHAIN_ELEMENTS)
    return StateOpening(values, as_chain(blinding))


def link_state(circuit: Circuit, first: Checkpoint, last: Checkpoint, state: Openings) -> StateLink:
    """The two commitments of a claim between these checkpoints; ``BadInput`` STORE_CORRUPT."""
    before, after = state
    return StateLink(
        commit_state(circuit.state, before, chain_before(first)),
        commit_state(circuit.state, after, last.chain),
    )
