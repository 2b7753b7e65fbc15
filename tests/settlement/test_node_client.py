"""The client of a node: answers within a time, and no sense made of nonsense."""

from __future__ import annotations

import asyncio
import hashlib
import random
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from circuits.errors import BadInput, InputReason
from tests.iota.samples import PLAN
from tests.iota_node.faults import Fault
from tests.iota_node.node import IotaNode
from tests.settlement.iota_rig import wallet
from verifier.commands_escrow import balance_nanos
from verifier.iota.node import Node, patience, without_secrets
from verifier.iota.payment import CoinRef, build, digest

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = wallet("operator").address
NOBODYS = digest(b"no transaction").text


@pytest.fixture
def client(node: IotaNode) -> Node:
    """A client with little patience."""
    return Node(node.url, answer_seconds=5)


def reference(node: IotaNode) -> CoinRef:
    """A new coin's reference, as the client reads it."""
    coin = node.faucet(ADDRESS, 10**9)
    found = Node(node.url).coin(bytes.fromhex(coin.object_id[2:]), ADDRESS)
    assert found is not None
    assert found.nanos == 10**9
    return found.reference


def test_what_the_node_serves(node: IotaNode, client: Node) -> None:
    node.advance_epoch(reference_gas_price=1_200)
    present = client.present()
    assert (present.network, present.epoch, present.gas_price) == (node.chain_id, 1, 1_200)


def test_coins_come_from_all_pages(node: IotaNode, client: Node) -> None:
    coins = {node.faucet(ADDRESS, 1_000 + i).object_id: 1_000 + i for i in range(120)}
    found = {"0x" + object_id.hex(): nanos for object_id, nanos in client.balances(ADDRESS)}
    assert found == coins


def test_a_coin_of_somebody_else_is_none(node: IotaNode, client: Node) -> None:
    coin = reference(node)
    assert client.coin(coin.object_id, wallet("supplier").address) is None
    assert client.coin(hashlib.sha256(b"nowhere").digest(), ADDRESS) is None


def test_the_standing_of_an_unknown_transaction(node: IotaNode, client: Node) -> None:
    coin = reference(node)
    node.advance_epoch()
    standing = client.standing(NOBODYS, coin)
    assert (standing.execution, standing.indexed, standing.unspent) == (None, False, True)
    assert (standing.epoch, standing.first_sequence, standing.first_epoch) == (1, 0, 0)
    assert standing.latest.digest == node.checkpoints[-1].digest
    moved = CoinRef(coin.object_id, coin.version + 1, coin.digest)
    assert not client.standing(NOBODYS, moved).unspent
    node.faults.pruned_below = 2
    assert client.standing(NOBODYS, coin).first_sequence == 2


FAULTS = [f for f in Fault if f not in (Fault.DUPLICATE, Fault.SLOW_BEFORE, Fault.SLOW_AFTER)]
QUESTIONS: dict[str, Callable[[Node], Any]] = {  # by a root field of what is asked
    "epoch": lambda client: client.present(),
    "objects": lambda client: client.balances(ADDRESS),
    "object": lambda client: client.coin(bytes(32), ADDRESS),
    "transactionBlock": lambda client: client.standing(NOBODYS, CoinRef(bytes(32), 1, bytes(32))),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_failure_is_a_connection_error(node: IotaNode, client: Node, fault: Fault) -> None:
    for name, question in QUESTIONS.items():
        node.faults.arm(fault, on=name)
        with pytest.raises(ConnectionError):
            question(client)
        question(client)  # and the next one is answered


def test_a_slow_answer_is_none(node: IotaNode) -> None:
    node.faults.slow_seconds = 30
    node.faults.arm(Fault.SLOW_AFTER, on=None)
    with pytest.raises(ConnectionError):
        Node(node.url, answer_seconds=0.1).present()


def test_who_asks_is_told_that_the_client_closes(node: IotaNode) -> None:
    node.faults.slow_seconds = 5
    node.faults.arm(Fault.SLOW_AFTER, on=None, times=2)
    client = Node(node.url, answer_seconds=60)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(client.present)
        while client._loop is None or not asyncio.all_tasks(client._loop):
            time.sleep(0.01)
        client.close()
        with pytest.raises(ConnectionError):
            asking.result(60)
    node.faults.clear()
    assert client.present().network == node.chain_id  # a later question starts again
    client.close()


INTERRUPTED = """
import signal, sys, threading, time
from verifier.iota.node import Node

node = Node(sys.argv[1])
threading.Timer(float(sys.argv[2]), signal.raise_signal, (signal.SIGINT,)).start()
try:
    while True:
        node.present()
except KeyboardInterrupt:
    sys.exit(7)
"""


@pytest.mark.parametrize("seed", range(8))
def test_a_process_may_end_while_it_asks(node: IotaNode, seed: int) -> None:
    after = 0.2 + random.Random(seed).random() / 5
    words = [sys.executable, "-c", INTERRUPTED, node.url, str(after)]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, timeout=120, check=False)
    assert (ended.returncode, ended.stderr) == (7, b"")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("chainIdentifier", None),
        ("chainIdentifier", 7),
        ("epoch", None),
        ("epoch", {"epochId": True, "referenceGasPrice": "1000"}),
        ("epoch", {"epochId": -1, "referenceGasPrice": "1000"}),
        ("epoch", {"epochId": 1, "referenceGasPrice": None}),
        ("epoch", {"epochId": 1, "referenceGasPrice": "much"}),
    ],
)
def test_nonsense_is_no_answer(
    client: Node, monkeypatch: pytest.MonkeyPatch, field: str, value: object
) -> None:
    sound = client._query

    def query(document: str, variables: dict[str, str]) -> Any:
        return sound(document, variables) | {field: value}

    monkeypatch.setattr(client, "_query", query)
    with pytest.raises(ConnectionError):
        client.present()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("checkpoint", None),
        ("checkpoint", {"sequenceNumber": 1, "digest": "d", "timestamp": "t", "epoch": None}),
        ("checkpoints", {"nodes": []}),
        ("transactionBlocks", None),
        ("transactionBlock", {"effects": None}),
        ("transactionBlock", {"effects": {"status": None, "bcs": "", "checkpoint": None}}),
        ("transactionBlock", {"effects": {"status": "FAILURE", "bcs": 1, "checkpoint": None}}),
    ],
)
def test_nonsense_is_no_standing(
    node: IotaNode, client: Node, monkeypatch: pytest.MonkeyPatch, field: str, value: object
) -> None:
    coin, sound = reference(node), client._query

    def query(document: str, variables: dict[str, str]) -> Any:
        return sound(document, variables) | {field: value}

    monkeypatch.setattr(client, "_query", query)
    with pytest.raises(ConnectionError):
        client.standing(NOBODYS, coin)


def test_a_reason_is_one_line_that_moves_no_cursor(
    client: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = SimpleNamespace(error="\x1b[2Jno\nreason\x9b", effects=None)
    monkeypatch.setattr(client, "_ask", lambda _: answer)
    assert client.rehearse(build(PLAN)) == " [2Jno reason "


def test_no_url() -> None:
    with pytest.raises(BadInput) as caught:
        Node("nonsense")
    assert caught.value.reason is InputReason.IOTA_NODE


def test_many_slow_answers_have_an_end(node: IotaNode, monkeypatch: pytest.MonkeyPatch) -> None:
    # every page comes in time, and there is always another one
    client = Node(node.url, answer_seconds=30)
    asked = []

    async def endless(_owner: object, page: object, _client: object) -> Any:
        asked.append(page)
        await asyncio.sleep(0.05)
        return SimpleNamespace(
            data=[], page_info=SimpleNamespace(has_next_page=True, end_cursor="")
        )

    monkeypatch.setattr("verifier.iota.node._gas_coins", endless)
    with patience(60), patience(0.5), pytest.raises(ConnectionError):
        client.balances(ADDRESS)
    assert 1 < len(asked) < 100
    assert client.present().network == node.chain_id  # what is asked afterwards has its own time
    client.close()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://graphql.example/path", "https://graphql.example/path"),
        ("https://user:secret@graphql.example:9/path?key=secret#secret", "https://graphql.example:9/path"),
        ("https://secret@[::1]:9?secret", "https://[::1]:9"),
        ("nonsense", "nonsense"),
        ("nonsense?secret", "the node"),
        ("http://[secret", "the node"),
        ("secret@nonsense", "the node"),
    ],
)  # fmt: skip
def test_what_is_shown_of_a_url(url: str, shown: str) -> None:
    assert without_secrets(url) == shown


def test_no_line_has_the_key(node: IotaNode) -> None:
    with pytest.raises(BadInput) as refused:
        Node("ht tp://user:secret@host")
    assert "secret" not in refused.value.message
    url = node.url.replace("//", "//user:secret@") + "?key=secret"
    node.stop()
    with pytest.raises(ConnectionError) as away:
        Node(url, answer_seconds=2).present()
    assert "secret" not in str(away.value)
    with pytest.raises(BadInput) as shown:
        balance_nanos(url, node.chain_id, ADDRESS)
    assert shown.value.reason is InputReason.SERVER_AWAY
    assert "secret" not in shown.value.message
