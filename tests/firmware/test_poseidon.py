"""The hashing core in C: the same as Python on every machine that it is built for."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from circuits.chain import Role, absorb, genesis, window_salt
from circuits.field import Array, P
from circuits.poseidon import permute
from tests.firmware.build import BOARDS, BUILD, MAKE_FAILED, ROOT, Driver, missing, run_make

VECTOR = json.loads((ROOT / "tests/vectors/poseidon_koalabear_16.json").read_text("utf-8"))
PERMUTE, ABSORB, GENESIS, SALT, BLAKE2S = range(5)
EDGES = (0, 1, P - 1)
ROLES = list(Role)


def request(what: int, *parts: bytes) -> bytes:
    return struct.pack("<I", what) + b"".join(parts)


def words(values: Array) -> bytes:
    return values.astype("<u4").tobytes()


def elements(answers: bytes, width: int) -> Array:
    return np.frombuffer(answers, dtype="<u4").astype(np.uint64).reshape(-1, width)


def edge_states(width: int) -> Array:
    """Every edge value in every lane, in a state of each other edge value."""
    states = [[value] * width for value in EDGES]
    for rest in EDGES:
        for value in EDGES:
            for lane in range(width):
                state = [rest] * width
                state[lane] = value
                states.append(state)
    return np.array(states, dtype=np.uint64)


def test_permutation_known_answer(driver: Driver, tmp_path: Path) -> None:
    known = VECTOR["known_answer"]
    state = np.array(known["input"], dtype=np.uint64)
    answers = driver.run(request(PERMUTE, words(state)), tmp_path)
    assert elements(answers, 16).tolist() == [known["output"]]


def test_permutation_on_edges_and_random_states(driver: Driver, tmp_path: Path) -> None:
    random = np.random.default_rng(20)
    mixed = random.choice(np.array(EDGES, dtype=np.uint64), (256, 16))
    states = np.concatenate(
        [edge_states(16), mixed, random.integers(0, P, (1500, 16), dtype=np.uint64)]
    )
    answers = driver.run(b"".join(request(PERMUTE, words(s)) for s in states), tmp_path)
    assert np.array_equal(elements(answers, 16), permute(states))


def test_a_walk_of_permutations(driver: Driver, tmp_path: Path) -> None:
    # outputs as inputs: each answer is asked for again as the next request's expectation
    walk = [np.arange(16, dtype=np.uint64)]
    for _ in range(300):
        walk.append(permute(walk[-1]))
    answers = driver.run(b"".join(request(PERMUTE, words(s)) for s in walk[:-1]), tmp_path)
    assert np.array_equal(elements(answers, 16), np.stack(walk[1:]))


def test_absorb_in_every_role(driver: Driver, tmp_path: Path) -> None:
    random = np.random.default_rng(21)
    pairs = np.concatenate([edge_states(16), random.integers(0, P, (200, 16), dtype=np.uint64)])
    asked, expected = b"", []
    for number, role in enumerate(ROLES):
        for pair in pairs:
            asked += request(ABSORB, struct.pack("<I", number), words(pair))
            expected.append(absorb(pair[:8], pair[8:], role))
    assert np.array_equal(elements(driver.run(asked, tmp_path), 8), np.stack(expected))


def test_genesis(driver: Driver, tmp_path: Path) -> None:
    digests = [bytes(32), b"\xff" * 32, *(hashlib.sha256(bytes([n])).digest() for n in range(16))]
    answers = driver.run(b"".join(request(GENESIS, digest) for digest in digests), tmp_path)
    assert np.array_equal(elements(answers, 8), np.stack([genesis(d) for d in digests]))


def test_salts_with_and_without_dropped_words(driver: Driver, tmp_path: Path) -> None:
    # a word is dropped with probability 1/128, so among 400 salts some need a second hash
    secret = hashlib.sha256(b"salt").digest()
    places = [(0, 0), (1, 2), (2**32 - 1, 2**32 - 1), *((7, index) for index in range(400))]
    salts = np.stack([window_salt(secret, epoch, index) for epoch, index in places])
    firsts = [
        hashlib.blake2s(
            struct.pack("<III", epoch, index, 0),
            key=hashlib.blake2s(secret, person=b"zkm:salt").digest(),
            person=b"zkm:samp",
        ).digest()
        for epoch, index in places
    ]
    kept = np.frombuffer(b"".join(firsts), dtype="<u4").reshape(-1, 8) & np.uint32(0x7FFFFFFF)
    assert (kept >= P).any()
    asked = b"".join(request(SALT, secret, struct.pack("<II", *place)) for place in places)
    assert np.array_equal(elements(driver.run(asked, tmp_path), 8), salts)


def test_blake2s_of_every_length_and_key(driver: Driver, tmp_path: Path) -> None:
    data = bytes(range(256)) * 2
    key = bytes(range(100, 132))
    cases = [(0, size) for size in range(200)] + [(size, 3 * size) for size in range(33)]
    cases += [(32, size) for size in (0, 1, 63, 64, 65, 127, 128, 129, 188, 512)]
    asked = b"".join(
        request(BLAKE2S, struct.pack("<II", keyed, size), b"zkm:open", key, data[:size])
        for keyed, size in cases
    )
    expected = [
        hashlib.blake2s(data[:size], key=key[:keyed], person=b"zkm:open").digest()
        for keyed, size in cases
    ]
    assert driver.run(asked, tmp_path) == b"".join(expected)


@pytest.mark.parametrize(
    "bad",
    [
        struct.pack("<I", 5),
        request(PERMUTE, bytes(60)),
        request(ABSORB, struct.pack("<I", 4), bytes(64)),
        request(BLAKE2S, struct.pack("<II", 33, 0), bytes(40)),
        request(BLAKE2S, struct.pack("<II", 0, 513), bytes(553)),
    ],
)
def test_the_driver_refuses_what_it_does_not_know(
    driver: Driver, tmp_path: Path, bad: bytes
) -> None:
    # otherwise a request that was never answered could pass as one that was
    assert driver.refusal(bad, tmp_path) == 2


def test_a_reading_costs_at_most_1300_instructions_the_same_in_every_run() -> None:
    lacking = missing(BOARDS[0])
    if lacking:
        pytest.skip(f"{', '.join(lacking)} not installed")
    texts = []
    for _ in range(2):
        status, said = run_make("bench")
        if status == MAKE_FAILED and "libsodium's source is not to be had" in said:
            pytest.skip("libsodium's source is not here and cannot be fetched")
        assert status == 0, said
        texts.append((BUILD / "bench.json").read_text("utf-8"))
    assert texts[0] == texts[1]
    figures = json.loads(texts[0])
    for core in BOARDS:
        # 8 readings to a permutation: a smaller figure would mean that something was left out
        assert 8 * figures[core]["reading_instructions"] > figures[core]["permutation_instructions"]
        assert figures[core]["reading_instructions"] <= 1300


def test_roles_are_numbered_as_in_python() -> None:
    header = (ROOT / "firmware/src/chain.h").read_text("utf-8")
    names = ", ".join(f"ZKM_ROLE_{role.name}" for role in ROLES)
    assert f"typedef enum {{ {names} }} zkm_role;" in header


def test_firmware_and_python_pin_the_same_libsodium() -> None:
    def pinned(name: str) -> tuple[str, set[str]]:
        text = (ROOT / "requirements" / name).read_text("utf-8")
        entry = text[text.index("pynacl==") :].split("\n    # via")[0]
        return entry.split()[0], {w for w in entry.split() if w.startswith("--hash=")}

    version, hashes = pinned("firmware.lock")
    for name in ("dev.lock", "verifier.lock"):
        other, allowed = pinned(name)
        assert version == other
        assert hashes <= allowed
