"""Hostile bytes: nothing but a reason leaves, nothing false is accepted, decoding is an inverse."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from circuits.errors import BadInput, Reason
from tests.fuzz.campaign import Outcome, have_atheris, run_seeded
from tests.fuzz.corpus import CORPUS_FILE, load_corpus
from tests.fuzz.proofs import VERIFY_REASONS, WEAK, subject
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS
from tests.support import contract_text
from verifier.contract import Terms, load_contract
from verifier.kernel.parameters import STANDARD

ROOT = Path(__file__).resolve().parents[2]
# executions of the seeded mutator in an ordinary run: by what one costs
ORDINARY = {
    "checkpoint": 20_000,
    "claim": 10_000,
    "receipt": 10_000,
    "signature file": 200,
    "payment plan": 5_000,
    "formula": 2_000,
    "contract": 2_000,
    "contract fields": 500,
    "proof": 300,
    "accept": 400,
    "gateway": 300,
}
# executions in the long run; together more than a million
LONG = {
    "accept": 35_000,
    "proof": 35_000,
    "contract fields": 30_000,
    "contract": 60_000,
    "formula": 60_000,
    "signature file": 10_000,
    "payment plan": 100_000,
    "claim": 350_000,
    "receipt": 250_000,
    "checkpoint": 500_000,
    "gateway": 20_000,
}
LONG_SECONDS = 600  # a campaign that is not done by then ends; the total is still asserted
LONG_TOTAL = 1_000_000
# outcomes that the corpus must reach, besides valid input: the deepest that edits can get to
PROOF_LATE = {
    *(Reason.PROOF_CONSTRAINTS, Reason.PROOF_TRACE_PATH, Reason.PROOF_QUOTIENT_PATH),
    Reason.PROOF_FRI_PATH,
}
ACCEPT_DEEP = {
    *(Reason.CONTRACT_INACTIVE, Reason.OPERATOR_SIGNATURE, Reason.DEVICE_UNKNOWN),
    *(Reason.DEVICE_REVOKED, Reason.DEVICE_FROZEN, Reason.CHECKPOINT_SCHEMA),
    *(Reason.CHECKPOINT_SEQUENCE, Reason.CHECKPOINT_COUNTS, Reason.CHECKPOINT_TIMES),
    *(Reason.CHECKPOINT_FUTURE, Reason.CHECKPOINT_GENESIS, Reason.CLAIM_SPAN, Reason.EPOCH_LINK),
    *(Reason.HEAD_MISMATCH, Reason.EQUIVOCATION, Reason.CIRCUIT_MISMATCH, Reason.PARAMETER_SET),
    *(Reason.TRACE_LENGTH, Reason.PROOF_CONSTRAINTS, Reason.CUMULATIVE_MISMATCH),
    *(Reason.ESCROW_SHORT, Reason.OUTCOME_RANGE),
    *(Reason.STATE_MISMATCH, Reason.CLAIM_MALFORMED),
}
DEEP: dict[str, set[str]] = {
    "checkpoint": {"checkpoint", "opening", Reason.CHECKPOINT_MALFORMED},
    "claim": {
        *("claim", "claim with state"),
        *(Reason.CLAIM_MALFORMED, Reason.CLAIM_VERSION, Reason.CHECKPOINT_MALFORMED),
    },
    "receipt": {"receipt", "receipt with state", "receipt unsigned", "RECEIPT"},
    "signature file": {"signature", "signature of something else", "CONTRACT_UNSIGNED"},
    "payment plan": {"plan", "sponsored plan", "SETTLEMENT_PLAN"},
    "formula": {"circuit", "state", "FORMULA", "OVERFLOW"},
    "contract": {
        "terms",
        "terms with state",
        "CONTRACT_SYNTAX",
        "CONTRACT_FIELD",
        "FORMULA",
        "OVERFLOW",
    },
    "contract fields": {
        *("terms", "terms with state", "CONTRACT_SYNTAX", "CONTRACT_FIELD", "FORMULA"),
    },
    "proof": {"proof", *PROOF_LATE},
    "accept": {"accepted", "duplicate", "checked", *ACCEPT_DEEP},
    "gateway": {
        *("session", "window", "status", "clock", "FRAME", "CHECKPOINT", "EQUIVOCATION"),
        *("WINDOW_INCOMPLETE", "WINDOW_UNREADABLE", "WINDOW_MISMATCH"),
        *("DEVICE_MISMATCH", "SCHEMA_MISMATCH"),
    },
}


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_reaches_what_it_did(name: str) -> None:
    target = TARGETS[name]
    inputs = [*target.seeds(), *load_corpus()[name]]
    reached = {str(target.run(data)) for data in inputs}
    assert {str(label) for label in DEEP[name]} <= reached


def test_the_corpus_is_small() -> None:
    assert CORPUS_FILE.stat().st_size < 300_000
    assert set(load_corpus()) == set(TARGETS)


@pytest.mark.parametrize("name", ORDINARY)
def test_seeded_mutations(name: str) -> None:
    outcome = run_seeded(TARGETS[name], ORDINARY[name], seed=1)
    assert outcome.findings == {}
    assert outcome.executions == ORDINARY[name]
    assert len(outcome.labels) > 1


@pytest.mark.parametrize("parameters", [WEAK, STANDARD], ids=lambda p: str(p.name))
def test_two_proofs_of_one_statement_share_nothing_but_the_statement(parameters: object) -> None:
    first, second = subject(WEAK if parameters is WEAK else STANDARD).proofs
    assert first != second
    assert first[6:38] != second[6:38]


def test_a_contract_with_a_long_file_name(tmp_path: Path) -> None:
    path = tmp_path / f"{'c' * 245}.toml"  # the signature's name is longer than a name may be
    path.write_text(contract_text(), encoding="utf-8")
    with contextlib.suppress(BadInput):
        load_contract(path)


def test_messages_carry_no_control_characters() -> None:
    with pytest.raises(BadInput) as caught:
        Terms.from_toml('"\\u001b]0;title\\u0007" = 1\n' + contract_text())
    assert caught.value.message.isprintable()


def test_a_formula_makes_no_noise() -> None:
    text = contract_text().replace("sum(flow * dt_ms) / 60000", "1if 0else 2")
    with warnings.catch_warnings(record=True) as noise:
        warnings.simplefilter("always")
        with pytest.raises(BadInput):
            Terms.from_toml(text)
    assert noise == []


def test_a_finding_is_kept_with_its_smallest_input() -> None:
    def broken(data: bytes) -> str:
        if b"!" in data:
            raise KeyError("planted")
        return "fine"

    target = Target("planted", broken, lambda: [b"here it is: !" * 3, b"!", b"?"], 64)
    outcome = run_seeded(target, 2_000, seed=0)
    (found,) = outcome.findings.items()
    assert "KeyError at test_hostile_bytes.py" in found[0]
    assert found[1] == "IQ=="
    assert outcome.labels["fine"] + 1 < outcome.executions


def _campaign(name: str) -> Outcome:
    """One campaign in a process of its own; atheris where it can be imported."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.fuzz.campaign", name),
            *("--executions", str(LONG[name]), "--seconds", str(LONG_SECONDS)),
        ],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=2 * LONG_SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, f"{name}: {done.stdout[-1000:]} {done.stderr[-3000:]}"
    return Outcome(**json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.long
def test_a_million_executions(capsys: pytest.CaptureFixture[str]) -> None:
    with ThreadPoolExecutor(2) as pool:  # two processes at a time
        outcomes = list(pool.map(_campaign, LONG))
    total = sum(outcome.executions for outcome in outcomes)
    with capsys.disabled():
        print()
        for outcome in outcomes:
            print(outcome.summary())
        print(f"fuzzing: {total} executions, {sum(o.seconds for o in outcomes):.0f} s of processes")
    assert {o.target: o.findings for o in outcomes if o.findings} == {}
    assert total >= LONG_TOTAL
    assert {o.engine for o in outcomes} == {"atheris" if have_atheris() else "seeded"}
    reached = {label for o in outcomes if o.target == "proof" for label in o.labels}
    assert len(reached & {str(r) for r in VERIFY_REASONS}) >= 6
