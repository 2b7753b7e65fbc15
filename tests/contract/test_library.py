"""The library of contracts: each proven, checked, and worth what a person would work out."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from circuits.errors import BadInput, Reason, Rejected
from circuits.records import Records
from prover.claims import make_claim, plan_claim
from prover.prove import prove
from prover.recording import record_log
from prover.statements import open_statements
from prover.store import open_store
from tests.prover.rig import ROOT, make_rig
from verifier.claim import CheckedClaim
from verifier.contract import Terms, read_template
from verifier.kernel.parameters import PARAMETER_SETS
from verifier.kernel.verify import verify

CONTRACTS = ROOT / "examples" / "contracts"
SKAB = ROOT.parent / "shared" / "data" / "skab"
LOGS = sorted(SKAB.rglob("*.csv"))
Row = dict[str, Fraction]  # rounded values by channel, and "dt" in seconds


def template(name: str) -> str:
    return (CONTRACTS / f"{name}.toml").read_text(encoding="utf-8")


def claims(name: str, log: Path, directory: Path) -> tuple[list[CheckedClaim], Terms]:
    """Prove every span of a log under a contract; each claim is checked as a supplier would."""
    rig = make_rig(directory, template(name))
    contract = rig.load()
    result = record_log(log, contract.terms, rig.store, rig.device)
    span = contract.terms.windows_per_claim or result.windows
    out = []
    with open_store(rig.store) as store, open_statements(rig.operator) as statements:
        before = (0,) * len(contract.terms.outcomes)
        for first in range(0, result.windows, span):
            last = min(first + span, result.windows) - 1
            plan = plan_claim(contract, rig.operator_key, store, first, last)
            assert plan.before.totals == before
            before = tuple(a + b for a, b in zip(before, plan.own.totals, strict=True))
            out.append(make_claim(contract, rig.operator_key, plan, statements)[1])
    return out, contract.terms


def spans(terms: Terms, log: Path) -> list[list[Row]]:
    """The log's rows per claim, rounded as the contract says, read without the importer."""
    with log.open(encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream, delimiter=terms.log.delimiter))
    moments = [datetime.fromisoformat(line[terms.log.time]) for line in lines]
    length = timedelta(seconds=terms.window_seconds * (terms.windows_per_claim or 10**6))
    out: list[list[Row]] = []
    for place, (line, moment) in enumerate(zip(lines, moments, strict=True)):
        row = {"dt": Fraction((moment - moments[max(place - 1, 0)]) / timedelta(milliseconds=1))}
        row["dt"] /= 1000
        for channel in terms.channels:
            kind = channel.channel
            raw = round((Fraction(line[channel.column]) - kind.offset) / kind.scale)
            row[kind.name] = raw * kind.scale + kind.offset
        number = (moment - moments[0]) // length
        out += [[] for _ in range(number + 1 - len(out))]
        out[number].append(row)
    return out


def raw_records(terms: Terms, rows: list[Row]) -> NDArray[np.uint64]:
    """The rows as a device records them."""
    out = []
    for row in rows:
        kinds = [channel.channel for channel in terms.channels]
        raw = [int((row[kind.name] - kind.offset) / kind.scale) for kind in kinds]
        out.append([*raw, int(row["dt"] * 1000)])
    return np.array(out, dtype=np.uint64)


def litres(rows: list[Row]) -> list[Fraction]:
    enough = [r for r in rows if r["pressure"] >= Fraction("0.05")]
    return [sum((r["flow"] * r["dt"] for r in enough), Fraction(0)) / 60]


def cool(rows: list[Row]) -> list[Fraction]:
    return [Fraction(max(r["temperature"] for r in rows) <= Fraction("92.5"))]


def efficient(rows: list[Row]) -> list[Fraction]:
    kilowatt_hours = sum(r["voltage"] * r["current"] * r["dt"] for r in rows) / 3_600_000
    cubic_metres = sum(r["flow"] * r["dt"] for r in rows) / 60_000
    return [Fraction(kilowatt_hours / cubic_metres <= Fraction("0.1"))]


def available(rows: list[Row]) -> list[Fraction]:
    running = sum(r["dt"] for r in rows if r["flow"] >= Fraction("30.5"))
    cubic_metres = sum(r["flow"] * r["dt"] for r in rows) / 60_000
    return [
        Fraction(running / sum(r["dt"] for r in rows) >= Fraction("0.98")),
        Fraction(cubic_metres >= 1),
    ]


@pytest.mark.skipif(not LOGS, reason="no pump test bed logs beside this checkout")
@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("pressure", litres),
        ("temperature", cool),
        ("energy", efficient),
        ("availability", available),
    ],
)
def test_a_contract_over_the_pump_test_bed(
    name: str, by_hand: Callable[[list[Row]], list[Fraction]], tmp_path: Path
) -> None:
    log = SKAB / "valve1" / "0.csv"
    if name == "temperature":
        log = SKAB / "anomaly-free.csv"  # long enough for several spans
    checked, terms = claims(name, log, tmp_path)
    expected = [by_hand(rows) for rows in spans(terms, log)]
    assert [list(claim.outcomes) for claim in checked] == expected


@pytest.mark.skipif(not LOGS, reason="no pump test bed logs beside this checkout")
@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("pressure", litres),
        ("temperature", cool),
        ("energy", efficient),
        ("availability", available),
    ],
)
def test_the_meaning_over_the_whole_test_bed(
    name: str, by_hand: Callable[[list[Row]], list[Fraction]]
) -> None:
    terms = read_template(template(name))
    seen = set()
    for log in LOGS:
        opens = True
        for rows in spans(terms, log):
            records = raw_records(terms, rows)
            claim = Records(records, (len(records),), (0,), opens)
            values = list(terms.outcome_values(terms.circuit.measure(claim, {}).totals))
            assert values == by_hand(rows), log
            seen |= set(values)
            opens = False
    assert len(seen) > 1  # a condition that always holds would prove little


def test_workpieces_within_tolerance(tmp_path: Path) -> None:
    # a grinding wheel that wears: roughness drifts from 0.35 to 1.75 um, ends of the range exact
    pieces = [Fraction(350 + 7 * k, 1000) for k in range(201)] + [Fraction("0.4"), Fraction("1.6")]
    start = datetime(2024, 5, 1, 6, 0, tzinfo=UTC)
    lines = ["finished,Ra"]
    for place, roughness in enumerate(pieces):
        moment = start + timedelta(seconds=41 * place)
        lines.append(f"{moment.isoformat()},{float(roughness):.3f}")
    log = tmp_path / "pieces.csv"
    log.write_text("\n".join(lines) + "\n", encoding="utf-8")
    (claim,), terms = claims("workpieces", log, tmp_path / "site")
    good = sum(Fraction("0.4") <= roughness <= Fraction("1.6") for roughness in pieces)
    assert list(claim.outcomes) == [good]
    assert terms.cumulative_nanos((good,)) == good * 350_000_000


def test_a_false_bit_has_no_proof(tmp_path: Path) -> None:
    # a prover who does not check its own trace, once for each bit that could be claimed
    rig = make_rig(tmp_path / "site", template("temperature"))
    log = tmp_path / "log.csv"
    lines = ["datetime;Temperature"]
    lines += [f"2024-05-01T12:{minute:02}:00Z;{60 + minute}" for minute in range(40)]
    log.write_text("\n".join(lines) + "\n", encoding="utf-8")
    contract = rig.load()
    terms = contract.terms
    record_log(log, terms, rig.store, rig.device)
    parameters = PARAMETER_SETS[terms.parameter_set]
    with open_store(rig.store) as store:
        plans = [
            plan_claim(contract, rig.operator_key, store, 0, 29),
            plan_claim(contract, rig.operator_key, store, 30, 39),
        ]
    assert [plan.own.totals for plan in plans] == [(1,), (0,)]
    for plan in plans:
        lie = replace(plan.statement, totals=(1 - plan.own.totals[0],))
        with pytest.raises(BadInput, match="outcome 0 sign"):
            prove(terms.circuit, parameters, lie, plan.windows)
        proof = prove(terms.circuit, parameters, lie, plan.windows, check=False)
        with pytest.raises(Rejected) as refusal:
            verify(terms.circuit, parameters, lie, proof, terms.minimum_proven_bits)
        assert refusal.value.reason is Reason.PROOF_CONSTRAINTS
