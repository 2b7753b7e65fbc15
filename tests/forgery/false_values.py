"""Provers that say false values of columns out of the domain, and make everything else fit.

``FalseValues`` finds a second false value with which the constraints hold at z all the same; what
remains is that the polynomials in the tree do not have these values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np
import pytest

from circuits.circuit import Circuit
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
    root_of_unity,
    subtract,
)
from circuits.statement import Statement
from prover import prove as prove_module
from prover.commit import LayerCommitment, commit_layer
from prover.deep import deep_polynomial, evaluate_some
from prover.kernels.montgomery import Words
from prover.kernels.polynomial import evaluate_columns
from tests.forgery.dishonest import with_added
from tests.kernel.malicious import Patch
from verifier.kernel import verify as verify_module
from verifier.kernel.fri import layer_points
from verifier.kernel.proof import Shape
from verifier.kernel.verify import draw_point, selectors_at

_P = np.uint64(P)


@dataclass(frozen=True)
class Value:
    """The value of a column at z, or on the next row, at gz."""

    column: int
    next: bool = False


class Layer(Enum):
    """What is committed to as layer 0.

    ``HONEST``: the combination with the true values. ``POLES``: with the false ones, so with poles
    at z or gz. ``NOT_AT_GZ``: honest, but as if the false values at gz had never been sent.
    """

    HONEST = "honest"
    POLES = "poles"
    NOT_AT_GZ = "not at gz"


class FalseValues:
    """``false`` is one more than it is; ``balance``, where the sum is linear, makes up for it.

    The sum is that of all constraints at z, times the powers of alpha. Without ``balance`` it comes
    to something else.
    """

    def __init__(
        self,
        circuit: Circuit,
        statement: Statement,
        false: Value,
        balance: Value | None,
        layer: Layer,
        by: int = 1,
    ) -> None:
        self.circuit, self.statement = circuit, statement
        self.false, self.balance, self.layer, self.by = false, balance, layer, by
        self.alpha = self.z = self.gz = extension(0)
        self.gamma = self.now = self.following = np.zeros((0, 6), dtype=np.uint64)
        self.more: dict[Value, Array] = {}
        self.shape: Shape | None = None

    def __call__(self, patch: pytest.MonkeyPatch) -> None:
        """Replace the prover's steps."""
        quotient = prove_module._quotient
        calls = iter(range(100))
        layers = iter(range(100))

        def watched_quotient(*arguments: Any) -> Words:
            self.shape, self.alpha = arguments[1], arguments[5]
            return quotient(*arguments)

        def watched_draw(*arguments: Any) -> Array:
            self.z = draw_point(*arguments)
            self.gz = self.z * np.uint64(root_of_unity(self.known_shape().log2_rows)) % _P
            return self.z

        def false_at_z(coefficients: Words, *rest: Any) -> Array:
            if next(calls):  # the chunks
                return evaluate_columns(coefficients, *rest)
            self.now = evaluate_columns(coefficients, *rest)
            self.following = evaluate_some(coefficients, self.gz, self.known_shape().next_columns)
            self.choose()
            return self.with_more(self.now, self.following)[0]

        def combined(*arguments: Any) -> Words:
            return self.combine(*arguments)

        def commit(*arguments: Any) -> LayerCommitment:
            layer = commit_layer(*arguments)
            poles = self.layer is Layer.POLES and next(layers) == 0
            if not poles:
                return layer
            return with_added(layer, self.poles(), self.known_shape().parameters.fold)

        patch.setattr(prove_module, "_quotient", watched_quotient)
        patch.setattr(prove_module, "draw_point", watched_draw)
        patch.setattr(prove_module, "evaluate_columns", false_at_z)
        patch.setattr(
            prove_module,
            "evaluate_some",
            lambda *_: self.with_more(self.now, self.following)[1],
        )
        patch.setattr(prove_module, "deep_polynomial", combined)
        patch.setattr(prove_module, "commit_layer", commit)

    def known_shape(self) -> Shape:
        """The proof's sizes."""
        if self.shape is None:
            raise RuntimeError("the quotient comes first")
        return self.shape

    def choose(self) -> None:
        """How much more than it is every false value is."""
        true = self.constraint_sum()
        self.more = {self.false: extension(self.by)}
        if self.balance is None:
            return
        away = subtract(self.constraint_sum(), true)
        self.more = {self.balance: extension(1)}
        slope = subtract(self.constraint_sum(), true)
        share = extension_multiply(subtract(extension(0), away), extension_inverse(slope))
        self.more = {self.false: extension(self.by), self.balance: share}
        if not np.array_equal(self.constraint_sum(), true):
            raise ValueError(f"the sum is not linear in {self.balance}")

    def with_more(self, now: Array, following: Array) -> tuple[Array, Array]:
        """Values at z and gz as they are said to be."""
        now, following = now.copy(), following.copy()
        for value, more in self.more.items():
            if value.next:
                place = self.known_shape().next_columns.index(value.column)
                following[place] = add(following[place], more)
            else:
                now[value.column] = add(now[value.column], more)
        return now, following

    def constraint_sum(self) -> Array:
        """All constraints at z, combined, with the values as they are said to be."""
        shape = self.known_shape()
        now, known = self.with_more(self.now, self.following)
        following = np.zeros_like(now)
        following[list(shape.next_columns)] = known
        vanishing = subtract(extension_power(self.z, shape.rows), extension(1))
        layout = self.statement.layout(self.circuit)
        constraints = interpreter(self.circuit).constraints(
            now,
            following,
            selectors_at(self.circuit.selectors, layout, shape.log2_rows, self.z, vanishing),
            lift(self.statement.public_inputs(self.circuit)),
            extension(1),
            extension_multiply,
        )
        return extension_dot(constraints, extension_powers(self.alpha, len(constraints)))

    def combine(
        self,
        coefficients: tuple[Words, Words],
        next_columns: Sequence[int],
        gamma: Array,
        points: tuple[Array, Array],
        values: tuple[Array, Array, Array],
        mask: Words,
    ) -> Words:
        """A polynomial: of the true values, those at gz left out that are false."""
        self.gamma = gamma
        following = self.following
        if self.layer is Layer.NOT_AT_GZ:
            next_columns, following = less(next_columns, following, self.false_at_gz())
        true = (self.now, following, values[2])
        return deep_polynomial(coefficients, next_columns, gamma, points, true, mask)

    def false_at_gz(self) -> list[int]:
        """The columns of which another value is sent at gz."""
        return [value.column for value in self.more if value.next]

    def poles(self) -> Array:
        """What the false values add to the combination at every point: (points, 6)."""
        shape = self.known_shape()
        indices = np.arange(1 << shape.log2_domain, dtype=np.int64)
        x = lift(layer_points(0, shape.parameters.fold, shape.log2_domain, indices))
        from_z, from_gz = (subtract(x, np.broadcast_to(p, x.shape)) for p in (self.z, self.gz))
        step = extension_inverse(subtract(self.gz, self.z))
        total, zero = np.zeros_like(x), extension(0)
        for value, more in self.more.items():
            # over (x - z)(x - gz) the line through (gz, more) and (z, 0), or the other way around
            part = np.broadcast_to(more, x.shape)
            if value.next:
                part = extension_multiply(from_z, extension_multiply(step, part))
            elif value.column in shape.next_columns:
                part = extension_multiply(from_gz, extension_multiply(subtract(zero, step), part))
            if value.column in shape.next_columns:
                part = extension_multiply(part, extension_inverse(from_gz))
            part = extension_multiply(part, extension_inverse(from_z))
            total = subtract(total, extension_multiply(part, self.gamma[value.column]))
        return total


def less(
    next_columns: Sequence[int], following: Array, left_out: Sequence[int]
) -> tuple[tuple[int, ...], Array]:
    """The columns open at gz and their values without some of them."""
    kept = [place for place, column in enumerate(next_columns) if column not in left_out]
    return tuple(next_columns[place] for place in kept), following[kept]


def forgetful(columns: Sequence[int]) -> Callable[[pytest.MonkeyPatch], None]:
    """A verifier that reads these columns' values at gz and does not look whether they are true."""
    honest = verify_module._deep_values

    def not_looking(shape: Shape, *rest: Any) -> Array:
        *others, (now, following, chunks) = rest
        kept, following = less(shape.next_columns, following, columns)
        return honest(*[replace(shape, next_columns=kept), *others, (now, following, chunks)])

    return lambda patch: patch.setattr(verify_module, "_deep_values", not_looking)


def values_at_gz(change: Callable[[Array], Array]) -> Patch:
    """``change`` of the values at gz is absorbed and sent; the combination is the honest one."""

    def lie(patch: pytest.MonkeyPatch) -> None:
        true: list[Array] = []

        def changed(*arguments: Any) -> Array:
            true.append(evaluate_some(*arguments))
            return change(true[0])

        def combined(*arguments: Any) -> Words:
            *others, (now, _, chunks), mask = arguments
            return deep_polynomial(*[*others, (now, true[0], chunks), mask])

        patch.setattr(prove_module, "evaluate_some", changed)
        patch.setattr(prove_module, "deep_polynomial", combined)

    return lie
