"""The claim: its canonical bytes, how it is made, and the checks that need no head."""

from verifier.claim.build import build_claim, sign_claim, sign_voucher
from verifier.claim.checks import CheckedClaim, check_claim, check_span
from verifier.claim.encoding import (
    MAXIMUM_CHECKPOINTS,
    MAXIMUM_CLAIM_BYTES,
    MAXIMUM_NANOS,
    Claim,
    SignedCheckpoint,
    Voucher,
    decode_claim,
)

__all__ = [
    "MAXIMUM_CHECKPOINTS",
    "MAXIMUM_CLAIM_BYTES",
    "MAXIMUM_NANOS",
    "CheckedClaim",
    "Claim",
    "SignedCheckpoint",
    "Voucher",
    "build_claim",
    "check_claim",
    "check_span",
    "decode_claim",
    "sign_claim",
    "sign_voucher",
]
