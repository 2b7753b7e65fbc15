"""Contracts, logs and real proofs for the agreement tests: the same facts for both verifiers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from circuits.chain import Role, absorb, pack_records, window_salt
from circuits.checkpoint import ZERO_CHAIN, Checkpoint, Link, as_chain, decode_checkpoint
from circuits.circuit import Circuit, Measured
from circuits.compile import compile_circuit
from circuits.errors import Rejected
from circuits.records import Records
from circuits.schema import Channel, Schema
from circuits.state import Commitment, StateOpening
from circuits.statement import StateLink, Statement
from prover.log import WindowLog
from prover.prove import prove
from prover.state import link_state
from tests.reference import facts
from tests.reference.verifier import verify as reference_verify
from verifier.kernel.parameters import PARAMETER_SETS, ParameterSet
from verifier.kernel.verify import verify as kernel_verify

FLOOR_BITS = 120
ACCEPTED = "accepted"
MALFORMED = "malformed statement"


@dataclass(frozen=True)
class Case:
    """A contract's facts, and the record counts of an epoch of which a claim takes the end.

    ``carried`` is what the claims of the epoch before left of every carried variable; None makes
    the epoch a device's first one. ``final_domain`` in place of the set's gives short traces FRI
    layers.
    """

    name: str
    parameter_set: str
    channels: tuple[facts.Channel, ...]
    formulas: tuple[str, ...]
    counts: tuple[int, ...]
    first_window: int = 0
    period_ms: int | None = None
    window_ms: int = 60_000
    carried: int | None = None
    final_domain: int | None = None

    @property
    def parameters(self) -> ParameterSet:
        """The project's parameters for this contract."""
        parameters = PARAMETER_SETS[self.parameter_set]
        return replace(parameters, final_domain=self.final_domain or parameters.final_domain)

    @property
    def reference_parameters(self) -> facts.Parameters:
        """The reference's."""
        parameters = facts.PARAMETERS[self.parameter_set]
        return replace(parameters, final_domain=self.final_domain or parameters.final_domain)

    @cached_property
    def circuit(self) -> Circuit:
        """The project's circuit for this contract."""
        return compile_circuit(self.project_schema, self.formulas)

    @property
    def schema(self) -> facts.Schema:
        """The schema as the reference holds it."""
        return facts.Schema(self.channels, self.period_ms)

    @property
    def project_schema(self) -> Schema:
        """The schema as the project holds it."""
        channels = (
            Channel(c.name, "u", c.bits, c.scale, c.offset, c.may_miss) for c in self.channels
        )
        return Schema(tuple(channels), self.period_ms)


@dataclass(frozen=True)
class Claim:
    """What both verifiers are asked about, in bytes and integers.

    ``state`` are the commitments before and after, where the contract carries state.
    """

    case: Case
    checkpoints: tuple[bytes, ...]
    totals: tuple[int, ...]
    proof: bytes
    terms_digest: bytes
    floor_bits: int = FLOOR_BITS
    state: tuple[Commitment, Commitment] | None = None


def channel(
    name: str, bits: int, scale: str = "1", offset: str = "0", *, may_miss: bool = False
) -> facts.Channel:
    """A channel of a case."""
    return facts.Channel(name, bits, Fraction(scale), Fraction(offset), may_miss)


def make_claim(case: Case, seed: int = 0) -> Claim:
    """A true claim with a real proof."""
    random = np.random.default_rng(seed)
    circuit, width = case.circuit, case.schema.width
    checkpoints = [_opening(case)]
    windows = []
    for index, count in enumerate(case.counts):
        records = _records(random, case, count, first=checkpoints[-1].records_in_epoch == 0)
        window = WindowLog(records, window_salt(b"s" * 32, checkpoints[0].epoch, index))
        windows.append(window)
        checkpoints.append(_close(checkpoints[-1], window, width, case.window_ms))
    before = {variable.name: case.carried or 0 for variable in circuit.state}
    start = case.first_window
    if start:
        before = _measured(circuit, checkpoints[: start + 1], windows[:start], before).after
    windows, checkpoints = windows[start:], checkpoints[start:]
    measured = _measured(circuit, checkpoints, windows, before)
    terms_digest = hashlib.sha256(case.name.encode()).digest()
    openings = link = None
    if circuit.state:
        openings = (
            StateOpening(before, tuple(range(8))),
            StateOpening(measured.after, tuple(range(8, 16))),
        )
        link = link_state(circuit, checkpoints[0], checkpoints[-1], openings)
    statement = Statement(terms_digest, tuple(checkpoints), measured.totals, link)
    proof = prove(circuit, case.parameters, statement, windows, state=openings)
    return Claim(
        case,
        tuple(c.encode() for c in checkpoints),
        measured.totals,
        proof,
        terms_digest,
        state=None if link is None else (link.before, link.after),
    )


def _opening(case: Case) -> Checkpoint:
    """Checkpoint 0, of a device's first epoch or of the second one."""
    device, start_ms = hashlib.sha256(b"device").digest(), 10**12
    epoch, link = 0, Link()
    if case.carried is not None:
        epoch, link = 1, Link(0, 7, start_ms, tuple(range(100, 108)))
    opening = Checkpoint(
        device,
        epoch,
        0,
        0,
        0,
        start_ms,
        start_ms,
        case.project_schema.digest(),
        ZERO_CHAIN,
        link=link,
    )
    return replace(opening, chain=opening.genesis_chain())


def _measured(
    circuit: Circuit,
    checkpoints: Sequence[Checkpoint],
    windows: Sequence[WindowLog],
    before: Mapping[str, int],
) -> Measured:
    rows = np.concatenate([window.records for window in windows])
    return circuit.measure(Records.between(checkpoints, rows), before)


def _records(
    random: np.random.Generator, case: Case, count: int, *, first: bool
) -> NDArray[np.uint64]:
    columns = [
        random.integers(0, (1 << c.bits) - (not c.may_miss), size=count, dtype=np.uint64)
        for c in case.channels
    ]
    if case.period_ms is None:
        steps = random.integers(0, 1 << 24, size=count, dtype=np.uint64)
        if first and count:
            steps[0] = 0
        columns.append(steps)
    return np.stack(columns, axis=1)


def _close(last: Checkpoint, window: WindowLog, width: int, window_ms: int) -> Checkpoint:
    chain = np.array(last.chain, dtype=np.uint64)
    for block in pack_records(window.records, width):
        chain = absorb(chain, block, Role.DATA)
    chain = absorb(chain, window.salt, Role.CLOSING)
    count = len(window.records)
    return replace(
        last,
        index=last.index + 1,
        records_in_epoch=last.records_in_epoch + count,
        records_in_window=count,
        start_ms=last.end_ms,
        end_ms=last.end_ms + window_ms,
        chain=as_chain(chain),
        link=None,
    )


def kernel_answer(claim: Claim) -> str:
    """What the project's kernel says."""
    try:
        checkpoints = tuple(decode_checkpoint(encoded) for encoded in claim.checkpoints)
    except Rejected:
        return MALFORMED
    if (claim.state is not None) != bool(claim.case.circuit.state):
        return MALFORMED  # the kernel's callers see to it
    link = StateLink(*claim.state) if claim.state is not None else None
    statement = Statement(claim.terms_digest, checkpoints, claim.totals, link)
    case = claim.case
    try:
        kernel_verify(case.circuit, case.parameters, statement, claim.proof, claim.floor_bits)
    except Rejected as refusal:
        return refusal.reason.value
    return ACCEPTED


def contract_of(claim: Claim) -> facts.Contract:
    """The contract as the reference holds it."""
    return facts.Contract(
        claim.case.schema,
        claim.case.formulas,
        claim.case.reference_parameters,
        Fraction(claim.floor_bits),
        claim.case.circuit.identifier,
        claim.terms_digest,
    )


def state_of(claim: Claim) -> facts.StateLink | None:
    """The commitments as the reference holds them."""
    return facts.StateLink(*claim.state) if claim.state is not None else None


def reference_answer(claim: Claim) -> str:
    """What the reference verifier says."""
    contract, state = contract_of(claim), state_of(claim)
    try:
        reason = reference_verify(contract, claim.checkpoints, claim.totals, claim.proof, state)
    except facts.MalformedStatement:
        return MALFORMED
    return reason or ACCEPTED


def with_proof(claim: Claim, proof: Sequence[int] | bytes) -> Claim:
    """The claim with another proof."""
    return replace(claim, proof=bytes(proof))
