"""Runs the bench images under QEMU and prints their figures, with sizes, as one JSON object.

``run_bench.py BUILD OUTPUT CORE...`` where BUILD holds a folder per core (``cortex_m4``, ...).
Instruction counts are QEMU's and the same in every run; sizes are those of the object files.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

MACHINES = {"cortex_m4": "mps2-an386", "cortex_m3": "mps2-an385"}
SECONDS = 60
HASHING = ("poseidon", "chain", "blake2s")


def emulator(core: str, image: Path, *arguments: str) -> list[str]:
    """QEMU's command line for an image, with semihosting and a deterministic instruction count."""
    given = ",".join(["enable=on", "target=native", *(f"arg={word}" for word in arguments)])
    return [
        *("qemu-system-arm", "-M", MACHINES[core], "-display", "none", "-monitor", "none"),
        *("-serial", "none", "-icount", "shift=6,sleep=off", "-semihosting-config", given),
        *("-kernel", str(image)),
    ]


def sizes(folder: Path) -> dict[str, int]:
    """Flash (code and constants) and static RAM of the hashing core's objects, in bytes."""
    found = {}
    for name in HASHING:
        words = ["arm-none-eabi-size", str(folder / f"{name}.o")]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        text, data, bss = (int(word) for word in done.stdout.splitlines()[1].split()[:3])
        found[f"{name}_flash_bytes"] = text + data
        found[f"{name}_ram_static_bytes"] = data + bss
    return found


def measure(build: Path, core: str) -> dict[str, int]:
    """What the bench image of a core prints, and the sizes."""
    folder = build / core
    done = subprocess.run(
        emulator(core, folder / "bench.elf"),
        check=True,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    figures: dict[str, int] = json.loads(done.stdout or done.stderr)
    figures.pop("status")
    return figures | sizes(folder)


def main(arguments: list[str]) -> int:
    """``run_bench.py BUILD OUTPUT CORE...``: writes OUTPUT and prints it."""
    build, output, *cores = arguments
    figures = {core: measure(Path(build), core) for core in cores}
    text = json.dumps(figures, indent=2) + "\n"
    Path(output).write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
