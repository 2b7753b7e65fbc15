"""The operator's record made whole again from what the network shows of the escrow.

For a record that was lost or restored, and for payments that supplier and arbiter made without the
operator. A payment counts for the receipts whose root it carries. What carries none that fits, a
person has to decide; the ledger of what was paid is then right to the nano, if not per receipt.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from circuits.errors import BadInput, InputReason
from prover.chain_payments import ChainPayment, Escrowed, first_gap
from prover.settlement import ReceiptSource, check_receipt, require_own, require_settlement
from prover.settlement_chain import escrowed, known_to, require_complete
from prover.signed_plans import SignedPlans
from prover.statements import Statements
from verifier.contract import Terms
from verifier.iota import anchor
from verifier.iota.history import sent_by
from verifier.iota.node import Node
from verifier.iota.payment import digest_text
from verifier.iota.wallet import Wallet
from verifier.receipt import Receipt


@dataclass(frozen=True)
class Decisions:
    """What a person decided about payments without a root of receipts, by base58 digest.

    ``other``: they were for nothing that this contract owes. ``count_rest``: all that are left
    count for what has been owed longest and neither was paid nor may still be paid.
    ``accept_gap``: what the node has forgotten was compared by hand.
    """

    other: frozenset[str] = frozenset()
    count_rest: bool = False
    accept_gap: bool = False


@dataclass(frozen=True)
class Recovered:
    """A payment in the record now: for nanos (before, after] of what the contract owes in all.

    ``decided`` is False while nobody said what it was for; then nothing more is signed. For none of
    them both are 0.
    """

    digest: str
    nanos: int
    before_nanos: int
    after_nanos: int
    decided: bool


@dataclass(frozen=True)
class Recovery:
    """The payments that the record did not sign, and the last epoch in which nothing is signed."""

    payments: tuple[Recovered, ...]
    silent_to: int


def recover(
    terms: Terms,
    wallet: Wallet,
    record: SignedPlans,
    statements: Statements,
    receipts_from: ReceiptSource,
    node: Node,
    decisions: Decisions,
) -> Recovery:
    """Begin the wallet's record, or go on with it, and take in all that the escrow has paid.

    Repeating it is harmless, but the silence begins anew. ``BadInput``: WALLET; IOTA_NODE where the
    node has forgotten what was not looked at; USAGE for a decision about a payment that there is
    none of; SETTLEMENT_PLAN for a receipt that does not follow from a claim made here.
    ``ConnectionError`` without a node.
    """
    settlement = require_settlement(terms)
    require_own(settlement, wallet)
    where = escrowed(settlement)
    receipts = _checked_receipts(terms, record, statements, receipts_from)
    history = sent_by(node, where.network, where.escrow, where.payee, 0)
    if not decisions.accept_gap:
        require_complete(history.first, known_to(record, settlement))
    # plans that the record lost expire in the epoch after that in which they were made, and a node
    # may not have heard yet of the epoch that has begun
    silent_to = max(node.present().epoch + 2, record.chain.silent_to(where.network) or 0)
    record.chain.be_silent(where.network, silent_to)
    record.chain.saw(where, history, anew=True)
    record.begin(wallet.public_key)
    # many receipts of nothing make many roots to try: not where no payment has one
    rooted = receipts if settlement.anchor else []
    _decide(_payments(record, where), rooted, record, terms, decisions)
    shown = [_shown(one, record, terms) for one in _payments(record, where)]
    return Recovery(tuple(shown), silent_to)


def _payments(record: SignedPlans, where: Escrowed) -> list[ChainPayment]:
    found = record.chain.payments(where.network, where.escrow)
    return [payment for payment in found if payment.payee == where.payee]


def _decide(
    payments: Sequence[ChainPayment],
    receipts: Sequence[Receipt],
    record: SignedPlans,
    terms: Terms,
    decisions: Decisions,
) -> None:
    """What each payment was for: what roots say first, on nanos that nothing else has paid.

    A root of this contract's receipts also outweighs what was decided under another contract.
    """
    open_ones = [payment for payment in payments if payment.terms_digest != terms.digest]
    unknown = decisions.other - {digest_text(p.digest) for p in open_ones if not p.terms_digest}
    if unknown:
        raise BadInput(InputReason.USAGE, f"--other: no such payment: {min(unknown)}")
    left = []
    for payment in open_ones:
        paid = record.paid(terms.digest)
        span = _rooted(payment, receipts, paid)
        if span is not None:
            record.chain.count(payment, terms.digest, span)
        elif digest_text(payment.digest) in decisions.other:
            record.chain.set_aside(payment, terms.digest)
        elif not record.chain.is_decided(payment, terms.digest):
            left.append(payment)
    for payment in left if decisions.count_rest else ():
        taken = sorted(record.paid(terms.digest) + record.payable(terms.digest))
        record.chain.count(payment, terms.digest, first_gap(taken, payment.nanos))


def _overlaps(span: tuple[int, int], paid: Sequence[tuple[int, int]]) -> bool:
    return any(max(span[0], before) < min(span[1], after) for before, after in paid)


def _checked_receipts(
    terms: Terms, record: SignedPlans, statements: Statements, receipts_from: ReceiptSource
) -> list[Receipt]:
    """All of the contract's receipts; there are no more of them than claims were made here."""
    found = record.receipts(terms.digest)
    for receipt in receipts_from(len(found) + 1):
        check_receipt(receipt, found[-1] if found else None, terms, statements)
        found.append(receipt)
    return found


def _rooted(
    payment: ChainPayment, receipts: Sequence[Receipt], paid: Sequence[tuple[int, int]]
) -> tuple[int, int] | None:
    """The nanos of those receipts that come to the payment and whose root its bytes carry.

    None where there are none, or something paid them. What follows on something paid is tried
    first: where all claims come to the same amount there are as many spans as receipts.
    """
    sums = [0, *(receipt.cumulative_nanos for receipt in receipts)]
    ends = {0, *(after for _, after in paid)}
    for follows in (True, False):
        for first, last in _spans(sums, payment.nanos):
            span = sums[first], sums[last]
            if (span[0] in ends) is not follows or _overlaps(span, paid):
                continue
            root = anchor.root([receipt.digest for receipt in receipts[first:last]])
            if root in payment.content:
                return span
    return None


def _spans(sums: Sequence[int], nanos: int) -> Iterable[tuple[int, int]]:
    """All pairs of places between which the sums grow by so many nanos."""
    begins: dict[int, list[int]] = {}
    for last, after in enumerate(sums):
        for first in begins.get(after - nanos, ()):
            yield first, last
        begins.setdefault(after, []).append(last)


def _shown(payment: ChainPayment, record: SignedPlans, terms: Terms) -> Recovered:
    own = payment.terms_digest == terms.digest
    return Recovered(
        digest_text(payment.digest),
        payment.nanos,
        payment.before_nanos if own else 0,
        payment.after_nanos if own else 0,
        record.chain.is_decided(payment, terms.digest),
    )
