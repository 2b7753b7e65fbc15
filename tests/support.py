"""What tests build claims from: keys, a contract, a device that signs, a real prover."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property

import numpy as np
from nacl.signing import SigningKey
from numpy.typing import NDArray

from circuits.chain import Role, absorb, pack_records, window_salt
from circuits.checkpoint import ZERO_CHAIN, Checkpoint, Link, as_chain
from circuits.circuit import Measured
from circuits.records import Records
from circuits.state import StateOpening, initial_opening
from circuits.statement import Statement
from prover.log import WindowLog
from prover.prove import prove
from prover.state import link_state, opening_at
from verifier.claim import (
    Claim,
    SignedCheckpoint,
    build_claim,
    sign_claim,
    sign_voucher,
)
from verifier.contract import SignedContract, Terms, sign_terms
from verifier.kernel.parameters import PARAMETER_SETS
from verifier.signatures import public_key, sign_checkpoint

T0_MS = 1_583_000_000_000  # the first record of the test log: 2020-02-29
WINDOW_MS = 60_000
NOW_MS = T0_MS + 24 * 3600 * 1000
RICH = 10**12  # nanos in an escrow that is never short here

CONTRACT = """
[contract]
name = "test pump"
window_seconds = 60
minimum_proven_bits = 120
[parties]
operator = "{operator}"
supplier = "{supplier}"
device = "{device}"
[log]
delimiter = ";"
time = "datetime"
[[channels]]
name = "flow"
column = "Volume Flow RateRMS"
unit = "L/min"
scale = "0.001"
offset = "0"
bits = 18
rounding = "nearest"
[[outcomes]]
name = "litres"
formula = "sum(flow * dt_ms) / 60000"
unit = "L"
reveal = "exact"
price = "0.002"
[payment]
currency = "IOTA"
"""

CARRYING_OUTCOMES = """
[[outcomes]]
name = "starts"
formula = "count(rising(flow >= 30))"
unit = "1"
reveal = "exact"
price = "0.1"
[[outcomes]]
name = "steady"
formula = "sum(dt_ms, where=held(flow >= 28, 3))"
unit = "ms"
reveal = {rounded = "1500"}
[payment]"""


def seeded_key(name: str) -> SigningKey:
    """A key that is the same in every run."""
    return SigningKey(hashlib.sha256(name.encode()).digest())


OPERATOR, SUPPLIER, DEVICE, STRANGER = (
    seeded_key(name) for name in ("operator", "supplier", "device", "stranger")
)


def contract_text() -> str:
    """The test contract as a person would write it."""
    return CONTRACT.format(
        operator=public_key(OPERATOR).hex(),
        supplier=public_key(SUPPLIER).hex(),
        device=public_key(DEVICE).hex(),
    )


def signed(terms: Terms, text: str = "") -> SignedContract:
    """Terms with both parties' signatures."""
    return SignedContract(terms, text, sign_terms(terms, OPERATOR), sign_terms(terms, SUPPLIER))


@cache
def pump_contract() -> SignedContract:
    """The signed test contract."""
    text = contract_text()
    return signed(Terms.from_toml(text), text)


@dataclass(frozen=True)
class Epoch:
    """What the test device signed in one epoch."""

    checkpoints: tuple[SignedCheckpoint, ...]
    windows: tuple[WindowLog, ...]


def sign_as_device(checkpoint: Checkpoint) -> SignedCheckpoint:
    """A checkpoint with the test device's signature, whatever it says."""
    return SignedCheckpoint(checkpoint, sign_checkpoint(DEVICE, checkpoint))


def record_epoch(
    counts: Sequence[int], *, epoch: int = 0, start_ms: int = T0_MS, previous: Link | None = None
) -> Epoch:
    """An epoch of windows with these record counts; readings follow from a fixed seed."""
    schema = pump_contract().terms.schema
    random = np.random.default_rng(epoch)
    opening = Checkpoint(
        device=public_key(DEVICE),
        epoch=epoch,
        index=0,
        records_in_epoch=0,
        records_in_window=0,
        start_ms=start_ms,
        end_ms=start_ms,
        schema=schema.digest(),
        chain=ZERO_CHAIN,
        link=previous or Link(),
    )
    opening = replace(opening, chain=opening.genesis_chain())
    checkpoints, windows = [opening], []
    for index, count in enumerate(counts):
        records = _records(random, count, first=checkpoints[-1].records_in_epoch == 0)
        window = WindowLog(records, window_salt(b"s" * 32, epoch, index))
        checkpoints.append(_close(checkpoints[-1], window, schema.width))
        windows.append(window)
    return Epoch(tuple(sign_as_device(c) for c in checkpoints), tuple(windows))


def _records(random: np.random.Generator, count: int, *, first: bool) -> NDArray[np.uint64]:
    flow = random.integers(25_000, 35_000, size=count, dtype=np.uint64)
    steps = np.full(count, 1000, dtype=np.uint64)
    if first and count:
        steps[0] = 0
    return np.stack([flow, steps], axis=1)


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
        end_ms=last.end_ms + WINDOW_MS,
        chain=as_chain(chain),
        link=None,
    )


@dataclass(frozen=True)
class Before:
    """What a claim continues: cumulative records and totals (None: none yet), carried state."""

    records: int = 0
    totals: tuple[int, ...] | None = None
    state: StateOpening = field(default_factory=initial_opening)


def measure(terms: Terms, epoch: Epoch, first: int, last: int, before: Before) -> Measured:
    """What windows first..last come to, from the raw records."""
    rows = np.concatenate([w.records for w in epoch.windows[first : last + 1]])
    checkpoints = [signed.checkpoint for signed in epoch.checkpoints[first : last + 2]]
    return terms.circuit.measure(Records.between(checkpoints, rows), before.state.values)


def true_totals(terms: Terms, epoch: Epoch, first: int, last: int) -> tuple[int, ...]:
    """The integer totals of windows first..last where nothing is carried into them."""
    return measure(terms, epoch, first, last, Before()).totals


def following(
    terms: Terms, epoch: Epoch, first: int, last: int, before: Before | None = None
) -> Before:
    """What the claim after windows first..last continues, carried state included."""
    before = before or Before()
    measured = measure(terms, epoch, first, last, before)
    end = epoch.checkpoints[last + 1].checkpoint
    sums = before.totals or (0,) * len(measured.totals)
    return Before(
        before.records + sum(len(w.records) for w in epoch.windows[first : last + 1]),
        tuple(a + b for a, b in zip(sums, measured.totals, strict=True)),
        opening_at(OPERATOR, terms.digest, end, measured.after),
    )


def make_claim(
    terms: Terms, epoch: Epoch, first: int, last: int, before: Before | None = None
) -> Claim:
    """A real claim over windows first..last, with a real proof."""
    before = before or Before()
    checkpoints = epoch.checkpoints[first : last + 2]
    plain = tuple(signed.checkpoint for signed in checkpoints)
    totals = measure(terms, epoch, first, last, before).totals
    state = link = None
    if terms.circuit.state:
        state = before.state, following(terms, epoch, first, last, before).state
        link = link_state(terms.circuit, plain[0], plain[-1], state)
    statement = Statement(terms.digest, plain, totals, link)
    parameters = PARAMETER_SETS[terms.parameter_set]
    windows = epoch.windows[first : last + 1]
    proof = prove(terms.circuit, parameters, statement, windows, state=state)
    sums = before.totals or (0,) * len(totals)
    return build_claim(terms, checkpoints, totals, before.records, sums, proof, OPERATOR, link)


def after(claim: Claim) -> Before:
    """What the claim after this one continues, where nothing is carried."""
    return Before(claim.records_after, claim.totals_after)


def resign(claim: Claim, **changes: object) -> Claim:
    """A claim with some fields changed and the operator's signature made anew."""
    return sign_claim(replace(claim, **changes), OPERATOR)  # type: ignore[arg-type]


def with_cumulative(claim: Claim, cumulative_nanos: int) -> Claim:
    """The claim with a validly signed voucher over another sum."""
    voucher = sign_voucher(claim.terms_digest, cumulative_nanos, OPERATOR)
    return resign(claim, voucher=voucher)


def with_checkpoint(claim: Claim, at: int, **changes: object) -> Claim:
    """The claim with one checkpoint changed, both signed again by device and operator."""
    changed = sign_as_device(replace(claim.checkpoints[at].checkpoint, **changes))  # type: ignore[arg-type]
    checkpoints = (*claim.checkpoints[:at], changed, *claim.checkpoints[at + 1 :])
    return resign(claim, checkpoints=checkpoints)


class World:
    """One operator's log and the claims over it, each made once per test session."""

    def __init__(self, contract: SignedContract | None = None) -> None:
        self.contract = contract or pump_contract()

    @property
    def terms(self) -> Terms:
        """The contract's terms."""
        return self.contract.terms

    @cached_property
    def epoch(self) -> Epoch:
        """Epoch 0: five windows, one of them empty."""
        return record_epoch([7, 4, 0, 9, 5])

    @cached_property
    def next_epoch(self) -> Epoch:
        """Epoch 1, an hour after the end of epoch 0."""
        end = self.epoch.checkpoints[-1].checkpoint
        link = Link(end.epoch, end.index, end.end_ms, end.chain)
        return record_epoch([6], epoch=1, start_ms=end.end_ms + 3_600_000, previous=link)

    @cached_property
    def first(self) -> Claim:
        """Windows 0..1 of epoch 0."""
        return make_claim(self.terms, self.epoch, 0, 1)

    @cached_property
    def before_second(self) -> Before:
        """What ``second`` continues."""
        return following(self.terms, self.epoch, 0, 1)

    @cached_property
    def second(self) -> Claim:
        """Windows 2..4 of epoch 0, continuing ``first``."""
        return make_claim(self.terms, self.epoch, 2, 4, self.before_second)

    @cached_property
    def third(self) -> Claim:
        """Window 0 of epoch 1, continuing ``second``."""
        before = following(self.terms, self.epoch, 2, 4, self.before_second)
        return make_claim(self.terms, self.next_epoch, 0, 0, before)

    @cached_property
    def wider(self) -> Claim:
        """Windows 0..2: a true statement that overlaps ``first``."""
        return make_claim(self.terms, self.epoch, 0, 2)


@cache
def carrying_world() -> World:
    """The same log under a contract that carries remainders, ``rising`` and ``held``."""
    text = contract_text().replace('reveal = "exact"', 'reveal = "amount"')
    text = text.replace("[payment]", CARRYING_OUTCOMES.lstrip())
    return World(signed(Terms.from_toml(text), text))
