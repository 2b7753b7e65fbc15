"""The public statement of one proof: what is claimed about which signed checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from circuits.checkpoint import Checkpoint
from circuits.circuit import Circuit, public_inputs
from circuits.field import Array
from circuits.layout import Layout


@dataclass(frozen=True)
class Statement:
    """Outcome ``totals`` over the windows between consecutive checkpoints of one epoch.

    ``checkpoints`` are a .. b+1 (at least two, in order); the caller has verified signatures,
    sequence and counts. ``terms_digest`` is 32 bytes.
    """

    terms_digest: bytes
    checkpoints: tuple[Checkpoint, ...]
    totals: tuple[int, ...]

    @property
    def counts(self) -> list[int]:
        """Records of each window."""
        return [c.records_in_window for c in self.checkpoints[1:]]

    @property
    def records(self) -> int:
        """Records of all windows."""
        return sum(self.counts)

    @property
    def starts_epoch(self) -> bool:
        """True when no record of the epoch precedes these windows."""
        return self.checkpoints[0].records_in_epoch == 0

    def layout(self, records_per_block: int) -> Layout:
        """Row roles, from signed counts alone."""
        return Layout.from_counts(self.counts, records_per_block, self.starts_epoch)

    def public_inputs(self, circuit: Circuit) -> Array:
        """The public input vector of ``circuit`` for this statement."""
        return public_inputs(
            circuit,
            self.checkpoints[0].chain,
            self.checkpoints[-1].chain,
            self.totals,
        )

    @cached_property
    def checkpoint_digests(self) -> bytes:
        """The digests of all checkpoints, concatenated in order."""
        return b"".join(c.digest for c in self.checkpoints)
