"""Provers that depart from the protocol in one step; each patches the real prover.

``tests.kernel.malicious`` holds those that shift a cell, the DEEP combination, a fold, or forge a
chunk's value; here is what is missing there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from circuits.circuit import Trace
from circuits.field import (
    DEGREE,
    GENERATOR,
    Array,
    P,
    add,
    extension,
    extension_inverse,
    extension_multiply,
    lift,
    root_of_unity,
    subtract,
)
from prover import commit as commit_module
from prover import deep as deep_module
from prover import prove as prove_module
from prover import witness
from prover.commit import ColumnCommitment, LayerCommitment, commit_columns, commit_layer
from prover.deep import deep_polynomial
from prover.kernels.blake2s import hash_words, tree_levels
from prover.kernels.expansion import SEED_BYTES, digest
from prover.kernels.montgomery import Words
from prover.kernels.polynomial import divide, evaluate_columns, fold_coefficients
from prover.randomness import random_elements
from tests.kernel.malicious import Patch
from verifier.kernel.fri import layer_points
from verifier.kernel.merkle import as_words, leaf_digest
from verifier.kernel.proof import Shape
from verifier.kernel.transcript import Transcript
from verifier.kernel.verify import proof_shape, start_transcript

_P = np.uint64(P)


def nothing(_patch: pytest.MonkeyPatch) -> None:
    """No lie: the control."""


def wrong_quotient(patch: pytest.MonkeyPatch) -> None:
    """One coefficient of the quotient is one more; its chunks are committed to all the same."""
    honest = prove_module._quotient

    def wrong(*arguments: Any) -> Words:
        quotient = honest(*arguments)
        quotient[5, 0] = (int(quotient[5, 0]) + 1) % P
        return quotient

    patch.setattr(prove_module, "_quotient", wrong)


def another_trace(change: Callable[[Trace], None]) -> Patch:
    """``change(trace)`` before the commitment."""

    def lie(patch: pytest.MonkeyPatch) -> None:
        honest = witness.fill_trace

        def changed(*arguments: Any) -> Trace:
            trace = honest(*arguments)
            change(trace)
            return trace

        patch.setattr(prove_module, "fill_trace", changed)

    return lie


def _extended(made: ColumnCommitment) -> Words:
    """A copy of all cosets (cosets, groups, rows, lanes)."""
    cosets: Words = np.stack([made.coset(number) for number in range(made.cosets)])
    return cosets


def _recommitted(made: ColumnCommitment, extended: Words) -> ColumnCommitment:
    rows = extended.transpose(2, 0, 1, 3).reshape(-1, extended.shape[1] * extended.shape[3])
    digests = [
        leaf_digest(as_words(row[: made.columns]), digest(made.seed, index))
        for index, row in enumerate(rows)
    ]
    leaves = np.frombuffer(b"".join(digests), dtype="<u4").reshape(-1, 8)
    return replace(made, kept=dict(enumerate(extended)), levels=tree_levels(leaves))


class TamperedTree:
    """The trace tree holds something else than the columns that everything else is made from."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.honest: ColumnCommitment | None = None
        quotient: Any = prove_module._quotient
        patch.setattr(prove_module, "commit_columns", self.commit)
        patch.setattr(prove_module, "_quotient", lambda *a: quotient(*a[:4], self.honest, *a[5:]))

    def commit(self, *arguments: Any, **options: Any) -> ColumnCommitment:
        """The first tree tampered with, the second as it is."""
        made = commit_columns(*arguments, **options)
        if self.honest is not None:
            return made
        self.honest = made
        extended = _extended(made)
        self.tamper(extended)
        return _recommitted(made, extended)

    def tamper(self, extended: Words) -> None:
        """Change (cosets, groups, rows, lanes) in place."""
        raise NotImplementedError


class SwappedColumns(TamperedTree):
    """Two columns change places in the tree only."""

    def __init__(self, patch: pytest.MonkeyPatch, first: int, second: int) -> None:
        super().__init__(patch)
        self.both = first, second

    def tamper(self, extended: Words) -> None:
        (g, i), (h, j) = (_place(extended, column) for column in self.both)
        first, second = extended[:, g, :, i].copy(), extended[:, h, :, j].copy()
        extended[:, g, :, i], extended[:, h, :, j] = second, first


def _place(extended: Words, column: int) -> tuple[int, int]:
    """The group and lane of a column."""
    lanes = int(extended.shape[3])
    return column // lanes, column % lanes


class HighDegree(TamperedTree):
    """A column has X^N - 1 added: the same trace on H, of degree N.

    With ``follow`` layer 0 is the true combination of what is in the tree, of high degree too.
    """

    def __init__(self, patch: pytest.MonkeyPatch, column: int, *, follow: bool) -> None:
        super().__init__(patch)
        self.column, self.weight, self.points = column, extension(0), list[Array]()
        self.rows = self.blowup = 0
        if not follow:
            return

        def watched(
            coefficients: tuple[Words, Words],
            next_columns: Sequence[int],
            gamma: Array,
            points: tuple[Array, Array],
            *rest: Any,
        ) -> Words:
            self.weight = gamma[column]
            self.points = list(points if column in next_columns else points[:1])
            return deep_polynomial(coefficients, next_columns, gamma, points, *rest)

        patch.setattr(prove_module, "deep_polynomial", watched)
        patch.setattr(prove_module, "commit_layer", self.commit_layer)

    def tamper(self, extended: Words) -> None:
        self.blowup, _, self.rows, _ = extended.shape
        group, lane = _place(extended, self.column)
        for coset, value in enumerate(self.vanishing().tolist()):
            column = extended[coset, group, :, lane].astype(np.uint64) + np.uint64(value)
            extended[coset, group, :, lane] = column % _P

    def vanishing(self) -> Array:
        """x^N - 1 on each coset."""
        log2_blowup = self.blowup.bit_length() - 1
        start, step = pow(GENERATOR, self.rows, P), root_of_unity(log2_blowup)
        return np.array(
            [(start * pow(step, k, P) - 1) % P for k in range(self.blowup)], dtype=np.uint64
        )

    def commit_layer(
        self, coefficients: Words, shift: int, blowup: int, fold: int
    ) -> LayerCommitment:
        """Layer 0 with the column's excess divided by x - z, and x - gz where it is open there."""
        made = commit_layer(coefficients, shift, blowup, fold)
        size = self.rows * self.blowup
        if shift != GENERATOR:
            return made
        indices = np.arange(size, dtype=np.int64)
        x = lift(layer_points(0, fold, size.bit_length() - 1, indices))
        scaled = self.weight
        for point in self.points:
            scaled = extension_multiply(extension_inverse(subtract(x, point[None])), scaled)
        excess = scaled * self.vanishing()[indices % self.blowup][:, None] % _P
        return with_added(made, excess, fold)


def with_added(made: LayerCommitment, values: Array, fold: int) -> LayerCommitment:
    """The layer with these natural-order values (points, 6) added."""
    arranged = values.reshape(fold, -1, DEGREE).transpose(1, 0, 2).reshape(-1, fold * DEGREE)
    leaves = add(made.leaves.astype(np.uint64), arranged).astype(np.uint32)
    return LayerCommitment(leaves, tree_levels(hash_words(leaves)))


def high_degree(column: int, *, follow: bool) -> Patch:
    """See ``HighDegree``."""

    def lie(patch: pytest.MonkeyPatch) -> None:
        HighDegree(patch, column, follow=follow)

    return lie


def swapped_in_the_tree(first: int, second: int) -> Patch:
    """See ``SwappedColumns``."""

    def lie(patch: pytest.MonkeyPatch) -> None:
        SwappedColumns(patch, first, second)

    return lie


def swapped_values(patch: pytest.MonkeyPatch) -> None:
    """The values at z of columns 3 and 20 change places; the tree is as it should be."""
    calls = iter(range(100))

    def swapped(*arguments: Any) -> Array:
        values = evaluate_columns(*arguments)
        if next(calls) == 0:
            values[[3, 20]] = values[[20, 3]]
        return values

    def without_remainder(*arguments: Any) -> Array:
        divide(*arguments)
        return extension(0)

    patch.setattr(prove_module, "evaluate_columns", swapped)
    patch.setattr(deep_module, "divide", without_remainder)


def unmasked(what: str) -> Patch:
    """``what`` is left out: random rows, chunk masks, the mask polynomial, or salts are known."""

    def lie(patch: pytest.MonkeyPatch) -> None:
        zeros = np.zeros

        def no_elements(*shape: int) -> Words:
            hide = {"chunk masks": 3, "mask polynomial": 2}[what] == len(shape)
            return zeros(shape, np.uint32) if hide else honest(*shape)

        honest = random_elements
        if what == "random rows":
            patch.setattr(witness, "random_elements", lambda *s: zeros(s, np.uint32))
        elif what == "salts":
            patch.setattr(commit_module, "random_seed", lambda: bytes(SEED_BYTES))
        else:
            patch.setattr(prove_module, "random_elements", no_elements)

    return lie


def loose_chunk_masks(patch: pytest.MonkeyPatch) -> None:
    """A chunk is masked at its end, and the next one is not corrected for it."""
    honest = prove_module._masked_chunks

    def loose(shape: Shape, quotient: Words) -> Words:
        parts = honest(shape, quotient)
        parts[0, -1, 0] = (int(parts[0, -1, 0]) + 1) % P
        return parts

    patch.setattr(prove_module, "_masked_chunks", loose)


def mask_not_added(patch: pytest.MonkeyPatch) -> None:
    """The mask polynomial is committed to and then left out of the DEEP combination."""

    def without(*arguments: Any) -> Words:
        *others, mask = arguments
        return deep_polynomial(*[*others, np.zeros_like(mask)])

    patch.setattr(prove_module, "deep_polynomial", without)


def mask_of_high_degree(patch: pytest.MonkeyPatch) -> None:
    """The mask in the tree has X^N added, and so has layer 0: nobody looks at the mask alone."""
    done: list[int] = []

    def commit(
        coefficients: Words, columns: int, blowup: int, *rest: Any, **options: Any
    ) -> ColumnCommitment:
        made = commit_columns(coefficients, columns, blowup, *rest, **options)
        done.append(columns)
        if len(done) != 2:
            return made
        extended = _extended(made)
        group, lane = _place(extended, columns - DEGREE)
        for coset, value in enumerate(_to_the_rows(extended.shape[2], blowup)):
            column = extended[coset, group, :, lane].astype(np.uint64) + np.uint64(value)
            extended[coset, group, :, lane] = column % _P
        return _recommitted(made, extended)

    def layer(coefficients: Words, shift: int, blowup: int, fold: int) -> LayerCommitment:
        made = commit_layer(coefficients, shift, blowup, fold)
        if shift != GENERATOR:
            return made
        rows = len(coefficients)
        values = np.zeros((rows * blowup, DEGREE), dtype=np.uint64)
        values[:, 0] = np.tile(np.array(_to_the_rows(rows, blowup), dtype=np.uint64), rows)
        return with_added(made, values, fold)

    patch.setattr(prove_module, "commit_columns", commit)
    patch.setattr(prove_module, "commit_layer", layer)


def _to_the_rows(rows: int, blowup: int) -> list[int]:
    """x^N on each coset."""
    start, step = pow(GENERATOR, rows, P), root_of_unity(blowup.bit_length() - 1)
    return [start * pow(step, k, P) % P for k in range(blowup)]


def final_polynomial(change: Callable[[Words], Words]) -> Patch:
    """``change`` of the final polynomial's coefficients is absorbed and sent."""

    def lie(patch: pytest.MonkeyPatch) -> None:
        shapes: list[Shape] = []

        def watched(*arguments: Any) -> Shape:
            shapes.append(proof_shape(*arguments))
            return shapes[-1]

        def changed(polynomial: Words, *rest: Any) -> Words:
            out = fold_coefficients(polynomial, *rest)
            last = len(out) == shapes[-1].final_coefficients
            return np.ascontiguousarray(change(out)) if last else out

        def unfolded(*arguments: Any) -> Words:
            out = deep_polynomial(*arguments)
            return out if shapes[-1].folds else np.ascontiguousarray(change(out))

        patch.setattr(prove_module, "proof_shape", watched)
        patch.setattr(prove_module, "fold_coefficients", changed)
        patch.setattr(prove_module, "deep_polynomial", unfolded)

    return lie


def no_work(patch: pytest.MonkeyPatch) -> None:
    """A nonce that nobody searched for."""
    patch.setattr(prove_module, "grind", lambda *_: 1)


def chosen_queries(patch: pytest.MonkeyPatch) -> None:
    """The prover answers the queries that it would like: one place, over and over."""

    class Wishful(Transcript):
        def indices(self, label: str, count: int, log2_size: int) -> Any:
            return super().indices(label, count, log2_size)[:1].repeat(count)

    def wishful(*arguments: Any) -> Transcript:
        transcript = start_transcript(*arguments)
        transcript.__class__ = Wishful
        return transcript

    patch.setattr(prove_module, "start_transcript", wishful)


def openings(change: Callable[[list[int]], list[int]]) -> Patch:
    """Both trees are opened at ``change(indices)``."""

    def lie(patch: pytest.MonkeyPatch) -> None:
        honest = ColumnCommitment.open

        def changed(self: ColumnCommitment, indices: Sequence[int]) -> bytes:
            return honest(self, change(list(indices)))

        patch.setattr(ColumnCommitment, "open", changed)

    return lie


def layer_openings(change: Callable[[list[int], int], list[int]]) -> Patch:
    """FRI layers of ``count`` leaves are opened around ``change(indices, count)``."""

    def lie(patch: pytest.MonkeyPatch) -> None:
        honest = LayerCommitment.open

        def changed(self: LayerCommitment, indices: Sequence[int]) -> bytes:
            return honest(self, change(list(indices), len(self.leaves)))

        patch.setattr(LayerCommitment, "open", changed)

    return lie


def without_last_leaf(indices: list[int], count: int) -> list[int]:
    """No index of the leaf that the last one lies in."""
    return [i for i in indices if (i - indices[-1]) % count]


def next_in_leaf(indices: list[int], count: int) -> list[int]:
    """Another place of the same leaves: the values there are left out, and the true ones sent."""
    return sorted((i + count) % (8 * count) for i in indices)


def leaf_sent_whole(patch: pytest.MonkeyPatch) -> None:
    """Layers send the values that the verifier has, too."""

    def whole(self: LayerCommitment, indices: Sequence[int]) -> bytes:
        leaves = sorted({i % len(self.leaves) for i in indices})
        return self.leaves[leaves].tobytes() + commit_module._siblings(self.levels, leaves)

    patch.setattr(LayerCommitment, "open", whole)
