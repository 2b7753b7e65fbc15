"""What the twin sends, opened by hand with libsodium; and ``device stream``."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import nacl.bindings as sodium
import pytest
from click.testing import CliRunner, Result
from nacl.encoding import RawEncoder
from nacl.hash import blake2b

from circuits.errors import BadInput, InputReason
from prover.cli import main
from prover.device import load_device
from prover.frames import FrameType, cobs_decode
from prover.store import open_store
from prover.twin import MAXIMUM_RECORD_BYTES, TwinSession, record_stream
from tests.prover.gateway_rig import Sender, assert_holds, drbg, ingest, make_gateway_rig
from tests.prover.rig import PUMP, Rig, make_rig, steady_log
from verifier.keys import load_encryption_key

PER_MESSAGE = MAXIMUM_RECORD_BYTES // 6  # the pump's records: flow and dt_ms


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return make_gateway_rig(tmp_path)


def bodies(frames: list[bytes]) -> list[tuple[int, bytes]]:
    """Type and body, without the code under test but for COBS."""
    out = []
    for frame in frames:
        assert frame[-1] == 0
        plain = cobs_decode(frame[:-1])
        assert plain is not None
        assert zlib.crc32(plain[:-4]) == int.from_bytes(plain[-4:], "little")
        out.append((plain[0], plain[1:-4]))
    return out


def test_the_stream_opens_by_hand(rig: Rig) -> None:
    counts = (PER_MESSAGE + 1, 0, PER_MESSAGE, 3)
    sent = Sender(rig).send(counts)
    found = bodies(sent.frames)
    assert [kind for kind, _ in found] == [
        1,
        *(2, 3, 3, 4, 4),  # the opening leaves with the checkpoint after it
        *(2, 3, 4),
        *(2, 3, 4),
        *(2, 3, 4),
    ]
    session = found[0][1]
    secret = load_encryption_key(rig.operator)
    ephemeral = session[38:70]
    text = b"zkmeter session 1" + sodium.crypto_scalarmult(secret, ephemeral) + ephemeral
    key = blake2b(text + sodium.crypto_scalarmult_base(secret), encoder=RawEncoder)
    at = 1
    for index, window in enumerate(sent.made.windows):
        place = struct.pack("<II", 0, index)
        assert found[at][1][:8] == place
        state = sodium.crypto_secretstream_xchacha20poly1305_state()
        window_key = blake2b(b"zkmeter window 1" + place, key=key, encoder=RawEncoder)
        sodium.crypto_secretstream_xchacha20poly1305_init_pull(state, found[at][1][8:], window_key)
        at += 1
        plain, tags, sequence = b"", [], 0
        while found[at][0] == FrameType.DATA:
            head = place + struct.pack("<H", sequence)
            assert found[at][1][:10] == head
            piece, tag = sodium.crypto_secretstream_xchacha20poly1305_pull(
                state, found[at][1][10:], head
            )
            assert len(piece) <= 512
            plain += piece
            tags.append(tag)
            at, sequence = at + 1, sequence + 1
        assert tags == [0] * (len(tags) - 1) + [3]
        values = [int.from_bytes(plain[i : i + 3], "little") for i in range(0, len(plain) - 32, 3)]
        assert values == window.records.reshape(-1).tolist()
        assert plain[-32:] == window.salt.astype("<u4").tobytes()
        closing = sent.made.checkpoints[index + 1]
        at += index == 0
        assert found[at] == (4, closing.checkpoint.encode() + closing.signature)
        at += 1
    assert at == len(found)


def test_the_same_randomness_gives_the_same_bytes(rig: Rig) -> None:
    one, same = (Sender(rig).send((5, 2), persist=False) for _ in range(2))
    assert one.stream == same.stream
    other = Sender(rig).send((5, 2), persist=False, name="other")
    assert [s.checkpoint for s in other.made.checkpoints] == [
        s.checkpoint for s in one.made.checkpoints
    ]
    different = [a != b for a, b in zip(one.frames, other.frames, strict=True)]
    assert different == [True, True, True, False, False, True, True, False]


def test_randomness_is_drawn_as_the_firmware_draws_it(rig: Rig) -> None:
    drawn: list[int] = []
    source = drbg("order")

    def random(count: int) -> bytes:
        drawn.append(count)
        return source(count)

    (rig.directory / "log.csv").write_text(steady_log(130))
    record_stream(rig.directory / "log.csv", rig.terms, rig.device, random=random)
    assert drawn == [32, 32, 32, 24, 24, 24]


def test_a_restart_sends_the_last_checkpoints_again(rig: Rig) -> None:
    sender = Sender(rig)
    first = sender.send((3,))
    second = sender.send((3, 1), start_ms=first.made.state.end_ms)
    assert [kind for kind, _ in bodies(second.frames)] == [1, 4, 4, 2, 3, 4, 4, 2, 3, 4]
    assert second.frames[1:3] == [first.frames[i] for i in first.of_type(FrameType.CHECKPOINT)]
    third = sender.send((1,), start_ms=second.made.state.end_ms)
    assert third.frames[1] == second.frames[-1]


def test_records_of_one_element(tmp_path: Path) -> None:
    """Fixed period: no dt_ms, 160 records in a message."""
    text = PUMP.read_text(encoding="utf-8").replace(
        'time = "datetime"', 'time = "datetime"\nperiod_ms = 1000'
    )
    rig = make_gateway_rig(tmp_path, text)
    assert rig.terms.schema.elements == 1
    sent = Sender(rig).send((60, 60, 60))
    assert len(ingest(rig, [sent.stream])) == 4
    assert_holds(rig, sent.made)


def stream(rig: Rig, out: object, *more: str) -> Result:
    arguments: list[object] = [
        "device",
        "stream",
        rig.directory / "log.csv",
        "--contract",
        rig.contract,
    ]
    arguments += ["--device", rig.device, "--out", out, *more]
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_device_stream(rig: Rig) -> None:
    (rig.directory / "log.csv").write_text(steady_log(150))
    out = rig.directory / "frames.bin"
    result = stream(rig, out, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {
        "file": str(out),
        "epoch": 0,
        "windows": 3,
        "records": 150,
        "bytes": out.stat().st_size,
    }
    assert out.stat().st_mode & 0o777 == 0o600
    assert load_device(rig.device).state.epoch == 0
    ingest(rig, [out.read_bytes()])
    with open_store(rig.store) as store:
        assert [e.records for e in store.windows()] == [60, 60, 30]
    (rig.directory / "log.csv").write_text(steady_log(30, first_second=200))
    piped = stream(rig, "-")
    assert piped.exit_code == 0
    ingest(rig, [piped.stdout_bytes])
    with open_store(rig.store) as store:
        assert [(e.epoch, e.records) for e in store.windows()][3:] == [(1, 30)]
    assert stream(rig, "-", "--json").exit_code == 2


def test_a_contract_without_a_key_for_readings(tmp_path: Path) -> None:
    rig = make_rig(tmp_path)
    (rig.directory / "log.csv").write_text(steady_log(5))
    result = stream(rig, tmp_path / "frames.bin")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "CONTRACT_FIELD" in result.stderr
    assert load_device(rig.device).state.epoch == -1
    assert not (tmp_path / "frames.bin").exists()


def test_another_device_streams_nothing(rig: Rig, tmp_path: Path) -> None:
    other = make_gateway_rig(tmp_path / "other")
    (rig.directory / "log.csv").write_text(steady_log(5))
    with pytest.raises(BadInput) as caught:
        record_stream(rig.directory / "log.csv", rig.terms, other.device)
    assert caught.value.reason is InputReason.DEVICE_MISMATCH


def test_an_operator_key_of_small_order(rig: Rig) -> None:
    with pytest.raises(BadInput) as caught:
        TwinSession.begin(Sender(rig).key, 0, rig.terms.schema, bytes(32), drbg("x"))
    assert caught.value.reason is InputReason.KEY
