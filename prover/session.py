"""How readings are encrypted from a device to its operator: one X25519 agreement per boot, one
XChaCha20-Poly1305 stream per window.

The device signs its X25519 key of the session, so only the contract's device can open one; only
the holder of the operator's X25519 secret can read it. Byte for byte what libsodium does on the
device.
"""

from __future__ import annotations

import hashlib
import struct

import nacl.bindings as sodium
from nacl.exceptions import CryptoError

from circuits.errors import BadInput, InputReason, Reason, Rejected
from prover.frames import FrameType, SessionFrame, encode_frame
from verifier.signatures import require_signature

SESSION_TAG = b"ZKMd"
KEY_BYTES = 32
HEADER_BYTES = sodium.crypto_secretstream_xchacha20poly1305_HEADERBYTES
TAG_MESSAGE = sodium.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
TAG_FINAL = sodium.crypto_secretstream_xchacha20poly1305_TAG_FINAL
_SESSION_LABEL = b"zkmeter session 1"
_WINDOW_LABEL = b"zkmeter window 1"
_CLOCK_LABEL = b"zkmeter clock 1"
_CLOCK_TAG_BYTES = 16
_PLACE = struct.Struct("<II")
_CLOCK = struct.Struct("<QI")
_ASSOCIATED = struct.Struct("<IIH")


def x25519_public(secret: bytes) -> bytes:
    """The public key (32 bytes) of an X25519 secret of 32 bytes."""
    return bytes(sodium.crypto_scalarmult_base(secret))


def shared_key(secret: bytes, other: bytes) -> bytes | None:
    """X25519 of a secret and the other side's public key; None where it is all zero."""
    try:
        shared = bytes(sodium.crypto_scalarmult(secret, other))
    except CryptoError:  # libsodium refuses points of small order itself
        return None
    return shared if any(shared) else None


def session_key(shared: bytes, ephemeral: bytes, operator: bytes) -> bytes:
    """The session's key (32 bytes) from the shared secret and both public keys."""
    text = _SESSION_LABEL + shared + ephemeral + operator
    return hashlib.blake2b(text, digest_size=KEY_BYTES).digest()


def window_key(session: bytes, epoch: int, index: int) -> bytes:
    """The key (32 bytes) of the window that checkpoint ``index`` of ``epoch`` opens."""
    text = _WINDOW_LABEL + _PLACE.pack(epoch, index)
    return hashlib.blake2b(text, digest_size=KEY_BYTES, key=session).digest()


def clock_command(session: bytes, time_ms: int, count: int) -> bytes:
    """The frame that sets the device's clock, after it obeyed ``count`` such in this session."""
    fields = _CLOCK.pack(time_ms, count)
    text = _CLOCK_LABEL + fields
    tag = hashlib.blake2b(text, digest_size=_CLOCK_TAG_BYTES, key=session).digest()
    return encode_frame(FrameType.CLOCK, fields + tag)


def require_session_signature(session: SessionFrame) -> None:
    """``FRAME`` unless the device that the frame names signed it."""
    try:
        require_signature(
            session.device,
            SESSION_TAG,
            session.message,
            session.signature,
            Reason.CHECKPOINT_SIGNATURE,
        )
    except Rejected:
        raise BadInput(
            InputReason.FRAME, f"the session frame of epoch {session.epoch} is not signed"
        ) from None


def open_session(operator_secret: bytes, session: SessionFrame) -> bytes:
    """The session's key on the operator's side; ``FRAME`` where the device's key is no good."""
    shared = shared_key(operator_secret, session.ephemeral)
    if shared is None:
        raise BadInput(
            InputReason.FRAME, f"the session of epoch {session.epoch} has a key of small order"
        )
    return session_key(shared, session.ephemeral, x25519_public(operator_secret))


class WindowStream:
    """One window's stream of messages, for writing or for reading; messages go in order.

    Both ends start from the same key and header and stay equal from there.
    """

    def __init__(self, session: bytes, epoch: int, index: int, header: bytes) -> None:
        self._place = (epoch, index)
        self._sequence = 0
        self._state = sodium.crypto_secretstream_xchacha20poly1305_state()
        # the library's init_push draws the header itself; its init_pull takes one and gives the
        # same state
        sodium.crypto_secretstream_xchacha20poly1305_init_pull(
            self._state, header, window_key(session, epoch, index)
        )

    def seal(self, plain: bytes, *, final: bool) -> bytes:
        """The next message, 17 bytes longer than ``plain``."""
        tag = TAG_FINAL if final else TAG_MESSAGE
        message = sodium.crypto_secretstream_xchacha20poly1305_push(
            self._state, plain, self._associated(), tag
        )
        self._sequence += 1
        return bytes(message)

    def open(self, message: bytes) -> tuple[bytes, int] | None:
        """Plain bytes and tag of the next message; None unless it is exactly what was sealed."""
        if len(message) < sodium.crypto_secretstream_xchacha20poly1305_ABYTES:
            return None
        try:
            plain, tag = sodium.crypto_secretstream_xchacha20poly1305_pull(
                self._state, message, self._associated()
            )
        except CryptoError:
            return None
        self._sequence += 1
        return bytes(plain), int(tag)

    def _associated(self) -> bytes:
        return _ASSOCIATED.pack(*self._place, self._sequence)
