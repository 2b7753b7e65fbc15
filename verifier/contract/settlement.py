"""The contract's optional table ``[settlement]``: how what is owed is paid on IOTA.

Keys are as wallets print them: base64 of the signature scheme's flag (0, Ed25519) and the key. The
committee's order (operator, supplier, arbiter) makes the escrow's address, so it never changes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nacl.bindings import crypto_core_ed25519_is_valid_point

from verifier.contract.fields import Table, refuse

DEFAULT_MAXIMUM_GAS_NANOS = 50_000_000
MAXIMUM_NANOS = 2**64 - 1
MAXIMUM_AGE_SECONDS = 2**31 - 1
LEAST_GAS_NANOS = 1_980_400  # computation at the network's base price, and the new coin's deposit
NETWORK_GAS_NANOS = 50_000_000_000  # the network takes no transaction with a larger budget
THRESHOLD = 2  # signatures that move the escrow's coins, each of weight 1
ED25519_FLAG = 0
_KEY_BYTES = 33
_NETWORK = re.compile(r"[0-9a-f]{8}")
_ADDRESS = re.compile(r"0x[0-9a-f]{64}")


@dataclass(frozen=True)
class SettlementTerms:
    """Who holds the escrow together, whom it pays, who pays gas, and when.

    ``network`` is the chain's identifier. Addresses are ``0x`` and 64 hex digits; keys are base64.
    Without ``gas_owner`` the escrow pays its own gas. A settlement is due when ``minimum_nanos``
    are owed, or when the oldest receipt in it is older than ``maximum_age_seconds``. With
    ``anchor`` the Merkle root of the receipts rides in the transaction.

    Comes with ``Terms.from_toml``, which checks every field.
    """

    network: str
    operator_key: str
    supplier_key: str
    payee: str
    arbiter_key: str | None = None
    gas_owner: str | None = None
    maximum_gas_nanos: int = DEFAULT_MAXIMUM_GAS_NANOS
    minimum_nanos: int = 1
    maximum_age_seconds: int | None = None
    anchor: bool = True

    @property
    def committee(self) -> tuple[str, ...]:
        """The members' keys in the escrow's order: operator, supplier, arbiter if there is one."""
        members = (self.operator_key, self.supplier_key)
        return members if self.arbiter_key is None else (*members, self.arbiter_key)

    @property
    def gas_budget_nanos(self) -> int:
        """The gas budget of every settlement: all of ``maximum_gas_nanos`` that the network takes.

        Both sides compute it; a smaller one could burn it for nothing.
        """
        return min(self.maximum_gas_nanos, NETWORK_GAS_NANOS)

    @property
    def document(self) -> dict[str, Any]:
        """The table in the canonical document; nanos are decimal strings."""
        document = {
            "network": self.network,
            "operator_key": self.operator_key,
            "supplier_key": self.supplier_key,
            "arbiter_key": self.arbiter_key,
            "payee": self.payee,
            "gas_owner": self.gas_owner,
            "maximum_gas_nanos": str(self.maximum_gas_nanos),
            "minimum_nanos": str(self.minimum_nanos),
            "maximum_age_seconds": self.maximum_age_seconds,
            "anchor": self.anchor,
        }
        return {key: value for key, value in document.items() if value is not None}


def wallet_address(key: str) -> str:
    """The address of a single Ed25519 key: ``0x`` and BLAKE2b-256 of the key without its flag."""
    return "0x" + hashlib.blake2b(base64.b64decode(key)[1:], digest_size=32).hexdigest()


def escrow_address(committee: Sequence[str]) -> str:
    """The address of the members' common account: BLAKE2b-256 over scheme, threshold, members."""
    multisig, weight = b"\x03", b"\x01"
    members = b"".join(base64.b64decode(key)[1:] + weight for key in committee)
    content = multisig + THRESHOLD.to_bytes(2, "little") + members
    return "0x" + hashlib.blake2b(content, digest_size=32).hexdigest()


def read_settlement(table: Table) -> SettlementTerms:
    """The terms of ``[settlement]``; ``CONTRACT_FIELD`` naming the field."""
    network = table.text("network")
    if not _NETWORK.fullmatch(network):
        refuse(table.field("network"), "expected the chain's identifier: 8 lower-case hex digits")
    terms = SettlementTerms(
        network=network,
        operator_key=_key(table, "operator_key"),
        supplier_key=_key(table, "supplier_key"),
        arbiter_key=_key(table, "arbiter_key") if table.has("arbiter_key") else None,
        payee=_address(table, "payee"),
        gas_owner=_address(table, "gas_owner") if table.has("gas_owner") else None,
        maximum_gas_nanos=table.nanos("maximum_gas_nanos", default=DEFAULT_MAXIMUM_GAS_NANOS),
        minimum_nanos=table.nanos("minimum_nanos", default=1),
        maximum_age_seconds=table.optional_integer("maximum_age_seconds", 1, MAXIMUM_AGE_SECONDS),
        anchor=table.flag("anchor", default=True),
    )
    table.finish()
    if len(set(terms.committee)) != len(terms.committee):
        refuse(table.field("supplier_key"), "the keys of the escrow must be different")
    if terms.maximum_gas_nanos < LEAST_GAS_NANOS:
        refuse(
            table.field("maximum_gas_nanos"),
            f"no settlement costs less than {LEAST_GAS_NANOS} nanos: nothing could ever be paid",
        )
    if terms.payee == escrow_address(terms.committee):
        refuse(table.field("payee"), "the escrow's own address: nobody would be paid")
    sponsors = (wallet_address(terms.operator_key), wallet_address(terms.supplier_key))
    if terms.gas_owner is not None and terms.gas_owner not in sponsors:
        refuse(
            table.field("gas_owner"),
            "expected the address of the operator's or the supplier's key, or no gas_owner"
            " where the escrow pays its gas",
        )
    return terms


def _key(table: Table, name: str) -> str:
    text = table.text(name)
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    exact = len(data) == _KEY_BYTES and base64.b64encode(data).decode() == text
    if not exact or data[0] != ED25519_FLAG:
        refuse(table.field(name), "expected base64 of 33 bytes: flag 0 and an Ed25519 public key")
    if not crypto_core_ed25519_is_valid_point(data[1:]):
        refuse(table.field(name), "not an Ed25519 public key")
    return text


def _address(table: Table, name: str) -> str:
    text = table.text(name)
    if not _ADDRESS.fullmatch(text):
        refuse(table.field(name), "expected an address: 0x and 64 lower-case hex digits")
    if int(text, 16) == 0:
        refuse(table.field(name), "the zero address belongs to no one")
    return text
