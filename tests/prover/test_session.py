"""Keys and streams against libsodium's own functions, and what does not open."""

from __future__ import annotations

import struct

import nacl.bindings as sodium
import pytest
from nacl.encoding import RawEncoder
from nacl.hash import blake2b
from nacl.public import PrivateKey
from nacl.signing import SigningKey

from circuits.errors import BadInput, InputReason
from prover.frames import SessionFrame
from prover.session import (
    SESSION_TAG,
    TAG_FINAL,
    TAG_MESSAGE,
    WindowStream,
    open_session,
    require_session_signature,
    session_key,
    shared_key,
    window_key,
    x25519_public,
)
from verifier.signatures import public_key, sign

DEVICE = SigningKey(b"d" * 32)
OPERATOR, EPHEMERAL = b"o" * 32, b"e" * 32
SESSION = session_key(b"shared" * 5 + b"!!", b"e" * 32, b"o" * 32)
HEADER = bytes(range(24))


def signed_session(ephemeral: bytes, key: SigningKey = DEVICE) -> SessionFrame:
    bare = SessionFrame(public_key(DEVICE), 3, ephemeral, b"s" * 32, b"")
    signature = sign(key, SESSION_TAG, bare.message)
    return SessionFrame(bare.device, bare.epoch, ephemeral, bare.schema, signature)


def test_both_sides_agree_as_libsodium_says() -> None:
    operator, ephemeral = PrivateKey(OPERATOR), PrivateKey(EPHEMERAL)
    shared = sodium.crypto_scalarmult(OPERATOR, bytes(ephemeral.public_key))
    assert shared_key(EPHEMERAL, bytes(operator.public_key)) == shared
    text = b"zkmeter session 1" + shared + bytes(ephemeral.public_key) + bytes(operator.public_key)
    expected = blake2b(text, digest_size=32, encoder=RawEncoder)
    assert open_session(OPERATOR, signed_session(bytes(ephemeral.public_key))) == expected
    assert x25519_public(OPERATOR) == bytes(operator.public_key)
    inner = blake2b(
        b"zkmeter window 1" + struct.pack("<II", 3, 5), key=expected, encoder=RawEncoder
    )
    assert window_key(expected, 3, 5) == inner
    assert len({window_key(expected, e, i) for e in range(3) for i in range(3)}) == 9


def test_another_operator_gets_another_key() -> None:
    session = signed_session(x25519_public(EPHEMERAL))
    assert open_session(b"p" * 32, session) != open_session(OPERATOR, session)


@pytest.mark.parametrize("point", [bytes(32), b"\x01" + bytes(31)])
def test_a_key_of_small_order_is_refused(point: bytes) -> None:
    assert shared_key(OPERATOR, point) is None
    with pytest.raises(BadInput) as caught:
        open_session(OPERATOR, signed_session(point))
    assert caught.value.reason is InputReason.FRAME


def test_only_the_device_signs_a_session() -> None:
    ephemeral = x25519_public(EPHEMERAL)
    good = signed_session(ephemeral)
    require_session_signature(good)
    message = b"ZKMd" + struct.pack("<H32sI32s32s", 1, good.device, 3, ephemeral, b"s" * 32)
    assert good.signature == DEVICE.sign(message).signature
    for bad in (
        signed_session(ephemeral, SigningKey(b"x" * 32)),
        SessionFrame(good.device, 4, good.ephemeral, good.schema, good.signature),
        SessionFrame(good.device, 3, bytes(32), good.schema, good.signature),
        SessionFrame(good.device, 3, good.ephemeral, bytes(32), good.signature),
    ):
        with pytest.raises(BadInput) as caught:
            require_session_signature(bad)
        assert caught.value.reason is InputReason.FRAME


def test_libsodiums_own_stream_is_read() -> None:
    state = sodium.crypto_secretstream_xchacha20poly1305_state()
    header = sodium.crypto_secretstream_xchacha20poly1305_init_push(
        state, window_key(SESSION, 3, 5)
    )
    reader = WindowStream(SESSION, 3, 5, header)
    for sequence, tag in enumerate((TAG_MESSAGE, TAG_MESSAGE, TAG_FINAL)):
        plain = bytes([sequence]) * (100 * sequence)
        message = sodium.crypto_secretstream_xchacha20poly1305_push(
            state, plain, struct.pack("<IIH", 3, 5, sequence), tag
        )
        assert reader.open(message) == (plain, tag)


def test_what_is_sealed_is_opened() -> None:
    writer, reader = (WindowStream(SESSION, 3, 5, HEADER) for _ in range(2))
    for number in range(4):
        message = writer.seal(b"x" * number, final=number == 3)
        assert len(message) == number + 17
        assert reader.open(message) == (b"x" * number, TAG_FINAL if number == 3 else TAG_MESSAGE)


def test_nothing_else_opens() -> None:
    first = WindowStream(SESSION, 3, 5, HEADER)
    messages = [first.seal(b"reading", final=False) for _ in range(2)]
    for place in ((3, 6), (4, 5)):
        assert WindowStream(SESSION, *place, HEADER).open(messages[0]) is None
    assert WindowStream(bytes(32), 3, 5, HEADER).open(messages[0]) is None
    assert WindowStream(SESSION, 3, 5, bytes(24)).open(messages[0]) is None
    assert WindowStream(SESSION, 3, 5, HEADER).open(messages[1]) is None  # out of order
    for at in range(len(messages[0])):
        altered = bytearray(messages[0])
        altered[at] ^= 1
        assert WindowStream(SESSION, 3, 5, HEADER).open(bytes(altered)) is None
    assert WindowStream(SESSION, 3, 5, HEADER).open(messages[0][:-1]) is None
    assert WindowStream(SESSION, 3, 5, HEADER).open(b"short") is None
