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
_CHANGES_PAGE = """
pageInfo { hasNextPage endCursor }
nodes { owner { address } coinType { repr } amount }
"""
# Backwards from the newest, and not "after a checkpoint": to that a service that has forgotten this
# very checkpoint answers with an empty list. A checkpoint is forgotten before what is in it.
_SENT = f"""
query Sent($sender: IotaAddress!, $cursor: String) {{
  chainIdentifier
  checkpoints(first: 1) {{ nodes {{ sequenceNumber }} }}
  checkpoint {{ sequenceNumber }}
  transactionBlocks(last: 50, before: $cursor, filter: {{ sentAddress: $sender }}) {{
    pageInfo {{ hasPreviousPage startCursor }}
    nodes {{
      digest
      bcs
      gasInput {{ gasSponsor {{ address }} }}
      effects {{
        status
        bcs
        checkpoint {{ sequenceNumber }}
        balanceChanges(first: 50) {{ {_CHANGES_PAGE} }}
      }}
    }}
  }}
}}
"""
_CHANGES = f"""
query Changes($digest: String!, $cursor: String!) {{
  transactionBlock(digest: $digest) {{
    effects {{ balanceChanges(first: 50, after: $cursor) {{ {_CHANGES_PAGE} }} }}
  }}
}}
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
    pages: list[_Page] = []
    cursor = None
    for _ in range(MAXIMUM_PAGES):
        page = node.query(_SENT, {"sender": sender, "cursor": cursor}, partial(_read, payee))
        require_same(page.network, network)
        pages.append(page)
        if page.latest < pages[0].latest:
            raise ConnectionError("a server that knows less than the one before shows the rest")
        cursor = page.cursor
        if cursor is None or any(0 <= block.checkpoint <= after for block in page.blocks):
            break
    else:
        raise ConnectionError("the node shows no end of what was sent")
    blocks = {block.digest: block for page in reversed(pages) for block in page.blocks}
    wanted = [one for one in blocks.values() if one.succeeded and not 0 <= one.checkpoint <= after]
    return History(
        tuple(_sent(node, block, payee) for block in wanted),
        max(page.first for page in pages),
        pages[0].latest,  # later pages may know more
    )


@dataclass(frozen=True)
class _Block:
    """A transaction; ``checkpoint`` is -1 where the node does not say it.

    ``nanos`` is what the payee got by the changes that come before ``cursor``, None for all.
    """

    digest: str
    content: bytes
    checkpoint: int
    succeeded: bool
    nanos: int
    cursor: str | None


@dataclass(frozen=True)
class _Page:
    network: str
    first: int
    latest: int
    blocks: list[_Block]
    cursor: str | None


def _read(payee: str, data: Any) -> _Page:
    blocks = data["transactionBlocks"]
    return _Page(
        network=str(data["chainIdentifier"]),
        first=_count(data["checkpoints"]["nodes"][0]["sequenceNumber"]),
        latest=_count(data["checkpoint"]["sequenceNumber"]),
        blocks=[_block(one, payee) for one in blocks["nodes"]],
        cursor=_cursor(blocks["pageInfo"], "hasPreviousPage", "startCursor"),
    )


def _block(block: Any, payee: str) -> _Block:
    sdk, effects = load(), block["effects"]
    if effects["status"] not in ("SUCCESS", "FAILURE"):
        raise ValueError("status")
    received, cursor = _changes(payee, effects["balanceChanges"])
    if block["gasInput"]["gasSponsor"]["address"] == payee:
        encoded = sdk.TransactionEffects.from_bcs(sdk.base64_decode(effects["bcs"]))
        gas = encoded.as_v1().gas_cost_summary()
        received += gas.computation_cost + gas.storage_cost - gas.storage_rebate
    included = effects["checkpoint"]
    return _Block(
        digest=str(sdk.TransactionDigest.from_base58(block["digest"]).to_base58()),
        content=bytes(sdk.base64_decode(block["bcs"])),
        checkpoint=-1 if included is None else _count(included["sequenceNumber"]),
        succeeded=effects["status"] == "SUCCESS",
        nanos=received,
        cursor=cursor,
    )


def _sent(node: Node, block: _Block, payee: str) -> Sent:
    """With the changes of balances that are on further pages."""

    def read(data: Any) -> tuple[int, str | None]:
        return _changes(payee, data["transactionBlock"]["effects"]["balanceChanges"])

    received, cursor = block.nanos, block.cursor
    for _ in range(MAXIMUM_PAGES):
        if cursor is None:
            break
        more, cursor = node.query(_CHANGES, {"digest": block.digest, "cursor": cursor}, read)
        received += more
    if cursor is not None or received > MAXIMUM_NANOS:
        raise ConnectionError("the node shows more than there is")
    digest = bytes(load().TransactionDigest.from_base58(block.digest).to_bytes())
    return Sent(digest, block.content, max(received, 0))


def _changes(payee: str, page: Any) -> tuple[int, str | None]:
    """What a page of changes gave the payee, and where the next one begins.

    Whatever belongs to nobody, as a shared object's coins do, has no owner.
    """
    received = sum(
        int(change["amount"])
        for change in page["nodes"]
        if change["owner"] is not None
        and change["owner"]["address"] == payee
        and _is_currency(change["coinType"]["repr"])
    )
    return received, _cursor(page["pageInfo"], "hasNextPage", "endCursor")


def _cursor(info: Any, more: str, edge: str) -> str | None:
    if not info[more]:
        return None
    if not isinstance(info[edge], str):
        raise TypeError("expected a cursor")
    return str(info[edge])


def _is_currency(kind: str) -> bool:
    """The type is written with a short address or with all of its digits."""
    address, _, rest = kind.partition("::")
    return f"0x{address.removeprefix('0x').lstrip('0')}::{rest}" == CURRENCY


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**53:
        raise ValueError("expected a whole number")
    return value
