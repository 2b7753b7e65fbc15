"""Checking a ledger's receipts again, from the stored claims alone: the auditor's question."""

from __future__ import annotations

from collections.abc import Sequence

from circuits.checkpoint import MAX_TIME_MS
from verifier.accept import Accepted, AcceptState, Head, decide
from verifier.claim import MAXIMUM_NANOS, decode_claim
from verifier.contract import SignedContract
from verifier.ledger.instructions import WAIVERS, InstructionKind
from verifier.ledger.ledger import Ledger
from verifier.ledger.rows import corrupt
from verifier.receipt import Receipt, check_chain


def check_receipts(ledger: Ledger, contract: SignedContract, receipts: Sequence[Receipt]) -> None:
    """Decide every accepted claim of a contract again, in order, at the time of its receipt.

    What the supplier ever waived counts as waived.

    ``BadInput`` RECEIPT or STORE_CORRUPT, or the ``Rejected`` that should have been raised then.
    """
    check_chain(receipts, contract.terms.parties.supplier)
    waived = _waived(ledger, contract)
    head: Head | None = None
    for receipt in receipts:
        encoded = ledger.claim(receipt.statement_digest)
        if encoded is None:
            raise corrupt(f"the claim of receipt {receipt.sequence} is missing")
        # the escrow and the clock's tolerance of that moment are the supplier's own matter
        state = AcceptState(
            contract=contract,
            head=head,
            escrow_nanos=MAXIMUM_NANOS,
            clock_skew_ms=MAX_TIME_MS,
            late_until_ms=waived.get(InstructionKind.WAIVE_LATE),
            flags_until_ms=waived.get(InstructionKind.WAIVE_FLAGS),
        )
        decision = decide(decode_claim(encoded), state, receipt.accepted_ms)
        if not isinstance(decision, Accepted) or decision.receipt.digest != receipt.digest:
            raise corrupt(f"receipt {receipt.sequence} is not what its claim gives")
        head = decision.head


def _waived(ledger: Ledger, contract: SignedContract) -> dict[InstructionKind, int]:
    """The latest time up to which each kind of refusal was waived, by any waiver."""
    out: dict[InstructionKind, int] = {}
    for instruction in ledger.instructions():
        kind, moment_ms = instruction.kind, instruction.moment_ms
        concerned = kind in WAIVERS.values() and instruction.terms_digest == contract.terms.digest
        if concerned and moment_ms is not None:
            out[kind] = max(moment_ms, out.get(kind, moment_ms))
    return out
