"""Putting a settlement together from what a person configured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from circuits.errors import BadInput, InputReason
from verifier.settlement.embedded import EmbeddedGateway
from verifier.settlement.settle import Settlement

if TYPE_CHECKING:
    from verifier.ledger import Ledger


def make_settlement(
    ledger: Ledger, node_url: str | None = None, wallet_path: Path | str | None = None
) -> Settlement:
    """The settlement of a ledger: on IOTA where a node and the supplier's wallet are given.

    Without them contracts with settlement terms wait; all others are settled in the ledger.
    ``BadInput``: USAGE when only one of them is given, WALLET, IOTA_SDK.
    """
    if (node_url is None) != (wallet_path is None):
        raise BadInput(InputReason.USAGE, "a node and a wallet go together")
    if node_url is None or wallet_path is None:
        return Settlement(ledger, EmbeddedGateway())
    from verifier.iota.node import Node
    from verifier.iota.wallet import Wallet
    from verifier.settlement.iota import IotaGateway

    gateway = IotaGateway(Node(node_url), Wallet.load(wallet_path), ledger)
    return Settlement(ledger, EmbeddedGateway(), gateway)
