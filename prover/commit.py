"""Commitments: extended columns under a Merkle tree, and their openings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from circuits.field import GENERATOR, P, root_of_unity
from prover.kernels.blake2s import hash_words, tree_levels
from prover.kernels.expansion import digest
from prover.kernels.layer import layer_leaves
from prover.kernels.leaves import extended_leaves
from prover.kernels.montgomery import Words, aligned
from prover.kernels.ntt import extend_cosets
from prover.kernels.polynomial import evaluate_at
from prover.randomness import random_seed
from verifier.kernel.merkle import sibling_positions

MEMORY_BYTES = 2**27  # for extended columns, of one commitment
SMALL_BYTES = 2**26  # beyond, fresh memory costs more than the queries' rows do a second time


def _siblings(levels: list[Words], indices: Sequence[int]) -> bytes:
    positions = sibling_positions(len(levels) - 1, indices)
    return b"".join(levels[level][index].tobytes() for level, index in positions)


@dataclass(frozen=True)
class ColumnCommitment:
    """Columns on the evaluation domain, under leaves with the salts of ``seed``.

    ``coefficients`` are bit-reversed (groups, rows, 16). ``kept`` are the cosets of the domain,
    (groups, rows, 16) each, that memory allowed to keep; what else is needed is computed again.
    """

    coefficients: Words
    columns: int
    cosets: int
    kept: dict[int, Words]
    seed: bytes = field(repr=False)
    levels: list[Words]

    @property
    def root(self) -> bytes:
        """The tree's root."""
        return bytes(self.levels[-1][0].tobytes())

    def coset(self, number: int, out: Words | None = None) -> Words:
        """One coset (groups, rows, 16): what is kept, or computed, into ``out`` if given."""
        kept = self.kept.get(number)
        if kept is not None:
            return kept
        target = aligned(self.coefficients.shape) if out is None else out
        extend_cosets(self.coefficients, GENERATOR, self.cosets, [number], target[None])
        return target

    def each(self, numbers: Sequence[int]) -> Iterator[tuple[int, Words]]:
        """Some cosets by number, in an order that saves memory, each valid until the next.

        Unless they are all of them, none is kept afterwards: one takes the place of another.
        """
        numbers = sorted(numbers, key=lambda number: number not in self.kept)
        buffer: Words | None = None
        for number in numbers:
            if number not in self.kept and self.kept:
                _, buffer = self.kept.popitem()
                self.kept.clear()
            buffer = self.coset(number, buffer)
            yield number, buffer
        if len(self.kept) < self.cosets:
            self.kept.clear()

    def open(self, indices: Sequence[int]) -> bytes:
        """Rows, salts and multi-proof at ascending, distinct natural indices."""
        rows = self._rows(indices)
        opened = b"".join(rows[i].tobytes() for i in indices)
        salts = b"".join(digest(self.seed, i) for i in indices)
        return opened + salts + _siblings(self.levels, indices)

    def _rows(self, indices: Sequence[int]) -> dict[int, Words]:
        rows: dict[int, Words] = {}
        for i in indices:
            if i % self.cosets in self.kept:
                row = self.kept[i % self.cosets][:, i // self.cosets]
                rows[i] = row.reshape(-1)[: self.columns]
        others = [i for i in indices if i not in rows]
        if others:
            root = root_of_unity((self.cosets * self.coefficients.shape[1]).bit_length() - 1)
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

    At most ``memory_bytes`` of the extension are kept: all of it if it is small, or some of the
    cosets that are ``wanted`` later; the others are only hashed. One of these is always kept: the
    others will be computed in its place.
    """
    size = coefficients.nbytes
    everything = blowup * size <= min(memory_bytes, SMALL_BYTES)
    keep = range(blowup) if everything else list(wanted)[: max(1, memory_bytes // size)]
    seed = random_seed()
    leaves, kept = extended_leaves(coefficients, columns, GENERATOR, blowup, seed, keep)
    return ColumnCommitment(
        coefficients, columns, blowup, dict(zip(keep, kept, strict=True)), seed, tree_levels(leaves)
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


def commit_layer(coefficients: Words, shift: int, blowup: int, fold: int) -> LayerCommitment:
    """Evaluate natural-order coefficients (n, 6) on shift * <w> and commit leaves of ``fold``."""
    leaves = layer_leaves(coefficients, shift, blowup, fold)
    return LayerCommitment(leaves, tree_levels(hash_words(leaves)))
