"""The two console scripts, run as their users run them: as processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

SCRIPTS = Path(sys.executable).parent
PROVER, VERIFIER = "zkmeter-prover", "zkmeter-verifier"
STOP_SECONDS = 20


class DemoFailed(Exception):
    """A step that must succeed did not; the message is what its command said."""


def call(script: str, *arguments: str | Path) -> Any:
    """Run ``zkmeter-prover`` or ``zkmeter-verifier`` with ``--json``; its one document.

    Several lines of JSON become a list. Raises ``DemoFailed`` on any exit status but 0.
    """
    words = [str(SCRIPTS / script), *map(str, arguments), "--json"]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise DemoFailed(_what_it_said(result))
    documents = [json.loads(line) for line in result.stdout.splitlines() if line.strip()]
    return documents[0] if len(documents) == 1 else documents


def _what_it_said(result: subprocess.CompletedProcess[str]) -> str:
    try:
        error = json.loads(result.stdout)["error"]
        return f"{error['reason']}: {error['message']}"
    except (ValueError, KeyError, TypeError):
        said = (result.stdout + result.stderr).strip()
        return said or f"{result.args[0]}: exit status {result.returncode}"


class Background:
    """A console script with ``--json`` while the block runs; what it says is in ``log``."""

    def __init__(self, log: Path, script: str, *arguments: str | Path, piped: bool = False) -> None:
        """``piped``: the log has its errors only, and its output can be read."""
        words = [str(SCRIPTS / script), *map(str, arguments), "--json"]
        self._name = f"{script} {arguments[0]}"
        self._log_path = log
        self._log = log.open("w", encoding="utf-8")
        self._process = subprocess.Popen(
            words, stdout=subprocess.PIPE if piped else self._log, stderr=self._log, text=True
        )
        self.process_id = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def require_running(self) -> None:
        """Raises ``DemoFailed`` when it has ended by itself."""
        if self._process.poll() is not None:
            raise DemoFailed(f"{self._name} has ended: {self._said()}")

    def _said(self) -> str:
        return self._log_path.read_text(encoding="utf-8").strip()

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()


class VerifierProcess(Background):
    """``zkmeter-verifier serve`` on a free port of this machine while the block runs."""

    def __init__(
        self, contract: Path, store: Path, keys: Path, log: Path, more: Sequence[str | Path] = ()
    ) -> None:
        """``more``: further options."""
        super().__init__(
            log, VERIFIER, "serve", "--contract", contract, "--store", store, "--keys", keys,
            "--listen", "127.0.0.1:0", *more, piped=True,
        )  # fmt: skip
        self.address = ""

    def __enter__(self) -> Self:
        stdout = self._process.stdout
        line = stdout.readline() if stdout is not None else ""
        try:
            self.address = str(json.loads(line)["listening"])
        except (ValueError, KeyError, TypeError):
            self._stop()
            said = self._said() or line.strip()
            raise DemoFailed(f"the verifier did not start: {said}") from None
        return self
