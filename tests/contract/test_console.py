"""Exit status, one-line errors and JSON, as both console scripts have them."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from circuits.errors import BadInput, InputReason, Reason, Rejected
from verifier.console import EXIT_NO, Output, jsonable, leaf, program, subgroup


def build() -> click.Group:
    """A console script whose one command does what its argument says."""
    root = program("zkmeter-test", "For tests.")
    group = subgroup(root, "group", "A group.")

    @leaf(group, "do")
    @click.argument("what")
    def do(output: Output, what: str) -> int | None:
        """Do something."""
        if what == "bad":
            raise BadInput(InputReason.FILE_MISSING, "a.csv:\nno such file")
        if what == "no":
            raise Rejected(Reason.HEAD_MISMATCH, "head", expected=1, got=2)
        if what == "disk":
            raise OSError(errno.ENOSPC, "No space left on device")
        if what == "numba":
            raise ModuleNotFoundError("No module named 'numba'", name="numba")
        output.note("a note")
        output.emit({"n": 2**53 + 1, "small": 1}, "text")
        return EXIT_NO if what == "some" else None

    return root


def run(*arguments: str) -> Result:
    return CliRunner().invoke(build(), arguments)


@pytest.mark.parametrize(
    ("what", "status", "line"),
    [
        ("bad", 2, "error: FILE_MISSING: a.csv: no such file\n"),
        ("no", 1, "error: HEAD_MISMATCH: head (expected 1, got 2)\n"),
        ("numba", 2, "error: MISSING_EXTRA: the package 'numba' is not installed"),
        ("disk", 2, "error: WRITE_FAILED: standard output: No space left on device\n"),
        ("some", 1, "a note\n"),
        ("fine", 0, "a note\n"),
    ],
)
def test_text(what: str, status: int, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verifier.console._discard_output", lambda: None)
    result = run("group", "do", what)
    assert result.exit_code == status
    assert result.stderr.startswith(line)
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ("text\n" if what in ("some", "fine") else "")


@pytest.mark.parametrize(
    ("what", "status", "reason"),
    [("bad", 2, "FILE_MISSING"), ("no", 1, "HEAD_MISMATCH"), ("numba", 2, "MISSING_EXTRA")],
)
def test_json_errors(what: str, status: int, reason: str) -> None:
    result = run("group", "do", what, "--json")
    assert result.exit_code == status
    assert result.stderr == ""
    document = json.loads(result.stdout)
    assert document["error"]["reason"] == reason
    assert "\n" not in document["error"]["message"]


def test_json_result() -> None:
    result = run("group", "do", "fine", "--json")
    assert json.loads(result.stdout) == {"n": "9007199254740993", "small": 1}
    assert result.stderr == ""


@pytest.mark.parametrize(
    "arguments", [("nothing",), ("group", "do"), ("group", "do", "a", "b"), ("group", "do", "--x")]
)
def test_usage_errors(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: USAGE: ")
    assert len(result.stderr.splitlines()) == 1
    as_json = run(*arguments, "--json")
    assert as_json.exit_code == 2
    assert json.loads(as_json.stdout)["error"]["reason"] == "USAGE"


def test_help_and_version() -> None:
    for arguments in (("--help",), ("group", "-h"), ("group", "do", "--help"), ("--version",)):
        assert run(*arguments).exit_code == 0
    assert "--json" in run("group", "do", "--help").stdout
    assert run().exit_code == 2


def test_jsonable_keeps_what_readers_keep() -> None:
    assert jsonable([True, 2**53, -(2**53) - 1, {"a": (1.5, None)}]) == [
        True,
        2**53,
        str(-(2**53) - 1),
        {"a": [1.5, None]},
    ]


def test_progress_is_silent_without_a_terminal(tmp_path: Path) -> None:
    with Output(as_json=False).progress("label") as update:
        update("step", 0.5)
