"""Proposals and co-signatures over real gRPC: only a right signature of a member is kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from circuits.errors import BadInput, InputReason
from tests.ledger.stores import funded
from tests.rpc.proposals import propose_for
from tests.rpc.servers import LIMITS, Idle, serving
from tests.settlement.cosigning import (
    OPERATOR_WALLET,
    STRANGER_WALLET,
    SUPPLIER_WALLET,
    coin,
    contract_with,
)
from tests.support import World
from verifier.iota.escrow import Escrow
from verifier.iota.payment import PaymentPlan, build, digest
from verifier.ledger import Batch, BatchState, Ledger
from verifier.ledger.batches import Prepared
from verifier.rpc import verifier_pb2 as messages
from verifier.rpc.address import MAXIMUM_MESSAGE_BYTES
from verifier.rpc.client import VerifierClient
from verifier.rpc.verifier_pb2_grpc import (
    VerifierServiceServicer,
    add_VerifierServiceServicer_to_server,
)
from verifier.service import settlements

NO_ROUNDS = replace(LIMITS, settle_seconds=3600.0)  # but when there is a reason


@pytest.fixture(scope="module")
def settled() -> World:
    """Claims under a contract that is settled on chain."""
    return World(contract_with())


@pytest.fixture
def ledger(settled: World, tmp_path: Path) -> Iterator[Ledger]:
    with funded(settled, tmp_path) as opened:
        opened.apply(settled.first.encode())
        yield opened


@pytest.fixture
def idle(ledger: Ledger) -> Idle:
    """What the server has instead of a settlement: batches move only where a test moves them."""
    return Idle(ledger)


@pytest.fixture
def client(ledger: Ledger, idle: Idle) -> Iterator[VerifierClient]:
    with (
        serving(ledger, settlement=idle, limits=NO_ROUNDS) as address,
        VerifierClient(address, timeout_seconds=300) as opened,
    ):
        yield opened


def propose(ledger: Ledger, world: World) -> Batch:
    """A contract's debt, proposed."""
    return propose_for(ledger, world.terms)


def signature_of(batch: Batch) -> str:
    assert batch.payload is not None
    return OPERATOR_WALLET.sign(batch.payload)


def cosign(client: VerifierClient, batch: Batch, /, *signatures: str, **changes: object) -> str:
    fields = {"terms_digest": batch.terms_digest, "batch": batch.id, "digest": batch.digest}
    return client.cosign(**(fields | changes), signatures=signatures)  # type: ignore[arg-type]


def refused(
    client: VerifierClient, ledger: Ledger, batch: Batch, /, *signatures: str, **changes: object
) -> InputReason:
    """Why, and that nothing was kept."""
    before = ledger.outbox.shares(batch)
    with pytest.raises(BadInput) as caught:
        cosign(client, batch, *signatures, **changes)
    assert ledger.outbox.shares(batch) == before
    return caught.value.reason


def test_a_proposal_and_its_signature(
    settled: World, ledger: Ledger, client: VerifierClient
) -> None:
    assert client.proposals(settled.terms.digest) == []
    batch = propose(ledger, settled)
    (proposal,) = client.proposals(settled.terms.digest)
    assert (proposal.batch, proposal.plan, proposal.transaction) == (
        batch.id,
        batch.plan,
        batch.payload,
    )
    assert (proposal.first_sequence, proposal.last_sequence) == (1, 1)
    signature = signature_of(batch)
    assert cosign(client, batch, signature) == "PROPOSED"
    assert ledger.outbox.shares(batch) == {OPERATOR_WALLET.public_key: signature}
    assert cosign(client, batch, signature) == "PROPOSED"  # a repeat
    signed = ledger.outbox.signed(batch, (signature,))
    assert cosign(client, batch, signature) == "SIGNED"  # an answer got lost: still a repeat
    assert client.proposals(settled.terms.digest) == []
    ledger.outbox.moved(signed, BatchState.EXECUTED)
    (news,) = client.settlements(settled.terms.digest)
    assert (news.batch, news.state, news.amount_nanos) == (batch.id, "EXECUTED", batch.amount_nanos)
    assert news.digest == digest(proposal.transaction).text
    assert (news.first_sequence, news.last_sequence) == (1, 1)


def test_only_news_is_a_reason_to_settle(
    settled: World, ledger: Ledger, client: VerifierClient, idle: Idle
) -> None:
    # whoever may call could otherwise make the server ask its node as often as it likes
    batch = propose(ledger, settled)
    good = signature_of(batch)
    while idle.rounds < 1:  # the one when the server starts
        time.sleep(0.01)
    cosign(client, batch, good)
    while idle.rounds < 2:
        time.sleep(0.01)
    for _ in range(20):
        cosign(client, batch, good)
        refused(client, ledger, batch, good, digest=bytes(32))
    assert idle.rounds == 2


@pytest.mark.reason(InputReason.IOTA_SIGNATURE)
def test_wrong_signatures(settled: World, ledger: Ledger, client: VerifierClient) -> None:
    batch = propose(ledger, settled)
    assert batch.payload is not None
    good = signature_of(batch)
    plan = PaymentPlan.from_json(batch.plan or b"")
    shares = [good, SUPPLIER_WALLET.sign(batch.payload)]
    settlement = settled.terms.settlement
    assert settlement is not None
    wrong = [
        STRANGER_WALLET.sign(batch.payload),  # no member
        OPERATOR_WALLET.sign(build(replace(plan, amount_nanos=1))),  # of another transaction
        Escrow(settlement).combine(batch.payload, shares),  # not one member's
        good[:-4],
        "not base64",
        "",
        "A" * 100_000,
    ]
    for signature in wrong:
        assert refused(client, ledger, batch, signature) is InputReason.IOTA_SIGNATURE
        assert refused(client, ledger, batch, good, signature) is InputReason.IOTA_SIGNATURE
    assert refused(client, ledger, batch) is InputReason.IOTA_SIGNATURE
    assert refused(client, ledger, batch, *[good] * 4) is InputReason.IOTA_SIGNATURE


def test_another_batch_digest_or_contract(
    settled: World, world: World, ledger: Ledger, client: VerifierClient
) -> None:
    batch = propose(ledger, settled)
    good = signature_of(batch)
    state = InputReason.SETTLEMENT_STATE
    assert refused(client, ledger, batch, good, digest=bytes(32)) is state
    assert refused(client, ledger, batch, good, digest=b"") is state
    assert refused(client, ledger, batch, good, batch=99) is state
    assert refused(client, ledger, batch, good, batch=2**64 - 1) is state
    assert refused(client, ledger, batch, good, terms_digest=bytes(32)) is InputReason.USAGE
    ledger.register(world.contract)  # a contract that is not settled on chain
    assert refused(client, ledger, batch, good, terms_digest=world.terms.digest) is state
    other = World(contract_with(anchor=False))
    ledger.register(other.contract)
    assert refused(client, ledger, batch, good, terms_digest=other.terms.digest) is state


def test_a_payment_in_the_ledger_takes_no_signature(
    settled: World, world: World, ledger: Ledger
) -> None:
    ledger.register(world.contract)
    ledger.deposit(world.terms.digest, 10**12, "escrow")
    ledger.apply(world.first.encode())
    new = ledger.outbox.net(world.terms.digest)
    assert new is not None
    batch = ledger.outbox.proposed(new, Prepared(b"plain bytes", bytes(32)))
    assert not settlements.proposals(ledger, world.terms.digest).proposals
    request = messages.CosignSettlementRequest(
        terms_digest=batch.terms_digest,
        batch=batch.id,
        digest=bytes(32),
        signatures=[OPERATOR_WALLET.sign(build(some_plan(settled)))],
    )
    with pytest.raises(BadInput) as caught:
        settlements.cosign(ledger, request)
    assert caught.value.reason is InputReason.SETTLEMENT_STATE
    assert ledger.outbox.shares(batch) == {}


def test_no_signature_before_there_is_a_transaction(
    settled: World, ledger: Ledger, client: VerifierClient
) -> None:
    batch = ledger.outbox.net(settled.terms.digest) or ledger.outbox.batches()[-1]
    signature = OPERATOR_WALLET.sign(build(some_plan(settled)))
    changes = {"digest": b""}
    reason = refused(client, ledger, batch, signature, **changes)
    assert reason is InputReason.SETTLEMENT_STATE


def some_plan(world: World) -> PaymentPlan:
    settlement = world.terms.settlement
    assert settlement is not None
    escrow = Escrow(settlement).address
    one = (coin("one"),)
    return PaymentPlan(
        settlement.network, escrow, (), one, escrow, 1000, 10**7, 1, 5, settlement.payee, None
    )


def test_a_signature_that_comes_too_late(
    settled: World, ledger: Ledger, client: VerifierClient
) -> None:
    batch = propose(ledger, settled)
    ledger.outbox.moved(batch, BatchState.FAILED, "expired", b"{}", spent=False)
    reason = refused(client, ledger, batch, signature_of(batch))
    assert reason is InputReason.SETTLEMENT_STATE
    (failed,) = client.settlements(settled.terms.digest)
    assert (failed.state, failed.detail) == ("FAILED", "expired")


def test_settlements_page_by_page(
    settled: World, ledger: Ledger, client: VerifierClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verifier.service.settlements.PAGE_LIMIT", 2)
    for _ in range(5):
        batch = propose(ledger, settled)
        ledger.outbox.moved(batch, BatchState.FAILED, "expired", b"{}", spent=False)
    found = list(client.settlements(settled.terms.digest))
    assert [news.batch for news in found] == [batch.id for batch in ledger.outbox.batches()]
    assert len(found) == 5
    assert {news.state for news in found} == {"FAILED"}
    with pytest.raises(BadInput) as caught:
        list(client.settlements(bytes(32)))
    assert caught.value.reason is InputReason.USAGE


class InCircles(VerifierServiceServicer):
    """A verifier whose pages never end, and whose proposals are huge."""

    def ListReceipts(  # noqa: N802
        self, request: messages.ListReceiptsRequest, context: object
    ) -> messages.ListReceiptsResponse:
        return messages.ListReceiptsResponse(next_sequence=request.first_sequence)

    def ListSettlements(  # noqa: N802
        self, request: messages.ListSettlementsRequest, context: object
    ) -> messages.ListSettlementsResponse:
        return messages.ListSettlementsResponse(next_batch=1)

    def ListProposals(  # noqa: N802
        self, request: messages.ListProposalsRequest, context: object
    ) -> messages.ListProposalsResponse:
        huge = messages.Proposal(batch=1, plan=bytes(MAXIMUM_MESSAGE_BYTES))
        return messages.ListProposalsResponse(proposals=[huge])


def test_a_verifier_that_leads_in_circles() -> None:
    server = grpc.server(ThreadPoolExecutor(2))
    add_VerifierServiceServicer_to_server(InCircles(), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with VerifierClient(f"127.0.0.1:{port}", timeout_seconds=10) as client:
            for pages in (client.receipts(bytes(32)), client.settlements(bytes(32))):
                with pytest.raises(BadInput) as caught:
                    list(pages)
                assert caught.value.reason is InputReason.SERVER_ERROR
            with pytest.raises(BadInput) as caught:
                client.proposals(bytes(32))
            assert caught.value.reason is InputReason.SERVER_ERROR
    finally:
        server.stop(None)
