"""``escrow``: the address of a contract's common escrow, the same for both console scripts."""

from __future__ import annotations

from typing import Any

import click

from circuits.errors import BadInput, InputReason
from verifier.console import Output, leaf


def add_escrow(root: click.Group) -> None:
    """Add ``escrow`` to a console script."""

    @leaf(root, "escrow")
    @click.argument("contract", metavar="C.toml")
    @click.option("--node", metavar="URL", help="Ask this node what the escrow holds.")
    def escrow(output: Output, contract: str, node: str | None) -> None:
        """Show where the operator pays in: the escrow's address, whose two parties must sign."""
        from verifier.contract import load_contract
        from verifier.iota.escrow import Escrow

        terms = load_contract(contract).terms
        settlement = terms.settlement
        if settlement is None:
            raise BadInput(
                InputReason.CONTRACT_FIELD, f"contract {terms.name!r}: no table [settlement]"
            )
        address = Escrow(settlement).address
        document: dict[str, Any] = {
            "address": address,
            "network": settlement.network,
            "payee": settlement.payee,
            "gas_owner": settlement.gas_owner or address,
            "signers": 2,
            "members": list(settlement.committee),
        }
        text = address
        if node is not None:
            document["balance_nanos"] = balance_nanos(node, settlement.network, address)
            text += f": {document['balance_nanos']} nanos"
        output.emit(document, text)


def balance_nanos(url: str, network: str, address: str) -> int:
    """What an address holds; ``IOTA_NODE`` for another network, ``SERVER_AWAY``."""
    from contextlib import closing

    from verifier.iota.node import Node, patience, require_same, without_secrets

    try:
        with closing(Node(url)) as node, patience():
            require_same(node.present().network, network)
            return sum(nanos for _, nanos in node.balances(address))
    except ConnectionError:
        raise BadInput(
            InputReason.SERVER_AWAY, f"{without_secrets(url)}: no answer from the node"
        ) from None
