"""The supplier's ledger: contracts, receipts and money, each change in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from threading import Lock

from nacl.signing import SigningKey
from sqlalchemy import select
from sqlalchemy.orm import Session

from circuits.errors import BadInput, InputReason, Reason, Rejected
from verifier.accept import (
    DEFAULT_CLOCK_SKEW_MS,
    Accepted,
    AcceptState,
    Account,
    DeviceConflict,
    Duplicate,
    ProofCheck,
    as_signed,
    decide,
)
from verifier.claim import Claim, decode_claim
from verifier.claim.checks import check_proof
from verifier.contract import SignedContract, Terms
from verifier.ledger import audit, deposits, gas, instructions, rows
from verifier.ledger.database import Database, open_database
from verifier.ledger.instructions import Instruction, InstructionKind
from verifier.ledger.models import (
    ClaimRow,
    ContractRow,
    DeviceRow,
    ReceiptRow,
)
from verifier.ledger.outbox import Outbox
from verifier.ledger.rows import Line
from verifier.receipt import Receipt
from verifier.signatures import public_key


@dataclass(frozen=True)
class Applied:
    """What became of a submitted claim; a duplicate carries the first receipt and paid nothing."""

    receipt: Receipt
    duplicate: bool
    outcomes: tuple[Fraction, ...]


def system_clock_ms() -> int:
    """Milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


class Ledger:
    """One store directory. Safe to share between threads and, through SQLite, processes.

    ``receipt_key`` is the supplier's key; without it nothing can be accepted, all else works.
    ``audit_rows`` bounds the refusals that are kept per reason.
    """

    def __init__(
        self,
        database: Database,
        receipt_key: SigningKey | None = None,
        *,
        clock: Callable[[], int] = system_clock_ms,
        clock_skew_ms: int = DEFAULT_CLOCK_SKEW_MS,
        audit_rows: int = audit.AUDIT_ROWS,
    ) -> None:
        self._database = database
        self._key = receipt_key
        self._clock = clock
        self._clock_skew_ms = clock_skew_ms
        self._audit_rows = audit_rows
        self._contracts: dict[bytes, SignedContract] = {}
        self._writer = Lock()  # threads queue here in order, processes at SQLite's own lock
        self.outbox = Outbox(self._writing, database.reading, clock)

    @classmethod
    def open(
        cls,
        directory: Path | str,
        receipt_key: SigningKey | None = None,
        *,
        create: bool = False,
        clock: Callable[[], int] = system_clock_ms,
        clock_skew_ms: int = DEFAULT_CLOCK_SKEW_MS,
        audit_rows: int = audit.AUDIT_ROWS,
    ) -> Ledger:
        """Open the store in ``directory``; STORE_MISSING, STORE_CORRUPT or WRITE_FAILED."""
        database = open_database(directory, create=create)
        return cls(
            database,
            receipt_key,
            clock=clock,
            clock_skew_ms=clock_skew_ms,
            audit_rows=audit_rows,
        )

    def close(self) -> None:
        """Release the store."""
        self._database.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        with self._writer, self._database.writing() as session:
            yield session

    # --- contracts ---

    def register(self, contract: SignedContract) -> bool:
        """Make a signed contract known; False when it was. CONTRACT_UNSIGNED, or KEY."""
        contract.require_signed()
        terms = contract.terms
        self._require_own_contract(contract)
        if contract.operator_signature is None or contract.supplier_signature is None:
            raise BadInput(InputReason.CONTRACT_UNSIGNED, f"contract {terms.name!r}")
        if terms.circuit_id is not None and terms.circuit_id != terms.circuit.identifier:
            raise BadInput(
                InputReason.CONTRACT_FIELD, "contract.circuit: not what the outcomes compile to"
            )
        with self._writing() as session:
            if session.get(ContractRow, terms.digest) is not None:
                return False
            session.add(
                ContractRow(
                    terms_digest=terms.digest,
                    name=terms.name,
                    currency=terms.currency,
                    toml=contract.toml_text,
                    operator_signature=contract.operator_signature,
                    supplier_signature=contract.supplier_signature,
                    registered_ms=self._clock(),
                )
            )
        return True

    def contracts(self) -> list[SignedContract]:
        """Every registered contract, oldest first."""
        with self._database.reading() as session:
            query = select(ContractRow).order_by(ContractRow.registered_ms, ContractRow.name)
            return [self._contract(row) for row in session.scalars(query)]

    def contract(self, terms_digest: bytes) -> SignedContract:
        """A registered contract; an unknown one is ``BadInput`` USAGE."""
        with self._database.reading() as session:
            return self._contract(_require_contract(session, terms_digest))

    def close_contract(self, terms_digest: bytes, author: str) -> bool:
        """Accept nothing more under a contract (CONTRACT_INACTIVE); repeats are still answered.

        False when it was closed before; there is no way back.
        """
        with self._writing() as session:
            _require_contract(session, terms_digest)
            if instructions.is_closed(session, terms_digest):
                return False
            self._instruct(session, InstructionKind.CLOSE, author, terms_digest=terms_digest)
            return True

    def is_closed(self, terms_digest: bytes) -> bool:
        """True once nothing more is accepted under a contract."""
        with self._database.reading() as session:
            return instructions.is_closed(session, terms_digest)

    def revoke_device(self, device: bytes, from_ms: int, author: str) -> None:
        """Refuse (DEVICE_REVOKED) what a device records after ``from_ms``; the last one counts."""
        if not any(c.terms.parties.device == device for c in self.contracts()):
            raise BadInput(InputReason.USAGE, f"no contract here names device {device.hex()}")
        with self._writing() as session:
            self._instruct(
                session, InstructionKind.REVOKE, author, device=device, moment_ms=from_ms
            )

    def waive(self, terms_digest: bytes, reason: Reason, until_ms: int, author: str) -> None:
        """Do not refuse claims that arrive until ``until_ms`` for CLAIM_LATE, or DEVICE_FLAGS.

        The last waiver of a reason counts, so an earlier time ends one.
        """
        kind = instructions.WAIVERS.get(reason)
        if kind is None:
            raise BadInput(InputReason.USAGE, f"{reason.value} cannot be waived")
        with self._writing() as session:
            _require_contract(session, terms_digest)
            self._instruct(session, kind, author, terms_digest=terms_digest, moment_ms=until_ms)

    def instructions(self) -> list[Instruction]:
        """Everything that was decided by hand, oldest first."""
        with self._database.reading() as session:
            return instructions.read_instructions(session)

    def _instruct(
        self,
        session: Session,
        kind: InstructionKind,
        author: str,
        *,
        terms_digest: bytes | None = None,
        device: bytes | None = None,
        moment_ms: int | None = None,
    ) -> None:
        decided = Instruction(self._clock(), author, kind, terms_digest, device, moment_ms)
        instructions.add(session, decided)

    def _contract(self, row: ContractRow) -> SignedContract:
        known = self._contracts.get(row.terms_digest)
        if known is None:
            known = self._contracts[row.terms_digest] = rows.read_contract(row)
        return known

    def _require_own_contract(self, contract: SignedContract) -> None:
        if self._key is not None and contract.terms.parties.supplier != public_key(self._key):
            raise BadInput(
                InputReason.KEY,
                f"contract {contract.terms.name!r}: its supplier's key is not this verifier's",
            )

    # --- claims ---

    def apply(self, claim_bytes: bytes, proof_check: ProofCheck = check_proof) -> Applied:
        """Decide on a claim and do what was decided; a refusal (``Rejected``) is audited.

        The proof is checked outside the writer transaction. That transaction gathers the state
        again and writes only if nothing of it has changed; else the decision is made anew.
        ``proof_check`` may compute ``check_proof`` elsewhere; what it raises besides is passed on.
        """
        claim: Claim | None = None
        try:
            claim = decode_claim(claim_bytes)
            return self._apply(claim, claim_bytes, proof_check)
        except Rejected as rejected:
            self._audit(rejected, claim)
            raise

    def _apply(self, claim: Claim, claim_bytes: bytes, proof_check: ProofCheck) -> Applied:
        while True:
            with self._database.reading() as session:
                state = self._state(session, claim)
            decision = decide(claim, state, self._clock(), proof_check)
            if isinstance(decision, Duplicate):
                return self._applied(claim, state, decision.receipt, duplicate=True)
            accepted = self._sign(decision, state)
            with self._writing() as session:
                if self._state(session, claim) == state:
                    contract = _require_contract(session, claim.terms_digest)
                    rows.record(session, contract, accepted, claim_bytes)
                    return self._applied(claim, state, accepted.receipt, duplicate=False)

    def recover(
        self, claim_bytes: bytes, receipt: Receipt, proof_check: ProofCheck = check_proof
    ) -> bool:
        """Take back a claim that a restored store has lost, under the receipt that it had.

        It is decided again at the time of the receipt, whose signature stands for what the supplier
        decided by hand: waivers, revocations and closing do not count. Earlier claims and deposits
        must be there. False when it is there already. ``Rejected``, audited, as in ``apply``;
        ``BadInput`` RECEIPT for a receipt that the supplier did not sign, or not for this.
        """
        claim = decode_claim(claim_bytes)
        try:
            return self._recover(claim, claim_bytes, receipt, proof_check)
        except Rejected as rejected:
            self._audit(rejected, claim)
            raise

    def _recover(
        self, claim: Claim, claim_bytes: bytes, receipt: Receipt, proof_check: ProofCheck
    ) -> bool:
        while True:
            with self._database.reading() as session:
                state = self._state(session, claim)
                held = rows.read_balances(session, claim.terms_digest)[Account.ESCROW]
            if state.contract is not None:
                receipt.require_signature(state.contract.terms.parties.supplier)
            decision = decide(claim, as_signed(state, held), receipt.accepted_ms, proof_check)
            if decision.receipt.digest != receipt.digest:
                raise BadInput(InputReason.RECEIPT, f"receipt {receipt.sequence}: not its claim's")
            if isinstance(decision, Duplicate):
                return False
            with self._writing() as session:
                if self._state(session, claim) == state:
                    contract = _require_contract(session, claim.terms_digest)
                    rows.record(session, contract, replace(decision, receipt=receipt), claim_bytes)
                    return True

    @staticmethod
    def _applied(claim: Claim, state: AcceptState, receipt: Receipt, *, duplicate: bool) -> Applied:
        outcomes: tuple[Fraction, ...] = ()
        if state.contract is not None:
            outcomes = state.contract.terms.outcome_values(claim.totals)
        return Applied(receipt, duplicate, outcomes)

    def _state(self, session: Session, claim: Claim) -> AcceptState:
        row = session.get(ContractRow, claim.terms_digest)
        if row is None:
            return AcceptState(contract=None)
        repeat = rows.find_receipt(session, claim.statement_digest)
        return AcceptState(
            contract=self._contract(row),
            active=not instructions.is_closed(session, claim.terms_digest),
            device=rows.read_device(session, claim.first.device),
            head=rows.read_head(session, claim.terms_digest),
            escrow_nanos=_free_nanos(session, self._contract(row).terms),
            receipts={} if repeat is None else {claim.statement_digest: repeat},
            seen=rows.read_seen(session, claim),
            clock_skew_ms=self._clock_skew_ms,
            late_until_ms=instructions.waived_until_ms(
                session, claim.terms_digest, InstructionKind.WAIVE_LATE
            ),
            flags_until_ms=instructions.waived_until_ms(
                session, claim.terms_digest, InstructionKind.WAIVE_FLAGS
            ),
        )

    def _sign(self, accepted: Accepted, state: AcceptState) -> Accepted:
        if self._key is None or state.contract is None:
            raise BadInput(InputReason.KEY, "the supplier's key is needed to sign receipts")
        self._require_own_contract(state.contract)
        return replace(accepted, receipt=accepted.receipt.signed(self._key))

    def _freeze(self, conflict: DeviceConflict) -> None:
        with self._writing() as session:
            device = conflict.later.checkpoint.device
            if session.get(DeviceRow, device) is not None:
                return  # the first evidence stays
            session.add(
                DeviceRow(
                    device=device,
                    frozen_ms=self._clock(),
                    earlier_checkpoint=conflict.earlier.checkpoint.encode(),
                    earlier_signature=conflict.earlier.signature,
                    later_checkpoint=conflict.later.checkpoint.encode(),
                    later_signature=conflict.later.signature,
                )
            )

    def _audit(self, rejected: Rejected, claim: Claim | None) -> None:
        if isinstance(rejected, DeviceConflict):
            self._freeze(rejected)
        with self._writing() as session:
            audit.record_refusal(session, rejected, claim, self._clock(), self._audit_rows)

    # --- money ---

    def deposit(self, terms_digest: bytes, amount_nanos: int, reference: str) -> deposits.Deposit:
        """Fund a contract's escrow. A repeat of the reference changes nothing.

        ``BadInput``: USAGE, OVERFLOW, or DEPOSIT_CONFLICT for a reference with another amount.
        """
        deposits.require_sound(amount_nanos, reference)
        with self._writing() as session:
            contract = _require_contract(session, terms_digest)
            return deposits.book(session, contract, amount_nanos, reference, self._clock())

    def balances(self, terms_digest: bytes) -> dict[Account, int]:
        """The balance of every account of a contract, derived from its entries."""
        with self._database.reading() as session:
            _require_contract(session, terms_digest)
            return rows.read_balances(session, terms_digest)

    def lines(self, terms_digest: bytes) -> list[Line]:
        """Every ledger line of a contract in the order it was written."""
        with self._database.reading() as session:
            return rows.read_lines(session, terms_digest)

    # --- looking back ---

    def receipt(self, statement_digest: bytes) -> Receipt | None:
        """The receipt of a statement, if it was accepted."""
        with self._database.reading() as session:
            return rows.find_receipt(session, statement_digest)

    def receipts(
        self, terms_digest: bytes, first_sequence: int = 1, limit: int | None = None
    ) -> list[Receipt]:
        """A contract's receipts from a sequence number on, in the order of their chain."""
        query = (
            select(ReceiptRow.encoded)
            .where(ReceiptRow.terms_digest == terms_digest, ReceiptRow.sequence >= first_sequence)
            .order_by(ReceiptRow.sequence)
            .limit(limit)
        )
        with self._database.reading() as session:
            return [rows.read_receipt(encoded) for encoded in session.scalars(query)]

    def claim(self, statement_digest: bytes) -> bytes | None:
        """The bytes of an accepted claim, for replay."""
        with self._database.reading() as session:
            row = session.get(ClaimRow, statement_digest)
            return None if row is None else row.encoded

    def refusals(self) -> list[audit.Refusal]:
        """The audit log, oldest first."""
        with self._database.reading() as session:
            return audit.read_refusals(session)


def _free_nanos(session: Session, terms: Terms) -> int:
    held = rows.read_balances(session, terms.digest)[Account.ESCROW]
    return max(0, held - gas.reserve_nanos(session, terms))


def _require_contract(session: Session, terms_digest: bytes) -> ContractRow:
    row = session.get(ContractRow, terms_digest)
    if row is None:
        raise BadInput(InputReason.USAGE, f"no contract with terms {terms_digest.hex()} here")
    return row
