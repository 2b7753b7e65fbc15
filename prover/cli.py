"""``zkmeter-prover``: the operator's commands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from circuits.errors import BadInput, InputReason
from prover.commands_bench import MEMORY, add_bench_commands
from prover.commands_circuit import add_circuit_commands
from prover.commands_ingest import add_device_stream, add_ingest
from prover.commands_settlement import add_settle
from verifier.commands_contract import add_contract_show, add_contract_sign
from verifier.commands_escrow import add_escrow
from verifier.commands_keys import add_keys_commands
from verifier.commands_wallet import add_wallet_commands
from verifier.console import Output, leaf, program, subgroup, utc_text

if TYPE_CHECKING:
    from prover.store import WindowEntry
    from verifier.claim import CheckedClaim, Claim
    from verifier.contract import Terms

main = program("zkmeter-prover", "Commit to a machine's log, prove agreed outcomes, send claims.")
add_keys_commands(main, encryption=True)
add_wallet_commands(main)
add_escrow(main)
add_settle(main)
_device = subgroup(main, "device", "Software devices.")
_contract = subgroup(main, "contract", "Contracts: fill in, sign, read.")
add_contract_sign(_contract)
add_contract_show(_contract)
add_device_stream(_device)
add_ingest(main)
add_bench_commands(main)
add_circuit_commands(subgroup(main, "circuit", "Circuits: look for mistakes."))

_CONTRACT = click.option(
    "--contract", required=True, metavar="C.toml", help="The contract, signed by both parties."
)
_STORE = click.option("--store", required=True, metavar="DIR", help="The operator's store.")
_KEYS = click.option("--keys", required=True, metavar="DIR", help="The operator's key directory.")


def _show_notices() -> None:
    from prover.notices import show_notices

    show_notices()


main.callback = _show_notices


@leaf(_device, "new")
@click.argument("directory", metavar="DIR")
def device_new(output: Output, directory: str) -> None:
    """Make a software device in DIR; never overwrites one."""
    from prover.device import create_device

    public = create_device(directory).hex()
    output.emit({"public_key": public}, public)


@leaf(_contract, "new")
@click.argument("template", metavar="TEMPLATE.toml")
@click.option("--operator", required=True, metavar="KEY", help="The operator's public key.")
@click.option("--supplier", required=True, metavar="KEY", help="The supplier's public key.")
@click.option("--device", required=True, metavar="KEY", help="The device's public key.")
@click.option("--out", required=True, metavar="C.toml", help="Where to write; never overwrites.")
def contract_new(
    output: Output, template: str, operator: str, supplier: str, device: str, out: str
) -> None:
    """Fill the parties into a template.

    A KEY is 64 hex digits, a key or device directory, or its public.key file. The operator's X25519
    key for readings is taken from beside that file, if it is there.
    """
    from prover.template import fill_template
    from verifier.files import read_text, write_atomic
    from verifier.keys import find_encryption_key, resolve_public_key

    keys = (
        resolve_public_key(operator, "--operator"),
        resolve_public_key(supplier, "--supplier"),
        resolve_public_key(device, "--device"),
    )
    try:
        text, terms = fill_template(
            read_text(template), *keys, operator_encryption=find_encryption_key(operator)
        )
    except BadInput as error:
        raise BadInput(error.reason, f"{template}: {error.message}") from None
    write_atomic(out, text.encode(), overwrite=False)
    output.emit(
        {
            "contract": out,
            "terms_digest": terms.digest.hex(),
            "circuit_id": terms.circuit.identifier.hex(),
        },
        f"{out}: terms {terms.digest.hex()}",
    )


@leaf(main, "import")
@click.argument("log", metavar="LOG.csv")
@_CONTRACT
@_STORE
@click.option("--device", required=True, metavar="DIR", help="The software device's directory.")
def import_log(output: Output, log: str, contract: str, store: str, device: str) -> None:
    """Let a software device sign a log; keep the records.

    One import is one epoch of the device, with one checkpoint per contract window.
    """
    from prover.recording import record_log
    from verifier.contract import load_contract

    terms = load_contract(contract).require_signed().terms
    with output.progress("import") as progress:
        result = record_log(log, terms, store, device, progress)
    document = {
        "epoch": result.epoch,
        "windows": result.windows,
        "records": result.records,
        "start": utc_text(result.start_ms),
        "end": utc_text(result.end_ms),
    }
    output.emit(
        document,
        f"epoch {result.epoch}: {result.records} records in windows 0..{result.windows - 1},"
        f" {document['start']} to {document['end']}",
    )
    output.note(f"commitments by: {result.commitments_by}")


@leaf(main, "windows")
@_STORE
def windows(output: Output, store: str) -> None:
    """List the windows in the store."""
    from prover.store import open_store

    with open_store(store) as opened:
        entries = opened.windows()
    output.emit([_window_document(entry) for entry in entries], _window_table(entries))


def _window_document(entry: WindowEntry) -> dict[str, Any]:
    document: dict[str, Any] = {
        "device": entry.device.hex(),
        "epoch": entry.epoch,
        "index": entry.index,
        "records": entry.records,
        "start": utc_text(entry.start_ms),
        "end": utc_text(entry.end_ms),
        "checkpoint": entry.checkpoint,
        "signed": entry.signed,
    }
    if entry.lost:
        document["lost"] = True
    return document


def _window_table(entries: list[WindowEntry]) -> str:
    lines = [f"{'device':<8} {'epoch':>5} {'index':>7} {'records':>8}  {'start':<24}  {'end':<24}"]
    lines[0] += "  signed"
    lines += [
        f"{entry.device.hex()[:8]} {entry.epoch:>5} {entry.index:>7} {entry.records:>8}"
        f"  {utc_text(entry.start_ms)}  {utc_text(entry.end_ms)}  {'yes' if entry.signed else 'NO'}"
        f"{'  LOST' if entry.lost else ''}"
        for entry in entries
    ]
    return "\n".join(lines)


def parse_windows(text: str) -> tuple[int, int]:
    """``A..B`` as two window numbers, A <= B."""
    match = re.fullmatch(r"([0-9]{1,9})\.\.([0-9]{1,9})", text)
    if match is None or int(match.group(1)) > int(match.group(2)):
        raise BadInput(InputReason.WINDOWS, "--windows: expected A..B with A <= B, such as 0..9")
    return int(match.group(1)), int(match.group(2))


@leaf(main, "prove")
@_CONTRACT
@_STORE
@_KEYS
@click.option(
    "--windows", "span", required=True, metavar="A..B", help="Windows to claim, both inclusive."
)
@click.option(
    "--epoch",
    type=click.IntRange(min=0),
    help="Epoch of the windows; the latest that has them when not given.",
)
@click.option("--out", required=True, metavar="FILE", help="Where to write the claim.")
@MEMORY
@click.option("--profile", is_flag=True, help="Show where the time goes, step by step.")
def prove(
    output: Output,
    contract: str,
    store: str,
    keys: str,
    span: str,
    epoch: int | None,
    out: str,
    memory: str | None,
    profile: bool,
) -> None:
    """Prove the outcomes over some windows.

    Writes one signed claim that covers windows A..B, both inclusive.
    """
    from prover.memory import parse_memory
    from verifier.contract import load_contract
    from verifier.files import require_writable, write_atomic
    from verifier.keys import load_keys

    chosen = parse_windows(span)
    limit = None if memory is None else parse_memory(memory)
    require_writable(out)
    signed = load_contract(contract).require_signed()
    operator = load_keys(keys)
    from prover.claims import claim_windows
    from prover.spans import Spans, spans_document, spans_table

    with output.progress("prove") as progress:
        spans = Spans(progress, before="reading the log", after="checking")
        claim, checked = claim_windows(signed, store, keys, operator, chosen, epoch, spans, limit)
        found = spans.finish()
    write_atomic(out, claim.encode())
    seconds = sum(one.seconds for one in found)
    document = _claim_document(out, claim, checked, signed.terms, seconds)
    text = _claim_text(document)
    if profile:
        document["steps"] = spans_document(found)
        text += "\n" + spans_table(found)
    output.emit(document, text)


def _claim_document(
    out: str, claim: Claim, checked: CheckedClaim, terms: Terms, seconds: float
) -> dict[str, Any]:
    from verifier.contract.explain import outcomes_document

    return {
        "file": out,
        "epoch": claim.first.epoch,
        "windows": [claim.first.index, claim.last.index - 1],
        "records": claim.records,
        "outcomes": outcomes_document(terms, checked.outcomes),
        "amount_nanos": claim.amount_nanos,
        "cumulative_nanos": claim.voucher.cumulative_nanos,
        "statement_digest": claim.statement_digest.hex(),
        "proof_bytes": len(claim.proof),
        "prove_seconds": round(seconds, 3),
    }


def _claim_text(document: dict[str, Any]) -> str:
    first, last = document["windows"]
    outcomes = ", ".join(
        f"{name} = {value['value']} {value['unit']}" for name, value in document["outcomes"].items()
    )
    return (
        f"{document['file']}: epoch {document['epoch']} windows {first}..{last}: {outcomes};"
        f" {document['amount_nanos']} nanos; proof of {document['proof_bytes']} bytes in"
        f" {document['prove_seconds']} s"
    )


@leaf(main, "submit")
@click.argument("claim", metavar="FILE")
@click.option("--to", required=True, metavar="HOST:PORT", help="The supplier's verifier.")
@click.option("--receipt", metavar="FILE", help="Keep the receipt in this file.")
@click.option("--tls-ca", metavar="PEM", help="Certificate authority of the verifier.")
@click.option("--tls-certificate", metavar="PEM", help="This side's certificate.")
@click.option("--tls-key", metavar="PEM", help="Key of that certificate.")
def submit(
    output: Output,
    claim: str,
    to: str,
    receipt: str | None,
    tls_ca: str | None,
    tls_certificate: str | None,
    tls_key: str | None,
) -> None:
    """Send a claim to the verifier; without TLS to this machine only.

    Exit status 1 when the verifier refuses the claim.
    """
    from prover.submit import load_tls, submit_file

    answer = submit_file(claim, to, load_tls(tls_ca, tls_certificate, tls_key), receipt)
    found = answer.receipt
    output.emit(
        {
            "file": claim,
            "duplicate": answer.duplicate,
            "sequence": found.sequence,
            "epoch": found.epoch,
            "windows": [found.first_window, found.last_window],
            "amount_nanos": found.amount_nanos,
            "cumulative_nanos": found.cumulative_nanos,
            "statement_digest": found.statement_digest.hex(),
            "receipt_digest": found.digest.hex(),
        },
        f"{claim}: receipt {found.sequence}"
        + (" (accepted before, paid once)" if answer.duplicate else "")
        + f": {found.amount_nanos} nanos, {found.cumulative_nanos} in all",
    )


if __name__ == "__main__":
    main()
