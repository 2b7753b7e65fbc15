"""Reading proof bytes: total, bounded, canonical."""

from __future__ import annotations

from itertools import pairwise

import pytest

from circuits.errors import Reason, Rejected
from circuits.field import P
from tests.kernel.proofs import Made, pieces
from verifier.kernel.parameters import ParameterSet
from verifier.kernel.proof import Reader, Shape, read_openings


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
    opened = read_openings(reader, [0, 1], 3, 2, salted=True)
    reader.finish()
    assert opened.values.tolist() == [[1, 2], [3, 4]]
    assert opened.salts == [bytes([7]) * 32, bytes([8]) * 32]
    assert opened.siblings == [bytes([9]) * 32, bytes([10]) * 32]
    assert read_openings(Reader(words), [0, 1], 1, 2, salted=False).salts == []


def test_a_valid_proof_has_no_gap(made: Made, folded: Made) -> None:
    for each in (made, folded):
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
    assert 1 << last <= parameters.final_domain < 8 << last
    # the last polynomial keeps the rate: as many coefficients as points / blowup
    assert shape.final_coefficients * parameters.blowup == 1 << last
    assert shape.quotient_columns == 6 * (shape.chunks + 1)
    # memory and time of a refusal are bounded: a day at 10 Hz stays well below a megabyte
    assert shape.maximum_bytes < 700_000
