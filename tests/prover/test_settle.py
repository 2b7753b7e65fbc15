"""``zkmeter-prover settle`` and ``serve --wallet``: what people see when something is off."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import verifier.cli
from prover.claims import claim_windows
from prover.cli import main
from prover.recording import record_log
from prover.signed_plans import open_signed_plans
from tests.prover.rig import PUMP, Rig, make_rig, steady_log
from tests.rpc.proposals import propose_for
from tests.rpc.servers import serving
from verifier.iota.wallet import Wallet
from verifier.keys import load_keys
from verifier.ledger import Ledger

NETWORK = "6364aad5"


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """A site whose contract is settled on chain, with one claim over windows 0..1."""
    wallets = [Wallet.create(tmp_path / f"{name}.wallet") for name in ("operator", "supplier")]
    table = (
        f'[settlement]\nnetwork = "{NETWORK}"\noperator_key = "{wallets[0].public_key}"\n'
        f'supplier_key = "{wallets[1].public_key}"\npayee = "{wallets[1].address}"\n'
    )
    rig = make_rig(tmp_path, PUMP.read_text(encoding="utf-8") + table)
    (tmp_path / "log.csv").write_text(steady_log(120), encoding="utf-8")
    record_log(tmp_path / "log.csv", rig.terms, rig.store, rig.device)
    return rig


@pytest.fixture
def ledger(rig: Rig) -> Iterator[Ledger]:
    key = load_keys(rig.supplier)
    with Ledger.open(rig.directory / "supplier-store", key, create=True) as opened:
        opened.register(rig.load())
        opened.deposit(rig.terms.digest, 10**12, "escrow")
        yield opened


def claim(rig: Rig, ledger: Ledger) -> None:
    made, _ = claim_windows(rig.load(), rig.store, rig.operator, rig.operator_key, (0, 1))
    ledger.apply(made.encode())


def settle(rig: Rig, address: str, *more: object, wallet: str = "operator") -> tuple[int, Any]:
    arguments = (
        "settle", "--contract", rig.contract, "--store", rig.store, "--keys", rig.operator,
        "--wallet", rig.directory / f"{wallet}.wallet", "--to", address, *more, "--json",
    )  # fmt: skip
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    return result.exit_code, json.loads(result.stdout)


def test_right_proposals_are_signed_and_wrong_ones_named(rig: Rig, ledger: Ledger) -> None:
    claim(rig, ledger)
    with serving(ledger) as address:
        assert settle(rig, address) == (0, [])  # the server cannot prepare anything without a node
        batch = propose_for(ledger, rig.terms, amount_nanos=1)
        status, (wrong,) = settle(rig, address)
        assert (status, wrong["ok"], wrong["reason"]) == (1, False, "SETTLEMENT_PLAN")
        assert ledger.outbox.shares(batch) == {}
        text = CliRunner().invoke(main, settle_words(rig, address)).stdout
        assert "REFUSED SETTLEMENT_PLAN" in text


def settle_words(rig: Rig, address: str) -> list[str]:
    return [
        "settle", "--contract", str(rig.contract), "--store", str(rig.store),
        "--keys", str(rig.operator), "--wallet", str(rig.directory / "operator.wallet"),
        "--to", address,
    ]  # fmt: skip


def test_signed_once_it_is_right(rig: Rig, ledger: Ledger) -> None:
    claim(rig, ledger)
    with serving(ledger) as address:
        batch = propose_for(ledger, rig.terms)
        status, (answer,) = settle(rig, address)
        assert (status, answer["ok"], answer["state"]) == (0, True, "PROPOSED")
        assert answer["amount_nanos"] == batch.amount_nanos
        own = Wallet.load(rig.directory / "operator.wallet")
        assert list(ledger.outbox.shares(batch)) == [own.public_key]
    with open_signed_plans(rig.store) as record:
        assert [plan.digest for plan in record.plans()] == [batch.digest]


def test_before_any_claim_there_is_nothing_to_sign(rig: Rig, ledger: Ledger) -> None:
    status, document = settle(rig, "127.0.0.1:1")
    assert (status, document["error"]["reason"]) == (2, "STORE_MISSING")


def test_what_is_in_the_way_is_named(rig: Rig, ledger: Ledger) -> None:
    claim(rig, ledger)
    for more, wallet, reason in (
        ((), "operator", "SERVER_AWAY"),
        ((), "supplier", "WALLET"),
        ((), "nobody", "FILE_MISSING"),
        (("--node", "not a URL"), "operator", "IOTA_NODE"),
        (("--tls-ca", "x"), "operator", "TLS"),
    ):
        status, document = settle(rig, "127.0.0.1:1", *more, wallet=wallet)
        assert (status, document["error"]["reason"]) == (2, reason)


def test_a_node_that_is_away(rig: Rig, ledger: Ledger) -> None:
    claim(rig, ledger)
    with serving(ledger) as address:
        propose_for(ledger, rig.terms)
        status, document = settle(rig, address, "--node", "http://127.0.0.1:1/graphql")
    assert (status, document["error"]["reason"]) == (2, "SERVER_AWAY")


def test_serve_wants_the_suppliers_wallet(rig: Rig, ledger: Ledger) -> None:
    def serve(*more: str) -> str:
        words = [
            "serve", "--contract", str(rig.contract), "--store", str(rig.directory / "s"),
            "--keys", str(rig.supplier), "--listen", "127.0.0.1:0", *more, "--json",
        ]  # fmt: skip
        result = CliRunner().invoke(verifier.cli.main, words)
        assert result.exit_code == 2
        return str(json.loads(result.stdout)["error"]["reason"])

    node = ("--node", "http://127.0.0.1:1/graphql")
    operators, own = (str(rig.directory / f"{name}.wallet") for name in ("operator", "supplier"))
    assert serve(*node, "--wallet", operators) == "WALLET"
    assert serve("--wallet", own) == "USAGE"
    assert serve(*node) == "USAGE"


def test_a_contract_without_a_settlement(tmp_path: Path) -> None:
    rig = make_rig(tmp_path)
    for run in (main, verifier.cli.main):
        result = CliRunner().invoke(run, ["escrow", str(rig.contract), "--json"])
        assert result.exit_code == 2
        assert json.loads(result.stdout)["error"]["reason"] == "CONTRACT_FIELD"
