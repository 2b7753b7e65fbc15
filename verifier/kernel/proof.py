"""Reading proof bytes: every length follows from the parameters and the query indices.

There are no length fields, so there is one encoding; parsing is total and bounded by the size that
the verifier computes. Order: tag and version; trace root; quotient root; column values at z; values
at gz of the columns that a constraint reads on the next row; chunk values at z; FRI roots; final
polynomial; nonce; trace openings (rows, salts, siblings); quotient openings (rows, salts,
siblings); per FRI layer what of its leaves does not follow from the layer before, and siblings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuits.errors import Reason, Rejected
from circuits.field import DEGREE, Array, P
from verifier.kernel.merkle import DIGEST_BYTES, SALT_BYTES, sibling_count
from verifier.kernel.parameters import ParameterSet

PROOF_TAG = b"ZKMp"
PROOF_VERSION = 3
NONCE_BYTES = 8


@dataclass(frozen=True)
class Shape:
    """Sizes of a proof: everything that the verifier knows before it reads one."""

    parameters: ParameterSet
    log2_rows: int
    columns: int
    next_columns: tuple[int, ...]

    @property
    def rows(self) -> int:
        """Trace length N."""
        return 1 << self.log2_rows

    @property
    def log2_domain(self) -> int:
        """Exponent of the evaluation domain's size."""
        return self.log2_rows + self.parameters.blowup.bit_length() - 1

    @property
    def chunks(self) -> int:
        """Quotient chunks."""
        return self.parameters.chunk_count(self.log2_rows)

    @property
    def quotient_columns(self) -> int:
        """Base columns of the second tree: chunks and mask, six coordinates each."""
        return (self.chunks + 1) * DEGREE

    @property
    def folds(self) -> int:
        """FRI rounds."""
        return self.parameters.fold_count(self.log2_rows)

    @property
    def log2_fold(self) -> int:
        """Exponent of the folding factor."""
        return self.parameters.fold.bit_length() - 1

    def log2_layer(self, layer: int) -> int:
        """Exponent of the domain of FRI layer ``layer`` (0 is the evaluation domain)."""
        return self.log2_domain - layer * self.log2_fold

    @property
    def final_coefficients(self) -> int:
        """Coefficients of the last polynomial."""
        return self.parameters.final_coefficients(self.log2_rows)

    @property
    def maximum_bytes(self) -> int:
        """A bound on the proof's size: no two queries share anything."""
        q = self.parameters.queries
        head = len(PROOF_TAG) + 2 + (2 + self.folds) * DIGEST_BYTES + NONCE_BYTES
        values = self.columns + len(self.next_columns) + self.chunks + self.final_coefficients
        opened = q * (self.columns + self.quotient_columns)
        opened += q * self.folds * (self.parameters.fold - 1) * DEGREE
        paths = 2 * self.log2_domain + sum(
            self.log2_layer(k) - self.log2_fold for k in range(self.folds)
        )
        return head + 4 * (DEGREE * values + opened) + q * (2 * SALT_BYTES + paths * DIGEST_BYTES)


class Reader:
    """Takes exact pieces off the front; anything short is ``PROOF_SIZE``."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        end = self._at + count
        if end > len(self._data):
            raise Rejected(Reason.PROOF_SIZE, "proof ends early")
        piece = self._data[self._at : end]
        self._at = end
        return piece

    def elements(self, *shape: int) -> Array:
        """Canonical field elements; a word >= p is ``PROOF_FIELD_ELEMENT``."""
        count = math.prod(shape)
        words = np.frombuffer(self.take(4 * count), dtype="<u4")
        if count and int(words.max()) >= P:
            raise Rejected(Reason.PROOF_FIELD_ELEMENT, "a word is not below p")
        return words.astype(np.uint64).reshape(shape)

    def pieces(self, count: int, size: int) -> list[bytes]:
        """The next ``count`` pieces of ``size`` bytes each."""
        data = self.take(count * size)
        return [data[at : at + size] for at in range(0, len(data), size)]

    def digest(self) -> bytes:
        """The next digest."""
        return self.take(DIGEST_BYTES)

    def finish(self) -> None:
        """Refuse trailing bytes."""
        if self._at != len(self._data):
            raise Rejected(Reason.PROOF_SIZE, "bytes after the proof")


@dataclass(frozen=True)
class Openings:
    """Leaves (n, words) of one tree at n ascending distinct indices; an FRI layer has no salts."""

    indices: NDArray[np.int64]
    values: Array
    salts: list[bytes]
    siblings: list[bytes]


def read_openings(
    reader: Reader, indices: NDArray[np.int64], log2_leaves: int, words: int
) -> Openings:
    """Read the salted leaves at ``indices`` (ascending, distinct) and their multi-proof."""
    values = reader.elements(len(indices), words)
    salts = reader.pieces(len(indices), SALT_BYTES)
    siblings = reader.pieces(sibling_count(log2_leaves, indices.tolist()), DIGEST_BYTES)
    return Openings(indices, values, salts, siblings)


def read_layer(
    reader: Reader, indices: NDArray[np.int64], values: Array, log2_leaves: int, fold: int
) -> Openings:
    """Leaves of an FRI layer with ``values`` (n, 6) at ``indices`` (ascending, distinct).

    Only what else they hold is read, leaf by leaf, and the multi-proof.
    """
    places = indices & ((1 << log2_leaves) - 1)
    opened = distinct(places)
    leaves = np.zeros((len(opened), fold, DEGREE), dtype=np.uint64)
    unknown = np.ones(leaves.shape[:2], dtype=np.bool_)
    at = np.searchsorted(opened, places), indices >> log2_leaves
    leaves[at], unknown[at] = values, False
    leaves[unknown] = reader.elements(int(unknown.sum()), DEGREE)
    siblings = reader.pieces(sibling_count(log2_leaves, opened.tolist()), DIGEST_BYTES)
    return Openings(opened, leaves.reshape(len(opened), fold * DEGREE), [], siblings)


def distinct(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Ascending, each once; ``np.unique`` would load masked arrays at every start."""
    ordered = np.sort(values)
    once: NDArray[np.int64] = ordered[np.diff(ordered, prepend=-1) != 0]
    return once
