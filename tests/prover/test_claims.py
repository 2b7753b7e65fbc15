"""From the store to a claim that the verifier's own checks accept."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from circuits.checkpoint import ZERO_CHAIN, Status
from circuits.errors import BadInput, InputReason
from prover.claims import claim_windows, make_claim, plan_claim
from prover.recording import record_log
from prover.statements import open_statements
from prover.store import open_store
from tests.prover.rig import COLUMN, PUMP, T0_MS, Rig, log_text, make_rig, steady_log
from verifier.claim import Claim, check_claim, decode_claim
from verifier.contract import SignedContract, Start, Terms

FIRST_EPOCH_SECONDS = 330  # windows 0..5
SECOND_EPOCH_SECONDS = 130  # windows 0..2, from second 400


def flows(text: str) -> list[tuple[int, Fraction]]:
    """(second, flow) of a log, for recomputing."""
    out: list[tuple[int, Fraction]] = []
    for line in text.splitlines()[1:]:
        moment, _, flow = line.split(";")
        hours, minutes, seconds = moment.split(" ")[1].split(":")
        out.append((int(hours) * 3600 + int(minutes) * 60 + int(seconds), Fraction(flow)))
    return out


def litres(text: str, first: int, last: int) -> Fraction:
    """Litres over 60-second windows first..last, straight from the log's text."""
    rows = flows(text)
    start = rows[0][0]
    total = Fraction(0)
    for (before, _), (moment, flow) in zip([rows[0], *rows], rows, strict=False):
        if first <= (moment - start) // 60 <= last:
            total += flow * (moment - before) / 60
    return total


FIRST_LOG = steady_log(FIRST_EPOCH_SECONDS)
SECOND_LOG = steady_log(SECOND_EPOCH_SECONDS, first_second=400)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    rig = make_rig(tmp_path_factory.mktemp("site"))
    for text in (FIRST_LOG, SECOND_LOG):
        (rig.directory / "log.csv").write_text(text)
        record_log(rig.directory / "log.csv", rig.terms, rig.store, rig.device)
    return rig


def claim(
    rig: Rig, tmp_path: Path, first: int, last: int, epoch: int | None = None
) -> tuple[Claim, tuple[Fraction, ...]]:
    """A claim whose statement record is the test's own."""
    made, checked = claim_windows(
        rig.load(), rig.store, tmp_path, rig.operator_key, (first, last), epoch
    )
    return made, checked.outcomes


def refused(contract: SignedContract, rig: Rig, *span: int, epoch: int | None = None) -> BadInput:
    with open_store(rig.store) as store, pytest.raises(BadInput) as caught:
        plan_claim(contract, rig.operator_key, store, span[0], span[1], epoch)
    return caught.value


def with_terms(rig: Rig, **changes: object) -> SignedContract:
    contract = rig.load()
    terms: Terms = replace(contract.terms, **changes)  # type: ignore[arg-type]
    return replace(contract, terms=terms)


def test_a_claim_passes_the_verifiers_checks(rig: Rig, tmp_path: Path) -> None:
    made, outcomes = claim(rig, tmp_path, 2, 4, epoch=0)
    assert decode_claim(made.encode()) == made
    assert check_claim(made, rig.load()).outcomes == outcomes
    assert outcomes == (litres(FIRST_LOG, 2, 4),)
    before = litres(FIRST_LOG, 0, 1)
    after = before + outcomes[0]
    nanos = Fraction(2_000_000)
    assert made.amount_nanos == (after * nanos).__floor__() - (before * nanos).__floor__()
    assert made.voucher.cumulative_nanos == (after * nanos).__floor__()
    assert (made.records_before, made.records_after) == (120, 300)


def test_the_latest_epoch_is_the_default_and_counts_the_one_before(
    rig: Rig, tmp_path: Path
) -> None:
    made, outcomes = claim(rig, tmp_path, 0, 2)
    assert made.first.epoch == 1
    assert made.records_before == FIRST_EPOCH_SECONDS
    assert outcomes == (litres(SECOND_LOG, 0, 2),)
    assert rig.terms.outcome_values(made.totals_before) == (litres(FIRST_LOG, 0, 5),)


def test_windows_that_only_an_earlier_epoch_has(rig: Rig) -> None:
    with open_store(rig.store) as store:
        assert plan_claim(rig.load(), rig.operator_key, store, 3, 5).span.epoch == 0


def test_the_same_statement_may_be_proved_again(rig: Rig, tmp_path: Path) -> None:
    first, _ = claim(rig, tmp_path, 0, 0, epoch=0)
    again, _ = claim(rig, tmp_path, 0, 0, epoch=0)
    assert first.statement_digest == again.statement_digest
    assert first.proof != again.proof
    for span in ((0, 1), (0, 5)):
        with pytest.raises(BadInput) as caught:
            claim(rig, tmp_path, *span, epoch=0)
        assert caught.value.reason is InputReason.STATEMENT_CONFLICT


@pytest.mark.parametrize(
    ("first", "last", "epoch", "part"),
    [
        (0, 6, None, "0..6"),
        (0, 6, 0, "0..5"),
        (0, 0, 2, "no epoch 2"),
        (7, 9, None, "7..9"),
    ],
)
def test_windows_that_are_not_there(
    rig: Rig, first: int, last: int, epoch: int | None, part: str
) -> None:
    error = refused(rig.load(), rig, first, last, epoch=epoch)
    assert error.reason is InputReason.WINDOWS
    assert part in error.message


def test_policy_is_checked_before_proving(rig: Rig) -> None:
    changes: list[dict[str, object]] = [
        {"windows_per_claim": 2},
        {"valid_from_ms": T0_MS + 60_001},
        {"valid_until_ms": T0_MS + 119_999},
        {"window_seconds": 61},
        {"start": Start(1, 0, ZERO_CHAIN)},
        {"start": Start(0, 2, ZERO_CHAIN)},
        {"start": Start(0, 99, ZERO_CHAIN)},
    ]
    for change in changes:
        error = refused(with_terms(rig, **change), rig, 1, 1, epoch=0)
        assert error.reason is InputReason.WINDOWS, change


def test_the_span_and_validity_that_fit(rig: Rig) -> None:
    contract = with_terms(
        rig, windows_per_claim=1, valid_from_ms=T0_MS + 60_000, valid_until_ms=T0_MS + 120_000
    )
    with open_store(rig.store) as store:
        assert plan_claim(contract, rig.operator_key, store, 1, 1, 0).own.records == 60


def test_a_named_start_is_where_counting_begins(rig: Rig) -> None:
    device = rig.terms.parties.device
    with open_store(rig.store) as store:
        checkpoint = store.checkpoints(device, 0, 2, 2)[0].checkpoint
        contract = with_terms(rig, start=Start(0, 2, checkpoint.chain))
        plan = plan_claim(contract, rig.operator_key, store, 4, 4, 0)
        assert plan.before.records == 120
        assert plan_claim(contract, rig.operator_key, store, 2, 2, 0).before.records == 0
    assert "starts at checkpoint 2" in refused(contract, rig, 1, 2, epoch=0).message


def test_a_start_at_the_end_of_an_epoch(rig: Rig) -> None:
    device = rig.terms.parties.device
    with open_store(rig.store) as store:
        end = store.checkpoints(device, 0, 6, 6)[0].checkpoint
        contract = with_terms(rig, start=Start(0, 6, end.chain))
        assert plan_claim(contract, rig.operator_key, store, 0, 0, 1).before.records == 0
        assert plan_claim(contract, rig.operator_key, store, 1, 2, 1).before.records == 60
        assert {w.checkpoint for w in store.windows()} >= {Start(0, 6, end.chain).text}
    assert "starts at checkpoint 6" in refused(contract, rig, 5, 5, epoch=0).message


def test_a_store_that_begins_after_the_start(tmp_path: Path) -> None:
    """The device's first epoch went to another store: the next one's opening names its end."""
    rig = make_rig(tmp_path)
    (tmp_path / "log.csv").write_text(FIRST_LOG)
    record_log(tmp_path / "log.csv", rig.terms, tmp_path / "elsewhere", rig.device)
    with open_store(tmp_path / "elsewhere") as store:
        end = store.checkpoints(rig.terms.parties.device, 0, 6, 6)[0].checkpoint
    (tmp_path / "log.csv").write_text(SECOND_LOG)
    record_log(tmp_path / "log.csv", rig.terms, rig.store, rig.device)
    contract = with_terms(rig, start=Start(0, 6, end.chain))
    with open_store(rig.store) as store:
        assert plan_claim(contract, rig.operator_key, store, 1, 2).before.records == 60
    other = with_terms(rig, start=Start(0, 5, end.chain))
    assert "starting checkpoint" in refused(other, rig, 1, 2).message


def test_fixed_spans_are_checked_before_proving(rig: Rig) -> None:
    """Six windows in spans of four: 0..3 and 4..5; a shorter claim only where the epoch ends."""
    contract = with_terms(rig, windows_per_claim=4)
    with open_store(rig.store) as store:
        for first, last in ((0, 3), (4, 5)):
            assert plan_claim(contract, rig.operator_key, store, first, last, 0).span.last == last
    for first, last, part in ((0, 2, "nothing more"), (0, 4, "<= 4"), (1, 4, "multiple of 4")):
        error = refused(contract, rig, first, last, epoch=0)
        assert error.reason is InputReason.WINDOWS
        assert part in error.message


def test_other_channels_are_refused(rig: Rig) -> None:
    channel = rig.terms.channels[0]
    other = replace(channel, channel=replace(channel.channel, bits=17))
    assert "channels" in refused(with_terms(rig, channels=(other,)), rig, 0, 1, epoch=0).message


def test_only_the_operators_key_claims(rig: Rig, tmp_path: Path) -> None:
    from verifier.keys import load_keys

    with open_store(rig.store) as store:
        plan = plan_claim(rig.load(), rig.operator_key, store, 0, 0, 0)
    with open_statements(tmp_path) as statements, pytest.raises(BadInput) as caught:
        make_claim(rig.load(), load_keys(rig.supplier), plan, statements)
    assert caught.value.reason is InputReason.KEY


def test_every_kind_of_outcome_in_one_claim(tmp_path: Path) -> None:
    """Sums, integrals and counts, two channels, an offset, an empty window, a priced count."""
    outcome = '[[outcomes]]\nname = "{}"\nformula = "{}"\nunit = "1"\nreveal = "exact"\n'
    template = PUMP.read_text(encoding="utf-8")
    template += (
        '[[channels]]\nname = "pressure"\ncolumn = "Pressure"\nunit = "bar"\nscale = "0.1"\n'
        'offset = "-1"\nbits = 10\nrounding = "nearest"\n'
    )
    template += outcome.format("low", "count(flow <= 31.5)") + 'price = "0.5"\n'
    template += outcome.format("high", "count(flow >= 31.5) / 2")
    template += outcome.format("mean", "sum(pressure) / 3")
    rig = make_rig(tmp_path, template)
    rows = [(0, "31.5"), (1000, "30"), (130_000, "31.499"), (131_500, "33"), (300_000, "32")]
    (tmp_path / "log.csv").write_text(log_text(rows))
    assert COLUMN in (tmp_path / "log.csv").read_text()
    record_log(tmp_path / "log.csv", rig.terms, rig.store, rig.device)
    made, checked = claim_windows(rig.load(), rig.store, rig.operator, rig.operator_key, (0, 5))
    assert made.records == 5
    volume = Fraction(30 * 1000 + 33 * 1500 + 32 * 168_500, 60_000) + Fraction("31.499") * 129 / 60
    assert checked.outcomes == (volume, Fraction(3), Fraction(3, 2), Fraction(5, 30))
    assert made.amount_nanos == (volume * 2_000_000).__floor__() + 3 * 500_000_000


def test_missed_samples_are_reported_and_left_out(tmp_path: Path) -> None:
    """A gap of three periods and an empty cell: four samples less, and the device says so."""
    template = PUMP.read_text(encoding="utf-8").replace("bits = 18", "bits = 18\nmay_miss = true")
    template = template.replace('time = "datetime"', 'time = "datetime"\nperiod_ms = 1000')
    outcome = '[[outcomes]]\nname = "{}"\nformula = "{}"\nunit = "1"\nreveal = "exact"\n'
    template += outcome.format("mean", "sum(flow)") + outcome.format("lost", "count(missing(flow))")
    rig = make_rig(tmp_path, template)
    rows = [(0, "30"), (1000, "31"), (2000, ""), (6000, "32")]
    rows += [(1000 * k, "1") for k in range(7, 62)]
    (tmp_path / "log.csv").write_text(log_text(rows))
    result = record_log(tmp_path / "log.csv", rig.terms, rig.store, rig.device)
    assert result.records == 62
    made, checked = claim_windows(rig.load(), rig.store, rig.operator, rig.operator_key, (0, 1))
    assert list(checked.outcomes[1:]) == [30 + 31 + 32 + 55, 4]
    assert made.records == 62
    assert [s.checkpoint.flags for s in made.checkpoints] == [
        Status.NONE, Status.MISSED, Status.MISSED,
    ]  # fmt: skip
