"""CSV logs: read row by row, checked against the contract, cut into windows.

Nothing is written here: a file gives windows or one ``BadInput`` that names file, row and column.
Rows are counted from 1 at the first row below the header. A reading is never echoed.

Where the contract lets a channel miss samples, an empty cell becomes the reserved code; where it
lets every channel miss and fixes a period, so does each period that is absent from the log.
"""

from __future__ import annotations

import csv
import io
import re
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from circuits.checkpoint import MAX_TIME_MS
from circuits.errors import BadInput, InputReason
from circuits.schema import MAX_DT_MS
from prover.log import ImportedWindow
from prover.numbers import CellError, RawCoder
from verifier.contract import Terms
from verifier.files import describe

Progress = Callable[[str, float], None]
MAXIMUM_WINDOWS = 10_000_000
MAXIMUM_MISSED = 1_000_000  # records absent in a row; a longer gap is a new epoch's
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_FRACTION = re.compile(r"[.,]([0-9]+)")
_ROWS_BETWEEN_REPORTS = 4096


@dataclass(frozen=True)
class ImportedLog:
    """A whole log: ``times_ms`` (n,) and raw ``records`` (n, schema.elements), dt_ms included."""

    times_ms: NDArray[np.int64]
    records: NDArray[np.uint64]

    @property
    def start_ms(self) -> int:
        """The first record's time."""
        return int(self.times_ms[0])


def parse_time(text: str) -> int:
    """Milliseconds since 1970 UTC of an ISO 8601 date and time; naive ones are UTC.

    ``CellError`` CSV_TIME on anything else, and on fractions finer than a millisecond.
    """
    stripped = text.strip()
    fraction = _FRACTION.search(stripped)
    if fraction is not None and fraction.group(1)[3:].strip("0"):
        raise CellError(InputReason.CSV_TIME, "finer than a millisecond")
    try:
        moment = datetime.fromisoformat(stripped)
    except ValueError:
        raise CellError(InputReason.CSV_TIME, "not an ISO 8601 date and time") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    milliseconds, rest = divmod(moment - _EPOCH, _MILLISECOND)
    if rest or not 0 <= milliseconds <= MAX_TIME_MS:
        raise CellError(InputReason.CSV_TIME, "not a time in whole milliseconds since 1970")
    return milliseconds


class _LogReader:
    """Collects the records of one file."""

    def __init__(self, path: Path, terms: Terms) -> None:
        self.path = path
        self.terms = terms
        self.row = 0
        self.times = array("q")
        self.raw = array("Q")
        self._coders = [RawCoder(c) for c in terms.channels]
        self._has_dt = terms.schema.has_dt
        self._all_may_miss = all(c.may_miss for c in terms.schema.channels)

    def fail(self, reason: InputReason, message: str, column: str | None = None) -> NoReturn:
        """Raise ``BadInput`` for the current row."""
        where = f"{self.path}: row {self.row}"
        if column is not None:
            where += f", column {column!r}"
        raise BadInput(reason, f"{where}: {message}")

    def read(self, rows: Iterator[list[str]], report: Callable[[], None]) -> None:
        """Consume the header and every row."""
        header = [name.strip() for name in next(rows, [])]
        if not header:
            raise BadInput(InputReason.CSV_EMPTY, f"{self.path}: no header")
        time_at = self._position(header, self.terms.log.time)
        places = [
            (c.column, self._position(header, c.column), coder)
            for c, coder in zip(self.terms.channels, self._coders, strict=True)
        ]
        blank_row: int | None = None
        for cells in rows:
            self.row += 1
            if not cells:
                blank_row = blank_row or self.row
                continue
            if blank_row is not None:
                self.row = blank_row
                self.fail(InputReason.CSV_COLUMN, "empty row")
            if len(cells) != len(header):
                self.fail(
                    InputReason.CSV_COLUMN, f"{len(cells)} cells, the header has {len(header)}"
                )
            self._record(cells, time_at, places)
            if self.row % _ROWS_BETWEEN_REPORTS == 0:
                report()
        if not self.times:
            raise BadInput(InputReason.CSV_EMPTY, f"{self.path}: no records")

    def _position(self, header: list[str], column: str) -> int:
        # the header's own cells are not echoed: without a header they would be readings
        if header.count(column) != 1:
            found = "missing" if column not in header else "there more than once"
            raise BadInput(
                InputReason.CSV_COLUMN,
                f"{self.path}: column {column!r} is {found} in the header (delimiter"
                f" {self.terms.log.delimiter!r})",
            )
        return header.index(column)

    def _record(
        self, cells: list[str], time_at: int, places: list[tuple[str, int, RawCoder]]
    ) -> None:
        column = self.terms.log.time
        try:
            moment = parse_time(cells[time_at])
            step = self._step(moment)
            self._fill_gap(step)
            for name, position, coder in places:
                column = name
                self.raw.append(coder.raw(cells[position]))
        except CellError as error:
            self.fail(error.reason, error.message, column)
        if self._has_dt:
            self.raw.append(step)
        self.times.append(moment)

    def _fill_gap(self, step: int) -> None:
        """Records in which every channel was missed, for the periods that the log leaves out."""
        period = self.terms.log.period_ms
        if period is None:
            return
        for _ in range(step // period - 1):
            self.raw.extend(channel.maximum_code for channel in self.terms.schema.channels)
            self.times.append(self.times[-1] + period)

    def _step(self, moment: int) -> int:
        """Milliseconds since the record before, checked; 0 on the first record."""
        if not self.times:
            return 0
        step = moment - self.times[-1]
        if step < 0:
            raise CellError(InputReason.CSV_TIME_ORDER, "earlier than the row before")
        period = self.terms.log.period_ms
        if period is None:
            if step > MAX_DT_MS:
                raise CellError(
                    InputReason.CSV_TIME_GAP, f"more than {MAX_DT_MS} ms after the row before"
                )
        elif step != period and not self._all_may_miss:
            raise CellError(
                InputReason.CSV_TIME_GAP,
                f"not {period} ms after the row before, as the contract's period says (no sample"
                " may be missing unless the contract says may_miss of every channel)",
            )
        elif not step or step % period:
            raise CellError(
                InputReason.CSV_TIME_GAP,
                f"not a multiple of {period} ms, the contract's period, after the row before",
            )
        elif step // period > MAXIMUM_MISSED:
            raise CellError(
                InputReason.CSV_TIME_GAP,
                f"more than {MAXIMUM_MISSED} periods after the row before: import what follows as"
                " a log of its own",
            )
        return step


def read_log(path: Path | str, terms: Terms, progress: Progress | None = None) -> ImportedLog:
    """Read a CSV log by the contract's terms.

    UTF-8 (with or without a byte order mark), a header, the contract's delimiter. ``BadInput``
    FILE_*, CSV_* on anything that is not exactly usable.
    """
    source = Path(path)
    reader = _LogReader(source, terms)
    try:
        with source.open("rb") as binary:
            size = max(source.stat().st_size, 1)

            def report() -> None:
                if progress is not None:
                    progress("reading", min(binary.tell() / size, 1.0))

            text = io.TextIOWrapper(binary, encoding="utf-8-sig", newline="")
            rows = csv.reader(text, delimiter=terms.log.delimiter, strict=True)
            reader.read(rows, report)
    except FileNotFoundError:
        raise BadInput(InputReason.FILE_MISSING, f"{source}: no such file") from None
    except OSError as error:
        raise BadInput(InputReason.FILE_UNREADABLE, f"{source}: {describe(error)}") from None
    except UnicodeDecodeError:
        raise BadInput(InputReason.FILE_UNREADABLE, f"{source}: not UTF-8 text") from None
    except csv.Error:
        raise BadInput(
            InputReason.FILE_UNREADABLE, f"{source}: row {reader.row + 1}: not a CSV row"
        ) from None
    elements = terms.schema.elements
    return ImportedLog(
        np.frombuffer(reader.times, dtype=np.int64),
        np.frombuffer(reader.raw, dtype=np.uint64).reshape(-1, elements),
    )


def cut_windows(log: ImportedLog, window_ms: int) -> list[ImportedWindow]:
    """Windows [t0 + kW, t0 + (k+1)W), t0 the first record; empty ones too.

    The last one ends 1 ms after the last record.
    """
    start = log.start_ms
    numbers = (log.times_ms - start) // window_ms
    count = int(numbers[-1]) + 1
    if count > MAXIMUM_WINDOWS:
        raise BadInput(
            InputReason.WINDOWS, f"the log spans {count} windows; at most {MAXIMUM_WINDOWS}"
        )
    edges = np.searchsorted(numbers, np.arange(count + 1))
    ends = [start + (k + 1) * window_ms for k in range(count - 1)]
    ends.append(int(log.times_ms[-1]) + 1)
    return [
        ImportedWindow(start + k * window_ms, end, log.records[edges[k] : edges[k + 1]])
        for k, end in enumerate(ends)
    ]
