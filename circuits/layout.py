"""Which row of the trace is what, computed from signed record counts alone.

Every window takes ceil(records / records_per_block) data rows and one closing row. The verifier
derives all of it from the checkpoints; nothing here comes from the proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MINIMUM_LOG2_ROWS = 8
MAXIMUM_LOG2_ROWS = 20


@dataclass(frozen=True)
class Layout:
    """Row roles of a claim.

    ``active_rows`` rows are used; ``closing`` are the rows that absorb a salt; ``partial`` the data
    rows whose block is not full, with ``filled`` records in each; ``opening`` holds the row whose
    first record is the first of its epoch, if the claim has it.
    """

    records_per_block: int
    records: int
    active_rows: int
    closing: NDArray[np.int64]
    partial: NDArray[np.int64]
    filled: NDArray[np.int64]
    opening: NDArray[np.int64]

    @classmethod
    def from_counts(
        cls, counts: Sequence[int], records_per_block: int, starts_epoch: bool
    ) -> Layout:
        """Lay out windows with these record counts, in order.

        ``starts_epoch`` says that no record of the epoch precedes these windows.
        """
        sizes = np.asarray(counts, dtype=np.int64)
        data_rows = -(-sizes // records_per_block)
        closing = np.cumsum(data_rows + 1) - 1
        rest = sizes % records_per_block
        first_data = (closing - data_rows)[sizes > 0][:1]
        return cls(
            records_per_block=records_per_block,
            records=int(sizes.sum()),
            active_rows=int(closing[-1]) + 1,
            closing=closing,
            partial=(closing - 1)[rest != 0],
            filled=rest[rest != 0],
            opening=first_data if starts_epoch else first_data[:0],
        )

    def log2_rows(self, random_rows: int) -> int:
        """The smallest trace length exponent that leaves room for random rows and two rows between.

        Constraints hold on the first of the two, the row after the last active one: running limbs
        end there, and private ones are pinned by nothing else than being bits. The second is
        exempt.

        May exceed ``MAXIMUM_LOG2_ROWS``; the caller refuses that.
        """
        needed = self.active_rows + random_rows + 2
        return max(MINIMUM_LOG2_ROWS, (needed - 1).bit_length())
