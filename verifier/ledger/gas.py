"""Gas that an escrow pays for its own settlements: set aside while they run, booked once final.

What is booked leaves the escrow for the network: from ESCROW to OUTSIDE, where deposits come from.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from verifier.accept import Account, Entry
from verifier.contract import Terms
from verifier.ledger import rows
from verifier.ledger.batches import OPEN
from verifier.ledger.models import BatchRow, ContractRow, EntryRow


def reserve_nanos(session: Session, terms: Terms) -> int:
    """What must be in the escrow beyond what is owed, so that all of it can be settled.

    One settlement's budget for what is in no batch yet, and one for the batch that is open. 0 where
    somebody else pays the gas, or where nothing is settled on chain.
    """
    settlement = terms.settlement
    if settlement is None or settlement.gas_owner is not None:
        return 0
    states = [state.value for state in OPEN]
    query = select(BatchRow.id).where(
        BatchRow.terms_digest == terms.digest, BatchRow.state.in_(states)
    )
    settlements = 1 + (session.scalars(query.limit(1)).first() is not None)
    return settlements * settlement.gas_budget_nanos


def book(session: Session, batch: BatchRow, nanos: int, now_ms: int) -> None:
    """Book what the escrow paid for a batch's transaction in all (negative: got back).

    Again, it books the difference: what was shown of a batch that lived again was not so.
    """
    reference = f"batch {batch.id}"
    booked = times = 0
    while (known := _booked(session, batch.terms_digest, f"{reference}.{times}")) is not None:
        booked, times = booked + known, times + 1
    if nanos == booked:
        return
    contract = session.get_one(ContractRow, batch.terms_digest)
    left = nanos - booked
    entries = (Entry(Account.ESCROW, -left), Entry(Account.OUTSIDE, left))
    rows.post(session, contract, "gas", f"{reference}.{times}", entries, now_ms)


def _booked(session: Session, terms_digest: bytes, reference: str) -> int | None:
    query = select(EntryRow.nanos).where(
        EntryRow.transaction_key == rows.transaction_key(terms_digest, "gas", reference),
        EntryRow.account == Account.OUTSIDE.value,
    )
    return session.scalars(query).one_or_none()
