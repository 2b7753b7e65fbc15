"""Checking a ledger's receipts again, from the stored claims alone: the auditor's question."""

from __future__ import annotations

from collections.abc import Sequence

from verifier.accept import Accepted, AcceptState, Head, decide
from verifier.claim import MAXIMUM_NANOS, decode_claim
from verifier.contract import SignedContract
from verifier.ledger.ledger import Ledger
from verifier.ledger.rows import corrupt
from verifier.receipt import Receipt, check_chain


def check_receipts(ledger: Ledger, contract: SignedContract, receipts: Sequence[Receipt]) -> None:
    """Decide every accepted claim of a contract again, in order, at the time of its receipt.

    ``BadInput`` RECEIPT or STORE_CORRUPT, or the ``Rejected`` that should have been raised then.
    """
    check_chain(receipts, contract.terms.parties.supplier)
    head: Head | None = None
    for receipt in receipts:
        encoded = ledger.claim(receipt.statement_digest)
        if encoded is None:
            raise corrupt(f"the claim of receipt {receipt.sequence} is missing")
        # the escrow of that moment is the ledger's own matter
        state = AcceptState(contract=contract, head=head, escrow_nanos=MAXIMUM_NANOS)
        decision = decide(decode_claim(encoded), state, receipt.accepted_ms)
        if not isinstance(decision, Accepted) or decision.receipt.digest != receipt.digest:
            raise corrupt(f"receipt {receipt.sequence} is not what its claim gives")
        head = decision.head
