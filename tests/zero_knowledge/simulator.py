"""The simulator of ``docs/zero-knowledge.md``: a proof from the statement alone, no witness.

It draws the verifier's challenges first and makes an oracle that answers with them; everything else
it draws uniformly, subject to the relations that the verifier checks. It opens no commitment to
carried state: ``with_drawn_commitments`` draws even those.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from circuits.chain import CHAIN_ELEMENTS
from circuits.circuit import Circuit
from circuits.evaluate import interpreter
from circuits.field import (
    DEGREE,
    Array,
    extension,
    extension_dot,
    extension_inverse,
    extension_multiply,
    extension_power,
    extension_powers,
    lift,
    subtract,
)
from circuits.statement import StateLink, Statement
from prover.commit import LayerCommitment, commit_layer
from prover.kernels.blake2s import tree_levels
from prover.kernels.polynomial import fold_coefficients
from prover.randomness import random_elements
from verifier.kernel.fri import evaluate_final, layer_points, layer_shift
from verifier.kernel.merkle import as_words, leaf_digest, sibling_positions
from verifier.kernel.proof import PROOF_TAG, PROOF_VERSION, Shape
from verifier.kernel.transcript import Transcript
from verifier.kernel.verify import _deep_values, exempt_at, selectors_at

Words = NDArray[np.uint32]


def _digests(count: int) -> Words:
    """Uniform, as words (count, 8)."""
    return np.frombuffer(os.urandom(32 * count), dtype="<u4").reshape(count, 8).copy()


@dataclass
class Challenges:
    """What the programmed oracle answers, label by label."""

    alpha: Array
    z: Array
    gamma: Array
    betas: list[Array]
    queries: NDArray[np.int64]
    _left: dict[str, Iterator[Array]] = field(default_factory=dict)

    def answer(self, label: str) -> Array:
        """The next answer for ``label``."""
        scripts = {
            "constraints": [self.alpha[None]],
            "point": [self.z[None]],
            "batching": [self.gamma],
            "folding": [beta[None] for beta in self.betas],
        }
        return next(self._left.setdefault(label, iter(scripts[label])))


def programmed(challenges: Challenges) -> type[Transcript]:
    """A transcript class under the programmed oracle; it absorbs as ever."""

    class Programmed(Transcript):
        def challenge(self, label: str, count: int) -> Array:
            answer = challenges.answer(label)
            if len(answer) != count:
                raise ValueError(f"{label}: {count} elements asked, {len(answer)} programmed")
            return answer

        def indices(self, label: str, count: int, log2_size: int) -> NDArray[np.int64]:
            return challenges.queries

    return Programmed


def _uniform(*shape: int) -> Array:
    return random_elements(*shape).astype(np.uint64)


def draw_challenges(shape: Shape) -> Challenges:
    """Step 1: what an honest verifier would ask."""
    size = 1 << shape.log2_domain
    words = _digests(-(-shape.parameters.queries // 8)).reshape(-1)
    return Challenges(
        alpha=_uniform(DEGREE),
        z=_uniform(DEGREE),
        gamma=_uniform(shape.columns + shape.chunks, DEGREE),
        betas=[_uniform(DEGREE) for _ in range(shape.folds)],
        queries=words[: shape.parameters.queries].astype(np.int64) & (size - 1),
    )


@dataclass(frozen=True)
class _Quotient:
    """Evaluates what the sum of the chunks must be at a point."""

    circuit: Circuit
    shape: Shape
    statement: Statement
    alpha: Array

    def at(self, point: Array, now: Array, following: Array) -> Array:
        """sum alpha^i C_i * exempt / (X^N - 1) at an extension point, from column values there."""
        layout = self.statement.layout(self.circuit)
        vanishing = subtract(extension_power(point, self.shape.rows), extension(1))
        values = interpreter(self.circuit).constraints(
            now,
            following,
            selectors_at(self.circuit.selectors, layout, self.shape.log2_rows, point, vanishing),
            lift(self.statement.public_inputs(self.circuit)),
            extension(1),
            extension_multiply,
        )
        combined = extension_dot(values, extension_powers(self.alpha, len(values)))
        exempt = extension_multiply(combined, exempt_at(self.shape, point))
        return extension_multiply(exempt, extension_inverse(vanishing))

    def chunks(self, point: Array, now: Array, following: Array) -> Array:
        """Uniform chunk values (chunks, 6) subject to their one relation."""
        parts = _uniform(self.shape.chunks, DEGREE)
        step = extension_power(point, self.shape.rows - self.shape.parameters.chunk_mask)
        weights = extension_powers(step, self.shape.chunks)
        parts[0] = 0
        parts[0] = subtract(self.at(point, now, following), extension_dot(parts, weights))
        return parts


def with_drawn_commitments(statement: Statement) -> Statement:
    """The statement with uniform elements in place of what its commitments say of the state.

    Whoever simulates a claim by itself, and not only its proof, begins here.
    """
    before, after = (tuple(int(word) for word in row) for row in _uniform(2, CHAIN_ELEMENTS))
    return replace(statement, state=StateLink(before, after))


def _tree_around(leaves: dict[int, bytes], count: int) -> list[Words]:
    """A tree whose leaves are ``leaves`` and otherwise random digests."""
    digests = _digests(count)
    for index, digest in leaves.items():
        digests[index] = np.frombuffer(digest, dtype="<u4")
    return tree_levels(digests)


def _opening(rows: Words, indices: list[int], count: int) -> tuple[bytes, bytes]:
    """(root, opening bytes) of a salted tree of which only ``indices`` exist."""
    salts = _digests(len(indices))
    leaves = {
        index: leaf_digest(as_words(row), salt.tobytes())
        for index, row, salt in zip(indices, rows, salts, strict=True)
    }
    levels = _tree_around(leaves, count)
    positions = sibling_positions(len(levels) - 1, indices)
    siblings = b"".join(levels[level][at].tobytes() for level, at in positions)
    return levels[-1][0].tobytes(), as_words(rows) + salts.tobytes() + siblings


def _bytes(values: Array | Words) -> bytes:
    return as_words(values.astype(np.uint32))


def simulate(circuit: Circuit, shape: Shape, statement: Statement) -> tuple[bytes, Challenges]:
    """Proof bytes and the oracle's answers under which the verifier accepts them."""
    challenges = draw_challenges(shape)
    domain = 1 << shape.log2_domain
    opened = sorted({int(q) for q in challenges.queries})
    points = layer_points(0, shape.parameters.fold, shape.log2_domain, np.array(opened))

    # 2. Columns: uniform at z, gz, every x, and every gx that is not opened itself.
    now, sent = _uniform(shape.columns, DEGREE), _uniform(len(shape.next_columns), DEGREE)
    following = np.zeros_like(now)
    following[list(shape.next_columns)] = sent
    rows = dict(zip(opened, _uniform(len(opened), shape.columns), strict=True))
    # 3. Chunks: uniform but for the value of their combination.
    quotient = _Quotient(circuit, shape, statement, challenges.alpha)
    at_z = quotient.chunks(challenges.z, now, following)
    parts = np.zeros((len(opened), shape.chunks + 1, DEGREE), dtype=np.uint64)
    for k, (index, point) in enumerate(zip(opened, points, strict=True)):
        after = (index + shape.parameters.blowup) % domain
        step = rows.get(after)
        step = _uniform(shape.columns) if step is None else step
        parts[k, :-1] = quotient.chunks(lift(point), lift(rows[index]), lift(step))
    # 4. D uniform; the mask is what is missing.
    deep = random_elements(shape.rows, DEGREE)
    trace_rows = np.stack([rows[index] for index in opened])
    rest = _deep_values(
        shape,
        challenges.z,
        challenges.gamma,
        points,
        (trace_rows, parts.reshape(len(opened), -1)),
        (now, sent, at_z),
    )
    layers, final = _fold(shape, deep, challenges.betas)
    for k, value in enumerate(evaluate_final(deep.astype(np.uint64), points)):
        parts[k, -1] = subtract(value, rest[k])
    # 5. Trees around what is opened.
    trace_root, trace_opening = _opening(trace_rows.astype(np.uint32), opened, domain)
    quotient_rows = parts.reshape(len(opened), -1).astype(np.uint32)
    quotient_root, quotient_opening = _opening(quotient_rows, opened, domain)
    out = [PROOF_TAG, PROOF_VERSION.to_bytes(2, "little"), trace_root, quotient_root]
    out += [_bytes(now), _bytes(sent), _bytes(at_z), *(layer.root for layer in layers)]
    out += [_bytes(final), bytes(8), trace_opening, quotient_opening]
    indices = opened
    for layer in layers:
        out.append(layer.open(indices))
        indices = sorted({i % len(layer.leaves) for i in indices})
    return b"".join(out), challenges


def _fold(
    shape: Shape, polynomial: Words, betas: list[Array]
) -> tuple[list[LayerCommitment], Words]:
    layers = []
    fold, blowup = shape.parameters.fold, shape.parameters.blowup
    for number, beta in enumerate(betas):
        layers.append(commit_layer(polynomial, layer_shift(number, fold), blowup, fold))
        polynomial = fold_coefficients(polynomial, beta, fold)
    return layers, polynomial
