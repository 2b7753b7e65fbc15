"""The statement laid out: rows, columns, public inputs, and every constraint's value at a point."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from tests.reference.facts import (
    Checkpoint,
    Contract,
    MalformedStatement,
    Parameters,
    Refusal,
    Rows,
    Schema,
    Selectors,
    StateLink,
)
from tests.reference.field import DEGREE, ZERO, Extension, linear
from tests.reference.gadgets import ACTIVE
from tests.reference.hashing import (
    DIGEST,
    FULL_ROUNDS_BEFORE,
    HALF,
    MATRIX,
    PARTIAL_ROUNDS,
    ROUND_CONSTANTS,
    WIDTH,
    Transcript,
    bytes_of,
    role,
)
from tests.reference.outcomes import Outcomes
from tests.reference.polynomial import Point, Polynomial

FOLD = 8
CHAIN, BLOCK = 0, 8
FULL = tuple(range(16, 80, WIDTH)) + tuple(range(100, 148, WIDTH))  # full1..full4, full5..full7
SBOX = 80
LOG_COLUMNS = 149

ROLE_DATA = role("data")
ROLE_CLOSING = role("closing")
ROLE_STATE = role("state")


@dataclass(frozen=True)
class Chains:
    """The chain values at a claim's ends; with state, section 5.4's."""

    first: Sequence[int]
    last: Sequence[int]
    earlier: Sequence[int] = ()
    before: Sequence[int] = ()
    after: Sequence[int] = ()

    @property
    def words(self) -> list[int]:
        """As public inputs."""
        return [*self.first, *self.last, *self.earlier, *self.before, *self.after]


def log_constraints(point: Point, chains: Chains) -> Iterator[Extension]:
    """Section 5.2, item 1: one permutation per row, chained to the next."""

    def multiply(state: Sequence[Extension]) -> list[Extension]:
        return [linear(state, line) for line in MATRIX]

    def cubed(value: Extension) -> Extension:
        return value * value * value

    def full_round(state: Sequence[Extension], number: int) -> list[Extension]:
        constants = ROUND_CONSTANTS[number]
        return multiply([cubed(s + c) for s, c in zip(state, constants, strict=True)])

    here = point.here
    chain = here[CHAIN : CHAIN + HALF]
    state = [
        value + data + point.selectors["closing"] * (closing - data)
        for value, data, closing in zip(chain, ROLE_DATA, ROLE_CLOSING, strict=True)
    ]
    if chains.earlier:
        rows = point.selectors["state"]
        state = [
            s + rows * (own - data)
            for s, own, data in zip(state, ROLE_STATE, ROLE_DATA, strict=True)
        ]
    state += here[BLOCK : BLOCK + HALF]
    number = 0
    for start in FULL[:FULL_ROUNDS_BEFORE]:
        claimed = list(here[start : start + WIDTH])
        yield from (c - r for c, r in zip(claimed, full_round(state, number), strict=True))
        state, number = claimed, number + 1
    for sbox in here[SBOX : SBOX + PARTIAL_ROUNDS]:
        shifted = [s + c for s, c in zip(state, ROUND_CONSTANTS[number], strict=True)]
        yield sbox - cubed(shifted[0])
        state, number = multiply([sbox, *shifted[1:]]), number + 1
    for start in FULL[FULL_ROUNDS_BEFORE:]:
        claimed = list(here[start : start + WIDTH])
        yield from (c - r for c, r in zip(claimed, full_round(state, number), strict=True))
        state, number = claimed, number + 1
    result = full_round(state, number)
    for k in range(HALF):
        step = point.following[CHAIN + k] - result[k] - chain[k]
        if chains.earlier:
            step = step - point.selectors["resume"] * (chains.first[k] - chains.before[k])
        yield step


def end_constraints(point: Point, chains: Chains) -> Iterator[Extension]:
    """Section 5.2, item 2."""
    here = point.here[CHAIN : CHAIN + HALF]
    following = [point.following[column] for column in range(CHAIN, CHAIN + HALF)]

    def equal(
        selector: str, values: Sequence[Extension], wanted: Sequence[int]
    ) -> Iterator[Extension]:
        gate = point.selectors[selector]
        yield from (gate * (a - b) for a, b in zip(values, wanted, strict=True))

    if chains.earlier:
        yield from equal("first", here, chains.earlier)
        yield from equal("resume", following, chains.first)
        yield from equal("state_end", following, chains.after)
    else:
        yield from equal("first", here, chains.first)
    yield from equal("last", following, chains.last)


def state_constraints(point: Point, limbs: Sequence[Polynomial]) -> Iterator[Extension]:
    """Section 5.4: both commitments hold the carried limbs, zero-filled."""
    for place in range(-(-len(limbs) // HALF) * HALF):
        row, element = divmod(place, HALF)
        limb = limbs[place].at(point) if place < len(limbs) else 0
        for side in ("before", "after"):
            gate = point.selectors[f"state_{side} {row}"]
            yield gate * (point.here[BLOCK + element] - limb)


def constraints_at(
    point: Point, schema: Schema, outcomes: Outcomes, chains: Chains
) -> Iterator[Extension]:
    """Section 5.2: every constraint's value, in order."""
    here, following, last = point.here, point.following, point.selectors["last"]
    yield from log_constraints(point, chains)
    yield from end_constraints(point, chains)
    yield following[ACTIVE] * (1 - here[ACTIVE])
    yield last * (here[ACTIVE] - 1)
    yield last * following[ACTIVE]
    for slot in range(1, schema.slots):
        for k in range(schema.elements):
            yield point.selectors[f"padding {slot}"] * here[BLOCK + slot * schema.width + k]
    yield from outcomes.constraints(point)
    yield from state_constraints(point, outcomes.gadgets.carried)


def next_columns(schema: Schema, outcomes: Outcomes) -> list[int]:
    """*next* of section 7, ascending: the columns that a constraint reads on the next row.

    All constraints are gone through with nothing but zeros, and what they look up is kept.
    """
    following: defaultdict[int, Extension] = defaultdict(lambda: ZERO)
    point = Point(
        [ZERO] * outcomes.column_count,
        following,
        defaultdict(lambda: ZERO),
        [0] * outcomes.gadgets.public_count,
    )
    ends = 5 if outcomes.gadgets.state else 2
    chains = Chains(*([0] * HALF for _ in range(ends)))
    for _ in constraints_at(point, schema, outcomes, chains):
        pass
    return sorted(following)


@dataclass(frozen=True)
class Statement:
    """What is claimed, laid out: rows, columns, public inputs."""

    contract: Contract
    checkpoints: Sequence[Checkpoint]
    rows: Rows
    outcomes: Outcomes
    limbs: Sequence[int]
    chains: Chains

    @classmethod
    def of(
        cls,
        contract: Contract,
        encoded: Sequence[bytes],
        totals: Sequence[int],
        state: StateLink | None = None,
    ) -> Statement:
        """Check what can be checked before the proof is touched."""
        checkpoints = [Checkpoint.decode(checkpoint) for checkpoint in encoded]
        if len(checkpoints) < 2 or len(totals) != len(contract.formulas):
            raise MalformedStatement("too few checkpoints, or not one total per outcome")
        outcomes = Outcomes(contract.schema, contract.formulas, LOG_COLUMNS)
        if (state is not None) != outcomes.gadgets.state:
            raise MalformedStatement("state where none is carried, or none where it is")
        limbs = outcomes.publics(totals)
        parameters = contract.parameters
        rows = Rows(contract.schema, parameters.random_rows, checkpoints, outcomes.state_rows)
        if parameters.proven_bits < contract.floor_bits:
            raise Refusal("SOUNDNESS_FLOOR")
        chains = Chains(checkpoints[0].chain, checkpoints[-1].chain)
        if state is not None:
            earlier = checkpoints[0].chain_before
            chains = replace(chains, earlier=earlier, before=state.before, after=state.after)
        return cls(contract, checkpoints, rows, outcomes, limbs, chains)

    @property
    def parameters(self) -> Parameters:
        """The parameter set."""
        return self.contract.parameters

    @property
    def chunk_length(self) -> int:
        """N - t."""
        return self.rows.length - self.parameters.chunk_mask

    @property
    def chunks(self) -> int:
        """K."""
        coefficients = 3 * self.rows.length + self.parameters.random_rows - 2
        return math.ceil(coefficients / self.chunk_length)

    @cached_property
    def next_columns(self) -> list[int]:
        """The columns that are opened at gz, too."""
        return next_columns(self.contract.schema, self.outcomes)

    @property
    def domain(self) -> int:
        """The number of points of D."""
        return self.rows.length * self.parameters.blowup

    @property
    def folds(self) -> int:
        """How often a layer is folded until it has at most the final number of points."""
        size, folds = self.domain, 0
        while size > self.parameters.final_domain:
            size, folds = size // FOLD, folds + 1
        return folds

    @property
    def final_coefficients(self) -> int:
        """Coefficients of the final polynomial."""
        return int(self.rows.length // FOLD**self.folds)

    @property
    def maximum_bytes(self) -> int:
        """The size of a proof whose queries share no leaf and no node."""
        columns, queries = self.outcomes.column_count, self.parameters.queries
        bits = self.domain.bit_length() - 1
        opened = columns + len(self.next_columns) + self.chunks
        sent = DEGREE * (opened + self.final_coefficients)
        per_query = columns + DEGREE * (self.chunks + 1) + self.folds * (FOLD - 1) * DEGREE
        paths = 2 * bits + sum(bits - 3 * layer for layer in range(1, self.folds + 1))
        head = 6 + (2 + self.folds) * DIGEST + 8
        return head + 4 * sent + queries * (4 * per_query + DIGEST * (2 + paths))

    def transcript(self) -> Transcript:
        """The transcript with all public data absorbed."""
        contract, parameters = self.contract, self.parameters
        publics = [*self.chains.words, *self.limbs]
        transcript = Transcript()
        transcript.absorb("protocol", b"zkmeter proof 3")
        transcript.absorb("parameter set", parameters.name.encode())
        sizes = (
            parameters.blowup,
            parameters.queries,
            parameters.grinding_bits,
            parameters.fold,
            parameters.final_domain,
            self.rows.log2,
        )
        transcript.absorb("sizes", bytes_of(sizes))
        transcript.absorb("circuit", contract.circuit_id)
        transcript.absorb("terms", contract.terms_digest)
        transcript.absorb("device", self.checkpoints[0].device)
        transcript.absorb("checkpoints", b"".join(c.digest for c in self.checkpoints))
        transcript.absorb("public inputs", bytes_of(publics))
        return transcript

    def constraints(
        self, z: Extension, here: Sequence[Extension], following: Mapping[int, Extension]
    ) -> Iterator[Extension]:
        """Every constraint's value at z, in order."""
        point = Point(here, following, Selectors(self.rows, z), self.limbs)
        return constraints_at(point, self.contract.schema, self.outcomes, self.chains)
