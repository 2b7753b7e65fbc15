"""``zkmeter-verifier recover``: what a restored store has lost, from the operator's files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from circuits.errors import BadInput, InputReason, Rejected
from verifier.console import Output, leaf

if TYPE_CHECKING:
    from verifier.receipt import Receipt


def add_recover(group: click.Group) -> None:
    """Add ``recover`` to the supplier's console script."""

    @leaf(group, "recover")
    @click.argument("files", metavar="FILE...", nargs=-1, required=True)
    @click.option("--store", required=True, metavar="DIR", help="The supplier's store.")
    def recover(output: Output, files: tuple[str, ...], store: str) -> None:
        """Take back accepted claims that a restored store has lost, from claims and receipts.

        The files are the operator's: claims, and the receipts that `submit --receipt` kept, in any
        order. Each claim is decided again, at the time of its receipt, and gets that receipt and no
        other. Book lost deposits and waivers first; do this before the store serves again.
        """
        from verifier.ledger import Ledger

        pairs = _pairs(files)
        with Ledger.open(store) as ledger:
            recovered = sum(ledger.recover(claim, receipt) for receipt, claim in pairs)
        output.emit(
            {"recovered": recovered, "known": len(pairs) - recovered},
            f"{recovered} recovered, {len(pairs) - recovered} known before",
        )


def _pairs(files: tuple[str, ...]) -> list[tuple[Receipt, bytes]]:
    """Every receipt with its claim, in the order of their chains."""
    from verifier.claim import decode_claim
    from verifier.files import read_file
    from verifier.receipt import MAGIC, decode_receipt

    receipts: dict[bytes, Receipt] = {}
    claims: dict[bytes, tuple[str, bytes]] = {}
    for file in files:
        data = read_file(file)
        try:
            if data.startswith(MAGIC):
                receipt = decode_receipt(data)
                receipts[receipt.statement_digest] = receipt
            else:
                claims[decode_claim(data).statement_digest] = file, data
        except (BadInput, Rejected) as error:
            why = f"{file}: neither a receipt nor a claim ({error})"
            raise BadInput(InputReason.RECEIPT, why) from None
    for receipt in receipts.values():
        if receipt.statement_digest not in claims:
            raise BadInput(
                InputReason.RECEIPT, f"receipt {receipt.sequence}: its claim is not among the files"
            )
    for digest, (file, _) in claims.items():
        if digest not in receipts:
            raise BadInput(InputReason.RECEIPT, f"{file}: its receipt is not among the files")
    ordered = sorted(receipts.values(), key=lambda one: (one.terms_digest, one.sequence))
    return [(receipt, claims[receipt.statement_digest][1]) for receipt in ordered]
