"""The outbox: batches as ranges of receipts, leases, shares and evidence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError

from circuits.errors import BadInput, InputReason
from tests.ledger.stores import funded
from tests.support import World
from verifier.ledger import Batch, BatchState, Ledger, Prepared
from verifier.ledger.database import FILE_NAME
from verifier.receipt import decode_receipt

DIGEST, OTHER_DIGEST = b"d" * 32, b"e" * 32
PAYMENT = Prepared(b"bytes", DIGEST, 3, (b"coin a", b"coin b"), b"plan")


@pytest.fixture
def ledger(world: World, tmp_path: Path) -> Iterator[Ledger]:
    """A funded ledger with one receipt."""
    with closing(funded(world, tmp_path)) as opened:
        opened.apply(world.first.encode())
        yield opened


@pytest.fixture
def proposed(ledger: Ledger, world: World) -> Batch:
    """A batch that waits for signatures."""
    new = ledger.outbox.net(world.terms.digest)
    assert new is not None
    return ledger.outbox.proposed(new, PAYMENT)


def fail(ledger: Ledger, batch: Batch, *, spent: bool) -> Batch:
    return ledger.outbox.moved(batch, BatchState.FAILED, "evidently", b"evidence", spent=spent)


def refusal(call: object, *arguments: object) -> InputReason:
    with pytest.raises(BadInput) as caught:
        call(*arguments)  # type: ignore[operator]
    return caught.value.reason


def test_what_was_prepared_is_on_disk(ledger: Ledger, proposed: Batch) -> None:
    stored = ledger.outbox.batch(proposed.id)
    assert stored == proposed
    assert (stored.payload, stored.digest, stored.expiry, stored.plan) == (
        PAYMENT.payload, PAYMENT.digest, PAYMENT.expiry, PAYMENT.plan,
    )  # fmt: skip
    assert ledger.outbox.leases() == set(PAYMENT.leases)


def test_a_batch_knows_its_receipts(ledger: Ledger, world: World, proposed: Batch) -> None:
    fail(ledger, proposed, spent=False)
    ledger.apply(world.second.encode())
    batch = ledger.outbox.net(world.terms.digest)
    assert batch is not None
    receipts = [decode_receipt(r) for r in ledger.outbox.receipts_of(batch)]
    assert [r.sequence for r in receipts] == [1, 2]
    assert sum(r.amount_nanos for r in receipts) == batch.amount_nanos
    assert batch.amount_nanos == receipts[-1].cumulative_nanos


def test_an_unknown_batch(ledger: Ledger) -> None:
    assert refusal(ledger.outbox.batch, 7) is InputReason.USAGE


def test_a_coin_is_in_one_batch(ledger: Ledger, world: World, proposed: Batch) -> None:
    failed = fail(ledger, proposed, spent=True)
    assert ledger.outbox.leases() == set(PAYMENT.leases)  # they are gone for good
    again = ledger.outbox.net(world.terms.digest)
    assert again is not None
    payment = replace(PAYMENT, digest=OTHER_DIGEST, leases=(b"coin b",))
    assert refusal(ledger.outbox.proposed, again, payment) is InputReason.SETTLEMENT_STATE
    assert ledger.outbox.batch(again.id) == again  # nothing of it was written
    free = replace(payment, leases=(b"coin c",))
    assert ledger.outbox.proposed(again, free).state is BatchState.PROPOSED
    assert ledger.outbox.evidence(failed) == {BatchState.FAILED: b"evidence"}


def test_what_expired_gives_its_coins_back(ledger: Ledger, world: World, proposed: Batch) -> None:
    fail(ledger, proposed, spent=False)
    assert ledger.outbox.leases() == frozenset()
    again = ledger.outbox.net(world.terms.digest)
    assert again is not None
    ledger.outbox.proposed(again, replace(PAYMENT, digest=OTHER_DIGEST))


def test_shares_are_kept_once(ledger: Ledger, proposed: Batch) -> None:
    outbox = ledger.outbox
    for new in (True, False):
        assert outbox.add_shares(proposed.id, DIGEST, {"operator": "signature"}) is new
    assert outbox.shares(proposed) == {"operator": "signature"}
    refused = [
        (proposed.id, DIGEST, {"operator": "another signature"}),
        (proposed.id, DIGEST, {"arbiter": "signature", "operator": "another signature"}),
        (proposed.id, OTHER_DIGEST, {"operator": "signature"}),
        (proposed.id, OTHER_DIGEST, {"arbiter": "signature"}),
    ]
    for arguments in refused:
        assert refusal(outbox.add_shares, *arguments) is InputReason.SETTLEMENT_STATE
    assert outbox.shares(proposed) == {"operator": "signature"}


def test_a_signed_batch_takes_no_more_shares(ledger: Ledger, proposed: Batch) -> None:
    outbox = ledger.outbox
    outbox.add_shares(proposed.id, DIGEST, {"operator": "signature"})
    signed = outbox.signed(proposed, ("one", "two"))
    assert signed.signatures == ("one", "two")
    assert not outbox.add_shares(proposed.id, DIGEST, {"operator": "signature"})  # a repeat
    arguments = (proposed.id, DIGEST, {"operator": "signature", "arbiter": "signature"})
    assert refusal(outbox.add_shares, *arguments) is InputReason.SETTLEMENT_STATE


def test_a_note_moves_nothing(ledger: Ledger, proposed: Batch) -> None:
    noted = ledger.outbox.noted(proposed, "waits")
    assert noted == replace(proposed, detail="waits")
    failed = fail(ledger, noted, spent=True)
    assert ledger.outbox.noted(noted, "too late") == failed


def test_two_settlers_propose_once(ledger: Ledger, world: World) -> None:
    new = ledger.outbox.net(world.terms.digest)
    assert new is not None
    ledger.outbox.proposed(new, PAYMENT)
    other = replace(PAYMENT, digest=OTHER_DIGEST, leases=(b"coin c",))
    assert refusal(ledger.outbox.proposed, new, other) is InputReason.SETTLEMENT_STATE
    assert ledger.outbox.leases() == set(PAYMENT.leases)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM batches",
        "UPDATE batches SET amount_nanos = 1",
        "UPDATE evidence SET document = x'00'",
        "DELETE FROM evidence",
        "DELETE FROM shares",
        "UPDATE shares SET signature = ''",
    ],
)
def test_what_was_settled_cannot_be_changed(
    ledger: Ledger, proposed: Batch, tmp_path: Path, statement: str
) -> None:
    ledger.outbox.add_shares(proposed.id, DIGEST, {"operator": "signature"})
    fail(ledger, proposed, spent=True)
    engine = create_engine(f"sqlite:///{tmp_path / FILE_NAME}")
    with engine.connect() as connection, pytest.raises(IntegrityError):
        connection.execute(text(statement))
    engine.dispose()


def test_the_database_holds_one_open_batch(ledger: Ledger, proposed: Batch, tmp_path: Path) -> None:
    values = "terms_digest, currency, amount_nanos, first_sequence, last_sequence, memo, detail"
    copy = "INSERT INTO batches (VALUES, state, created_ms, updated_ms) SELECT VALUES, 'NEW', 0, 0"
    engine = create_engine(f"sqlite:///{tmp_path / FILE_NAME}")
    with engine.connect() as connection, pytest.raises(IntegrityError):
        connection.execute(text(f"{copy} FROM batches".replace("VALUES", values)))
    engine.dispose()
