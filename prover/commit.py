"""Commitments: extended columns under a Merkle tree, and their openings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from circuits.field import GENERATOR, P, root_of_unity
from prover.kernels.blake2s import hash_cosets, hash_words, tree_levels
from prover.kernels.layer import layer_leaves
from prover.kernels.montgomery import Words
from prover.kernels.ntt import extend_cosets
from prover.kernels.polynomial import evaluate_at
from prover.randomness import random_salts
from verifier.kernel.merkle import sibling_positions

MEMORY_BYTES = 2**28  # for extended columns, of one commitment


def _siblings(levels: list[Words], indices: Sequence[int]) -> bytes:
    positions = sibling_positions(len(levels) - 1, indices)
    return b"".join(levels[level][index].tobytes() for level, index in positions)


@dataclass(frozen=True)
class ColumnCommitment:
    """Columns on the evaluation domain, under salted leaves.

    ``coefficients`` are bit-reversed (groups, rows, 16). ``kept`` are the cosets of the domain,
    (groups, rows, 16) each, that memory allowed to keep; what else is needed is computed again.
    """

    coefficients: Words
    columns: int
    kept: dict[int, Words]
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

    def coset(self, number: int) -> Words:
        """One coset (groups, rows, 16)."""
        kept = self.kept.get(number)
        if kept is not None:
            return kept
        computed: Words = extend_cosets(self.coefficients, GENERATOR, self.cosets, [number])[0]
        return computed

    def forget(self) -> None:
        """Give back the memory of kept cosets, unless it is all of them."""
        if len(self.kept) < self.cosets:
            self.kept.clear()

    def open(self, indices: Sequence[int]) -> bytes:
        """Rows, salts and multi-proof at ascending, distinct natural indices."""
        rows = self._rows(indices)
        salts = [self.salts[i].tobytes() for i in indices]
        opened = b"".join(rows[i].tobytes() for i in indices)
        return opened + b"".join(salts) + _siblings(self.levels, indices)

    def _rows(self, indices: Sequence[int]) -> dict[int, Words]:
        rows: dict[int, Words] = {}
        for i in indices:
            if i % self.cosets in self.kept:
                row = self.kept[i % self.cosets][:, i // self.cosets]
                rows[i] = row.reshape(-1)[: self.columns]
        others = [i for i in indices if i not in rows]
        if others:
            root = root_of_unity(len(self.salts).bit_length() - 1)
            points = [GENERATOR * pow(root, i, P) % P for i in others]
            values = evaluate_at(self.coefficients, points)[:, : self.columns]
            rows.update(zip(others, values, strict=True))
        return rows


def commit_columns(
    coefficients: Words,
    columns: int,
    blowup: int,
    wanted: Sequence[int] = (),
    memory_bytes: int = MEMORY_BYTES,
) -> ColumnCommitment:
    """Extend bit-reversed coefficients (groups, rows, 16) to the evaluation domain and commit.

    At most ``memory_bytes`` of the extension are kept: all of it, or some of the cosets that are
    ``wanted`` later; the others are computed one by one and hashed.
    """
    size = coefficients.nbytes
    salts = random_salts(blowup * coefficients.shape[1])
    leaves = np.empty((len(salts), 8), dtype=np.uint32)
    if blowup * size <= memory_bytes:
        extended = extend_cosets(coefficients, GENERATOR, blowup, range(blowup))
        hash_cosets(extended, columns, salts, range(blowup), leaves)
        kept = dict(enumerate(extended))
    else:
        keep = set(list(wanted)[: memory_bytes // size])
        kept = {}
        scratch = np.empty_like(coefficients)[None]
        for number in sorted(range(blowup), key=lambda number: number in keep):
            out = np.empty_like(scratch) if number in keep else scratch
            extend_cosets(coefficients, GENERATOR, blowup, [number], out)
            hash_cosets(out, columns, salts, [number], leaves)
            if number in keep:
                kept[number] = out[0]
    return ColumnCommitment(coefficients, columns, kept, salts, tree_levels(leaves))


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


def commit_layer(coefficients: Words, shift: int, blowup: int, fold: int) -> LayerCommitment:
    """Evaluate natural-order coefficients (n, 6) on shift * <w> and commit leaves of ``fold``."""
    leaves = layer_leaves(coefficients, shift, blowup, fold)
    return LayerCommitment(leaves, tree_levels(hash_words(leaves)))
