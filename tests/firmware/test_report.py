"""``make firmware-report``: what it says, the same in every run, and the limits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from firmware.tools.emulator import MACHINES
from firmware.tools.report import sections, symbol_bytes
from tests.firmware.build import BOARDS, BUILD, MAKE_FAILED, missing, run_make

FIGURES = [
    "instructions_per_reading",
    "instructions_per_sample",
    "instructions_per_reading_encrypted",
    "instructions_per_checkpoint",
    "flash_bytes",
    "ram_static_bytes",
    "stack_bytes",
    "core_flash_bytes",
    "core_ram_bytes",
]
KIB = 1024


def make_report() -> str:
    """The report's text; skips without the tools."""
    lacking = missing(BOARDS[0])
    if lacking:
        pytest.skip(f"{', '.join(lacking)} not installed")
    status, said = run_make("report")
    if status == MAKE_FAILED and "libsodium's source is not to be had" in said:
        pytest.skip("libsodium's source is not here and cannot be fetched")
    assert status == 0, said
    return (BUILD / "report.json").read_text("utf-8")


def test_figures_are_within_their_limits_and_the_same_in_every_run() -> None:
    text = make_report()
    assert make_report() == text
    report = json.loads(text)
    assert set(report) == set(MACHINES) == set(BOARDS)
    for figures in report.values():
        assert list(figures) == FIGURES
        assert figures["instructions_per_sample"] <= 1300
        assert figures["flash_bytes"] <= 112 * KIB
        assert figures["ram_static_bytes"] + figures["stack_bytes"] <= 8 * KIB
        assert figures["core_flash_bytes"] <= 96 * KIB
        assert figures["core_ram_bytes"] <= 5.5 * KIB
        # nothing was left out: a permutation for eight readings, encryption on top of it, a
        # signature in a checkpoint, the core inside the whole image
        assert figures["instructions_per_reading"] > 9_000 / 8
        assert (
            figures["instructions_per_reading_encrypted"]
            > figures["instructions_per_reading"] + 100
        )
        assert figures["instructions_per_checkpoint"] > 500_000
        assert 60 * KIB < figures["core_flash_bytes"] < figures["flash_bytes"]
        assert figures["ram_static_bytes"] > 1536  # the outgoing buffer alone
        assert figures["stack_bytes"] > 1 * KIB


def test_sizes_are_those_of_the_image() -> None:
    report = json.loads(make_report())
    for core in BOARDS:
        image: Path = BUILD / core / "zkmeter.elf"
        flash, ram = sections(image)
        assert report[core]["flash_bytes"] == flash
        # the two pages that stand for the board's flash are the only thing that does not count
        assert report[core]["ram_static_bytes"] == ram - 2048
        assert symbol_bytes(image, "flash") == 2048
        with pytest.raises(ValueError, match="no variable"):
            symbol_bytes(image, "not_there")
