"""A restored ledger's settlements again, from what the network shows of the escrows.

A payment counts for the receipts behind the last settled one whose root it carries. It becomes the
batch that it was: proposed with its own bytes, signed with its own signatures; from there on the
same evidence as ever decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from circuits.errors import BadInput, InputReason
from verifier.contract import Terms
from verifier.contract.settlement import SettlementTerms
from verifier.iota import anchor
from verifier.iota.escrow import Escrow
from verifier.iota.history import Sent, sent_by
from verifier.iota.node import Node
from verifier.iota.payment import PaymentPlan, digest_text
from verifier.iota.reading import read_plan, split_signed
from verifier.iota.wallet import Wallet
from verifier.ledger import Batch, BatchState, Ledger, Prepared
from verifier.ledger.batches import OPEN
from verifier.receipt import Receipt, decode_receipt
from verifier.settlement.embedded import EmbeddedGateway
from verifier.settlement.iota.gateway import IotaGateway
from verifier.settlement.settle import Settlement


@dataclass(frozen=True)
class Recovered:
    """A payment that the ledger did not know. Without a batch: its receipts are not here."""

    contract: str
    digest: str
    nanos: int
    batch: Batch | None


def recover_settlements(ledger: Ledger, node: Node, wallet: Wallet) -> list[Recovered]:
    """Book what the escrows of the ledger's contracts have paid, oldest first.

    ``wallet`` is the supplier's. Repeating it changes nothing more. It asks what became of batches
    that are open, and sends nothing. ``BadInput`` SETTLEMENT_STATE while one of them is in the way,
    IOTA_NODE for another network; ``ConnectionError`` without a node.
    """
    settlement = Settlement(ledger, EmbeddedGateway(), IotaGateway(node, wallet, ledger))
    found: dict[bytes, Recovered] = {}
    for contract in ledger.contracts():
        terms, where = contract.terms, contract.terms.settlement
        if where is None:
            continue
        history = sent_by(node, where.network, Escrow(where).address, where.payee, 0)
        for open_one in ledger.outbox.batches(OPEN, terms.digest):
            if open_one.state is not BatchState.NEW:
                settlement.follow(open_one)
        known = {batch.digest for batch in ledger.outbox.batches()}
        for sent in history.sent:
            if sent.received_nanos and sent.digest not in known:
                batch = _booked(ledger, settlement, terms, where, sent)
                if batch is not None or sent.digest not in found:  # escrows can be shared
                    text = digest_text(sent.digest)
                    found[sent.digest] = Recovered(terms.name, text, sent.received_nanos, batch)
    return list(found.values())


def _booked(
    ledger: Ledger, settlement: Settlement, terms: Terms, where: SettlementTerms, sent: Sent
) -> Batch | None:
    signed = split_signed(sent.content, sent.digest)
    plan = None if signed is None else read_plan(signed[0], where.network)
    if signed is None or plan is None or not _is_ours(plan, where, sent):
        return None
    batch = _batch(ledger, terms, plan)
    if batch is None:
        return None
    payload, signatures = signed
    leases = tuple(coin.lease for coin in plan.references)
    prepared = Prepared(payload, sent.digest, plan.expiry_epoch, leases, plan.to_json())
    batch = ledger.outbox.proposed(batch, prepared)
    if signatures:
        batch = ledger.outbox.signed(batch, signatures)
    return settlement.follow(batch)


def _is_ours(plan: PaymentPlan, where: SettlementTerms, sent: Sent) -> bool:
    expected = (Escrow(where).address, where.payee, sent.received_nanos)
    return (plan.sender, plan.payee, plan.amount_nanos) == expected


def _batch(ledger: Ledger, terms: Terms, plan: PaymentPlan) -> Batch | None:
    """A NEW batch of the receipts whose root the plan carries; None where they are not next."""
    outbox = ledger.outbox
    settled = 0
    for batch in outbox.settlements(terms.digest):
        if batch.state in OPEN:
            receipts = [decode_receipt(encoded) for encoded in outbox.receipts_of(batch)]
            if batch.state is BatchState.NEW and _root(receipts) == plan.anchor:
                return batch
            raise BadInput(
                InputReason.SETTLEMENT_STATE,
                f"contract {terms.name!r}: settlement batch {batch.id} is {batch.state} and in the"
                " way: run `settle` until it is FINAL or FAILED",
            )
        if batch.state is BatchState.FINAL:
            settled = max(settled, batch.last_sequence)
    receipts = ledger.receipts(terms.digest, settled + 1)
    nanos = 0
    for count, receipt in enumerate(receipts, start=1):
        nanos += receipt.amount_nanos
        if nanos > plan.amount_nanos:
            break
        if receipt.amount_nanos and nanos == plan.amount_nanos:
            if _root(receipts[:count]) == plan.anchor:
                return outbox.net(terms.digest, receipt.sequence)
            break
    return None


def _root(receipts: Sequence[Receipt]) -> bytes:
    return anchor.root([receipt.digest for receipt in receipts])
