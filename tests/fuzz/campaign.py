"""Running many executions of one target: by atheris where it is installed, else seeded.

    python -m tests.fuzz.campaign TARGET --executions N [--seconds S] [--seed K] [--keep DIR]

Prints one JSON line (``Outcome``). A finding does not end the run: each kind is kept with its
smallest input.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import importlib
import importlib.util
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path

from tests.fuzz.target import Target

RSS_LIMIT_MIB = 1500  # libFuzzer ends a run that takes more
HANG_SECONDS = 60
ROOT = Path(__file__).resolve().parents[2]
# what is instrumented; what Numba compiles cannot be
INCLUDE = ["circuits", "verifier", "prover"]
EXCLUDE = [f"prover.kernels.{path.stem}" for path in (ROOT / "prover" / "kernels").glob("*.py")]


@dataclass
class Outcome:
    """What came of a campaign. ``findings``: smallest input (base64) by kind."""

    target: str
    engine: str
    executions: int = 0
    seconds: float = 0.0
    labels: dict[str, int] = field(default_factory=dict)
    findings: dict[str, str] = field(default_factory=dict)

    def summary(self) -> str:
        """One line for people."""
        rate = self.executions / max(self.seconds, 1e-9)
        return (
            f"{self.target}: {self.executions} executions ({self.engine}), {rate:.0f} a second,"
            f" {len(self.labels)} outcomes, {len(self.findings)} findings"
        )


class Recorder:
    """Runs a target, counts what comes of it, and keeps the smallest input of every finding."""

    def __init__(self, target: Target, engine: str) -> None:
        self.target = target
        self.outcome = Outcome(target.name, engine)
        self._started = time.monotonic()

    def __call__(self, data: bytes) -> None:
        """One execution."""
        self.outcome.executions += 1
        try:
            label = str(self.target.run(data))
            self.outcome.labels[label] = self.outcome.labels.get(label, 0) + 1
        except Exception as error:
            self._keep(error, data)

    def _keep(self, error: Exception, data: bytes) -> None:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        kind = f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}: {error}"
        kind = kind[:300]
        earlier = self.outcome.findings.get(kind)
        if earlier is None or len(data) < len(base64.b64decode(earlier)):
            self.outcome.findings[kind] = base64.b64encode(data).decode()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started

    def finish(self) -> Outcome:
        """The figures so far."""
        self.outcome.seconds = round(self.seconds, 2)
        return self.outcome


def have_atheris() -> bool:
    """True when atheris can be imported on this Python."""
    return importlib.util.find_spec("atheris") is not None


def run_seeded(target: Target, executions: int, seed: int, seconds: float = 1e9) -> Outcome:
    """The seeded mutator, in this process; ends early after ``seconds``."""
    from tests.fuzz.corpus import random_inputs

    recorder = Recorder(target, "seeded")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # an overflow in NumPy is a finding
        for data in islice(random_inputs(target, seed), executions):
            recorder(data)
            if recorder.seconds > seconds:
                break
    return recorder.finish()


def _run_atheris(
    name: str, executions: int, seed: int, seconds: float, keep: str | None
) -> None:  # pragma: no cover - a process of its own
    scratch = tempfile.mkdtemp(prefix="zkmeter-fuzz-")
    tempfile.tempdir = scratch  # for what targets write: no exit handler runs at the end
    atheris = importlib.import_module("atheris")  # has no types, and may be missing

    with atheris.instrument_imports(INCLUDE, EXCLUDE):
        from tests.fuzz.corpus import known_inputs
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]
    known = known_inputs(target)
    for data in known[:8]:
        # keys, proofs and situations are made on first use: not part of the rate
        with contextlib.suppress(Exception):
            target.run(data)
    warnings.simplefilter("error", RuntimeWarning)
    recorder = Recorder(target, "atheris")

    def one_input(data: bytes) -> None:
        recorder(data)
        if recorder.outcome.executions >= executions or recorder.seconds > seconds:
            print(json.dumps(asdict(recorder.finish())), flush=True)
            shutil.rmtree(scratch)
            os._exit(0)  # libFuzzer would add its own statistics

    folder = f"{scratch}/inputs" if keep is None else keep
    Path(folder).mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(known):
        Path(folder, f"known-{number}").write_bytes(data)
    words = Path(scratch, "words.dict")
    escaped = ("".join(f"\\x{byte:02x}" for byte in word) for word in target.dictionary)
    words.write_text("".join(f'"{word}"\n' for word in escaped if word), encoding="ascii")
    dictionary = [f"-dict={words}"] if target.dictionary else []
    options = [
        *(f"-seed={seed + 1}", f"-max_len={target.longest}", f"-timeout={HANG_SECONDS}"),
        *(f"-rss_limit_mb={RSS_LIMIT_MIB}", "-verbosity=0", "-len_control=0"),
        *("-reload=0", f"-artifact_prefix={scratch}/", *dictionary),
    ]
    atheris.Setup([sys.argv[0], *options, folder], one_input)
    atheris.Fuzz()


def main() -> None:
    """The command of this module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("--executions", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", help="folder for the inputs that reached something new")
    arguments = parser.parse_args()
    name, count, seed = arguments.target, arguments.executions, arguments.seed
    if have_atheris():
        _run_atheris(name, count, seed, arguments.seconds, arguments.keep)
        return
    from tests.fuzz.targets import TARGETS

    print(json.dumps(asdict(run_seeded(TARGETS[name], count, seed, arguments.seconds))))


if __name__ == "__main__":
    main()
