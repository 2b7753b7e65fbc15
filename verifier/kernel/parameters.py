"""Parameter sets: every size of a proof follows from one of these and the trace length.

The verifier computes all bounds from here, never from the proof. A contract names its set; the
round-by-round security of a set on a real circuit is ``verifier.kernel.soundness.proven_bits``.
"""

from __future__ import annotations

from dataclasses import dataclass

from circuits.circuit import MAXIMUM_DEGREE


@dataclass(frozen=True)
class ParameterSet:
    """Sizes of one proof system instance.

    ``blowup``: evaluation domain over trace length (the rate is its inverse); ``queries``: FRI
    queries, drawn with replacement; ``grinding_bits``: proof of work before the query indices;
    ``fold``: domain shrinkage per FRI round; ``final_domain``: folding stops at a domain of at
    most this many points, whose polynomial is sent in the clear (without a fold if it is short).
    """

    name: str
    blowup: int
    queries: int
    grinding_bits: int
    final_domain: int
    fold: int = 8

    @property
    def random_rows(self) -> int:
        """Uniform rows r at the end of every trace column.

        2q + 12 and not q + 12: an opened quotient combination at x also fixes a relation with the
        trace at gx, so each query costs two values of a column.
        """
        return 2 * self.queries + 12

    @property
    def chunk_mask(self) -> int:
        """Coefficients t of a quotient chunk that are given to telescoping masks: q + 1."""
        return self.queries + 1

    def chunk_count(self, log2_rows: int) -> int:
        """Chunks of N - t coefficients that hold the quotient."""
        return -(-self.quotient_size(log2_rows) // ((1 << log2_rows) - self.chunk_mask))

    def quotient_size(self, log2_rows: int) -> int:
        """Coefficients of the quotient: its degree is at most d (N - 1) + r + 1 - N, d = 4."""
        rows = 1 << log2_rows
        return (MAXIMUM_DEGREE - 1) * rows + self.random_rows + 2 - MAXIMUM_DEGREE

    def domain_size(self, log2_rows: int) -> int:
        """Points of the evaluation domain."""
        return self.blowup << log2_rows

    def fold_count(self, log2_rows: int) -> int:
        """FRI rounds until at most ``final_domain`` points are left."""
        size, count = self.domain_size(log2_rows), 0
        while size > self.final_domain:
            size //= self.fold
            count += 1
        return count

    def final_coefficients(self, log2_rows: int) -> int:
        """Coefficients of the polynomial that FRI ends with (its degree bound)."""
        shrinkage: int = self.fold ** self.fold_count(log2_rows)
        return (1 << log2_rows) // shrinkage


# 512 coefficients at most: one more fold would take more bytes, of leaves and paths
STANDARD = ParameterSet(name="standard", blowup=8, queries=68, grinding_bits=20, final_domain=4096)
COMPACT = ParameterSet(name="compact", blowup=16, queries=50, grinding_bits=21, final_domain=8192)
FAST = ParameterSet(name="fast", blowup=4, queries=102, grinding_bits=20, final_domain=2048)
PARAMETER_SETS: dict[str, ParameterSet] = {s.name: s for s in (STANDARD, COMPACT, FAST)}
