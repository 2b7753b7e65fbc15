"""The settlement outbox: what receipts oblige to pay, netted into batches with a fixed life.

NEW -> PROPOSED -> SIGNED -> EXECUTED -> FINAL | FAILED. Every step is one transaction that
compares the state it leaves; FINAL books the payment, FAILED lets its obligations be netted again.
A contract has at most one batch that is neither. FAILED is what a node said: a batch that turns out
to be alive goes back to where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from circuits.errors import BadInput, InputReason
from verifier.accept import Account, Entry
from verifier.ledger import gas, netting, rows
from verifier.ledger.batches import (
    FOLLOWERS,
    OPEN,
    Batch,
    BatchState,
    Prepared,
    read_batch,
    write_signatures,
)
from verifier.ledger.models import (
    BatchRow,
    ContractRow,
    EvidenceRow,
    LeaseRow,
    OutboxRow,
    ReceiptRow,
    ShareRow,
)

_MAXIMUM_DETAIL = 500


@dataclass(frozen=True)
class Owed:
    """What one contract's receipts oblige to pay and no batch covers yet.

    ``oldest_ms`` is when the first of these receipts was given.
    """

    terms_digest: bytes
    currency: str
    amount_nanos: int
    receipts: int
    oldest_ms: int


Opener = Callable[[], AbstractContextManager[Session]]


class Outbox:
    """The ledger's side of settlement. A batch that it does not know is ``BadInput`` USAGE."""

    def __init__(self, writing: Opener, reading: Opener, clock: Callable[[], int]) -> None:
        self._writing = writing
        self._reading = reading
        self._clock = clock

    # --- netting ---

    def owed(self) -> list[Owed]:
        """What is owed and not yet netted, per contract."""
        query = (
            select(
                OutboxRow.terms_digest,
                OutboxRow.currency,
                func.sum(OutboxRow.amount_nanos),
                func.count(),
                func.min(OutboxRow.sequence),
            )
            .where(OutboxRow.batch.is_(None))
            .group_by(OutboxRow.terms_digest, OutboxRow.currency)
        )
        with self._reading() as session:
            return [
                Owed(
                    terms,
                    currency,
                    nanos,
                    count,
                    netting.receipt_of(session, terms, first).accepted_ms,
                )
                for terms, currency, nanos, count, first in session.execute(query)
            ]

    def net(self, terms_digest: bytes) -> Batch | None:
        """Put everything that a contract owes into one NEW batch.

        None when it owes nothing, or while another batch of it is open.
        """
        with self._writing() as session:
            if netting.open_batch(session, terms_digest) is not None:
                return None
            obligations = netting.owed_up_to(session, terms_digest)
            if not obligations:
                return None
            now_ms = self._clock()
            row = BatchRow(
                terms_digest=terms_digest,
                currency=obligations[0].currency,
                state=BatchState.NEW.value,
                detail="",
                created_ms=now_ms,
                updated_ms=now_ms,
            )
            netting.cover(session, row, obligations)
            return read_batch(row)

    def adopt(
        self,
        terms_digest: bytes,
        span: tuple[int, int],
        prepared: Prepared,
        signatures: tuple[str, ...],
    ) -> Batch:
        """The contract's NEW batch becomes SIGNED, for a payment made without this store.

        It was for the receipts ``span``, the first that are owed; the NEW batch, which nobody has
        seen, lets go of all others. ``BadInput`` SETTLEMENT_STATE as in ``proposed``, without a NEW
        batch, or where these receipts are not owed first.
        """
        with self._writing() as session:
            row = netting.open_batch(session, terms_digest)
            if row is None or row.state != BatchState.NEW.value or row.first_sequence != span[0]:
                what = f"receipts {span[0]} to {span[1]} are in no new settlement batch"
                raise BadInput(InputReason.SETTLEMENT_STATE, what)
            session.execute(update(OutboxRow).where(OutboxRow.batch == row.id).values(batch=None))
            obligations = netting.owed_up_to(session, terms_digest, span[1])
            if not obligations or obligations[-1].sequence != span[1]:
                raise rows.corrupt(f"receipt {span[1]} is not owed, and in no settlement")
            netting.cover(session, row, obligations)
            netting.give_payment(session, row, prepared)
            row.state, row.signatures = BatchState.SIGNED.value, write_signatures(signatures)
            row.updated_ms = self._clock()
            return read_batch(row)

    # --- looking ---

    def batches(
        self,
        states: Collection[BatchState] = tuple(BatchState),
        terms_digest: bytes | None = None,
    ) -> list[Batch]:
        """Batches in any of these states (of one contract, if given), oldest first."""
        query = select(BatchRow).where(BatchRow.state.in_([s.value for s in states]))
        if terms_digest is not None:
            query = query.where(BatchRow.terms_digest == terms_digest)
        with self._reading() as session:
            return [read_batch(row) for row in session.scalars(query.order_by(BatchRow.id))]

    def batch(self, batch_id: int) -> Batch:
        """One batch."""
        with self._reading() as session:
            return read_batch(_require(session, batch_id))

    def proposals(self, terms_digest: bytes) -> list[Batch]:
        """A contract's payments that wait for signatures (at most one)."""
        return self.batches((BatchState.PROPOSED,), terms_digest)

    def settlements(self, terms_digest: bytes) -> list[Batch]:
        """A contract's batches in every state, oldest first."""
        return self.batches(terms_digest=terms_digest)

    def receipts_of(self, batch: Batch) -> list[bytes]:
        """The encoded receipts that a batch settles, in the order of their chain.

        Receipts of nothing (amount 0) between the others are among them.
        """
        query = (
            select(ReceiptRow.encoded)
            .where(
                ReceiptRow.terms_digest == batch.terms_digest,
                ReceiptRow.sequence.between(batch.first_sequence, batch.last_sequence),
            )
            .order_by(ReceiptRow.sequence)
        )
        with self._reading() as session:
            found = list(session.scalars(query))
        if len(found) != batch.last_sequence - batch.first_sequence + 1:
            raise rows.corrupt(f"receipts of settlement batch {batch.id} are missing")
        return found

    def leases(self) -> frozenset[bytes]:
        """Every coin version that a batch spends, or has spent."""
        with self._reading() as session:
            return frozenset(session.scalars(select(LeaseRow.coin)))

    def evidence(self, batch: Batch) -> dict[BatchState, bytes]:
        """What showed that a batch reached its states, in the gateway's own format."""
        query = select(EvidenceRow).where(EvidenceRow.batch == batch.id)
        with self._reading() as session:
            return {BatchState(row.state): row.document for row in session.scalars(query)}

    def failed(self, terms_digest: bytes) -> list[Batch]:
        """The FAILED batches of receipts that no other batch covers since, newest first."""
        with self._reading() as session:
            unpaid = netting.settled_up_to(session, terms_digest)
        found = self.batches((BatchState.FAILED,), terms_digest)
        paid = [batch for batch in found if batch.digest]  # or nothing was ever proposed
        return [batch for batch in reversed(paid) if batch.first_sequence > unpaid]

    # --- signatures of others ---

    def shares(self, batch: Batch) -> dict[str, str]:
        """The signatures that others gave for a batch's payment, by public key."""
        query = select(ShareRow).where(ShareRow.batch == batch.id).order_by(ShareRow.signer)
        with self._reading() as session:
            return {row.signer: row.signature for row in session.scalars(query)}

    def add_shares(self, batch_id: int, digest: bytes, shares: Mapping[str, str]) -> bool:
        """Keep signatures (by signer) of a PROPOSED batch, all or none; True if one of them is new.

        Repeats change nothing, in any later state too. The caller has checked the signatures.
        ``BadInput`` SETTLEMENT_STATE when the batch is not PROPOSED, has another digest, or a
        signer gave another signature before.
        """
        with self._writing() as session:
            row = _require(session, batch_id)
            query = select(ShareRow).where(ShareRow.batch == batch_id)
            known = {share.signer: share.signature for share in session.scalars(query)}
            new = {signer: text for signer, text in shares.items() if known.get(signer) != text}
            open_for_it = row.state == BatchState.PROPOSED.value and known.keys().isdisjoint(new)
            if row.digest != digest or (new and not open_for_it):
                raise BadInput(
                    InputReason.SETTLEMENT_STATE,
                    f"settlement batch {batch_id} is {row.state} and takes no such signature",
                )
            session.add_all(
                ShareRow(batch=batch_id, signer=signer, signature=text)
                for signer, text in new.items()
            )
            return bool(new)

    # --- moving ---

    def proposed(self, batch: Batch, prepared: Prepared) -> Batch:
        """NEW to PROPOSED: the gateway's bytes and the leases are on disk before anyone signs.

        ``BadInput`` SETTLEMENT_STATE also when another batch has one of the coins, or had the very
        same payment.
        """
        with self._writing() as session:
            row = self._move(session, batch, BatchState.PROPOSED, "")
            netting.give_payment(session, row, prepared)
            return read_batch(row)

    def signed(self, batch: Batch, signatures: tuple[str, ...]) -> Batch:
        """PROPOSED to SIGNED: every signature is on disk before anything is sent."""
        with self._writing() as session:
            row = self._move(session, batch, BatchState.SIGNED, "")
            row.signatures = write_signatures(signatures)
            return read_batch(row)

    def moved(
        self,
        batch: Batch,
        state: BatchState,
        detail: str = "",
        evidence: bytes = b"",
        *,
        spent: bool = True,
        gas_nanos: int = 0,
    ) -> Batch:
        """To EXECUTED, FINAL (books payable to settled) or FAILED (owed again).

        Only a FAILED batch whose coins were not ``spent`` gives its leases back. ``gas_nanos`` left
        the escrow besides. ``BadInput`` SETTLEMENT_STATE for a FINAL payment on chain without
        evidence.
        """
        with self._writing() as session:
            row = self._move(session, batch, state, detail)
            if state is BatchState.FINAL and row.plan and not evidence:
                raise BadInput(
                    InputReason.SETTLEMENT_STATE, f"settlement batch {row.id}: no evidence"
                )
            if state is not BatchState.EXECUTED:
                gas.book(session, row, gas_nanos, self._clock())
            if evidence:
                session.add(EvidenceRow(batch=row.id, state=state.value, document=evidence))
            if state is BatchState.FINAL:
                contract = session.get_one(ContractRow, row.terms_digest)
                entries = (
                    Entry(Account.PAYABLE, -row.amount_nanos),
                    Entry(Account.SETTLED, row.amount_nanos),
                )
                rows.post(session, contract, "settlement", str(row.id), entries, self._clock())
            if state is BatchState.FAILED:
                freed = update(OutboxRow).where(OutboxRow.batch == row.id).values(batch=None)
                session.execute(freed)
                if not spent:
                    session.execute(delete(LeaseRow).where(LeaseRow.batch == row.id))
            return read_batch(row)

    def revived(self, batch: Batch, leases: Collection[bytes], detail: str) -> Batch:
        """A FAILED batch that may execute after all: as it was, SIGNED or PROPOSED, leases too.

        The evidence that it could not goes, and a NEW batch of its receipts gives way: nobody has
        seen that. ``BadInput`` SETTLEMENT_STATE where its receipts or coins are in another batch.
        """
        former = BatchState.SIGNED if batch.signatures else BatchState.PROPOSED
        with self._writing() as session:
            row = _require(session, batch.id)
            taken = select(LeaseRow.batch).where(
                LeaseRow.coin.in_(leases), LeaseRow.batch != row.id
            )
            netting.let_go(session, row)
            if (
                row.state != BatchState.FAILED.value
                or netting.open_batch(session, row.terms_digest) is not None
                or row.first_sequence <= netting.settled_up_to(session, row.terms_digest)
                or session.scalars(taken.limit(1)).first() is not None
            ):
                raise BadInput(
                    InputReason.SETTLEMENT_STATE,
                    f"settlement batch {row.id} is {row.state}, not to become {former}",
                )
            self._take_back(session, row)
            row.state, row.detail = former.value, detail[:_MAXIMUM_DETAIL]
            row.updated_ms = self._clock()
            session.flush()
            session.execute(delete(EvidenceRow).where(EvidenceRow.batch == row.id))
            session.execute(delete(LeaseRow).where(LeaseRow.batch == row.id))
            session.add_all(LeaseRow(coin=coin, batch=row.id) for coin in leases)
            return read_batch(row)

    @staticmethod
    def _take_back(session: Session, row: BatchRow) -> None:
        """The obligations that the batch pays, which must all be free and come to its amount."""
        query = select(OutboxRow).where(
            OutboxRow.terms_digest == row.terms_digest,
            OutboxRow.sequence.between(row.first_sequence, row.last_sequence),
            OutboxRow.batch.is_(None),
        )
        obligations = session.scalars(query).all()
        if sum(obligation.amount_nanos for obligation in obligations) != row.amount_nanos:
            raise rows.corrupt(f"settlement batch {row.id} is not what its receipts come to")
        for obligation in obligations:
            obligation.batch = row.id

    def noted(self, batch: Batch, detail: str) -> Batch:
        """Say why an open batch waits; changes nothing else, and nothing once it has moved on."""
        detail = detail[:_MAXIMUM_DETAIL]
        with self._writing() as session:
            row = _require(session, batch.id)
            if row.state == batch.state.value and batch.state in OPEN and row.detail != detail:
                row.detail, row.updated_ms = detail, self._clock()
            return read_batch(row)

    def _move(self, session: Session, batch: Batch, state: BatchState, detail: str) -> BatchRow:
        row = _require(session, batch.id)
        if row.state != batch.state.value or state not in FOLLOWERS[batch.state]:
            raise BadInput(
                InputReason.SETTLEMENT_STATE,
                f"settlement batch {batch.id} is {row.state}, not to become {state}",
            )
        row.state, row.detail = state.value, detail[:_MAXIMUM_DETAIL]
        row.updated_ms = self._clock()
        return row


def _require(session: Session, batch_id: int) -> BatchRow:
    row = session.get(BatchRow, batch_id)
    if row is None:
        raise BadInput(InputReason.USAGE, f"no settlement batch {batch_id} here")
    return row
