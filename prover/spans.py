"""Where a proof's time goes: the span between two reports of progress, by the step's name."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Progress = Callable[[str, float], None]
_LAST = "done"  # the report after the last step
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Span:
    """One step: seconds, processor seconds of all threads, the process's peak at its end."""

    step: str
    seconds: float
    cpu_seconds: float
    peak_bytes: int


def peak_bytes() -> int:
    """The most memory that this process ever had resident.

    Not ``ru_maxrss`` where there is a choice: that begins at the peak of the process before exec.
    """
    try:
        lines = _STATUS.read_text(encoding="ascii").splitlines()
        (line,) = (line for line in lines if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Spans:
    """A ``Progress`` that measures; each step lasts until the next one is reported.

    ``before`` names what comes before the first step and ``after`` what comes after the last, up to
    ``finish``; without a name it is not kept. Everything is passed on to ``progress``.
    """

    def __init__(
        self, progress: Progress | None = None, before: str | None = None, after: str | None = None
    ) -> None:
        self._progress, self._after = progress, after
        self._step, self._spans = before, list[Span]()
        self._start = self._clocks()

    @staticmethod
    def _clocks() -> tuple[float, float]:
        return time.perf_counter(), time.process_time()

    def _close(self) -> None:
        wall, cpu = self._clocks()
        if self._step is not None:
            past, used = self._start
            self._spans.append(Span(self._step, wall - past, cpu - used, peak_bytes()))
        self._start = wall, cpu

    def __call__(self, step: str, fraction: float) -> None:
        """A step begins."""
        self._close()
        self._step = self._after if step == _LAST else step
        if self._progress is not None:
            self._progress(step, fraction)

    def finish(self) -> list[Span]:
        """All spans, in order."""
        self._close()
        self._step = None
        return list(self._spans)


def spans_document(spans: Sequence[Span]) -> list[dict[str, Any]]:
    """For ``--json``; ``share`` is that of the wall time."""
    total = sum(span.seconds for span in spans) or 1.0
    return [
        {
            "step": span.step,
            "seconds": round(span.seconds, 6),
            "cpu_seconds": round(span.cpu_seconds, 6),
            "share": round(span.seconds / total, 4),
            "peak_bytes": span.peak_bytes,
        }
        for span in spans
    ]


def spans_table(spans: Sequence[Span]) -> str:
    """For people."""
    lines = [f"{'step':<24} {'seconds':>9} {'CPU':>9} {'share':>6} {'peak MiB':>9}"]
    for line in spans_document(spans):
        lines.append(
            f"{line['step']:<24} {line['seconds']:>9.4f} {line['cpu_seconds']:>9.4f}"
            f" {line['share']:>6.1%} {line['peak_bytes'] / 2**20:>9.0f}"
        )
    wall, cpu = sum(span.seconds for span in spans), sum(span.cpu_seconds for span in spans)
    return "\n".join([*lines, f"{'all':<24} {wall:>9.4f} {cpu:>9.4f}"])
