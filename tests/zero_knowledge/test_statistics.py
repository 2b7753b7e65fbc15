"""What real proofs open: uniform, fresh each time, and nothing else talks about readings."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from circuits.errors import BadInput
from circuits.field import P
from circuits.statement import Statement
from prover import witness
from prover.log import WindowLog
from prover.prove import prove
from tests.support import World
from verifier.kernel import verify as kernel
from verifier.kernel.parameters import STANDARD
from verifier.kernel.proof import Openings

BINS = 64
# chi-square with 63 degrees of freedom exceeds this with probability below 1e-9
CHI_SQUARE_LIMIT = 160.0


@pytest.fixture
def opened(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Statement, tuple[WindowLog, ...]], dict[int, NDArray[np.uint64]]]:
    """Prove, verify, and return the opened trace rows by index."""
    captured: list[Openings] = []
    original = kernel._open

    def capture(*args: object, **kwargs: object) -> Openings:
        out = original(*args, **kwargs)  # type: ignore[arg-type]
        captured.append(out)
        return out

    monkeypatch.setattr(kernel, "_open", capture)

    def run(statement: Statement, windows: tuple[WindowLog, ...]) -> dict[int, NDArray[np.uint64]]:
        captured.clear()
        proof = prove(world.terms.circuit, STANDARD, statement, windows)
        kernel.verify(world.terms.circuit, STANDARD, statement, proof, 120)
        trace = captured[0]
        return dict(zip(trace.indices, trace.values, strict=True))

    return run


def _log(world: World) -> tuple[Statement, tuple[WindowLog, ...]]:
    return world.first.statement, world.epoch.windows[:2]


def _same_outcomes(world: World) -> tuple[Statement, tuple[WindowLog, ...]]:
    """Another log with equal counts, times and totals: the readings of a window reversed.

    Its chain values differ, as those of any other log would.
    """
    statement, windows = _log(world)
    changed = (windows[0], WindowLog(windows[1].records[::-1].copy(), windows[1].salt))
    chains = [statement.checkpoints[0].chain]
    from circuits.checkpoint import as_chain
    from circuits.schema import Schema
    from prover.device import chain_values

    schema: Schema = world.terms.schema
    chains += [as_chain(np.array(c)) for c in chain_values(chains[0], schema.width, changed)]
    checkpoints = tuple(
        replace(c, chain=chain) for c, chain in zip(statement.checkpoints, chains, strict=True)
    )
    return Statement(statement.terms_digest, checkpoints, statement.totals), changed


def _chi_square(values: NDArray[np.uint64]) -> float:
    counts = np.bincount((values * np.uint64(BINS) // np.uint64(P)).astype(np.int64))
    expected = len(values) / BINS
    return float(((counts - expected) ** 2 / expected).sum())


def _two_sample(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> float:
    first, second = (
        np.bincount((v * np.uint64(BINS) // np.uint64(P)).astype(np.int64), minlength=BINS)
        for v in (a, b)
    )
    scale = np.sqrt(len(b) / len(a))
    return float((((first * scale - second / scale) ** 2) / (first + second)).sum())


def _compare(
    opened: Callable[[Statement, tuple[WindowLog, ...]], dict[int, NDArray[np.uint64]]],
    world: World,
    proofs: int,
) -> None:
    samples = []
    for log in (_log(world), _same_outcomes(world)):
        rows = [row for _ in range(proofs) for row in opened(*log).values()]
        samples.append(np.stack(rows))
    for sample in samples:
        # every column by itself: chain, block, states, bits alike
        assert max(_chi_square(sample[:, k]) for k in range(sample.shape[1])) < CHI_SQUARE_LIMIT
    assert _two_sample(samples[0].ravel(), samples[1].ravel()) < CHI_SQUARE_LIMIT
    for column in range(samples[0].shape[1]):
        assert _two_sample(samples[0][:, column], samples[1][:, column]) < CHI_SQUARE_LIMIT


def test_openings_of_two_logs_are_alike(
    opened: Callable[[Statement, tuple[WindowLog, ...]], dict[int, NDArray[np.uint64]]],
    world: World,
) -> None:
    """Equal outcomes, different readings: every opened column is uniform for both logs."""
    _compare(opened, world, 10)


@pytest.mark.long
def test_openings_of_two_logs_are_alike_over_many_proofs(
    opened: Callable[[Statement, tuple[WindowLog, ...]], dict[int, NDArray[np.uint64]]],
    world: World,
) -> None:
    """The same over twenty times as many proofs."""
    _compare(opened, world, 200)


def _shared(
    opened: Callable[[Statement, tuple[WindowLog, ...]], dict[int, NDArray[np.uint64]]],
    world: World,
    proofs: int,
) -> tuple[int, int]:
    """(equal values, compared values) among equal positions of proofs of one log."""
    seen: dict[int, list[NDArray[np.uint64]]] = {}
    equal = compared = 0
    for _ in range(proofs):
        for index, row in opened(*_log(world)).items():
            for other in seen.setdefault(index, []):
                equal += int((row == other).sum())
                compared += len(row)
            seen[index].append(row)
    return equal, compared


def test_a_proof_made_again_shares_no_opened_value(
    opened: Callable[[Statement, tuple[WindowLog, ...]], dict[int, NDArray[np.uint64]]],
    world: World,
) -> None:
    """Positions that two proofs of one statement both open hold different values."""
    equal, compared = _shared(opened, world, 8)
    assert compared > 1000
    assert equal <= 1  # one coincidence in p per comparison


def test_that_test_sees_missing_masks(
    opened: Callable[[Statement, tuple[WindowLog, ...]], dict[int, NDArray[np.uint64]]],
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With zeros for random rows the same comparison finds every value shared."""
    monkeypatch.setattr(witness, "random_elements", lambda *shape: np.zeros(shape, dtype=np.uint32))
    equal, compared = _shared(opened, world, 3)
    assert compared > 0
    assert equal == compared


def test_all_randomness_is_the_operating_system_s(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replayed ``os.urandom`` replays the proof; a fresh one gives another."""
    statement, windows = _log(world)

    def stream() -> Iterator[bytes]:
        counter = 0
        while True:
            yield hashlib.shake_128(counter.to_bytes(8, "little")).digest(1 << 20)
            counter += 1

    def proof(replay: bool) -> bytes:
        with monkeypatch.context() as patch:
            if replay:
                blocks = stream()
                patch.setattr(os, "urandom", lambda n: next(blocks)[:n])
            return prove(world.terms.circuit, STANDARD, statement, windows)

    assert proof(True) == proof(True)
    assert len({proof(False), proof(False), proof(True)}) == 3
    assert os.urandom(8) != os.urandom(8)


def test_errors_name_no_reading(world: World) -> None:
    """A log that does not fit the statement is refused without a word about its readings."""
    statement, windows = _log(world)
    records = windows[0].records.copy()
    records[3, 0] += 1
    changed = (WindowLog(records, windows[0].salt), *windows[1:])
    with pytest.raises(BadInput) as refused:
        prove(world.terms.circuit, STANDARD, statement, changed)
    digits = "".join(ch if ch.isdigit() else " " for ch in str(refused.value)).split()
    readings = {str(int(v)) for window in changed for v in window.records[:, 0]}
    assert not readings & set(digits)
