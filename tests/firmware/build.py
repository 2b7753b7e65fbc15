"""Builds the C code for this computer and for the boards, and runs what a test needs of it.

Two kinds of things come out: the whole device (a shared library, programs, images), and the
hashing core behind files of requests (``Driver``) in several builds.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "firmware"
SECONDS = 120
MAKE_FAILED = 2
MACHINES = {"cortex_m4": "mps2-an386", "cortex_m3": "mps2-an385"}
BOARDS = tuple(MACHINES)
BOARD_TOOLS = ("make", "arm-none-eabi-gcc", "qemu-system-arm")
# kinds of builds of the device in firmware/host.mk, and the tool that each needs
KINDS = {
    "plain": "cc",
    "address": "cc",
    "memory": "clang",
    "fuzz": "clang",
    "constant": "valgrind",
}
SANITIZE = "-fsanitize=address,undefined -fno-sanitize-recover=all"
# builds of the hashing core: compiler, optimisation, sanitisers
HOSTS = {
    "gcc_O0": ("gcc", "-O0", ""),
    "gcc_O2": ("gcc", "-O2", ""),
    "gcc_sanitized": ("gcc", "-O1", SANITIZE),
    "clang_O0": ("clang", "-O0", ""),
    "clang_O2": ("clang", "-O2", ""),
    "clang_sanitized": ("clang", "-O1", SANITIZE),
}


def lacking(*programs: str) -> list[str]:
    """Those of the programs that this machine does not have."""
    return [program for program in programs if shutil.which(program) is None]


def run_make(*words: str, rules: str = "Makefile") -> tuple[int, str]:
    """Exit status and everything said by ``make`` in firmware/, with this Python."""
    folder = ["make", "-C", str(ROOT / "firmware"), "-f", rules]
    command = [*folder, f"PYTHON={sys.executable}", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def make(*words: str) -> None:
    """``run_make`` that must succeed."""
    status, said = run_make(*words)
    assert status == 0, said


def run(command: list[str | Path]) -> None:
    """A program that has to end well; its output where it does not."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


# ---- the device ----


@functools.cache
def build(kind: str, target: str) -> Path:
    """``target`` (a file) of a kind in ``firmware/host.mk``; skips without the tools."""
    return _device("host.mk", BUILD / "host" / kind / target, ("make", "cc", KINDS[kind]))


@functools.cache
def build_image(core: str) -> Path:
    """The whole device for ``cortex_m4`` or ``cortex_m3``; skips without compiler and emulator."""
    return _device("Makefile", BUILD / core / "zkmeter.elf", BOARD_TOOLS)


def _device(rules: str, path: Path, tools: tuple[str, ...]) -> Path:
    for tool in lacking(*tools):
        pytest.skip(f"needs {tool}")
    status, said = run_make(str(path), rules=rules)
    if status != 0 and "libsodium's source is not to be had" in said:
        pytest.skip("libsodium's source is not here and cannot be fetched")
    if status != 0 and "libclang_rt" in said:
        pytest.skip("needs clang's run-time libraries (Debian: libclang-rt-dev)")
    assert status == 0, said
    return path


# ---- the hashing core ----


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
    """The programs that a board or a build of the hashing core needs and this machine lacks."""
    return lacking(*BOARD_TOOLS) if name in BOARDS else lacking("make", HOSTS[name][0])


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
