"""The operator's store: whole epochs or nothing, damage found, interruptions settled."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from circuits.errors import BadInput, InputReason
from prover.device import SoftwareDevice, load_device
from prover.recording import ImportResult, record_log
from prover.store import STORE_NAME, Store, open_store
from tests.prover.rig import Rig, log_text, make_rig, steady_log


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return make_rig(tmp_path)


def do_import(rig: Rig, text: str) -> ImportResult:
    path = rig.directory / "log.csv"
    path.write_text(text)
    return record_log(path, rig.terms, rig.store, rig.device)


def refused(call: Callable[[], object]) -> BadInput:
    with pytest.raises(BadInput) as caught:
        call()
    assert "\n" not in caught.value.message
    return caught.value


def test_what_goes_in_comes_out(rig: Rig) -> None:
    result = do_import(rig, steady_log(150))
    assert (result.epoch, result.windows, result.records) == (0, 3, 150)
    device = load_device(rig.device)
    with open_store(rig.store) as store:
        (stored,) = store.epochs(device.public_key)
        assert (stored.epoch, stored.windows, stored.window_ms) == (0, 3, 60_000)
        logs = store.load_windows(stored, 0, 2)
        assert [len(log.records) for log in logs] == [60, 60, 30]
        assert logs[0].records[0].tolist() == [30_000, 0]
        assert logs[1].records[0, 1] == 1000
        checkpoints = store.checkpoints(device.public_key, 0, 0, 3)
        assert checkpoints[-1].checkpoint.chain == device.state.chain
        entries = store.windows()
    assert [(e.index, e.records, e.signed) for e in entries] == [
        (0, 60, True),
        (1, 60, True),
        (2, 30, True),
    ]
    assert (rig.store / STORE_NAME).stat().st_mode & 0o777 == 0o600


def test_each_import_is_an_epoch_and_time_moves_on(rig: Rig) -> None:
    do_import(rig, steady_log(70))
    error = refused(lambda: do_import(rig, steady_log(70)))
    assert error.reason is InputReason.DEVICE_MISMATCH
    assert do_import(rig, steady_log(10, first_second=100)).epoch == 1
    with open_store(rig.store) as store:
        assert [(e.epoch, e.windows) for e in store.epochs()] == [(0, 2), (1, 1)]
        assert [(e.epoch, e.index) for e in store.windows()] == [(0, 0), (0, 1), (1, 0)]


def test_a_bad_row_changes_nothing(rig: Rig) -> None:
    error = refused(lambda: do_import(rig, log_text([(0, "1"), (1000, "x")])))
    assert error.reason is InputReason.CSV_NUMBER
    assert not rig.store.exists()
    assert load_device(rig.device).state.epoch == -1


def test_another_device_is_refused(rig: Rig, tmp_path: Path) -> None:
    other = make_rig(tmp_path / "other")
    path = rig.directory / "log.csv"
    path.write_text(steady_log(5))
    error = refused(lambda: record_log(path, rig.terms, rig.store, other.device))
    assert error.reason is InputReason.DEVICE_MISMATCH


def test_a_full_disk_leaves_store_and_device_as_they_were(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    do_import(rig, steady_log(70))
    before = (rig.device / "state.json").read_bytes()
    stage = Store.stage

    def on_a_full_disk(self: Store, *arguments: object) -> None:
        pages = self._db.execute("PRAGMA page_count").fetchone()[0]
        self._db.execute(f"PRAGMA max_page_count = {pages}")
        stage(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "stage", on_a_full_disk)
    error = refused(lambda: do_import(rig, steady_log(3000, first_second=100)))
    assert error.reason is InputReason.WRITE_FAILED
    assert (rig.device / "state.json").read_bytes() == before
    monkeypatch.undo()
    with open_store(rig.store) as store:
        assert [e.epoch for e in store.epochs()] == [0]
    assert do_import(rig, steady_log(10, first_second=100)).epoch == 1


def test_a_device_that_cannot_persist_leaves_no_epoch(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise BadInput(InputReason.WRITE_FAILED, "state.json: No space left on device")

    monkeypatch.setattr(SoftwareDevice, "persist", fail)
    assert refused(lambda: do_import(rig, steady_log(5))).reason is InputReason.WRITE_FAILED
    monkeypatch.undo()
    with open_store(rig.store) as store:
        assert store.windows() == []
    assert do_import(rig, steady_log(5)).epoch == 0


def test_an_interruption_before_the_device_persisted_is_undone(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(SoftwareDevice, "persist", stop)
    with pytest.raises(KeyboardInterrupt):
        do_import(rig, steady_log(5))
    monkeypatch.undo()
    with open_store(rig.store) as store:
        assert store.windows() == []
    assert do_import(rig, steady_log(7)).epoch == 0
    with open_store(rig.store) as store:
        assert [e.records for e in store.windows()] == [7]


def test_an_interruption_after_the_device_persisted_is_completed(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "publish", stop)
    with pytest.raises(KeyboardInterrupt):
        do_import(rig, steady_log(5))
    monkeypatch.undo()
    assert do_import(rig, steady_log(7, first_second=60)).epoch == 1
    with open_store(rig.store) as store:
        assert [(e.epoch, e.records) for e in store.windows()] == [(0, 5), (1, 7)]


def test_a_device_restored_from_a_copy_is_refused(rig: Rig) -> None:
    state = (rig.device / "state.json").read_bytes()
    do_import(rig, steady_log(5))
    (rig.device / "state.json").write_bytes(state)
    error = refused(lambda: do_import(rig, steady_log(6)))
    assert error.reason is InputReason.DEVICE_MISMATCH
    assert "epoch 0" in error.message


def test_a_missing_store(tmp_path: Path) -> None:
    def look() -> None:
        with open_store(tmp_path / "none") as store:
            store.windows()

    assert refused(look).reason is InputReason.STORE_MISSING
    assert not (tmp_path / "none").exists()


def read_everything(rig: Rig) -> None:
    with open_store(rig.store) as store:
        for stored in store.epochs():
            store.windows()
            store.checkpoints(stored.device, stored.epoch, 0, stored.windows)
            store.load_windows(stored, 0, stored.windows - 1)


DAMAGE = {
    "records": "UPDATE windows SET records = zeroblob(length(records)) WHERE number = 1",
    "one byte": "UPDATE windows SET records = CAST(x'ff' || substr(records, 2) AS BLOB)",
    "salt": "UPDATE windows SET salt = zeroblob(32) WHERE number = 1",
    "short records": "UPDATE windows SET records = x'00' WHERE number = 1",
    "window gone": "DELETE FROM windows WHERE number = 0",
    "checkpoint gone": "DELETE FROM checkpoints WHERE number = 2",
    "checkpoint bytes": "UPDATE checkpoints SET encoded = x'00' WHERE number = 1",
    "another's checkpoint": "UPDATE checkpoints SET encoded ="
    " (SELECT encoded FROM checkpoints WHERE number = 2) WHERE number = 1",
    "signature": "UPDATE checkpoints SET signature = zeroblob(64) WHERE number = 1",
    "table": "DROP TABLE windows",
    "version": "PRAGMA user_version = 9",
}


@pytest.mark.parametrize("statement", DAMAGE.values(), ids=DAMAGE)
def test_damage_is_found(rig: Rig, statement: str) -> None:
    do_import(rig, steady_log(150))
    read_everything(rig)
    with sqlite3.connect(rig.store / STORE_NAME) as opened:
        opened.execute(statement)
    opened.close()
    assert refused(lambda: read_everything(rig)).reason is InputReason.STORE_CORRUPT


def test_bytes_that_are_no_database(rig: Rig) -> None:
    do_import(rig, steady_log(150))
    path = rig.store / STORE_NAME
    good = path.read_bytes()
    no_header = b"\0" * len(good)
    for bad in (b"no database" * 100, good[:5000], no_header, good[:100] + b"\xff" * 4000):
        path.write_bytes(bad)
        assert refused(lambda: read_everything(rig)).reason is InputReason.STORE_CORRUPT


def test_random_damage_never_gives_a_traceback_nor_other_readings(rig: Rig) -> None:
    do_import(rig, steady_log(150))
    path = rig.store / STORE_NAME
    good = path.read_bytes()
    with open_store(rig.store) as store:
        expected = store.load_windows(store.epochs()[0], 0, 2)
    generator = np.random.default_rng(1)
    reasons = set()
    for _ in range(60):
        damaged = bytearray(good)
        at = int(generator.integers(0, len(good)))
        damaged[at] ^= 1 << int(generator.integers(0, 8))
        path.write_bytes(bytes(damaged))
        try:
            read_everything(rig)
            with open_store(rig.store) as store:
                found = [log for e in store.epochs() for log in store.load_windows(e, 0, 2)]
        except BadInput as error:
            reasons.add(error.reason)
            continue
        for a, b in zip(found, expected, strict=bool(found)):
            assert np.array_equal(a.records, b.records)
    assert InputReason.STORE_CORRUPT in reasons
    assert reasons <= {InputReason.STORE_CORRUPT, InputReason.WRITE_FAILED}
