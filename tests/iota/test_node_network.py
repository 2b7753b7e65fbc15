"""The test node as a network: checkpoints, epochs, locks, lag, faults and the schema."""

from __future__ import annotations

import http.client
import json
import random
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import iota_sdk as sdk
import pytest

from tests.iota_node.client import FAILURES, Party, ask, pay, send
from tests.iota_node.faults import NEVER_EXECUTES, Fault
from tests.iota_node.fixtures import MakeNode
from tests.iota_node.node import IotaNode

IOTA = 10**9
PAYER, PAYEE = Party.of(1), Party.of(2)
FINALITY = (
    "query F($d:String!){transactionBlock(digest:$d)"
    "{effects{status checkpoint{sequenceNumber digest timestamp}}}}"
)
LATEST = "query L{checkpoint{sequenceNumber digest epoch{epochId}}}"
SILENT = frozenset({Fault.DUPLICATE})  # the client does not notice
SLOW = frozenset({Fault.SLOW_BEFORE, Fault.SLOW_AFTER})


def query(node: IotaNode, document: str, **variables: Any) -> Any:
    """The data of a query of one's own, through the SDK."""
    wanted = sdk.Query(query_string=document, variables=json.dumps(variables))
    return json.loads(ask(node, "run_query", wanted))


def post(url: str, content: bytes) -> tuple[int, bytes]:
    """Status and body of the answer to any bytes."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
    connection.request("POST", "/graphql", body=content)
    response = connection.getresponse()
    answer = (response.status, response.read())
    connection.close()
    return answer


def finality(node: IotaNode, transaction: Any) -> Any:
    """What zkmeter's own document says of a transaction; None while it is unknown."""
    found = query(node, FINALITY, d=transaction.digest().to_base58())["transactionBlock"]
    return None if found is None else found["effects"]


def payment(node: IotaNode, nanos: int = 5, **options: Any) -> tuple[Any, Any]:
    """A signed payment out of all that the payer has."""
    coins = node.coins(PAYER.address)
    transaction = pay(PAYER.address, coins, PAYEE.address, nanos, **options)
    return transaction, PAYER.sign(transaction)


def test_a_transaction_is_final_when_a_checkpoint_holds_it(make_iota_node: MakeNode) -> None:
    node = make_iota_node(automatic=False)
    coin = node.faucet(PAYER.address, IOTA)
    transaction, signature = payment(node)
    assert finality(node, transaction) is None
    send(node, transaction, signature)
    assert finality(node, transaction) == {"status": "SUCCESS", "checkpoint": None}
    assert ask(node, "is_transaction_indexed_on_node", transaction.digest())
    identity = sdk.ObjectId.from_hex(coin.object_id)
    assert ask(node, "object", identity).version().as_u64() == coin.version  # the index waits
    checkpoint = node.make_checkpoint()
    assert finality(node, transaction)["checkpoint"] == {
        "sequenceNumber": checkpoint.sequence,
        "digest": checkpoint.digest,
        "timestamp": "2025-01-01T00:00:00.500Z",
    }
    assert ask(node, "object", identity).version().as_u64() == coin.version + 1
    latest = query(node, LATEST)["checkpoint"]
    assert (latest["sequenceNumber"], latest["digest"]) == (checkpoint.sequence, checkpoint.digest)


def test_checkpoints_chain_and_count(make_iota_node: MakeNode) -> None:
    node = make_iota_node(checkpoint_bcs=True)
    node.faucet(PAYER.address, IOTA)
    transaction, signature = payment(node)
    send(node, transaction, signature)
    latest = ask(node, "latest_checkpoint_sequence_number")
    summaries = [ask(node, "checkpoint", None, number) for number in range(latest + 1)]
    for before, after in pairwise(summaries):
        assert after.previous_digest().to_base58() == before.digest().to_base58()
        assert after.timestamp_ms() > before.timestamp_ms()
    assert summaries[-1].network_total_transactions() == 1
    assert summaries[-1].epoch_rolling_gas_cost_summary().computation_cost == 1_000_000
    assert ask(node, "is_transaction_finalized", transaction.digest())
    genesis = summaries[0].digest().to_bytes()
    assert ask(node, "chain_id") == node.chain_id == genesis[:4].hex()


def test_the_published_schema_has_not_the_field_that_the_sdk_asks_for(iota_node: IotaNode) -> None:
    # So zkmeter asks for finality and the latest checkpoint with documents of its own.
    iota_node.faucet(PAYER.address, IOTA)
    transaction, signature = payment(iota_node)
    send(iota_node, transaction, signature)
    for method, *arguments in (
        ("is_transaction_finalized", transaction.digest()),
        ("latest_checkpoint_sequence_number",),
    ):
        with pytest.raises(FAILURES, match="Cannot query field 'bcs' on type 'Checkpoint'"):
            ask(iota_node, method, *arguments)
    assert finality(iota_node, transaction)["status"] == "SUCCESS"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("query {checkpoint{nonsense}}", "Cannot query field 'nonsense'"),
        ("query {transactionBlock{bcs}}", "is required, but it was not provided"),
        ("query {checkpoint{validatorSignatures}}", "not modelled by the test node"),
        ("query {", "Syntax Error"),
    ],
)
def test_a_query_that_the_schema_does_not_allow_is_refused(
    iota_node: IotaNode, document: str, message: str
) -> None:
    status, content = post(iota_node.url, json.dumps({"query": document}).encode())
    assert status == 200
    assert message in json.loads(content)["errors"][0]["message"]


def test_a_transaction_expires_with_its_epoch(iota_node: IotaNode) -> None:
    iota_node.faucet(PAYER.address, IOTA)
    last, signature = payment(iota_node, expiry=1)
    iota_node.advance_epoch()
    assert ask(iota_node, "epoch").epoch_id == iota_node.epoch == 1
    send(iota_node, last, signature)
    late, late_signature = payment(iota_node, expiry=1)
    iota_node.advance_epoch()
    with pytest.raises(FAILURES, match="TransactionExpired"):
        send(iota_node, late, late_signature)
    assert query(iota_node, LATEST)["checkpoint"]["epoch"]["epochId"] == 2
    assert finality(iota_node, late) is None
    assert send(iota_node, last, signature).status().is_SUCCESS()  # what is done stays done
    assert len(iota_node.transfers(PAYEE.address)) == 1


def test_an_epochs_last_checkpoint_holds_all_that_was_executed_in_it(
    make_iota_node: MakeNode,
) -> None:
    node = make_iota_node(automatic=False)
    node.faucet(PAYER.address, IOTA)
    transaction, signature = payment(node, expiry=0)
    send(node, transaction, signature)
    node.advance_epoch()
    sequence = finality(node, transaction)["checkpoint"]["sequenceNumber"]
    closing = node.checkpoints[sequence]
    assert (closing.epoch, closing.closing) == (0, True)
    assert closing.summary.end_of_epoch_data() is not None


def test_an_epoch_may_change_the_gas_price(iota_node: IotaNode) -> None:
    iota_node.faucet(PAYER.address, IOTA)
    iota_node.advance_epoch(reference_gas_price=2_000)
    assert ask(iota_node, "reference_gas_price") == 2_000
    assert ask(iota_node, "reference_gas_price", 0) == 1_000
    cheap, signature = payment(iota_node)
    with pytest.raises(FAILURES, match="GasPriceUnderRGP"):
        send(iota_node, cheap, signature)
    dear, signature = payment(iota_node, price=2_000)
    assert send(iota_node, dear, signature).gas_cost_summary().computation_cost == 2_000_000


def test_a_locked_version_serves_one_transaction_until_the_epoch_ends(iota_node: IotaNode) -> None:
    iota_node.faucet(PAYER.address, IOTA)
    first, second = payment(iota_node, 5), payment(iota_node, 6)
    iota_node.faults.arm(Fault.LOCK_AND_DROP)
    with pytest.raises(FAILURES):
        send(iota_node, *first)
    with pytest.raises(FAILURES, match="ObjectLockConflict"):
        send(iota_node, *second)
    assert iota_node.transactions == []
    iota_node.advance_epoch()
    assert send(iota_node, *second).status().is_SUCCESS()
    assert iota_node.balance(PAYEE.address) == 6


def test_a_locked_transaction_itself_still_executes(iota_node: IotaNode) -> None:
    iota_node.faucet(PAYER.address, IOTA)
    first = payment(iota_node)
    iota_node.faults.arm(Fault.LOCK_AND_DROP)
    with pytest.raises(FAILURES):
        send(iota_node, *first)
    assert send(iota_node, *first).status().is_SUCCESS()


@pytest.mark.parametrize("fault", Fault)
def test_whatever_the_network_does_the_same_bytes_pay_once(
    iota_node: IotaNode, fault: Fault
) -> None:
    iota_node.faucet(PAYER.address, IOTA)
    transaction, signature = payment(iota_node)
    iota_node.faults.slow_seconds = 0.6
    iota_node.faults.arm(fault)
    patience = 0.1 if fault in SLOW else 10.0
    if fault in SILENT:
        send(iota_node, transaction, signature)
    else:
        with pytest.raises(FAILURES):
            send(iota_node, transaction, signature, patience=patience)
        if fault not in SLOW:
            assert len(iota_node.transactions) == (0 if fault in NEVER_EXECUTES else 1)
    assert send(iota_node, transaction, signature).status().is_SUCCESS()
    assert [one.nanos for one in iota_node.transfers(PAYEE.address)] == [5]
    assert iota_node.faults.drawn == [fault]


def test_a_fault_befalls_what_it_is_armed_for(iota_node: IotaNode) -> None:
    iota_node.faults.arm(Fault.UNAVAILABLE_BEFORE, on="chainIdentifier", times=2)
    assert ask(iota_node, "reference_gas_price") == 1_000
    for _ in range(2):
        with pytest.raises(FAILURES, match="503"):
            ask(iota_node, "chain_id")
    assert ask(iota_node, "chain_id") == iota_node.chain_id


def test_the_sdks_own_calls_tell_an_error_from_nothing_and_a_free_query_does_not(
    iota_node: IotaNode,
) -> None:
    # Hence null from `run_query` is no evidence that a node does not know a transaction.
    iota_node.faucet(PAYER.address, IOTA)
    transaction, signature = payment(iota_node)
    send(iota_node, transaction, signature)
    iota_node.faults.arm(Fault.NULL_AND_ERROR, on="transactionBlock", times=2)
    assert finality(iota_node, transaction) is None
    with pytest.raises(FAILURES, match="Request timed out"):
        ask(iota_node, "transaction_effects", transaction.digest())
    assert finality(iota_node, transaction)["status"] == "SUCCESS"


def test_a_storm_is_the_same_for_the_same_seed(iota_node: IotaNode) -> None:
    courses = []
    for _ in range(2):
        iota_node.faults.clear()
        iota_node.faults.drawn.clear()
        kinds = [Fault.DROP_BEFORE, Fault.GARBAGE, Fault.UNAVAILABLE_AFTER]
        iota_node.faults.storm(0.5, random.Random(7), kinds)
        for _ in range(40):
            try:
                ask(iota_node, "chain_id")
            except FAILURES:
                continue
        courses.append(list(iota_node.faults.drawn))
    assert courses[0] == courses[1]
    assert set(courses[0]) == set(kinds)
    assert len(courses[0]) < 40


def test_a_lagging_index_shows_the_past_and_execution_the_present(iota_node: IotaNode) -> None:
    coin = iota_node.faucet(PAYER.address, IOTA)
    iota_node.make_checkpoint()
    iota_node.faults.indexer_lag = 1
    transaction, signature = payment(iota_node)
    effects = send(iota_node, transaction, signature)
    owner = sdk.Address.from_hex(PAYER.address)
    assert ask(iota_node, "balance", owner) == IOTA
    identity = sdk.ObjectId.from_hex(coin.object_id)
    assert ask(iota_node, "object", identity).version().as_u64() == coin.version
    newer = sdk.Version.from_u64(coin.version + 1)
    assert ask(iota_node, "object", identity, newer) is None
    assert finality(iota_node, transaction) is None
    assert ask(iota_node, "transaction_effects", transaction.digest()) is None
    assert query(iota_node, LATEST)["checkpoint"]["sequenceNumber"] == 2
    stale = pay(PAYER.address, [coin], PAYEE.address, 6)  # what a client builds that trusts it
    with pytest.raises(FAILURES, match="ObjectVersionUnavailableForConsumption"):
        send(iota_node, stale, PAYER.sign(stale))
    iota_node.make_checkpoint()
    assert finality(iota_node, transaction)["checkpoint"]["sequenceNumber"] == 3
    found = ask(iota_node, "object", identity)
    assert found.version().as_u64() == effects.lamport_version().as_u64()


def test_an_index_behind_an_epochs_end_shows_the_old_epoch(iota_node: IotaNode) -> None:
    iota_node.advance_epoch()
    for lag, epoch in ((0, 1), (1, 1), (2, 0)):  # one behind is the closing checkpoint itself
        iota_node.faults.indexer_lag = lag
        assert ask(iota_node, "epoch").epoch_id == epoch


def test_pruned_history_is_unknown(iota_node: IotaNode) -> None:
    coin = iota_node.faucet(PAYER.address, IOTA)
    old, signature = payment(iota_node)
    send(iota_node, old, signature)
    new, signature = payment(iota_node)
    send(iota_node, new, signature)
    iota_node.faults.pruned_below = finality(iota_node, new)["checkpoint"]["sequenceNumber"]
    assert finality(iota_node, old) is None
    assert finality(iota_node, new) is not None
    identity = sdk.ObjectId.from_hex(coin.object_id)
    for version, known in ((1, False), (2, False), (3, True)):
        found = ask(iota_node, "object", identity, sdk.Version.from_u64(version))
        assert (found is not None) is known


def test_a_wrong_chain_says_so(iota_node: IotaNode) -> None:
    iota_node.faults.wrong_chain = "0badc0de"
    assert ask(iota_node, "chain_id") == "0badc0de"
    iota_node.faults.clear()
    assert ask(iota_node, "chain_id") == iota_node.chain_id


def test_a_node_that_was_stopped_comes_back_with_what_it_held(iota_node: IotaNode) -> None:
    iota_node.faucet(PAYER.address, IOTA)
    url = iota_node.url
    iota_node.stop()
    with pytest.raises(ConnectionError):
        post(url, b"{}")
    iota_node.start()
    assert iota_node.url == url
    assert ask(iota_node, "balance", sdk.Address.from_hex(PAYER.address)) == IOTA


def test_what_is_no_graphql_request_is_refused(iota_node: IotaNode) -> None:
    for content in (b"", b"[]", b'{"query"', b"{}"):
        assert post(iota_node.url, content)[0] == 400
