"""Checking proofs in other processes, so that a service uses all cores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from circuits.errors import Reason, Rejected
from verifier.claim import Claim, decode_claim
from verifier.claim.checks import check_proof
from verifier.contract import Terms
from verifier.workers import Workers

Refusal = tuple[Reason, str, object, object]


def proof_refusal(claim_bytes: bytes, terms: Terms) -> Refusal | None:
    """What ``check_proof`` says, as a value that can pass between processes."""
    try:
        check_proof(decode_claim(claim_bytes), terms)
    except Rejected as rejected:
        return rejected.reason, rejected.detail, rejected.expected, rejected.got
    return None


def proof_check_in(workers: Workers, claim_bytes: bytes) -> Callable[[Claim, Terms], None]:
    """``check_proof`` of the claim with these bytes, computed in a worker.

    ``WorkerDied`` or ``WorkerFailed`` when there is no answer; then nothing was decided.
    """
    return partial(_check_in, workers, claim_bytes)


def _check_in(workers: Workers, claim_bytes: bytes, _claim: Claim, terms: Terms) -> None:
    # a copy of the terms lacks what was derived from them: the worker has its own circuit
    refusal = workers.call(proof_refusal, claim_bytes, replace(terms))
    if refusal is not None:
        reason, detail, expected, got = refusal
        raise Rejected(reason, detail, expected=expected, got=got)
