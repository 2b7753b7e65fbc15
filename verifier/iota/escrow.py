"""The escrow: an address whose coins move only when two of the committee's members sign.

There is no refund by time-out: a member who is gone locks the coins of a 2-of-2 escrow.
"""

from __future__ import annotations

from collections.abc import Sequence

from circuits.errors import BadInput, InputReason
from verifier.contract.settlement import THRESHOLD, SettlementTerms
from verifier.iota.payment import signing_digest
from verifier.iota.sdk import key_text, load


class Escrow:
    """The multisig account of a contract's settlement terms; ``IOTA_SDK`` without the SDK."""

    def __init__(self, terms: SettlementTerms) -> None:
        sdk = load()
        self.members = terms.committee
        keys = [sdk.PublicKey.from_base64(key) for key in self.members]
        members = [sdk.MultisigMember(key, 1) for key in keys]
        self._committee = sdk.MultisigCommittee(members, THRESHOLD)
        self.address: str = self._committee.derive_address().to_hex()

    def is_member(self, public_key: str) -> bool:
        """True for a committee member's key (base64 with flag)."""
        return public_key in self.members

    def verify_share(self, transaction_bytes: bytes, signature: str) -> str:
        """The member whose signature over the transaction this is; else ``IOTA_SIGNATURE``."""
        signer, _ = _verify(transaction_bytes, signature)
        if not self.is_member(signer):
            raise _refuse("the signer is no member of the escrow's committee")
        return signer

    def combine(self, transaction_bytes: bytes, member_signatures: Sequence[str]) -> str:
        """The escrow's signature, base64, from those of two members or more, in any order.

        The same members always give the same text: of more than the threshold the first in the
        committee's order count. ``IOTA_SIGNATURE`` on a wrong, foreign or missing one.
        """
        sdk = load()
        shares = {self.verify_share(transaction_bytes, text): text for text in member_signatures}
        if len(shares) < THRESHOLD:
            raise _refuse(f"{len(shares)} of {THRESHOLD} members signed")
        chosen = [shares[key] for key in self.members if key in shares][:THRESHOLD]
        try:
            transaction = sdk.Transaction.from_bcs(transaction_bytes)
            aggregator = sdk.MultisigAggregator.new_with_transaction(self._committee, transaction)
            for text in chosen:
                aggregator.add_signature(sdk.UserSignature.from_base64(text))
            return str(sdk.UserSignature.new_multisig(aggregator.finish()).to_base64())
        except sdk.SdkFfiError:
            raise _refuse("the members' signatures do not combine") from None


def verify_single(transaction_bytes: bytes, signature: str, address: str) -> None:
    """``IOTA_SIGNATURE`` unless the single key that ``address`` derives from signed this."""
    _, derived = _verify(transaction_bytes, signature)
    if derived != address:
        raise _refuse("the signer's key does not belong to the address")


def _verify(transaction_bytes: bytes, signature: str) -> tuple[str, str]:
    """The key (base64 with flag) and address of a single Ed25519 signer over the transaction."""
    sdk = load()
    try:
        parsed = sdk.UserSignature.from_base64(signature)
        simple = parsed.as_opt_simple()
        if simple is None or not simple.is_ed25519() or parsed.to_base64() != signature:
            raise _refuse("expected base64 of one Ed25519 signature")
        sdk.UserSignatureVerifier().verify(signing_digest(transaction_bytes), parsed)
        public = simple.ed25519_public_key()
        return key_text(public), str(public.derive_address().to_hex())
    except sdk.SdkFfiError:
        raise _refuse("not a signature over this transaction") from None


def _refuse(message: str) -> BadInput:
    return BadInput(InputReason.IOTA_SIGNATURE, message)
