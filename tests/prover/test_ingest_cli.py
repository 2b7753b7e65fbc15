"""``zkmeter-prover ingest`` as a person types it, and the operator's key for readings."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import tty
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from prover.cli import main
from prover.frames import REPEAT_COMMAND, FrameType
from tests.prover.gateway_rig import Sender, Sent, assert_holds, make_gateway_rig
from tests.prover.rig import PUMP, ROOT, Rig, make_rig
from verifier.contract import Terms

COUNTS = (10, 0, 3)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return make_gateway_rig(tmp_path)


@pytest.fixture
def sent(rig: Rig) -> Sent:
    return Sender(rig).send(COUNTS)


def arguments(rig: Rig, *more: object) -> list[str]:
    given = ["ingest", "--contract", rig.contract, "--store", rig.store, "--keys", rig.operator]
    return [str(a) for a in (*given, *more)]


def run(rig: Rig, *more: object, data: bytes | None = None) -> Result:
    return CliRunner().invoke(main, arguments(rig, *more), input=data)


def error_of(result: Result) -> str:
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("error: ").partition(":")[0]


def documents(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_standard_input(rig: Rig, sent: Sent) -> None:
    result = run(rig, "--stdin", "--json", data=sent.stream)
    assert result.exit_code == 0, result.output
    assert documents(result) == [
        {"event": "session", "epoch": 0},
        *(
            {
                "event": "window",
                "epoch": 0,
                "index": index,
                "records": count,
                "start": f"2024-05-01T12:0{index}:00.000Z",
                "end": f"2024-05-01T12:0{index + 1}:00.000Z",
            }
            for index, count in enumerate(COUNTS)
        ),
        {"event": "end", "windows": 3, "records": 13, "lost": 0, "refused": 0, "noise": 0},
    ]
    assert_holds(rig, sent.made)
    again = run(rig, "--stdin", data=b"noise\0" + sent.stream)
    assert again.stdout == "0 windows with 0 records stored, 1 noise\n"


def test_a_loss_is_told_and_is_exit_status_1(rig: Rig, sent: Sent) -> None:
    del sent.frames[sent.of_type(FrameType.DATA)[0]]
    result = run(rig, "--stdin", data=sent.stream)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[1].startswith("lost: epoch 0 window 0: 10 records, 2024-05-01T12:00:00.000Z to")
    assert lines[1].endswith("WINDOW_INCOMPLETE: data frame 0 did not come")
    assert lines[2].startswith("window: epoch 0 window 1: 0 records")
    assert lines[-1] == "2 windows with 3 records stored, 1 lost"
    listed = CliRunner().invoke(main, ["windows", "--store", str(rig.store)])
    assert [line.endswith("LOST") for line in listed.stdout.splitlines()] == [
        False,
        True,
        False,
        False,
    ]
    as_json = CliRunner().invoke(main, ["windows", "--store", str(rig.store), "--json"])
    assert [entry.get("lost") for entry in json.loads(as_json.stdout)] == [True, None, None]


def test_a_file_as_line(rig: Rig, sent: Sent) -> None:
    capture = rig.directory / "capture.bin"
    capture.write_bytes(sent.stream)
    assert run(rig, "--serial", capture).exit_code == 0
    assert_holds(rig, sent.made)


def test_a_serial_line_until_it_is_stopped(rig: Rig, sent: Sent) -> None:
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    command = [sys.executable, "-m", "prover.cli", *arguments(rig, "--serial", os.ttyname(theirs))]
    process = subprocess.Popen(
        [*command, "--json"], stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        asked = b""
        while len(asked) < len(REPEAT_COMMAND):  # who comes late asks for the session
            asked += os.read(ours, 100)
        assert asked == REPEAT_COMMAND
        os.write(ours, sent.stream)
        assert process.stdout is not None
        seen = [json.loads(process.stdout.readline())["event"] for _ in range(4)]
        assert seen == ["session", "window", "window", "window"]
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate()
    finally:
        process.kill()
        os.close(ours)
        os.close(theirs)
    assert process.returncode == 0
    assert json.loads(rest)["records"] == 13
    assert_holds(rig, sent.made)


def test_a_contradiction_is_one_line_and_exit_status_2(rig: Rig) -> None:
    sender = Sender(rig)
    one = sender.send((10,), persist=False)
    other = sender.send((11,), name="copy")
    result = run(rig, "--stdin", data=one.stream + other.stream)
    assert error_of(result) == "EQUIVOCATION"
    assert len(list(rig.store.glob("evidence-*.json"))) == 1


def test_usage(rig: Rig, tmp_path: Path) -> None:
    by_pipe = (["--baud", "9600"], ["--clock", "safe"], ["--serial", "x"])
    for wrong in ([], *(["--stdin", *words] for words in by_pipe)):
        assert error_of(run(rig, *wrong)) == "USAGE"
    assert error_of(run(rig, "--serial", tmp_path / "none")) == "FILE_MISSING"
    assert error_of(run(rig, "--serial", tmp_path)) == "FILE_UNREADABLE"
    capture = tmp_path / "capture"
    capture.write_bytes(b"")
    assert error_of(run(rig, "--serial", capture, "--baud", "123456")) == "USAGE"
    assert run(rig, "--serial", capture, "--baud", "9600").exit_code == 0


def test_keys(rig: Rig, tmp_path: Path) -> None:
    other = make_gateway_rig(tmp_path / "other")
    result = CliRunner().invoke(
        main, arguments(rig, "--stdin", "--keys", str(other.operator)), input=b""
    )
    assert error_of(result) == "KEY"
    bare = make_rig(tmp_path / "bare")  # a contract, and an operator, without the key
    assert error_of(run(bare, "--stdin", data=b"")) == "FILE_MISSING"
    (bare.operator / "encryption.key").write_bytes(b"\xff")
    assert error_of(run(bare, "--stdin", data=b"")) == "KEY"


def test_keys_new_and_contract_new(tmp_path: Path) -> None:
    runner = CliRunner()
    made = {}
    for name in ("op", "sup"):
        made[name] = json.loads(
            runner.invoke(main, ["keys", "new", str(tmp_path / name), "--json"]).stdout
        )
    for file, mode in (("encryption.key", 0o600), ("encryption.public.key", 0o644)):
        assert (tmp_path / "op" / file).stat().st_mode & 0o777 == mode
    public = (tmp_path / "op" / "encryption.public.key").read_text().strip()
    assert made["op"]["encryption_key"] == public
    for number, (operator, expected) in enumerate(
        [
            (str(tmp_path / "op"), public),
            (str(tmp_path / "op" / "public.key"), public),
            (made["op"]["public_key"], None),
        ]
    ):
        out = tmp_path / f"C{number}.toml"
        result = runner.invoke(
            main,
            ["contract", "new", str(PUMP), "--operator", operator, "--supplier",
             str(tmp_path / "sup"), "--device", "ab" * 32, "--out", str(out)],
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        found = Terms.from_toml(out.read_text()).parties.operator_encryption
        assert (found and found.hex()) == expected
    secret = tmp_path / "op" / "encryption.key"
    result = runner.invoke(
        main, ["contract", "new", str(PUMP), "--operator", str(secret), "--supplier", "ab" * 32,
               "--device", "cd" * 32, "--out", str(tmp_path / "no.toml")],
    )  # fmt: skip
    assert error_of(result) == "KEY"
