"""Opening: migrations, stores that are no stores, a process that dies at the worst moment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, text

from circuits.errors import BadInput, InputReason
from tests.ledger.stores import funded, open_ledger
from tests.support import World
from verifier.accept import Account
from verifier.ledger import Ledger
from verifier.ledger.database import FILE_NAME
from verifier.ledger.models import Base

ROOT = Path(__file__).parents[2]


def _reason_of_opening(directory: Path) -> InputReason:
    with pytest.raises(BadInput) as caught:
        Ledger.open(directory)
    assert "\n" not in caught.value.message
    return caught.value.reason


def test_the_migrated_schema_is_what_the_models_say(tmp_path: Path) -> None:
    open_ledger(tmp_path).close()
    engine = create_engine(f"sqlite:///{tmp_path / FILE_NAME}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
    engine.dispose()


def test_missing_store(tmp_path: Path) -> None:
    assert _reason_of_opening(tmp_path / "nothing") is InputReason.STORE_MISSING
    assert not (tmp_path / "nothing").exists()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"not a database" * 1000)
    assert _reason_of_opening(tmp_path) is InputReason.STORE_CORRUPT


def test_somebody_elses_database(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / FILE_NAME}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE contracts (x)"))
    engine.dispose()
    assert _reason_of_opening(tmp_path) is InputReason.STORE_CORRUPT


def test_a_store_of_a_later_version(tmp_path: Path) -> None:
    open_ledger(tmp_path).close()
    engine = create_engine(f"sqlite:///{tmp_path / FILE_NAME}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    assert _reason_of_opening(tmp_path) is InputReason.STORE_CORRUPT


def test_a_damaged_page(world: World, tmp_path: Path) -> None:
    with funded(world, tmp_path) as ledger:
        ledger.apply(world.first.encode())
    path = tmp_path / FILE_NAME
    data = bytearray(path.read_bytes())
    data[5 * 4096 : 6 * 4096] = os.urandom(4096)
    path.write_bytes(data)
    assert _reason_of_opening(tmp_path) is InputReason.STORE_CORRUPT


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput) as caught:
        Ledger.open(tmp_path / "file" / "store", create=True)
    assert caught.value.reason is InputReason.WRITE_FAILED


def test_a_full_disk(world: World, tmp_path: Path) -> None:
    with funded(world, tmp_path) as ledger:
        with ledger._database.reading() as session:
            pages = session.execute(text("PRAGMA page_count")).scalar()
        engine = ledger._database._engine
        with engine.connect() as connection:
            connection.execute(text(f"PRAGMA max_page_count = {pages}"))
        with pytest.raises(BadInput) as caught:
            ledger.apply(world.first.encode())
        assert caught.value.reason is InputReason.WRITE_FAILED
        assert ledger.receipts(world.terms.digest) == []


DIE = """
import os, sys
from pathlib import Path
from tests.ledger.stores import open_ledger
from verifier.ledger import rows

directory, claim, moment = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
ledger = open_ledger(directory)
real = getattr(rows, "record")
def record(*arguments):
    if moment == "before":
        os._exit(9)
    real(*arguments)
    if moment == "inside":
        os._exit(9)
rows.record = record
ledger.apply(claim.read_bytes())
os._exit(9)
"""


@pytest.mark.parametrize(
    ("moment", "paid"), [("before", False), ("inside", False), ("after", True)]
)
def test_killed_while_accepting(world: World, tmp_path: Path, moment: str, paid: bool) -> None:
    store, claim = tmp_path / "store", tmp_path / "claim"
    claim.write_bytes(world.first.encode())
    funded(world, store).close()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    died = subprocess.run(
        [sys.executable, "-c", DIE, str(store), str(claim), moment],
        env=environment,
        check=False,
        timeout=60,
    )
    assert died.returncode == 9
    with open_ledger(store) as ledger:
        assert len(ledger.receipts(world.terms.digest)) == int(paid)
        assert ledger.apply(claim.read_bytes()).duplicate is paid
        balances = ledger.balances(world.terms.digest)
        assert balances[Account.PAYABLE] == world.first.amount_nanos
        assert [o.amount_nanos for o in ledger.outbox.owed()] == [world.first.amount_nanos]
