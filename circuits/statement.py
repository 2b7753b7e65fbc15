"""The public statement of one proof: what is claimed about which signed checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from circuits.checkpoint import Checkpoint
from circuits.circuit import Circuit
from circuits.field import Array
from circuits.layout import Layout
from circuits.state import Commitment, chain_before


@dataclass(frozen=True)
class StateLink:
    """Commitments to what a contract carries: before a claim's first record, after its last."""

    before: Commitment
    after: Commitment


@dataclass(frozen=True)
class Statement:
    """Outcome ``totals`` over the windows between consecutive checkpoints of one epoch.

    ``checkpoints`` are a .. b+1 (at least two, in order); the caller has verified signatures,
    sequence and counts. ``terms_digest`` is 32 bytes. ``state`` is there exactly when the circuit
    carries state; the caller has verified that it begins where the claim before ended.
    """

    terms_digest: bytes
    checkpoints: tuple[Checkpoint, ...]
    totals: tuple[int, ...]
    state: StateLink | None = None

    @property
    def counts(self) -> list[int]:
        """Records of each window."""
        return [c.records_in_window for c in self.checkpoints[1:]]

    @property
    def starts_epoch(self) -> bool:
        """True when no record of the epoch precedes these windows."""
        return self.checkpoints[0].records_in_epoch == 0

    def layout(self, circuit: Circuit) -> Layout:
        """Row roles, from signed counts and times alone."""
        return Layout.from_counts(
            self.counts,
            circuit.schema.records_per_block,
            self.starts_epoch,
            [c.start_ms for c in self.checkpoints[1:]],
            circuit.state_rows,
        )

    def public_inputs(self, circuit: Circuit) -> Array:
        """The public input vector: both chain values, state, then every total's limbs."""
        values = [*self.checkpoints[0].chain, *self.checkpoints[-1].chain]
        if self.state is not None:
            values += [*chain_before(self.checkpoints[0]), *self.state.before, *self.state.after]
        for outcome, total in zip(circuit.outcomes, self.totals, strict=True):
            values += outcome.public_limbs(total)
        return np.array(values, dtype=np.uint64)

    @cached_property
    def checkpoint_digests(self) -> bytes:
        """The digests of all checkpoints, concatenated in order."""
        return b"".join(c.digest for c in self.checkpoints)
