"""Every value of every query counts: one that is wrong in one coordinate is refused.

Lying provers are wrong nearly everywhere, so a verifier that looks at one query catches them too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from circuits.errors import Reason, Rejected
from circuits.field import DEGREE, Array, P
from prover.commit import LayerCommitment, commit_layer
from prover.kernels.blake2s import hash_words, tree_levels
from prover.kernels.montgomery import Words
from prover.kernels.polynomial import fold_coefficients
from prover.randomness import random_elements
from tests.kernel.proofs import random_point, with_layers
from verifier.kernel.fri import evaluate_final, layer_points, layer_shift
from verifier.kernel.parameters import PARAMETER_SETS, ParameterSet
from verifier.kernel.proof import Reader, Shape, distinct
from verifier.kernel.verify import _check_layers


@dataclass(frozen=True)
class Folded:
    """A polynomial, folded and committed to honestly, and where it is queried."""

    shape: Shape
    layers: tuple[LayerCommitment, ...]
    final: Words
    queries: NDArray[np.int64]
    values: Array

    def reason(self) -> Reason | None:
        """Why the verifier refuses; None if it does not."""
        roots = [layer.root for layer in self.layers]
        betas = [random_point(k) for k in range(len(self.layers))]
        sent, indices = [], self.queries.tolist()
        for layer in self.layers:
            sent.append(layer.open(indices))
            indices = sorted({i % len(layer.leaves) for i in indices})
        reader = Reader(b"".join(sent))
        final = self.final.astype(np.uint64)
        try:
            _check_layers(reader, self.shape, (roots, betas, final), self.queries, self.values)
        except Rejected as refusal:
            return refusal.reason
        reader.finish()
        return None


def fold(parameters: ParameterSet, log2_rows: int = 8) -> Folded:
    shape = Shape(parameters, log2_rows, 1, ())
    polynomial = random_elements(shape.rows, DEGREE)
    random = np.random.default_rng(3)
    queries = distinct(random.integers(0, 1 << shape.log2_domain, parameters.queries))
    points = layer_points(0, parameters.fold, shape.log2_domain, queries)
    values = evaluate_final(polynomial.astype(np.uint64), points)
    layers = []
    for k in range(shape.folds):
        shift = layer_shift(k, parameters.fold)
        layers.append(commit_layer(polynomial, shift, parameters.blowup, parameters.fold))
        polynomial = fold_coefficients(polynomial, random_point(k), parameters.fold)
    return Folded(shape, tuple(layers), polynomial, queries, values)


@pytest.fixture(params=["no layer", "layers"], scope="module")
def folded(request: pytest.FixtureRequest, parameters: ParameterSet) -> Folded:
    """2^8 rows with each set as it is, and with layers."""
    return fold(parameters if request.param == "no layer" else with_layers(parameters))


def test_the_controls(folded: Folded) -> None:
    assert folded.reason() is None
    assert {fold(p).shape.folds for p in PARAMETER_SETS.values()} == {0}
    assert {fold(with_layers(p)).shape.folds for p in PARAMETER_SETS.values()} == {1, 2}


def test_one_wrong_coordinate_of_one_query(folded: Folded) -> None:
    expected = Reason.PROOF_FRI_PATH if folded.layers else Reason.PROOF_FRI_FINAL
    for query in range(len(folded.queries)):
        for coordinate in range(DEGREE):
            values = folded.values.copy()
            values[query, coordinate] = (int(values[query, coordinate]) + 1) % P
            assert replace(folded, values=values).reason() is expected


def test_one_wrong_coefficient_of_the_final_polynomial(folded: Folded) -> None:
    for place in range(len(folded.final)):
        final = folded.final.copy()
        final[place, place % DEGREE] = (int(final[place, place % DEGREE]) + 1) % P
        assert replace(folded, final=final).reason() is Reason.PROOF_FRI_FINAL


def test_one_wrong_value_in_one_leaf(parameters: ParameterSet) -> None:
    # committed to, and open where nothing but its fold tells: in the next layer, or at the end
    honest = fold(with_layers(parameters))
    for number, layer in enumerate(honest.layers):
        known = honest.queries
        for before in honest.layers[:number]:
            known = distinct(known % len(before.leaves))
        last = number == len(honest.layers) - 1
        count = len(layer.leaves)
        for index in distinct(known % count).tolist():
            places = [k for k in range(8) if index + k * count not in known]
            if not places:
                continue
            leaves = layer.leaves.copy()
            word = places[-1] * DEGREE + index % DEGREE
            leaves[index, word] = (int(leaves[index, word]) + 1) % P
            forged = LayerCommitment(leaves, tree_levels(hash_words(leaves)))
            layers = (*honest.layers[:number], forged, *honest.layers[number + 1 :])
            expected = Reason.PROOF_FRI_FINAL if last else Reason.PROOF_FRI_PATH
            assert replace(honest, layers=layers).reason() is expected
