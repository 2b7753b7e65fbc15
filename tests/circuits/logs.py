"""Made-up logs, their statements and reference traces, with nothing but ``circuits``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from circuits import records as claims
from circuits import state
from circuits.chain import Role, absorb, pack_records, sample_elements
from circuits.checkpoint import ZERO_CHAIN, Checkpoint, Link, as_chain
from circuits.circuit import Circuit, Measured, Trace
from circuits.field import Array
from circuits.reference_trace import reference_trace as plain_trace
from circuits.schema import Channel, Schema
from circuits.statement import StateLink, Statement
from circuits.trace_check import Failure, check_trace

Records = NDArray[np.uint64]
DEVICE = bytes(range(32))
TERMS = bytes(range(32, 64))
WINDOW_MS = 60_000


def channel(
    name: str = "flow",
    bits: int = 16,
    scale: Fraction | str = "1",
    offset: Fraction | str = "0",
    *,
    may_miss: bool = False,
) -> Channel:
    """A channel with what a test does not care about filled in."""
    return Channel(name, "unit", bits, Fraction(scale), Fraction(offset), may_miss)


@dataclass(frozen=True)
class SignedLog:
    """Windows of raw records with their salts, and the checkpoints a device would sign.

    ``checkpoints`` start with an opening one, or, when earlier records are declared, with a later
    one of the same epoch.
    """

    schema: Schema
    windows: tuple[Records, ...]
    salts: tuple[Array, ...]
    checkpoints: tuple[Checkpoint, ...]
    before: Mapping[str, int] = field(default_factory=dict)

    @property
    def starts_epoch(self) -> bool:
        """True when no record precedes these windows."""
        return self.checkpoints[0].records_in_epoch == 0

    @property
    def records(self) -> Records:
        """All records, in order."""
        return np.concatenate(self.windows)

    def measured(self, circuit: Circuit) -> Measured:
        """The true totals, and the state after."""
        readings = claims.Records.between(self.checkpoints, self.records)
        return circuit.measure(readings, self.before)

    def totals(self, circuit: Circuit) -> tuple[int, ...]:
        """The true total of every outcome."""
        return self.measured(circuit).totals

    def openings(self, circuit: Circuit) -> tuple[state.StateOpening, state.StateOpening] | None:
        """The state before and after, blinded."""
        if not circuit.state:
            return None
        after = self.measured(circuit).after
        return (
            state.StateOpening(self.before, tuple(range(8))),
            state.StateOpening(after, tuple(range(100, 108))),
        )

    def statement(self, circuit: Circuit, totals: tuple[int, ...] | None = None) -> Statement:
        """The statement with true totals, or with others."""
        claimed = self.totals(circuit) if totals is None else totals
        openings = self.openings(circuit)
        link = None
        if openings is not None:
            first, last = self.checkpoints[0], self.checkpoints[-1]
            link = StateLink(
                state.commit_state(circuit.state, openings[0], state.chain_before(first)),
                state.commit_state(circuit.state, openings[1], last.chain),
            )
        return Statement(TERMS, self.checkpoints, claimed, link)


def random_windows(
    schema: Schema, counts: Sequence[int], seed: int = 0, *, first_dt: int = 0
) -> list[Records]:
    """Windows of uniform readings over the whole declared range; steps of up to two seconds."""
    random = np.random.default_rng(seed)
    out = []
    for count in counts:
        columns = [
            random.integers(0, c.maximum_raw + 1, count, dtype=np.uint64) for c in schema.channels
        ]
        if schema.has_dt:
            columns.append(random.integers(1, 2001, count, dtype=np.uint64))
        out.append(np.stack(columns, axis=1))
    if schema.has_dt:
        for window in out:
            if len(window):
                window[0, -1] = first_dt
                break
    return out


def sign_log(
    schema: Schema,
    windows: Sequence[Records],
    *,
    earlier_records: int = 0,
    start_ms: int = 0,
    window_ms: int = WINDOW_MS,
    link: Link | None = None,
) -> SignedLog:
    """Chain, salts and checkpoints of these windows, one every ``window_ms``.

    ``link`` is where the epoch before ended; without it this is the device's first one.
    """
    checkpoint = Checkpoint(
        device=DEVICE,
        epoch=0,
        index=0,
        records_in_epoch=0,
        records_in_window=0,
        start_ms=start_ms,
        end_ms=start_ms,
        schema=schema.digest(),
        chain=ZERO_CHAIN,
        link=link or Link(),
    )
    checkpoint = replace(checkpoint, chain=checkpoint.genesis_chain())
    if earlier_records:
        checkpoint = replace(
            checkpoint,
            index=1,
            records_in_epoch=earlier_records,
            records_in_window=earlier_records,
            end_ms=start_ms + window_ms,
            chain=as_chain(sample_elements(b"", b"some earlier chain value", 8)),
            link=None,
        )
    checkpoints, salts = [checkpoint], []
    for number, records in enumerate(windows):
        salt = sample_elements(b"salt", number.to_bytes(4, "little"), 8)
        chain = np.array(checkpoints[-1].chain, dtype=np.uint64)
        for block in pack_records(records, schema.width):
            chain = absorb(chain, block, Role.DATA)
        chain = absorb(chain, salt, Role.CLOSING)
        last = checkpoints[-1]
        checkpoints.append(
            replace(
                last,
                index=last.index + 1,
                records_in_epoch=last.records_in_epoch + len(records),
                records_in_window=len(records),
                start_ms=last.end_ms,
                end_ms=last.end_ms + window_ms,
                chain=as_chain(chain),
                link=None,
            )
        )
        salts.append(salt)
    return SignedLog(schema, tuple(windows), tuple(salts), tuple(checkpoints))


def random_log(schema: Schema, counts: Sequence[int], seed: int = 0) -> SignedLog:
    """``sign_log`` over ``random_windows``."""
    return sign_log(schema, random_windows(schema, counts, seed))


def reference_trace(circuit: Circuit, log: SignedLog, padding_rows: int = 3) -> Trace:
    """The trace filled by the plain code, with a few padding rows behind the used ones."""
    windows = list(zip(log.windows, log.salts, strict=True))
    statement, openings = log.statement(circuit), log.openings(circuit)
    return plain_trace(circuit, statement, windows, openings, padding_rows)


def failures(
    circuit: Circuit, log: SignedLog, trace: Trace, totals: tuple[int, ...] | None = None
) -> list[Failure]:
    """What the trace check says about a statement over this log."""
    publics = log.statement(circuit, totals).public_inputs(circuit)
    return check_trace(circuit, trace, publics, trace.columns.shape[1] - 1)
