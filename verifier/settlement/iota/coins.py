"""Choosing the coins of a payment. No coin version is ever planned into two payments."""

from __future__ import annotations

from verifier.iota.node import Node
from verifier.iota.payment import MAXIMUM_COINS, CoinRef
from verifier.settlement.port import Unready


def choose(node: Node, owner: str, nanos: int, taken: frozenset[bytes]) -> tuple[CoinRef, ...]:
    """The largest free coins of an address that together hold at least ``nanos``; else ``Unready``.

    ``taken`` are the leases of earlier payments (see ``CoinRef.lease``). A payment of ours moves
    its coins to later versions: while the node shows one that was leased, or an older one, that
    coin is spoken for, or the node's index is behind. Equal coins come in order of identifier.
    """
    spoken_for = _last_versions(taken)
    listed = sorted(node.balances(owner), key=lambda coin: (-coin[1], coin[0]))
    chosen: list[CoinRef] = []
    found = in_use = 0
    for object_id, listed_nanos in listed:
        if found >= nanos or len(chosen) == MAXIMUM_COINS:
            break
        coin = node.coin(object_id, owner)
        if coin is None or coin.reference.version <= spoken_for.get(object_id, -1):
            in_use += listed_nanos
        elif coin.nanos > 0:
            chosen.append(coin.reference)
            found += coin.nanos
    if found < nanos:
        detail = f"{owner} has {found} free nanos of {nanos} needed"
        raise Unready(f"{detail}; {in_use} more are in use" if in_use else detail)
    return tuple(chosen)


def _last_versions(taken: frozenset[bytes]) -> dict[bytes, int]:
    last: dict[bytes, int] = {}
    for lease in taken:
        object_id, version = lease[:32], int.from_bytes(lease[32:], "big")
        last[object_id] = max(version, last.get(object_id, version))
    return last
