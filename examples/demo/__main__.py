"""``make demo``: real pump data becomes signed commitments, proofs, and a released payment."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from circuits.errors import BadInput, Rejected
from examples.demo.chain import EMBEDDED, SETTLEMENTS
from examples.demo.commands import DemoFailed
from examples.demo.device import DEVICES, SOFTWARE
from examples.demo.report import Report, console, show
from examples.demo.run import run
from examples.demo.source import ROOT, choose

WINDOWS = 12
FEWEST_WINDOWS = 4
MARK = "made-by-demo.txt"


def main() -> int:
    """Run the demo; 0 when everything came out as it must."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--csv", type=Path, help="your own log, with the columns of pump.toml")
    parser.add_argument(
        "--device",
        choices=DEVICES,
        default=SOFTWARE,
        help="who signs the log: the importer's software device, or the firmware under QEMU",
    )
    parser.add_argument(
        "--settle",
        choices=SETTLEMENTS,
        default=EMBEDDED,
        help="where money moves: in the ledger's own books, or on a test network of IOTA as well",
    )
    parser.add_argument("--windows", type=int, default=WINDOWS, help="how many windows to prove")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "build" / "demo", help="made anew by every run"
    )
    arguments = parser.parse_args()
    folder = arguments.out.resolve()
    try:
        _make_anew(folder)
        source = choose(arguments.csv, folder)
        windows = max(arguments.windows, FEWEST_WINDOWS)
        report = run(source, windows, folder, arguments.device, arguments.settle)
    except (BadInput, DemoFailed, Rejected) as error:
        console.print(f"error: {error}", style="bold red", highlight=False)
        return 2
    return finish(report, folder)


def _make_anew(folder: Path) -> None:
    if folder.exists() and not (folder / MARK).is_file():
        raise DemoFailed(f"{folder}: not made by the demo, so not cleared")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / MARK).write_text("Made by the demo, which clears this folder when it starts.\n")


def finish(report: Report, folder: Path) -> int:
    """Print, plot, save; 1 when a figure or an answer is not what it must be."""
    from examples.demo.plot import draw

    show(report)
    draw(report.source, report.litres, report.amounts, folder / "plot.png")
    report.write(folder / "summary.json")
    shown = folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder
    console.print(f"\nsaved in {shown}: plot.png, summary.json, the claims", highlight=False)
    problems = report.problems()
    for problem in problems:
        console.print(f"WRONG: {problem}", style="bold red", highlight=False)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
