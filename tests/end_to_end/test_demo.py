"""``make demo`` on a small log: what it leaves behind is complete and right."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

from examples.demo.source import ROOT

WINDOWS = 5
KEYS = [
    "source", "windows", "accepted", "litres_proven", "litres_recomputed_from_csv", "paid_nanos",
    "cheats", "prove_seconds", "verify_seconds", "proof_bytes",
]  # fmt: skip


def write_log(path: Path) -> Fraction:
    """Ten readings a minute for five minutes; returns the litres that they amount to."""
    lines, total = ["datetime;Volume Flow RateRMS"], Fraction(0)
    for number in range(10 * WINDOWS):
        flow = Fraction(100_000 + 137 * number, 1000)
        total += flow * (6 if number else 0) / 60
        seconds = 6 * number
        lines.append(f"2024-03-01 10:{seconds // 60:02}:{seconds % 60:02};{float(flow)}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return total


def demo(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "examples.demo", *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_demo_on_a_log_of_ones_own(tmp_path: Path) -> None:
    log, out = tmp_path / "log.csv", tmp_path / "out"
    litres = write_log(log)
    result = demo("--csv", log, "--out", out)
    assert result.returncode == 0, result.stdout + result.stderr
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert list(summary) == KEYS
    assert (summary["windows"], summary["accepted"]) == (WINDOWS, WINDOWS)
    assert Fraction(summary["litres_proven"]) == litres
    assert summary["litres_proven"] == summary["litres_recomputed_from_csv"]
    assert summary["paid_nanos"] == litres * 2_000_000 // 1
    assert summary["cheats"] == {
        "changed_reading": "PROOF_CONSTRAINTS",
        "dropped_window": "HEAD_MISMATCH",
        "outcome_too_low": "PROOF_CONSTRAINTS",
        "another_statement": "EQUIVOCATION",
        "other_contract": "CONTRACT_UNKNOWN",
        "flipped_bit": "PROOF_TRACE_PATH",
        "replay": "DUPLICATE",
    }
    for key in ("prove_seconds", "verify_seconds", "proof_bytes"):
        assert len(summary[key]) == WINDOWS
        assert min(summary[key]) > 0
    assert (out / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert len(list((out / "claims").glob("*.claim"))) == WINDOWS


def test_demo_names_what_is_wrong_with_a_log(tmp_path: Path) -> None:
    missing = demo("--csv", tmp_path / "none.csv", "--out", tmp_path / "out")
    assert missing.returncode == 2
    assert "FILE_MISSING" in missing.stdout
    assert "Traceback" not in missing.stdout + missing.stderr


def test_demo_clears_nothing_that_it_did_not_make(tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("keep", encoding="utf-8")
    refused = demo("--csv", tmp_path / "none.csv", "--out", tmp_path)
    assert refused.returncode == 2
    assert precious.read_text(encoding="utf-8") == "keep"
