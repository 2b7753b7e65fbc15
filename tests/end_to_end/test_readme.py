"""The tour in README, run as it is written."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

from examples.demo.source import ROOT


def tour() -> str:
    """The shell blocks of README's tour and of the section on offline verification."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    start, end = text.index("## A ten-minute tour"), text.index("## Where things are")
    return "\n".join(re.findall(r"```sh\n(.*?)```", text[start:end], flags=re.DOTALL))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def run_tour(script: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run shell blocks in an empty directory, on a free port, with this installation's commands."""
    (directory / "examples").symlink_to(ROOT / "examples")
    script = script.replace("127.0.0.1:7443", f"127.0.0.1:{free_port()}")
    scripts = Path(sys.executable).parent
    result = subprocess.run(
        ["bash", "-euc", f"trap 'kill $(jobs -p)' EXIT\n{script}"],
        cwd=directory, capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}", "COLUMNS": "160"},
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    return result


def test_the_tour_works_as_written(tmp_path: Path) -> None:
    result = run_tour(tour(), tmp_path)
    assert "first.claim" in result.stdout
    assert '"ok": true' in result.stdout
    assert "escrow" in result.stdout
