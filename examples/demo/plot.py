"""One picture: what the operator has, and what the supplier gets to see of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from pathlib import Path

from examples.demo.source import Source

OPERATOR, SUPPLIER, MUTED = "#1f7a4d", "#2b5fa8", "#5b6875"


def draw(source: Source, litres: Sequence[Fraction], paid_nanos: Sequence[int], path: Path) -> None:
    """Write a PNG: raw flow above; one number per window and the money below.

    ``litres`` and ``paid_nanos`` have one entry per accepted window, in order.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    times, flows = _readings(source, len(litres))
    windows = range(len(litres))
    figure, axes = plt.subplots(
        3,
        1,
        figsize=(10, 8.2),
        height_ratios=[1.5, 1, 1],
        layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1),
    )
    raw, outcome, money = axes
    raw.plot(times, flows, color=OPERATOR, linewidth=0.9)
    raw.set_ylabel(f"flow [{source.flow_unit}]")
    raw.set_title(
        f"What the operator has: {len(flows)} readings ({source.title})",
        loc="left", color=OPERATOR, fontweight="bold",
    )  # fmt: skip

    bars = outcome.bar(windows, [float(v) for v in litres], color=SUPPLIER, width=0.78)
    outcome.set_ylabel("litres")
    if len(litres) <= 16:
        outcome.bar_label(bars, [f"{float(v):,.2f}" for v in litres], fontsize=8, padding=2)
        outcome.margins(y=0.18)
    outcome.set_title(
        "What the supplier sees: one proven number per window ...",
        loc="left", color=SUPPLIER, fontweight="bold",
    )  # fmt: skip

    total, steps = 0, []
    for nanos in paid_nanos:
        total += nanos
        steps.append(total / 1e9)
    money.step([-0.5, *(w + 0.5 for w in windows)], [0, *steps], where="pre", color=SUPPLIER)
    money.fill_between(
        [-0.5, *(w + 0.5 for w in windows)], [0, *steps], step="pre", color=SUPPLIER, alpha=0.15
    )
    money.set_ylim(bottom=0)
    money.set_ylabel("IOTA")
    money.set_title(
        f"... and the money: {total / 1e9:.9f} IOTA released",
        loc="left", color=SUPPLIER, fontweight="bold",
    )  # fmt: skip
    money.set_xlabel("window")
    for axis in (outcome, money):
        axis.set_xlim(-0.6, len(litres) - 0.4)
        axis.set_xticks(list(windows)[:: max(1, len(litres) // 20)])
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(colors=MUTED)
        axis.grid(axis="y", color="#e3e7eb", linewidth=0.8)
        axis.set_axisbelow(True)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _readings(source: Source, windows: int) -> tuple[list[datetime], list[float]]:
    times: list[datetime] = []
    flows: list[float] = []
    for time, flow in source.records():
        if times and (time - times[0]) // source.window >= windows:
            break
        times.append(time)
        flows.append(float(flow))
    return times, flows
