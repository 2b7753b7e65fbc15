"""``settle`` and ``settlements``: the supplier's payments out of the common escrow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from verifier.console import Output, leaf, utc_text

if TYPE_CHECKING:
    from verifier.ledger import Batch, Ledger

_STORE = click.option("--store", required=True, metavar="DIR", help="The supplier's store.")


def add_settlement_commands(root: click.Group) -> None:
    """Add ``settle`` and ``settlements`` to the supplier's console script."""
    _add_settle(root)
    _add_settlements(root)


def _add_settle(root: click.Group) -> None:
    @leaf(root, "settle")
    @_STORE
    @click.option("--node", required=True, metavar="URL", help="A node's GraphQL service.")
    @click.option("--wallet", required=True, metavar="FILE", help="The supplier's wallet.")
    def settle(output: Output, store: str, node: str, wallet: str) -> None:
        """Net what is due and push every open settlement as far as it goes, once.

        `serve` does the same while it runs; both at a time do no harm.
        """
        from verifier.ledger import Ledger
        from verifier.settlement import make_settlement

        with Ledger.open(store) as ledger:
            batches = make_settlement(ledger, node, wallet).run()
            documents = [_document(ledger, batch) for batch in batches]
        output.emit(documents, _lines(documents) or "nothing is due, nothing is open")


def _add_settlements(root: click.Group) -> None:
    @leaf(root, "settlements")
    @_STORE
    def settlements(output: Output, store: str) -> None:
        """List every settlement, with its transaction and its checkpoint."""
        from verifier.ledger import Ledger

        with Ledger.open(store) as ledger:
            documents = [_document(ledger, batch) for batch in ledger.outbox.batches()]
            owed = [
                {
                    "contract": ledger.contract(one.terms_digest).terms.name,
                    "terms_digest": one.terms_digest.hex(),
                    "amount_nanos": one.amount_nanos,
                    "receipts": one.receipts,
                }
                for one in ledger.outbox.owed()
            ]
        text = [_lines(documents)] if documents else []
        text += [
            f"{one['contract']}: {one['amount_nanos']} nanos of {one['receipts']} receipts are"
            " owed and in no settlement"
            for one in owed
        ]
        output.emit({"settlements": documents, "owed": owed}, "\n".join(text) or "none")


def _document(ledger: Ledger, batch: Batch) -> dict[str, Any]:
    from verifier.settlement.names import digest_text

    return {
        "batch": batch.id,
        "contract": ledger.contract(batch.terms_digest).terms.name,
        "terms_digest": batch.terms_digest.hex(),
        "state": batch.state.value,
        "amount_nanos": batch.amount_nanos,
        "currency": batch.currency,
        "receipts": [batch.first_sequence, batch.last_sequence],
        "digest": digest_text(batch) or None,
        "checkpoint": _checkpoint(ledger, batch),
        "created": utc_text(batch.created_ms),
        "detail": batch.detail,
    }


def _checkpoint(ledger: Ledger, batch: Batch) -> dict[str, Any] | None:
    """What the gateway to IOTA kept of finality; a payment in the ledger only has none."""
    from verifier.ledger import BatchState

    document = ledger.outbox.evidence(batch).get(BatchState.FINAL)
    found: dict[str, Any] | None = json.loads(document)["checkpoint"] if document else None
    return found


def _lines(documents: list[dict[str, Any]]) -> str:
    return "\n".join(_line(document) for document in documents)


def _line(document: dict[str, Any]) -> str:
    first, last = document["receipts"]
    parts = [
        f"{document['batch']}: {document['contract']}, receipts {first}..{last}",
        f"{document['amount_nanos']} nanos of {document['currency']}, {document['state']}",
    ]
    if document["digest"]:
        parts.append(f"transaction {document['digest']}")
    if document["checkpoint"]:
        mark = document["checkpoint"]
        parts.append(f"checkpoint {mark['sequence']} at {mark['timestamp']}")
    if document["detail"]:
        parts.append(document["detail"])
    return "; ".join(parts)
