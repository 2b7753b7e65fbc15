"""The software device: what it signs, what it refuses, what it remembers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from circuits.chain import Role, absorb, pack_records, window_salt
from circuits.checkpoint import Link, Status, decode_checkpoint
from circuits.errors import BadInput, InputReason
from circuits.schema import Schema
from prover.device import SignedEpoch, SoftwareDevice, create_device, load_device, locked
from prover.log import ImportedWindow
from tests.prover.rig import PUMP
from verifier.contract import read_template
from verifier.signatures import require_checkpoint_signature

SCHEMA: Schema = read_template(PUMP.read_text(encoding="utf-8")).schema
COUNTS = (5, 0, 1, 8)


@pytest.fixture
def device(tmp_path: Path) -> SoftwareDevice:
    create_device(tmp_path / "device")
    return load_device(tmp_path / "device")


def windows(start_ms: int = 1_000_000) -> list[ImportedWindow]:
    generator = np.random.default_rng(start_ms)
    out = []
    for number, count in enumerate(COUNTS):
        records = generator.integers(0, 2**18 - 1, (count, 2), dtype=np.uint64)
        first = start_ms + number * 1000
        out.append(ImportedWindow(first, first + 1000, records))
    return out


def test_checkpoints_are_signed_counted_and_linked(device: SoftwareDevice) -> None:
    made = device.record_epoch(SCHEMA, windows())
    assert [s.checkpoint.index for s in made.checkpoints] == [0, 1, 2, 3, 4]
    assert [s.checkpoint.records_in_window for s in made.checkpoints] == [0, *COUNTS]
    assert [s.checkpoint.records_in_epoch for s in made.checkpoints] == [0, 5, 5, 6, 14]
    opening = made.checkpoints[0].checkpoint
    assert opening.link == Link()
    assert opening.start_ms == opening.end_ms == 1_000_000
    assert opening.chain == opening.genesis_chain()
    for signed in made.checkpoints:
        require_checkpoint_signature(signed.checkpoint, signed.signature)
        assert signed.checkpoint.device == device.public_key
        assert signed.checkpoint.schema == SCHEMA.digest()
        assert decode_checkpoint(signed.checkpoint.encode()) == signed.checkpoint


def test_chain_values_match_the_reference(device: SoftwareDevice) -> None:
    made = device.record_epoch(SCHEMA, windows())
    secret = bytes.fromhex((device.directory / "salt.key").read_text())
    chain = np.array(made.checkpoints[0].checkpoint.chain, dtype=np.uint64)
    for number, window in enumerate(made.windows):
        assert np.array_equal(window.salt, window_salt(secret, 0, number))
        for block in pack_records(window.records, SCHEMA.width):
            chain = absorb(chain, block, Role.DATA)
        chain = absorb(chain, window.salt, Role.CLOSING)
        assert made.checkpoints[number + 1].checkpoint.chain == tuple(chain.tolist())


def test_the_next_epoch_links_to_the_last(device: SoftwareDevice) -> None:
    first = device.record_epoch(SCHEMA, windows())
    device.persist(first.state)
    again = load_device(device.directory)
    assert again.state == first.state
    second = again.record_epoch(SCHEMA, windows(2_000_000))
    end = first.checkpoints[-1].checkpoint
    opening = second.checkpoints[0].checkpoint
    assert opening.link == Link(0, end.index, end.end_ms, end.chain)
    assert opening.epoch == 1
    assert not np.array_equal(second.windows[0].salt, first.windows[0].salt)


def test_an_opening_never_comes_without_the_checkpoint_after_it(device: SoftwareDevice) -> None:
    """The rule of the protocol: an epoch number is used up with its first closed window only."""
    with pytest.raises(BadInput) as caught:
        device.record_epoch(SCHEMA, [])
    assert caught.value.reason is InputReason.WINDOWS
    assert device.state.epoch == -1
    nothing = np.zeros((0, 2), dtype=np.uint64)
    made = device.record_epoch(SCHEMA, [ImportedWindow(1_000_000, 1_000_001, nothing)])
    assert [s.checkpoint.index for s in made.checkpoints] == [0, 1]
    assert made.state.index == 1  # what the next epoch's opening will name
    device.persist(made.state)
    after = device.record_epoch(SCHEMA, windows(2_000_000))
    end = made.checkpoints[1].checkpoint
    assert after.checkpoints[0].checkpoint.link == Link(0, 1, end.end_ms, end.chain)


def test_a_missed_sample_is_reported_from_its_window_on(device: SoftwareDevice) -> None:
    fed = windows()
    fed[2].records[0, 0] = 2**18 - 1
    flags = [s.checkpoint.flags for s in device.record_epoch(SCHEMA, fed).checkpoints]
    assert flags == [Status.NONE] * 3 + [Status.MISSED] * 2
    fed[2].records[0] = [0, 2**24 - 1]  # a time step has no reserved code
    flags = [s.checkpoint.flags for s in device.record_epoch(SCHEMA, fed).checkpoints]
    assert set(flags) == {Status.NONE}


def test_without_persist_nothing_is_remembered(device: SoftwareDevice) -> None:
    made: SignedEpoch = device.record_epoch(SCHEMA, windows())
    assert made.epoch == 0
    assert load_device(device.directory).state.epoch == -1


def test_times_before_the_last_end_are_refused(device: SoftwareDevice) -> None:
    made = device.record_epoch(SCHEMA, windows())
    device.persist(made.state)
    end = made.state.end_ms
    with pytest.raises(BadInput) as caught:
        device.record_epoch(SCHEMA, windows(end - 1))
    assert caught.value.reason is InputReason.DEVICE_MISMATCH
    assert device.record_epoch(SCHEMA, windows(end)).epoch == 1


def test_secrets_are_private_and_never_overwritten(device: SoftwareDevice) -> None:
    for name in ("secret.key", "salt.key", "state.json"):
        assert (device.directory / name).stat().st_mode & 0o777 == 0o600
    with pytest.raises(BadInput) as caught:
        create_device(device.directory)
    assert caught.value.reason is InputReason.FILE_EXISTS
    assert load_device(device.directory).public_key == device.public_key


@pytest.mark.parametrize(
    "change",
    [{"epoch": -2}, {"epoch": "0"}, {"chain": [0] * 7}, {"chain": [2**31] * 8}, {"format": 2},
     {"end_ms": -1}, {"extra": 1}],
)  # fmt: skip
def test_a_damaged_state_is_refused(device: SoftwareDevice, change: dict[str, object]) -> None:
    path = device.directory / "state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BadInput) as caught:
        load_device(device.directory)
    assert caught.value.reason is InputReason.DEVICE_MISMATCH
    assert "state.json" in caught.value.message


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"\xff", b"{}"])
def test_a_state_that_is_no_state(device: SoftwareDevice, data: bytes) -> None:
    (device.directory / "state.json").write_bytes(data)
    with pytest.raises(BadInput) as caught:
        load_device(device.directory)
    assert caught.value.reason is InputReason.DEVICE_MISMATCH


def test_one_import_at_a_time(device: SoftwareDevice) -> None:
    with locked(device.directory), pytest.raises(BadInput) as caught, locked(device.directory):
        pass
    assert caught.value.reason is InputReason.DEVICE_MISMATCH
    with locked(device.directory):
        pass


def test_a_missing_device(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught, locked(tmp_path / "none"):
        pass
    assert caught.value.reason is InputReason.FILE_MISSING
