"""Contracts, logs and real proofs for the agreement tests: the same facts for both verifiers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from circuits.chain import Role, absorb, pack_records, window_salt
from circuits.checkpoint import ZERO_CHAIN, Checkpoint, Link, as_chain, decode_checkpoint
from circuits.circuit import Circuit
from circuits.compile import compile_circuit
from circuits.errors import Rejected
from circuits.schema import Channel, Schema
from circuits.statement import Statement
from prover.log import WindowLog
from prover.prove import prove
from tests.reference import facts
from tests.reference.verifier import verify as reference_verify
from verifier.kernel.parameters import PARAMETER_SETS
from verifier.kernel.verify import verify as kernel_verify

FLOOR_BITS = 120
ACCEPTED = "accepted"
MALFORMED = "malformed statement"


@dataclass(frozen=True)
class Case:
    """A contract's facts, and the record counts of an epoch of which a claim takes the end."""

    name: str
    parameter_set: str
    channels: tuple[facts.Channel, ...]
    formulas: tuple[str, ...]
    counts: tuple[int, ...]
    first_window: int = 0
    period_ms: int | None = None

    @cached_property
    def circuit(self) -> Circuit:
        """The project's circuit for this contract."""
        return compile_circuit(self.project_schema, self.formulas)

    @property
    def project_schema(self) -> Schema:
        """The schema as the project holds it."""
        channels = (Channel(c.name, "u", c.bits, c.scale, c.offset) for c in self.channels)
        return Schema(tuple(channels), self.period_ms)


@dataclass(frozen=True)
class Claim:
    """What both verifiers are asked about, in bytes and integers."""

    case: Case
    checkpoints: tuple[bytes, ...]
    totals: tuple[int, ...]
    proof: bytes
    terms_digest: bytes
    floor_bits: int = FLOOR_BITS


def channel(name: str, bits: int, scale: str = "1", offset: str = "0") -> facts.Channel:
    """A channel of a case."""
    return facts.Channel(name, bits, Fraction(scale), Fraction(offset))


CASES = (
    Case(
        "litres by time step",
        "standard",
        (channel("flow", 18, "1/1000"),),
        ("sum(flow * dt_ms) / 60000",),
        (7, 4, 0, 9, 5),
    ),
    Case(
        "counts and sums over several channels",
        "compact",
        (channel("a", 12, "1/10", "-40"), channel("b", 10, "1/4", "7/2")),
        (
            "count(a >= 100)",
            "sum(a)",
            "count(a <= 99.9)",
            "sum(b * dt_ms) / 1000",
            "sum(a * dt_ms)",
            "count(b >= 0)",
            "count(b <= 1000)",
        ),
        (3, 0, 0, 5, 1, 2),
        first_window=1,
    ),
    Case(
        "periodic",
        "fast",
        (channel("flow", 16, "1/100"),),
        ("sum(flow * dt_ms) / 60000", "count(flow <= 300.07)", "sum(flow)"),
        (0, 13, 8, 0, 30, 1),
        period_ms=100,
    ),
    Case(
        "periodic below zero, later in its epoch",
        "standard",
        (channel("t", 14, "1/100", "-273/4"), channel("u", 24), channel("v", 1)),
        ("sum(t * dt_ms) / 3600000", "sum(u)", "count(v >= 1)"),
        (5, 0, 4, 7),
        first_window=1,
        period_ms=1000,
    ),
    Case(
        "one record per block, every row used",
        "fast",
        tuple(channel(f"c{k}", 8 + k, "1/3", "-5") for k in range(5)),
        ("sum(c4 * dt_ms)", "count(c0 <= 20)", "sum(c1)"),
        (0, 20, 0, 16),  # 40 rows would be one too many
    ),
    Case(
        "empty windows only",
        "compact",
        (channel("flow", 4),),
        ("sum(flow * dt_ms)", "count(flow >= 3)"),
        (0, 0, 0),
    ),
)


def make_claim(case: Case, seed: int = 0) -> Claim:
    """A true claim with a real proof."""
    random = np.random.default_rng(seed)
    schema = case.project_schema
    device = hashlib.sha256(b"device").digest()
    opening = Checkpoint(
        device, 0, 0, 0, 0, 10**12, 10**12, schema.digest(), ZERO_CHAIN, link=Link()
    )
    checkpoints = [replace(opening, chain=opening.genesis_chain())]
    windows = []
    for index, count in enumerate(case.counts):
        records = _records(random, case, count, first=checkpoints[-1].records_in_epoch == 0)
        window = WindowLog(records, window_salt(b"s" * 32, 0, index))
        windows.append(window)
        checkpoints.append(_close(checkpoints[-1], window, schema.width))
    windows = windows[case.first_window :]
    checkpoints = checkpoints[case.first_window :]
    records = np.concatenate([window.records for window in windows])
    starts = checkpoints[0].records_in_epoch == 0
    totals = tuple(o.total_of(records, starts) for o in case.circuit.outcomes)
    terms_digest = hashlib.sha256(case.name.encode()).digest()
    statement = Statement(terms_digest, tuple(checkpoints), totals)
    proof = prove(case.circuit, PARAMETER_SETS[case.parameter_set], statement, windows)
    return Claim(case, tuple(c.encode() for c in checkpoints), totals, proof, terms_digest)


def _records(
    random: np.random.Generator, case: Case, count: int, *, first: bool
) -> NDArray[np.uint64]:
    columns = [
        random.integers(0, (1 << c.bits) - 1, size=count, dtype=np.uint64, endpoint=False)
        if c.bits > 1
        else np.zeros(count, dtype=np.uint64)
        for c in case.channels
    ]
    if case.period_ms is None:
        steps = random.integers(0, 1 << 24, size=count, dtype=np.uint64)
        if first and count:
            steps[0] = 0
        columns.append(steps)
    return np.stack(columns, axis=1)


def _close(last: Checkpoint, window: WindowLog, width: int) -> Checkpoint:
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
        end_ms=last.end_ms + 60_000,
        chain=as_chain(chain),
        link=None,
    )


def kernel_answer(claim: Claim) -> str:
    """What the project's kernel says."""
    try:
        checkpoints = tuple(decode_checkpoint(encoded) for encoded in claim.checkpoints)
    except Rejected:
        return MALFORMED
    statement = Statement(claim.terms_digest, checkpoints, claim.totals)
    parameters = PARAMETER_SETS[claim.case.parameter_set]
    try:
        kernel_verify(claim.case.circuit, parameters, statement, claim.proof, claim.floor_bits)
    except Rejected as refusal:
        return refusal.reason.value
    return ACCEPTED


def reference_answer(claim: Claim) -> str:
    """What the reference verifier says."""
    contract = facts.Contract(
        facts.Schema(claim.case.channels, claim.case.period_ms),
        claim.case.formulas,
        facts.PARAMETERS[claim.case.parameter_set],
        Fraction(claim.floor_bits),
        claim.case.circuit.identifier,
        claim.terms_digest,
    )
    try:
        reason = reference_verify(contract, claim.checkpoints, claim.totals, claim.proof)
    except facts.MalformedStatement:
        return MALFORMED
    return reason or ACCEPTED


def with_proof(claim: Claim, proof: Sequence[int] | bytes) -> Claim:
    """The claim with another proof."""
    return replace(claim, proof=bytes(proof))
