"""Where a proof's randomness comes from."""

from __future__ import annotations

import hashlib
import os

import numpy as np
import pytest

from circuits.field import P
from prover import randomness
from prover.kernels.expansion import EXPANSION_PERSON, expand
from prover.randomness import random_elements, random_salts


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 100])
def test_salts_against_hashlib(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seed = hashlib.sha256(b"seed").digest()
    asked: list[int] = []

    def urandom(size: int) -> bytes:
        asked.append(size)
        return seed

    random_salts(1)  # compiles, for which other random bytes are drawn
    monkeypatch.setattr(os, "urandom", urandom)
    expected = [
        hashlib.blake2s(number.to_bytes(8, "little"), key=seed, person=EXPANSION_PERSON).digest()
        for number in range(count)
    ]
    assert [salt.tobytes() for salt in random_salts(count)] == expected
    assert asked == [32]


def test_the_expansion_s_personalisation_is_its_own() -> None:
    others = b"ckpt open blnd leaf node grnd salt samp"
    assert EXPANSION_PERSON not in {b"zkm:" + name for name in others.split()}


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_seed_is_of_32_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        expand(bytes(size), 16)


def test_salts_are_fresh() -> None:
    salts = np.concatenate([random_salts(50), random_salts(50)])
    assert salts.shape == (100, 8)
    assert len({row.tobytes() for row in salts}) == 100


def test_a_forked_process_draws_other_salts(monkeypatch: pytest.MonkeyPatch) -> None:
    random_salts(16)  # whatever could be kept is there before the fork
    # the kernel's threads are not in a child: the seed itself takes the place of salts
    monkeypatch.setattr(randomness, "expand", lambda seed, _count: np.frombuffer(seed, dtype="<u4"))
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, random_salts(1).tobytes())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert len({os.read(reader, 32), random_salts(1).tobytes(), random_salts(1).tobytes()}) == 3
    os.close(reader)
    os.close(writer)


def test_random_elements_are_canonical_and_fresh() -> None:
    drawn = random_elements(3, 4000)
    assert drawn.shape == (3, 4000)
    assert int(drawn.max()) < P
    assert 0.45 < float((drawn < P // 2).mean()) < 0.55
    assert not np.array_equal(drawn, random_elements(3, 4000))
    assert random_elements(0, 5).shape == (0, 5)
