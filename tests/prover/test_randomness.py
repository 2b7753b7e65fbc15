"""Where a proof's randomness comes from."""

from __future__ import annotations

import os

import numpy as np
import pytest

from circuits.field import P
from prover.commit import commit_columns
from prover.kernels.expansion import EXPANSION_PERSON, key_block
from prover.randomness import random_elements, random_seed


def test_the_expansion_s_personalisation_is_its_own() -> None:
    others = b"ckpt open blnd leaf node grnd salt samp"
    assert EXPANSION_PERSON not in {b"zkm:" + name for name in others.split()}


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_seed_is_of_32_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        key_block(bytes(size))


def test_a_proof_s_salts_come_from_one_draw_of_32_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    coefficients = np.zeros((1, 16, 16), dtype=np.uint32)
    monkeypatch.setattr(os, "urandom", lambda size: bytes(range(size)))
    assert commit_columns(coefficients, 1, 8).seed == bytes(range(32))


def test_seeds_are_fresh() -> None:
    coefficients = np.zeros((1, 16, 16), dtype=np.uint32)
    made = [commit_columns(coefficients, 1, 8) for _ in range(2)]
    assert made[0].seed != made[1].seed
    assert made[0].root != made[1].root


def test_a_forked_process_draws_other_seeds() -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, random_seed())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert len({os.read(reader, 32), random_seed(), random_seed()}) == 3
    os.close(reader)
    os.close(writer)


def test_random_elements_are_canonical_and_fresh() -> None:
    drawn = random_elements(3, 4000)
    assert drawn.shape == (3, 4000)
    assert int(drawn.max()) < P
    assert 0.45 < float((drawn < P // 2).mean()) < 0.55
    assert not np.array_equal(drawn, random_elements(3, 4000))
    assert random_elements(0, 5).shape == (0, 5)
