"""``zkmeter-prover circuit lint`` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from prover.circuit_source import gadgets_of, marked_gadgets
from prover.cli import main
from tests.prover.rig import PUMP, ROOT

MODULE = """
from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from circuits.builder import Builder
from circuits.gadgets.log_hash import add_log_hash
from circuits.schema import Channel, Schema

SCHEMA = Schema((Channel("x", "m", 6, Fraction(1), Fraction(0)),), 100)


@dataclass
class Unused:
    name: str


def add_square(builder, log):
    square, x = builder.column("square"), log.element(0, "x")
    builder.constrain("square", log.data * (square.now - x * x))

    def fill(trace):
        raw = np.where(trace.data_rows, trace.blocks[:, log.index(0, "x")], 0)
        trace.columns[square.index, : len(raw)] = raw.astype(np.int64) ** 2

    builder.fillers.append(fill)


def circuit():
    builder = Builder(SCHEMA)
    log = add_log_hash(builder)
    add_square(builder, log)
    DEFECT
    return builder.finish([])
"""
MARKED = """
import pytest

@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.gadget("add_square")
def test_a_wrong_square(k):
    pass
"""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["circuit", "lint", *(str(a) for a in arguments)])


def run_json(*arguments: object) -> tuple[int, Any]:
    result = run(*arguments, "--json")
    assert result.stderr == ""
    return result.exit_code, json.loads(result.stdout)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without tests."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def module(folder: Path, defect: str = "") -> Path:
    path = folder / "mine.py"
    path.write_text(MODULE.replace("DEFECT", defect), encoding="utf-8")
    return path


def test_a_template_is_clean(elsewhere: Path) -> None:
    result = run(PUMP)
    assert result.exit_code == 0, result.output
    first, second = result.stdout.splitlines()
    assert first.startswith(f"{PUMP}: 241 columns, 272 constraints: clean")
    assert second == "gadgets: not checked, no marked test in ./tests (--tests DIR)"


def test_verbose_lists_columns_that_are_free_off_data_rows(elsewhere: Path) -> None:
    path = module(elsewhere)
    assert "free on" not in run(path).stdout
    assert "padding rows: square" in run(path, "--verbose").stdout
    status, document = run_json(path, "--verbose")
    assert status == 0
    (found,) = document["files"][0]["partly_free"]
    assert found["column"] == "square"
    assert "data" not in found["free"]
    assert found["tried"]["data"] > 30


def test_findings_of_a_module(elsewhere: Path) -> None:
    path = module(elsewhere, 'builder.flags("flag", 3); builder.selector("resting")')
    result = run(path)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0] == f"{path}: 153 columns, 170 constraints: 2 findings"
    assert lines[1] == "  unused selector: resting: no constraint reads it"
    assert lines[2] == "  unknown selector: resting: no rows are defined for it"
    status, document = run_json(module(elsewhere, 'builder.flags("flag", 3)'))
    assert (status, document["clean"]) == (1, False)
    (report,) = document["files"]
    assert [f["subject"] for f in report["findings"]] == ["flag[0]", "flag[1]", "flag[2]"]
    assert {f["check"] for f in report["findings"]} == {"free column"}
    shown = run(module(elsewhere, 'builder.flags("flag", 3)')).stdout
    assert "  free column: flag[0..2]: may be 0 and 1 on every row: " in shown


def test_gadgets_of_a_module_need_a_marked_test(elsewhere: Path) -> None:
    path, tests = module(elsewhere), elsewhere / "tests"
    tests.mkdir()
    result = run(path)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].startswith("gadgets: not checked")
    result = run(path, "--tests", tests)
    assert result.exit_code == 1
    assert f"gadget without a negative test in {tests}: add_square" in result.stdout
    (tests / "test_mine.py").write_text(MARKED, encoding="utf-8")
    for arguments in ((), ("--tests", tests)):
        status, document = run_json(path, *arguments)
        assert (status, document["clean"]) == (0, True)
        assert document["gadgets"]["checked"]
        assert document["gadgets"]["gadgets"] == ["add_square"]


def test_every_gadget_of_ours_has_a_negative_test() -> None:
    wanted = gadgets_of(str(PUMP))
    assert {"equality", "exact_sum", "log_hash", "reach"} <= set(wanted)
    assert not set(wanted) - marked_gadgets(ROOT / "tests")


@pytest.mark.parametrize(
    ("text", "reason", "words"),
    [
        ("x = 1", "USAGE", "defines no circuit() that returns a Circuit"),
        ("def circuit():\n    return 7", "USAGE", "defines no circuit() that returns a Circuit"),
        ("def circuit():\n    return 1 / 0", "USAGE", "mine.py:2: ZeroDivisionError: "),
        ("def circuit(", "USAGE", "mine.py: SyntaxError: "),
    ],
)
def test_bad_modules_are_bad_input(elsewhere: Path, text: str, reason: str, words: str) -> None:
    path = elsewhere / "mine.py"
    path.write_text(text, encoding="utf-8")
    result = run(path)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {reason}: ")
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_bad_files_and_folders_are_bad_input(elsewhere: Path) -> None:
    (elsewhere / "c.toml").write_text("[contract]\n", encoding="utf-8")
    for arguments, reason in (
        (["none.toml"], "FILE_MISSING"),
        (["none.py"], "FILE_MISSING"),
        (["c.toml"], "CONTRACT_FIELD"),
        ([PUMP, "--tests", "none"], "FILE_MISSING"),
        ([], "USAGE"),
    ):
        status, document = run_json(*arguments)
        assert (status, document["error"]["reason"]) == (2, reason)


def test_a_filler_that_fails_is_bad_input(elsewhere: Path) -> None:
    path = module(elsewhere, "builder.fillers.append(lambda trace: trace.columns[:, 10_000])")
    result = run(path)
    assert result.exit_code == 2
    assert "mine.py:" in result.stderr
    assert "IndexError" in result.stderr
