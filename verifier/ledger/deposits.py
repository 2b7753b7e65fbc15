"""Deposits into a contract's escrow: booked once per reference."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from circuits.errors import BadInput, InputReason
from verifier.accept import Account, Entry
from verifier.claim import MAXIMUM_NANOS
from verifier.ledger import rows
from verifier.ledger.models import ContractRow, EntryRow

MAXIMUM_REFERENCE = 200


@dataclass(frozen=True)
class Deposit:
    """A deposit; ``created`` is false when the same reference was booked before."""

    created: bool
    escrow_nanos: int


def require_sound(amount_nanos: int, reference: str) -> None:
    """``BadInput`` USAGE unless amount and reference can be booked."""
    if not 0 < amount_nanos <= MAXIMUM_NANOS:
        raise BadInput(InputReason.USAGE, "amount: expected 1..2^63-1 nanos")
    if not (0 < len(reference) <= MAXIMUM_REFERENCE and reference.isprintable()):
        raise BadInput(
            InputReason.USAGE, f"reference: expected 1..{MAXIMUM_REFERENCE} printable characters"
        )


def book(
    session: Session, contract: ContractRow, amount_nanos: int, reference: str, now_ms: int
) -> Deposit:
    """Book a deposit; DEPOSIT_CONFLICT, or OVERFLOW when all of them pass 2^63-1 nanos."""
    terms_digest = contract.terms_digest
    balances = rows.read_balances(session, terms_digest)
    booked = _booked(session, terms_digest, reference)
    if booked is not None:
        if booked != amount_nanos:
            raise BadInput(
                InputReason.DEPOSIT_CONFLICT,
                f"reference {reference!r} was booked with {booked} nanos",
            )
        return Deposit(False, balances[Account.ESCROW])
    if amount_nanos - balances[Account.OUTSIDE] > MAXIMUM_NANOS:
        raise BadInput(InputReason.OVERFLOW, "all deposits together pass 2^63-1 nanos")
    entries = (Entry(Account.OUTSIDE, -amount_nanos), Entry(Account.ESCROW, amount_nanos))
    rows.post(session, contract, "deposit", reference, entries, now_ms)
    return Deposit(True, balances[Account.ESCROW] + amount_nanos)


def _booked(session: Session, terms_digest: bytes, reference: str) -> int | None:
    query = select(EntryRow.nanos).where(
        EntryRow.transaction_key == rows.transaction_key(terms_digest, "deposit", reference),
        EntryRow.account == Account.ESCROW.value,
    )
    return session.scalars(query).one_or_none()
