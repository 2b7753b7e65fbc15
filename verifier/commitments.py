"""Commitments to carried state as bytes: 32, eight field elements as little-endian words."""

from __future__ import annotations

import struct

from circuits.field import P
from circuits.state import Commitment

_WORDS = struct.Struct("<8I")
COMMITMENT_BYTES = _WORDS.size
NO_STATE = bytes(COMMITMENT_BYTES)


def encode_commitment(commitment: Commitment | None) -> bytes:
    """32 bytes; ``NO_STATE`` where nothing is carried."""
    return NO_STATE if commitment is None else _WORDS.pack(*commitment)


def decode_commitment(data: bytes) -> Commitment:
    """The commitment of 32 bytes; ``ValueError`` when one of its words is not below p."""
    words = _WORDS.unpack(data)
    if max(words) >= P:
        raise ValueError("state commitment not canonical")
    return words
