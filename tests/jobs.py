"""What tests have worker processes do: a function reaches a worker by its module's name only."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any, NoReturn

from verifier.contract import SignedContract, Terms
from verifier.service.proofs import Refusal, proof_refusal

DEADLY = b"deadly"


def process(_: object = None) -> int:
    """The worker's process number."""
    return os.getpid()


def slow_process(seconds: float) -> int:
    """The worker's process number, after a while."""
    time.sleep(seconds)
    return os.getpid()


def fail(word: str) -> NoReturn:
    """A job that raises."""
    raise LookupError(word)


def die() -> NoReturn:
    """A job that ends its process at once, like one that the system kills."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def die_once(marker: Path) -> int:
    """Dies, but leaves ``marker`` behind, with which it does not."""
    if not marker.exists():
        marker.touch()
        die()
    return os.getpid()


def die_over_proofs(_claim_bytes: bytes, _terms: Terms) -> NoReturn:
    """Takes the place of ``proof_refusal``."""
    die()


def fail_over_proofs(_claim_bytes: bytes, _terms: Terms) -> NoReturn:
    """Takes the place of ``proof_refusal``."""
    fail("a mistake in the program")


def proof_refusal_elsewhere(claim_bytes: bytes, terms: Terms) -> Refusal | None:
    """``proof_refusal``, which notes its process in the file that the environment names."""
    with Path(os.environ["ZKM_TEST_PROCESSES"]).open("a", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")
    return proof_refusal(claim_bytes, terms)


def die_over_a_file(file: str, data: bytes, _contract: SignedContract) -> dict[str, Any]:
    """Takes the place of the command line's check of one claim; says in which process it runs."""
    if data == DEADLY:
        die()
    document: dict[str, Any] = {"file": file, "ok": False, "reason": "NONE", "detail": ""}
    return {**document, "process": os.getpid()}
