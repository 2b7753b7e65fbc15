"""Every contract whose channels the pump test bed has, proven over every one of its logs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from circuits.records import Records
from tests.contract.test_carried_library import claims
from tests.contract.test_library import CONTRACTS, LOGS, SKAB, raw_records, spans, template
from verifier.contract import read_template

WINDOWS_PER_CLAIM = 8  # where the contract leaves it open


def names() -> list[str]:
    """The contracts that read nothing but what the logs record."""
    if not LOGS:
        return []
    with LOGS[0].open(encoding="utf-8") as stream:
        columns = set(stream.readline().strip().split(";"))
    found = []
    for path in sorted(CONTRACTS.glob("*.toml")):
        terms = read_template(path.read_text(encoding="utf-8"))
        if {channel.column for channel in terms.channels} <= columns:
            found.append(path.stem)
    return found


@pytest.mark.skipif(not LOGS, reason="no pump test bed logs beside this checkout")
def test_most_contracts_fit_the_test_bed() -> None:
    assert {"pressure", "temperature", "energy", "availability", "cycles", "bill"} <= {*names()}


@pytest.mark.parametrize("log", LOGS, ids=[str(log.relative_to(SKAB)) for log in LOGS])
@pytest.mark.parametrize("name", names())
def test_what_is_proven_is_what_the_evaluator_says(name: str, log: Path, tmp_path: Path) -> None:
    windows = read_template(template(name)).windows_per_claim or WINDOWS_PER_CLAIM
    made, terms = claims(name, log, tmp_path, windows)
    totals = [claim.totals for claim, _ in made]
    # the same records, read without the importer and measured all at once
    (rows,) = spans(replace(terms, windows_per_claim=None), log)
    checkpoints = [made[0][0].first]
    checkpoints += [each.checkpoint for claim, _ in made for each in claim.checkpoints[1:]]
    records = Records.between(checkpoints, raw_records(terms, rows))
    whole = terms.circuit.measure(records, {})
    for place, outcome in enumerate(terms.circuit.outcomes):
        proven = [each[place] for each in totals]
        if outcome.additive:
            assert sum(proven) == whole.totals[place]
        else:
            pieces = records.split(windows)
            assert proven == [terms.circuit.measure(piece, {}).totals[place] for piece in pieces]
