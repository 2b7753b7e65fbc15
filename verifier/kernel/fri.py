"""FRI with folding factor 8 in the verifier: folding opened leaves, evaluating the last polynomial.

Layer k lives on the coset shift^(8^k) * <w_k>; leaf l of a layer of D points holds the values at
l, l + D/8, ..., l + 7D/8, which share x^8. A fold with challenge b maps f to sum_j b^j f_j with
f(X) = sum_j X^j f_j(X^8).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from circuits.field import (
    DEGREE,
    GENERATOR,
    Array,
    P,
    extension_powers,
    inverse,
    inverses,
    matrix_product,
    multiplication_matrix,
    powers,
    powers_of,
    root_of_unity,
    root_powers,
)

_P = np.uint64(P)


def layer_shift(layer: int, fold: int) -> int:
    """The coset shift of a layer."""
    return pow(GENERATOR, fold**layer, P)


def layer_points(layer: int, fold: int, log2_size: int, indices: NDArray[np.int64]) -> Array:
    """The domain points of ``layer`` at ``indices``."""
    return root_powers(log2_size, indices) * np.uint64(layer_shift(layer, fold)) % _P


def fold_leaves(leaves: Array, first_points: Array, challenge: Array) -> Array:
    """Fold leaves (n, fold, 6), whose first values sit at ``first_points`` (n,), to (n, 6)."""
    count, fold = leaves.shape[:2]
    zeta = inverse(root_of_unity(fold.bit_length() - 1))
    matrix = powers(zeta, fold)[np.outer(np.arange(fold), np.arange(fold)) % fold]
    # fold * x^j f_j(x^fold), which becomes f_j(x^fold)
    parts = matrix_product(matrix, leaves)
    unscale = powers_of(inverses(first_points), fold) * np.uint64(inverse(fold)) % _P
    parts = parts * unscale[:, :, None] % _P
    weights = multiplication_matrix(extension_powers(challenge, fold))
    return matrix_product(
        parts.reshape(count, fold * DEGREE), weights.reshape(fold * DEGREE, DEGREE)
    )


def evaluate_final(coefficients: Array, points: Array) -> Array:
    """The last polynomial (n, 6), n at most 2^15, at base points (m,): shape (m, 6)."""
    return matrix_product(powers_of(points, len(coefficients)), coefficients)
