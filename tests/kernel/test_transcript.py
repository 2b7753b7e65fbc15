"""The transcript: every absorbed byte, label and length counts; challenges are uniform."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import pytest

from circuits.field import DEGREE, P
from verifier.kernel.transcript import Transcript, grinding_digest, grinding_ok

Steps = Callable[[Transcript], None]


def after(steps: Steps, protocol: bytes = b"test") -> bytes:
    transcript = Transcript(protocol)
    steps(transcript)
    return transcript.state


def two(first: tuple[str, bytes], second: tuple[str, bytes]) -> Steps:
    def steps(transcript: Transcript) -> None:
        transcript.absorb(*first)
        transcript.absorb(*second)

    return steps


DIFFERENT: list[Steps] = [
    lambda t: None,
    lambda t: t.absorb("", b""),
    lambda t: t.absorb("a", b"b"),
    lambda t: t.absorb("b", b"a"),
    lambda t: t.absorb("ab", b""),
    lambda t: t.absorb("", b"ab"),
    lambda t: t.absorb("a", b"b\0"),
    lambda t: t.absorb("a", b"b" * 64),
    two(("a", b"b"), ("c", b"d")),
    two(("c", b"d"), ("a", b"b")),
    two(("a", b"bc"), ("", b"d")),
    two(("a", b""), ("b", b"")),
    lambda t: t.absorb_elements("a", np.array([1, 2], dtype=np.uint64)),
    lambda t: t.absorb_elements("a", np.array([2, 1], dtype=np.uint64)),
    lambda t: t.absorb_elements("a", np.array([1, 2, 0], dtype=np.uint64)),
]


def test_no_two_histories_meet() -> None:
    # moving a byte between label, data and the next message must not go unnoticed
    states = [after(steps) for steps in DIFFERENT]
    assert len(set(states)) == len(states)
    assert after(DIFFERENT[0], b"tset") not in states


def test_drawing_advances_the_state_by_label() -> None:
    states = [Transcript(b"test").state]
    for label in ("a", "b"):
        transcript = Transcript(b"test")
        transcript.challenge(label, 1)
        states.append(transcript.state)
    assert len(set(states)) == 3
    transcript = Transcript(b"test")
    transcript.indices("a", 1, 8)
    assert transcript.state != states[0]


def test_absorb_is_the_written_hash() -> None:
    def absorbed(state: bytes, label: bytes, data: bytes) -> bytes:
        text = state + len(label).to_bytes(2, "little") + label
        text += len(data).to_bytes(8, "little") + data
        return hashlib.blake2s(text, person=b"zkm:absb").digest()

    expected = absorbed(absorbed(bytes(32), b"protocol", b"test"), b"label", b"data")
    assert after(lambda t: t.absorb("label", b"data")) == expected


def test_elements_are_canonical_words() -> None:
    values = np.array([[1, P - 1], [0, 2**24]], dtype=np.uint64)
    words = b"".join(int(v).to_bytes(4, "little") for v in values.ravel())
    assert after(lambda t: t.absorb_elements("a", values)) == after(lambda t: t.absorb("a", words))
    small = values.astype(np.uint32)
    assert after(lambda t: t.absorb_elements("a", small)) == after(lambda t: t.absorb("a", words))


def test_equal_histories_give_equal_challenges() -> None:
    drawn = [Transcript(b"x").challenge("c", 5).tolist() for _ in range(2)]
    assert drawn[0] == drawn[1]


def test_a_challenge_depends_on_all_before_it() -> None:
    draws = []
    for steps in DIFFERENT:
        transcript = Transcript(b"test")
        steps(transcript)
        draws.append(tuple(transcript.challenge("c", 1).ravel().tolist()))
    again = Transcript(b"test")
    first = tuple(again.challenge("c", 1).ravel().tolist())
    second = tuple(again.challenge("c", 1).ravel().tolist())
    assert first == draws[0]  # nothing absorbed
    assert len({*draws, second}) == len(DIFFERENT) + 1
    assert tuple(Transcript(b"test").challenge("d", 1).ravel().tolist()) not in draws


@pytest.mark.parametrize("count", [1, 2, 200])
def test_challenges_are_canonical_and_shaped(count: int) -> None:
    drawn = Transcript(b"x").challenge("c", count)
    assert drawn.shape == (count, DEGREE)
    assert int(drawn.max()) < P
    assert len({tuple(v) for v in drawn.tolist()}) == count


def test_challenges_by_rejection_from_the_written_stream() -> None:
    # words at or above p are dropped, not reduced: 2^31 - p = 2^24 - 1 values would weigh double
    transcript = Transcript(b"x")
    state = transcript.state
    prefix = state + (1).to_bytes(2, "little") + b"c"
    words: list[int] = []
    needed = 600
    attempt = 0
    while len(words) < needed:
        wanted = needed - len(words) + 8
        stream = b"".join(
            hashlib.blake2s(
                prefix + attempt.to_bytes(4, "little") + k.to_bytes(4, "little"), person=b"zkm:sqze"
            ).digest()
            for k in range(-(-wanted // 8))
        )
        raw = [int.from_bytes(stream[4 * k : 4 * k + 4], "little") % 2**31 for k in range(wanted)]
        words += [word for word in raw if word < P]
        attempt += 1
    assert transcript.challenge("c", 100).ravel().tolist() == words[:needed]


def test_rejection_draws_again_when_too_few_words_are_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # one word in 128 is dropped, so a second attempt is rare; force it
    drawn: list[int] = []
    honest = Transcript._words

    def mostly_too_large(
        self: Transcript, label: str, count: int, attempt: int
    ) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
        drawn.append(attempt)
        words = honest(self, label, count, attempt).copy()
        if attempt < 2:
            words[3:] = 0x7FFFFFFF
        return words

    monkeypatch.setattr(Transcript, "_words", mostly_too_large)
    elements = Transcript(b"x").challenge("c", 2)
    assert drawn == [0, 1, 2]
    assert elements.shape == (2, DEGREE)
    assert int(elements.max()) < P


@pytest.mark.parametrize("log2_size", [1, 11, 23])
def test_indices_lie_in_the_domain(log2_size: int) -> None:
    drawn = Transcript(b"x").indices("q", 500, log2_size)
    assert drawn.shape == (500,)
    assert drawn.min() >= 0
    assert drawn.max() < 1 << log2_size
    assert drawn.max() >= 1 << (log2_size - 1)  # every bit is drawn
    if log2_size == 11:
        assert len(set(drawn.tolist())) < 500  # with replacement


def test_grinding_is_the_written_hash() -> None:
    state = bytes(range(32))
    nonce = 2**40 + 5
    text = state + nonce.to_bytes(8, "little")
    expected = hashlib.blake2s(text, person=b"zkm:grnd").digest()
    assert grinding_digest(state, nonce) == expected
    zeros = next(b for b in range(32) if expected[b // 8] >> (b % 8) & 1)
    assert grinding_ok(state, nonce, zeros)
    assert not grinding_ok(state, nonce, zeros + 1)
    assert grinding_ok(state, nonce, 0)


def test_grinding_passes_as_often_as_it_should() -> None:
    passed = sum(grinding_ok(bytes(32), nonce, 4) for nonce in range(4096))
    assert 180 < passed < 340  # 256 expected, standard deviation 15.5
