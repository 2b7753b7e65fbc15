"""What the verifier binds, in which order: nothing is drawn before what it must depend on."""

from __future__ import annotations

import numpy as np
import pytest

from circuits.errors import Rejected
from circuits.field import DEGREE, Array, extension
from tests.kernel.proofs import Made
from verifier.kernel import verify as kernel
from verifier.kernel.transcript import Transcript

PUBLIC = ["protocol", "parameter set", "sizes", "circuit", "terms", "device", "checkpoints"]


class Recording(Transcript):
    """A transcript that writes down what happens, and can flip a bit of one absorbed item."""

    events: list[tuple[str, str, int]]
    flip: int | None = None

    def __init__(self, protocol: bytes) -> None:
        type(self).events = []
        super().__init__(protocol)

    def absorb(self, label: str, data: bytes) -> None:
        if label != "drawn":
            if len(self.events) == self.flip:
                data = bytes([data[0] ^ 1]) + data[1:]
            self.events.append(("absorb", label, len(data)))
        super().absorb(label, data)

    def challenge(self, label: str, count: int) -> Array:
        self.events.append(("draw", label, count))
        return super().challenge(label, count)

    def indices(self, label: str, count: int, log2_size: int):  # type: ignore[no-untyped-def]
        self.events.append(("draw", label, count))
        return super().indices(label, count, log2_size)


def _walk(made: Made, monkeypatch: pytest.MonkeyPatch, flip: int | None = None) -> None:
    monkeypatch.setattr(Recording, "flip", flip)
    monkeypatch.setattr(kernel, "Transcript", Recording)
    made.verify()


def test_order_and_coverage(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbered protocol, message by message, with the size of everything absorbed."""
    _walk(made, monkeypatch)
    shape = made.shape
    word, digest = 4, 32
    element = 6 * word
    expected = [
        *(("absorb", label) for label in (*PUBLIC, "public inputs")),
        ("absorb", "trace root"),
        ("draw", "constraints"),
        ("absorb", "quotient root"),
        ("draw", "point"),
        ("absorb", "values at z"),
        ("absorb", "values at gz"),
        ("absorb", "chunks at z"),
        ("draw", "batching"),
        *([("absorb", "layer root"), ("draw", "folding")] * shape.folds),
        ("absorb", "final polynomial"),
        ("absorb", "nonce"),
        ("draw", "queries"),
    ]
    assert [event[:2] for event in Recording.events] == expected
    sizes = {label: size for _, label, size in Recording.events}
    assert sizes["checkpoints"] == digest * len(made.statement.checkpoints)
    assert sizes["public inputs"] == word * len(made.circuit.publics)
    assert sizes["values at z"] == element * shape.columns
    assert sizes["values at gz"] == element * len(shape.next_columns)
    assert 0 < len(shape.next_columns) < shape.columns
    assert sizes["chunks at z"] == element * shape.chunks
    assert sizes["batching"] == shape.columns + shape.chunks
    assert sizes["final polynomial"] == element * shape.final_coefficients
    assert sizes["queries"] == made.parameters.queries


def test_every_absorbed_item_is_needed(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flip one bit of one absorbed item: whatever it was, the proof no longer holds."""
    _walk(made, monkeypatch)
    labels = [label for kind, label, _ in Recording.events if kind == "absorb"]
    positions = [k for k, event in enumerate(Recording.events) if event[0] == "absorb"]
    for position, label in zip(positions, labels, strict=True):
        with pytest.raises(Rejected):
            _walk(made, monkeypatch, flip=position)
        assert Recording.events[position][1] == label


def test_z_is_drawn_again_while_it_lies_in_a_subfield() -> None:
    """A base element, and x^3 which lies in F_p^2, are passed over; a generator is taken."""
    general = np.arange(1, DEGREE + 1, dtype=np.uint64)
    cube = np.array([0, 0, 0, 1, 0, 0], dtype=np.uint64)

    class Scripted(Transcript):
        answers = iter([extension(5), cube, general])

        def challenge(self, label: str, count: int) -> Array:
            assert (label, count) == ("point", 1)
            return np.stack([next(self.answers)])

    assert np.array_equal(kernel.draw_point(Scripted(b"test")), general)
