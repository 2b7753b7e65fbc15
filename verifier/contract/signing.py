"""A contract on disk: the TOML file and, beside it, each party's signature over its terms."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from nacl.signing import SigningKey

from circuits.errors import BadInput, InputReason, Reason, Rejected
from verifier.contract.fields import MAXIMUM_CONTRACT_BYTES
from verifier.contract.terms import Terms
from verifier.files import read_text
from verifier.signatures import TERMS_TAG, public_key, require_signature, sign

OPERATOR_SUFFIX = ".operator.sig"
SUPPLIER_SUFFIX = ".supplier.sig"
MAXIMUM_SIGNATURE_BYTES = 1024
_HEX_SIGNATURE = re.compile(r"[0-9a-fA-F]{128}")


def sign_terms(terms: Terms, key: SigningKey) -> bytes:
    """A party's 64-byte signature over the canonical terms."""
    return sign(key, TERMS_TAG, terms.canonical)


def verify_terms(terms: Terms, operator_signature: bytes, supplier_signature: bytes) -> None:
    """``CONTRACT_SIGNATURE`` unless both parties signed exactly these terms."""
    for role, signer, signature in (
        ("operator", terms.parties.operator, operator_signature),
        ("supplier", terms.parties.supplier, supplier_signature),
    ):
        _require_terms_signature(terms, role, signer, signature)


def _require_terms_signature(terms: Terms, role: str, signer: bytes, signature: bytes) -> None:
    require_signature(
        signer,
        TERMS_TAG,
        terms.canonical,
        signature,
        Reason.CONTRACT_SIGNATURE,
        f"the {role}'s signature is not over these terms",
    )


@dataclass(frozen=True)
class SignedContract:
    """Terms with the text they were read from and the signatures that lay beside it."""

    terms: Terms
    toml_text: str
    operator_signature: bytes | None
    supplier_signature: bytes | None

    def _party(self, role: str) -> tuple[bytes, bytes | None]:
        if role == "operator":
            return self.terms.parties.operator, self.operator_signature
        return self.terms.parties.supplier, self.supplier_signature

    def signature_holds(self, role: str) -> bool:
        """True when ``role`` ("operator" or "supplier") signed exactly these terms."""
        signer, signature = self._party(role)
        try:
            _require_terms_signature(self.terms, role, signer, signature or b"")
        except Rejected:
            return False
        return True

    def require_signed(self) -> SignedContract:
        """The contract itself; ``CONTRACT_UNSIGNED`` unless both parties signed these terms."""
        for role in ("operator", "supplier"):
            if self.signature_holds(role):
                continue
            what = (
                f"the {role} has not signed"
                if self._party(role)[1] is None
                else f"the {role}'s signature is not over these terms (altered after signing?)"
            )
            raise BadInput(InputReason.CONTRACT_UNSIGNED, f"contract {self.terms.name!r}: {what}")
        return self


def signature_path(contract: Path | str, suffix: str) -> Path:
    """Where a party's signature of the contract file lies."""
    return Path(f"{contract}{suffix}")


def _read_signature(path: Path) -> bytes | None:
    try:
        text = read_text(path, MAXIMUM_SIGNATURE_BYTES).strip()
    except BadInput as error:
        if error.reason is InputReason.FILE_MISSING:
            return None
        raise
    if not _HEX_SIGNATURE.fullmatch(text):
        raise BadInput(InputReason.CONTRACT_UNSIGNED, f"{path}: expected 128 hex digits")
    return bytes.fromhex(text)


def load_contract(path: Path | str) -> SignedContract:
    """Read a contract and the signatures beside it; whether they hold is for the caller to ask."""
    text = read_text(path, MAXIMUM_CONTRACT_BYTES)
    try:
        terms = Terms.from_toml(text)
    except BadInput as error:
        raise BadInput(error.reason, f"{path}: {error.message}") from None
    return SignedContract(
        terms,
        text,
        _read_signature(signature_path(path, OPERATOR_SUFFIX)),
        _read_signature(signature_path(path, SUPPLIER_SUFFIX)),
    )


def signature_suffix(terms: Terms, key: SigningKey) -> str:
    """Whose signature file a key writes; ``KEY`` when it is neither party's."""
    own = public_key(key)
    if own == terms.parties.operator:
        return OPERATOR_SUFFIX
    if own == terms.parties.supplier:
        return SUPPLIER_SUFFIX
    raise BadInput(
        InputReason.KEY,
        f"contract {terms.name!r}: this key is neither the operator's nor the supplier's",
    )
