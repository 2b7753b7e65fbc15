"""``keys new``, the same for both console scripts."""

from __future__ import annotations

import click

from verifier.console import Output, leaf, subgroup


def add_keys_commands(root: click.Group, *, encryption: bool = False) -> None:
    """Add the group ``keys`` to a console script; with ``encryption`` an X25519 pair, too."""
    keys = subgroup(root, "keys", "Signing keys.")

    more = ", and an X25519 pair to which devices encrypt readings" if encryption else ""

    @leaf(keys, "new", help=f"Make a new Ed25519 key pair in DIR{more}; never overwrites one.")
    @click.argument("directory", metavar="DIR")
    def keys_new(output: Output, directory: str) -> None:
        from verifier.keys import create_keys, find_encryption_key

        document = {"public_key": create_keys(directory, encryption=encryption).hex()}
        for_readings = find_encryption_key(directory)
        if for_readings is not None:
            document["encryption_key"] = for_readings.hex()
        output.emit(document, document["public_key"])
