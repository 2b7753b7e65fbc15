"""Commitments: extended columns under a Merkle tree, and their openings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from circuits.field import DEGREE, GENERATOR, P, root_of_unity
from prover.kernels.blake2s import hash_words, tree_levels
from prover.kernels.expansion import digest
from prover.kernels.layer import layer_leaves
from prover.kernels.leaves import extended_leaves
from prover.kernels.montgomery import Words, aligned
from prover.kernels.ntt import extend_cosets
from prover.kernels.polynomial import evaluate_at
from prover.randomness import random_seed
from verifier.kernel.merkle import DIGEST_BYTES, as_words, leaf_digest, sibling_positions

MEMORY_BYTES = 2**27  # for extended columns, of one commitment
SLICES = 4  # of a coset, where memory has no room for a whole one
SMALL_BYTES = 2**26  # beyond, fresh memory costs more than the queries' rows do a second time


def _siblings(levels: list[Words], indices: Sequence[int]) -> bytes:
    positions = sibling_positions(len(levels) - 1, indices)
    return b"".join(levels[level][index].tobytes() for level, index in positions)


@dataclass(frozen=True)
class CosetRows:
    """Row i of ``now`` (groups, rows, 16) is row i * step + first of coset ``number``.

    The row after it is row i + ``ahead`` of ``following``, or of ``now`` where that is None.
    """

    number: int
    first: int
    step: int
    now: Words
    following: Words | None = None
    ahead: int = 1


@dataclass(frozen=True)
class ColumnCommitment:
    """Columns on the evaluation domain, under leaves with the salts of ``seed``.

    ``coefficients`` are bit-reversed (groups, rows, 16). ``kept`` are the cosets of the domain,
    (groups, rows, 16) each, that memory allowed to keep; what else is needed is computed again.
    The first of ``levels``, the leaves, is empty where memory is scarce.
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

    def rows(self, numbers: Sequence[int], next_groups: Sequence[int]) -> Iterator[CosetRows]:
        """The rows of some cosets by number, in an order that saves memory, each until the next.

        Whole cosets where any is kept, and slices otherwise, of which the rows behind have
        ``next_groups`` only. Unless all cosets are, none is kept afterwards: one takes the place of
        another.
        """
        if self.kept:
            yield from self._whole(numbers)
        else:
            yield from self._slices(numbers, next_groups)

    def _whole(self, numbers: Sequence[int]) -> Iterator[CosetRows]:
        numbers = sorted(numbers, key=lambda number: number not in self.kept)
        buffer: Words | None = None
        for number in numbers:
            if number not in self.kept and self.kept:
                _, buffer = self.kept.popitem()
                self.kept.clear()
            buffer = self.coset(number, buffer)
            yield CosetRows(number, 0, 1, buffer)
        if len(self.kept) < self.cosets:
            self.kept.clear()

    def _slices(self, numbers: Sequence[int], next_groups: Sequence[int]) -> Iterator[CosetRows]:
        groups, rows, lanes = self.coefficients.shape
        now = aligned((groups, rows // SLICES, lanes))
        following = aligned((len(next_groups), rows // SLICES, lanes))

        def extend(part: Words, number: int, out: Words) -> None:
            extend_cosets(part, GENERATOR, SLICES * self.cosets, [number], out[None])

        for number in numbers:
            for k, group in enumerate(next_groups):
                extend(self.coefficients[group : group + 1], number, following[k : k + 1])
            # behind the last slice comes the first, from its second row on
            for first in reversed(range(SLICES)):
                extend(self.coefficients, number + first * self.cosets, now)
                yield CosetRows(number, first, SLICES, now, following, int(first == SLICES - 1))
                following[:] = now[list(next_groups)]

    def open(self, indices: Sequence[int]) -> bytes:
        """Rows, salts and multi-proof at ascending, distinct natural indices."""
        siblings = sibling_positions(len(self.levels) - 1, indices)
        missing = [] if len(self.levels[0]) else [i for level, i in siblings if level == 0]
        rows = self._rows([*indices, *missing])
        salts = {i: digest(self.seed, i) for i in rows}
        leaves = {i: leaf_digest(as_words(rows[i]), salts[i]) for i in missing}
        opened = [as_words(rows[i]) for i in indices] + [salts[i] for i in indices]
        opened += [
            leaves[i] if level == 0 and i in leaves else self.levels[level][i].tobytes()
            for level, i in siblings
        ]
        return b"".join(opened)

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
    memory_bytes: int | None = None,
) -> ColumnCommitment:
    """Extend bit-reversed coefficients (groups, rows, 16) to the evaluation domain and commit.

    At most ``memory_bytes`` are kept, leaves included (by default ``MEMORY_BYTES`` of cosets, or
    one where that is more): all cosets if they are small, or some that are ``wanted`` later; the
    others are only hashed. With less than the leaves and one coset take, neither is kept.
    """
    size, leaf_bytes = coefficients.nbytes, DIGEST_BYTES * blowup * coefficients.shape[1]
    room = max(MEMORY_BYTES, size) if memory_bytes is None else max(0, memory_bytes - leaf_bytes)
    everything = blowup * size <= min(room, SMALL_BYTES)
    keep = range(blowup) if everything else list(wanted)[: room // size]
    seed = random_seed()
    leaves, kept = extended_leaves(coefficients, columns, GENERATOR, blowup, seed, keep)
    levels = tree_levels(leaves)
    if room < size:
        levels[0] = levels[0][:0].copy()
    return ColumnCommitment(
        coefficients, columns, blowup, dict(zip(keep, kept, strict=True)), seed, levels
    )


@dataclass(frozen=True)
class LayerCommitment:
    """One FRI layer: ``leaves`` (count, fold * 6), extension elements next to one another."""

    leaves: Words
    levels: list[Words]

    @property
    def root(self) -> bytes:
        """The tree's root."""
        return bytes(self.levels[-1][0].tobytes())

    def open(self, indices: Sequence[int]) -> bytes:
        """The leaves around the values at ascending, distinct ``indices``, and a multi-proof.

        Index i of the layer is value i // count of leaf i % count. These values themselves are left
        out: whoever checks them knows what they must be.
        """
        count = len(self.leaves)
        known = set(indices)
        leaves = sorted({i % count for i in indices})
        values = self.leaves.reshape(count, -1, DEGREE)
        fold = values.shape[1]
        others = [
            values[leaf, k].tobytes()
            for leaf in leaves
            for k in range(fold)
            if leaf + k * count not in known
        ]
        return b"".join(others) + _siblings(self.levels, leaves)


def commit_layer(coefficients: Words, shift: int, blowup: int, fold: int) -> LayerCommitment:
    """Evaluate natural-order coefficients (n, 6) on shift * <w> and commit leaves of ``fold``."""
    leaves = layer_leaves(coefficients, shift, blowup, fold)
    return LayerCommitment(leaves, tree_levels(hash_words(leaves)))
