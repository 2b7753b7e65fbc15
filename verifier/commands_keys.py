"""``keys new``, the same for both console scripts."""

from __future__ import annotations

import click

from verifier.console import Output, leaf, subgroup


def add_keys_commands(root: click.Group) -> None:
    """Add the group ``keys`` to a console script."""
    keys = subgroup(root, "keys", "Signing keys.")

    @leaf(keys, "new")
    @click.argument("directory", metavar="DIR")
    def keys_new(output: Output, directory: str) -> None:
        """Make a new Ed25519 key pair in DIR; never overwrites one."""
        from verifier.keys import create_keys

        public = create_keys(directory).hex()
        output.emit({"public_key": public}, public)
