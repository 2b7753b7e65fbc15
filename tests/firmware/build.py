"""Builds the device for this computer: a shared library and C programs in several kinds."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOST = ROOT / "build" / "firmware" / "host"
NEEDS = {
    "plain": "cc",
    "address": "cc",
    "memory": "clang",
    "fuzz": "clang",
    "constant": "valgrind",
}


@functools.cache
def build(kind: str, target: str) -> Path:
    """``target`` (a file) of a kind in ``firmware/host.mk``; skips without the tools."""
    return _make("host.mk", HOST / kind / target, ("cc", NEEDS[kind]))


@functools.cache
def build_image(core: str) -> Path:
    """The whole device for ``cortex_m4`` or ``cortex_m3``; skips without compiler and emulator."""
    tools = ("arm-none-eabi-gcc", "qemu-system-arm")
    return _make("Makefile", ROOT / "build" / "firmware" / core / "zkmeter.elf", tools)


def _make(rules: str, path: Path, tools: tuple[str, ...]) -> Path:
    for tool in ("make", *tools):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")
    command = ["make", "-f", f"firmware/{rules}", f"PYTHON={sys.executable}", str(path)]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if made.returncode != 0 and "libsodium's source is not to be had" in made.stderr:
        pytest.skip("libsodium's source is not here and cannot be fetched")
    if made.returncode != 0 and "libclang_rt" in made.stderr:
        pytest.skip("needs clang's run-time libraries (Debian: libclang-rt-dev)")
    assert made.returncode == 0, made.stdout + made.stderr
    return path


def run(command: list[str | Path]) -> None:
    """A program that has to end well; its output where it does not."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
