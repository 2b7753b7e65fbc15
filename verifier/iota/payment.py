"""One settlement's transaction: escrow to payee, built from a plan and from nothing else.

Whoever holds the plan rebuilds the transaction's bytes and compares: nobody has to understand
bytes that someone else made. Two forms, by who pays gas:

- the escrow itself: all its coins are gas, and the amount is split off what gas leaves;
- a sponsor: the amount is split off the escrow's first coin, into which its others were merged.
  The sponsor's gas coin is never an argument of a command, so the payment cannot touch it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import rfc8785

from circuits.errors import BadInput, InputReason
from verifier.iota.sdk import load

FORMAT = "zkmeter-payment-1"
MAXIMUM_U64 = 2**64 - 1
MAXIMUM_COINS = 256  # of each kind; the protocol's limit for gas objects
MAXIMUM_PLAN_BYTES = 1 << 18
DIGEST_BYTES = 32
_NETWORK = re.compile(r"[0-9a-f]{8}")
_ADDRESS = re.compile(r"0x[0-9a-f]{64}")
_HEX_32 = re.compile(r"[0-9a-f]{64}")
_WHOLE = re.compile(r"0|[1-9][0-9]{0,19}")
TRANSACTION_PREFIX = b"TransactionData::"
TRANSACTION_INTENT = bytes(3)  # scope 0 (a transaction), version 0, application 0
_COIN_FIELDS = {"object_id", "version", "digest"}
_FIELDS = {
    "format", "network", "sender", "coins", "gas_coins", "gas_owner", "gas_price", "gas_budget",
    "expiry_epoch", "amount_nanos", "payee",
}  # fmt: skip


def refuse(message: str) -> BadInput:
    """The exception that says why a plan cannot be signed; the caller raises it."""
    return BadInput(InputReason.SETTLEMENT_PLAN, message)


class Digest(NamedTuple):
    """A transaction's digest: base58 as explorers show it, and its 32 bytes."""

    text: str
    data: bytes


@dataclass(frozen=True)
class CoinRef:
    """A coin object at one version: 32-byte identifier, version in 0..2^64-1, 32-byte digest.

    At most one transaction can ever consume it. Anything else is ``SETTLEMENT_PLAN``.
    """

    object_id: bytes
    version: int
    digest: bytes

    def __post_init__(self) -> None:
        _require_bytes("a coin's object_id", self.object_id)
        _require_u64("a coin's version", self.version)
        _require_bytes("a coin's digest", self.digest)

    @property
    def lease(self) -> bytes:
        """40 bytes that name the object at this version: identifier, big-endian version."""
        return self.object_id + self.version.to_bytes(8, "big")


@dataclass(frozen=True)
class PaymentPlan:
    """What a settlement's transaction does; anything out of range is ``SETTLEMENT_PLAN``.

    ``network`` is the chain's identifier (not part of the bytes). Addresses are ``0x`` and 64 hex
    digits. Where ``gas_owner`` is the ``sender``, ``coins`` is empty and ``gas_coins`` are the
    sender's; otherwise ``coins`` are the sender's and ``gas_coins`` the sponsor's. Gas figures and
    the amount are nanos in 1..2^64-1. The transaction is void after ``expiry_epoch``. ``anchor``
    is 32 bytes that ride along unused.
    """

    network: str
    sender: str
    coins: tuple[CoinRef, ...]
    gas_coins: tuple[CoinRef, ...]
    gas_owner: str
    gas_price: int
    gas_budget: int
    expiry_epoch: int
    amount_nanos: int
    payee: str
    anchor: bytes | None

    def __post_init__(self) -> None:
        if not _NETWORK.fullmatch(_text("network", self.network)):
            raise refuse("network: expected 8 hex digits")
        for name in ("sender", "gas_owner", "payee"):
            if not _ADDRESS.fullmatch(_text(name, getattr(self, name))):
                raise refuse(f"{name}: expected 0x and 64 lower-case hex digits")
        for name in ("gas_price", "gas_budget", "amount_nanos"):
            _require_u64(name, getattr(self, name), lowest=1)
        _require_u64("expiry_epoch", self.expiry_epoch)
        if self.anchor is not None:
            _require_bytes("anchor", self.anchor)
        if self.payee == self.sender:
            raise refuse("payee: the escrow would pay itself")
        self._check_coins()

    def _check_coins(self) -> None:
        if max(len(self.coins), len(self.gas_coins)) > MAXIMUM_COINS:
            raise refuse(f"more than {MAXIMUM_COINS} coins")
        if not self.gas_coins:
            raise refuse("gas_coins: expected at least one")
        if self.sponsored != bool(self.coins):
            raise refuse("coins: expected exactly where a sponsor pays gas")
        if len({coin.object_id for coin in self.references}) != len(self.references):
            raise refuse("a coin is used twice")

    @property
    def sponsored(self) -> bool:
        """True where somebody else than the sender pays gas and must sign, too."""
        return self.gas_owner != self.sender

    @property
    def references(self) -> tuple[CoinRef, ...]:
        """Every coin that the transaction consumes, gas included."""
        return self.coins + self.gas_coins

    def to_json(self) -> bytes:
        """RFC 8785 JSON; numbers are decimal strings, bytes hex digits."""
        document: dict[str, Any] = {
            "format": FORMAT,
            "network": self.network,
            "sender": self.sender,
            "coins": [_coin_document(coin) for coin in self.coins],
            "gas_coins": [_coin_document(coin) for coin in self.gas_coins],
            "gas_owner": self.gas_owner,
            "gas_price": str(self.gas_price),
            "gas_budget": str(self.gas_budget),
            "expiry_epoch": str(self.expiry_epoch),
            "amount_nanos": str(self.amount_nanos),
            "payee": self.payee,
        }
        if self.anchor is not None:
            document["anchor"] = self.anchor.hex()
        return rfc8785.dumps(document)

    @classmethod
    def from_json(cls, data: bytes) -> PaymentPlan:
        """The inverse of ``to_json``; ``SETTLEMENT_PLAN`` on any other bytes."""
        if len(data) > MAXIMUM_PLAN_BYTES:
            raise refuse(f"longer than {MAXIMUM_PLAN_BYTES} bytes")
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            raise refuse("not JSON") from None
        fields = _object(document, _FIELDS | {"anchor"}, optional={"anchor"})
        if fields["format"] != FORMAT:
            raise refuse(f"format: expected {FORMAT!r}")
        plan = cls(
            network=_text("network", fields["network"]),
            sender=_text("sender", fields["sender"]),
            coins=_coins("coins", fields["coins"]),
            gas_coins=_coins("gas_coins", fields["gas_coins"]),
            gas_owner=_text("gas_owner", fields["gas_owner"]),
            gas_price=_number("gas_price", fields["gas_price"]),
            gas_budget=_number("gas_budget", fields["gas_budget"]),
            expiry_epoch=_number("expiry_epoch", fields["expiry_epoch"]),
            amount_nanos=_number("amount_nanos", fields["amount_nanos"]),
            payee=_text("payee", fields["payee"]),
            anchor=_hex("anchor", fields["anchor"]) if "anchor" in fields else None,
        )
        if plan.to_json() != data:
            raise refuse("not in canonical form")
        return plan


def build(plan: PaymentPlan) -> bytes:
    """The BCS bytes of the plan's transaction; the same plan always gives the same bytes."""
    sdk = load()
    inputs = [sdk.Input.new_immutable_or_owned(_reference(sdk, coin)) for coin in plan.coins]
    amount, payee = len(inputs), len(inputs) + 1
    inputs.append(sdk.Input.new_pure(sdk.u64_to_bcs(plan.amount_nanos)))
    inputs.append(sdk.Input.new_pure(bytes.fromhex(plan.payee[2:])))
    if plan.anchor is not None:
        inputs.append(sdk.Input.new_pure(plan.anchor))
    argument, commands = sdk.Argument, []
    source = argument.new_input(0) if plan.sponsored else argument.new_gas()
    if len(plan.coins) > 1:
        others = [argument.new_input(i) for i in range(1, len(plan.coins))]
        commands.append(sdk.Command.new_merge_coins(sdk.MergeCoins(source, others)))
    payment = argument.new_nested_result(len(commands), 0)
    split = sdk.SplitCoins(source, [argument.new_input(amount)])
    commands.append(sdk.Command.new_split_coins(split))
    transfer = sdk.TransferObjects([payment], argument.new_input(payee))
    commands.append(sdk.Command.new_transfer_objects(transfer))
    gas = sdk.GasPayment(
        objects=[_reference(sdk, coin) for coin in plan.gas_coins],
        owner=sdk.Address.from_hex(plan.gas_owner),
        price=plan.gas_price,
        budget=plan.gas_budget,
    )
    kind = sdk.TransactionKind.new_programmable(sdk.ProgrammableTransaction(inputs, commands))
    expiry = sdk.TransactionExpiration.EPOCH(plan.expiry_epoch)
    sender = sdk.Address.from_hex(plan.sender)
    transaction = sdk.Transaction.new_v1(sdk.TransactionV1(kind, sender, gas, expiry))
    return bytes(transaction.to_bcs())


def digest(transaction_bytes: bytes) -> Digest:
    """The digest under which the network knows a transaction of these bytes."""
    hashed = hashlib.blake2b(TRANSACTION_PREFIX + transaction_bytes, digest_size=DIGEST_BYTES)
    data = hashed.digest()
    return Digest(digest_text(data), data)


def digest_text(data: bytes) -> str:
    """The 32 bytes of a transaction's digest in base58, as explorers show it."""
    return str(load().TransactionDigest.from_bytes(data).to_base58())


def signing_digest(transaction_bytes: bytes) -> bytes:
    """The 32 bytes that every signer of the transaction signs."""
    message = TRANSACTION_INTENT + transaction_bytes
    return hashlib.blake2b(message, digest_size=DIGEST_BYTES).digest()


def _reference(sdk: Any, coin: CoinRef) -> Any:
    return sdk.ObjectReference(
        object_id=sdk.ObjectId.from_bytes(coin.object_id),
        version=sdk.Version.from_u64(coin.version),
        digest=sdk.ObjectDigest.from_bytes(coin.digest),
    )


def _coin_document(coin: CoinRef) -> dict[str, str]:
    return {
        "object_id": coin.object_id.hex(),
        "version": str(coin.version),
        "digest": coin.digest.hex(),
    }


def _coins(name: str, value: object) -> tuple[CoinRef, ...]:
    if not isinstance(value, list) or len(value) > MAXIMUM_COINS:
        raise refuse(f"{name}: expected a list of at most {MAXIMUM_COINS} coins")
    items = [_object(item, _COIN_FIELDS) for item in value]
    return tuple(
        CoinRef(
            _hex("object_id", item["object_id"]),
            _number("version", item["version"]),
            _hex("digest", item["digest"]),
        )
        for item in items
    )


def _object(value: object, fields: set[str], *, optional: Sequence[str] | set[str] = ()) -> Any:
    if not isinstance(value, dict) or not fields - set(optional) <= set(value) <= fields:
        raise refuse(f"expected an object with the fields {', '.join(sorted(fields))}")
    return value


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise refuse(f"{name}: expected text")
    return value


def _number(name: str, value: object) -> int:
    text = _text(name, value)
    if not _WHOLE.fullmatch(text):
        raise refuse(f"{name}: expected a decimal integer as text")
    return int(text)


def _hex(name: str, value: object) -> bytes:
    text = _text(name, value)
    if not _HEX_32.fullmatch(text):
        raise refuse(f"{name}: expected 64 hex digits")
    return bytes.fromhex(text)


def _require_bytes(name: str, value: object) -> None:
    if not isinstance(value, bytes) or len(value) != DIGEST_BYTES:
        raise refuse(f"{name}: expected {DIGEST_BYTES} bytes")


def _require_u64(name: str, value: object, lowest: int = 0) -> None:
    if type(value) is not int or not lowest <= value <= MAXIMUM_U64:
        raise refuse(f"{name}: expected a whole number in {lowest}..2^64-1")
