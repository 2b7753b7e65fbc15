"""Makes ``corpus.json`` anew: fuzz each target for a while, keep few small inputs.

    python -m tests.fuzz.make_corpus [--seconds 60]

Inputs are kept, smallest first, while they reach a line of ``circuits``, ``verifier`` or the
gateway, or an outcome, that none before them reached.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any

from tests.fuzz.campaign import ROOT, have_atheris
from tests.fuzz.corpus import known_inputs, random_inputs, save_corpus
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

GATEWAY = ("device_clock", "frames", "ingest", "live_store", "received", "session")
WATCHED = (
    *(str(ROOT / "circuits"), str(ROOT / "verifier")),
    *(str(ROOT / "prover" / f"{module}.py") for module in GATEWAY),
)
MOST = 120
LONGEST = 2000


def reached(run: Callable[[bytes], str], data: bytes) -> set[object]:
    """Lines and outcome of one execution; nothing of one that raises: a test is its place."""
    lines: set[object] = set()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(WATCHED):
            return None
        if event == "line":
            lines.add((frame.f_code.co_filename, frame.f_lineno))
        return trace

    sys.settrace(trace)
    try:
        lines.add(run(data))
    except Exception:
        lines.clear()
    finally:
        sys.settrace(None)
    return lines


def chosen(target: Target, inputs: list[bytes]) -> list[bytes]:
    """A small part of the inputs that reaches whatever they all reach."""
    seen: set[object] = set()
    kept: list[bytes] = []
    for data in target.seeds():
        target.run(data)  # what is made once per process is not reached by an input
    for data in sorted(set(inputs), key=lambda d: (len(d), d)):
        new = reached(target.run, data) - seen
        if new and len(kept) < MOST:
            seen |= new
            kept.append(data)
    return kept


def fuzz(name: str, seconds: float) -> list[bytes]:
    """What a campaign of this length kept, at most ``LONGEST`` bytes each."""
    target = TARGETS[name]
    if not have_atheris():
        return [*known_inputs(target), *islice(random_inputs(target, 0), 3000)]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [
                *(sys.executable, "-m", "tests.fuzz.campaign", name, "--keep", f"{folder}/kept"),
                *("--executions", "1000000000", "--seconds", str(seconds)),
            ],
            cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        files = [path for path in (Path(folder) / "kept").iterdir() if path.is_file()]
        return [data for data in (path.read_bytes() for path in files) if len(data) <= LONGEST]


def main() -> None:
    """The command of this module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    seconds = parser.parse_args().seconds
    with ThreadPoolExecutor(2) as pool:
        inputs = dict(zip(TARGETS, pool.map(lambda n: fuzz(n, seconds), TARGETS), strict=True))
    save_corpus({name: chosen(TARGETS[name], found) for name, found in inputs.items()})


if __name__ == "__main__":
    main()
