"""A prover that lies at one step and is honest about the consequences of its lie.

Flipping bytes of a proof breaks a hash path or the transcript long before the checks behind them.
These provers commit to what they computed, so that exactly one later check stands in their way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from circuits.circuit import Circuit, Trace
from circuits.errors import Reason
from circuits.evaluate import interpreter
from circuits.field import (
    Array,
    P,
    add,
    extension,
    extension_dot,
    extension_inverse,
    extension_multiply,
    extension_power,
    extension_powers,
    lift,
    subtract,
)
from circuits.statement import Statement
from prover import deep as deep_module
from prover import prove as prove_module
from prover.commit import LayerCommitment, commit_layer
from prover.deep import deep_polynomial, evaluate_some
from prover.kernels.blake2s import hash_words, tree_levels
from prover.kernels.montgomery import Words
from prover.kernels.polynomial import divide, evaluate_columns, fold_coefficients
from prover.prove import prove
from prover.witness import fill_trace
from tests.kernel.proofs import Made
from verifier.kernel.fri import layer_points
from verifier.kernel.proof import Shape
from verifier.kernel.verify import draw_point, exempt_at, selectors_at

Patch = Callable[[pytest.MonkeyPatch], None]


def lying(made: Made, lie: Patch, statement: Statement | None = None) -> Made:
    """What a prover makes of this log with some of its steps replaced; it may claim otherwise."""
    claimed = statement or made.statement
    with pytest.MonkeyPatch.context() as patch:
        lie(patch)
        proof = prove(made.circuit, made.parameters, claimed, made.windows, check=False)
    return replace(made, statement=claimed, proof=proof)


def where_degree_shows(made: Made) -> Reason:
    """What refuses a first layer of too high degree, folded as it is: the next layer, if any."""
    return Reason.PROOF_FRI_PATH if made.shape.folds > 1 else Reason.PROOF_FRI_FINAL


def where_values_meet(made: Made) -> Reason:
    """What refuses another polynomial than the DEEP combination: its first layer, if any."""
    return Reason.PROOF_FRI_PATH if made.shape.folds else Reason.PROOF_FRI_FINAL


def shift_deep_polynomial(patch: pytest.MonkeyPatch) -> None:
    """Layer 0 is a low-degree polynomial, but not the DEEP combination: that plus one."""
    honest = deep_polynomial

    def shifted(*arguments: Any) -> Words:
        deep = honest(*arguments)
        deep[0, 0] = (int(deep[0, 0]) + 1) % P
        return deep

    patch.setattr(prove_module, "deep_polynomial", shifted)


def shift_fold(number: int) -> Patch:
    """Everything after fold ``number`` belongs to another polynomial of low degree."""

    def lie(patch: pytest.MonkeyPatch) -> None:
        honest = fold_coefficients
        calls = iter(range(100))

        def shifted(*arguments: Any) -> Words:
            out = honest(*arguments)
            if next(calls) == number:
                out[0, 0] = (int(out[0, 0]) + 1) % P
            return out

        patch.setattr(prove_module, "fold_coefficients", shifted)

    return lie


def change_cell(column: str, row: int, circuit: Circuit) -> Patch:
    """One more in one cell of the trace, committed to like all others."""

    def lie(patch: pytest.MonkeyPatch) -> None:
        honest = fill_trace
        index = circuit.columns.index(column)

        def changed(*arguments: Any) -> Trace:
            trace = honest(*arguments)
            trace.columns[index, row] = (int(trace.columns[index, row]) + 1) % P
            return trace

        patch.setattr(prove_module, "fill_trace", changed)

    return lie


class ForgedChunk:
    """Says whatever value of a chunk at z makes the constraints hold there.

    The statement may be false. What remains is that the chunk's polynomial does not have that
    value: the DEEP combination then has a pole at z. ``commit_pole`` chooses what to commit as
    layer 0: the combination as it is, pole included, or the polynomial left without the pole.
    """

    def __init__(self, circuit: Circuit, statement: Statement, *, commit_pole: bool) -> None:
        self.circuit, self.statement, self.commit_pole = circuit, statement, commit_pole
        self.columns: list[Array] = []
        self.alpha = self.z = self.remainder = extension(0)
        self.shape: Shape | None = None

    def __call__(self, patch: pytest.MonkeyPatch) -> None:
        """Replace the prover's steps."""
        quotient = prove_module._quotient

        def watched_quotient(*arguments: Any) -> Words:
            self.shape, self.alpha = arguments[1], arguments[5]
            return quotient(*arguments)

        def watched_draw(*arguments: Any) -> Array:
            self.z = draw_point(*arguments)
            return self.z

        def watched_evaluate(*arguments: Any) -> Array:
            self.columns.append(evaluate_columns(*arguments))
            return self.columns[-1]

        patch.setattr(prove_module, "_quotient", watched_quotient)
        patch.setattr(prove_module, "draw_point", watched_draw)

        def watched_some(*arguments: Any) -> Array:
            sent = evaluate_some(*arguments)
            following = np.zeros_like(self.columns[0])
            following[list(self.known_shape().next_columns)] = sent
            self.columns.append(following)
            return sent

        patch.setattr(prove_module, "evaluate_columns", watched_evaluate)
        patch.setattr(prove_module, "evaluate_some", watched_some)
        coordinates = prove_module._from_coordinates
        patch.setattr(prove_module, "_from_coordinates", lambda v: self.forge(coordinates(v)))
        patch.setattr(deep_module, "divide", self.divide)
        layers = iter(range(100))

        def commit(*arguments: Any) -> LayerCommitment:
            made = commit_layer(*arguments)
            first = next(layers) == 0
            return self.with_pole(made) if first and self.commit_pole else made

        patch.setattr(prove_module, "commit_layer", commit)

    def known_shape(self) -> Shape:
        if self.shape is None:
            raise RuntimeError("the quotient comes first")
        return self.shape

    def forge(self, chunks: Array) -> Array:
        """The first chunk's value solved from the identity that the verifier checks."""
        shape, z = self.known_shape(), self.z
        layout = self.statement.layout(self.circuit)
        vanishing = subtract(extension_power(z, shape.rows), extension(1))
        constraints = interpreter(self.circuit).constraints(
            self.columns[0],
            self.columns[1],
            selectors_at(self.circuit.selectors, layout, shape.log2_rows, z, vanishing),
            lift(self.statement.public_inputs(self.circuit)),
            extension(1),
            extension_multiply,
        )
        combined = extension_dot(constraints, extension_powers(self.alpha, len(constraints)))
        wanted = extension_multiply(
            extension_multiply(combined, exempt_at(shape, z)), extension_inverse(vanishing)
        )
        step = extension_power(z, shape.rows - shape.parameters.chunk_mask)
        rest = extension_dot(chunks[1 : shape.chunks], extension_powers(step, shape.chunks)[1:])
        forged = chunks.copy()
        forged[0] = subtract(wanted, rest)
        return forged

    def divide(self, polynomial: Words, point: Array) -> Array:
        """The honest step, but the remainder at z is kept instead of being an error."""
        self.remainder = divide(polynomial, point)
        return np.zeros_like(self.remainder)

    def with_pole(self, layer: LayerCommitment) -> LayerCommitment:
        """The layer with remainder / (x - z) added at every point."""
        shape = self.known_shape()
        indices = np.arange(1 << shape.log2_domain, dtype=np.int64)
        fold = shape.parameters.fold
        points = lift(layer_points(0, fold, shape.log2_domain, indices))
        pole = extension_multiply(extension_inverse(subtract(points, self.z[None])), self.remainder)
        arranged = pole.reshape(fold, -1, 6).transpose(1, 0, 2).reshape(-1, fold * 6)
        leaves = add(layer.leaves.astype(np.uint64), arranged).astype(np.uint32)
        return LayerCommitment(leaves, tree_levels(hash_words(leaves)))
