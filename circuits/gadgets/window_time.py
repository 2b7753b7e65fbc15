"""``bit = 1 if and only if the row's window starts within an interval of the day``.

The column keeps its value from row to row except behind a closing row, and on closing rows a public
selector, which the verifier computes from the signed start of every window, says what it is:

    (1 - closing) * (bit' - bit) = 0        closing * bit - inside = 0
"""

from __future__ import annotations

import numpy as np

from circuits.builder import Builder, Column
from circuits.circuit import Trace


def add_window_time(builder: Builder, start: int, end: int) -> Column:
    """The column for windows that start in [start, end) minutes after midnight UTC."""
    name, selector = f"time of day {start} {end}", f"inside {start} {end}"
    known = builder.shared.get(name)
    if isinstance(known, Column):
        return known
    closing, inside = builder.selector("closing"), builder.selector(selector)
    bit = builder.column(name)
    builder.constrain(f"{name} within a window", (1 - closing) * (bit.next - bit.now))
    builder.constrain(f"{name} by its start", closing * bit.now - inside)

    def fill(trace: Trace) -> None:
        layout = trace.layout
        chosen = np.isin(layout.closing, layout.selector(selector))
        window = np.searchsorted(layout.closing, np.arange(layout.active_rows))
        trace.columns[bit.index, : layout.active_rows] = chosen[window]

    builder.fillers.append(fill)
    builder.shared[name] = bit
    return bit
