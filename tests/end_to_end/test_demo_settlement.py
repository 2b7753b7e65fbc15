"""``make demo SETTLE=iota``: what was paid is on the test network, to the nano, or still netted."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from examples.demo.chain import open_chain
from examples.demo.commands import VERIFIER, DemoFailed, call
from examples.demo.settled import Anchor, Payment, Settled
from tests.end_to_end.test_demo import KEYS, demo, write_log
from tests.iota_node import schema
from verifier.contract import load_contract

ANCHOR = Anchor("aa", 1, 5, ["bb"], "cc", "first", 3)
RIGHT = Settled(
    payments=[Payment("first", 50, (1, 5), "FINAL", 3), Payment("second", 30, (6, 8), "FINAL", 4)],
    netted=20, deposited=200, payee_balance=80, escrow_balance=120, anchor=ANCHOR,
)  # fmt: skip
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"netted": 19}, "80 nanos settled and 19 netted, but 100 paid"),
    ({"payee_balance": 79}, "80 nanos settled, but the payee has 79"),
    ({"escrow_balance": 119}, "80 of 200 nanos settled, but the escrow has 119"),
    ({"anchor": replace(ANCHOR, transaction="third")}, "transaction third settles nothing"),
    (
        {"payments": [replace(RIGHT.payments[0], state="EXECUTED"), RIGHT.payments[1]]},
        "the settlement first is EXECUTED",
    ),
    ({"payments": [], "payee_balance": 0, "escrow_balance": 200, "netted": 100}, "first settles"),
]


@pytest.fixture
def official_schema() -> None:
    """Skips where the test node cannot start."""
    try:
        schema.official_schema(checkpoint_bcs=False)
    except schema.SchemaUnavailable as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("official_schema")
def test_demo_settles_on_the_test_node(tmp_path: Path) -> None:
    log, out = tmp_path / "log.csv", tmp_path / "out"
    litres = write_log(log)
    result = demo("--csv", log, "--out", out, "--settle", "iota")
    assert result.returncode == 0, result.stdout + result.stderr
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    paid_at = KEYS.index("paid_nanos") + 1
    assert list(summary) == [*KEYS[:paid_at], "settlements", "netted_nanos", *KEYS[paid_at:]]
    assert Fraction(summary["litres_proven"]) == litres
    settlements, netted = summary["settlements"], summary["netted_nanos"]
    assert len(settlements) == 2
    assert sum(one["nanos"] for one in settlements) + netted == summary["paid_nanos"]
    assert summary["paid_nanos"] == litres * 2_000_000 // 1
    listed = call(VERIFIER, "settlements", "--store", out / "supplier" / "store")["settlements"]
    kept = [(one["digest"], one["amount_nanos"], one["state"]) for one in listed]
    assert kept == [(one["digest"], one["nanos"], "FINAL") for one in settlements]
    assert all(one["digest"] in result.stdout for one in settlements)
    terms = load_contract(out / "contract.toml").terms.settlement
    assert terms is not None
    assert 0 < netted < terms.minimum_nanos <= min(one["nanos"] for one in settlements)


def test_demo_says_what_settling_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "PACKAGES", tmp_path / "no packages")
    schema.official_schema.cache_clear()
    with pytest.raises(DemoFailed, match="make node-tools"), open_chain(tmp_path):
        pytest.fail("a test node without its schema")


def test_figures_that_agree() -> None:
    assert RIGHT.problems(100) == []


@pytest.mark.parametrize(("changes", "problem"), WRONG)
def test_figures_that_disagree(changes: dict[str, Any], problem: str) -> None:
    (found,) = replace(RIGHT, **changes).problems(100)
    assert problem in found
