"""The benchmark's points, what it writes, and limits of memory that are kept."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from prover.bench import bench_statement, readings_in
from prover.bench_plot import draw
from prover.bench_sweep import LIMITS, add_growth, points, sweep, sweep_table
from prover.cli import main
from tests.architecture.repository import ROOT
from verifier.kernel.parameters import PARAMETER_SETS
from verifier.kernel.verify import proof_shape


@pytest.mark.parametrize("name", PARAMETER_SETS)
@pytest.mark.parametrize("rows", [256, 512, 4096])
def test_no_more_readings_fit_so_many_rows(name: str, rows: int) -> None:
    most = readings_in(rows, PARAMETER_SETS[name])
    for readings, expected in ((most, rows), (most + 1, 2 * rows)):
        circuit, statement, _ = bench_statement(readings)
        assert proof_shape(circuit, PARAMETER_SETS[name], statement).rows == expected


def test_what_is_measured() -> None:
    whole = list(points(1 << 20, tuple(PARAMETER_SETS), 3))
    lengths = [p for p in whole if p.kind == "length"]
    assert {p.rows for p in lengths} == {1 << k for k in range(8, 21)}
    assert len(lengths) == 13 * len(PARAMETER_SETS)
    assert [p.memory for p in whole if p.kind == "memory"] == list(LIMITS)
    assert {p.readings for p in whole if p.kind == "claim"} == {600, 864_000}
    assert [p.rows for p in points(512, ["fast"], 1)] == [256, 512, 256]
    assert not list(points(255, ["fast"], 1))


def test_growth_is_the_ratio_to_half_as_many_rows() -> None:
    found: list[dict[str, Any]] = [
        {"kind": "length", "parameter_set": "fast", "rows": rows, "prove_seconds": seconds}
        for rows, seconds in ((256, 1.0), (512, 2.5), (2048, 9.0))
    ]
    found.append({"kind": "length", "parameter_set": "fast", "rows": 1024, "failed": "memory"})
    add_growth(found)
    assert [p.get("growth") for p in found] == [None, 2.5, None, None]


def test_results_and_picture(tmp_path: Path) -> None:
    words = ["bench", "--out", str(tmp_path / "out"), "--rows", "256", "--runs", "1"]
    result = CliRunner().invoke(main, [*words, "--parameter-set", "standard"])
    assert result.exit_code == 0, result.output
    document = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert [(p["kind"], p["rows"]) for p in document["points"]] == [
        ("length", 256), ("claim", 256),
    ]  # fmt: skip
    for p in document["points"]:
        assert p["proven_bits"] >= 120
        assert {"readings", "columns", "parameter_set", "cores", "prove_cpu_seconds"} <= set(p)
        assert sum(step["share"] for step in p["steps"]) == pytest.approx(1, abs=0.01)
    picture = (tmp_path / "out" / "results.svg").read_text(encoding="utf-8")
    assert picture.count("<svg") == 1
    assert sweep_table(document) in result.stdout
    draw(document, tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes().startswith(b"\x89PNG")


def test_a_point_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(words: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(words, -9, "", "")

    monkeypatch.setattr("prover.bench_sweep.subprocess.run", fail)
    document = sweep(tmp_path, 256, ["fast"], 1)
    assert [p["failed"] for p in document["points"]] == ["status -9", "status -9"]
    assert "256 rows, fast: status -9" in sweep_table(document)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "either --readings N or --out DIR"),
        (("--readings", "1", "--out", "x"), "either --readings N or --out DIR"),
        (("--readings", "1", "--rows", "256"), "--rows and several sets go with --out"),
        (("--out", "x", "--memory", "1G"), "--memory goes with --readings"),
        (("--readings", "1", "--memory", "1"), "--memory: expected a whole number"),
        (
            ("--readings", "1", "--parameter-set", "x"),
            "needs a reading, a run and one of: standard",
        ),
        (("--out", "x", "--parameter-set", "no"), "--parameter-set: no 'no', but standard"),
        (("--out", "x", "--rows", "255"), "--rows: at least 256"),
    ],
)
def test_options_that_do_not_fit(words: tuple[str, ...], message: str) -> None:
    result = CliRunner().invoke(main, ["bench", *words])
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: USAGE: {message}")
    assert not Path("x").exists()


def peak(limit: str) -> int:
    """The peak of a process of its own that proves under a limit."""
    words = ["bench", "--readings", "200000", "--runs", "1", "--json", "--memory", limit]
    done = subprocess.run(
        [sys.executable, "-m", "prover.cli", *words],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(json.loads(done.stdout)["peak_rss_bytes"])


@pytest.mark.long
def test_a_limit_of_memory_is_kept() -> None:
    """2^15 rows take some 240 MiB at least, and more where they may."""
    CliRunner().invoke(main, ["warm-up"])
    tight, loose = peak("272M"), peak("512M")
    assert tight <= 272 * 2**20 < loose <= 512 * 2**20
