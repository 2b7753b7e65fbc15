"""Bounded memory and time for any input up to the size limits, measured in forked processes."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest

from tests.fuzz.worst import CASES, Measured, cpu_seconds

ROOT = Path(__file__).resolve().parents[2]
# Growth of resident memory in MiB. A contract takes at most 150 bytes of objects per byte (one
# integer, whose pattern is matched digit by digit), a circuit some 240 MiB (the products of sixteen
# tariffs); a claim of 4 MiB ten times its length.
MOST_MIB = {"TOML": 256, "every field": 64, "formulas": 32, "contract": 400}
MOST_MIB |= {"claim": 96, "proof": 96, "receipt": 32}


def _measure(cases: list[str]) -> list[Measured]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.worst", *cases],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=600,
    )  # fmt: skip
    return [Measured(**json.loads(line)) for line in done.stdout.splitlines()]


@cache
def measured() -> dict[str, Measured]:
    """Every case, in two processes."""
    cases = list(CASES)
    with ThreadPoolExecutor(2) as pool:
        results = [r for half in pool.map(_measure, (cases[::2], cases[1::2])) for r in half]
    return {result.case: result for result in results}


@pytest.mark.parametrize("case", CASES)
def test_memory_is_bounded_and_it_ends(case: str) -> None:
    result = measured()[case]
    assert not result.outcome.startswith("died"), result.summary()
    assert result.peak_mib <= MOST_MIB[case.partition(":")[0]], result.summary()
    assert result.cpu_seconds < cpu_seconds(case), result.summary()


def test_summary(capsys: pytest.CaptureFixture[str]) -> None:
    results = sorted(measured().values(), key=lambda result: -result.cpu_seconds)
    with capsys.disabled():
        print()
        slowest, largest = results[0], max(results, key=lambda result: result.peak_mib)
        print(f"slowest worst case: {slowest.summary()}")
        print(f"largest worst case: {largest.summary()}")
    assert set(measured()) == set(CASES)
