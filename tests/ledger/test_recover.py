"""A store restored from an old copy: what it lost comes back under the receipts that were given."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from circuits.errors import BadInput, InputReason, Reason, Rejected
from tests.ledger.stores import open_ledger
from tests.support import (
    NOW_MS,
    RICH,
    STRANGER,
    SUPPLIER,
    World,
    contract_text,
    make_claim,
    signed,
    with_checkpoint,
)
from verifier.cli import main
from verifier.ledger import Ledger
from verifier.ledger.models import CheckpointRow
from verifier.ledger.replay import check_receipts
from verifier.receipt import Receipt


@dataclass
class Clock:
    """A clock that goes on with every look, so that what is done twice has two times."""

    now_ms: int = NOW_MS

    def __call__(self) -> int:
        self.now_ms += 1000
        return self.now_ms


@dataclass
class Restored:
    """``whole`` never lost anything; ``old`` is a copy of it without the last two claims."""

    whole: Ledger
    old: Ledger
    lost: list[Receipt]


@pytest.fixture
def stores(world: World, tmp_path: Path) -> Any:
    clock = Clock()
    with Ledger.open(tmp_path / "whole", SUPPLIER, create=True, clock=clock) as whole:
        whole.register(world.contract)
        whole.deposit(world.terms.digest, RICH, "opening deposit")
        whole.apply(world.first.encode())
    shutil.copytree(tmp_path / "whole", tmp_path / "old")
    with Ledger.open(tmp_path / "whole", SUPPLIER, clock=clock) as whole:
        lost = [whole.apply(claim.encode()).receipt for claim in (world.second, world.third)]
        with Ledger.open(tmp_path / "old", SUPPLIER, clock=clock) as old:
            yield Restored(whole, old, lost)


def test_what_was_lost_comes_back_as_it_was(stores: Restored, world: World) -> None:
    old, whole, digest = stores.old, stores.whole, world.terms.digest
    for claim, receipt in zip((world.second, world.third), stores.lost, strict=True):
        assert old.recover(claim.encode(), receipt)
        assert not old.recover(claim.encode(), receipt)
    assert old.receipts(digest) == whole.receipts(digest)
    assert old.lines(digest) == whole.lines(digest)
    assert old.balances(digest) == whole.balances(digest)
    assert old.outbox.owed() == whole.outbox.owed()
    check_receipts(old, world.contract, old.receipts(digest))
    for claim in (world.first, world.second, world.third):
        again = old.apply(claim.encode())
        assert again.duplicate
        assert again.receipt == whole.receipt(claim.statement_digest)


def test_without_it_a_claim_would_get_a_second_receipt(stores: Restored, world: World) -> None:
    """And once it has, the first one cannot come back."""
    given = stores.old.apply(world.second.encode()).receipt
    assert given.digest != stores.lost[0].digest
    for claim, receipt in zip((world.second, world.third), stores.lost, strict=True):
        with pytest.raises(BadInput) as refused:
            stores.old.recover(claim.encode(), receipt)
        assert refused.value.reason is InputReason.RECEIPT
    assert stores.old.receipts(world.terms.digest)[1:] == [given]


def test_claims_come_back_in_order(stores: Restored, world: World) -> None:
    before = stores.old.lines(world.terms.digest)
    with pytest.raises(Rejected):
        stores.old.recover(world.third.encode(), stores.lost[1])
    assert stores.old.lines(world.terms.digest) == before


@pytest.mark.parametrize("what", ["stranger", "unsigned", "amount", "time", "other claim"])
def test_only_the_receipt_that_was_given(stores: Restored, world: World, what: str) -> None:
    receipt = stores.lost[0]
    forged = {
        "stranger": receipt.signed(STRANGER),
        "unsigned": replace(receipt, accepted_ms=receipt.accepted_ms - 1),
        "amount": replace(receipt, amount_nanos=receipt.amount_nanos + 1).signed(SUPPLIER),
        "time": replace(receipt, unmetered_ms=receipt.unmetered_ms + 1).signed(SUPPLIER),
        "other claim": stores.lost[1],
    }[what]
    before = stores.old.lines(world.terms.digest)
    with pytest.raises(BadInput) as refused:
        stores.old.recover(world.second.encode(), forged)
    assert refused.value.reason is InputReason.RECEIPT
    assert stores.old.lines(world.terms.digest) == before
    assert len(stores.old.receipts(world.terms.digest)) == 1


def test_a_lost_deposit_is_booked_first(world: World, tmp_path: Path) -> None:
    with open_ledger(tmp_path / "whole") as whole:
        whole.register(world.contract)
        whole.deposit(world.terms.digest, RICH, "opening deposit")
        receipt = whole.apply(world.first.encode()).receipt
    with open_ledger(tmp_path / "old") as old:
        old.register(world.contract)
        with pytest.raises(Rejected) as refused:
            old.recover(world.first.encode(), receipt)
        assert refused.value.reason is Reason.ESCROW_SHORT
        old.deposit(world.terms.digest, RICH, "opening deposit")
        assert old.recover(world.first.encode(), receipt)


def test_an_unknown_contract(world: World, stores: Restored, tmp_path: Path) -> None:
    with open_ledger(tmp_path / "empty") as empty, pytest.raises(Rejected) as refused:
        empty.recover(world.second.encode(), stores.lost[0])
    assert refused.value.reason is Reason.CONTRACT_UNKNOWN


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main.main([str(word) for word in words])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_from_the_operators_files(
    stores: Restored, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = []
    for k, claim in enumerate((world.third, world.second)):
        for data, kind in ((claim.encode(), "claim"), (stores.lost[1 - k].encode(), "receipt")):
            files.append(tmp_path / f"{k}.{kind}")
            files[-1].write_bytes(data)
    junk = tmp_path / "junk"
    junk.write_bytes(b"ZKMq and no more")
    other, spoiled, forged = (tmp_path / name for name in ("other", "spoiled", "forged"))
    second = stores.lost[0]
    other.write_bytes(replace(second, accepted_ms=second.accepted_ms + 1).signed(SUPPLIER).encode())
    data = world.second.encode()
    spoiled.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    forged.write_bytes(second.signed(STRANGER).encode())
    (tmp_path / "text").write_text("nothing of the kind\n", encoding="ascii")
    for wrong, said in (
        ([files[0]], "0.claim: its receipt is not among the files"),
        ([files[3]], "receipt 2: its claim is not among the files"),
        ([*files, junk], "junk: the receipt ends early"),
        ([*files, other], "other: another file has something else for the same statement"),
        ([*files, spoiled], "spoiled: another file has something else for the same statement"),
        (files[:2], "receipt 3: receipt 2 is missing"),
        ([forged, files[2]], "receipt 2: not signed by the supplier"),
        ([tmp_path / "text"], "text: neither a receipt nor a claim"),
    ):
        status, out, err = run(capsys, "recover", "--store", tmp_path / "old", *wrong)
        assert (status, out) == (2, "")
        assert "RECEIPT" in err
        assert said in err
    assert len(stores.old.receipts(world.terms.digest)) == 1
    for recovered in (2, 0):
        status, out, err = run(capsys, "recover", "--json", "--store", tmp_path / "old", *files)
        assert (status, err) == (0, "")
        assert json.loads(out) == {
            "recovered": recovered, "known": 2 - recovered, "settlements": [], "forgotten": [],
        }  # fmt: skip
    expected = stores.whole.receipts(world.terms.digest)
    assert stores.old.receipts(world.terms.digest) == expected
    # what is known needs no claim; a directory stands for its files
    for words in ([files[1], files[3]], [files[0]], [tmp_path / "whole"]):
        status, out, err = run(capsys, "recover", "--store", tmp_path / "old", *words)
        assert (status == 0) is (words[0] != tmp_path / "whole"), err
    given = tmp_path / "given"
    given.mkdir()
    for file in files:
        shutil.move(file, given)
    status, out, err = run(capsys, "recover", "--store", tmp_path / "old", given)
    assert (status, out.strip()) == (0, "0 claims recovered, 2 known before")


def test_a_store_that_went_another_way(
    stores: Restored, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stores.old.apply(world.second.encode())
    files: list[Path] = []
    for number, (claim, receipt) in enumerate(
        zip((world.second, world.third), stores.lost, strict=True)
    ):
        for data in (claim.encode(), receipt.encode()):
            files.append(tmp_path / f"{number}.{len(files)}")
            files[-1].write_bytes(data)
    for words, said in (
        (files, "receipt 2: another one of this number is here"),
        (files[2:], "receipt 3: it does not follow from the receipt before it"),
    ):
        status, _, err = run(capsys, "recover", "--store", tmp_path / "old", *words)
        assert status == 2
        assert said in err


def test_what_was_decided_by_hand_does_not_count(stores: Restored, world: World) -> None:
    """The receipt says that it did not then; entered again, it may have come before or after."""
    stores.old.revoke_device(world.first.first.device, 0, "somebody")
    stores.old.close_contract(world.terms.digest, "somebody")
    for claim, receipt in zip((world.second, world.third), stores.lost, strict=True):
        assert stores.old.recover(claim.encode(), receipt)


def test_a_late_claim_needs_no_waiver_again(world: World, tmp_path: Path) -> None:
    terms = replace(world.terms, claim_deadline_seconds=3600)
    text_late = contract_text().replace("= 120", "= 120\nclaim_deadline_seconds = 3600")
    claim = make_claim(terms, world.epoch, 0, 1)
    ledgers = [open_ledger(tmp_path / name) for name in ("whole", "old")]
    for ledger in ledgers:
        ledger.register(signed(terms, text_late))
        ledger.deposit(terms.digest, RICH, "opening deposit")
    whole, old = ledgers
    whole.waive(terms.digest, Reason.CLAIM_LATE, NOW_MS, "somebody")
    assert old.recover(claim.encode(), whole.apply(claim.encode()).receipt)
    for ledger in ledgers:
        ledger.close()


def test_a_device_that_contradicted_itself_meanwhile(stores: Restored, world: World) -> None:
    """The evidence is kept, as when such a claim arrives."""
    conflict = with_checkpoint(
        world.second, 1, end_ms=world.second.checkpoints[1].checkpoint.end_ms - 1
    )
    with stores.old._database.writing() as session:
        signed_one = conflict.checkpoints[1]
        session.add(
            CheckpointRow(
                device=signed_one.checkpoint.device,
                epoch=signed_one.checkpoint.epoch,
                position=signed_one.checkpoint.index,
                encoded=signed_one.checkpoint.encode(),
                signature=signed_one.signature,
            )
        )
    with pytest.raises(Rejected) as refused:
        stores.old.recover(world.second.encode(), stores.lost[0])
    assert refused.value.reason is Reason.DEVICE_FROZEN
    (line,) = stores.old.refusals()
    assert (line.reason, line.statement_digest) == ("DEVICE_FROZEN", world.second.statement_digest)
    with pytest.raises(Rejected) as refused:
        stores.old.apply(world.second.encode())
    assert refused.value.reason is Reason.DEVICE_FROZEN
