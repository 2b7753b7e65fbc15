"""The service checks proofs in other processes; what they say counts as if it were said here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path

import pytest

from circuits.errors import BadInput, InputReason, Reason, Rejected
from tests import jobs
from tests.ledger.stores import funded
from tests.rpc.servers import LIMITS, serving
from tests.support import World, resign
from verifier.accept import Account
from verifier.ledger import Ledger
from verifier.rpc.client import VerifierClient
from verifier.service import proofs

PATCHED = "verifier.service.proofs.proof_refusal"


@pytest.fixture
def ledger(world: World, tmp_path: Path) -> Iterator[Ledger]:
    with funded(world, tmp_path) as opened:
        yield opened


@pytest.fixture
def client(ledger: Ledger) -> Iterator[VerifierClient]:
    limits = replace(LIMITS, proof_workers=2)
    with serving(ledger, limits=limits) as bound, VerifierClient(bound) as opened:
        yield opened


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_proofs_are_checked_elsewhere_and_paid_once(
    world: World, ledger: Ledger, client: VerifierClient, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    noted = tmp_path / "processes"
    monkeypatch.setenv("ZKM_TEST_PROCESSES", str(noted))
    monkeypatch.setattr(PATCHED, jobs.proof_refusal_elsewhere)
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: client.submit(world.first.encode()), range(6)))
    assert sorted(answer.duplicate for answer in answers) == [False] + [True] * 5
    assert len({answer.receipt.digest for answer in answers}) == 1
    assert len(ledger.receipts(world.terms.digest)) == 1
    checked_in = {int(line) for line in noted.read_text(encoding="ascii").split()}
    assert 1 <= len(checked_in) <= 2
    assert os.getpid() not in checked_in


@pytest.mark.parametrize(
    ("at", "reason"),
    [(0, Reason.PROOF_VERSION), (10, Reason.PROOF_CONSTRAINTS), (-1, Reason.PROOF_QUOTIENT_PATH)],
)
def test_a_refused_proof_keeps_its_reason(
    world: World, ledger: Ledger, client: VerifierClient, at: int, reason: Reason
) -> None:
    claim = resign(world.first, proof=flipped(world.first.proof, at % len(world.first.proof)))
    with pytest.raises(Rejected) as here:
        ledger.apply(claim.encode())
    with pytest.raises(Rejected) as there:
        client.submit(claim.encode())
    assert here.value.reason is there.value.reason is reason
    assert str(here.value) == str(there.value)
    assert [refusal.reason for refusal in ledger.refusals()] == [reason.value] * 2  # audited alike


def test_a_refusal_passes_between_processes_whole(world: World) -> None:
    terms = replace(world.terms, minimum_proven_bits=1000)
    refusal = proofs.proof_refusal(world.first.encode(), terms)
    assert refusal is not None
    assert refusal[0] is Reason.SOUNDNESS_FLOOR
    assert refusal[2] == 1000
    assert proofs.proof_refusal(world.first.encode(), world.terms) is None


@pytest.mark.parametrize("job", [jobs.die_over_proofs, jobs.fail_over_proofs])
def test_without_an_answer_nothing_is_decided(
    world: World, ledger: Ledger, client: VerifierClient, monkeypatch: pytest.MonkeyPatch,
    job: Callable[..., None],
) -> None:  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setattr(PATCHED, job)
        with pytest.raises(BadInput) as caught:
            client.submit(world.first.encode())
    assert caught.value.reason is InputReason.SERVER_ERROR
    assert ledger.receipts(world.terms.digest) == []
    assert ledger.balances(world.terms.digest)[Account.PAYABLE] == 0
    assert ledger.refusals() == []
    # the process was replaced: the same claim is accepted now
    assert not client.submit(world.first.encode()).duplicate


def test_the_processes_end_with_the_server(world: World, ledger: Ledger) -> None:
    before = set(active_children())
    with serving(ledger) as address, VerifierClient(address) as client:
        assert set(active_children()) == before  # none is started before there is a claim
        client.submit(world.first.encode())
        assert len(set(active_children()) - before) == 1
    assert set(active_children()) == before
