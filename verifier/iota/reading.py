"""A settlement's transaction as a node's index holds it, read back into its plan.

What is read proves nothing by itself: bytes count if they have the digest that was asked for, a
plan if ``build`` makes exactly these bytes of it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from circuits.errors import BadInput
from verifier.iota.payment import (
    DIGEST_BYTES,
    TRANSACTION_INTENT,
    TRANSACTION_PREFIX,
    CoinRef,
    PaymentPlan,
    build,
)
from verifier.iota.sdk import load

_SIGNED_PREFIX = b"\x01" + TRANSACTION_INTENT  # a vector of one signed transaction
_LENGTH_BITS = range(0, 35, 7)  # of a ULEB128 up to 2^32
_MORE = 0x80


def split_signed(content: bytes, digest: bytes) -> tuple[bytes, tuple[str, ...]] | None:
    """The bytes and signatures (base64) of the transaction with this 32-byte digest.

    ``content`` is a node's `SenderSignedData` in BCS; None where it holds no such transaction.
    Signatures that cannot be told apart are left out.
    """
    begin = len(_SIGNED_PREFIX)
    if not content.startswith(_SIGNED_PREFIX):
        return None
    hashed = hashlib.blake2b(TRANSACTION_PREFIX, digest_size=DIGEST_BYTES)
    for end in range(begin + 1, len(content) + 1):
        hashed.update(content[end - 1 : end])
        if hashed.copy().digest() == digest:
            return content[begin:end], _signatures(content[end:])
    return None


def read_plan(transaction_bytes: bytes, network: str) -> PaymentPlan | None:
    """The plan of which ``build`` makes these bytes; None where there is none."""
    sdk = load()
    try:
        transaction = json.loads(sdk.Transaction.from_bcs(transaction_bytes).to_json())["V1"]
        inputs = transaction["kind"]["Programmable"]["inputs"]
        coins = [one["ImmutableOrOwned"] for one in inputs if "ImmutableOrOwned" in one]
        amount, payee, *anchors = (base64.b64decode(one["Pure"]) for one in inputs[len(coins) :])
        gas = transaction["gas_payment"]
        plan = PaymentPlan(
            network=network,
            sender=transaction["sender"],
            coins=tuple(_reference(sdk, coin) for coin in coins),
            gas_coins=tuple(_reference(sdk, coin) for coin in gas["objects"]),
            gas_owner=gas["owner"],
            gas_price=int(gas["price"]),
            gas_budget=int(gas["budget"]),
            expiry_epoch=int(transaction["expiration"]["Epoch"]),
            amount_nanos=int.from_bytes(amount, "little"),
            payee=f"0x{payee.hex()}",
            anchor=anchors[0] if anchors else None,
        )
        return plan if build(plan) == transaction_bytes else None
    except (LookupError, TypeError, ValueError, BadInput, sdk.SdkFfiError):
        return None


def _reference(sdk: Any, coin: Any) -> CoinRef:
    return CoinRef(
        bytes(sdk.ObjectId.from_hex(coin["object_id"]).to_bytes()),
        int(coin["version"]),
        bytes(sdk.ObjectDigest.from_base58(coin["digest"]).to_bytes()),
    )


def _signatures(data: bytes) -> tuple[str, ...]:
    """A BCS vector of byte vectors; none where it is anything else."""
    try:
        count, at = _length(data, 0)
        found = []
        for _ in range(count):
            size, at = _length(data, at)
            found.append(base64.b64encode(data[at : at + size]).decode())
            at += size
    except IndexError:
        return ()
    return tuple(found) if at == len(data) else ()


def _length(data: bytes, at: int) -> tuple[int, int]:
    """A ULEB128 number, and where what follows it begins."""
    value = 0
    for shift in _LENGTH_BITS:
        value |= (data[at] & (_MORE - 1)) << shift
        at += 1
        if data[at - 1] < _MORE:
            break
    return value, at
