"""The same C code under sanitizers, valgrind, libFuzzer, cppcheck and both compilers' warnings."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.firmware.build import ROOT, build, run

FIRMWARE = ROOT / "firmware"
SOURCES = sorted((FIRMWARE / "src").glob("*.c"))
SUPPRESSIONS = FIRMWARE / "tests" / "constant_time.supp"
VALGRIND = ["valgrind", "--quiet", "--error-exitcode=9"]
CI_SECONDS, LONG_SECONDS = 20, 300


def need(tool: str) -> None:
    """Skip without the tool."""
    if shutil.which(tool) is None:
        pytest.skip(f"needs {tool}")


@pytest.mark.parametrize("kind", ["plain", "address", "memory"])
def test_a_devices_life(kind: str) -> None:
    run([build(kind, "scenario")])


def test_a_devices_life_under_valgrind() -> None:
    need("valgrind")
    run([*VALGRIND, "--leak-check=full", build("plain", "scenario")])


def test_run_time_does_not_depend_on_secrets() -> None:
    """Keys, randomness and readings count as uninitialised: no branch, no address may use them."""
    run([*VALGRIND, f"--suppressions={SUPPRESSIONS}", build("constant", "constant_time")])


def test_the_constant_time_check_sees_a_leak() -> None:
    program = build("constant", "constant_time")
    found = subprocess.run(
        [*VALGRIND, program, "leak"], capture_output=True, text=True, check=False
    )
    assert found.returncode == 9
    assert "Use of uninitialised value" in found.stderr


@pytest.mark.parametrize(
    "seconds", [CI_SECONDS, pytest.param(LONG_SECONDS, marks=pytest.mark.long)]
)
@pytest.mark.parametrize(("target", "length"), [("fuzz_command", 400), ("fuzz_frame", 700)])
def test_fuzzing_finds_nothing(target: str, length: int, seconds: int, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    program = build("fuzz", target)
    run(
        [
            *(program, f"-max_total_time={seconds}", f"-max_len={length}", "-verbosity=0"),
            *(f"-artifact_prefix={tmp_path}/", corpus),
        ]
    )


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("level", ["-O0", "-Os", "-O3"])
def test_no_warnings(compiler: str, level: str, tmp_path: Path) -> None:
    need(compiler)
    build("plain", "libzkmeter.so")  # tables and libsodium's headers
    made = ROOT / "build" / "firmware"
    flags = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror", level]
    includes = [f"-I{FIRMWARE}/include", f"-I{FIRMWARE}/src", f"-I{FIRMWARE}/ports/host"]
    includes += [f"-I{made}", "-isystem", f"{made}/libsodium/include", "-DSODIUM_STATIC=1"]
    for source in [*SOURCES, *sorted((FIRMWARE / "ports" / "host").glob("*.c"))]:
        run([compiler, *flags, *includes, "-c", source, "-o", tmp_path / "object.o"])


def test_cppcheck() -> None:
    need("cppcheck")
    build("plain", "libzkmeter.so")
    folders = ["include", "src", "ports/host", "tests"]
    run(
        [
            *("cppcheck", "--quiet", "--std=c11", "--error-exitcode=1"),
            *("--enable=warning,style,performance,portability",),
            *("--inline-suppr", "--suppress=missingIncludeSystem", f"-I{ROOT}/build/firmware"),
            *(f"-I{FIRMWARE / folder}" for folder in folders[:3]),
            *(FIRMWARE / folder for folder in folders[1:]),
        ]
    )


def test_the_core_needs_no_heap_and_no_stdio() -> None:
    """Only what a bare machine has; libsodium is named in one file."""
    allowed = {"limits.h", "stdbool.h", "stddef.h", "stdint.h", "string.h"}
    for source in [*SOURCES, *(FIRMWARE / "src").glob("*.h"), FIRMWARE / "include" / "zkmeter.h"]:
        text = source.read_text("utf-8")
        system = {
            line.split("<")[1].rstrip(">") for line in text.splitlines() if "#include <" in line
        }
        extra = {"sodium.h"} if source.name == "crypto.c" else set()
        assert system <= allowed | extra, source
        assert "malloc" not in text
        assert "free(" not in text.replace("_free(", ""), source
