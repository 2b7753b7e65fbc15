"""The way from a receipt to its transaction, as a file: nothing in it can be exchanged."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from circuits.errors import BadInput, InputReason
from tests.iota_node.node import IotaNode
from tests.settlement.cosigning import (
    OPERATOR_WALLET,
    STRANGER_WALLET,
    SUPPLIER_WALLET,
    Site,
    contract_with,
)
from tests.support import STRANGER
from verifier.iota import anchor
from verifier.iota.escrow import Escrow
from verifier.iota.evidence import Evidence, decode_evidence
from verifier.iota.node import Mark, Node
from verifier.iota.payment import build, digest

INDEX, FIRST, LAST = 1, 1, 3


def make_evidence(node_url: str, site: Site) -> Evidence:
    """Execute the payment of receipts 1..3, and keep what shows it for the second of them."""
    with closing(Node(node_url)) as node:
        ((object_id, _),) = node.balances(site.escrow)
        coin = node.coin(object_id, site.escrow)
        assert coin is not None
        plan = site.plan(FIRST, LAST, coin.reference)
        transaction = build(plan)
        shares = [OPERATOR_WALLET.sign(transaction), SUPPLIER_WALLET.sign(transaction)]
        combined = Escrow(site.settlement).combine(transaction, shares)
        node.execute(transaction, (combined,))
        execution = node.standing(digest(transaction).text, coin.reference).execution
    assert execution is not None
    digests = [receipt.digest for receipt in site.supplier.receipt_list[FIRST - 1 : LAST]]
    return Evidence(
        contract=contract_with(network=plan.network),
        receipt=site.supplier.receipt_list[INDEX],
        index=INDEX,
        count=len(digests),
        path=anchor.path(digests, INDEX),
        plan=plan,
        signatures=(combined,),
        effects=execution.effects,
        checkpoint=execution.included,
    )


@pytest.fixture
def evidence(node: IotaNode, tmp_path: Path) -> Evidence:
    site = Site(tmp_path, contract_with(network=node.chain_id).terms)
    node.faucet(site.escrow, 10**9)
    return make_evidence(node.url, site)


def refusal(evidence: Evidence) -> InputReason:
    with pytest.raises(BadInput) as caught:
        evidence.check()
    return caught.value.reason


def test_it_holds_and_survives_the_file(evidence: Evidence) -> None:
    named = evidence.check()
    assert named == digest(build(evidence.plan))
    assert evidence.checkpoint is not None
    again = decode_evidence(evidence.encode())
    assert again == evidence
    assert again.check() == named


def test_before_it_is_executed(evidence: Evidence) -> None:
    signed = replace(evidence, effects=b"", checkpoint=None)
    assert decode_evidence(signed.encode()).check() == evidence.check()


@pytest.mark.reason(InputReason.ANCHOR)
@pytest.mark.parametrize(
    "change",
    [
        lambda e: replace(e, index=0),
        lambda e: replace(e, index=3),
        lambda e: replace(e, index=-1),
        lambda e: replace(e, count=2),
        lambda e: replace(e, count=2**40),
        lambda e: replace(e, path=e.path[:-1]),
        lambda e: replace(e, path=(*e.path, bytes(32))),
        lambda e: replace(e, path=(bytes(32), *e.path[1:])),
        lambda e: replace(e, path=(b"", *e.path[1:])),
        lambda e: replace(e, plan=replace(e.plan, anchor=None)),
        lambda e: replace(e, plan=replace(e.plan, anchor=bytes(32))),
        lambda e: replace(e, plan=replace(e.plan, payee=STRANGER_WALLET.address)),
        lambda e: replace(e, plan=replace(e.plan, network="00000000")),
        lambda e: replace(e, plan=replace(e.plan, amount_nanos=1)),
        lambda e: replace(e, signatures=()),
        lambda e: replace(e, signatures=e.signatures * 2),
        lambda e: replace(e, signatures=(OPERATOR_WALLET.sign(build(e.plan)),)),
        lambda e: replace(e, signatures=("",)),
        lambda e: replace(e, effects=e.effects[:-1]),
        lambda e: replace(e, effects=e.effects + b"\0"),
        lambda e: replace(e, effects=b"", checkpoint=Mark(1, "x", "y")),
        lambda e: replace(e, contract=contract_with(network="00000000")),
        lambda e: replace(e, contract=contract_with(network=e.plan.network, minimum_nanos=5)),
    ],
)
def test_a_part_that_does_not_belong(
    evidence: Evidence, change: Callable[[Evidence], Evidence]
) -> None:
    assert refusal(change(evidence)) is InputReason.ANCHOR


def test_another_escrows_signature(evidence: Evidence) -> None:
    terms = contract_with(
        network=evidence.plan.network, operator_key=STRANGER_WALLET.public_key
    ).terms
    assert terms.settlement is not None
    transaction = build(evidence.plan)
    shares = [wallet.sign(transaction) for wallet in (STRANGER_WALLET, SUPPLIER_WALLET)]
    foreign = Escrow(terms.settlement).combine(transaction, shares)
    assert refusal(replace(evidence, signatures=(foreign,))) is InputReason.ANCHOR


def test_effects_of_another_transaction(evidence: Evidence, tmp_path: Path) -> None:
    other = replace(evidence.plan, expiry_epoch=evidence.plan.expiry_epoch + 1)
    transaction = build(other)
    shares = [wallet.sign(transaction) for wallet in (OPERATOR_WALLET, SUPPLIER_WALLET)]
    settlement = evidence.contract.terms.settlement
    assert settlement is not None
    combined = Escrow(settlement).combine(transaction, shares)
    assert refusal(replace(evidence, plan=other, signatures=(combined,))) is InputReason.ANCHOR


def test_a_receipt_or_contract_that_nobody_signed(evidence: Evidence) -> None:
    forged = evidence.receipt.signed(STRANGER)
    assert refusal(replace(evidence, receipt=forged)) is InputReason.RECEIPT
    unsigned = replace(evidence.contract, operator_signature=bytes(64))
    assert refusal(replace(evidence, contract=unsigned)) is InputReason.CONTRACT_UNSIGNED


def changed(evidence: Evidence, **fields: object) -> bytes:
    document: dict[str, Any] = json.loads(evidence.encode())
    return rfc8785.dumps(document | fields)


def test_files_that_are_no_evidence(evidence: Evidence) -> None:
    data = evidence.encode()
    document = json.loads(data)
    wrong = [
        b"",
        b"{}",
        b"[]",
        b"[" * 100_000,
        b"\xff",
        data + b" ",
        data[:-1],
        b" " * (2**20 + 1),
        json.dumps(document).encode(),  # not canonical
        changed(evidence, format="zkmeter-anchor-2"),
        changed(evidence, more=1),
        changed(evidence, index="1"),
        changed(evidence, index=True),
        changed(evidence, path=[1]),
        changed(evidence, path=["AB" * 32]),
        changed(evidence, signatures=[None]),
        changed(evidence, effects="?"),
        changed(evidence, checkpoint=[]),
        changed(evidence, checkpoint={"sequence": 1}),
        changed(evidence, checkpoint=document["checkpoint"] | {"sequence": -1}),
        changed(evidence, checkpoint=document["checkpoint"] | {"timestamp": "\x1b[2J"}),
        data.replace(b'"index":1', b'"index":' + b"9" * 30),
        data.replace(b'"format"', b'"format":1,"format"'),
    ]
    wrong += [rfc8785.dumps({k: v for k, v in document.items() if k != key}) for key in document]
    for at, file in enumerate(wrong):
        if file == changed_without_checkpoint(document):
            continue
        with pytest.raises(BadInput) as caught:
            decode_evidence(file)
        assert caught.value.reason is InputReason.ANCHOR, at
    for part in ("contract", "plan", "receipt"):
        with pytest.raises(BadInput):
            decode_evidence(changed(evidence, **{part: "00"}))


def changed_without_checkpoint(document: dict[str, Any]) -> bytes:
    """The one field that may be absent."""
    return rfc8785.dumps({k: v for k, v in document.items() if k != "checkpoint"})
