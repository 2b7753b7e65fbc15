"""An operator that co-signs and a supplier that may lie, without a network between them.

The supplier is made of plain values: it signs whatever receipts and proposes whatever plans a test
wants. The operator is the real one, with its record and its statements on disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from circuits.checkpoint import Status
from prover.cosigner import Answer, Cosigner
from prover.settlement import Checked, check_proposal
from prover.settlement_recovery import Decisions, Recovery, recover
from prover.signed_plans import SignedPlan, open_signed_plans
from prover.statements import Counted, Span, open_statements
from tests.support import DEVICE, NOW_MS, SUPPLIER, contract_text, signed
from verifier.contract import SignedContract, Terms
from verifier.iota import anchor
from verifier.iota.escrow import Escrow
from verifier.iota.node import Node
from verifier.iota.payment import CoinRef, PaymentPlan, build
from verifier.iota.sdk import load
from verifier.iota.wallet import Wallet
from verifier.receipt import NO_RECEIPT, Attestation, Receipt
from verifier.rpc.client import Proposal
from verifier.signatures import public_key

NETWORK = "6364aad5"
GAS_PRICE, GAS_BUDGET, EXPIRY = 1000, 50_000_000, 1
TOTALS_PER_CLAIM = (7 * 60_000_000, 11 * 60_000_000, 13 * 60_000_000, 5 * 60_000_000)


def wallet(name: str) -> Wallet:
    """A wallet that is the same in every run."""
    return Wallet(load().Ed25519PrivateKey(hashlib.sha256(name.encode()).digest()))


OPERATOR_WALLET, SUPPLIER_WALLET, STRANGER_WALLET = (
    wallet(name) for name in ("operator wallet", "supplier wallet", "stranger wallet")
)


def terms_with(**fields: object) -> Terms:
    """The terms of ``contract_with``."""
    return contract_with(**fields).terms


@cache
def contract_with(**fields: object) -> SignedContract:
    """The test contract with a settlement table; fields replace or add to its own."""
    table: dict[str, object] = {
        "network": NETWORK,
        "operator_key": OPERATOR_WALLET.public_key,
        "supplier_key": SUPPLIER_WALLET.public_key,
        "payee": SUPPLIER_WALLET.address,
    } | fields
    lines = [f"{key} = {_toml(value)}" for key, value in table.items()]
    text = contract_text() + "[settlement]\n" + "\n".join(lines) + "\n"
    return signed(Terms.from_toml(text), text)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else f'"{value}"'


def coin(name: str, version: int = 3) -> CoinRef:
    """A coin object that is named; its digest follows from name and version."""
    identifier = hashlib.sha256(name.encode()).digest()
    return CoinRef(identifier, version, hashlib.sha256(f"{name} {version}".encode()).digest())


def make_receipts(
    terms: Terms, totals: Sequence[int] = TOTALS_PER_CLAIM, **changes: Any
) -> list[Receipt]:
    """A signed chain, one receipt per claim over one window each; ``changes`` go into the last."""
    receipts: list[Receipt] = []
    previous, cumulative, total = NO_RECEIPT, 0, 0
    for at, own in enumerate(totals):
        total += own
        owed = terms.cumulative_nanos((total,))
        receipt = Receipt(
            terms_digest=terms.digest,
            sequence=at + 1,
            previous=previous,
            statement_digest=hashlib.sha256(f"statement {at}".encode()).digest(),
            device=public_key(DEVICE),
            epoch=0,
            first_window=at,
            last_window=at,
            start_ms=NOW_MS,
            end_ms=NOW_MS + 1,
            records=1,
            records_after=at + 1,
            totals=(own,),
            totals_after=(total,),
            amount_nanos=owed - cumulative,
            cumulative_nanos=owed,
            head=claim_end(at),
            attestation=Attestation.DEVICE,
            flags=Status.NONE,
            unmetered_ms=0,
            accepted_ms=NOW_MS,
        )
        if at == len(totals) - 1:
            receipt = replace(receipt, **changes)
        receipts.append(receipt.signed(SUPPLIER))
        previous, cumulative = receipt.digest, owed
    return receipts


def claim_end(at: int) -> bytes:
    """The digest of the checkpoint where the operator's claim over window ``at`` ended."""
    return hashlib.sha256(f"checkpoint {at}".encode()).digest()


@dataclass
class Supplier:
    """What the operator's client talks to: receipts and proposals as a test wants them."""

    receipt_list: list[Receipt]
    proposal_list: list[Proposal] = field(default_factory=list)
    cosigned: list[tuple[int, bytes, list[str]]] = field(default_factory=list)

    def proposals(self, terms_digest: bytes) -> list[Proposal]:
        return self.proposal_list

    def receipts(self, terms_digest: bytes, first_sequence: int = 1) -> Iterator[Receipt]:
        yield from self.receipt_list[first_sequence - 1 :]

    def cosign(
        self, terms_digest: bytes, batch: int, digest: bytes, signatures: Sequence[str]
    ) -> str:
        self.cosigned.append((batch, digest, list(signatures)))
        return "PROPOSED"


class Site:
    """The operator's directories with one claim per window, and a supplier to answer."""

    def __init__(self, directory: Path, terms: Terms | None = None, *, claims: int = 4) -> None:
        self.terms = terms or terms_with()
        settlement = self.terms.settlement
        assert settlement is not None
        self.settlement = settlement
        self.escrow = Escrow(settlement).address
        self.store, self.keys = directory / "store", directory / "keys"
        totals = TOTALS_PER_CLAIM[:claims]
        with open_statements(self.keys) as statements:
            for at in range(claims):
                span = Span(self.terms.digest, public_key(DEVICE), 0, at, at)
                counted = Counted((sum(totals[: at + 1]),), at + 1, {})
                digest = hashlib.sha256(f"statement {at}".encode()).digest()
                statements.record(span, digest, claim_end(at), counted)
        with open_signed_plans(self.store) as record:
            record.begin(OPERATOR_WALLET.public_key)
        self.supplier = Supplier(make_receipts(self.terms, totals))
        self.node: Node | None = None

    def plan(self, first: int, last: int, *coins: CoinRef, **changes: Any) -> PaymentPlan:
        """What an honest supplier would propose for receipts first..last."""
        paid = self.supplier.receipt_list[first - 1 : last]
        digests = [receipt.digest for receipt in paid]
        sponsor = self.settlement.gas_owner
        own = coins or (coin("one"),)
        plan = PaymentPlan(
            network=self.settlement.network,
            sender=self.escrow,
            coins=own if sponsor else (),
            gas_coins=(coin("gas"),) if sponsor else own,
            gas_owner=sponsor or self.escrow,
            gas_price=GAS_PRICE,
            gas_budget=GAS_BUDGET,
            expiry_epoch=EXPIRY,
            amount_nanos=sum(receipt.amount_nanos for receipt in paid),
            payee=self.settlement.payee,
            anchor=anchor.root(digests) if self.settlement.anchor else None,
        )
        return replace(plan, **changes)

    def propose(self, first: int, last: int, *coins: CoinRef, **changes: Any) -> Proposal:
        """That plan as the only open proposal."""
        plan = self.plan(first, last, *coins, **changes)
        proposal = Proposal(1, plan.to_json(), build(plan), first, last)
        self.supplier.proposal_list = [proposal]
        return proposal

    def run(self, signer: Wallet = OPERATOR_WALLET, now_ms: int = NOW_MS) -> list[Answer]:
        """One round of the operator."""
        with (
            open_signed_plans(self.store) as record,
            open_statements(self.keys) as statements,
        ):
            cosigner = Cosigner(
                self.terms,
                signer,
                self.supplier,  # type: ignore[arg-type]
                record,
                statements,
                lambda: now_ms,
                self.node,
            )
            return cosigner.run()

    def recover(self, **decisions: Any) -> Recovery:
        """Take into the record what the node shows."""
        assert self.node is not None
        with (
            open_signed_plans(self.store) as record,
            open_statements(self.keys) as statements,
        ):
            return recover(
                self.terms,
                OPERATOR_WALLET,
                record,
                statements,
                lambda first: self.supplier.receipts(self.terms.digest, first),
                self.node,
                Decisions(**decisions),
            )

    def check(self, proposal: Proposal) -> Checked:
        """What the operator would sign, short of the record."""
        with open_statements(self.keys) as statements:
            return check_proposal(
                proposal,
                self.terms,
                [],
                lambda first: self.supplier.receipts(self.terms.digest, first),
                statements,
                NOW_MS,
            )

    def signed(self) -> list[SignedPlan]:
        """What the operator's record holds."""
        with open_signed_plans(self.store) as record:
            return record.plans()

    def kept_receipts(self) -> int:
        """How many receipts the operator's record holds."""
        with open_signed_plans(self.store) as record:
            return len(record.receipts(self.terms.digest))
