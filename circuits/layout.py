"""Which row of the trace is what, computed from signed checkpoints alone.

Every window takes ceil(records / records_per_block) data rows and one closing row. Where a contract
carries state, so many rows open one commitment: they stand in front of the windows' rows, and as
many behind them. The verifier derives all of it from the checkpoints; nothing here comes from the
proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MINIMUM_LOG2_ROWS = 8
MAXIMUM_LOG2_ROWS = 20
MINUTES_PER_DAY = 1440
MINUTE_MS = 60_000

Rows = NDArray[np.int64]


def in_time_of_day(time_ms: int, start: int, end: int) -> bool:
    """Whether a moment (ms since 1970 UTC) lies in [start, end) minutes after midnight UTC.

    Both are 0..1439 and differ; with start > end the interval runs over midnight.
    """
    minute = time_ms // MINUTE_MS % MINUTES_PER_DAY
    return (minute - start) % MINUTES_PER_DAY < (end - start) % MINUTES_PER_DAY


@dataclass(frozen=True)
class Layout:
    """Row roles of a claim.

    ``active_rows`` rows are used, the first ``state_rows`` of them by the state before; as many
    follow after them for the state after. ``closing`` are the rows that absorb a salt, one per
    window, ``starts_ms`` when those windows start; ``partial`` the data rows whose block is not
    full, with ``filled`` records in each; ``opening`` holds the row whose first record is the first
    of its epoch, if the claim has it.
    """

    records_per_block: int
    records: int
    active_rows: int
    closing: Rows
    partial: Rows
    filled: Rows
    opening: Rows
    starts_ms: tuple[int, ...] = ()
    state_rows: int = 0

    @classmethod
    def from_counts(
        cls,
        counts: Sequence[int],
        records_per_block: int,
        starts_epoch: bool,
        starts_ms: Sequence[int] = (),
        state_rows: int = 0,
    ) -> Layout:
        """Lay out windows with these record counts, in order.

        ``starts_epoch`` says that no record of the epoch precedes these windows.
        """
        sizes = np.asarray(counts, dtype=np.int64)
        data_rows = -(-sizes // records_per_block)
        closing = state_rows + np.cumsum(data_rows + 1) - 1
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
            starts_ms=tuple(starts_ms),
            state_rows=state_rows,
        )

    def log2_rows(self, random_rows: int) -> int:
        """The smallest trace length exponent that leaves room for random rows and two rows between.

        Constraints hold on the first of the two, the row after the last used one: running limbs
        end there, and private ones are pinned by nothing else than being bits. The second is
        exempt.

        May exceed ``MAXIMUM_LOG2_ROWS``; the caller refuses that.
        """
        needed = self.active_rows + self.state_rows + random_rows + 2
        return max(MINIMUM_LOG2_ROWS, (needed - 1).bit_length())

    def selector(self, name: str) -> Rows:
        """The rows on which a selector is 1; everywhere else on the trace it is 0.

        ``first`` row, ``last`` active row, ``closing``, ``opening``, ``padding K`` (slot K holds no
        record), ``inside A B`` (closing rows of windows that start at minutes A..B of the day);
        with state: ``state`` (all rows of both commitments), ``state_before`` (of the first one),
        ``state_before K`` and ``state_after K`` (the K-th row of each), ``resume`` and
        ``state_end`` (the last row of each). KeyError on any other name.
        """
        before = np.arange(self.state_rows, dtype=np.int64)
        after = self.active_rows + before
        match name.split():
            case ["first"]:
                return np.zeros(1, dtype=np.int64)
            case ["last"]:
                return np.array([self.active_rows - 1])
            case ["closing"]:
                return self.closing
            case ["opening"]:
                return self.opening
            case ["padding", slot]:
                return self.partial[self.filled <= int(slot)]
            case ["inside", start, end]:
                minutes = np.asarray(self.starts_ms, dtype=np.int64) // MINUTE_MS % MINUTES_PER_DAY
                length = (int(end) - int(start)) % MINUTES_PER_DAY
                return self.closing[(minutes - int(start)) % MINUTES_PER_DAY < length]
            case ["state"]:
                return np.concatenate([before, after])
            case ["state_before"]:
                return before
            case ["state_before", row]:
                return before[int(row) : int(row) + 1]
            case ["state_after", row]:
                return after[int(row) : int(row) + 1]
            case ["resume"]:
                return before[-1:]
            case ["state_end"]:
                return after[-1:]
        raise KeyError(name)
