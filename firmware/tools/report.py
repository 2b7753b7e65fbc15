"""What the sensor costs on a small processor: instructions, flash, memory.

``python -m firmware.tools.report BUILD OUTPUT CORE...`` where BUILD holds a folder of images per
core. Instructions are QEMU's count, the same in every run; sizes are the images'; stacks were
painted before and looked at afterwards. ``docs/firmware.md`` says what each figure covers.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from firmware.tools.emulator import MACHINES, Board, run, sample, tick

SECONDS = 60
START_MS = 1_700_000_000_000
WINDOW_MS = 60_000
EMULATED_FLASH = "flash"  # a variable that stands for the board's flash pages


def sections(image: Path) -> tuple[int, int]:
    """Bytes in flash (code, constants, initial values) and in RAM (data and bss) of an image."""
    done = _tool("arm-none-eabi-size", image)
    text, data, bss = (int(word) for word in done.splitlines()[1].split()[:3])
    return text + data, data + bss


def symbol_bytes(image: Path, name: str) -> int:
    """The size of a variable."""
    for line in _tool("arm-none-eabi-nm", "--print-size", image).splitlines():
        words = line.split()
        if len(words) == 4 and words[3] == name:
            return int(words[1], 16)
    raise ValueError(f"{image}: no variable {name!r}")


def _tool(*words: str | Path) -> str:
    done = subprocess.run([str(w) for w in words], check=True, capture_output=True, text=True)
    return done.stdout


def bench(core: str, image: Path) -> dict[str, int]:
    """What a program without input prints."""
    words = [
        *("qemu-system-arm", "-M", MACHINES[core], "-display", "none", "-monitor", "none"),
        *("-serial", "none", "-icount", "shift=6,sleep=off"),
        *("-semihosting-config", "enable=on,target=native", "-kernel", str(image)),
    ]
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=SECONDS)
    figures: dict[str, int] = json.loads(done.stdout or done.stderr)
    return figures


def stack_of_a_life(core: str, image: Path) -> int:
    """The most stack that the whole program used: seven channels, two windows, twice switched on.

    The second start reads the journal and sends its checkpoints again.
    """
    board = Board((24,) * 7, bytes(32), WINDOW_MS, b"\x09" + bytes(31), bytes(32), bytes(32))
    deepest = 0
    with tempfile.TemporaryDirectory() as folder:
        for start_ms in (START_MS, START_MS + 2 * WINDOW_MS):
            entries = [sample(start_ms + 700 * n, range(n, n + 7)) for n in range(150)]
            entries.append(tick(start_ms + 2 * WINDOW_MS))
            made = run(core, image, Path(folder), board, start_ms, entries)
            deepest = max(deepest, made.stack_bytes)
    return deepest


def measure(folder: Path, core: str) -> dict[str, int]:
    """Every figure of a core."""
    flash, ram = sections(folder / "zkmeter.elf")
    core_flash, core_ram = sections(folder / "core.elf")
    return {
        **bench(core, folder / "figures.elf"),
        "flash_bytes": flash,
        "ram_static_bytes": ram - symbol_bytes(folder / "zkmeter.elf", EMULATED_FLASH),
        "stack_bytes": stack_of_a_life(core, folder / "zkmeter.elf"),
        "core_flash_bytes": core_flash,
        "core_ram_bytes": core_ram + bench(core, folder / "core.elf")["stack_bytes"],
    }


def main(arguments: list[str]) -> int:
    """``report BUILD OUTPUT CORE...``: writes OUTPUT and prints it."""
    build, output, *cores = arguments
    figures = {core: measure(Path(build) / core, core) for core in cores}
    text = json.dumps(figures, indent=2) + "\n"
    Path(output).write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
