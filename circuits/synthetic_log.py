"""An honest claim over made-up readings that fits any circuit, for the lint.

The readings are chosen to make conditions true and false: uniform ones, repeated ones, the ends of
a channel's range, and what lies next to the constants that the circuit compares a channel with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from circuits.chain import CHAIN_ELEMENTS, Role, absorb, pack_records, sample_elements
from circuits.checkpoint import ZERO_CHAIN, Checkpoint, Link, as_chain
from circuits.circuit import Circuit, Trace
from circuits.expression import AtomKind
from circuits.field import Array, P, inverse
from circuits.readable import signed
from circuits.records import Records
from circuits.reference_trace import reference_trace
from circuits.schema import DT_BITS, Schema
from circuits.state import StateOpening, chain_before, commit_state, initial_opening
from circuits.statement import StateLink, Statement

FIRST_BLOCK_COLUMN = CHAIN_ELEMENTS  # the log hash's columns: the chain value, then the block
WINDOW_MS = 6_660_000  # 111 minutes: the windows below start all around the clock
WINDOW_RECORDS = (13, 0, 2, 1, 16, 5, 0, 7, 9, 3, 24, 1, 11, 4)
EARLIER_WINDOWS = (6, 21)
Rows = NDArray[np.uint64]


@dataclass(frozen=True)
class SyntheticClaim:
    """A true statement with everything that its trace is made from."""

    statement: Statement
    windows: tuple[tuple[Rows, Array], ...]
    openings: tuple[StateOpening, StateOpening] | None

    def trace(self, circuit: Circuit) -> Trace:
        """The reference trace."""
        return reference_trace(circuit, self.statement, self.windows, self.openings)


def synthetic_claims(circuit: Circuit, seed: int = 0) -> tuple[SyntheticClaim, SyntheticClaim]:
    """Two claims: over the first windows of a device's first epoch, and over later ones.

    The first one begins at a contract's start; the second one's carried state and records go on
    where the first one ended. Both have full and partial blocks and an empty window.
    """
    random = np.random.default_rng(seed)
    interesting = [_near_constants(circuit, place) for place in range(circuit.schema.width)]
    opening = Checkpoint(
        bytes(32), 0, 0, 0, 0, 0, 0, circuit.schema.digest(), ZERO_CHAIN, link=Link()
    )
    opening = replace(opening, chain=opening.genesis_chain())
    per = circuit.schema.records_per_block
    windows = [
        (_records(circuit.schema, size, interesting, random), _salt(random))
        for size in (_size(count, per) for count in EARLIER_WINDOWS + WINDOW_RECORDS)
    ]
    if circuit.schema.has_dt:
        windows[0][0][0, -1] = 0  # the first record of an epoch
    begin = len(EARLIER_WINDOWS)
    checkpoints = _checkpoints(circuit.schema, opening, windows)
    first, state = _claim(circuit, checkpoints[: begin + 1], windows[:begin], initial_opening())
    second, _ = _claim(circuit, checkpoints[begin:], windows[begin:], state)
    return first, second


def _claim(
    circuit: Circuit,
    checkpoints: Sequence[Checkpoint],
    windows: Sequence[tuple[Rows, Array]],
    before: StateOpening,
) -> tuple[SyntheticClaim, StateOpening]:
    """The claim over all of these windows, and the state after it."""
    rows = np.concatenate([records for records, _ in windows])
    measured = circuit.measure(Records.between(checkpoints, rows), before.values)
    statement = Statement(bytes(32), tuple(checkpoints), measured.totals)
    last = checkpoints[-1].chain
    after = StateOpening(measured.after, tuple(int(v) for v in last))  # need not hide anything
    if not circuit.state:
        return SyntheticClaim(statement, tuple(windows), None), after
    link = StateLink(
        commit_state(circuit.state, before, chain_before(checkpoints[0])),
        commit_state(circuit.state, after, last),
    )
    statement = replace(statement, state=link)
    return SyntheticClaim(statement, tuple(windows), (before, after)), after


def _size(count: int, per: int) -> int:
    """More records where more of them share a row, and every possible number in the last row."""
    return count * max(1, per // 2) // per * per + count % per


def _salt(random: np.random.Generator) -> Array:
    return sample_elements(random.bytes(32), b"salt", CHAIN_ELEMENTS)


def _checkpoints(
    schema: Schema, opening: Checkpoint, windows: Sequence[tuple[Rows, Array]]
) -> list[Checkpoint]:
    """What a device would sign over these windows."""
    checkpoints = [opening]
    for records, salt in windows:
        last = checkpoints[-1]
        chain = np.array(last.chain, dtype=np.uint64)
        for block in pack_records(records, schema.width):
            chain = absorb(chain, block, Role.DATA)
        closed = replace(
            last,
            index=last.index + 1,
            records_in_epoch=last.records_in_epoch + len(records),
            records_in_window=len(records),
            start_ms=last.end_ms,
            end_ms=last.end_ms + WINDOW_MS,
            chain=as_chain(absorb(chain, salt, Role.CLOSING)),
            link=None,
        )
        checkpoints.append(closed)
    return checkpoints


def _records(
    schema: Schema, count: int, interesting: Sequence[Sequence[int]], random: np.random.Generator
) -> Rows:
    """Raw records of one window, (count, schema.elements)."""
    bits = [channel.bits for channel in schema.channels] + [DT_BITS] * schema.has_dt
    columns = []
    for width, near in zip(bits, interesting, strict=False):
        top = (1 << width) - 1
        wanted = [value for value in near if 0 <= value <= top] or [0]
        choices = np.stack(
            [
                random.integers(0, top, count, dtype=np.uint64),
                random.integers(0, min(top, 8) + 1, count, dtype=np.uint64),
                random.choice(np.array([0, 1, top - 1, top], dtype=np.uint64), count),
                random.choice(np.array(wanted, dtype=np.uint64), count),
                random.choice(np.array(wanted, dtype=np.uint64), count),
            ]
        )
        kinds = random.integers(0, len(choices), count)
        # the same kind of value several times in a row, so that conditions also last
        kinds = kinds[np.arange(count) // 3 * 3] if count else kinds
        columns.append(choices[kinds, np.arange(count)])
    return np.stack(columns, axis=1)


def _near_constants(circuit: Circuit, place: int) -> list[int]:
    """Values v with c * v + k next to 0 for a linear form c * element + k of the circuit."""
    slots = range(circuit.schema.records_per_block)
    columns = {FIRST_BLOCK_COLUMN + slot * circuit.schema.width + place for slot in slots}
    found: set[int] = set()
    for form in circuit.graph.forms:
        for number, coefficient in form.terms:
            atom = circuit.graph.atoms[number]
            if atom.kind is AtomKind.COLUMN and atom.index in columns and form.constant:
                root = signed(-form.constant * inverse(coefficient) % P)
                found |= {root - 1, root, root + 1}
    return sorted(found)
