"""Variants of the C code, how they are built, and how a test talks to them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "firmware"
SECONDS = 120
MAKE_FAILED = 2
MACHINES = {"cortex_m4": "mps2-an386", "cortex_m3": "mps2-an385"}
BOARDS = tuple(MACHINES)
SANITIZE = "-fsanitize=address,undefined -fno-sanitize-recover=all"
# compiler, optimisation, sanitisers
HOSTS = {
    "gcc_O0": ("gcc", "-O0", ""),
    "gcc_O2": ("gcc", "-O2", ""),
    "gcc_sanitized": ("gcc", "-O1", SANITIZE),
    "clang_O0": ("clang", "-O0", ""),
    "clang_O2": ("clang", "-O2", ""),
    "clang_sanitized": ("clang", "-O1", SANITIZE),
}


@dataclass(frozen=True)
class Driver:
    """A built driver: ``command`` gives the words that run it on an input and an output file."""

    name: str
    command: Callable[[Path, Path], list[str]]

    def run(self, requests: bytes, folder: Path) -> bytes:
        """The answers to the requests; fails if the program does."""
        given, answers = folder / "requests.bin", folder / "answers.bin"
        given.write_bytes(requests)
        done = subprocess.run(
            self.command(given, answers),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"exit status {done.returncode}: {done.stdout}{done.stderr}"
        return answers.read_bytes()

    def refusal(self, requests: bytes, folder: Path) -> int:
        """The exit status of a run on bad requests."""
        given = folder / "requests.bin"
        given.write_bytes(requests)
        words = self.command(given, folder / "answers.bin")
        return subprocess.run(words, capture_output=True, timeout=SECONDS, check=False).returncode


def missing(name: str) -> list[str]:
    """The programs that a variant needs and this machine lacks."""
    needed = ["make"]
    needed += ["arm-none-eabi-gcc", "qemu-system-arm"] if name in BOARDS else [HOSTS[name][0]]
    return [program for program in needed if shutil.which(program) is None]


def run_make(*words: str) -> tuple[int, str]:
    """Exit status and everything said by ``make`` in firmware/, with this Python."""
    command = ["make", "-C", str(ROOT / "firmware"), f"PYTHON={sys.executable}", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def make(*words: str) -> None:
    """``run_make`` that must succeed."""
    status, said = run_make(*words)
    assert status == 0, said


def build_host(name: str) -> Driver:
    """The driver for this machine, with one compiler and one set of flags."""
    compiler, optimise, sanitize = HOSTS[name]
    folder = BUILD / f"host_{name}"
    program = folder / "driver"
    words = [f"CC={compiler}", f"OPTIMISE={optimise}", f"SANITIZE={sanitize}", f"HOST={folder}"]
    make(*words, str(program))
    return Driver(name, lambda given, answers: [str(program), str(given), str(answers)])


def build_board(name: str) -> Driver:
    """The driver for an emulated board."""
    image = BUILD / name / "driver.elf"
    make(str(image))

    def command(given: Path, answers: Path) -> list[str]:
        options = f"enable=on,target=native,arg={given},arg={answers}"
        return [
            *("qemu-system-arm", "-M", MACHINES[name], "-display", "none", "-monitor", "none"),
            *("-serial", "none", "-semihosting-config", options, "-kernel", str(image)),
        ]

    return Driver(name, command)
