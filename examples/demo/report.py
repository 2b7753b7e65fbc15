"""What the demo found out: tables for people, ``summary.json`` for machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from examples.demo.device import SOFTWARE
from examples.demo.settled import Anchor, Settled
from examples.demo.source import Source

console = Console()
REPLAY = "replay"
DUPLICATE = "DUPLICATE"
ACCEPTED = "ACCEPTED"  # what a cheat must never get


@dataclass
class Report:
    """Everything that is shown and saved; lists have one entry per accepted window, in order."""

    source: Source
    device: str = SOFTWARE
    records: list[int] = field(default_factory=list)
    litres: list[Fraction] = field(default_factory=list)
    recomputed: list[Fraction] = field(default_factory=list)
    amounts: list[int] = field(default_factory=list)
    prove_seconds: list[float] = field(default_factory=list)
    verify_seconds: list[float] = field(default_factory=list)
    proof_bytes: list[int] = field(default_factory=list)
    cheats: dict[str, tuple[str, str]] = field(default_factory=dict)  # name: (what, answer)
    windows: int = 0
    paid_nanos: int = 0
    settled: Settled | None = None  # None where the ledger settles in its own books

    def summary(self) -> dict[str, Any]:
        """The document that ``summary.json`` holds."""
        return {
            "source": self.source.name,
            **({} if self.device == SOFTWARE else {"device": self.device}),
            "windows": self.windows,
            "accepted": len(self.litres),
            "litres_proven": _ratio(self.litres),
            "litres_recomputed_from_csv": _ratio(self.recomputed),
            "paid_nanos": self.paid_nanos,
            **({} if self.settled is None else _settled_document(self.settled)),
            "cheats": {name: answer for name, (_, answer) in self.cheats.items()},
            "prove_seconds": [round(s, 4) for s in self.prove_seconds],
            "verify_seconds": [round(s, 4) for s in self.verify_seconds],
            "proof_bytes": self.proof_bytes,
        }

    def write(self, path: Path) -> None:
        """Save the summary."""
        path.write_text(json.dumps(self.summary(), indent=2) + "\n", encoding="utf-8")

    def problems(self) -> list[str]:
        """What did not come out as it must; empty when all is well."""
        found = []
        if len(self.litres) != self.windows:
            found.append(f"{len(self.litres)} of {self.windows} claims accepted")
        if self.litres != self.recomputed:
            found.append("litres proven differ from litres recomputed from the CSV")
        if self.paid_nanos != sum(self.amounts):
            found.append("the ledger paid something else than the receipts say")
        if self.settled is not None:
            found += self.settled.problems(self.paid_nanos)
        for name, (_, answer) in self.cheats.items():
            if name == REPLAY and answer != DUPLICATE:
                found.append(f"the replay was answered {answer}")
            if name != REPLAY and answer in (ACCEPTED, DUPLICATE):
                found.append(f"the cheat {name} was accepted")
        return found


def _settled_document(settled: Settled) -> dict[str, Any]:
    payments = [{"digest": one.digest, "nanos": one.nanos} for one in settled.payments]
    return {"settlements": payments, "netted_nanos": settled.netted}


def _ratio(litres: Sequence[Fraction]) -> str:
    total = sum(litres, Fraction(0))
    return f"{total.numerator}/{total.denominator}"


def show(report: Report) -> None:
    """Print the windows, the money and the cheats."""
    console.print(_claims_table(report))
    if report.settled is not None:
        console.print(_settlements_table(report.settled))
        console.print(_anchor_table(report.settled.anchor))
    console.print(_cheats_table(report))


def _claims_table(report: Report) -> Table:
    table = _table("Accepted claims")
    for heading in ("window", "readings", "litres proven = CSV", "nanos paid"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("prove", "verify", "proof"):
        table.add_column(heading, justify="right", style="dim", no_wrap=True)
    rows = zip(
        report.records, report.litres, report.recomputed, report.amounts, report.prove_seconds,
        report.verify_seconds, report.proof_bytes, strict=True,
    )  # fmt: skip
    for index, (records, proven, csv, nanos, prove, verify, size) in enumerate(rows):
        table.add_row(
            str(index), str(records), _compared(proven, csv), str(nanos), f"{prove:.2f} s",
            f"{verify * 1000:.0f} ms", f"{size / 1000:.0f} kB",
        )  # fmt: skip
    totals = sum(report.litres, Fraction(0)), sum(report.recomputed, Fraction(0))
    records_paid = str(sum(report.records)), _compared(*totals), str(report.paid_nanos)
    table.add_row("all", *records_paid, style="bold")
    return table


def _compared(proven: Fraction, csv: Fraction) -> str:
    """Both figures rounded for reading; the sign between them compares the exact ones."""
    places = 3 if proven < 10**5 else 0
    sign = "=" if proven == csv else "[bold red]is not[/]"
    return f"{float(proven):.{places}f} {sign} {float(csv):.{places}f}"


def _settlements_table(settled: Settled) -> Table:
    table = _table("Settlements from the escrow to the supplier's wallet, final in a checkpoint")
    for heading in ("receipts", "nanos", "final in"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("transaction", no_wrap=True)
    for payment in settled.payments:
        first, last = payment.receipts
        checkpoint = "none" if payment.checkpoint is None else str(payment.checkpoint)
        table.add_row(f"{first}..{last}", str(payment.nanos), checkpoint, payment.digest)
    table.add_row("wallet", str(settled.payee_balance), "", "what the network says", style="bold")
    table.add_row("netted", str(settled.netted), "", "owed, too little for a settlement yet")
    return table


def _anchor_table(anchor: Anchor) -> Table:
    title = f"Receipt {anchor.sequence}, one of {anchor.count}, and the transaction with their root"
    table = _table(title)
    table.show_header = False
    table.add_column()
    table.add_column(no_wrap=True)
    table.add_row("receipt", anchor.receipt)
    for sibling in anchor.path:
        table.add_row("with", sibling)
    table.add_row("root", anchor.root)
    table.add_row("in", f"{anchor.transaction}, checkpoint {anchor.checkpoint}")
    return table


def _cheats_table(report: Report) -> Table:
    table = _table("Attempts to cheat, and the verifier's answers")
    for heading in ("attempt", "what was sent", "answer"):
        table.add_column(heading)
    for name, (what, answer) in report.cheats.items():
        style = "bold red" if answer == ACCEPTED else "green"
        table.add_row(name, what, f"[{style}]{answer}[/]")
    return table


def _table(title: str) -> Table:
    return Table(
        title=f"\n{title}", title_justify="left", title_style="bold", box=None,
        padding=(0, 2, 0, 0), header_style="underline",
    )  # fmt: skip
