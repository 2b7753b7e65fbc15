"""The operator's side of a settlement: check what the supplier proposes, record it, sign it.

Nothing that the supplier sends is believed. The receipts must follow from claims that this
operator made, the plan must pay exactly them under the contract's terms, the transaction must be
what the plan builds, and whatever was signed before must never be able to be paid as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from circuits.errors import BadInput, InputReason
from prover.signed_plans import SignedPlan, SignedPlans
from prover.statements import Statements
from verifier.contract import Terms
from verifier.contract.settlement import SettlementTerms
from verifier.iota import anchor
from verifier.iota.escrow import Escrow
from verifier.iota.payment import PaymentPlan, build, digest, refuse
from verifier.iota.wallet import Wallet
from verifier.receipt import NO_RECEIPT, Receipt
from verifier.rpc.client import Proposal

LEAST_COMPUTATION = 1000  # gas units: what the smallest transaction is charged for
CLOCK_SKEW_MS = 300_000
MAXIMUM_SEQUENCE = 2**63 - 1
MAXIMUM_PROPOSAL_BYTES = 1 << 18  # of a plan, or of a transaction
ReceiptSource = Callable[[int], Iterator[Receipt]]  # receipts from a sequence number on


@dataclass(frozen=True)
class Checked:
    """A proposal that may be signed once ``signed`` is on disk, with its ``new_receipts``."""

    signed: SignedPlan
    transaction: bytes
    digest_text: str
    new_receipts: tuple[Receipt, ...]


def require_settlement(terms: Terms) -> SettlementTerms:
    """The contract's settlement terms; ``CONTRACT_FIELD`` where it has none."""
    if terms.settlement is None:
        raise BadInput(
            InputReason.CONTRACT_FIELD, f"contract {terms.name!r}: no table [settlement]"
        )
    return terms.settlement


def check_proposal(
    proposal: Proposal,
    terms: Terms,
    known: Sequence[Receipt],
    receipts_from: ReceiptSource,
    statements: Statements,
    now_ms: int,
    *,
    last_debt: bool = False,
) -> Checked:
    """What the operator may sign of a proposal; ``SETTLEMENT_PLAN`` says why it may not.

    ``known`` are the receipts that were checked earlier, from the first on; ``receipts_from`` asks
    the supplier for more. With ``last_debt`` any amount is due. Whether an earlier plan could be
    paid as well is for ``SignedPlans.record`` to decide.
    """
    settlement = require_settlement(terms)
    if max(len(proposal.plan), len(proposal.transaction)) > MAXIMUM_PROPOSAL_BYTES:
        raise refuse(f"plan or transaction of more than {MAXIMUM_PROPOSAL_BYTES} bytes")
    plan = PaymentPlan.from_json(proposal.plan)
    _check_terms(plan, settlement)
    if build(plan) != proposal.transaction:
        raise refuse("the transaction is not what the plan builds")
    first, last = proposal.first_sequence, proposal.last_sequence
    if not 1 <= first <= last <= MAXIMUM_SEQUENCE:
        raise refuse(f"receipts {first}..{last}")
    found = _receipts_to(last, terms, known, receipts_from, statements)
    paid = found[first - 1 : last]
    before = found[first - 2].cumulative_nanos if first > 1 else 0
    after = found[last - 1].cumulative_nanos
    if plan.amount_nanos != after - before:
        raise refuse(f"{plan.amount_nanos} nanos for receipts that come to {after - before}")
    if not last_debt:
        _check_due(paid, plan.amount_nanos, settlement, now_ms)
    root = anchor.root([receipt.digest for receipt in paid]) if settlement.anchor else None
    if plan.anchor != root:
        raise refuse("the anchor is not the root of these receipts")
    name = digest(proposal.transaction)
    signed = SignedPlan(name.data, terms.digest, first, last, before, after, plan)
    return Checked(signed, proposal.transaction, name.text, tuple(found[len(known) : last]))


def _check_terms(plan: PaymentPlan, settlement: SettlementTerms) -> None:
    """Where the money comes from and goes to, and what gas may cost, as the contract says."""
    escrow = Escrow(settlement).address
    agreed = {
        "network": settlement.network,
        "sender": escrow,
        "payee": settlement.payee,
        "gas_owner": settlement.gas_owner or escrow,
    }
    for name, expected in agreed.items():
        if getattr(plan, name) != expected:
            raise refuse(f"{name}: expected {expected}, got {getattr(plan, name)}")
    if plan.gas_budget != settlement.gas_budget_nanos:  # too little burns it for nothing
        raise refuse(f"gas_budget: expected {settlement.gas_budget_nanos}, got {plan.gas_budget}")
    if plan.gas_price * LEAST_COMPUTATION > plan.gas_budget:
        raise refuse(f"gas_price: at {plan.gas_price} the budget pays for no transaction")


def _receipts_to(
    last: int,
    terms: Terms,
    known: Sequence[Receipt],
    receipts_from: ReceiptSource,
    statements: Statements,
) -> list[Receipt]:
    """The receipts 1..``last`` or more; each is checked before the next one is asked for."""
    found = list(known)
    missing = last - len(found)
    if missing > 0:
        for receipt in islice(receipts_from(len(found) + 1), missing):
            check_receipt(receipt, found[-1] if found else None, terms, statements)
            found.append(receipt)
    if len(found) < last:
        raise refuse(f"the verifier has no receipt {len(found) + 1}")
    return found


def check_receipt(
    receipt: Receipt, previous: Receipt | None, terms: Terms, statements: Statements
) -> None:
    """``SETTLEMENT_PLAN`` unless a receipt follows the one before and answers a claim made here."""
    number = 1 if previous is None else previous.sequence + 1
    try:
        receipt.require_signature(terms.parties.supplier)
    except BadInput as error:
        raise refuse(error.message) from None
    chained = NO_RECEIPT if previous is None else previous.digest
    names = receipt.terms_digest, receipt.sequence, receipt.previous
    if names != (terms.digest, number, chained):
        raise refuse(f"receipt {number}: not chained to the one before")
    if previous is not None:
        ends = (previous.epoch, previous.last_window), (receipt.epoch, receipt.last_window)
        if ends[0] >= ends[1]:
            raise refuse(f"receipt {number}: its windows do not follow")
    counted = statements.counted_at(terms.digest, receipt.head)
    if counted is None:
        raise refuse(f"receipt {number}: no claim was made here that ends where it does")
    cumulative = terms.cumulative_nanos(counted.totals)
    if (receipt.totals_after, receipt.cumulative_nanos) != (counted.totals, cumulative):
        raise refuse(f"receipt {number}: not what the claim's voucher promised")
    owed = cumulative - (0 if previous is None else previous.cumulative_nanos)
    if receipt.amount_nanos != owed:
        raise refuse(f"receipt {number}: amounts do not add up")


def _check_due(
    paid: Sequence[Receipt], amount_nanos: int, settlement: SettlementTerms, now_ms: int
) -> None:
    """A settlement costs gas, so it must not come before the contract says."""
    if amount_nanos >= settlement.minimum_nanos:
        return
    age_seconds = settlement.maximum_age_seconds
    oldest_ms = min((r.accepted_ms for r in paid if r.amount_nanos), default=now_ms)
    if age_seconds is None or oldest_ms + age_seconds * 1000 > now_ms + CLOCK_SKEW_MS:
        raise refuse(f"{amount_nanos} nanos are not due: less than {settlement.minimum_nanos}")


def sign_checked(
    checked: Checked, settlement: SettlementTerms, wallet: Wallet, record: SignedPlans
) -> str:
    """Record a checked plan, then sign it: the operator's signature (base64).

    Where the operator's wallet pays the gas, it is the sponsor's signature as well.
    ``SETTLEMENT_PLAN`` where an earlier plan could be paid too; then nothing is written.
    """
    require_own(settlement, wallet)
    record.record(checked.signed, checked.new_receipts)
    return wallet.sign(checked.transaction)


def require_own(settlement: SettlementTerms, wallet: Wallet) -> None:
    """``WALLET`` unless the wallet's key is the operator's in the contract."""
    if wallet.public_key != settlement.operator_key:
        raise BadInput(
            InputReason.WALLET, "the wallet's key is not settlement.operator_key of the contract"
        )
