"""What a node called dead, or executed, and was not: the books come right, and nothing twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from circuits.errors import BadInput, InputReason
from tests.iota_node.node import IotaNode
from tests.settlement.iota_rig import PAYEE, Rig
from verifier.iota.fate import Observed, Outcome, observe
from verifier.ledger import Batch, BatchState, Ledger, migrations
from verifier.ledger.database import FILE_NAME
from verifier.settlement.settle import REVIVED

MakeRig = Callable[..., Rig]
OBSERVE = "verifier.settlement.iota.observer.observe"
Sent = tuple[bytes, tuple[str, ...]]


def lie_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Sent:
    """The node takes the payment, keeps it back, and says that it has expired."""
    sound, held = rig.client._query, list[Sent]()

    def keep(transaction: bytes, signatures: tuple[str, ...]) -> None:
        held.append((transaction, signatures))
        raise ConnectionError

    def query(document: str, variables: dict[str, Any]) -> Any:
        data = sound(document, variables)
        if held and "checkpoints" in data:
            data["checkpoint"]["epoch"]["epochId"] = 9
        return data

    with monkeypatch.context() as lying:
        lying.setattr(rig.client, "execute", keep)
        lying.setattr(rig.client, "_query", query)
        batch = rig.run()
    assert batch is not None
    assert (batch.state, batch.detail) == (BatchState.FAILED, "expired")
    return held[0]


def signed(rig: Rig) -> int:
    """A batch that both sides signed as soon as it is pushed; what it pays."""
    owed = rig.claim("first")
    rig.run()
    rig.cosign()
    return owed


def ran(rig: Rig) -> Batch:
    batch = rig.run()
    assert batch is not None
    return batch


def test_called_expired_and_executed_later(
    rig: Rig, node: IotaNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    owed = signed(rig)
    transaction, signatures = lie_once(rig, monkeypatch)
    rig.client.execute(transaction, signatures)
    assert rig.money() == (owed, 0)
    batch = ran(rig)
    assert (batch.id, batch.state) == (1, BatchState.FINAL)
    assert rig.money() == (0, owed)
    assert set(rig.ledger.outbox.evidence(batch)) == {BatchState.EXECUTED, BatchState.FINAL}
    assert rig.ledger.outbox.owed() == []
    rig.require_books_agree()


def test_called_expired_while_it_is_alive(
    rig: Rig, node: IotaNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    owed = signed(rig)
    leases = rig.ledger.outbox.leases()
    lie_once(rig, monkeypatch)
    assert rig.ledger.outbox.leases() == frozenset()
    with monkeypatch.context() as away:
        away.setattr(rig.client, "execute", lambda *_: None)
        batch = ran(rig)
        assert (batch.id, batch.state, batch.detail) == (
            1,
            BatchState.SIGNED,
            "the node does not know the transaction yet",
        )
        assert rig.ledger.outbox.leases() == leases
    assert ran(rig).state is BatchState.FINAL  # it is sent again like any other
    assert rig.money() == (0, owed)
    rig.require_books_agree()


def test_no_answer_nets_nothing_anew(
    rig: Rig, node: IotaNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed(rig)
    lie_once(rig, monkeypatch)
    node.stop()
    assert rig.run() is None
    assert rig.only().state is BatchState.FAILED
    node.start()
    assert ran(rig).state is BatchState.FINAL
    rig.require_books_agree()


def test_two_lies_and_a_batch_in_between(
    rig: Rig, node: IotaNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    # netted anew because the lie was repeated; the operator does not sign it, for the first was
    # executed, and once it has expired the first is found
    first = signed(rig)
    transaction, signatures = lie_once(rig, monkeypatch)
    second = rig.claim("second")
    with monkeypatch.context() as lying:
        dead = [Observed(Outcome.EXPIRED, document=b"{}", unspent=True)]
        lying.setattr(OBSERVE, lambda *about: dead.pop() if dead else observe(*about))
        assert (ran(rig).id, ran(rig).state) == (2, BatchState.PROPOSED)
    rig.client.execute(transaction, signatures)
    assert ran(rig).state is BatchState.PROPOSED
    for _ in range(2):
        node.advance_epoch()
    assert ran(rig).state is BatchState.FAILED
    batch = ran(rig)
    assert (batch.id, batch.state) == (1, BatchState.FINAL)
    assert rig.money() == (second, first)
    assert rig.pay().state is BatchState.FINAL
    assert rig.money() == (0, first + second)
    rig.require_books_agree()


def test_what_did_expire_is_netted_anew(rig: Rig, node: IotaNode) -> None:
    rig.claim("first")
    rig.run()
    for _ in range(2):
        node.advance_epoch()
    assert ran(rig).state is BatchState.FAILED
    rig.claim("second")
    batch = ran(rig)
    assert (batch.id, batch.first_sequence, batch.last_sequence) == (2, 1, 2)
    assert batch.state is BatchState.PROPOSED
    assert rig.ledger.outbox.failed(rig.world.terms.digest) == []  # covered by the second


def test_what_failed_in_a_checkpoint_stays_so_when_the_node_forgets_it(
    rigs: MakeRig, node: IotaNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = rigs(maximum_gas_nanos="1980400")
    node.advance_epoch(reference_gas_price=1_500)  # enough to run, not for the new coin's deposit
    owed = rig.claim("first")
    with monkeypatch.context() as wrong:
        wrong.setattr(rig.client, "rehearse", lambda _: "")
        assert rig.pay().state is BatchState.FAILED
    for _ in range(4):
        node.advance_epoch(reference_gas_price=1_000)
    node.faults.pruned_below = len(node.checkpoints) - 1
    batch = ran(rig)
    assert (batch.id, batch.state) == (2, BatchState.PROPOSED)
    assert rig.push().state is BatchState.FINAL
    assert rig.money() == (0, owed)
    rig.require_books_agree()


@pytest.mark.reason(InputReason.SETTLEMENT_STATE)
def test_what_is_covered_again_cannot_live_again(rig: Rig, node: IotaNode) -> None:
    rig.claim("first")
    old = rig.run()
    assert old is not None
    leases = rig.gateway.leases(old)
    for _ in range(2):
        node.advance_epoch()
    rig.run()
    rig.run()
    with pytest.raises(BadInput) as caught:
        rig.ledger.outbox.revived(old, leases, REVIVED)
    assert caught.value.reason is InputReason.SETTLEMENT_STATE


def test_the_store_lets_nothing_else_become_of_what_failed(rig: Rig, node: IotaNode) -> None:
    rig.claim("first")
    rig.run()
    for _ in range(2):
        node.advance_epoch()
    assert ran(rig).state is BatchState.FAILED
    rig.claim("second")
    assert rig.pay().state is BatchState.FINAL
    with closing(sqlite3.connect(rig.directory / FILE_NAME)) as opened:
        for statement in (
            "UPDATE batches SET state = 'FINAL' WHERE id = 1",
            "UPDATE batches SET detail = 'x' WHERE id = 1",
            "UPDATE batches SET state = 'SIGNED' WHERE id = 2",
            "DELETE FROM evidence WHERE batch = 1",
            "DELETE FROM evidence WHERE batch = 2",
            "UPDATE evidence SET document = x''",
            "DELETE FROM batches",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                opened.execute(statement)


def test_a_store_of_the_first_version_is_brought_up(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / FILE_NAME}")
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    query = "SELECT sql FROM sqlite_master WHERE name = 'batches_no_update'"
    for expected in (False, True):
        with closing(sqlite3.connect(tmp_path / FILE_NAME)) as opened:
            (trigger,) = opened.execute(query).fetchone()
        assert ("PROPOSED" in trigger) == expected
        Ledger.open(tmp_path).close()


# --- EXECUTED ---


def lie_executed(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as lying:
        executed = Observed(Outcome.EXECUTED, b"effects")
        lying.setattr(OBSERVE, lambda *_: executed)
        lying.setattr(rig.client, "execute", lambda *_: None)
        assert ran(rig).state is BatchState.EXECUTED


def test_called_executed_and_expired(
    rig: Rig, node: IotaNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    owed = signed(rig)
    lie_executed(rig, monkeypatch)
    assert ran(rig).state is BatchState.EXECUTED  # it may yet
    for _ in range(3):
        node.advance_epoch()
    batch = ran(rig)
    assert (batch.state, batch.detail) == (BatchState.FAILED, "expired")
    assert rig.money() == (owed, 0)
    assert node.transfers(PAYEE) == []
    assert rig.pay().state is BatchState.FINAL
    assert rig.money() == (0, owed)
    rig.require_books_agree()


def test_called_executed_and_its_coin_is_gone(
    rig: Rig, node: IotaNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    # executed, and a replica does not show it: what was seen once is not undone without the coin
    signed(rig)
    with monkeypatch.context() as waiting:
        waiting.setattr(rig.client, "execute", lambda *_: None)
        assert ran(rig).state is BatchState.SIGNED
    with monkeypatch.context() as lying:
        executed = Observed(Outcome.EXECUTED, b"effects")
        lying.setattr(OBSERVE, lambda *_: executed)
        assert ran(rig).state is BatchState.EXECUTED
    expired = Observed(Outcome.EXPIRED, document=b"{}", unspent=False)
    with monkeypatch.context() as lying:
        lying.setattr(OBSERVE, lambda *_: expired)
        assert ran(rig).state is BatchState.EXECUTED
    assert ran(rig).state is BatchState.FINAL
    rig.require_books_agree()


@pytest.mark.reason(InputReason.SETTLEMENT_STATE)
def test_nothing_is_final_without_evidence(
    rig: Rig, node: IotaNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    owed = signed(rig)
    lie_executed(rig, monkeypatch)
    with pytest.raises(BadInput) as caught:
        rig.ledger.outbox.moved(rig.only(), BatchState.FINAL)
    assert caught.value.reason is InputReason.SETTLEMENT_STATE
    assert (rig.only().state, rig.money()) == (BatchState.EXECUTED, (owed, 0))


def test_an_altered_batch_is_not_taken_back(
    rig: Rig, node: IotaNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed(rig)
    lie_once(rig, monkeypatch)
    failed = rig.only()
    leases = rig.gateway.leases(failed)
    changed = replace(failed, signatures=())
    assert rig.ledger.outbox.revived(changed, leases, REVIVED).state is BatchState.PROPOSED
    assert ran(rig).state is BatchState.FINAL
