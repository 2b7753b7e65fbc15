"""From a receipt to the transaction that paid it, as one file that anybody can check.

The file holds the contract, the receipt, its path to the Merkle root, the payment's plan and
signatures, and what the network said. Checked in this order:

1. the contract is signed by both parties, the receipt by its supplier;
2. the plan is a payment of the contract's escrow to its payee, and carries the root;
3. the path leads from the receipt to that root;
4. the escrow (and a sponsor) signed the transaction that the plan builds;
5. the effects are that transaction's and say that it succeeded;
6. a checkpoint has it, as the node said that was asked then. Only a node can say so again.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import rfc8785

from circuits.errors import BadInput, InputReason
from verifier.contract import SignedContract, Terms
from verifier.contract.settlement import SettlementTerms
from verifier.iota import anchor
from verifier.iota.escrow import Escrow, verify_single
from verifier.iota.node import Mark
from verifier.iota.payment import Digest, PaymentPlan, build, digest, signing_digest
from verifier.iota.sdk import load
from verifier.receipt import Receipt, decode_receipt

FORMAT = "zkmeter-anchor-1"
MAXIMUM_EVIDENCE_BYTES = 1 << 20
_FIELDS = {
    "format": str, "contract": str, "operator_signature": str, "supplier_signature": str,
    "receipt": str, "index": int, "count": int, "path": list, "plan": str, "signatures": list,
    "effects": str, "checkpoint": dict,
}  # fmt: skip
_MARK_FIELDS = {"sequence": int, "digest": str, "timestamp": str}


def refuse(message: str) -> BadInput:
    """The exception that says where the way from the receipt breaks off; the caller raises it."""
    return BadInput(InputReason.ANCHOR, message)


@dataclass(frozen=True)
class Evidence:
    """The file's content. ``effects`` (BCS) are empty and ``checkpoint`` None while unknown.

    The receipt is number ``index`` (from 0) of the ``count`` receipts that the payment settles.
    """

    contract: SignedContract
    receipt: Receipt
    index: int
    count: int
    path: tuple[bytes, ...]
    plan: PaymentPlan
    signatures: tuple[str, ...]
    effects: bytes = b""
    checkpoint: Mark | None = None

    def encode(self) -> bytes:
        """RFC 8785 JSON; ``decode_evidence`` is the inverse."""
        contract, mark = self.contract, self.checkpoint
        document: dict[str, Any] = {
            "format": FORMAT,
            "contract": contract.toml_text,
            "operator_signature": (contract.operator_signature or b"").hex(),
            "supplier_signature": (contract.supplier_signature or b"").hex(),
            "receipt": self.receipt.encode().hex(),
            "index": self.index,
            "count": self.count,
            "path": [sibling.hex() for sibling in self.path],
            "plan": self.plan.to_json().decode(),
            "signatures": list(self.signatures),
            "effects": base64.b64encode(self.effects).decode(),
        }
        if mark is not None:
            document["checkpoint"] = {
                "sequence": mark.sequence,
                "digest": mark.digest,
                "timestamp": mark.timestamp,
            }
        return rfc8785.dumps(document)

    def check(self) -> Digest:
        """Check everything that needs no network; the transaction's digest.

        ``ANCHOR``, or the reason of the part that is wrong (CONTRACT_UNSIGNED, RECEIPT,
        IOTA_SIGNATURE).
        """
        terms = self.contract.require_signed().terms
        self.receipt.require_signature(terms.parties.supplier)
        if self.receipt.terms_digest != terms.digest:
            raise refuse("the receipt is of another contract")
        if terms.settlement is None:
            raise refuse("the contract has no table [settlement]")
        self._check_plan(terms.settlement)
        transaction = build(self.plan)
        named = digest(transaction)
        check_signatures(transaction, self.plan, self.signatures)
        if self.effects:
            _check_effects(self.effects, named)
        elif self.checkpoint is not None:
            raise refuse("a checkpoint without effects")
        return named

    def _check_plan(self, settlement: SettlementTerms) -> None:
        plan = self.plan
        paid = plan.network, plan.sender, plan.payee
        if paid != (settlement.network, Escrow(settlement).address, settlement.payee):
            raise refuse("the plan is no payment from the contract's escrow to its payee")
        if plan.anchor is None:
            raise refuse("the payment carries no root: the contract says anchor = false")
        anchor.verify(plan.anchor, self.receipt.digest, self.index, self.count, self.path)


def check_signatures(transaction: bytes, plan: PaymentPlan, signatures: Sequence[str]) -> None:
    """The escrow signed first, then the sponsor where there is one; else ``ANCHOR``."""
    if len(signatures) != 1 + plan.sponsored:
        raise refuse(f"{len(signatures)} signatures")
    sdk = load()
    try:
        parsed = sdk.UserSignature.from_base64(signatures[0])
        multisig = parsed.as_opt_multisig()
        if multisig is None or multisig.committee().derive_address().to_hex() != plan.sender:
            raise refuse("not the escrow's signature")
        sdk.UserSignatureVerifier().verify(signing_digest(transaction), parsed)
    except sdk.SdkFfiError:
        raise refuse("the escrow did not sign this transaction") from None
    if plan.sponsored:
        verify_single(transaction, signatures[1], plan.gas_owner)


def _check_effects(encoded: bytes, named: Digest) -> None:
    sdk = load()
    try:
        effects = sdk.TransactionEffects.from_bcs(encoded).as_v1()
        ours = bytes(effects.transaction_digest().to_bytes()) == named.data
        success = bool(effects.status().is_SUCCESS())
    except sdk.SdkFfiError:
        raise refuse("the effects cannot be read") from None
    if not (ours and success):
        raise refuse("the effects are not those of this payment")


def decode_evidence(data: bytes) -> Evidence:
    """The inverse of ``encode``; ``ANCHOR`` on any other bytes."""
    if len(data) > MAXIMUM_EVIDENCE_BYTES:
        raise refuse(f"longer than {MAXIMUM_EVIDENCE_BYTES} bytes")
    try:
        document = json.loads(data)
        evidence = _read(_object(document, _FIELDS, optional="checkpoint"))
        canonical = evidence.encode() == data
    except (ValueError, RecursionError):
        raise refuse("not an evidence file of this version") from None
    if not canonical:
        raise refuse("not in canonical form")
    return evidence


def _read(fields: dict[str, Any]) -> Evidence:
    if fields["format"] != FORMAT:
        raise refuse("not an evidence file of this version")
    text = fields["contract"]
    signed = SignedContract(
        Terms.from_toml(text),
        text,
        bytes.fromhex(fields["operator_signature"]),
        bytes.fromhex(fields["supplier_signature"]),
    )
    mark = fields.get("checkpoint")
    return Evidence(
        contract=signed,
        receipt=decode_receipt(bytes.fromhex(fields["receipt"])),
        index=fields["index"],
        count=fields["count"],
        path=tuple(bytes.fromhex(sibling) for sibling in _texts(fields["path"])),
        plan=PaymentPlan.from_json(fields["plan"].encode()),
        signatures=_texts(fields["signatures"]),
        effects=base64.b64decode(fields["effects"], validate=True),
        checkpoint=None if mark is None else _mark(_object(mark, _MARK_FIELDS)),
    )


def _mark(fields: dict[str, Any]) -> Mark:
    mark = Mark(**fields)
    if mark.sequence < 0 or not (mark.digest + mark.timestamp).isprintable():
        raise ValueError("checkpoint")  # it is shown on terminals
    return mark


def _texts(values: list[object]) -> tuple[str, ...]:
    if not all(isinstance(value, str) for value in values):
        raise ValueError("types")
    return tuple(str(value) for value in values)


def _object(value: object, fields: dict[str, type], optional: str = "") -> dict[str, Any]:
    if (
        not isinstance(value, dict)
        or not fields.keys() - {optional} <= value.keys() <= fields.keys()
    ):
        raise ValueError("fields")
    if any(type(item) is not fields[name] for name, item in value.items()):
        raise ValueError("types")
    return value
