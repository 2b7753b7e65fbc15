"""Commitments: extended columns under a Merkle tree, and their openings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from circuits.field import DEGREE, GENERATOR
from prover.kernels.blake2s import hash_cosets, hash_rows, hash_words, tree_levels
from prover.kernels.montgomery import Words
from prover.kernels.ntt import bit_reversal, extend, extend_cosets
from prover.kernels.vector import LANES
from prover.randomness import random_salts
from verifier.kernel.merkle import sibling_positions

KEEP_BYTES = 2**28  # an extension that is larger is computed again where it is needed


def _siblings(levels: list[Words], indices: Sequence[int]) -> bytes:
    positions = sibling_positions(len(levels) - 1, indices)
    return b"".join(levels[level][index].tobytes() for level, index in positions)


@dataclass(frozen=True)
class ColumnCommitment:
    """Columns on the evaluation domain, under salted leaves.

    ``extended`` (cosets, groups, rows, 16) is kept when it is small; else a coset is computed from
    the bit-reversed ``coefficients`` (groups, rows, 16) each time that it is needed.
    """

    coefficients: Words
    extended: Words | None
    columns: int
    salts: Words
    levels: list[Words]

    @property
    def root(self) -> bytes:
        """The tree's root."""
        return bytes(self.levels[-1][0].tobytes())

    @property
    def cosets(self) -> int:
        """How many cosets of the trace's subgroup the evaluation domain consists of."""
        return len(self.salts) // int(self.coefficients.shape[1])

    def coset(self, number: int, scratch: Words | None = None) -> Words:
        """One coset (groups, rows, 16); what is not kept is computed, into ``scratch`` if given."""
        if self.extended is not None:
            kept: Words = self.extended[number]
            return kept
        out = np.empty_like(self.coefficients) if scratch is None else scratch
        extend_cosets(self.coefficients, GENERATOR, self.cosets, [number], out[None])
        return out

    def open(self, indices: Sequence[int]) -> bytes:
        """Rows, salts and multi-proof at ascending, distinct natural indices."""
        rows: dict[int, bytes] = {}
        scratch = None
        for number in sorted({i % self.cosets for i in indices}):
            scratch = self.coset(number, scratch)
            for i in indices:
                if i % self.cosets == number:
                    row = scratch[:, i // self.cosets].reshape(-1)[: self.columns]
                    rows[i] = row.tobytes()
        salts = [self.salts[i].tobytes() for i in indices]
        opened = b"".join(rows[i] for i in indices)
        return opened + b"".join(salts) + _siblings(self.levels, indices)


def commit_columns(
    coefficients: Words, columns: int, blowup: int, keep_bytes: int = KEEP_BYTES
) -> ColumnCommitment:
    """Extend bit-reversed coefficients (groups, rows, 16) to the evaluation domain and commit.

    An extension of more than ``keep_bytes`` is hashed coset by coset and not kept.
    """
    salts = random_salts(blowup * coefficients.shape[1])
    if coefficients.nbytes * blowup <= keep_bytes:
        extended = extend(coefficients, GENERATOR, blowup)
        levels = tree_levels(hash_rows(extended, columns, salts))
        return ColumnCommitment(coefficients, extended, columns, salts, levels)
    leaves = np.empty((len(salts), 8), dtype=np.uint32)
    scratch = np.empty_like(coefficients)[None]
    for number in range(blowup):
        extend_cosets(coefficients, GENERATOR, blowup, [number], scratch)
        hash_cosets(scratch, columns, salts, [number], leaves)
    return ColumnCommitment(coefficients, None, columns, salts, tree_levels(leaves))


@dataclass(frozen=True)
class LayerCommitment:
    """One FRI layer: ``leaves`` (count, fold * 6)."""

    leaves: Words
    levels: list[Words]

    @property
    def root(self) -> bytes:
        """The tree's root."""
        return bytes(self.levels[-1][0].tobytes())

    def open(self, indices: Sequence[int]) -> bytes:
        """Leaves and multi-proof at ascending, distinct leaf indices."""
        return self.leaves[list(indices)].tobytes() + _siblings(self.levels, indices)


def as_group(coefficients: Words) -> Words:
    """Natural-order coefficients (rows, k <= 16) as one bit-reversed group (1, rows, 16)."""
    rows, count = coefficients.shape
    out = np.zeros((1, rows, LANES), dtype=np.uint32)
    out[0, :, :count] = coefficients[bit_reversal(rows.bit_length() - 1)]
    return out


def commit_layer(coefficients: Words, shift: int, blowup: int, fold: int) -> LayerCommitment:
    """Evaluate natural-order coefficients (n, 6) on shift * <w> and commit leaves of ``fold``."""
    values = extend(as_group(coefficients), shift, blowup)[:, 0, :, :DEGREE]
    natural = values.transpose(1, 0, 2).reshape(-1, DEGREE)
    leaves = natural.reshape(fold, -1, DEGREE).transpose(1, 0, 2).reshape(-1, fold * DEGREE)
    leaves = np.ascontiguousarray(leaves)
    return LayerCommitment(leaves, tree_levels(hash_words(leaves)))
