"""From claims to coins: the supplier's server and the operator's co-signer, each a process.

They share nothing but gRPC and a test network. Afterwards the way from each receipt to the
transaction that paid it is checked, with a node and without.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest
from click.testing import CliRunner

import prover.cli
import verifier.cli
from circuits.errors import InputReason
from prover.claims import claim_windows
from prover.recording import record_log
from prover.statements import STATEMENTS_NAME
from tests.iota_node.node import IotaNode
from tests.prover.rig import PUMP, ROOT, Rig, make_rig, steady_log
from verifier.accept import Account
from verifier.iota.escrow import Escrow
from verifier.iota.wallet import Wallet
from verifier.ledger import Ledger
from verifier.rpc.client import VerifierClient

TABLE = """
[settlement]
network = "{network}"
operator_key = "{operator}"
supplier_key = "{supplier}"
payee = "{payee}"
"""
DEADLINE_SECONDS = 120
MAIN = {"prover": prover.cli.main, "verifier": verifier.cli.main}


def command(package: str, *arguments: object) -> list[str]:
    """A console script's entry point in a process of its own."""
    code = f"from {package}.cli import main; main()"
    return [sys.executable, "-c", code, *(str(argument) for argument in arguments), "--json"]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def run(package: str, *arguments: object) -> tuple[int, Any]:
    """Exit status and JSON document of a command, in this process."""
    words = [*(str(argument) for argument in arguments), "--json"]
    result = CliRunner().invoke(MAIN[package], words)
    return result.exit_code, json.loads(result.stdout)


def first_line(process: subprocess.Popen[str]) -> Any:
    output: IO[str] | None = process.stdout
    assert output is not None
    return json.loads(output.readline())


@dataclass
class Site:
    """Both parties' directories, and the network between them."""

    rig: Rig
    network: IotaNode

    @property
    def supplier_store(self) -> Path:
        return self.rig.directory / "supplier-store"

    def wallet(self, party: str) -> Path:
        return self.rig.directory / f"{party}.wallet"

    @property
    def escrow(self) -> str:
        settlement = self.rig.terms.settlement
        assert settlement is not None
        return Escrow(settlement).address

    @property
    def payee(self) -> str:
        settlement = self.rig.terms.settlement
        assert settlement is not None
        return settlement.payee

    def serve(self, *more: object) -> subprocess.Popen[str]:
        arguments = (
            "serve", "--contract", self.rig.contract, "--store", self.supplier_store,
            "--keys", self.rig.supplier, "--listen", "127.0.0.1:0", "--settle-seconds", 0.2,
        )  # fmt: skip
        return subprocess.Popen(
            command("verifier", *arguments, *more),
            env=environment(), stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def settle_arguments(self, address: str) -> tuple[object, ...]:
        return (
            "settle", "--contract", self.rig.contract, "--store", self.rig.store,
            "--keys", self.rig.operator, "--wallet", self.wallet("operator"), "--to", address,
        )  # fmt: skip

    def submit(self, address: str, windows: tuple[int, int]) -> Path:
        """Claim windows, submit, keep the receipt."""
        name = f"{windows[0]}-{windows[1]}"
        claim, receipt = (self.rig.directory / f"{name}.{end}" for end in ("claim", "receipt"))
        made, _ = claim_windows(
            self.rig.load(), self.rig.store, self.rig.operator, self.rig.operator_key, windows
        )
        claim.write_bytes(made.encode())
        status, _ = run("prover", "submit", claim, "--to", address, "--receipt", receipt)
        assert status == 0
        return receipt


def make_site(directory: Path, network: IotaNode, *, sponsored: bool = False) -> Site:
    """A contract that is settled on the test network, signed, recorded and funded.

    ``sponsored``: the operator's own wallet pays the gas.
    """
    wallets = {
        name: Wallet.create(directory / f"{name}.wallet") for name in ("operator", "supplier")
    }
    table = TABLE.format(
        network=network.chain_id,
        operator=wallets["operator"].public_key,
        supplier=wallets["supplier"].public_key,
        payee=wallets["supplier"].address,
    )
    if sponsored:
        table += f'gas_owner = "{wallets["operator"].address}"\n'
        network.faucet(wallets["operator"].address, 10**9)
    rig = make_rig(directory, PUMP.read_text(encoding="utf-8") + table)
    (directory / "log.csv").write_text(steady_log(240), encoding="utf-8")
    record_log(directory / "log.csv", rig.terms, rig.store, rig.device)
    site = Site(rig, network)
    with Ledger.open(site.supplier_store, create=True) as ledger:
        ledger.register(rig.load())
        ledger.deposit(rig.terms.digest, 10**12, "escrow")
    network.faucet(site.escrow, 40 * 10**9)
    network.faucet(site.escrow, 60 * 10**9)
    return site


@pytest.fixture
def site(node: IotaNode, tmp_path: Path) -> Site:
    return make_site(tmp_path, node)


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    """Whatever a test starts is ended."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()


def until_final(client: VerifierClient, terms_digest: bytes, nanos: int) -> list[str]:
    """The digests of the settlements, once all that is owed has become final."""
    end = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < end:
        found = list(client.settlements(terms_digest))
        if sum(news.amount_nanos for news in found if news.state == "FINAL") == nanos:
            return [news.digest for news in found]
        time.sleep(0.2)
    pytest.fail(f"not settled: {found}")


def test_claims_become_coins(site: Site, processes: list[subprocess.Popen[str]]) -> None:
    node = ("--node", site.network.url)
    serving = site.serve(*node, "--wallet", site.wallet("supplier"))
    processes.append(serving)
    address = first_line(serving)["listening"]
    watching = subprocess.Popen(
        command(
            "prover", *site.settle_arguments(address), *node, "--watch", "--poll-seconds", 0.2
        ),
        env=environment(), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    processes.append(watching)
    receipts = [site.submit(address, windows) for windows in ((0, 0), (1, 2))]
    terms = site.rig.terms
    with VerifierClient(address) as client:
        owed = sum(receipt.amount_nanos for receipt in client.receipts(terms.digest))
        digests = until_final(client, terms.digest, owed)
        receipts.append(site.submit(address, (3, 3)))
        owed = sum(receipt.amount_nanos for receipt in client.receipts(terms.digest))
        digests = until_final(client, terms.digest, owed)
    assert site.network.balance(site.payee) == owed > 0
    transfers = site.network.transfers(site.payee)
    assert [transfer.digest for transfer in transfers] == digests
    signed = first_line(watching)
    assert (signed["ok"], signed["digest"]) == (True, digests[0])
    watching.send_signal(signal.SIGINT)
    serving.send_signal(signal.SIGTERM)
    assert (watching.wait(30), serving.wait(60)) == (130, 0)
    with Ledger.open(site.supplier_store) as ledger:
        balances = ledger.balances(terms.digest)
    assert (balances[Account.PAYABLE], balances[Account.SETTLED]) == (0, owed)
    check_anchors(site, receipts, digests)
    check_lists(site, digests, owed)


def check_anchors(site: Site, receipts: list[Path], digests: list[str]) -> None:
    """Every receipt leads to its transaction; the evidence holds without store and network."""
    node = ("--node", site.network.url)
    for receipt in receipts:
        evidence = receipt.with_suffix(".evidence")
        status, found = run(
            "verifier", "anchor", "check", receipt,
            "--store", site.supplier_store, "--out", evidence, *node,
        )  # fmt: skip
        assert (status, found["node"]["final"]) == (0, True)
        assert found["transaction"] in digests
        assert found["checkpoint"] == found["node"]["checkpoint"]
        status, alone = run("verifier", "anchor", "check", receipt, "--evidence", evidence)
        assert (status, alone) == (0, {k: v for k, v in found.items() if k != "node"})
    others = receipts[-1].with_suffix(".evidence")
    status, error = run("verifier", "anchor", "check", receipts[0], "--evidence", others)
    assert (status, error["error"]["reason"]) == (2, "ANCHOR")
    site.network.make_checkpoint()
    site.network.faults.pruned_below = len(site.network.checkpoints) - 1
    status, found = run("verifier", "anchor", "check", receipts[-1], "--evidence", others, *node)
    assert (status, found["node"]["final"]) == (1, False)  # the node forgot; the file did not
    site.network.faults.clear()


def check_lists(site: Site, digests: list[str], owed: int) -> None:
    status, listed = run("verifier", "settlements", "--store", site.supplier_store)
    assert status == 0
    assert [one["digest"] for one in listed["settlements"]] == digests
    assert {one["state"] for one in listed["settlements"]} == {"FINAL"}
    assert all(one["checkpoint"]["sequence"] > 0 for one in listed["settlements"])
    assert listed["owed"] == []
    for package in ("verifier", "prover"):
        status, escrow = run(package, "escrow", site.rig.contract, "--node", site.network.url)
        assert (status, escrow["address"]) == (0, site.escrow)
        assert escrow["balance_nanos"] == site.network.balance(site.escrow)
    assert escrow["balance_nanos"] < 100 * 10**9 - owed  # the escrow paid the gas, too


def test_by_hand_and_without_the_operators_node(
    site: Site, processes: list[subprocess.Popen[str]]
) -> None:
    # the server settles nothing itself; the supplier's cron job and the operator take turns
    serving = site.serve()
    processes.append(serving)
    address = first_line(serving)["listening"]
    site.submit(address, (0, 3))
    by_hand = (
        "settle", "--store", site.supplier_store,
        "--node", site.network.url, "--wallet", site.wallet("supplier"),
    )  # fmt: skip
    status, (batch,) = run("verifier", *by_hand)
    assert (status, batch["state"]) == (0, "PROPOSED")
    status, (answer,) = run("prover", *site.settle_arguments(address))
    assert (status, answer["ok"], answer["digest"]) == (0, True, batch["digest"])
    status, (again,) = run("prover", *site.settle_arguments(address))
    assert (status, again) == (0, answer)  # signed before: the same signature
    assert site.network.transfers(site.payee) == []  # the supplier signs last
    status, (done,) = run("verifier", *by_hand)
    assert (status, done["state"]) == (0, "FINAL")
    assert site.network.balance(site.payee) == batch["amount_nanos"]
    assert run("verifier", *by_hand) == (0, [])
    assert run("prover", *site.settle_arguments(address)) == (0, [])


def test_a_mistyped_store_is_no_new_record(site: Site) -> None:
    elsewhere = site.rig.directory / "elsewhere"
    (site.rig.operator / STATEMENTS_NAME).touch()
    words = [elsewhere if word == site.rig.store else word for word in site.settle_arguments("-")]
    status, refused = run("prover", *words)
    assert (status, refused["error"]["reason"]) == (2, InputReason.STORE_MISSING)
    assert str(elsewhere) in refused["error"]["message"]
    assert not elsewhere.exists()


def test_gas_from_the_operators_wallet(
    node: IotaNode, tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    site = make_site(tmp_path, node, sponsored=True)
    sponsor = Wallet.load(site.wallet("operator"))
    serving = site.serve("--node", node.url, "--wallet", site.wallet("supplier"))
    processes.append(serving)
    address = first_line(serving)["listening"]
    site.submit(address, (0, 3))
    end = time.monotonic() + DEADLINE_SECONDS
    answers: list[Any] = []
    while not answers and time.monotonic() < end:
        status, answers = run("prover", *site.settle_arguments(address), "--node", node.url)
        assert status == 0
    with VerifierClient(address) as client:
        owed = sum(receipt.amount_nanos for receipt in client.receipts(site.rig.terms.digest))
        until_final(client, site.rig.terms.digest, owed)
    assert node.balance(site.payee) == owed
    assert node.balance(site.escrow) == 100 * 10**9 - owed  # not a nano of gas
    assert node.balance(sponsor.address) < 10**9
