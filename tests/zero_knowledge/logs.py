"""Pairs of logs that make the same statement but for chain values and commitments."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from circuits.circuit import Circuit, Measured
from circuits.records import Records
from circuits.statement import Statement
from prover.device import chain_values
from prover.log import WindowLog
from prover.prove import prove
from prover.state import Openings, link_state, opening_at
from tests.support import OPERATOR, World, contract_text, following, signed
from verifier.contract import SignedContract, Terms
from verifier.kernel.parameters import STANDARD, ParameterSet


@dataclass(frozen=True)
class Log:
    """A statement and everything that proves it."""

    circuit: Circuit
    statement: Statement
    windows: tuple[WindowLog, ...]
    state: Openings | None = None
    parameters: ParameterSet = STANDARD

    def prove(self) -> bytes:
        """A proof with masks of its own."""
        return prove(self.circuit, self.parameters, self.statement, self.windows, state=self.state)

    @property
    def measured(self) -> Measured:
        """Totals, and what is carried after the last record."""
        rows = np.concatenate([window.records for window in self.windows])
        records = Records.between(self.statement.checkpoints, rows)
        return self.circuit.measure(records, {} if self.state is None else self.state[0].values)


def plain_log(world: World) -> Log:
    """Windows 0..1 of the test log; nothing is carried."""
    return Log(world.terms.circuit, world.first.statement, world.epoch.windows[:2])


def plain_pair(world: World) -> tuple[Log, Log]:
    """``plain_log`` and another with equal counts, times and totals: a window's readings reversed.

    Its chain values differ, as those of any other log would.
    """
    log = plain_log(world)
    last = log.windows[1]
    windows = (log.windows[0], WindowLog(last.records[::-1].copy(), last.salt))
    return log, _recorded_again(log, windows)


def carrying_pair() -> tuple[Log, Log]:
    """Two logs with equal counts, times and totals that carry different states on.

    Both continue a claim, so that neither commitment is the public one of a contract's start.
    """
    world = World(_carrying_contract())
    log = Log(world.terms.circuit, _statement(world), world.epoch.windows[2:])
    random = np.random.default_rng(11)
    windows = []
    for window in log.windows:
        records = window.records.copy()
        records[:, 0] = random.integers(25_000, 35_000, len(records))
        windows.append(WindowLog(records, window.salt))
    return _linked(world, log), _linked(world, _recorded_again(log, tuple(windows)))


def _carrying_contract() -> SignedContract:
    """A minute of time with so much flow is more than these logs have: all of it is carried on."""
    text = contract_text().replace('reveal = "exact"', 'reveal = {rounded = "60000"}')
    text = text.replace(
        "sum(flow * dt_ms) / 60000",
        "sum(dt_ms, where=held(flow >= 28, 3) & ~rising(flow >= 33))",
    )
    return signed(Terms.from_toml(text), text)


def _statement(world: World) -> Statement:
    """Windows 2..4 of the test log, without what the circuit says of them."""
    checkpoints = tuple(entry.checkpoint for entry in world.epoch.checkpoints[2:])
    return Statement(world.terms.digest, checkpoints, ())


def _recorded_again(log: Log, windows: tuple[WindowLog, ...]) -> Log:
    """What the device would have committed to, had it recorded these readings instead."""
    old = log.statement.checkpoints
    chains = chain_values(old[0].chain, log.circuit.schema.width, windows)
    later = (replace(c, chain=chain) for c, chain in zip(old[1:], chains, strict=True))
    return replace(
        log, windows=windows, statement=replace(log.statement, checkpoints=(old[0], *later))
    )


def _linked(world: World, log: Log) -> Log:
    """The log with its true totals, the openings of its state, and both commitments."""
    first, last = log.statement.checkpoints[0], log.statement.checkpoints[-1]
    before = following(world.terms, world.epoch, 0, 1).state
    measured = replace(log, state=(before, before)).measured
    state = before, opening_at(OPERATOR, world.terms.digest, last, measured.after)
    link = link_state(log.circuit, first, last, state)
    statement = replace(log.statement, totals=measured.totals, state=link)
    return replace(log, statement=statement, state=state)
