"""What is shipped: an sdist that builds, and a wheel that a supplier can use without Numba."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.architecture.repository import ROOT, repository_files
from tests.support import World

OFFLINE = (
    "Temporary failure in name resolution",
    "Failed to establish a new connection",
    "Network is unreachable",
    "Name or service not known",
    "Max retries exceeded",
    "Connection refused",
)


@dataclass(frozen=True)
class Distribution:
    sdist: Path
    wheel: Path

    @property
    def wheel_names(self) -> set[str]:
        with zipfile.ZipFile(self.wheel) as archive:
            return set(archive.namelist())

    @property
    def sdist_names(self) -> set[str]:
        with tarfile.open(self.sdist) as archive:
            return {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}


@pytest.fixture(scope="module")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    """The sdist of a clean copy of the repository, and the wheel made from that sdist."""
    source = tmp_path_factory.mktemp("source")
    for path in repository_files():
        target = source / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    out = tmp_path_factory.mktemp("dist")
    built = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(source)],
        cwd=source, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    return Distribution(next(out.glob("*.tar.gz")), next(out.glob("*.whl")))


def test_wheel_holds_our_packages_and_the_generated_code(distribution: Distribution) -> None:
    names = distribution.wheel_names
    tops = {name.split("/")[0] for name in names}
    assert tops == {"circuits", "prover", "verifier", "zkmeter-0.1.0.dist-info"}
    shipped = {p.relative_to(ROOT).as_posix() for p in repository_files() if p.suffix == ".py"}
    ours = {name for name in shipped if name.split("/")[0] in {"circuits", "prover", "verifier"}}
    assert ours <= names
    stem = "verifier/rpc/verifier_pb2"
    assert {f"{stem}.py", f"{stem}.pyi", f"{stem}_grpc.py"} <= names
    assert {f"{package}/py.typed" for package in ("circuits", "prover", "verifier")} <= names
    assert {name for name in names if name.startswith("verifier/ledger/migrations/versions/")}


def test_sdist_holds_what_the_build_needs_and_nothing_generated(distribution: Distribution) -> None:
    names = distribution.sdist_names
    assert {"proto/verifier/rpc/verifier.proto", "setup.py", "LICENSE", "README.md"} <= names
    assert not {name for name in names if "_pb2" in name}


@pytest.fixture(scope="module")
def supplier_python(distribution: Distribution, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel and the verifier's locked dependencies, no extras."""
    folder = tmp_path_factory.mktemp("supplier")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    locked = ROOT / "requirements" / "verifier.lock"
    for arguments in (
        ["--require-hashes", "-r", str(locked)],
        ["--no-deps", "--no-index", str(distribution.wheel)],
    ):
        result = subprocess.run([*install, *arguments], capture_output=True, text=True, check=False)
        if any(sign in result.stderr for sign in OFFLINE):
            pytest.skip("no package registry can be reached from here")
        assert result.returncode == 0, result.stderr
    return python


def in_environment(python: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run something of the fresh environment, with nothing of ours on the path."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return subprocess.run(
        [str(python.parent / words[0]), *words[1:]],
        cwd=cwd, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_environment_has_no_prover_dependencies(supplier_python: Path, tmp_path: Path) -> None:
    code = (
        "import importlib.util, json\n"
        "names = ('numba', 'tomlkit', 'matplotlib', 'galois', 'pytest')\n"
        "print(json.dumps([n for n in names if importlib.util.find_spec(n)]))"
    )
    found = in_environment(supplier_python, "python", "-c", code, cwd=tmp_path)
    assert json.loads(found.stdout) == []


def test_requirements_are_consistent(supplier_python: Path, tmp_path: Path) -> None:
    checked = in_environment(supplier_python, "python", "-m", "pip", "check", cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout


def test_help_works_on_every_command(supplier_python: Path, tmp_path: Path) -> None:
    for words in ([], ["verify"], ["serve"], ["contract", "show"]):
        shown = in_environment(supplier_python, "zkmeter-verifier", *words, "--help", cwd=tmp_path)
        assert shown.returncode == 0, shown.stderr
        assert "Usage:" in shown.stdout


def test_a_claim_verifies_offline_without_numba(
    supplier_python: Path, tmp_path: Path, world: World
) -> None:
    contract, claim = world.contract, world.first
    assert contract.operator_signature is not None
    assert contract.supplier_signature is not None
    (tmp_path / "c.toml").write_text(contract.toml_text, encoding="utf-8")
    (tmp_path / "c.toml.operator.sig").write_text(contract.operator_signature.hex() + "\n")
    (tmp_path / "c.toml.supplier.sig").write_text(contract.supplier_signature.hex() + "\n")
    (tmp_path / "true.claim").write_bytes(claim.encode())
    (tmp_path / "other.claim").write_bytes(claim.encode()[:-1])
    words = ["verify", "true.claim", "other.claim", "--contract", "c.toml", "--json"]
    result = in_environment(supplier_python, "zkmeter-verifier", *words, cwd=tmp_path)
    assert result.returncode == 1, result.stderr
    accepted, refused = (json.loads(line) for line in result.stdout.splitlines())
    assert accepted["ok"] is True
    assert accepted["amount_nanos"] == claim.amount_nanos
    assert refused["ok"] is False
    assert refused["reason"] == "CLAIM_MALFORMED"
