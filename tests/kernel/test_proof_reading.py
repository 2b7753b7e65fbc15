"""Reading proof bytes: total, bounded, canonical."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from circuits.errors import Reason, Rejected
from circuits.field import DEGREE, GENERATOR, P
from prover.commit import commit_layer
from prover.randomness import random_elements
from tests.kernel.proofs import Made, pieces
from verifier.kernel.parameters import ParameterSet
from verifier.kernel.proof import Reader, Shape, read_layer, read_openings


def refused(reader: Reader, *shape: int) -> Reason:
    with pytest.raises(Rejected) as caught:
        reader.elements(*shape)
    return caught.value.reason


def test_reader_takes_exact_pieces() -> None:
    reader = Reader(bytes(range(10)))
    assert reader.take(4) == bytes(range(4))
    assert reader.take(0) == b""
    assert reader.take(6) == bytes(range(4, 10))
    reader.finish()
    with pytest.raises(Rejected, match="PROOF_SIZE"):
        reader.take(1)


def test_reader_takes_pieces_of_one_size() -> None:
    reader = Reader(bytes(range(7)))
    assert reader.pieces(0, 3) == []
    assert reader.pieces(2, 3) == [bytes([0, 1, 2]), bytes([3, 4, 5])]
    with pytest.raises(Rejected, match="PROOF_SIZE"):
        reader.pieces(1, 3)


def test_reader_refuses_what_is_left_over() -> None:
    reader = Reader(bytes(5))
    reader.take(4)
    with pytest.raises(Rejected, match="PROOF_SIZE"):
        reader.finish()


def test_elements_stop_below_p() -> None:
    assert Reader((P - 1).to_bytes(4, "little")).elements(1).tolist() == [P - 1]
    for word in (P, P + 1, 2**31, 2**32 - 1):
        data = bytes(4) + word.to_bytes(4, "little")
        assert refused(Reader(data), 2) is Reason.PROOF_FIELD_ELEMENT
    assert refused(Reader(bytes(7)), 2) is Reason.PROOF_SIZE
    assert Reader(b"").elements(0, 3).shape == (0, 3)


def test_openings_are_read_in_the_written_order() -> None:
    words = b"".join(k.to_bytes(4, "little") for k in (1, 2, 3, 4))
    salts = bytes([7]) * 32 + bytes([8]) * 32
    siblings = bytes([9]) * 32 + bytes([10]) * 32
    reader = Reader(words + salts + siblings)
    opened = read_openings(reader, np.array([0, 1]), 3, 2)
    reader.finish()
    assert opened.values.tolist() == [[1, 2], [3, 4]]
    assert opened.salts == [bytes([7]) * 32, bytes([8]) * 32]
    assert opened.siblings == [bytes([9]) * 32, bytes([10]) * 32]


def test_a_layer_is_read_around_what_is_known() -> None:
    # 32 points in 4 leaves: 2 and 10 lie in leaf 2, at places 0 and 2, and 29 in leaf 1, at 7
    layer = commit_layer(random_elements(8, DEGREE), GENERATOR, 4, 8)
    values = layer.leaves.astype(np.uint64).reshape(4, 8, DEGREE)
    known = np.stack([values[2, 0], values[2, 2], values[1, 7]])
    sent = layer.open([2, 10, 29])
    reader = Reader(sent)
    opened = read_layer(reader, np.array([2, 10, 29]), known, 2, 8)
    reader.finish()
    assert len(sent) == 24 * (2 * 8 - 3) + 2 * 32
    assert opened.indices.tolist() == [1, 2]
    assert np.array_equal(opened.values, layer.leaves[[1, 2]])
    assert opened.siblings == [layer.levels[0][k].tobytes() for k in (0, 3)]
    # every leaf complete: all is known, and nothing read but the path
    everything = np.arange(2, 32, 4)
    assert layer.open(everything.tolist()) == b"".join(
        (layer.levels[0][3].tobytes(), layer.levels[1][0].tobytes())
    )
    reader = Reader(layer.open(everything.tolist()))
    assert np.array_equal(
        read_layer(reader, everything, values[2], 2, 8).values[0], layer.leaves[2]
    )


def test_a_valid_proof_has_no_gap(short: Made, made: Made, folded: Made) -> None:
    for each in (short, made, folded):
        spans = pieces(each)
        assert spans[0].start == 0
        assert spans[-1].end == len(each.proof)
        assert all(a.end == b.start for a, b in pairwise(spans))


@pytest.mark.parametrize("log2_rows", range(8, 21))
def test_shapes_at_every_size(parameters: ParameterSet, log2_rows: int) -> None:
    shape = Shape(parameters, log2_rows, 300, tuple(range(20)))
    assert shape.rows == 1 << log2_rows
    assert 1 << shape.log2_domain == parameters.blowup << log2_rows
    last = shape.log2_layer(shape.folds)
    assert 1 << last <= parameters.final_domain
    assert shape.folds == 0 or parameters.final_domain < 8 << last
    assert shape.final_coefficients <= 512
    # the last polynomial keeps the rate: as many coefficients as points / blowup
    assert shape.final_coefficients * parameters.blowup == 1 << last
    assert shape.quotient_columns == 6 * (shape.chunks + 1)
    # memory and time of a refusal are bounded: a day at 10 Hz stays well below a megabyte
    assert shape.maximum_bytes < 700_000
