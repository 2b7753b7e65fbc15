"""Contracts that carry something from claim to claim, claimed in several pieces and paid."""

from __future__ import annotations

import csv
import random
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from prover.claims import make_claim, plan_claim
from prover.recording import record_log
from prover.statements import open_statements
from prover.store import open_store
from tests.contract.test_library import LOGS, SKAB, template
from tests.prover.rig import make_rig
from verifier.claim import CheckedClaim, Claim
from verifier.contract import Terms

Reading = tuple[datetime, str]


def write(path: Path, header: str, readings: Sequence[Reading]) -> Path:
    lines = [header, *(f"{moment.isoformat()},{value}" for moment, value in readings)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def claims(
    name: str, log: Path, directory: Path, windows: int
) -> tuple[list[tuple[Claim, CheckedClaim]], Terms]:
    """Prove a log in claims of so many windows; each is checked as a supplier would."""
    rig = make_rig(directory, template(name))
    contract = rig.load()
    result = record_log(log, contract.terms, rig.store, rig.device)
    out: list[tuple[Claim, CheckedClaim]] = []
    with open_store(rig.store) as store, open_statements(rig.operator) as statements:
        for first in range(0, result.windows, windows):
            last = min(first + windows, result.windows) - 1
            plan = plan_claim(contract, rig.operator_key, store, first, last)
            out.append(make_claim(contract, rig.operator_key, plan, statements))
    for (earlier, _), (later, _) in pairwise(out):
        assert (earlier.state is None) == (later.state is None)
        if earlier.state is not None and later.state is not None:
            assert later.state.before == earlier.state.after
            assert later.state.after != later.state.before
    return out, contract.terms


def values(made: list[tuple[Claim, CheckedClaim]]) -> list[Fraction]:
    return [checked.outcomes[0] for _, checked in made]


def amounts(made: list[tuple[Claim, CheckedClaim]]) -> list[int]:
    return [claim.amount_nanos for claim, _ in made]


def moments(log: Path) -> list[tuple[datetime, dict[str, str]]]:
    with log.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter=";"))
    return [(datetime.fromisoformat(row["datetime"]).replace(tzinfo=UTC), row) for row in rows]


@pytest.mark.skipif(not LOGS, reason="no pump test bed logs beside this checkout")
def test_starts_are_counted_across_claims(tmp_path: Path) -> None:
    log = SKAB / "valve1" / "0.csv"
    made, terms = claims("cycles", log, tmp_path, 4)
    rows = moments(log)
    above = [round(float(row["Volume Flow RateRMS"]) * 100) >= 3200 for _, row in rows]
    expected = [Fraction(0)] * len(made)
    at_an_edge = False
    for place in range(1, len(rows)):
        claim = int((rows[place][0] - rows[0][0]) / timedelta(minutes=4))
        rises = above[place] and not above[place - 1]
        expected[claim] += rises
        before = int((rows[place - 1][0] - rows[0][0]) / timedelta(minutes=4))
        at_an_edge |= above[place] and claim > before
    assert len(made) == 5
    assert values(made) == expected
    assert sum(expected) > 1
    assert at_an_edge  # a claim begins with running water: without state that would be a start
    assert sum(amounts(made)) == sum(expected) * 50_000_000
    assert terms.circuit.state[0].name == "rising((flow >= 32))"


def test_excursions_are_paid_in_whole_tens_of_minutes(tmp_path: Path) -> None:
    draw, start = random.Random(1), datetime(2024, 5, 1, tzinfo=UTC)
    readings: list[Reading] = []
    warm_until = -1
    for place in range(600):  # 50 hours, a record every five minutes
        if draw.random() < 0.04:
            warm_until = place + draw.choice([1, 2, 3, 5, 9])
        celsius = 8.1 + draw.random() if place < warm_until else 8.0 - 3 * draw.random()
        readings.append((start + timedelta(minutes=5 * place), f"{celsius:.1f}"))
    made, terms = claims(
        "cold_chain", write(tmp_path / "log.csv", "time,Celsius", readings), tmp_path / "site", 9
    )
    warm = [Fraction(value) > 8 for _, value in readings]
    minutes = [5 * all(warm[max(k - 2, 0) : k + 1]) * (k >= 2) for k in range(len(warm))]
    total, expected, paid = 0, [], 0
    for first in range(0, len(readings), 9 * 12):  # nine windows of an hour
        total += sum(minutes[first : first + 9 * 12])
        expected.append(Fraction(total // 10 * 10 - paid))
        paid = total // 10 * 10
    assert values(made) == expected
    assert any(sum(minutes[: 108 * k]) % 10 for k in range(1, len(made)))  # something is left over
    assert len({*expected}) > 2
    assert sum(amounts(made)) == paid * 400_000_000
    assert [variable.name for variable in terms.circuit.state] == [
        "held((temperature > 8), 3)",
        "rounded(sum(dt, where=held(temperature > 8, 3)) / 60, 10)",
    ]


@pytest.mark.parametrize(
    ("nights", "due"), [((21, 25, 30), (120, 0, 0)), ((20, 22, 9), (0, 120, 0))]
)
def test_a_premium_is_due_once(
    nights: tuple[int, ...], due: tuple[int, ...], tmp_path: Path
) -> None:
    start = datetime(2024, 5, 1, 21, tzinfo=UTC)
    readings: list[Reading] = []
    for night in range(90):
        good = night % 30 < nights[night // 30]
        evening = start + timedelta(days=night)
        for step in range(25 if good else 24):  # 240 or 241 minutes, or ten less
            readings.append((evening + timedelta(minutes=10 * step), "9.5"))
        hours = (5, 9, 13, 17, 21, Fraction(24 * 60 - 1, 60))
        readings += [(evening + timedelta(minutes=int(60 * h)), "0.0") for h in hours]
    log = write(tmp_path / "log.csv", "time,mask", readings)
    made, _ = claims("therapy", log, tmp_path / "site", 30)
    assert values(made) == [Fraction(number >= 21) for number in nights]
    assert amounts(made) == [nanos * 10**9 for nanos in due]


@pytest.mark.skipif(not LOGS, reason="no pump test bed logs beside this checkout")
def test_a_bill_reveals_the_amount_only(tmp_path: Path) -> None:
    log = SKAB / "anomaly-free.csv"
    made, terms = claims("bill", log, tmp_path, 3)
    rows = moments(log)
    begin, exact = rows[0][0], Fraction(0)
    owed, prices = [0] * len(made), set()
    for (before, _), (moment, row) in zip([rows[0], *rows[:-1]], rows, strict=True):
        window = int((moment - begin) / timedelta(seconds=900))
        hour = (begin + window * timedelta(seconds=900)).hour
        price = Fraction("0.31" if 6 <= hour < 14 else "0.24" if 14 <= hour < 22 else "0.18")
        prices.add(price)
        volts = Fraction(round(Fraction(row["Voltage"]) * 10), 10)
        amperes = Fraction(round(Fraction(row["Current"]) * 100), 100)
        step = Fraction((moment - before) / timedelta(milliseconds=1)) / 1000
        exact += price * volts * amperes * step / 3_600_000
        owed[window // 3] = int(exact * 10**9) - sum(owed[: window // 3])
    assert amounts(made) == owed
    assert [value * 10**9 for value in values(made)] == owed
    assert len(prices) > 1
    assert terms.circuit.outcomes[0].unit == Fraction(1, 10**9)


def test_process_capability(tmp_path: Path) -> None:
    draw, start = random.Random(3), datetime(2024, 5, 1, 6, tzinfo=UTC)
    readings: list[Reading] = []
    bits: list[Fraction] = []
    for shift, spread in enumerate((0.1, 0.14, 0.16, 0.3)):
        pieces = [round(draw.gauss(1.0, spread), 3) for _ in range(300)]
        pieces = [min(max(piece, 0.0), 4.0) for piece in pieces]
        for place, roughness in enumerate(pieces):
            moment = start + timedelta(hours=8 * shift, seconds=90 * place)
            readings.append((moment, f"{roughness:.3f}"))
        exact = [Fraction(f"{piece:.3f}") for piece in pieces]
        mean, variance = statistics.mean(exact), statistics.pvariance(exact)
        room = min(mean - Fraction("0.4"), Fraction("1.6") - mean)
        bits.append(Fraction(room > 0 and room**2 >= 9 * Fraction("1.33") ** 2 * variance))
    log = write(tmp_path / "log.csv", "finished,Ra", readings)
    made, _ = claims("capability", log, tmp_path / "site", 1)
    assert values(made) == bits
    assert len({*bits}) == 2
