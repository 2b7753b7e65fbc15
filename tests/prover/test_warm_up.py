"""``warm-up`` leaves nothing to compile, whoever starts first."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from prover.warm_up import kept_kernels, warm_up
from tests.architecture.repository import ROOT

COMPILED = """
import json
from prover import kernels
from prover.bench import run_bench
for readings in (1, 600, 10_000):
    run_bench(readings, runs=1)
run_bench(10_000, "compact", runs=1, memory=2**26)
run_bench(600, "fast", runs=1)
print(json.dumps(kernels.COMPILATIONS.names))
"""
ONE_PROOF = """
import json
from prover import kernels
from prover.bench import run_bench
run_bench(600, runs=1)
print(json.dumps(kernels.COMPILATIONS.names))
"""
# claims that carry state, from an imported log; and from what a device sends
OTHER_USES = (
    "tests/prover/test_state.py::test_claims_over_two_epochs_are_accepted",
    "tests/prover/test_ingest.py::test_claims_over_received_windows_are_those_over_imported_ones",
)


def python(code: str, kernels: Path, *words: str) -> subprocess.Popen[str]:
    """Start a process that keeps its kernels in a directory of its own choice."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *words], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(kernels)},
    )  # fmt: skip


def test_every_kept_kernel_is_found() -> None:
    names = set(kept_kernels())
    assert {"ntt._extend_all", "poseidon._fill_in_lockstep", "program._evaluate"} <= names
    assert len(names) >= 30


def test_progress_and_result() -> None:
    """Here most are kept already; the second time all are loaded."""
    warm_up()
    again = warm_up()
    assert again.compiled == 0
    assert again.directory.is_dir()


@pytest.mark.long
def test_nothing_is_compiled_after_a_warm_up(tmp_path: Path) -> None:
    warm = python("from prover.cli import main; main()", tmp_path, "warm-up", "--json")
    out, err = warm.communicate()
    assert warm.returncode == 0, err
    done = json.loads(out)
    assert done["compiled"] >= len(kept_kernels())
    kept = sorted(Path(done["directory"]).rglob("*.nb[ci]"))
    functions = {path.name.split("-")[0] for path in kept}
    assert functions == set(kept_kernels())
    claims = python(COMPILED, tmp_path)
    out, err = claims.communicate()
    assert claims.returncode == 0, err
    assert json.loads(out) == []
    words = ("-q", "-p", "no:cacheprovider", *OTHER_USES)
    others = python("import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))", tmp_path, *words)
    out, _ = others.communicate()
    assert others.returncode == 0, out
    assert sorted(Path(done["directory"]).rglob("*.nb[ci]")) == kept


@pytest.mark.long
def test_processes_that_start_together_share_what_they_compile(tmp_path: Path) -> None:
    together = [python(ONE_PROOF, tmp_path) for _ in range(3)]
    for process in together:
        out, err = process.communicate()
        assert process.returncode == 0, err
        assert json.loads(out)
    after = python(ONE_PROOF, tmp_path)
    out, err = after.communicate()
    assert after.returncode == 0, err
    assert json.loads(out) == []
    assert not list(tmp_path.rglob("*.tmp.*"))
