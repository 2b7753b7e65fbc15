"""What real proofs open: uniform, fresh each time, and nothing else talks about readings."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from circuits.errors import BadInput
from circuits.field import P
from circuits.state import StateOpening
from prover import witness
from prover.log import WindowLog
from prover.state import link_state
from tests.support import World
from tests.zero_knowledge.logs import Log, carrying_pair, plain_log, plain_pair
from verifier.kernel import verify as kernel
from verifier.kernel.parameters import ParameterSet
from verifier.kernel.proof import Openings, read_openings

Opened = Callable[[Log], dict[int, NDArray[np.uint64]]]
BINS = 64
# chi-square with 63 degrees of freedom exceeds this with probability below 1e-9
CHI_SQUARE_LIMIT = 160.0
# 66 pairs of them share 40 positions and more of every set's domain at 2^8 rows, on average
PROOFS = 12


@pytest.fixture(params=["nothing carried", "state carried"])
def pair(request: pytest.FixtureRequest, world: World, parameters: ParameterSet) -> tuple[Log, Log]:
    """Two logs with equal outcomes; with state, they carry different states on."""
    first, second = plain_pair(world) if request.param == "nothing carried" else carrying_pair()
    return replace(first, parameters=parameters), replace(second, parameters=parameters)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Prove, verify, and return the opened trace rows by index."""
    captured: list[Openings] = []
    original = read_openings

    def capture(*args: Any) -> Openings:
        out = original(*args)
        captured.append(out)
        return out

    monkeypatch.setattr(kernel, "read_openings", capture)

    def run(log: Log) -> dict[int, NDArray[np.uint64]]:
        captured.clear()
        kernel.verify(log.circuit, log.parameters, log.statement, log.prove(), 120)
        trace = captured[0]
        return dict(zip(trace.indices.tolist(), trace.values, strict=True))

    return run


def test_the_pairs_are_what_they_should_be(pair: tuple[Log, Log]) -> None:
    """One statement but for what hides the readings, and other readings behind it."""
    first, second = pair
    assert first.statement.totals == second.statement.totals
    assert first.statement.counts == second.statement.counts
    windows = zip(first.windows, second.windows, strict=True)
    assert any((a.records != b.records).any() for a, b in windows)
    if first.state is not None and second.state is not None:
        assert first.state[0] == second.state[0]
        assert first.state[1].values != second.state[1].values


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


def _compare(opened: Opened, pair: tuple[Log, Log], queries: int) -> None:
    """As many proofs as it takes for so many queries."""
    samples = []
    for log in pair:
        proofs = -(-queries // log.parameters.queries)
        rows = [row for _ in range(proofs) for row in opened(log).values()]
        samples.append(np.stack(rows))
    for sample in samples:
        # every column by itself: chain, block, states, bits alike
        assert max(_chi_square(sample[:, k]) for k in range(sample.shape[1])) < CHI_SQUARE_LIMIT
    assert _two_sample(samples[0].ravel(), samples[1].ravel()) < CHI_SQUARE_LIMIT
    for column in range(samples[0].shape[1]):
        assert _two_sample(samples[0][:, column], samples[1][:, column]) < CHI_SQUARE_LIMIT


def test_openings_of_two_logs_are_alike(opened: Opened, pair: tuple[Log, Log]) -> None:
    """Equal outcomes, different readings: every opened column is uniform for both logs."""
    _compare(opened, pair, 680)


@pytest.mark.long
def test_openings_of_two_logs_are_alike_over_many_proofs(
    opened: Opened, pair: tuple[Log, Log]
) -> None:
    """The same over twenty times as many proofs."""
    _compare(opened, pair, 13_600)


def _shared(opened: Opened, log: Log, proofs: int) -> tuple[int, int]:
    """(equal values, compared values) among equal positions of proofs of one log."""
    seen: dict[int, list[NDArray[np.uint64]]] = {}
    equal = compared = 0
    for _ in range(proofs):
        for index, row in opened(log).items():
            for other in seen.setdefault(index, []):
                equal += int((row == other).sum())
                compared += len(row)
            seen[index].append(row)
    return equal, compared


def test_a_proof_made_again_shares_no_opened_value(opened: Opened, pair: tuple[Log, Log]) -> None:
    """Positions that two proofs of one statement both open hold different values."""
    equal, compared = _shared(opened, pair[0], PROOFS)
    assert compared > 1000
    assert equal <= 1  # one coincidence in p per comparison


def test_that_test_sees_missing_masks(
    opened: Opened, pair: tuple[Log, Log], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With zeros for random rows the same comparison finds every value shared."""
    monkeypatch.setattr(witness, "random_elements", lambda *shape: np.zeros(shape, dtype=np.uint32))
    equal, compared = _shared(opened, pair[0], PROOFS)
    assert compared > 0
    assert equal == compared


def test_all_randomness_is_the_operating_system_s(
    world: World, parameters: ParameterSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replayed ``os.urandom`` replays the proof; a fresh one gives another."""
    log = replace(plain_log(world), parameters=parameters)

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
            return log.prove()

    assert proof(True) == proof(True)
    assert len({proof(False), proof(False), proof(True)}) == 3


def _numbers(error: BadInput) -> set[str]:
    """Every number that a message spells."""
    return set("".join(ch if ch.isdigit() else " " for ch in str(error)).split())


def test_errors_name_no_reading(world: World) -> None:
    """A log that does not fit the statement is refused without a word about its readings."""
    log = plain_log(world)
    records = log.windows[0].records.copy()
    records[3, 0] += 1
    changed = (WindowLog(records, log.windows[0].salt), *log.windows[1:])
    with pytest.raises(BadInput) as refused:
        replace(log, windows=changed).prove()
    readings = {str(int(v)) for window in changed for v in window.records[:, 0]}
    assert not readings & _numbers(refused.value)


def test_errors_name_nothing_that_is_carried() -> None:
    """So is a state that does not fit, or that no commitment can hold."""
    log, _ = carrying_pair()
    assert log.state is not None
    before, after = log.state
    name, value = max(after.values.items(), key=lambda item: item[1])

    def claim(carried: int) -> None:
        state = before, StateOpening({**after.values, name: carried}, after.blinding)
        first, last = log.statement.checkpoints[0], log.statement.checkpoints[-1]
        statement = replace(log.statement, state=link_state(log.circuit, first, last, state))
        replace(log, statement=statement, state=state).prove()

    for wrong in (value + 1, 2**40 + value):
        with pytest.raises(BadInput) as refused:
            claim(wrong)
        secret = {str(number) for number in (wrong, value, *before.blinding, *after.blinding)}
        assert not secret & _numbers(refused.value)
