"""The ledger pays once, loses nothing, and its books always balance."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from circuits.errors import BadInput, InputReason, Reason, Rejected
from tests.ledger.stores import funded, open_ledger, refusal
from tests.support import (
    RICH,
    STRANGER,
    SUPPLIER,
    World,
    contract_text,
    resign,
    signed,
    with_checkpoint,
)
from verifier.accept import Account, Entry
from verifier.contract import SignedContract
from verifier.ledger import Ledger, rows
from verifier.ledger.models import ContractRow
from verifier.ledger.replay import check_receipts
from verifier.receipt import check_chain
from verifier.signatures import public_key


def books_balance(ledger: Ledger, world: World) -> None:
    sums: dict[str, int] = defaultdict(int)
    for line in ledger.lines(world.terms.digest):
        sums[line.transaction] += line.nanos
    assert set(sums.values()) <= {0}
    assert sum(ledger.balances(world.terms.digest).values()) == 0


def test_claims_are_paid_in_order_and_once(world: World, tmp_path: Path) -> None:
    ledger = funded(world, tmp_path)
    claims = [world.first, world.second, world.third]
    receipts = [ledger.apply(claim.encode()).receipt for claim in claims]
    for claim, receipt in zip(claims, receipts, strict=True):
        again = ledger.apply(claim.encode())
        assert again.duplicate
        assert again.receipt == receipt
    owed = sum(claim.amount_nanos for claim in claims)
    assert ledger.balances(world.terms.digest) == {
        Account.OUTSIDE: -RICH,
        Account.ESCROW: RICH - owed,
        Account.PAYABLE: owed,
        Account.SETTLED: 0,
    }
    assert ledger.receipts(world.terms.digest) == receipts
    check_chain(receipts, public_key(SUPPLIER))
    check_receipts(ledger, world.contract, receipts)
    books_balance(ledger, world)
    ledger.close()


def test_everything_is_there_after_reopening(world: World, tmp_path: Path) -> None:
    with funded(world, tmp_path) as ledger:
        first = ledger.apply(world.first.encode()).receipt
    with open_ledger(tmp_path) as ledger:
        assert ledger.receipts(world.terms.digest) == [first]
        assert ledger.claim(world.first.statement_digest) == world.first.encode()
        second = ledger.apply(world.second.encode()).receipt
        assert second.previous == first.digest
        assert [c.terms.digest for c in ledger.contracts()] == [world.terms.digest]


def test_a_refusal_changes_nothing_but_the_audit_log(world: World, tmp_path: Path) -> None:
    with funded(world, tmp_path) as ledger:
        before = ledger.lines(world.terms.digest)
        bad = resign(world.first, amount_nanos=world.first.amount_nanos + 1)
        assert refusal(ledger, bad.encode()) is Reason.AMOUNT_MISMATCH
        assert refusal(ledger, b"nonsense") is Reason.CLAIM_MALFORMED
        assert ledger.lines(world.terms.digest) == before
        assert ledger.receipts(world.terms.digest) == []
        first, second = ledger.refusals()
        assert (first.reason, first.statement_digest) == ("AMOUNT_MISMATCH", bad.statement_digest)
        assert (second.reason, second.terms_digest) == ("CLAIM_MALFORMED", None)


def test_equivocation_is_refused_and_logged(world: World, tmp_path: Path) -> None:
    with funded(world, tmp_path) as ledger:
        ledger.apply(world.first.encode())
        assert refusal(ledger, world.wider.encode()) is Reason.EQUIVOCATION
        assert ledger.refusals()[-1].statement_digest == world.wider.statement_digest


def test_a_device_that_contradicts_itself_stays_frozen(world: World, tmp_path: Path) -> None:
    twisted = with_checkpoint(world.second, 0, end_ms=world.second.first.end_ms - 1)
    with funded(world, tmp_path) as ledger:
        ledger.apply(world.first.encode())
        assert refusal(ledger, twisted.encode()) is Reason.DEVICE_FROZEN
    with open_ledger(tmp_path) as ledger:  # durable
        assert refusal(ledger, world.second.encode()) is Reason.DEVICE_FROZEN
        assert ledger.apply(world.first.encode()).duplicate  # what was paid stays answered


def test_escrow_short_then_funded(world: World, tmp_path: Path) -> None:
    with funded(world, tmp_path, nanos=world.first.amount_nanos - 1) as ledger:
        assert refusal(ledger, world.first.encode()) is Reason.ESCROW_SHORT
        ledger.deposit(world.terms.digest, 1, "the missing nano")
        assert not ledger.apply(world.first.encode()).duplicate
        assert ledger.balances(world.terms.digest)[Account.ESCROW] == 0


def test_concurrent_duplicates_pay_once(world: World, tmp_path: Path) -> None:
    with funded(world, tmp_path) as ledger, open_ledger(tmp_path) as other:
        stores = [ledger, other] * 4
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda s: s.apply(world.first.encode()), stores))
        assert sorted(a.duplicate for a in answers) == [False] + [True] * 7
        assert len({a.receipt for a in answers}) == 1
        assert ledger.balances(world.terms.digest)[Account.PAYABLE] == world.first.amount_nanos


def test_concurrent_contradictions_pay_one(world: World, tmp_path: Path) -> None:
    claims = [world.first.encode(), world.wider.encode()] * 2

    def try_one(data: bytes) -> Reason | None:
        try:
            ledger.apply(data)
        except Rejected as rejected:
            return rejected.reason
        return None

    with funded(world, tmp_path) as ledger:
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(try_one, claims))
        assert set(answers) == {None, Reason.EQUIVOCATION}
        assert len(ledger.receipts(world.terms.digest)) == 1
        books_balance(ledger, world)


# --- deposits


def test_a_deposit_is_booked_once(world: World, tmp_path: Path) -> None:
    with funded(world, tmp_path, nanos=5) as ledger:
        digest = world.terms.digest
        again = ledger.deposit(digest, 5, "opening deposit")
        assert (again.created, again.escrow_nanos) == (False, 5)
        with pytest.raises(BadInput) as caught:
            ledger.deposit(digest, 6, "opening deposit")
        assert caught.value.reason is InputReason.DEPOSIT_CONFLICT
        assert ledger.deposit(digest, 6, "second").escrow_nanos == 11


@pytest.mark.parametrize(
    ("nanos", "reference", "reason"),
    [
        (0, "x", InputReason.USAGE),
        (-1, "x", InputReason.USAGE),
        (2**63, "x", InputReason.USAGE),
        (1, "", InputReason.USAGE),
        (1, "two\nlines", InputReason.USAGE),
        (2**63 - 1, "x", InputReason.OVERFLOW),
    ],
)
def test_bad_deposits(
    world: World, tmp_path: Path, nanos: int, reference: str, reason: InputReason
) -> None:
    with funded(world, tmp_path, nanos=5) as ledger:
        with pytest.raises(BadInput) as caught:
            ledger.deposit(world.terms.digest, nanos, reference)
        assert caught.value.reason is reason
        assert ledger.balances(world.terms.digest)[Account.ESCROW] == 5


# --- contracts


def test_register_once(world: World, tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        assert ledger.register(world.contract)
        assert not ledger.register(world.contract)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"supplier_signature": None}, InputReason.CONTRACT_UNSIGNED),
        ({"operator_signature": bytes(64)}, InputReason.CONTRACT_UNSIGNED),
    ],
)
def test_an_unsigned_contract_is_not_registered(
    world: World, tmp_path: Path, change: dict[str, bytes | None], reason: InputReason
) -> None:
    with open_ledger(tmp_path) as ledger:
        with pytest.raises(BadInput) as caught:
            ledger.register(replace(world.contract, **change))  # type: ignore[arg-type]
        assert caught.value.reason is reason
        assert ledger.contracts() == []


def test_another_suppliers_contract(world: World, tmp_path: Path) -> None:
    with Ledger.open(tmp_path, STRANGER, create=True) as ledger:
        with pytest.raises(BadInput) as caught:
            ledger.register(world.contract)
        assert caught.value.reason is InputReason.KEY


def test_without_a_key_nothing_is_accepted(world: World, tmp_path: Path) -> None:
    with funded(world, tmp_path):
        pass
    with Ledger.open(tmp_path) as ledger:
        with pytest.raises(BadInput) as caught:
            ledger.apply(world.first.encode())
        assert caught.value.reason is InputReason.KEY


def test_two_contracts_do_not_mix(world: World, tmp_path: Path) -> None:
    # the same device under a second contract: heads and money are per contract
    text_2 = contract_text().replace("test pump", "second contract")
    other = signed(type(world.terms).from_toml(text_2), text_2)
    with funded(world, tmp_path) as ledger:
        ledger.register(other)
        ledger.apply(world.first.encode())
        assert ledger.receipts(other.terms.digest) == []
        assert set(ledger.balances(other.terms.digest).values()) == {0}


# --- the database itself

ADD_TO_A_SEALED_TRANSACTION = (
    "INSERT INTO entries (transaction_key, terms_digest, account, currency, nanos) "
    "SELECT transaction_key, terms_digest, account, currency, nanos FROM entries"
)
EMPTY_TRANSACTION = (
    "INSERT INTO transactions (key, terms_digest, kind, reference, created_ms) "
    "SELECT 'empty', terms_digest, kind, reference, 0 FROM transactions LIMIT 1"
)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET nanos = 0",
        "DELETE FROM entries",
        "UPDATE transactions SET reference = 'x'",
        "DELETE FROM transactions",
        "DELETE FROM receipts",
        "UPDATE receipts SET encoded = x'00'",
        "DELETE FROM claims",
        "DELETE FROM vouchers",
        "DELETE FROM checkpoints",
        "UPDATE audit SET reason = 'x'",
        "DELETE FROM audit WHERE reason = 'EQUIVOCATION'",
        "UPDATE instructions SET moment_ms = 0",
        "DELETE FROM instructions",
        ADD_TO_A_SEALED_TRANSACTION,
        EMPTY_TRANSACTION,
    ],
)
def test_history_cannot_be_changed(world: World, tmp_path: Path, statement: str) -> None:
    with funded(world, tmp_path) as ledger:
        ledger.apply(world.first.encode())
        refusal(ledger, world.wider.encode())
        ledger.waive(world.terms.digest, Reason.CLAIM_LATE, 0, "somebody")
        before = ledger.lines(world.terms.digest)
        with pytest.raises(IntegrityError), ledger._database.writing() as session:
            session.execute(text(statement))
        assert ledger.lines(world.terms.digest) == before


def _post_unbalanced(ledger: Ledger, world: World) -> None:
    entries = (Entry(Account.ESCROW, 1), Entry(Account.PAYABLE, -2))
    with ledger._database.writing() as session:
        contract = session.get_one(ContractRow, world.terms.digest)
        rows.post(session, contract, "deposit", "unbalanced", entries, 0)


def test_a_transaction_that_does_not_balance(world: World, tmp_path: Path) -> None:
    with funded(world, tmp_path) as ledger, pytest.raises(IntegrityError):
        _post_unbalanced(ledger, world)


def test_an_altered_contract_in_the_store(world: World, tmp_path: Path) -> None:
    with funded(world, tmp_path) as ledger, ledger._database.writing() as session:
        session.execute(text("UPDATE contracts SET toml = replace(toml, '0.002', '0.003')"))
    with open_ledger(tmp_path) as ledger:
        with pytest.raises(BadInput) as caught:
            ledger.apply(world.first.encode())
        assert caught.value.reason is InputReason.STORE_CORRUPT


def test_an_altered_head_in_the_store(world: World, tmp_path: Path) -> None:
    with funded(world, tmp_path) as ledger:
        ledger.apply(world.first.encode())
        with ledger._database.writing() as session:
            session.execute(text("UPDATE heads SET receipt_digest = zeroblob(32)"))
        with pytest.raises(BadInput) as caught:
            ledger.apply(world.second.encode())
        assert caught.value.reason is InputReason.STORE_CORRUPT


def test_a_replay_finds_an_exchanged_claim(world: World, tmp_path: Path) -> None:
    # somebody with the file in hand dropped a trigger and put another claim in the archive
    with funded(world, tmp_path) as ledger:
        receipts = [ledger.apply(c.encode()).receipt for c in (world.first, world.second)]
        check_receipts(ledger, world.contract, receipts)
        with ledger._database.writing() as session:
            session.execute(text("DROP TRIGGER claims_no_update"))
            session.execute(
                text("UPDATE claims SET encoded = :other WHERE statement_digest = :digest"),
                {"other": world.wider.encode(), "digest": world.first.statement_digest},
            )
        with pytest.raises(BadInput) as caught:
            check_receipts(ledger, world.contract, receipts)
        assert caught.value.reason is InputReason.STORE_CORRUPT


def test_signed_contract_survives_the_store(world: World, tmp_path: Path) -> None:
    with funded(world, tmp_path) as ledger:
        stored: SignedContract = ledger.contract(world.terms.digest)
        assert stored == world.contract
