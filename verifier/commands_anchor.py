"""``anchor check``: the way from a receipt to the transaction that paid it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from circuits.errors import BadInput, InputReason
from verifier.console import EXIT_NO, Output, leaf, subgroup

if TYPE_CHECKING:
    from verifier.iota.evidence import Evidence
    from verifier.iota.node import Mark
    from verifier.iota.payment import Digest
    from verifier.ledger import Batch, Ledger
    from verifier.receipt import Receipt


def add_anchor(root: click.Group) -> None:
    """Add the group ``anchor`` to the supplier's console script."""
    anchor = subgroup(root, "anchor", "What a settlement's transaction says about receipts.")

    @leaf(anchor, "check")
    @click.argument("receipt", metavar="RECEIPT")
    @click.option("--store", metavar="DIR", help="The supplier's store.")
    @click.option("--evidence", metavar="FILE", help="A file that --out wrote; needs no store.")
    @click.option("--node", metavar="URL", help="Ask this node for the transaction, too.")
    @click.option("--out", metavar="FILE", help="With --store: write the evidence to this file.")
    def check(
        output: Output,
        receipt: str,
        store: str | None,
        evidence: str | None,
        node: str | None,
        out: str | None,
    ) -> int:
        """Show that a receipt's digest is in the transaction that paid it.

        RECEIPT is a file as `submit --receipt` of the operator writes it. Exit status 1 when the
        node does not have the transaction in a checkpoint.
        """
        from verifier.files import read_file, write_atomic
        from verifier.iota.evidence import MAXIMUM_EVIDENCE_BYTES, decode_evidence
        from verifier.receipt import decode_receipt

        if (store is None) == (evidence is None) or (out is not None and store is None):
            raise click.UsageError("give --store (and with it --out) or --evidence")
        wanted = decode_receipt(read_file(receipt))
        if store is not None:
            found = _from_store(store, wanted)
        else:
            found = decode_evidence(read_file(str(evidence), MAXIMUM_EVIDENCE_BYTES))
        if found.receipt != wanted:
            raise BadInput(InputReason.ANCHOR, f"{receipt}: the evidence is of another receipt")
        named = found.check()
        if out is not None:
            write_atomic(out, found.encode(), overwrite=False)
        document = _document(found, named)
        if node is not None:
            document["node"] = _ask(node, found, named)
        output.emit(document, _text(document))
        return EXIT_NO if document.get("node", {"final": True})["final"] is not True else 0


def _from_store(store: str, receipt: Receipt) -> Evidence:
    from verifier.ledger import BatchState, Ledger

    with Ledger.open(store) as ledger:
        for batch in ledger.outbox.settlements(receipt.terms_digest):
            paid = batch.state in (BatchState.EXECUTED, BatchState.FINAL) and batch.plan
            if paid and batch.first_sequence <= receipt.sequence <= batch.last_sequence:
                return _evidence(ledger, batch, receipt)
    raise BadInput(
        InputReason.ANCHOR, f"no transaction has paid receipt {receipt.sequence} of this contract"
    )


def _evidence(ledger: Ledger, batch: Batch, receipt: Receipt) -> Evidence:
    from verifier.iota import anchor
    from verifier.iota.evidence import Evidence
    from verifier.iota.payment import PaymentPlan
    from verifier.ledger import BatchState
    from verifier.receipt import decode_receipt

    digests = [decode_receipt(data).digest for data in ledger.outbox.receipts_of(batch)]
    index = receipt.sequence - batch.first_sequence
    if digests[index] != receipt.digest:
        raise BadInput(InputReason.ANCHOR, f"the store has another receipt {receipt.sequence}")
    shown = ledger.outbox.evidence(batch)
    return Evidence(
        contract=ledger.contract(batch.terms_digest),
        receipt=receipt,
        index=index,
        count=len(digests),
        path=anchor.path(digests, index),
        plan=PaymentPlan.from_json(batch.plan or b""),
        signatures=batch.signatures,
        effects=shown.get(BatchState.EXECUTED, b""),
        checkpoint=_mark(shown.get(BatchState.FINAL)),
    )


def _mark(final: bytes | None) -> Mark | None:
    from verifier.iota.node import Mark

    return None if final is None else Mark(**json.loads(final)["checkpoint"])


def _document(found: Evidence, named: Digest) -> dict[str, Any]:
    plan, mark = found.plan, found.checkpoint
    return {
        "receipt": found.receipt.digest.hex(),
        "sequence": found.receipt.sequence,
        "index": found.index,
        "count": found.count,
        "path": [sibling.hex() for sibling in found.path],
        "root": (plan.anchor or b"").hex(),
        "transaction": named.text,
        "network": plan.network,
        "payee": plan.payee,
        "amount_nanos": plan.amount_nanos,
        "executed": bool(found.effects),
        "checkpoint": None if mark is None else _mark_document(mark),
    }


def _mark_document(mark: Mark) -> dict[str, Any]:
    return {"sequence": mark.sequence, "digest": mark.digest, "timestamp": mark.timestamp}


def _ask(url: str, found: Evidence, named: Digest) -> dict[str, Any]:
    """What a node says now; a checkpoint other than the evidence's is ``ANCHOR``."""
    from contextlib import closing

    from verifier.iota.fate import Outcome, observe
    from verifier.iota.node import Node, without_secrets

    name = without_secrets(url)
    try:
        with closing(Node(url)) as node:
            seen = observe(node, found.plan, named)
    except ConnectionError:
        raise BadInput(InputReason.SERVER_AWAY, f"{name}: no answer from the node") from None
    final = seen.outcome is Outcome.FINAL
    mark = _mark(seen.document) if final else None
    if mark is not None and found.checkpoint not in (None, mark):
        raise BadInput(InputReason.ANCHOR, f"{name}: the node has it in another checkpoint")
    return {
        "final": final,
        "outcome": seen.outcome.value,
        "checkpoint": None if mark is None else _mark_document(mark),
    }


def _text(document: dict[str, Any]) -> str:
    lines = [
        f"receipt      {document['receipt']} (number {document['sequence']})",
        *(f"  with       {sibling}" for sibling in document["path"]),
        f"root         {document['root']} over {document['count']} receipts",
        f"transaction  {document['transaction']} on network {document['network']}",
        f"paid         {document['amount_nanos']} nanos to {document['payee']}",
        f"recorded     {_when(document['checkpoint'], executed=document['executed'])}",
    ]
    if "node" in document:
        said = document["node"]
        known = _when(said["checkpoint"], executed=said["outcome"] == "EXECUTED")
        lines.append(f"node         {known}")
    return "\n".join(lines)


def _when(mark: dict[str, Any] | None, *, executed: bool) -> str:
    if mark is not None:
        return f"checkpoint {mark['sequence']} ({mark['digest']}), {mark['timestamp']}"
    return "executed, in no checkpoint yet" if executed else "not known to be executed"
