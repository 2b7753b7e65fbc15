"""``ZKMETER_IOTA_TESTNET=1 make test-iota``: what a public test network does with our payments.

Without the variable only the test node is asked, which shows that the questions are right.
"""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tests.iota.node_tools import ROOT
from tests.iota.testnet import FAUCET, NODE, record
from tests.iota_node.faucet import Faucet
from tests.iota_node.fixtures import MakeNode
from tests.iota_node.node import IotaNode

RESULTS = ROOT / "build" / "iota" / "testnet.json"
IOTA = 10**9


def record_on(node: IotaNode) -> Any:
    with Faucet(node, 10 * IOTA) as faucet:
        return json.loads(json.dumps(record(node.url, faucet.url, patience_seconds=20)))


def paid(document: Any, name: str) -> Any:
    """A payment that must have been made."""
    payment = document["payments"][name]
    assert (payment["rehearsal"], payment["sent"], payment["outcome"]) == ("", "", "FINAL")
    assert payment["finality"]["sequence"] <= payment["latest_checkpoint"]["sequence"]
    assert payment["coin_shown_unspent_afterwards"] is False
    return payment


def test_a_network_that_takes_unused_inputs(iota_node: IotaNode) -> None:
    found = record_on(iota_node)
    assert found["network"]["network"] == iota_node.chain_id
    assert (found["unused_pure_input_accepted"], found["stopped"]) == (True, "")
    digests = [paid(found, name)["digest"] for name in ("plain", "anchored", "sponsored")]
    assert [one.digest for one in iota_node.transactions] == digests
    assert all(found["payments"][name]["gas"]["as_modelled"] for name in found["payments"])
    assert found["payments"]["plain"]["sent_again"] == ""
    nodes = found["history"]["checkpoints"]["checkpoints"]["nodes"]
    assert [one["sequenceNumber"] for one in nodes] == [0]
    assert found["history"]["first_is_genesis"] is True


def test_a_network_that_takes_none(make_iota_node: MakeNode) -> None:
    node = make_iota_node(unused_pure=False)
    found = record_on(node)
    assert found["unused_pure_input_accepted"] is False
    anchored = found["payments"]["anchored"]
    assert anchored["outcome"] == "REFUSED"
    assert "unused pure input" in anchored["rehearsal"]
    assert "unused pure input" in anchored["sent"]
    assert len(node.transactions) == 2
    for name in ("plain", "sponsored"):
        paid(found, name)


def test_a_faucet_that_gives_nothing(iota_node: IotaNode) -> None:
    with Faucet(iota_node, 0) as faucet:
        found = record(iota_node.url, faucet.url, patience_seconds=1)
    assert "coins of 0x" in found["stopped"]
    assert (found["payments"], found["unused_pure_input_accepted"]) == ({}, None)
    assert iota_node.transactions == []


def test_a_pruned_history_is_told(iota_node: IotaNode) -> None:
    for _ in range(3):
        iota_node.make_checkpoint()
    iota_node.faults.pruned_below = 2
    history = record_on(iota_node)["history"]
    assert history["checkpoints"]["checkpoints"]["nodes"][0]["sequenceNumber"] == 2
    assert history["first_is_genesis"] is False


@pytest.mark.skipif(
    os.environ.get("ZKMETER_IOTA_TESTNET") != "1",
    reason="asks a public network only with ZKMETER_IOTA_TESTNET=1 (docs/iota.md)",
)
def test_a_public_test_network() -> None:
    node = os.environ.get("ZKMETER_IOTA_NODE", NODE)
    found = record(node, os.environ.get("ZKMETER_IOTA_FAUCET", FAUCET))
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"\n{RESULTS.relative_to(ROOT)}: {RESULTS.read_text(encoding='utf-8')}")
    assert found["stopped"] == ""
    for name in ("plain", "sponsored"):
        paid(found, name)
    accepted = found["payments"]["anchored"]["outcome"] == "FINAL"
    assert found["unused_pure_input_accepted"] is accepted  # either way it is recorded
