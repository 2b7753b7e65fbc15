"""What an address has sent, as a node's index shows it: who is paid out of an escrow, and how much.

The index has what is in a checkpoint. Transactions that somebody else sends and the address only
pays gas for are not among them; no settlement is of that kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from verifier.iota.node import MAXIMUM_PAGES, Node, require_same
from verifier.iota.sdk import load

MAXIMUM_NANOS = 2**63 - 1  # more than there is
CURRENCY = "0x2::iota::IOTA"
_SENT = """
query Sent($sender: IotaAddress!, $after: UInt53!, $cursor: String) {
  chainIdentifier
  checkpoints(first: 1) { nodes { sequenceNumber } }
  checkpoint { sequenceNumber }
  transactionBlocks(
    first: 50, after: $cursor, filter: { sentAddress: $sender, afterCheckpoint: $after }
  ) {
    pageInfo { hasNextPage endCursor }
    nodes {
      digest
      bcs
      gasInput { gasSponsor { address } }
      effects {
        status
        bcs
        balanceChanges(first: 50) {
          pageInfo { hasNextPage }
          nodes { owner { address } coinType { repr } amount }
        }
      }
    }
  }
}
"""


@dataclass(frozen=True)
class Sent:
    """A transaction that succeeded: its 32-byte digest, its signed BCS bytes, what ``payee`` got.

    What the payee paid for gas is not taken off; 0 where it got nothing, or gave.
    """

    digest: bytes
    content: bytes
    received_nanos: int


@dataclass(frozen=True)
class History:
    """What was sent after a checkpoint, oldest first, up to checkpoint ``latest``.

    The node knows of nothing before checkpoint ``first``.
    """

    sent: tuple[Sent, ...]
    first: int
    latest: int


def sent_by(node: Node, network: str, sender: str, payee: str, after: int) -> History:
    """Everything that ``sender`` sent successfully in the checkpoints after number ``after``.

    ``BadInput`` IOTA_NODE when the node serves another network, ``ConnectionError`` when there is
    no answer, or one that is not complete.
    """
    found: dict[bytes, Sent] = {}
    cursor, first, latest = None, 0, None
    for _ in range(MAXIMUM_PAGES):
        variables = {"sender": sender, "after": after, "cursor": cursor}
        page = node.query(_SENT, variables, partial(_read, payee))
        require_same(page.network, network)
        first = max(first, page.first)
        latest = page.latest if latest is None else latest  # later pages may know more
        found |= {one.digest: one for one in page.sent}
        if page.cursor is None:
            return History(tuple(found.values()), first, latest)
        cursor = page.cursor
    raise ConnectionError("the node shows no end of what was sent")


@dataclass(frozen=True)
class _Page:
    network: str
    first: int
    latest: int
    sent: list[Sent]
    cursor: str | None


def _read(payee: str, data: Any) -> _Page:
    blocks = data["transactionBlocks"]
    more = blocks["pageInfo"]["hasNextPage"]
    return _Page(
        network=str(data["chainIdentifier"]),
        first=_count(data["checkpoints"]["nodes"][0]["sequenceNumber"]),
        latest=_count(data["checkpoint"]["sequenceNumber"]),
        sent=[_sent(one, payee) for one in blocks["nodes"] if _succeeded(one)],
        cursor=str(blocks["pageInfo"]["endCursor"]) if more else None,
    )


def _succeeded(block: Any) -> bool:
    status = block["effects"]["status"]
    if status not in ("SUCCESS", "FAILURE"):
        raise ValueError("status")
    return bool(status == "SUCCESS")


def _sent(block: Any, payee: str) -> Sent:
    sdk, changes = load(), block["effects"]["balanceChanges"]
    if changes["pageInfo"]["hasNextPage"]:
        raise ValueError("more changes than a page has")
    received = sum(
        int(change["amount"])
        for change in changes["nodes"]
        if change["owner"]["address"] == payee and _is_currency(change["coinType"]["repr"])
    )
    if block["gasInput"]["gasSponsor"]["address"] == payee:
        effects = sdk.TransactionEffects.from_bcs(sdk.base64_decode(block["effects"]["bcs"]))
        gas = effects.as_v1().gas_cost_summary()
        received += gas.computation_cost + gas.storage_cost - gas.storage_rebate
    if received > MAXIMUM_NANOS:
        raise ValueError("amount")
    digest = bytes(sdk.TransactionDigest.from_base58(block["digest"]).to_bytes())
    return Sent(digest, bytes(sdk.base64_decode(block["bcs"])), max(received, 0))


def _is_currency(kind: str) -> bool:
    """The type is written with a short address or with all of its digits."""
    address, _, rest = kind.partition("::")
    return f"0x{address.removeprefix('0x').lstrip('0')}::{rest}" == CURRENCY


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**53:
        raise ValueError("expected a whole number")
    return value
