"""Litres proven, litres as the demo recomputes them, and litres by hand are the same number."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from examples.demo.source import ROOT, pump
from prover.claims import make_claim, plan_claim
from prover.recording import record_log
from prover.statements import open_statements
from prover.store import open_store
from tests.prover.rig import Rig, make_rig

SKAB = ROOT.parent / "shared" / "data" / "skab"
LOGS = sorted(SKAB.rglob("*.csv"))
STEPS_AND_FLOWS = [
    (0.0, "0"), (1, "0.0005"), (0.001, "0.0015"), (59.998, "262.142"), (0.5, "7"), (400, "1e2"),
    (1, "99.9995"), (1, "3"), (61, "5"),
]  # fmt: skip


def proven_litres(rig: Rig, log: Path) -> tuple[Fraction, int]:
    """Import a log, prove all of it in one claim, check the claim; its litres and windows."""
    contract = rig.load()
    result = record_log(log, contract.terms, rig.store, rig.device)
    with open_store(rig.store) as store:
        plan = plan_claim(contract, rig.operator_key, store, 0, result.windows - 1)
    with open_statements(rig.operator) as statements:
        _, checked = make_claim(contract, rig.operator_key, plan, statements)
    return checked.outcomes[0], result.windows


@pytest.mark.skipif(not LOGS, reason="no pump test bed logs beside this checkout")
@pytest.mark.parametrize("log", LOGS, ids=lambda path: path.relative_to(SKAB).as_posix())
def test_pump_test_bed(log: Path, tmp_path: Path) -> None:
    litres, windows = proven_litres(make_rig(tmp_path), log)
    assert litres == sum(pump(log, "", "").litres(windows), Fraction(0))


def test_a_log_with_gaps_zeros_and_many_digits(tmp_path: Path) -> None:
    time = datetime(2024, 2, 29, 23, 58, 30, tzinfo=UTC)
    lines = ["datetime;Other;Volume Flow RateRMS"]
    for step, flow in STEPS_AND_FLOWS:
        time += timedelta(seconds=step)
        lines.append(f"{time.isoformat(timespec='milliseconds')};x;{flow}")
    log = tmp_path / "log.csv"
    log.write_text("\n".join(lines) + "\n", encoding="utf-8")
    litres, windows = proven_litres(make_rig(tmp_path), log)
    assert windows == 9  # five of them empty
    assert litres == sum(pump(log, "", "").litres(windows), Fraction(0))
    # by hand, in L/min times ms over 60000; 0.0005 and 0.0015 are ties, rounded to even steps
    by_hand = [
        ("0", 1000), ("0.002", 1), ("262.142", 59998), ("7", 500), ("100", 400_000),
        ("100", 1000), ("3", 1000), ("5", 61_000),
    ]  # fmt: skip
    assert litres == sum(Fraction(flow) * ms for flow, ms in by_hand) / 60_000
