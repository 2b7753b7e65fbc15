"""Commitments: extended columns under a Merkle tree, and their openings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from circuits.field import DEGREE, GENERATOR
from prover.kernels.blake2s import hash_rows, hash_words, tree_levels
from prover.kernels.montgomery import Words
from prover.kernels.ntt import bit_reversal, extend
from prover.kernels.vector import LANES
from prover.randomness import random_salts
from verifier.kernel.merkle import sibling_positions


def _siblings(levels: list[Words], indices: Sequence[int]) -> bytes:
    positions = sibling_positions(len(levels) - 1, indices)
    return b"".join(levels[level][index].tobytes() for level, index in positions)


@dataclass(frozen=True)
class ColumnCommitment:
    """Columns on the evaluation domain: ``extended`` (cosets, groups, rows, 16), salted leaves."""

    coefficients: Words
    extended: Words
    columns: int
    salts: Words
    levels: list[Words]

    @property
    def root(self) -> bytes:
        """The tree's root."""
        return bytes(self.levels[-1][0].tobytes())

    def open(self, indices: Sequence[int]) -> bytes:
        """Rows, salts and multi-proof at ascending, distinct natural indices."""
        cosets = len(self.extended)
        rows = [
            self.extended[i % cosets, :, i // cosets].reshape(-1)[: self.columns].tobytes()
            for i in indices
        ]
        salts = [self.salts[i].tobytes() for i in indices]
        return b"".join(rows) + b"".join(salts) + _siblings(self.levels, indices)


def commit_columns(coefficients: Words, columns: int, blowup: int) -> ColumnCommitment:
    """Extend bit-reversed coefficients (groups, rows, 16) to the evaluation domain and commit."""
    extended = extend(coefficients, GENERATOR, blowup)
    salts = random_salts(blowup * coefficients.shape[1])
    return ColumnCommitment(
        coefficients, extended, columns, salts, tree_levels(hash_rows(extended, columns, salts))
    )


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
