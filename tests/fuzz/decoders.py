"""Targets that decode: checkpoints, claims, receipts, signature files and payment plans.

Cheap, so run most.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

from circuits.checkpoint import Link, Status, decode_checkpoint
from circuits.errors import BadInput, InputReason, Reason, Rejected
from circuits.field import P
from circuits.statement import StateLink
from tests.fuzz.target import Target, require
from tests.iota.samples import PLAN, SPONSORED
from tests.support import (
    DEVICE,
    NOW_MS,
    OPERATOR,
    SUPPLIER,
    Epoch,
    contract_text,
    pump_contract,
    record_epoch,
)
from verifier.claim import Claim, build_claim, decode_claim
from verifier.commitments import NO_STATE, encode_commitment
from verifier.contract import OPERATOR_SUFFIX, load_contract, sign_terms, signature_path
from verifier.iota.payment import MAXIMUM_U64, PaymentPlan, build
from verifier.iota.sdk import load
from verifier.receipt import NO_RECEIPT, Attestation, Receipt, decode_receipt
from verifier.signatures import public_key

CLAIM_REASONS = {
    Reason.CLAIM_SIZE,
    Reason.CLAIM_MALFORMED,
    Reason.CLAIM_VERSION,
    Reason.CHECKPOINT_MALFORMED,
}


@cache
def _epoch() -> Epoch:
    return record_epoch([3, 0, 2])


def _checkpoint(data: bytes) -> str:
    try:
        checkpoint = decode_checkpoint(data)
    except Rejected as refusal:
        require(refusal.reason is Reason.CHECKPOINT_MALFORMED, f"reason {refusal.reason}")
        return refusal.reason
    encoded = checkpoint.encode()
    require(encoded == data, "a checkpoint with two encodings")
    require(decode_checkpoint(encoded) == checkpoint, "decoding is not the inverse")
    require(len(checkpoint.digest) == 32, "digest")
    return "opening" if checkpoint.link is not None else "checkpoint"


def _checkpoint_seeds() -> list[bytes]:
    opening = _epoch().checkpoints[0].checkpoint
    linked = replace(opening, epoch=7, link=Link(6, 9, opening.start_ms - 5, opening.chain))
    flagged = replace(_epoch().checkpoints[1].checkpoint, flags=Status(63))
    plain = [signed.checkpoint for signed in _epoch().checkpoints]
    return [checkpoint.encode() for checkpoint in (*plain, linked, flagged)]


def _claim(data: bytes) -> str:
    try:
        claim = decode_claim(data)
    except Rejected as refusal:
        require(refusal.reason in CLAIM_REASONS, f"reason {refusal.reason}")
        return refusal.reason
    require(claim.encode() == data, "a claim with two encodings")
    require(decode_claim(claim.encode()) == claim, "decoding is not the inverse")
    require(len(claim.statement_digest) == 32 and claim.windows >= 1, "digest")
    return "claim" if claim.state is None else "claim with state"


def unproved_claim() -> Claim:
    """A signed claim whose proof is a few bytes of nothing."""
    terms = pump_contract().terms
    return build_claim(terms, _epoch().checkpoints, (1234,), 10, (20,), b"proof", OPERATOR)


def _claim_seeds() -> list[bytes]:
    claim = unproved_claim()
    later = replace(claim, checkpoints=claim.checkpoints[1:], proof=b"")
    wide = replace(claim, totals=(1, -1), totals_before=(0, 2**100), totals_after=(3, -(2**127)))
    carrying = replace(claim, state=StateLink(tuple(range(8)), (P - 1,) * 8))
    return [made.encode() for made in (claim, later, wide, carrying)]


def _receipt(data: bytes) -> str:
    try:
        receipt = decode_receipt(data)
    except BadInput as refusal:
        require(refusal.reason is InputReason.RECEIPT, f"reason {refusal.reason}")
        return refusal.reason
    require(receipt.encode() == data, "a receipt with two encodings")
    require(decode_receipt(receipt.encode()) == receipt, "decoding is not the inverse")
    try:
        receipt.require_signature(public_key(SUPPLIER))
    except BadInput as refusal:
        require(refusal.reason is InputReason.RECEIPT, f"reason {refusal.reason}")
        return "receipt unsigned"
    require(data in _receipt_seeds(), "an altered receipt with a valid signature")
    return "receipt" if receipt.state == NO_STATE else "receipt with state"


@cache
def _receipt_seeds() -> list[bytes]:
    receipt = Receipt(
        terms_digest=b"t" * 32,  # nothing here follows from code that changes: the corpus lasts
        sequence=1,
        previous=NO_RECEIPT,
        statement_digest=b"s" * 32,
        device=public_key(DEVICE),
        epoch=0,
        first_window=0,
        last_window=2,
        start_ms=NOW_MS - 1000,
        end_ms=NOW_MS,
        records=5,
        records_after=15,
        totals=(1234,),
        totals_after=(1254,),
        amount_nanos=7,
        cumulative_nanos=9,
        head=bytes(32),
        attestation=Attestation.DEVICE,
        flags=Status.NONE,
        unmetered_ms=0,
        accepted_ms=NOW_MS,
    )
    wide = replace(receipt, totals=(-1, 2**127 - 1), totals_after=(0, -(2**127)), sequence=2)
    none = replace(receipt, totals=(), totals_after=(), attestation=Attestation.GATEWAY)
    carrying = replace(receipt, state=encode_commitment((*range(7), P - 1)), sequence=3)
    return [each.signed(SUPPLIER).encode() for each in (receipt, wide, none, carrying)]


@cache
def _contract_file() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="zkmeter-fuzz-")
    _FOLDERS.append(folder)  # kept until the process ends
    path = Path(folder.name) / "c.toml"
    path.write_text(contract_text(), encoding="utf-8")
    return path


_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


def _signature(data: bytes) -> str:
    path = _contract_file()
    signature_path(path, OPERATOR_SUFFIX).write_bytes(data)
    try:
        contract = load_contract(path)
    except BadInput as refusal:
        expected = {InputReason.CONTRACT_UNSIGNED, InputReason.FILE_UNREADABLE}
        require(refusal.reason in expected, f"reason {refusal.reason}")
        return refusal.reason
    signature = contract.operator_signature or b""
    require(data.decode().strip().lower() == signature.hex(), "a signature that was not written")
    if not contract.signature_holds("operator"):
        return "signature of something else"
    require(signature == sign_terms(contract.terms, OPERATOR), "a signature nobody made")
    return "signature"


def _signature_seeds() -> list[bytes]:
    text = sign_terms(pump_contract().terms, OPERATOR).hex()
    return [f"{text}\n".encode(), text.upper().encode(), b"\xff"]


def _plan(data: bytes) -> str:
    try:
        plan = PaymentPlan.from_json(data)
    except BadInput as refusal:
        require(refusal.reason is InputReason.SETTLEMENT_PLAN, f"reason {refusal.reason}")
        return refusal.reason
    require(plan.to_json() == data, "a plan with two encodings")
    require(PaymentPlan.from_json(plan.to_json()) == plan, "decoding is not the inverse")
    built = build(plan)
    require(load().Transaction.from_bcs(built).to_bcs() == built, "a plan of no transaction")
    return "sponsored plan" if plan.sponsored else "plan"


def _plan_seeds() -> list[bytes]:
    largest = replace(PLAN, gas_price=MAXIMUM_U64, amount_nanos=MAXIMUM_U64, expiry_epoch=0)
    return [plan.to_json() for plan in (PLAN, SPONSORED, largest, replace(SPONSORED, anchor=None))]


DECODERS = (
    Target("checkpoint", _checkpoint, _checkpoint_seeds, 256, (b"ZKMc",)),
    Target("claim", _claim, _claim_seeds, 4096, (b"ZKMb", b"ZKMc", b"standard")),
    Target("receipt", _receipt, _receipt_seeds, 1024, (b"ZKMq",)),
    Target("signature file", _signature, _signature_seeds, 300),
    Target("payment plan", _plan, _plan_seeds, 4096, (b'"anchor":"', b'"coins":[],', b"0x", b"0")),
)
