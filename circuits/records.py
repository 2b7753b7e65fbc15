"""The records of a claim in the clear: what the operator measures outcomes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuits.checkpoint import Checkpoint


@dataclass(frozen=True)
class Records:
    """Raw records (n, schema.elements) of consecutive windows of one epoch, in order.

    ``counts`` are the records of each window, ``starts_ms`` the windows' signed starts (ms since
    1970 UTC); ``starts_epoch`` says that no record of the epoch precedes them.
    """

    rows: NDArray[np.uint64]
    counts: tuple[int, ...]
    starts_ms: tuple[int, ...]
    starts_epoch: bool

    @classmethod
    def between(cls, checkpoints: Sequence[Checkpoint], rows: NDArray[np.uint64]) -> Records:
        """The records of the windows between these checkpoints (at least two, in order)."""
        closed = checkpoints[1:]
        return cls(
            rows,
            tuple(checkpoint.records_in_window for checkpoint in closed),
            tuple(checkpoint.start_ms for checkpoint in closed),
            checkpoints[0].records_in_epoch == 0,
        )

    def split(self, windows: int) -> Iterator[Records]:
        """The same in pieces of so many windows, the last one perhaps of fewer."""
        at, starts_epoch = 0, self.starts_epoch
        for begin in range(0, len(self.counts), windows):
            counts = self.counts[begin : begin + windows]
            size = sum(counts)
            starts_ms = self.starts_ms[begin : begin + windows]
            yield Records(self.rows[at : at + size], counts, starts_ms, starts_epoch)
            at, starts_epoch = at + size, starts_epoch and size == 0
