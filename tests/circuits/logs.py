"""Made-up logs, their statements and reference traces, with nothing but ``circuits``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from circuits.chain import Role, absorb, pack_records, sample_elements
from circuits.checkpoint import ZERO_CHAIN, Checkpoint, Link, as_chain
from circuits.circuit import Circuit, Trace
from circuits.field import Array
from circuits.gadgets.log_hash import fill_log_hash
from circuits.schema import Channel, Schema
from circuits.statement import Statement
from circuits.trace_check import Failure, check_trace

Records = NDArray[np.uint64]
DEVICE = bytes(range(32))
TERMS = bytes(range(32, 64))
WINDOW_MS = 60_000


def channel(
    name: str = "flow", bits: int = 16, scale: Fraction | str = "1", offset: Fraction | str = "0"
) -> Channel:
    """A channel with what a test does not care about filled in."""
    return Channel(name, "unit", bits, Fraction(scale), Fraction(offset))


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

    @property
    def starts_epoch(self) -> bool:
        """True when no record precedes these windows."""
        return self.checkpoints[0].records_in_epoch == 0

    @property
    def records(self) -> Records:
        """All records, in order."""
        return np.concatenate(self.windows)

    def totals(self, circuit: Circuit) -> tuple[int, ...]:
        """The true total of every outcome."""
        return tuple(o.total_of(self.records, self.starts_epoch) for o in circuit.outcomes)

    def statement(self, circuit: Circuit, totals: tuple[int, ...] | None = None) -> Statement:
        """The statement with true totals, or with others."""
        claimed = self.totals(circuit) if totals is None else totals
        return Statement(TERMS, self.checkpoints, claimed)


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


def sign_log(schema: Schema, windows: Sequence[Records], *, earlier_records: int = 0) -> SignedLog:
    """Chain, salts and checkpoints of these windows."""
    checkpoint = Checkpoint(
        device=DEVICE,
        epoch=0,
        index=0,
        records_in_epoch=0,
        records_in_window=0,
        start_ms=0,
        end_ms=0,
        schema=schema.digest(),
        chain=ZERO_CHAIN,
        link=Link(),
    )
    checkpoint = replace(checkpoint, chain=checkpoint.genesis_chain())
    if earlier_records:
        checkpoint = replace(
            checkpoint,
            index=1,
            records_in_epoch=earlier_records,
            records_in_window=earlier_records,
            end_ms=WINDOW_MS,
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
                end_ms=last.end_ms + WINDOW_MS,
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
    """The trace filled by the plain code, with a few padding rows behind the active ones."""
    layout = log.statement(circuit, (0,) * len(circuit.outcomes)).layout(
        circuit.schema.records_per_block
    )
    blocks = np.concatenate(
        [
            piece
            for records, salt in zip(log.windows, log.salts, strict=True)
            for piece in (pack_records(records, log.schema.width), salt[None, :])
        ]
    ).astype(np.uint32)
    rows = layout.active_rows + padding_rows
    trace = Trace(np.zeros((circuit.column_count, rows), dtype=np.uint32), layout, blocks)
    fill_log_hash(trace, np.array(log.checkpoints[0].chain, dtype=np.uint64), rows)
    for fill in circuit.fillers:
        fill(trace)
    return trace


def failures(
    circuit: Circuit, log: SignedLog, trace: Trace, totals: tuple[int, ...] | None = None
) -> list[Failure]:
    """What the trace check says about a statement over this log."""
    publics = log.statement(circuit, totals).public_inputs(circuit)
    return check_trace(circuit, trace, publics, trace.columns.shape[1] - 1)
