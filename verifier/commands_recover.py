"""``zkmeter-verifier recover``: what a restored store has lost, from the operator's files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from circuits.errors import BadInput, InputReason, Rejected
from verifier.console import EXIT_NO, Output, leaf

if TYPE_CHECKING:
    from verifier.ledger import Ledger
    from verifier.receipt import Receipt
    from verifier.settlement.iota.recovery import Recovered


def add_recover(group: click.Group) -> None:
    """Add ``recover`` to the supplier's console script."""

    @leaf(group, "recover")
    @click.argument("files", metavar="[FILE...]", nargs=-1)
    @click.option("--store", required=True, metavar="DIR", help="The supplier's store.")
    @click.option(
        "--node", metavar="URL", help="Book what the escrows have paid, as this node shows it, too."
    )
    @click.option("--wallet", metavar="FILE", help="The supplier's wallet, with --node.")
    def recover(
        output: Output, files: tuple[str, ...], store: str, node: str | None, wallet: str | None
    ) -> int:
        """Take back what a restored store has lost: accepted claims, and settlements on IOTA.

        The files are the operator's: claims, and the receipts that `submit --receipt` kept, in any
        order. Each claim is decided again, at the time of its receipt, and gets that receipt and no
        other. Book lost deposits and waivers first; do this before the store serves again.
        """
        from verifier.ledger import Ledger

        if (node is None) != (wallet is None):
            raise BadInput(InputReason.USAGE, "a node and a wallet go together")
        if not files and node is None:
            raise BadInput(InputReason.USAGE, "expected claims and receipts, or --node")
        pairs = _pairs(files)
        with Ledger.open(store) as ledger:
            recovered = sum(ledger.recover(claim, receipt) for receipt, claim in pairs)
            settled = _settled(ledger, node, wallet)
        lines = [f"{recovered} claims recovered, {len(pairs) - recovered} known before"]
        lines += [_line(one) for one in settled]
        output.emit(
            {
                "recovered": recovered,
                "known": len(pairs) - recovered,
                "settlements": [_document(one) for one in settled],
            },
            "\n".join(lines),
        )
        return 0 if all(one.batch for one in settled) else EXIT_NO


def _settled(ledger: Ledger, node: str | None, wallet: str | None) -> list[Recovered]:
    if node is None or wallet is None:
        return []
    from contextlib import closing

    from verifier.iota.node import Node, patience, without_secrets
    from verifier.iota.wallet import Wallet
    from verifier.settlement.iota.recovery import recover_settlements

    own = Wallet.load(wallet)
    try:
        with closing(Node(node)) as opened, patience():
            return recover_settlements(ledger, opened, own)
    except ConnectionError:
        why = f"{without_secrets(node)}: no answer from the node"
        raise BadInput(InputReason.SERVER_AWAY, why) from None


def _document(one: Recovered) -> dict[str, Any]:
    batch = one.batch
    return {
        "digest": one.digest,
        "nanos": one.nanos,
        "contract": None if batch is None else one.contract,
        "batch": None if batch is None else batch.id,
        "receipts": None if batch is None else [batch.first_sequence, batch.last_sequence],
        "state": None if batch is None else batch.state.value,
    }


def _line(one: Recovered) -> str:
    payment = f"transaction {one.digest}: {one.nanos} nanos"
    if one.batch is None:
        return f"{payment}, for no receipts that are next here"
    first, last = one.batch.first_sequence, one.batch.last_sequence
    return f"{payment} for {one.contract}, receipts {first}..{last}, {one.batch.state.value}"


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
