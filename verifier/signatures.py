"""Ed25519 over tagged messages.

Every signed message is a four-byte tag followed by canonical bytes, one tag per kind of message, so
that a signature made for one kind can never be presented as another. A checkpoint's own encoding
starts with its tag.
"""

from __future__ import annotations

from nacl.exceptions import CryptoError
from nacl.signing import SigningKey, VerifyKey

from circuits.checkpoint import Checkpoint
from circuits.errors import Reason, Rejected

SIGNATURE_BYTES = 64
PUBLIC_KEY_BYTES = 32

TERMS_TAG = b"ZKMt"
STATEMENT_TAG = b"ZKMs"
VOUCHER_TAG = b"ZKMv"
RECEIPT_TAG = b"ZKMr"


def public_key(key: SigningKey) -> bytes:
    """The 32 bytes that others verify with."""
    return bytes(key.verify_key)


def sign(key: SigningKey, tag: bytes, message: bytes) -> bytes:
    """The 64-byte signature over ``tag || message``; ``tag`` is one of this module's constants."""
    return bytes(key.sign(tag + message).signature)


def sign_checkpoint(key: SigningKey, checkpoint: Checkpoint) -> bytes:
    """The device's signature over a checkpoint's bytes, which carry their own tag."""
    return sign(key, b"", checkpoint.encode())


def require_signature(
    signer: bytes, tag: bytes, message: bytes, signature: bytes, reason: Reason, detail: str = ""
) -> None:
    """Raise ``Rejected(reason, detail)`` unless ``signature`` is ``signer``'s over the message.

    Any bytes at all may be given as key and signature.
    """
    try:
        VerifyKey(signer).verify(tag + message, signature)
    except (CryptoError, ValueError, TypeError):
        raise Rejected(reason, detail) from None


def require_checkpoint_signature(checkpoint: Checkpoint, signature: bytes) -> None:
    """``CHECKPOINT_SIGNATURE`` unless the device named in the checkpoint signed exactly it."""
    require_signature(
        checkpoint.device,
        b"",
        checkpoint.encode(),
        signature,
        Reason.CHECKPOINT_SIGNATURE,
        f"epoch {checkpoint.epoch} checkpoint {checkpoint.index}",
    )
