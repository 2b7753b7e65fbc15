"""Situations in which a verifier finds itself, and the true claims that continue them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache

from circuits.checkpoint import Status
from circuits.statement import StateLink
from tests.accept.refusals import after_claims, fresh
from tests.support import NOW_MS, World, carrying_world, signed
from verifier.accept import AcceptState, DeviceStatus
from verifier.claim import Claim
from verifier.contract import SignedContract, Terms

_WORLD = World()
_CARRYING = carrying_world()


@dataclass(frozen=True)
class Situation:
    """A state (None: the check without a head), and the claims it must accept or recognise."""

    name: str
    state: AcceptState | None
    acceptable: tuple[Claim, ...] = ()
    known: tuple[Claim, ...] = ()
    contract: SignedContract = field(default=_WORLD.contract)
    now_ms: int = NOW_MS


@cache
def bases() -> tuple[Claim, ...]:
    """True claims with real proofs: four of the test contract, two of one that carries state."""
    plain = _WORLD.first, _WORLD.second, _WORLD.third, _WORLD.wider
    return *plain, _CARRYING.first, _CARRYING.second


@cache
def links() -> tuple[StateLink, ...]:
    """The commitments of the true claims that have some."""
    return tuple(claim.state for claim in bases() if claim.state is not None)


@cache
def situations() -> tuple[Situation, ...]:
    """Every situation, in a fixed order."""
    first, second, third, wider, *_ = bases()
    start = fresh(_WORLD)
    once, twice = after_claims(_WORLD, first), after_claims(_WORLD, first, second)
    out = [
        Situation("start", start, (first, wider)),
        Situation("after one", once, (second,), (first,)),
        Situation("after two", twice, (third,), (first, second)),
        Situation("no head", None, bases()[:4]),
        Situation("frozen", replace(once, device=DeviceStatus(frozen=True)), (), (first,)),
        Situation("revoked", replace(start, device=DeviceStatus(first.first.start_ms))),
        Situation("closed", replace(twice, active=False), (), (first, second)),
        Situation("no money", replace(start, escrow_nanos=0)),
        Situation("long ago", start, now_ms=0),
    ]
    for name, terms in _other_terms().items():
        contract = signed(terms)
        state = replace(start, contract=contract)
        out.append(Situation(name, state, contract=contract))
    return (*out, *_carrying_situations())


def _carrying_situations() -> list[Situation]:
    first, second = bases()[4:]
    once = after_claims(_CARRYING, first)
    out = [
        Situation("state at the start", fresh(_CARRYING), (first,)),
        Situation("state after one", once, (second,), (first,)),
        Situation("state, no head", None, (first, second)),
    ]
    if once.head is not None and second.state is not None:
        head = replace(once.head, state=second.state.after)
        out.append(Situation("another state", replace(once, head=head), (), (first,)))
    return [replace(situation, contract=_CARRYING.contract) for situation in out]


def _other_terms() -> dict[str, Terms]:
    """Terms for which no proof was ever made: nothing can be accepted under them."""
    terms, first = _WORLD.terms, bases()[0]
    outcome = replace(terms.outcomes[0], name="cold", formula="count(flow <= 30)", price=None)
    return {
        "spans": replace(terms, windows_per_claim=2),
        "limits": replace(
            terms,
            valid_from_ms=first.first.start_ms,
            valid_until_ms=first.last.end_ms,
            claim_deadline_seconds=24 * 3600,
            refuse_flags=Status.TAMPER | Status.CLOCK_SET,
        ),
        "two outcomes": replace(terms, outcomes=(*terms.outcomes, outcome)),
        "compact": replace(terms, parameter_set="compact"),
    }
