"""The commands that scripts depend on exist, explain themselves, and are what README says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.repository import ROOT

COMMANDS = {
    "prover": [
        "keys new", "device new", "contract new", "contract sign", "import", "windows", "prove",
        "submit", "bench", "warm-up", "circuit lint",
        "ingest", "device stream", "wallet new", "wallet show", "escrow", "settle",
        "settlement recover",
    ],
    "verifier": [
        "keys new", "contract sign", "contract show", "deposit", "verify", "serve", "receipts",
        "recover", "ledger", "close", "revoke", "waive", "wallet new", "wallet show", "escrow",
        "settle", "settlements", "anchor check",
    ],
}  # fmt: skip
NOT_IN_THE_TOUR = {
    ("prover", c) for c in ("bench", "warm-up", "circuit lint", "ingest", "device stream")
}
NOT_IN_THE_TOUR |= {("verifier", c) for c in ("recover", "close", "revoke", "waive")}
SETTLEMENT = (
    "wallet new", "wallet show", "escrow", "settle", "settlement recover", "settlements",
    "anchor check",
)  # fmt: skip
NOT_IN_THE_TOUR |= {(p, c) for p, found in COMMANDS.items() for c in SETTLEMENT if c in found}
LEAVES = [(package, command) for package, commands in COMMANDS.items() for command in commands]


def run(
    package: str, *arguments: str, cwd: Path = ROOT, check: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a console script's entry point in a process of its own."""
    code = f"import sys; sys.argv[0] = 'zkmeter-{package}'; from {package}.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd, capture_output=True, text=True, check=check,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"},
    )  # fmt: skip


@pytest.mark.parametrize("package", COMMANDS)
def test_help_lists_every_command(package: str) -> None:
    result = run(package, "--help")
    assert result.returncode == 0, result.stderr
    for command in COMMANDS[package]:
        assert re.search(rf"^  {command.split()[0]}\b", result.stdout, flags=re.MULTILINE), command


@pytest.mark.parametrize(("package", "command"), LEAVES)
def test_every_leaf_has_help_and_json(package: str, command: str) -> None:
    result = run(package, *command.split(), "--help")
    assert result.returncode == 0, result.stderr
    assert "Usage:" in result.stdout
    assert "--json" in result.stdout


@pytest.mark.parametrize("package", COMMANDS)
def test_usage_errors_exit_2(package: str) -> None:
    result = run(package, "no-such-command")
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def readme_commands() -> list[str]:
    """Every command line in README's ``sh`` blocks, continuation lines joined."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    joined = "\n".join(blocks).replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip()]


def test_readme_names_only_commands_and_options_that_exist() -> None:
    seen = set()
    for line in readme_commands():
        match = re.search(r"zkmeter-(prover|verifier)\s+(.*)", line)
        if match is None:
            continue
        package, words = match.group(1), shlex.split(match.group(2), comments=True)
        command = next((c for c in COMMANDS[package] if words[: len(c.split())] == c.split()), None)
        assert command is not None, line
        seen.add((package, command))
        shown = run(package, *command.split(), "--help").stdout
        for word in words:
            if word.startswith("--"):
                assert re.search(rf"{re.escape(word)}\b", shown), f"{line}: no option {word}"
    assert seen | NOT_IN_THE_TOUR == set(LEAVES)


def test_readme_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in set(re.findall(r"make ([a-z-]+)", text)):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), f"make {target}"
