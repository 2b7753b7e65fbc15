"""The benchmark over lengths, parameter sets and memory limits, each in a process of its own.

Peaks of memory are a process's, and what one proof leaves behind would count for the next.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np

from circuits.errors import BadInput, InputReason
from prover.bench import MEASURED_RUNS, cores, readings_in
from prover.spans import Progress
from verifier.kernel.parameters import PARAMETER_SETS, STANDARD

SMALLEST_ROWS = 1 << 8
LARGEST_ROWS = 1 << 20
MINUTE, DAY = 600, 864_000
DAY_ROWS = 1 << 17
LIMITS = ("128M", "256M", "512M", "1G")
_LONG_ROWS = 1 << 17  # beyond that one measured run says enough
RESULTS = "results.json"


@dataclass(frozen=True)
class Point:
    """One thing to measure; ``kind`` is length, claim (a minute, a day) or memory."""

    kind: str
    readings: int
    rows: int
    parameter_set: str
    runs: int
    memory: str | None = None

    @property
    def words(self) -> list[str]:
        """Options of ``bench`` that measure it."""
        words = ["--readings", str(self.readings), "--parameter-set", self.parameter_set]
        words += ["--runs", str(self.runs)]
        return words if self.memory is None else [*words, "--memory", self.memory]


def points(largest_rows: int, parameter_sets: Sequence[str], runs: int) -> Iterator[Point]:
    """Everything to measure, the shortest first; a day only where ``largest_rows`` allow it."""
    rows = SMALLEST_ROWS
    while rows <= largest_rows:
        for name in parameter_sets:
            readings = readings_in(rows, PARAMETER_SETS[name])
            yield Point("length", readings, rows, name, runs if rows <= _LONG_ROWS else 1)
        rows *= 2
    for readings, rows in ((MINUTE, SMALLEST_ROWS), (DAY, DAY_ROWS)):
        if rows <= largest_rows:
            for name in parameter_sets:
                yield Point("claim", readings, rows, name, runs)
    if largest_rows >= DAY_ROWS:
        for limit in LIMITS:
            yield Point("memory", DAY, DAY_ROWS, STANDARD.name, 1, limit)


def _measure(point: Point) -> dict[str, Any]:
    """Run one point; what cannot be run, for want of memory perhaps, says so."""
    words = [sys.executable, "-m", "prover.cli", "bench", "--json", *point.words]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    document: dict[str, Any] = {"kind": point.kind}
    if done.returncode == 0:
        document.update(json.loads(done.stdout))
        return document
    what = done.stdout.strip() or done.stderr.strip()[-200:] or f"status {done.returncode}"
    same = {"rows": point.rows, "parameter_set": point.parameter_set, "memory": point.memory}
    return document | same | {"failed": what}


def add_growth(found: Sequence[dict[str, Any]]) -> None:
    """To each length that follows one of half its rows: ``growth``, the ratio of proving times."""
    times = {
        (p["parameter_set"], p["rows"]): p["prove_seconds"]
        for p in found
        if p["kind"] == "length" and "failed" not in p
    }
    for p in found:
        half = times.get((p["parameter_set"], p["rows"] // 2))
        if p["kind"] == "length" and "failed" not in p and half:
            p["growth"] = round(p["prove_seconds"] / half, 3)


def sweep(
    out: Path,
    largest_rows: int = LARGEST_ROWS,
    parameter_sets: Sequence[str] = tuple(PARAMETER_SETS),
    runs: int = MEASURED_RUNS,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure all points and write ``results.json`` into ``out``, anew after each point.

    ``BadInput`` USAGE when there is nothing to measure.
    """
    todo = list(points(largest_rows, parameter_sets, runs))
    if not todo:
        raise BadInput(InputReason.USAGE, f"--rows: at least {SMALLEST_ROWS}")
    out.mkdir(parents=True, exist_ok=True)
    found: list[dict[str, Any]] = []
    document = {
        "statement": "one channel of 16 bits at 10 Hz, sum and count, windows of a minute",
        "processor": _processor(),
        "cores": cores(),
        "python": platform.python_version(),
        "numba": numba.__version__,
        "numpy": np.__version__,
        "points": found,
    }
    for number, point in enumerate(todo):
        if progress is not None:
            progress(f"{point.rows} rows, {point.parameter_set}", number / len(todo))
        found.append(_measure(point))
        add_growth(found)
        (out / RESULTS).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return document


def _processor() -> str:
    """The processor's name, where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def sweep_table(document: dict[str, Any]) -> str:
    """All points as lines, for people."""
    head = ("readings", "rows", "columns", "set", "bits", "memory", "prove s", "CPU s", "x2n")
    widths = (9, 8, 8, 9, 6, 7, 9, 9, 5)
    lines = ["".join(f"{h:>{w}} " for h, w in zip(head, widths, strict=True))]
    lines[0] += f"{'peak MiB':>9} {'proof KB':>9} {'verify ms':>10}"
    for p in document["points"]:
        if "failed" in p:
            lines.append(f"{p['rows']} rows, {p['parameter_set']}: {p['failed']}")
            continue
        memory = "" if p["memory_bytes"] is None else f"{p['memory_bytes'] >> 20}M"
        growth = f"{p['growth']:.2f}" if "growth" in p else ""
        lines.append(
            f"{p['readings']:>9} {p['rows']:>8} {p['columns']:>8} {p['parameter_set']:>9}"
            f" {p['proven_bits']:>6.1f} {memory:>7} {p['prove_seconds']:>9.4f}"
            f" {p['prove_cpu_seconds']:>9.4f} {growth:>5} {p['peak_rss_bytes'] / 2**20:>9.0f}"
            f" {p['proof_bytes'] / 1000:>9.1f} {p['verify_seconds'] * 1000:>10.1f}"
        )
    return "\n".join([*lines, f"{document['cores']} cores, {document['processor']}"])
