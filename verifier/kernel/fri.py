"""FRI with folding factor 8 in the verifier: folding opened leaves, evaluating the last polynomial.

Layer k lives on the coset shift^(8^k) * <w_k>; leaf l of a layer of D points holds the values at
l, l + D/8, ..., l + 7D/8, which share x^8. A fold with challenge b maps f to sum_j b^j f_j with
f(X) = sum_j X^j f_j(X^8).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from circuits.field import (
    GENERATOR,
    Array,
    P,
    extension_multiply,
    extension_powers,
    inverse,
    power,
    powers,
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
    fold = leaves.shape[1]
    zeta = inverse(root_of_unity(fold.bit_length() - 1))
    matrix = powers(zeta, fold)[np.outer(np.arange(fold), np.arange(fold)) % fold]
    # eight products below 2^31 after reduction
    spectrum = (matrix[None, :, :, None] * leaves[:, None, :, :] % _P).sum(axis=2) % _P
    unshift = power(first_points, P - 2)
    scale = np.full_like(unshift, inverse(fold))
    weights = extension_powers(challenge, fold)
    total = np.zeros_like(leaves[:, 0])
    for j in range(fold):
        part = spectrum[:, j] * scale[:, None] % _P
        total = (total + extension_multiply(part, weights[j])) % _P
        scale = scale * unshift % _P
    return total


def evaluate_final(coefficients: Array, points: Array) -> Array:
    """The last polynomial (n, 6) at base points (m,): shape (m, 6), by Horner."""
    total = np.zeros((len(points), coefficients.shape[1]), dtype=np.uint64)
    for coefficient in coefficients[::-1]:
        total = (total * points[:, None] + coefficient) % _P
    return total
