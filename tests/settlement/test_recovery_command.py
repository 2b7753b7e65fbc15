"""``zkmeter-prover settlement recover``: a wallet signs beside its own record only."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from prover.cli import main
from prover.signed_plans import SIGNED_PLANS_NAME
from tests.iota_node.node import IotaNode
from tests.settlement.test_two_processes import Site, first_line, make_site, processes, run
from verifier.settlement.iota.recovery import NOT_NEXT

__all__ = ["processes"]  # the fixture


@pytest.fixture
def site(node: IotaNode, tmp_path: Path) -> Site:
    return make_site(tmp_path, node)


def supplier(site: Site, *command: object) -> tuple[int, Any]:
    return run(
        "verifier", "settle", "--store", site.supplier_store, "--node", site.network.url,
        "--wallet", site.wallet("supplier"), *command,
    )  # fmt: skip


def test_a_lost_record_is_recovered(site: Site, processes: list[subprocess.Popen[str]]) -> None:
    serving = site.serve()
    processes.append(serving)
    address = first_line(serving)["listening"]
    settle = [*site.settle_arguments(address), "--node", site.network.url]
    site.submit(address, (0, 1))
    supplier(site)
    mark = Path(f"{site.wallet('operator')}.unused")
    assert mark.exists()
    status, (answer,) = run("prover", *settle)
    assert (status, answer["ok"], mark.exists()) == (0, True, False)
    _, (batch,) = supplier(site)
    assert batch["state"] == "FINAL"
    site.submit(address, (2, 2))
    supplier(site)
    (site.rig.store / SIGNED_PLANS_NAME).unlink()
    for words in (settle, settle[:-2]):
        status, document = run("prover", *words)
        assert (status, document["error"]["reason"]) == (2, "STORE_MISSING")
    recover = ["settlement", "recover", *settle[1:]]
    status, found = run("prover", *recover)
    assert status == 0
    (payment,) = found["payments"]
    assert (payment["digest"], payment["decided"]) == (batch["digest"], True)
    assert (payment["before_nanos"], payment["after_nanos"]) == (0, batch["amount_nanos"])
    status, (answer,) = run("prover", *settle)
    assert (status, answer["reason"]) == (1, "SETTLEMENT_PLAN")
    for _ in range(3):
        site.network.advance_epoch()
    supplier(site)  # what waited has expired, and is planned again
    supplier(site)
    status, (answer,) = run("prover", *settle)
    assert (status, answer["ok"], answer["receipts"]) == (0, True, [2, 2])
    shown = CliRunner().invoke(main, [str(word) for word in recover]).stdout
    assert f"{batch['digest']}: {batch['amount_nanos']} nanos, for nanos 0.." in shown
    assert "nothing is signed before epoch 6" in shown


def test_a_node_that_is_away_recovers_nothing(
    site: Site, processes: list[subprocess.Popen[str]]
) -> None:
    serving = site.serve()
    processes.append(serving)
    address = first_line(serving)["listening"]
    site.submit(address, (0, 1))
    secret = site.network.url.replace("//", "//user:password@") + "?key=secret"
    site.network.stop()
    words = ["settlement", "recover", *site.settle_arguments(address)[1:], "--node", secret]
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert (result.exit_code, "SERVER_AWAY" in result.output) == (2, True)
    assert not {"user", "password", "secret"} & set(result.output.replace("?", " ").split())
    assert "secret" not in result.output
    assert "password" not in result.output


def test_a_supplier_store_from_an_old_copy(
    site: Site, processes: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    serving = site.serve()
    processes.append(serving)
    address = first_line(serving)["listening"]
    copy = tmp_path / "copy"
    shutil.copytree(site.supplier_store, copy)
    site.submit(address, (0, 1))
    supplier(site)
    settle = [*site.settle_arguments(address), "--node", site.network.url]
    assert run("prover", *settle)[0] == 0
    _, (batch,) = supplier(site)
    assert batch["state"] == "FINAL"
    lost = ["recover", "--store", copy, "--node", site.network.url]
    status, found = run("verifier", *lost)
    assert (status, found["recovered"], found["known"]) == (1, 0, 0)
    assert found["settlements"] == [
        {
            "digest": batch["digest"], "nanos": batch["amount_nanos"],
            "contract": batch["contract"], "batch": None, "receipts": None, "state": None,
            "detail": NOT_NEXT,
        }
    ]  # fmt: skip
    files = sorted(site.rig.directory.glob("0-1.*"))
    assert len(files) == 2
    status, found = run("verifier", *lost, *files)
    assert (status, found["recovered"]) == (0, 1)
    (settled,) = found["settlements"]
    assert (settled["digest"], settled["state"]) == (batch["digest"], "FINAL")
    assert settled["receipts"] == batch["receipts"]
    status, found = run("verifier", *lost, *files)
    assert (status, found) == (
        0,
        {"recovered": 0, "known": 1, "settlements": [], "forgotten": []},
    )
    (again,) = run("verifier", "settlements", "--store", copy)[1]["settlements"]
    for key in ("digest", "checkpoint", "amount_nanos", "state"):
        assert again[key] == batch[key]
    assert run("verifier", "recover", "--store", copy)[0] == 2
    site.network.stop()
    status, document = run("verifier", *lost)
    assert (status, document["error"]["reason"]) == (2, "SERVER_AWAY")
