"""The demo's story, step by step: two companies, one machine, one contract."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from circuits.errors import Rejected
from examples.demo.chain import EMBEDDED, NANOS, Chain, open_chain
from examples.demo.cheats import TamperedProver
from examples.demo.commands import PROVER, VERIFIER, DemoFailed, VerifierProcess, call
from examples.demo.device import QEMU, record_under_qemu
from examples.demo.report import ACCEPTED, DUPLICATE, REPLAY, Report, console
from examples.demo.source import Source
from prover.claims import claim_windows, plan_claim
from prover.prove import prove
from prover.store import open_store
from verifier.contract import SignedContract, load_contract
from verifier.kernel.parameters import PARAMETER_SETS
from verifier.keys import load_keys
from verifier.rpc.client import Submitted, VerifierClient


def run(source: Source, most_windows: int, folder: Path, device: str, settle: str) -> Report:
    """Run the whole story in ``folder``; raises ``DemoFailed`` when a step cannot be done."""
    step(f"log: {source.title}")
    (folder / "operator").mkdir()
    (folder / "supplier").mkdir()
    if settle == EMBEDDED:
        return _run(source, most_windows, folder, device, None)
    with open_chain(folder) as chain:
        return _run(source, most_windows, folder, device, chain)


def _run(
    source: Source, most_windows: int, folder: Path, device: str, chain: Chain | None
) -> Report:
    operator, supplier = folder / "operator", folder / "supplier"
    contract_file = folder / "contract.toml"
    template = source.template if chain is None else chain.template(source, most_windows)
    _sign_contract(template, operator, supplier, contract_file)
    listed = _record(source, operator, contract_file, device)
    windows = min(most_windows, len(listed))
    litres = source.litres(windows)
    contract = load_contract(contract_file)
    _deposit(contract, litres, supplier, contract_file, chain)
    report = Report(source, device, windows=windows)
    key = load_keys(operator / "keys")
    _compile(contract, key, operator)
    cheat_at = _cheat_position(litres)
    serving = VerifierProcess(
        contract_file, supplier / "store", supplier / "keys", folder / "verifier.log",
        [] if chain is None else chain.serving,
    )  # fmt: skip
    with serving, VerifierClient(serving.address) as client:
        step(f"verifier: process {serving.process_id} at {serving.address}")
        files = _prove(contract, key, operator, windows, folder, report)
        claims = [file.read_bytes() for file in files]
        if chain is not None:
            cosigner = chain.start_cosigner(serving.address)
            step(f"co-signer: the operator's process {cosigner} signs settlements that are right")
        step(f"submit windows 0..{cheat_at - 1} over gRPC, then try to cheat at window {cheat_at}")
        answers = _submit(claims[:cheat_at], contract, client, chain)
        _cheat(TamperedProver(contract, operator / "store", key), cheat_at, client, report)
        step(f"submit the true claims for windows {cheat_at}..{windows - 1}: nothing was disturbed")
        answers += _submit(claims[cheat_at:], contract, client, chain)
        _replay(client.submit(claims[0]), answers[0], report)
        balance = client.balance(contract.terms.digest).accounts
    report.paid_nanos = balance.get("payable", 0) + balance.get("settled", 0)
    _collect(report, contract, answers, litres)
    if chain is not None:
        report.settled = chain.collect(answers[0].receipt)
    _verify_offline(files, contract_file, report)
    return report


def step(text: str) -> None:
    """One line of the story."""
    console.print(f"[bold cyan]>[/] {text}", highlight=False)


def _sign_contract(template: Path, operator: Path, supplier: Path, contract_file: Path) -> None:
    call(PROVER, "keys", "new", operator / "keys")
    keys = {
        "operator": operator / "keys",  # with the key to which a sensor encrypts readings
        "supplier": call(VERIFIER, "keys", "new", supplier / "keys")["public_key"],
        "device": call(PROVER, "device", "new", operator / "device")["public_key"],
    }
    named = [word for role, key in keys.items() for word in (f"--{role}", key)]
    call(PROVER, "contract", "new", template, *named, "--out", contract_file)
    call(PROVER, "contract", "sign", contract_file, "--keys", operator / "keys")
    call(VERIFIER, "contract", "sign", contract_file, "--keys", supplier / "keys")
    shown = call(VERIFIER, "contract", "show", contract_file)
    step(f"contract: signed by both, terms {shown['terms_digest'][:16]}...")


def _record(
    source: Source, operator: Path, contract_file: Path, device: str
) -> list[dict[str, Any]]:
    """The device signs the log; returns the windows in the operator's store."""
    where: list[str | Path] = ["--contract", contract_file, "--store", operator / "store"]
    if device == QEMU:
        terms = load_contract(contract_file).terms
        frames = record_under_qemu(source, terms, operator / "device", operator / "board")
        step(f"sensor: an emulated Cortex-M4 sent {frames.stat().st_size} bytes, encrypted")
        call(PROVER, "ingest", *where, "--keys", operator / "keys", "--serial", frames)
    else:
        call(PROVER, "import", source.path, *where, "--device", operator / "device")
    listed = call(PROVER, "windows", "--store", operator / "store")
    if len(listed) < 4:
        raise DemoFailed(f"{source.path}: {len(listed)} windows; the demo needs at least 4")
    records = sum(window["records"] for window in listed)
    step(f"device: {records} records committed to, {len(listed)} windows signed")
    return list(listed)


def _deposit(
    contract: SignedContract,
    litres: Sequence[Fraction],
    supplier: Path,
    contract_file: Path,
    chain: Chain | None,
) -> None:
    """Escrow for what is about to be proven, rounded up to a whole coin."""
    price = contract.terms.outcomes[0].price or Fraction(0)
    nanos = ceil(sum(litres, Fraction(0)) * price) * NANOS or NANOS
    where = "" if chain is None else f" at {chain.fund(nanos)[:18]}..."
    words: list[str | Path] = ["--store", supplier / "store", "--contract", contract_file]
    call(VERIFIER, "deposit", *words, "--amount-nanos", str(nanos), "--reference", "demo escrow")
    step(f"escrow: {nanos // NANOS} {contract.terms.currency} deposited by the operator{where}")


def _compile(contract: SignedContract, key: SigningKey, operator: Path) -> None:
    """One proof that nobody counts: the first use after an installation compiles the kernels."""
    with console.status("preparing the prover (the first time compiles its kernels: a minute) ..."):
        with open_store(operator / "store") as store:
            plan = plan_claim(contract, key, store, 0, 0)
        parameters = PARAMETER_SETS[contract.terms.parameter_set]
        prove(contract.terms.circuit, parameters, plan.statement, plan.windows)


def _cheat_position(litres: Sequence[Fraction]) -> int:
    """The last window that has one after it and in which something flowed."""
    for index in range(len(litres) - 2, 1, -1):
        if litres[index] > 0:
            return index
    raise DemoFailed("nothing flowed in the windows that the demo proves")


def _prove(
    contract: SignedContract,
    key: SigningKey,
    operator: Path,
    windows: int,
    folder: Path,
    report: Report,
) -> list[Path]:
    """One claim per window, with a progress bar; the claims' files."""
    step(f"prove {windows} windows, one claim each")
    claims = folder / "claims"
    claims.mkdir()
    files = []
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    )  # fmt: skip
    with Progress(*columns, console=console) as bar:
        whole = bar.add_task("proving", total=windows)
        for index in range(windows):

            def update(name: str, fraction: float, index: int = index) -> None:
                bar.update(whole, completed=int(index + fraction), description=f"proving: {name}")

            began = time.perf_counter()
            claim, _ = claim_windows(
                contract, operator / "store", operator / "keys", key, (index, index),
                progress=update,
            )  # fmt: skip
            report.prove_seconds.append(time.perf_counter() - began)
            files.append(claims / f"window-{index:03}.claim")
            files[-1].write_bytes(claim.encode())
    return files


def _submit(
    claims: Sequence[bytes],
    contract: SignedContract,
    client: VerifierClient,
    chain: Chain | None,
) -> list[Submitted]:
    """One claim after the other; what is due in between is settled before the next."""
    answers = []
    for claim in claims:
        answers.append(client.submit(claim))
        if chain is not None:
            chain.wait(client, contract.terms.digest)
    return answers


def _cheat(prover: TamperedProver, window: int, client: VerifierClient, report: Report) -> None:
    for cheat in prover.cheats(window):
        try:
            client.submit(cheat.claim.encode())
            answer = ACCEPTED
        except Rejected as rejected:
            answer = rejected.reason.value
        report.cheats[cheat.name] = (cheat.what, answer)


def _replay(again: Submitted, first: Submitted, report: Report) -> None:
    same = again.duplicate and again.receipt == first.receipt
    report.cheats[REPLAY] = (
        "the first claim again: its receipt, no money",
        DUPLICATE if same else ACCEPTED,
    )


def _collect(
    report: Report,
    contract: SignedContract,
    answers: Sequence[Submitted],
    litres: Sequence[Fraction],
) -> None:
    """Outcomes as the supplier has them (from receipts), beside those of the file."""
    for answer in answers:
        receipt = answer.receipt
        report.records.append(receipt.records)
        report.litres.append(contract.terms.outcome_values(receipt.totals)[0])
        report.amounts.append(receipt.amount_nanos)
    report.recomputed = list(litres)


def _verify_offline(files: Sequence[Path], contract_file: Path, report: Report) -> None:
    checked = call(VERIFIER, "verify", *files, "--contract", contract_file)
    for line in checked:
        if not line["ok"]:
            raise DemoFailed(f"offline verification refused {json.dumps(line)}")
        report.verify_seconds.append(float(line["verify_seconds"]))
        report.proof_bytes.append(int(line["proof_bytes"]))
    step(f"offline: {len(files)} claims verified again, without database or network")
