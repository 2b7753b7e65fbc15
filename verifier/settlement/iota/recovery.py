"""A restored ledger's settlements again, from what the network shows of the escrows.

A payment counts for the receipts that are owed first, if it carries their root and all signatures.
It becomes the batch that it was, SIGNED; from there on the same evidence as ever decides.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from circuits.errors import BadInput, InputReason
from verifier.contract import Terms
from verifier.contract.settlement import SettlementTerms
from verifier.iota import anchor
from verifier.iota.escrow import Escrow
from verifier.iota.evidence import check_signatures
from verifier.iota.history import History, Sent, sent_by
from verifier.iota.node import Node, require_same
from verifier.iota.payment import PaymentPlan, digest_text
from verifier.iota.reading import read_plan, split_signed
from verifier.ledger import Batch, BatchState, Ledger, Prepared
from verifier.ledger.batches import OPEN
from verifier.settlement.iota.observer import IotaObserver
from verifier.settlement.settle import REVIVED

OTHER_TOOLS = "no settlement of these terms, or not signed as one: book it by hand"
NO_ROOT = "carries no root, so what it was for cannot be seen"
NOT_NEXT = "its receipts are not the first that are owed here: are claims missing?"
CONTRADICTION = "the node lists it, and says that it was not executed"
IN_THE_WAY = "another settlement is open: stop `serve`, and repeat this when its epoch is over"
_EPOCHS = 2**63  # more than the ledger holds


@dataclass(frozen=True)
class Recovered:
    """A payment, and the batch that it is now; without one ``why`` says why there is none."""

    contract: str
    digest: str
    nanos: int
    batch: Batch | None
    why: str = ""

    @property
    def is_decided(self) -> bool:
        """Whether nothing more is to be learnt about it."""
        return self.batch is not None and self.batch.state not in OPEN


@dataclass(frozen=True)
class Recovery:
    """What became of payments that the ledger did not know or had open.

    ``forgotten``: contracts of whose payments the node may have forgotten some.
    """

    payments: tuple[Recovered, ...]
    forgotten: tuple[str, ...]


@dataclass(frozen=True)
class _Payment:
    """A payment of ours in full."""

    plan: PaymentPlan
    prepared: Prepared
    signatures: tuple[str, ...]


@dataclass(frozen=True)
class _Escrowed:
    terms: Terms
    where: SettlementTerms
    history: History


def recover_settlements(ledger: Ledger, node: Node) -> Recovery:
    """Book what the escrows of the ledger's contracts have paid, oldest first; nothing is sent.

    Contracts of other networks than the node's are left alone. Repeating it changes nothing more.
    ``BadInput`` IOTA_NODE where no contract is of the node's network; ``ConnectionError`` without a
    node, or where its answers make no sense.
    """
    observer = IotaObserver(node)
    contracts = _contracts(ledger, node)
    found: dict[bytes, Recovered] = {}
    for one in contracts:  # of all of them first: they can share coins
        found |= _followed(ledger, observer, one)
    known = {batch.digest for batch in ledger.outbox.batches() if batch.state is not BatchState.NEW}
    for one in contracts:
        for sent in one.history.sent:
            if not sent.received_nanos or sent.digest in known:
                continue
            seen = _booked(ledger, observer, one, sent)
            # an escrow can be that of several contracts: whoever has the receipts
            if seen.batch is not None or sent.digest not in found or seen.why == IN_THE_WAY:
                found[sent.digest] = seen
            if seen.batch is not None:
                known.add(sent.digest)
    forgotten = [one.terms.name for one in contracts if _is_forgotten(ledger, one)]
    return Recovery(tuple(found.values()), tuple(forgotten))


def _contracts(ledger: Ledger, node: Node) -> list[_Escrowed]:
    present = node.present()
    ours = [(c.terms, c.terms.settlement) for c in ledger.contracts() if c.terms.settlement]
    matching = [(terms, where) for terms, where in ours if where.network == present.network]
    if ours and not matching:
        require_same(present.network, ours[0][1].network)
    return [
        _Escrowed(terms, where, sent_by(node, where.network, Escrow(where).address, where.payee, 0))
        for terms, where in matching
    ]


def _followed(ledger: Ledger, observer: IotaObserver, one: _Escrowed) -> Mapping[bytes, Recovered]:
    """Ask about what was open, or called dead, when the copy was made."""
    shown = {sent.digest: sent for sent in one.history.sent}
    found: dict[bytes, Recovered] = {}
    batches = ledger.outbox.batches((*OPEN, BatchState.FAILED), one.terms.digest)
    # what is open may fail, and make room for what is alive after all
    for batch in sorted(batches, key=lambda batch: batch.state is BatchState.FAILED):
        sent = shown.get(batch.digest or b"")
        if batch.digest is None or (batch.state is BatchState.FAILED and sent is None):
            continue
        now, why = batch, ""
        try:
            now = _asked(ledger, observer, one.where, batch, sent)
        except BadInput as error:
            why = _why(error)
        if sent is not None and now.state is BatchState.FAILED:
            why = why or CONTRADICTION
        if now.state is not batch.state or why:
            text, shown_batch = digest_text(batch.digest), None if why else now
            found[batch.digest] = Recovered(
                one.terms.name, text, batch.amount_nanos, shown_batch, why
            )
    return found


def _asked(
    ledger: Ledger, observer: IotaObserver, where: SettlementTerms, batch: Batch, sent: Sent | None
) -> Batch:
    if batch.state is BatchState.FAILED:
        batch = ledger.outbox.revived(batch, observer.leases(batch), REVIVED)
    payment = None if sent is None else _payment(where, sent)
    if payment is not None and batch.state is BatchState.PROPOSED:
        batch = ledger.outbox.signed(batch, payment.signatures)  # later, or without us
    return _follow(ledger, observer, batch)


def _follow(ledger: Ledger, observer: IotaObserver, batch: Batch) -> Batch:
    """Ask what became of a batch's payment until there is no news."""
    while batch.state in OPEN:
        fate = observer.fate(batch)
        if fate.state is batch.state:
            break
        batch = ledger.outbox.moved(
            batch,
            fate.state,
            fate.detail,
            fate.evidence,
            spent=fate.spent,
            gas_nanos=fate.gas_nanos,
        )
    return batch


def _booked(ledger: Ledger, observer: IotaObserver, one: _Escrowed, sent: Sent) -> Recovered:
    text, nanos, outbox = digest_text(sent.digest), sent.received_nanos, ledger.outbox

    def unbooked(why: str) -> Recovered:
        return Recovered(one.terms.name, text, nanos, None, why)

    payment = _payment(one.where, sent)
    if payment is None:
        return unbooked(OTHER_TOOLS)
    if payment.plan.anchor is None:
        return unbooked(NO_ROOT)
    span = _span(ledger, one.terms, payment.plan)
    if span is None:
        return unbooked(NOT_NEXT)
    outbox.net(one.terms.digest)  # unless a batch is open
    try:
        batch = outbox.adopt(one.terms.digest, span, payment.prepared, payment.signatures)
        batch = _follow(ledger, observer, batch)
    except BadInput as error:
        return unbooked(_why(error))
    return Recovered(one.terms.name, text, nanos, batch)


def _why(error: BadInput) -> str:
    """What stops one payment stops no other; what is wrong here stops everything."""
    if error.reason is InputReason.SETTLEMENT_STATE:
        return IN_THE_WAY  # or another process has just moved it
    if error.reason is InputReason.IOTA_NODE:
        return error.message
    raise error


def _payment(where: SettlementTerms, sent: Sent) -> _Payment | None:
    """The payment under these terms that a transaction is, with valid signatures."""
    split = split_signed(sent.content, sent.digest)
    if split is None:
        return None
    payload, signatures = split
    plan, escrow = read_plan(payload, where.network), Escrow(where).address
    if plan is None or plan.expiry_epoch >= _EPOCHS:
        return None
    expected = (escrow, where.payee, sent.received_nanos, where.gas_owner or escrow)
    if (plan.sender, plan.payee, plan.amount_nanos, plan.gas_owner) != expected:
        return None
    try:
        check_signatures(payload, plan, signatures)
    except BadInput:
        return None
    leases = tuple(coin.lease for coin in plan.references)
    prepared = Prepared(payload, sent.digest, plan.expiry_epoch, leases, plan.to_json())
    return _Payment(plan, prepared, signatures)


def _span(ledger: Ledger, terms: Terms, plan: PaymentPlan) -> tuple[int, int] | None:
    """The numbers of the receipts that are owed first, if the plan pays them and has their root."""
    covered = [
        batch.last_sequence
        for batch in ledger.outbox.settlements(terms.digest)
        if batch.state is BatchState.FINAL
    ]
    first = max(covered, default=0) + 1
    digests, nanos = [], 0
    for receipt in ledger.receipts(terms.digest, first):
        nanos += receipt.amount_nanos
        digests.append(receipt.digest)
        if nanos > plan.amount_nanos:
            return None
        if receipt.amount_nanos and nanos == plan.amount_nanos:
            fits = anchor.root(digests) == plan.anchor
            return (first, receipt.sequence) if fits else None
    return None


def _is_forgotten(ledger: Ledger, one: _Escrowed) -> bool:
    """Whether something is owed that may have been paid before the node's memory begins."""
    owed = ledger.outbox.owed()
    waiting = ledger.outbox.batches(OPEN, one.terms.digest)
    if not waiting and not any(o.terms_digest == one.terms.digest for o in owed):
        return False
    last = -1
    for batch in ledger.outbox.settlements(one.terms.digest):
        if batch.state is BatchState.FINAL:
            document = json.loads(ledger.outbox.evidence(batch)[BatchState.FINAL])
            last = max(last, int(document["checkpoint"]["sequence"]))
    return one.history.first > last + 1
