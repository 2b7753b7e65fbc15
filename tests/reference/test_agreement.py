"""The kernel and the reference verifier give the same answer, reason for reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import count as count_from_zero
from random import Random

import pytest

from prover.kernels.montgomery import Words
from tests.forgery.dishonest import final_polynomial
from tests.kernel.malicious import Patch, shift_deep_polynomial, shift_fold
from tests.reference.cases import (
    ACCEPTED,
    Claim,
    contract_of,
    kernel_answer,
    make_claim,
    reference_answer,
    state_of,
)
from tests.reference.contracts import CASES
from tests.reference.mutations import MUTATIONS
from tests.reference.statement import Statement

PER_RUN = 54
PER_LONG_RUN = 3000


@cache
def claim_of(number: int) -> Claim:
    """A true claim of a case, proved once per run."""
    return make_claim(CASES[number], seed=number)


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.name for case in CASES])
def test_both_accept_true_claims(number: int) -> None:
    """Every contract and parameter set."""
    claim = claim_of(number)
    assert (kernel_answer(claim), reference_answer(claim)) == (ACCEPTED, ACCEPTED)


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.name for case in CASES])
def test_both_know_the_largest_proof(number: int) -> None:
    """Of that size it is read, and refused for its tag; a byte more is too much."""
    claim = claim_of(number)
    contract, state = contract_of(claim), state_of(claim)
    largest = Statement.of(contract, claim.checkpoints, claim.totals, state).maximum_bytes
    assert len(claim.proof) <= largest
    for size, reason in ((largest, "PROOF_VERSION"), (largest + 1, "PROOF_SIZE")):
        padded = replace(claim, proof=bytes(size))
        assert (kernel_answer(padded), reference_answer(padded)) == (reason, reason)


def folds_of(claim: Claim) -> int:
    """How many FRI layers a claim's proof has."""
    contract, state = contract_of(claim), state_of(claim)
    return Statement.of(contract, claim.checkpoints, claim.totals, state).folds


def test_the_cases_have_no_layer_one_and_two() -> None:
    """Every way in which the low-degree test goes is compared."""
    assert {folds_of(claim_of(number)) for number in range(len(CASES))} == {0, 1, 2}


@pytest.mark.parametrize("folds", range(3))
def test_lies_that_only_the_low_degree_test_sees(folds: int) -> None:
    """Honest about the consequences of one lie, so that no earlier check stands in the way."""
    path, final = "PROOF_FRI_PATH", "PROOF_FRI_FINAL"
    lies: list[tuple[Patch, str]] = [
        (shift_deep_polynomial, path if folds else final),
        (final_polynomial(without_last), final),
    ]
    lies += [(shift_fold(k), path if k < folds - 1 else final) for k in range(folds)]
    case = next(claim_of(n).case for n in range(len(CASES)) if folds_of(claim_of(n)) == folds)
    for lie, reason in lies:
        with pytest.MonkeyPatch.context() as patch:
            lie(patch)
            claim = make_claim(case, seed=1)
        assert (kernel_answer(claim), reference_answer(claim)) == (reason, reason)


def without_last(polynomial: Words) -> Words:
    """The highest coefficient left out, as many as before."""
    out = polynomial.copy()
    out[-1] = 0
    return out


def compare(count: int, seed: int) -> Counter[str]:
    """So many mutated claims; what both said, by reason. Fails on the first disagreement.

    A mutation that happens to change nothing is not counted; any other must be refused.
    """
    random = Random(seed)
    said: Counter[str] = Counter()
    for number in count_from_zero():
        if said.total() == count:
            break
        mutation = MUTATIONS[number % len(MUTATIONS)]
        claim, other = (claim_of(random.randrange(len(CASES))) for _ in range(2))
        mutated = mutation(random, claim, other)
        if replace(mutated, floor_bits=claim.floor_bits) == claim:
            continue
        kernel, reference = kernel_answer(mutated), reference_answer(mutated)
        where = f"{mutation.__name__}, number {number} of seed {seed}, on '{mutated.case.name}'"
        assert kernel == reference, f"{where}: kernel {kernel}, reference {reference}"
        assert kernel != ACCEPTED, where
        said[kernel] += 1
    return said


def test_mutated_claims() -> None:
    """A sample in every run."""
    said = compare(PER_RUN, seed=1)
    assert len(said) >= 5


@pytest.mark.long
def test_many_mutated_claims(capsys: pytest.CaptureFixture[str]) -> None:
    """Thousands, with a summary of what both said."""
    said = compare(PER_LONG_RUN, seed=2)
    reasons = ", ".join(f"{reason} {count}" for reason, count in said.most_common())
    with capsys.disabled():
        print(f"\nkernel and reference agreed on {said.total()} mutated claims: {reasons}")
