"""Making a claim: amounts and voucher follow from the terms, the operator signs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from circuits.errors import BadInput, InputReason
from circuits.statement import StateLink
from verifier.claim.encoding import (
    MAXIMUM_NANOS,
    TOTAL_BYTES,
    Claim,
    SignedCheckpoint,
    Voucher,
)
from verifier.contract import Terms
from verifier.signatures import STATEMENT_TAG, VOUCHER_TAG, sign

if TYPE_CHECKING:
    from nacl.signing import SigningKey

_MAXIMUM_TOTAL = 2 ** (8 * TOTAL_BYTES - 1) - 1


def build_claim(
    terms: Terms,
    signed_checkpoints: Sequence[SignedCheckpoint],
    totals: Sequence[int],
    records_before: int,
    totals_before: Sequence[int],
    proof: bytes,
    operator_key: SigningKey,
    state: StateLink | None = None,
) -> Claim:
    """The signed claim over these checkpoints; amount and voucher follow from the terms.

    ``state`` is there exactly when the contract carries state.

    ``BadInput`` OVERFLOW when an amount leaves 0..2^63-1 nanos or a cumulative total 128 bits.
    """
    records_after = records_before + sum(
        signed.checkpoint.records_in_window for signed in signed_checkpoints[1:]
    )
    totals_after = tuple(
        before + total for before, total in zip(totals_before, totals, strict=True)
    )
    amount = terms.amount_nanos(totals_before, totals_after)
    cumulative = terms.cumulative_nanos(totals_after)
    if not (0 <= amount <= MAXIMUM_NANOS and 0 <= cumulative <= MAXIMUM_NANOS):
        raise BadInput(InputReason.OVERFLOW, f"amount of {amount} nanos is not in 0..2^63-1")
    if any(abs(total) > _MAXIMUM_TOTAL for total in totals_after):
        raise BadInput(InputReason.OVERFLOW, "a cumulative total does not fit 128 bits")
    unsigned = Claim(
        terms_digest=terms.digest,
        circuit_id=terms.circuit.identifier,
        parameter_set=terms.parameter_set,
        checkpoints=tuple(signed_checkpoints),
        totals=tuple(totals),
        records_before=records_before,
        totals_before=tuple(totals_before),
        records_after=records_after,
        totals_after=totals_after,
        amount_nanos=amount,
        voucher=sign_voucher(terms.digest, cumulative, operator_key),
        proof=proof,
        signature=b"",
        state=state,
    )
    return sign_claim(unsigned, operator_key)


def sign_claim(claim: Claim, operator_key: SigningKey) -> Claim:
    """The claim with the operator's signature made anew."""
    return replace(claim, signature=sign(operator_key, STATEMENT_TAG, claim.message()))


def sign_voucher(terms_digest: bytes, cumulative_nanos: int, operator_key: SigningKey) -> Voucher:
    """The operator's signed word that it owes ``cumulative_nanos`` in all."""
    voucher = Voucher(terms_digest, cumulative_nanos, b"")
    return replace(voucher, signature=sign(operator_key, VOUCHER_TAG, voucher.message()))
