"""Where the demo's log comes from, and its litres recomputed without any of zkmeter's code."""

from __future__ import annotations

import csv
import importlib.metadata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SKAB = ROOT.parent / "shared" / "data" / "skab" / "anomaly-free.csv"
RIVER_FILE = "river/datasets/water-flow.csv"
RIVER_RECORDS = 829  # the hourly part before the first gap that is longer than dt_ms can say


@dataclass(frozen=True)
class Source:
    """A log file and how to read it.

    ``name`` goes into the summary; ``flow_ms`` is the flow's unit of time in milliseconds.
    """

    title: str
    name: str
    path: Path
    template: Path
    delimiter: str
    time_column: str
    flow_column: str
    flow_unit: str
    step: Decimal
    flow_ms: int
    window: timedelta

    def records(self) -> Iterator[tuple[datetime, Decimal]]:
        """Time and flow of every record, the flow rounded as the contract says (ties to even)."""
        with self.path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file, delimiter=self.delimiter):
                time = datetime.fromisoformat(row[self.time_column])
                if time.tzinfo is None:
                    time = time.replace(tzinfo=UTC)
                steps = Decimal(row[self.flow_column]) / self.step
                yield time, steps.to_integral_value(ROUND_HALF_EVEN) * self.step

    def litres(self, windows: int) -> list[Fraction]:
        """Litres in each of the first windows: flow times the time since the record before.

        This is the demo's own arithmetic, from the file alone; it shares no code with the importer.
        """
        out = [Fraction(0)] * windows
        start: datetime | None = None
        before: datetime | None = None
        for time, flow in self.records():
            start, before = start or time, before or time
            index = (time - start) // self.window
            if index < windows:
                elapsed = (time - before) // timedelta(milliseconds=1)
                out[index] += Fraction(flow) * elapsed / self.flow_ms
            before = time
        return out

    def window_count(self) -> int:
        """Windows up to the last record."""
        times = [time for time, _ in self.records()]
        return (times[-1] - times[0]) // self.window + 1


def pump(path: Path, title: str, name: str) -> Source:
    """A log with SKAB's columns."""
    return Source(
        title=title,
        name=name,
        path=path,
        template=ROOT / "examples" / "contracts" / "pump.toml",
        delimiter=";",
        time_column="datetime",
        flow_column="Volume Flow RateRMS",
        flow_unit="L/min",
        step=Decimal("0.001"),
        flow_ms=60_000,
        window=timedelta(seconds=60),
    )


def water(folder: Path) -> Source:
    """The hourly part of the water-flow series that ships inside the river package."""
    found = [f for f in importlib.metadata.files("river") or [] if f.as_posix() == RIVER_FILE]
    lines = Path(str(found[0].locate())).read_text(encoding="utf-8").splitlines(keepends=True)
    path = folder / "water-flow.csv"
    path.write_text("".join(lines[: RIVER_RECORDS + 1]), encoding="utf-8")
    return Source(
        title="hourly water flow from the river package, first 829 records",
        name=RIVER_FILE,
        path=path,
        template=ROOT / "examples" / "contracts" / "water.toml",
        delimiter=",",
        time_column="Time",
        flow_column="Water flow [l/s]",
        flow_unit="L/s",
        step=Decimal("0.001"),
        flow_ms=1000,
        window=timedelta(days=1),
    )


def choose(csv_path: Path | None, folder: Path) -> Source:
    """The log that was asked for, else the pump test bed's, else the water-flow series."""
    if csv_path is not None:
        return pump(csv_path, csv_path.name, str(csv_path))
    if SKAB.is_file():
        return pump(SKAB, "SKAB pump test bed, anomaly-free", "skab/anomaly-free.csv")
    return water(folder)
