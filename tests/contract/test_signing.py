"""Signatures over terms: made, checked, refused; and the libraries' own known answers."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import rfc8785
from nacl.signing import SigningKey

from circuits.checkpoint import Checkpoint, Link
from circuits.errors import BadInput, InputReason, Reason, Rejected
from tests.prover.rig import Rig, make_rig
from verifier.contract import SUPPLIER_SUFFIX, sign_terms, signature_path, verify_terms
from verifier.keys import load_keys
from verifier.signatures import (
    TERMS_TAG,
    VOUCHER_TAG,
    public_key,
    require_checkpoint_signature,
    require_signature,
    sign,
    sign_checkpoint,
)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return make_rig(tmp_path)


def test_both_parties_signed(rig: Rig) -> None:
    contract = rig.load()
    assert contract.require_signed() is contract
    operator, supplier = contract.operator_signature, contract.supplier_signature
    assert operator is not None
    assert supplier is not None
    verify_terms(contract.terms, operator, supplier)
    with pytest.raises(Rejected) as caught:
        verify_terms(contract.terms, supplier, operator)
    assert caught.value.reason is Reason.CONTRACT_SIGNATURE


def unsigned(rig: Rig) -> str:
    with pytest.raises(BadInput) as caught:
        rig.load().require_signed()
    assert caught.value.reason is InputReason.CONTRACT_UNSIGNED
    return caught.value.message


def test_a_missing_signature_names_the_party(rig: Rig) -> None:
    signature_path(rig.contract, SUPPLIER_SUFFIX).unlink()
    assert "the supplier has not signed" in unsigned(rig)


def test_altered_terms_are_unsigned_but_comments_may_change(rig: Rig) -> None:
    text = rig.contract.read_text(encoding="utf-8")
    rig.contract.write_text(text + "# a note\n", encoding="utf-8")
    rig.load().require_signed()
    rig.contract.write_text(text.replace('price = "0.002"', 'price = "0.02"'), encoding="utf-8")
    assert "altered" in unsigned(rig)


def test_a_damaged_signature_file_is_named(rig: Rig) -> None:
    path = signature_path(rig.contract, SUPPLIER_SUFFIX)
    path.write_text("not a signature\n", encoding="utf-8")
    assert path.name in unsigned(rig)


def test_a_terms_signature_is_no_other_signature(rig: Rig) -> None:
    terms, key = rig.terms, load_keys(rig.operator)
    signature = sign_terms(terms, key)
    require_signature(
        public_key(key), TERMS_TAG, terms.canonical, signature, Reason.CONTRACT_SIGNATURE
    )
    with pytest.raises(Rejected) as caught:
        require_signature(
            public_key(key), VOUCHER_TAG, terms.canonical, signature, Reason.VOUCHER_SIGNATURE
        )
    assert caught.value.reason is Reason.VOUCHER_SIGNATURE


@pytest.mark.parametrize("signer", [b"", bytes(32), b"\xff" * 32, bytes(33)])
@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(64), b"\xff" * 64])
def test_any_bytes_are_refused_with_the_reason(signer: bytes, signature: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        require_signature(signer, TERMS_TAG, b"message", signature, Reason.OPERATOR_SIGNATURE)
    assert caught.value.reason is Reason.OPERATOR_SIGNATURE


def test_checkpoint_signature() -> None:
    key = SigningKey.generate()
    chain = (1,) * 8
    checkpoint = Checkpoint(public_key(key), 0, 0, 0, 0, 5, 5, bytes(32), chain, link=Link())
    signature = sign_checkpoint(key, checkpoint)
    require_checkpoint_signature(checkpoint, signature)
    changed = bytearray(signature)
    changed[3] ^= 1
    with pytest.raises(Rejected) as caught:
        require_checkpoint_signature(checkpoint, bytes(changed))
    assert caught.value.reason is Reason.CHECKPOINT_SIGNATURE


def test_ed25519_known_answer() -> None:
    """RFC 8032, section 7.1, tests 1 and 2."""
    for seed, public, message, signature in (
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            (
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bac"
                "c61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
            ),
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            (
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e"
                "458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
            ),
        ),
    ):
        key = SigningKey(bytes.fromhex(seed))
        assert public_key(key).hex() == public
        assert sign(key, b"", bytes.fromhex(message)).hex() == signature


def test_rfc_8785_known_answer() -> None:
    """RFC 8785, section 3.2.3: keys sort by UTF-16 code units."""
    document = {
        "€": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew", "1": "One", "😀": "Smiley",
        "\x80": "Control", "ö": "o umlaut",
    }  # fmt: skip
    assert rfc8785.dumps(document).decode() == (
        '{"\\r":"Carriage Return","1":"One","\x80":"Control","ö":"o umlaut","€":"Euro Sign",'
        '"😀":"Smiley","\ufb33":"Hebrew"}'
    )


def test_hash_known_answers() -> None:
    """RFC 7693 appendix B (BLAKE2s-256) and FIPS 180-4 (SHA-256), both of "abc"."""
    assert hashlib.blake2s(b"abc").hexdigest() == (
        "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982"
    )
    assert hashlib.sha256(b"abc").hexdigest() == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
