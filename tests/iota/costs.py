"""What settlements cost, at several netting settings: the table and the plot of docs/iota.md.

    python -m tests.iota.costs

prints the table and writes ``docs/iota-costs.svg``. The figures are the test node's gas model
(tests/iota_node/gas.py), which a test compares with what payments are charged there.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log10
from pathlib import Path

from tests.iota_node.gas import (
    COIN_DEPOSIT,
    REFERENCE_GAS_PRICE,
    GasUsed,
    computation_cost,
)

PLOT = Path(__file__).resolve().parents[2] / "docs" / "iota-costs.svg"
IOTA = 10**9
NANOS_A_LITRE = 2_000_000  # the price in examples/contracts/pump.toml
LITRES_A_CLAIM = 120  # a pump that moves 120 litres a minute, a window a minute, a claim a window
DAY, WEEK = 1440, 10_080  # minutes


def payment_gas(coins: int, *, sponsored: bool, gas_price: int = REFERENCE_GAS_PRICE) -> GasUsed:
    """The charges for a settlement that spends so many coins, gas included.

    What it leaves behind: the gas coin, the payee's new coin, and with a sponsor the escrow's coin.
    """
    return GasUsed(
        computation=computation_cost(coins, gas_price),
        storage_cost=(3 if sponsored else 2) * COIN_DEPOSIT,
        storage_rebate=coins * COIN_DEPOSIT,
    )


@dataclass(frozen=True)
class Netting:
    """A way to net, and the litres that one settlement then pays."""

    setting: str
    litres: int

    @property
    def paid_nanos(self) -> int:
        """What one settlement pays."""
        return self.litres * NANOS_A_LITRE

    @property
    def minutes(self) -> float:
        """From one settlement to the next."""
        return self.litres / LITRES_A_CLAIM


def by_amount(nanos: int) -> Netting:
    """Settled with the first claim that brings what is owed to ``nanos``."""
    claims = -(-nanos // (LITRES_A_CLAIM * NANOS_A_LITRE))
    return Netting(f'`minimum_nanos = "{nanos}"`', claims * LITRES_A_CLAIM)


def by_age(minutes: int) -> Netting:
    """Settled when the oldest receipt is that old."""
    return Netting(f"`maximum_age_seconds = {minutes * 60}`", minutes * LITRES_A_CLAIM)


SETTINGS = (
    Netting("none: a payment for each litre", 1),
    by_amount(1),
    *(by_amount(nanos * IOTA) for nanos in (1, 10, 100)),
    by_age(DAY),
    by_age(WEEK),
)


def table() -> str:
    """The rows of docs/iota.md."""
    gas = payment_gas(1, sponsored=False)
    lines = [
        "| netting | litres | pays (IOTA) | one every | gas per litre (nanos) | of the payment |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for one in SETTINGS:
        cells = (
            one.setting,
            f"{one.litres:,}",
            f"{one.paid_nanos / IOTA:,.3f}",
            _duration(one.minutes),
            _short(gas.net / one.litres),
            _short(100 * gas.net / one.paid_nanos) + " %",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _duration(minutes: float) -> str:
    if minutes < 1:
        return f"{minutes * 60:g} s"
    if minutes < 60:
        return f"{minutes:g} min"
    return f"{minutes / 60:.1f} h" if minutes < DAY else f"{minutes / DAY:g} d"


def _short(value: float) -> str:
    """Three digits that count, and no exponent."""
    places = max(0, 2 - int(log10(value)) + (value < 1))
    return f"{value:,.{places}f}"


# --- the plot: litres per settlement against nanos per litre, both logarithmic ---

LEFT, RIGHT, TOP, BOTTOM = 86, 700, 46, 330
DECADES_X, DECADES_Y = (0, 7), (0, 7)
TOTAL, BURNED, PRICE, MUTED, GRID = "#2b5fa8", "#1f7a4d", "#b0552a", "#5b6875", "#e3e7eb"


def _place(litres: float, nanos: float) -> tuple[float, float]:
    across = (log10(litres) - DECADES_X[0]) / (DECADES_X[1] - DECADES_X[0])
    up = (log10(nanos) - DECADES_Y[0]) / (DECADES_Y[1] - DECADES_Y[0])
    return round(LEFT + across * (RIGHT - LEFT), 1), round(BOTTOM - up * (BOTTOM - TOP), 1)


def _line(nanos: int, colour: str) -> str:
    """A charge that is shared by the litres of a settlement: straight in these scales."""
    (x1, y1), (x2, y2) = _place(1, nanos), _place(nanos, 1)
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}" stroke-width="2"/>'


def _text(x: float, y: float, text: str, colour: str = MUTED, anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" fill="{colour}" text-anchor="{anchor}">{text}</text>'


def _grid() -> list[str]:
    lines = []
    for decade in range(DECADES_X[0], DECADES_X[1] + 1):
        x, _ = _place(10**decade, 1)
        lines.append(f'<line x1="{x}" y1="{TOP}" x2="{x}" y2="{BOTTOM}" stroke="{GRID}"/>')
        lines.append(_text(x, BOTTOM + 20, f"{10**decade:,}", anchor="middle"))
    for decade in range(DECADES_Y[0], DECADES_Y[1] + 1):
        _, y = _place(1, 10**decade)
        lines.append(f'<line x1="{LEFT}" y1="{y}" x2="{RIGHT}" y2="{y}" stroke="{GRID}"/>')
        lines.append(_text(LEFT - 8, y + 4, f"{10**decade:,}", anchor="end"))
    return lines


def plot() -> str:
    """The picture, as SVG."""
    gas = payment_gas(1, sponsored=False)
    _, price = _place(1, NANOS_A_LITRE)
    size = f'viewBox="0 0 {RIGHT + 40} {BOTTOM + 60}"'
    font = 'font-family="Helvetica, Arial, DejaVu Sans, sans-serif" font-size="12"'
    dashes = 'stroke-width="1.5" stroke-dasharray="6 4"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>',
        "<title>Gas per litre against litres per settlement</title>",
        f'<rect width="{RIGHT + 40}" height="{BOTTOM + 60}" fill="#ffffff"/>',
        *_grid(),
        f'<path d="M{LEFT} {price} L{RIGHT} {price}" stroke="{PRICE}" {dashes}/>',
        _text(RIGHT, price - 6, f"price of a litre, {NANOS_A_LITRE:,}", PRICE, "end"),
        _line(gas.net, TOTAL),
        _line(gas.computation, BURNED),
    ]
    for one in SETTINGS:
        x, y = _place(one.litres, gas.net / one.litres)
        lines.append(f'<circle cx="{x}" cy="{y}" r="4.5" fill="{TOTAL}"/>')
        lines.append(_text(x + 9, y - 5, f"{one.paid_nanos / IOTA:,.3f} IOTA", TOTAL))
    lines += [
        _text(LEFT, 20, f"all gas: {gas.net:,} nanos a settlement", TOTAL),
        _text(LEFT + 270, 20, f"burned: {gas.computation:,}; the rest is a deposit", BURNED),
        _text((LEFT + RIGHT) / 2, BOTTOM + 46, "litres per settlement", anchor="middle"),
        _text(LEFT - 70, TOP - 12, "nanos per litre"),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """The command of this module."""
    PLOT.write_text(plot(), encoding="utf-8")
    print(table())
    print(f"written: docs/{PLOT.name}")


if __name__ == "__main__":
    main()
