"""One picture of a benchmark's results: times, memory, sizes, and where the time goes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

COLOURS = {"standard": "#2b5fa8", "compact": "#1f7a4d", "fast": "#b0552a"}
STEPS = ("#2b5fa8", "#6f9bd1", "#1f7a4d", "#7fb894", "#b0552a", "#d99a6c", "#5b6875", "#a9b3bd",
         "#8a5a9e", "#c3a2cf")  # fmt: skip
MUTED, GRID = "#5b6875", "#e3e7eb"
GROWTH = 2.15  # what time(2n) / time(n) should not exceed
_BAR_WIDTH = 0.78


def draw(document: dict[str, Any], path: Path) -> None:
    """Write the picture of ``prover.bench_sweep``'s document; the suffix names the format."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import LogLocator

    measured = [p for p in document["points"] if p["kind"] == "length" and "failed" not in p]
    names = list(dict.fromkeys(p["parameter_set"] for p in measured))
    figure, axes = plt.subplots(2, 3, figsize=(15, 8.6), layout="constrained")
    for name in names:
        own = [p for p in measured if p["parameter_set"] == name]
        _lines(axes, name, own)
    for axis, title in zip(
        axes.flat,
        (
            "proving time, seconds (dashed: CPU)",
            "time(2n) / time(n)",
            "peak memory of the process, MiB",
            "proof, kilobytes",
            "verifying, milliseconds",
        ),
        strict=False,
    ):
        _dress(axis, title, [p["rows"] for p in measured])
    for axis in (axes[0, 0], axes[0, 2]):
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("")
    for axis in (axes[0, 1], axes[1, 0], axes[1, 1]):
        axis.set_ylim(bottom=0)
    axes[0, 1].axhline(GROWTH, color=MUTED, linestyle=":", linewidth=1)
    axes[0, 0].legend(frameon=False)
    _shares(axes[1, 2], [p for p in measured if p["parameter_set"] == names[0]], names[0])
    columns = sorted({p["columns"] for p in measured})
    bits = ", ".join(
        f"{name} {min(p['proven_bits'] for p in measured if p['parameter_set'] == name):.1f}"
        for name in names
    )
    figure.suptitle(
        f"{document['statement']}; {'/'.join(map(str, columns))} columns;"
        f" {document['cores']} cores, {document['processor']}\nproven bits, least: {bits}",
        fontsize=11, color=MUTED,
    )  # fmt: skip
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _lines(axes: Any, name: str, own: Sequence[dict[str, Any]]) -> None:
    rows = [p["rows"] for p in own]
    style = {"color": COLOURS[name], "marker": "o", "markersize": 3.5, "linewidth": 1.5}
    prove, growth, memory, proof, check = list(axes.flat)[:5]
    prove.plot(rows, [p["prove_seconds"] for p in own], label=name, **style)
    dashed = style | {"linestyle": "--", "marker": "", "linewidth": 1.0}
    prove.plot(rows, [p["prove_cpu_seconds"] for p in own], **dashed)
    grown = [p for p in own if "growth" in p]
    growth.plot([p["rows"] for p in grown], [p["growth"] for p in grown], **style)
    memory.plot(rows, [p["peak_rss_bytes"] / 2**20 for p in own], **style)
    proof.plot(rows, [p["proof_bytes"] / 1000 for p in own], **style)
    check.plot(rows, [p["verify_seconds"] * 1000 for p in own], **style)


def _dress(axis: Any, title: str, rows: Sequence[int]) -> None:
    axis.set_title(title, loc="left", fontsize=10, fontweight="bold")
    axis.set_xscale("log", base=2)
    axis.set_xticks(sorted(set(rows)))
    axis.set_xlabel("rows")
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(colors=MUTED)
    axis.grid(axis="y", color=GRID, linewidth=0.8)
    axis.set_axisbelow(True)


def _shares(axis: Any, own: Sequence[dict[str, Any]], name: str) -> None:
    """Stacked bars: each step's share of the proving time."""
    places = range(len(own))
    bottom = [0.0] * len(own)
    for k, step in enumerate(p["step"] for p in own[0]["steps"]):
        shares = [100 * p["steps"][k]["share"] for p in own]
        axis.bar(places, shares, _BAR_WIDTH, bottom, color=STEPS[k % len(STEPS)], label=step)
        bottom = [low + share for low, share in zip(bottom, shares, strict=True)]
    axis.set_title(f"where the time goes, % ({name})", loc="left", fontsize=10, fontweight="bold")
    axis.set_xticks(list(places), [f"$2^{{{p['rows'].bit_length() - 1}}}$" for p in own])
    axis.set_xlabel("rows")
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(colors=MUTED)
    axis.set_ylim(0, 100)
    handles, labels = axis.get_legend_handles_labels()
    axis.legend(
        handles[::-1], labels[::-1], frameon=False, fontsize=8,
        loc="center left", bbox_to_anchor=(1.0, 0.5),
    )  # fmt: skip
