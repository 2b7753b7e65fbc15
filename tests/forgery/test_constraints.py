"""Every constraint is needed: without it, and with all others, a false statement passes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest

from circuits.errors import Reason
from tests.forgery.cases import CASES, MANY_ROWS, Case
from tests.forgery.proofs import check_refused, usable_rows
from tests.forgery.strategies import (
    NOT_NEEDED,
    build,
    failing,
    forge_without,
    honest,
    is_true,
)
from tests.forgery.traces import Lie, reach
from verifier.kernel.parameters import ParameterSet

by_name = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


def kind(name: str) -> str:
    """A constraint's name without its numbers."""
    return re.sub(r"\d+", "#", name)


def names(case: Case) -> list[str]:
    """The constraints that must be needed, in the circuit's order."""
    return [c.name for c in case.circuit.constraints if c.name not in NOT_NEEDED]


def one_of_each_kind(case: Case, seed: int) -> list[str]:
    """One constraint of every kind, drawn anew for every case."""
    groups: dict[str, list[str]] = {}
    for name in names(case):
        groups.setdefault(kind(name), []).append(name)
    random = np.random.default_rng(seed)
    return [str(random.choice(group)) for group in groups.values()]


def check_needed(case: Case, chosen: Iterable[str]) -> Counter[str]:
    """Drop each of these; how many false statements passed without it, by kind."""
    passed: Counter[str] = Counter()
    for name in chosen:
        forgery = forge_without(case, name)
        assert failing(case.circuit, forgery.trace, forgery.statement) == {name}
        assert not is_true(case.circuit, forgery.statement, forgery.trace)
        passed[kind(name)] += 1
    return passed


def say(capsys: pytest.CaptureFixture[str], case: Case, passed: Counter[str]) -> None:
    with capsys.disabled():
        print(
            f"\n{case.name}: {passed.total()} of {case.circuit.constraint_count} constraints "
            f"dropped, {len(passed)} kinds: a false statement passed without each, none with all"
        )


@by_name
def test_the_honest_trace_satisfies_every_constraint(case: Case) -> None:
    true = honest(case)
    assert failing(case.circuit, true.trace, true.statement) == set()
    assert is_true(case.circuit, true.statement, true.trace)
    assert true.statement.totals == case.log.totals(case.circuit)
    assert true.statement.checkpoints == case.log.checkpoints
    assert len(set(names(case)) | NOT_NEEDED) == case.circuit.constraint_count


@by_name
def test_one_constraint_of_each_kind_is_needed(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    say(capsys, case, check_needed(case, one_of_each_kind(case, seed=CASES.index(case))))


@pytest.mark.long
@by_name
def test_every_constraint_is_needed(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    say(capsys, case, check_needed(case, names(case)))


@pytest.mark.long
def test_free_digits_of_a_narrow_sum_wrap_over_many_rows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # here no single row's carry comes near p: the excess is spread over 2^12 rows and more
    assert honest(MANY_ROWS).trace.columns.shape[1] > 2**12
    digits = [n for n in names(MANY_ROWS) if re.search(r"(limb|carry) \d+ digits", n)]
    passed = check_needed(MANY_ROWS, digits)
    assert len(passed) == 3  # the limb's last one is a bit
    say(capsys, MANY_ROWS, passed)


@by_name
def test_the_row_after_the_last_one_may_be_active(case: Case) -> None:
    """``row after last inactive`` protects nothing: what it forbids changes no statement.

    Both chain values and all totals are bound on the last active row, ``active`` is 1 up to there
    without it, and what later rows count flows into no public value.
    """
    after = honest(case).trace.layout.active_rows
    cells: dict[tuple[str, int], int] = {}
    for name in case.circuit.columns:  # the padding row's readings are zero: below every threshold
        found = re.fullmatch(r"(\w+@\d+ >= (\d+) digits)\[(\d+)\]", name)
        if found:
            spelled = reach(case.circuit, found[1]) - int(found[2])
            cells[name, after] = spelled >> 2 * int(found[3]) & 3
    forgery = build(case, Lie(active={after: 1}, cells=cells))
    assert failing(case.circuit, forgery.trace, forgery.statement) == NOT_NEEDED
    assert forgery.statement == honest(case).statement
    assert is_true(case.circuit, forgery.statement, forgery.trace)


# the same forgeries as proofs

PROVED = (
    (0, "full round 3[5]"),
    (0, "flow@1 >= 200000"),
    (0, "dt_ms digits@2[9] digit"),
    (0, "outcome 0 carry 1 digits[3] digit"),
    (0, "outcome 0 limb 2 digits[9] boolean"),
    (1, "outcome 0 limb 0 digits[4] digit"),
    (1, "padding of slot 1[2]"),
    (2, "active never rises"),
    (3, "chain_out[7]"),
)
PROVED_LONG = (
    (0, "partial round 20"),
    (0, "chain_in[0]"),
    (0, "chain flows[4]"),
    (0, "flow@3 >= 100001"),
    (0, "flow@2 >= 100001 digits[3] digit"),
    (1, "outcome 0 carry 0 digits[8] boolean"),
    (3, "x@1 >= 8 digits[1] boolean"),
    (1, "dt_ms digits@1"),
    (1, "outcome 0 limb 1 adds"),
    (1, "outcome 1 limb 0 starts"),
    (1, "outcome 1 limb 1 is public"),
    (2, "last row active"),
    (2, "outcome 2 limb 0 adds"),
)


@pytest.mark.reason(Reason.PROOF_CONSTRAINTS)
@pytest.mark.parametrize(
    ("number", "name"),
    [
        *(pytest.param(*each, id=each[1]) for each in PROVED),
        *(pytest.param(*each, id=each[1], marks=pytest.mark.long) for each in PROVED_LONG),
    ],
)
def test_a_forged_trace_is_a_valid_proof_without_the_constraint_only(
    number: int, name: str, parameters: ParameterSet
) -> None:
    case = CASES[number]
    forgery = forge_without(case, name)
    usable = usable_rows(case.circuit, parameters, forgery.statement)
    longer = build(case, forgery.lie, forgery.blocks, usable).trace
    check_refused(case.circuit, parameters, name, forgery.statement, longer)
