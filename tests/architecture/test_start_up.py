"""Commands begin at once: what is heavy is imported only by the commands that need it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.repository import ROOT
from tests.support import World

HEAVY = ("numba", "llvmlite", "matplotlib", "grpc", "sqlalchemy", "alembic", "rich", "iota_sdk")


def imported(package: str, *words: str) -> set[str]:
    """The top-level packages in memory after a command that succeeds."""
    code = (
        "import sys\n"
        f"from {package}.cli import main\n"
        "try:\n    main()\nfinally:\n    print(*{n.split('.')[0] for n in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("package", ["prover", "verifier"])
@pytest.mark.parametrize("words", [("--help",), ("escrow", "--help"), ("settle", "--help")])
def test_help_needs_no_heavy_package(package: str, words: tuple[str, ...]) -> None:
    found = imported(package, *words)
    assert "click" in found
    assert not found & {*HEAVY, "numpy", "nacl"}


def test_a_claim_is_verified_without_the_servers_packages(world: World, tmp_path: Path) -> None:
    contract = world.contract
    (tmp_path / "c.toml").write_text(contract.toml_text, encoding="utf-8")
    for name in ("operator", "supplier"):
        signature = getattr(contract, f"{name}_signature")
        (tmp_path / f"c.toml.{name}.sig").write_text(signature.hex() + "\n")
    (tmp_path / "true.claim").write_bytes(world.first.encode())
    words = [str(tmp_path / "true.claim"), "--contract", str(tmp_path / "c.toml")]
    found = imported("verifier", "verify", *words)
    assert {"numpy", "nacl"} <= found
    assert not found & set(HEAVY)
