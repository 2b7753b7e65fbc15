"""The operator's record made whole again from what the network shows of the escrow.

For a record that was lost or restored, and for payments that supplier and arbiter made without the
operator. A payment counts for the receipts whose root it carries. What carries none that fits, a
person has to decide; the ledger of what was paid is then right to the nano, if not per receipt.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from circuits.errors import BadInput, InputReason
from prover.chain_payments import ChainPayment, first_gap
from prover.settlement import ReceiptSource, check_receipt, require_own, require_settlement
from prover.settlement_chain import escrowed, require_complete
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

    ``other``: they were for nothing that the contract owes. ``count_rest``: all others count for
    what has been owed longest. ``accept_gap``: what the node has forgotten was compared by hand.
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

    Repeating it is harmless. ``BadInput``: WALLET; IOTA_NODE where the node has forgotten what was
    not looked at; USAGE for a decision about a payment that there is none of; SETTLEMENT_PLAN for
    a receipt that does not follow from a claim made here. ``ConnectionError`` without a node.
    """
    settlement = require_settlement(terms)
    require_own(settlement, wallet)
    where = escrowed(settlement)
    receipts = _checked_receipts(terms, record, statements, receipts_from)
    history = sent_by(node, where.network, where.escrow, where.payee, 0)
    if not decisions.accept_gap:
        require_complete(history.first, record.chain.looked_to(where))
    # plans that the record lost were made to expire in the epoch after that in which they were made
    silent_to = node.present().epoch + 1
    record.chain.be_silent(where.network, silent_to)
    record.chain.saw(where, history)
    record.begin(wallet.public_key)
    open_ones = [
        payment
        for payment in record.chain.payments(where.network, where.escrow)
        if payment.payee == where.payee and payment.before_nanos == payment.after_nanos
    ]
    unknown = decisions.other - {digest_text(payment.digest) for payment in open_ones}
    if unknown:
        raise BadInput(InputReason.USAGE, f"--other: no such payment: {min(unknown)}")
    for payment in open_ones:
        span = _span(payment, receipts, record, terms, decisions)
        if span is not None:
            record.chain.count(payment, terms.digest, span)
    found = record.chain.payments(where.network, where.escrow)
    shown = [_shown(payment) for payment in found if payment.payee == where.payee]
    return Recovery(tuple(shown), silent_to)


def _checked_receipts(
    terms: Terms, record: SignedPlans, statements: Statements, receipts_from: ReceiptSource
) -> list[Receipt]:
    """All of the contract's receipts; there are no more of them than claims were made here."""
    found = record.receipts(terms.digest)
    for receipt in receipts_from(len(found) + 1):
        check_receipt(receipt, found[-1] if found else None, terms, statements)
        found.append(receipt)
    return found


def _span(
    payment: ChainPayment,
    receipts: Sequence[Receipt],
    record: SignedPlans,
    terms: Terms,
    decisions: Decisions,
) -> tuple[int, int] | None:
    for span in _rooted(payment, receipts):
        return span
    if payment.terms_digest:
        return None  # decided before
    if digest_text(payment.digest) in decisions.other:
        return 0, 0
    if decisions.count_rest:
        return first_gap(record.paid(terms.digest), payment.nanos)
    return None


def _rooted(payment: ChainPayment, receipts: Sequence[Receipt]) -> Iterable[tuple[int, int]]:
    """The nanos of those receipts that come to the payment and whose root its bytes carry."""
    sums = [0, *(receipt.cumulative_nanos for receipt in receipts)]
    begins: dict[int, list[int]] = {}
    for last, after in enumerate(sums):
        for first in begins.get(after - payment.nanos, ()):
            root = anchor.root([receipt.digest for receipt in receipts[first:last]])
            if root in payment.content:
                yield after - payment.nanos, after
        begins.setdefault(after, []).append(last)


def _shown(payment: ChainPayment) -> Recovered:
    return Recovered(
        digest_text(payment.digest),
        payment.nanos,
        payment.before_nanos,
        payment.after_nanos,
        bool(payment.terms_digest),
    )
