"""``wallet new`` and ``wallet show``, the same for both console scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from verifier.console import Output, leaf, subgroup

if TYPE_CHECKING:
    from verifier.iota.wallet import Wallet


def add_wallet_commands(root: click.Group) -> None:
    """Add the group ``wallet`` to a console script."""
    wallet = subgroup(root, "wallet", "A key of an IOTA account, for settlement.")

    @leaf(wallet, "new")
    @click.argument("file", metavar="FILE")
    def wallet_new(output: Output, file: str) -> None:
        """Make a new Ed25519 key in FILE (iotaprivkey1..., mode 600); never overwrites one."""
        from verifier.iota.wallet import Wallet

        _emit(output, Wallet.create(file))

    @leaf(wallet, "show")
    @click.argument("file", metavar="FILE")
    def wallet_show(output: Output, file: str) -> None:
        """Show the address and public key of FILE: iotaprivkey1... or a seed of 64 hex digits."""
        from verifier.iota.wallet import Wallet

        _emit(output, Wallet.load(file))


def _emit(output: Output, wallet: Wallet) -> None:
    document = {"address": wallet.address, "public_key": wallet.public_key}
    output.emit(document, f"address     {wallet.address}\npublic key  {wallet.public_key}")
