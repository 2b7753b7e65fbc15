"""``zkmeter-prover submit`` against a real verifier on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from prover.claims import claim_windows
from prover.cli import main
from prover.recording import record_log
from tests.prover.rig import Rig, make_rig, steady_log
from tests.rpc.servers import serving
from verifier.keys import load_keys
from verifier.ledger import Ledger
from verifier.receipt import decode_receipt


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """A site with two claims, written as a.claim (windows 0..1) and b.claim (window 2)."""
    rig = make_rig(tmp_path)
    (tmp_path / "log.csv").write_text(steady_log(180), encoding="utf-8")
    record_log(tmp_path / "log.csv", rig.terms, rig.store, rig.device)
    for name, span in (("a.claim", (0, 1)), ("b.claim", (2, 2))):
        claim, _ = claim_windows(rig.load(), rig.store, rig.operator, rig.operator_key, span)
        (tmp_path / name).write_bytes(claim.encode())
    return rig


@pytest.fixture
def address(rig: Rig) -> Iterator[str]:
    key = load_keys(rig.supplier)
    with Ledger.open(rig.directory / "supplier-store", key, create=True) as ledger:
        ledger.register(rig.load())
        ledger.deposit(rig.terms.digest, 10**12, "escrow")
        with serving(ledger) as bound:
            yield bound


def submit(rig: Rig, address: str, name: str, *more: str) -> tuple[int, Any]:
    arguments = ["submit", str(rig.directory / name), "--to", address, "--json", *more]
    result = CliRunner().invoke(main, arguments)
    return result.exit_code, json.loads(result.stdout)


def test_submit_keeps_the_receipt_and_a_repeat_is_paid_once(rig: Rig, address: str) -> None:
    kept = rig.directory / "a.receipt"
    status, first = submit(rig, address, "a.claim", "--receipt", str(kept))
    assert status == 0
    assert (first["sequence"], first["windows"], first["duplicate"]) == (1, [0, 1], False)
    receipt = decode_receipt(kept.read_bytes())
    receipt.require_signature(rig.terms.parties.supplier)
    assert receipt.amount_nanos == first["amount_nanos"] == first["cumulative_nanos"]
    status, again = submit(rig, address, "a.claim")
    assert status == 0
    assert again == first | {"duplicate": True}
    status, second = submit(rig, address, "b.claim")
    assert status == 0
    assert second["cumulative_nanos"] == first["amount_nanos"] + second["amount_nanos"]


def test_a_refusal_is_the_verifiers_reason_and_status_1(rig: Rig, address: str) -> None:
    assert submit(rig, address, "b.claim")[0] == 1
    status, document = submit(rig, address, "b.claim", "--receipt", str(rig.directory / "r"))
    assert (status, document["error"]["reason"]) == (1, "HEAD_MISMATCH")
    assert not (rig.directory / "r").exists()
    (rig.directory / "bad.claim").write_bytes(b"not a claim")
    status, document = submit(rig, address, "bad.claim")
    assert (status, document["error"]["reason"]) == (1, "CLAIM_MALFORMED")
