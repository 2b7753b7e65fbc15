"""Commitments to carried state hide it: their blinding is secret, and of one place only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest

from circuits.chain import CHAIN_ELEMENTS, Role, absorb, sample_elements
from circuits.checkpoint import Checkpoint, as_chain
from circuits.field import P
from circuits.state import (
    Commitment,
    StateOpening,
    StateVariable,
    commit_state,
    initial_opening,
    state_blocks,
)
from prover.state import opening_at
from tests.support import OPERATOR, STRANGER, World, carrying_world, following
from verifier.signatures import public_key

# one bit, a run of up to three records, and a remainder of three bits: 64 states in all
SMALL = (
    StateVariable("rising", (1,)),
    StateVariable("held", (2,)),
    StateVariable("remainder", (2, 1)),
)
ZEROS = (0,) * CHAIN_ELEMENTS
PLACES = 400
BINS = 16
# chi-square with 15 degrees of freedom exceeds this with probability below 1e-9
CHI_SQUARE_LIMIT = 77.0


def all_states(variables: tuple[StateVariable, ...]) -> Iterator[dict[str, int]]:
    """Every state that there is."""
    ranges = (range(1 << sum(variable.widths)) for variable in variables)
    for values in product(*ranges):
        yield {v.name: value for v, value in zip(variables, values, strict=True)}


def public_blindings(terms_digest: bytes, place: Checkpoint) -> list[Commitment]:
    """What anybody could take for blinding: nothing, public values, a key that is not secret."""
    label = terms_digest + place.digest
    keys = (b"", bytes(32), terms_digest, public_key(OPERATOR))
    personal = (hashlib.blake2s(key, person=b"zkm:blnd").digest() for key in keys)
    drawn = [as_chain(sample_elements(key, label, CHAIN_ELEMENTS)) for key in (*keys, *personal)]
    return [ZEROS, place.chain, *drawn]


def guessed(
    variables: tuple[StateVariable, ...],
    terms_digest: bytes,
    place: Checkpoint,
    commitment: Commitment,
) -> list[dict[str, int]]:
    """The states that explain a commitment, as somebody without the operator's key tests them."""
    found = []
    start = np.array(place.chain, dtype=np.uint64)
    blindings = public_blindings(terms_digest, place)
    for values in all_states(variables):
        bare = start
        for block in state_blocks(variables, StateOpening(values, ZEROS))[:-1]:
            bare = absorb(bare, block, Role.STATE)
        tried = [as_chain(bare)]
        tried += [commit_state(variables, StateOpening(values, b), place.chain) for b in blindings]
        if commitment in tried:
            found.append(values)
    return found


@pytest.fixture(scope="module")
def carrying() -> World:
    return carrying_world()


@pytest.fixture(scope="module")
def place(carrying: World) -> Checkpoint:
    """Where a claim ends."""
    return carrying.epoch.checkpoints[2].checkpoint


def test_a_small_state_cannot_be_guessed(carrying: World, place: Checkpoint) -> None:
    """Nobody who tries all states finds the one behind a commitment; without blinding, all do."""
    digest, values = carrying.terms.digest, {"rising": 1, "held": 2, "remainder": 5}
    hidden = commit_state(SMALL, opening_at(OPERATOR, digest, place, values), place.chain)
    assert guessed(SMALL, digest, place, hidden) == []
    # the same search finds it where the blinding is left out, or is no secret
    bare = np.array(place.chain, dtype=np.uint64)
    for block in state_blocks(SMALL, StateOpening(values, ZEROS))[:-1]:
        bare = absorb(bare, block, Role.STATE)
    assert guessed(SMALL, digest, place, as_chain(bare)) == [values]
    for blinding in public_blindings(digest, place):
        known = commit_state(SMALL, StateOpening(values, blinding), place.chain)
        assert guessed(SMALL, digest, place, known) == [values]


def test_every_element_of_the_blinding_counts(place: Checkpoint) -> None:
    """None of the eight is lost on the way into the commitment."""
    made = {commit_state(SMALL, initial_opening(), place.chain)}
    for at in range(CHAIN_ELEMENTS):
        blinding = tuple(int(k == at) for k in range(CHAIN_ELEMENTS))
        made.add(commit_state(SMALL, StateOpening({}, blinding), place.chain))
    assert len(made) == 1 + CHAIN_ELEMENTS


def test_blindings_differ_by_place_contract_and_key(carrying: World) -> None:
    """No element of a blinding turns up in another one."""
    epochs = (carrying.epoch, carrying.next_epoch)
    places = [entry.checkpoint for epoch in epochs for entry in epoch.checkpoints]
    other = replace(carrying.terms, name="another contract about the same log")
    blindings = [
        opening_at(key, terms.digest, at, {}).blinding
        for key in (OPERATOR, STRANGER)
        for terms in (carrying.terms, other)
        for at in places
    ]
    words = [word for blinding in blindings for word in blinding]
    assert len(set(words)) == len(words) == 4 * len(places) * CHAIN_ELEMENTS


def test_equal_states_have_unrelated_commitments(carrying: World) -> None:
    """Neither at two places nor under two contracts is it seen that nothing changed."""
    variables = carrying.terms.circuit.state
    other = replace(carrying.terms, name="another contract about the same log")
    places = [entry.checkpoint for entry in carrying.epoch.checkpoints]
    made = [
        commit_state(variables, opening_at(OPERATOR, terms.digest, at, {}), at.chain)
        for terms in (carrying.terms, other)
        for at in places
    ]
    words = [word for commitment in made for word in commitment]
    assert len(set(words)) == len(words)
    # an empty window changes nothing that is carried
    assert carrying.epoch.checkpoints[3].checkpoint.records_in_window == 0
    after = following(carrying.terms, carrying.epoch, 2, 2, carrying.before_second)
    assert after.state.values == carrying.before_second.state.values


def _places(count: int) -> Iterator[Checkpoint]:
    """Checkpoints that nobody recorded, each with a chain value of its own."""
    at = carrying_world().epoch.checkpoints[1].checkpoint
    for index in range(1, count + 1):
        chain = as_chain(sample_elements(b"", index.to_bytes(4, "little"), CHAIN_ELEMENTS))
        yield replace(at, index=index, chain=chain)


def test_commitments_look_uniform_whatever_they_hold(carrying: World) -> None:
    """What they add to the chain value: uniform for either of two states, and alike for both."""
    digest, counted = carrying.terms.digest, []
    for values in ({}, {"rising": 1, "held": 3, "remainder": 7}):
        words = []
        for at in _places(PLACES):
            made = commit_state(SMALL, opening_at(OPERATOR, digest, at, values), at.chain)
            words += [(a - b) % P for a, b in zip(made, at.chain, strict=True)]
        counts = np.bincount(np.array(words) * BINS // P, minlength=BINS)
        expected = len(words) / BINS
        assert ((counts - expected) ** 2 / expected).sum() < CHI_SQUARE_LIMIT
        counted.append(counts)
    # two samples of one size: (a - b)^2 / (a + b), summed
    a, b = counted
    assert ((a - b) ** 2 / (a + b)).sum() < CHI_SQUARE_LIMIT


def test_a_claim_holds_nothing_of_key_and_blinding(carrying: World) -> None:
    """Neither the operator's secret, nor what is derived from it, nor an opening is sent."""
    seed = bytes(OPERATOR)
    derived = hashlib.blake2s(seed, person=b"zkm:blnd").digest()
    openings = [
        carrying.before_second.state,
        following(carrying.terms, carrying.epoch, 2, 4, carrying.before_second).state,
    ]
    secrets = [seed, derived, hashlib.sha512(seed).digest()]
    secrets += [np.array(o.blinding, dtype="<u4").tobytes() for o in openings]
    sent = b"".join(claim.encode() for claim in (carrying.first, carrying.second))
    pieces = {secret[at : at + 8] for secret in secrets for at in range(len(secret) - 7)}
    assert not {piece for piece in pieces if piece in sent}
    # the commitments themselves are there: the search would see what is
    assert carrying.second.state is not None
    after = np.array(carrying.second.state.after, dtype="<u4").tobytes()
    assert all(after[at : at + 8] in sent for at in range(len(after) - 7))


def test_a_claim_made_again_shows_the_same_commitments(carrying: World) -> None:
    """One opening for one place: proving twice, or over other windows, gives nothing to compare."""
    whole = following(carrying.terms, carrying.epoch, 0, 4)
    parts = following(carrying.terms, carrying.epoch, 2, 4, carrying.before_second)
    assert whole.state == parts.state
    openings = [
        following(carrying.terms, carrying.epoch, 0, last).state.blinding for last in range(5)
    ]
    assert all(a != b for a, b in pairwise(openings))
