"""``zkmeter-verifier``: the supplier's commands."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from circuits.errors import BadInput, InputReason, Rejected
from verifier.commands_anchor import add_anchor
from verifier.commands_contract import add_contract_show, add_contract_sign
from verifier.commands_escrow import add_escrow
from verifier.commands_keys import add_keys_commands
from verifier.commands_recover import add_recover
from verifier.commands_serve import add_serve
from verifier.commands_settlement import add_settlement_commands
from verifier.commands_supplier import add_supplier_commands, instruction_document
from verifier.commands_wallet import add_wallet_commands
from verifier.console import EXIT_NO, Output, leaf, program, subgroup, utc_text

if TYPE_CHECKING:
    from rich.table import Table

    from verifier.contract import SignedContract, Terms
    from verifier.ledger import Ledger
    from verifier.receipt import Receipt

main = program("zkmeter-verifier", "Check claims, issue receipts, keep the ledger, settle.")
add_keys_commands(main)
add_wallet_commands(main)
add_escrow(main)
add_settlement_commands(main)
add_anchor(main)
_contract = subgroup(main, "contract", "Contracts: sign, read.")
add_contract_sign(_contract)
add_contract_show(_contract)
add_serve(main)
add_recover(main)
add_supplier_commands(main)

_CONTRACT = click.option(
    "--contract", required=True, metavar="C.toml", help="The contract, signed by both parties."
)
_STORE = click.option("--store", required=True, metavar="DIR", help="The supplier's store.")
_LARGEST = 2**63 - 1
_MANY_FILES = 4  # fewer are checked sooner than processes are started


@leaf(main, "deposit")
@_STORE
@_CONTRACT
@click.option(
    "--amount-nanos", required=True, type=click.IntRange(1, _LARGEST), help="Nanos to add."
)
@click.option("--reference", required=True, metavar="TEXT", help="Names the deposit; books once.")
def deposit(output: Output, store: str, contract: str, amount_nanos: int, reference: str) -> None:
    """Book a deposit into a contract's escrow; a repeat of the reference changes nothing."""
    from verifier.contract import load_contract
    from verifier.ledger import Ledger

    signed = load_contract(contract).require_signed()
    with Ledger.open(store, create=True) as ledger:
        ledger.register(signed)
        booked = ledger.deposit(signed.terms.digest, amount_nanos, reference)
    currency = signed.terms.currency
    output.emit(
        {
            "created": booked.created,
            "amount_nanos": amount_nanos,
            "reference": reference,
            "escrow_nanos": booked.escrow_nanos,
            "currency": currency,
            "terms_digest": signed.terms.digest.hex(),
        },
        f"{'booked' if booked.created else 'was booked before'}: {amount_nanos} nanos;"
        f" escrow holds {booked.escrow_nanos} nanos of {currency}",
    )


@leaf(main, "verify")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@_CONTRACT
def verify(output: Output, files: tuple[str, ...], contract: str) -> int:
    """Check claims offline: terms, signatures, checkpoints, proof, amount. No store is needed."""
    from verifier.contract import load_contract

    signed = load_contract(contract).require_signed()
    unreadable: BadInput | None = None
    refused = False
    for document in _verdicts(files, signed):
        if isinstance(document, BadInput):
            unreadable = unreadable or document
            continue
        refused |= not document["ok"]
        output.emit(document, _verdict_text(document))
    if unreadable is not None:
        raise unreadable
    return EXIT_NO if refused else 0


def _verdicts(
    files: tuple[str, ...], contract: SignedContract
) -> Iterator[dict[str, Any] | BadInput]:
    """What is to be said about each file, in their order, or why it cannot be read."""
    # The first one, or the few, here: what that loads and compiles, copies of this process have.
    here = files if len(files) < _MANY_FILES else files[:1]
    for file in here:
        yield _verify_file(file, contract, _verify_one)
    if len(here) < len(files):
        yield from _verdicts_on_all_cores(files[1:], contract)


def _verdicts_on_all_cores(
    files: tuple[str, ...], contract: SignedContract
) -> Iterator[dict[str, Any] | BadInput]:
    from concurrent.futures import ThreadPoolExecutor
    from dataclasses import replace
    from functools import partial

    from verifier.workers import WorkerDied, Workers, usable_cores

    # a copy of the terms lacks what was derived from them, which need not be sent
    plain = replace(contract, terms=replace(contract.terms))
    count = min(usable_cores(), len(files))
    with Workers(count, fork=True) as workers, ThreadPoolExecutor(count) as threads:
        verify_one = partial(workers.call, _verify_one)

        def verdict(file: str) -> dict[str, Any] | BadInput:
            try:
                return _verify_file(file, plain, verify_one)
            except WorkerDied:
                why = f"{file}: the process that checked it died"
                return BadInput(InputReason.FILE_UNREADABLE, why)

        try:
            yield from threads.map(verdict, files)
        finally:
            threads.shutdown(cancel_futures=True)


def _verify_file(
    file: str, contract: SignedContract, verify_one: Callable[..., dict[str, Any]]
) -> dict[str, Any] | BadInput:
    from verifier.files import read_file

    try:
        return verify_one(file, read_file(file), contract)
    except BadInput as error:
        return error


def _verify_one(file: str, data: bytes, contract: SignedContract) -> dict[str, Any]:
    from verifier.claim import check_claim, decode_claim
    from verifier.contract.explain import outcomes_document

    document: dict[str, Any] = {
        "file": file,
        "ok": False,
        "reason": None,
        "detail": "",
        "outcomes": None,
        "amount_nanos": None,
        "verify_seconds": None,
        "proof_bytes": None,
    }
    began = time.perf_counter()
    try:
        claim = decode_claim(data)
        document["proof_bytes"] = len(claim.proof)
        checked = check_claim(claim, contract)
        document["ok"] = True
        document["outcomes"] = outcomes_document(contract.terms, checked.outcomes)
        document["amount_nanos"] = claim.amount_nanos
    except Rejected as rejected:
        document["reason"] = rejected.reason.value
        document["detail"] = str(rejected).removeprefix(rejected.reason.value).lstrip(": ")
    document["verify_seconds"] = round(time.perf_counter() - began, 4)
    return document


def _verdict_text(document: dict[str, Any]) -> str:
    if not document["ok"]:
        return f"{document['file']}: REFUSED {document['reason']} {document['detail']}".rstrip()
    outcomes = ", ".join(
        f"{name} = {value['value']} {value['unit']}".rstrip()
        for name, value in document["outcomes"].items()
    )
    return (
        f"{document['file']}: ok: {outcomes}; {document['amount_nanos']} nanos;"
        f" proof of {document['proof_bytes']} bytes checked in {document['verify_seconds']} s"
    )


@leaf(main, "receipts")
@_STORE
@click.option(
    "--check", is_flag=True, help="Check chain, signatures and, again, every claim's proof."
)
def receipts(output: Output, store: str, check: bool) -> int:
    """List the receipts of every contract in the store."""
    from verifier.ledger import Ledger

    documents: list[dict[str, Any]] = []
    broken: BadInput | Rejected | None = None
    with Ledger.open(store) as ledger:
        for contract in ledger.contracts():
            found = ledger.receipts(contract.terms.digest)
            documents += [_receipt_document(receipt, contract.terms) for receipt in found]
            if check and broken is None:
                broken = _replay(ledger, contract, found)
    if not output.as_json:
        _print_table(_receipt_table(documents))
    if broken is not None:
        raise broken
    output.emit(documents)
    return 0


def _replay(
    ledger: Ledger, contract: SignedContract, found: list[Receipt]
) -> BadInput | Rejected | None:
    from verifier.ledger.replay import check_receipts

    try:
        check_receipts(ledger, contract, found)
    except (BadInput, Rejected) as error:
        return error
    return None


def _receipt_document(receipt: Receipt, terms: Terms) -> dict[str, Any]:
    from verifier.contract.explain import outcomes_document

    return {
        "contract": terms.name,
        "sequence": receipt.sequence,
        "epoch": receipt.epoch,
        "windows": [receipt.first_window, receipt.last_window],
        "start": utc_text(receipt.start_ms),
        "end": utc_text(receipt.end_ms),
        "records": receipt.records,
        "outcomes": outcomes_document(terms, terms.outcome_values(receipt.totals)),
        "amount_nanos": receipt.amount_nanos,
        "cumulative_nanos": receipt.cumulative_nanos,
        "currency": terms.currency,
        "attestation": receipt.attestation.name.lower(),
        "flags": list(receipt.flags.words),
        "unmetered_ms": receipt.unmetered_ms,
        "accepted": utc_text(receipt.accepted_ms),
        "terms_digest": receipt.terms_digest.hex(),
        "statement_digest": receipt.statement_digest.hex(),
        "digest": receipt.digest.hex(),
        "previous": receipt.previous.hex(),
    }


def _receipt_table(documents: list[dict[str, Any]]) -> Table:
    headings = "contract", "no.", "epoch", "windows", "start", "records", "flags", "unmetered"
    table = _table("receipts", *headings, "outcomes", nanos=True)
    for document in documents:
        outcomes = "\n".join(
            f"{name} {value['value']} {value['unit']}".rstrip()
            for name, value in document["outcomes"].items()
        )
        first, last = document["windows"]
        _add_row(
            table,
            document["contract"],
            str(document["sequence"]),
            str(document["epoch"]),
            f"{first}..{last}",
            document["start"],
            str(document["records"]),
            ", ".join(document["flags"]),
            f"{document['unmetered_ms'] / 1000:g} s",
            outcomes,
            str(document["amount_nanos"]),
        )
    return table


@leaf(main, "ledger")
@_STORE
def ledger(output: Output, store: str) -> None:
    """Show entries and balances of every contract, what was decided by hand, and refusals."""
    from verifier.ledger import Ledger

    with Ledger.open(store) as opened:
        contracts = [_ledger_document(opened, signed.terms) for signed in opened.contracts()]
        refusals = [
            {
                "time": utc_text(refusal.time_ms),
                "reason": refusal.reason,
                "detail": refusal.detail,
                "terms_digest": None
                if refusal.terms_digest is None
                else refusal.terms_digest.hex(),
            }
            for refusal in opened.refusals()
        ]
        decided = [instruction_document(instruction) for instruction in opened.instructions()]
    output.emit({"contracts": contracts, "instructions": decided, "refusals": refusals})
    if not output.as_json:
        for document in contracts:
            for table in _ledger_tables(document):
                _print_table(table)
        _print_table(_instruction_table(decided))
        _print_table(_refusal_table(refusals))


def _ledger_document(opened: Ledger, terms: Terms) -> dict[str, Any]:
    return {
        "contract": terms.name,
        "terms_digest": terms.digest.hex(),
        "currency": terms.currency,
        "balances": {a.value: nanos for a, nanos in opened.balances(terms.digest).items()},
        "entries": [
            {
                "transaction": line.transaction,
                "kind": line.kind,
                "reference": line.reference,
                "time": utc_text(line.created_ms),
                "account": line.account.value,
                "nanos": line.nanos,
            }
            for line in opened.lines(terms.digest)
        ],
    }


def _ledger_tables(document: dict[str, Any]) -> list[Table]:
    title = f"{document['contract']} ({document['terms_digest'][:16]}), nanos of"
    headings = ("time", "kind", "reference", "account")
    entries = _table(f"{title} {document['currency']}", *headings, nanos=True)
    for line in document["entries"]:
        names = (line["time"], line["kind"], line["reference"], line["account"])
        _add_row(entries, *names, f"{line['nanos']:+}")
    balances = _table("balances", "account", nanos=True)
    for account, nanos in document["balances"].items():
        _add_row(balances, account, str(nanos))
    return [entries, balances]


def _refusal_table(refusals: list[dict[str, Any]]) -> Table:
    table = _table("refused", "time", "reason", "detail")
    for refusal in refusals:
        _add_row(table, refusal["time"], refusal["reason"], refusal["detail"])
    return table


def _instruction_table(instructions: list[dict[str, Any]]) -> Table:
    table = _table("decided", "time", "by", "what", "contract or device", "moment")
    for document in instructions:
        concerned = document["terms_digest"] or document["device"] or ""
        moment = document["moment"] or ""
        _add_row(table, document["time"], document["by"], document["kind"], concerned[:16], moment)
    return table


def _table(title: str, *headings: str, nanos: bool = False) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    if nanos:
        table.add_column("nanos", justify="right", no_wrap=True)
    return table


def _add_row(table: Table, *cells: str) -> None:
    from rich.text import Text

    table.add_row(*(Text(cell) for cell in cells))  # names are text, never markup


def _print_table(table: Table) -> None:
    from rich.console import Console

    if table.row_count:
        Console(width=None if sys.stdout.isatty() else 160).print(table)


if __name__ == "__main__":
    main()
