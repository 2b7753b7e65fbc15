"""Imports point one way, and the audited part needs next to nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.repository import ROOT

STANDARD_LIBRARY = set(sys.stdlib_module_names)
PROVER_MAY_IMPORT = {
    "claim", "commands_contract", "commands_escrow", "commands_keys", "commands_wallet",
    "console", "contract", "files", "iota", "kernel", "keys", "receipt", "rpc", "signatures",
}  # fmt: skip


def imported_modules(path: Path) -> set[str]:
    """Every module that a file names in an import, at any depth of the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.relative_to(ROOT)}: relative import"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def test_import_linter_contracts_hold() -> None:
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    result = subprocess.run(
        [sys.executable, "-c", command, "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr


def test_kernel_and_circuits_import_numpy_and_the_standard_library_only() -> None:
    for path in sources("circuits", "verifier/kernel"):
        for module in imported_modules(path):
            top = module.split(".")[0]
            ours = module == "circuits" or module.startswith(("circuits.", "verifier.kernel"))
            assert ours or top == "numpy" or top in STANDARD_LIBRARY, f"{path.name}: {module}"


def test_circuits_do_not_know_the_verifier() -> None:
    for path in sources("circuits"):
        assert not {m for m in imported_modules(path) if m.split(".")[0] in {"verifier", "prover"}}


def test_prover_imports_the_shared_parts_of_the_verifier_only() -> None:
    for path in sources("prover"):
        for module in imported_modules(path):
            parts = module.split(".")
            if parts[0] == "verifier" and len(parts) > 1:
                assert parts[1] in PROVER_MAY_IMPORT, f"{path.relative_to(ROOT)}: {module}"


@pytest.mark.parametrize("module", ["circuits", "verifier.kernel.verify"])
def test_audited_part_loads_nothing_else(module: str) -> None:
    """At run time too: after the import only NumPy, the standard library and we are loaded."""
    code = (
        f"import sys, {module}\n"
        "tops = {name.split('.')[0] for name in sys.modules}\n"
        "heavy = {'numba', 'grpc', 'nacl', 'sqlalchemy', 'click', 'google', 'iota_sdk'}\n"
        "print(*sorted(tops & heavy))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []
