"""``zkmeter-verifier recover``: what a restored store has lost, from the operator's files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from circuits.errors import BadInput, InputReason, Reason, Rejected
from verifier.console import EXIT_NO, Output, leaf

if TYPE_CHECKING:
    from verifier.ledger import Ledger
    from verifier.receipt import Receipt
    from verifier.settlement.iota.recovery import Recovered, Recovery


def add_recover(group: click.Group) -> None:
    """Add ``recover`` to the supplier's console script."""

    @leaf(group, "recover")
    @click.argument("files", metavar="[FILE...]", nargs=-1)
    @click.option("--store", required=True, metavar="DIR", help="The supplier's store.")
    @click.option(
        "--node", metavar="URL", help="Book what the escrows have paid, as this node shows it, too."
    )
    def recover(output: Output, files: tuple[str, ...], store: str, node: str | None) -> int:
        """Take back what a restored store has lost: accepted claims, and settlements on IOTA.

        The files (or directories of them) are the operator's: claims, and the receipts that `submit
        --receipt` kept, in any order. Each claim is decided again, at the time of its receipt, and
        gets that receipt and no other. Do this before the store serves or settles again.
        """
        from verifier.ledger import Ledger

        if not files and node is None:
            raise BadInput(InputReason.USAGE, "expected claims and receipts, or --node")
        found = _read(files)
        with Ledger.open(store) as ledger:
            lost, known = _in_order(ledger, found)
            # what was open when the copy was made has gas set aside, which the claims may need
            reports = [_settled(ledger, node)]
            for receipt in lost:
                file = found.claims[receipt.statement_digest]
                try:
                    _recover(ledger, receipt, file)
                except Rejected as error:
                    if node is None or error.reason is not Reason.ESCROW_SHORT:
                        raise
                    reports.append(_settled(ledger, node))  # a settlement can give gas back
                    _recover(ledger, receipt, file)
            reports.append(_settled(ledger, node))
        after = reports[-1]
        newest = {one.digest: one for report in reports for one in report.payments if one.batch}
        newest |= {one.digest: one for one in after.payments}
        payments = list(newest.values())
        lines = [f"{len(lost)} claims recovered, {known} known before"]
        lines += [_line(one) for one in payments]
        lines += [
            f"{name}: something is owed that may have been paid before the node's memory begins"
            for name in after.forgotten
        ]
        output.emit(
            {
                "recovered": len(lost),
                "known": known,
                "settlements": [_document(one) for one in payments],
                "forgotten": list(after.forgotten),
            },
            "\n".join(lines),
        )
        return 0 if not after.forgotten and all(one.is_decided for one in payments) else EXIT_NO


def _recover(ledger: Ledger, receipt: Receipt, file: str) -> None:
    from verifier.files import read_file

    try:
        ledger.recover(read_file(file), receipt)
    except Rejected as error:
        what = f"receipt {receipt.sequence}, {file}: {error.detail}"
        raise Rejected(error.reason, what, expected=error.expected, got=error.got) from None


def _settled(ledger: Ledger, node: str | None) -> Recovery:
    from contextlib import closing

    from verifier.iota.node import Node, patience, without_secrets
    from verifier.settlement.iota.recovery import Recovery, recover_settlements

    if node is None:
        return Recovery((), ())
    try:
        with closing(Node(node)) as opened, patience():
            return recover_settlements(ledger, opened)
    except ConnectionError:
        why = f"{without_secrets(node)}: no answer from the node"
        raise BadInput(InputReason.SERVER_AWAY, why) from None


def _document(one: Recovered) -> dict[str, Any]:
    batch = one.batch
    return {
        "digest": one.digest,
        "nanos": one.nanos,
        "contract": one.contract,
        "batch": None if batch is None else batch.id,
        "receipts": None if batch is None else [batch.first_sequence, batch.last_sequence],
        "state": None if batch is None else batch.state.value,
        "detail": one.why,
    }


def _line(one: Recovered) -> str:
    payment = f"transaction {one.digest}: {one.nanos} nanos, {one.contract}"
    if one.batch is None:
        return f"{payment}: {one.why}"
    first, last = one.batch.first_sequence, one.batch.last_sequence
    return f"{payment}, receipts {first}..{last}, {one.batch.state.value}"


@dataclass
class _Files:
    """What the files hold, by statement digest: receipts, and the files of claims."""

    receipts: dict[bytes, Receipt] = field(default_factory=dict)
    claims: dict[bytes, str] = field(default_factory=dict)


def _read(files: tuple[str, ...]) -> _Files:
    """Everything in the files; RECEIPT where two of them contradict each other."""
    from verifier.claim import MAXIMUM_CLAIM_BYTES, decode_claim
    from verifier.files import read_file
    from verifier.receipt import MAGIC, decode_receipt

    found, contents = _Files(), dict[bytes, bytes]()
    for file in _flat(files):
        data = read_file(file, MAXIMUM_CLAIM_BYTES)
        try:
            if data.startswith(MAGIC):
                receipt = decode_receipt(data)
                digest = receipt.statement_digest
                same = found.receipts.setdefault(digest, receipt) == receipt
            else:
                digest = decode_claim(data).statement_digest
                found.claims.setdefault(digest, file)
                content = hashlib.blake2s(data).digest()
                same = contents.setdefault(digest, content) == content
        except BadInput as error:
            raise BadInput(error.reason, f"{file}: {error.message}") from None
        except Rejected:
            raise BadInput(InputReason.RECEIPT, f"{file}: neither a receipt nor a claim") from None
        if not same:
            what = f"{file}: another file has something else for the same statement"
            raise BadInput(InputReason.RECEIPT, what)
    return found


def _flat(files: tuple[str, ...]) -> Iterator[str]:
    for file in files:
        path = Path(file)
        if path.is_dir():
            yield from sorted(str(one) for one in path.iterdir() if one.is_file())
        else:
            yield file


def _in_order(ledger: Ledger, found: _Files) -> tuple[list[Receipt], int]:
    """The receipts that the store lacks, in the order of their chains, and how many it has.

    ``BadInput`` RECEIPT unless each is the supplier's, follows one here or among them, and has its
    claim; USAGE for a contract that is not registered.
    """
    from circuits.checkpoint import MAX_TIME_MS
    from verifier.receipt import NO_RECEIPT

    receipts = sorted(found.receipts.values(), key=lambda one: (one.terms_digest, one.sequence))
    lost: list[Receipt] = []
    for receipt in receipts:
        terms = ledger.contract(receipt.terms_digest).terms
        receipt.require_signature(terms.parties.supplier)
        if receipt.accepted_ms > MAX_TIME_MS or receipt.sequence > MAX_TIME_MS:
            raise _refuse(receipt, "its time or its number is beyond all limits")
        near = [*lost[-1:], *ledger.receipts(terms.digest, receipt.sequence - 1, 2)]
        chain = {one.sequence: one for one in near if one.terms_digest == terms.digest}
        if receipt.sequence in chain:
            if chain[receipt.sequence].digest != receipt.digest:
                raise _refuse(receipt, "another one of this number is here, or among the files")
            continue
        before = chain.get(receipt.sequence - 1)
        if before is None and receipt.sequence > 1:
            raise _refuse(receipt, f"receipt {receipt.sequence - 1} is missing")
        if receipt.previous != (NO_RECEIPT if before is None else before.digest):
            raise _refuse(receipt, "it does not follow from the receipt before it")
        if receipt.statement_digest not in found.claims:
            raise _refuse(receipt, "its claim is not among the files")
        lost.append(receipt)
    for digest, file in found.claims.items():
        if digest not in found.receipts and ledger.receipt(digest) is None:
            raise BadInput(InputReason.RECEIPT, f"{file}: its receipt is not among the files")
    return lost, len(receipts) - len(lost)


def _refuse(receipt: Receipt, why: str) -> BadInput:
    return BadInput(InputReason.RECEIPT, f"receipt {receipt.sequence}: {why}")
