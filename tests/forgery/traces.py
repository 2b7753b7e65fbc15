"""Traces that depart from the honest one in a chosen place and follow the rules everywhere else."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from circuits.chain import ROLE_CONSTANTS, Role
from circuits.circuit import Circuit, Trace
from circuits.expression import AtomKind
from circuits.field import Array, P
from circuits.gadgets.log_hash import HALF
from circuits.layout import Layout
from circuits.poseidon import FULL_ROUNDS_EACH_SIDE, MDS, PARTIAL_ROUNDS
from circuits.poseidon_constants import ROUND_CONSTANTS

_P = np.uint64(P)
_ROUNDS = 2 * FULL_ROUNDS_EACH_SIDE + PARTIAL_ROUNDS


class CannotForge(Exception):
    """The attempted lie does not fit the other constraints."""


@dataclass(frozen=True)
class FreeDigit:
    """A digit column without its range: ``digit`` of a limb or of its carry.

    The running total of ``limb`` of ``outcome`` is made p larger, which the field does not see.
    """

    outcome: int
    limb: int
    digit: int
    of_carry: bool


@dataclass
class Lie:
    """Where a trace departs; what is not named here is computed as an honest prover would.

    ``hash_cell`` and ``chain_cell``: (column, row) that is one more than it should be.
    ``cells``: (column, row) -> value in time steps and comparisons. ``active``: row -> value.
    ``increment``: (constraint, row) that adds one more than it should. ``start``: (outcome, limb)
    that starts at one.
    """

    hash_cell: tuple[int, int] | None = None
    chain_cell: tuple[int, int] | None = None
    active: dict[int, int] = field(default_factory=dict)
    cells: dict[tuple[str, int], int] = field(default_factory=dict)
    increment: tuple[str, int] | None = None
    start: tuple[int, int] | None = None
    free_digit: FreeDigit | None = None


def centred(value: int) -> int:
    """The representative of least magnitude."""
    value %= P
    return value - P if value > P // 2 else value


def spelling(columns: Collection[str], stem: str) -> list[str]:
    """The columns stem[0], stem[1], ..."""
    count = 0
    while f"{stem}[{count}]" in columns:
        count += 1
    return [f"{stem}[{k}]" for k in range(count)]


def spelled_bits(constraints: Collection[str], names: Sequence[str]) -> int:
    """How many bits these columns spell: two each, but one in the last of an odd width."""
    odd = bool(names) and f"{names[-1]} boolean" in constraints
    return 2 * len(names) - odd


def reach(circuit: Circuit, stem: str) -> int:
    """One more than what the columns stem[0], stem[1], ... can spell."""
    names = {constraint.name for constraint in circuit.constraints}
    return 1 << spelled_bits(names, spelling(circuit.columns, stem))


def digits(value: int, count: int, wild: int | None = None) -> list[int]:
    """The ``count`` lowest digits of a value, lowest first.

    A ``wild`` one holds everything from its place on, modulo p, and those above it are 0.
    """
    out = [value >> 2 * k & 3 for k in range(count)]
    if wild is not None:
        out[wild:] = [(value >> 2 * wild) % P, *[0] * (count - wild - 1)]
    return out


def selector_values(circuit: Circuit, layout: Layout, rows: int) -> Array:
    """Selectors on the first ``rows`` rows."""
    out = np.zeros((len(circuit.selectors), rows), dtype=np.uint64)
    for k, name in enumerate(circuit.selectors):
        out[k, layout.selector(name)] = 1
    return out


def form_values(
    circuit: Circuit, form: int, columns: Array, selectors: Array, publics: Array | None = None
) -> Array:
    """A form on every row but the last; ``publics`` where it has public inputs."""
    graph = circuit.graph
    known: dict[int, Array] = {}
    sources = {
        AtomKind.COLUMN: columns[:, :-1],
        AtomKind.NEXT: columns[:, 1:],
        AtomKind.SELECTOR: selectors[:, :-1],
    }

    def atom(number: int) -> Array:
        if number not in known:
            this = graph.atoms[number]
            if this.kind is AtomKind.PRODUCT:
                known[number] = value(this.index) * value(this.other) % _P
            elif this.kind is AtomKind.PUBLIC and publics is not None:
                known[number] = np.broadcast_to(publics[this.index], (columns.shape[1] - 1,))
            else:
                known[number] = sources[this.kind][this.index]
        return known[number]

    def value(number: int) -> Array:
        this = graph.forms[number]
        total = np.full(columns.shape[1] - 1, this.constant, dtype=np.uint64)
        for number_of_atom, coefficient in this.terms:
            total = (total + np.uint64(coefficient) * atom(number_of_atom)) % _P
        return total

    return value(form)


def fill_hash(trace: Trace, chain_in: Array, lie: Lie) -> None:
    """``fill_log_hash`` with one cell changed and everything behind it computed from the change."""
    closing = set(trace.layout.closing.tolist())
    chain = np.array(chain_in, dtype=np.uint64)
    rows = trace.columns.shape[1]
    constants = np.array(ROUND_CONSTANTS, dtype=np.uint64)
    for row in range(rows):
        block = np.zeros(HALF, dtype=np.uint64)
        if row < len(trace.blocks):
            block[:] = trace.blocks[row]
        role = Role.CLOSING if row in closing else Role.DATA
        state = np.concatenate([(chain + ROLE_CONSTANTS[role]) % _P, block])
        cells = [*chain, *block]
        changed = lie.hash_cell[0] if lie.hash_cell and lie.hash_cell[1] == row else -1
        for r in range(_ROUNDS):
            state = (state + constants[r]) % _P
            if FULL_ROUNDS_EACH_SIDE <= r < FULL_ROUNDS_EACH_SIDE + PARTIAL_ROUNDS:
                state[0] = state[0] * state[0] % _P * state[0] % _P
                if len(cells) == changed:
                    state[0] = (state[0] + np.uint64(1)) % _P
                cells.append(state[0])
                state = (MDS @ state) % _P
            else:
                state = (MDS @ (state * state % _P * state % _P)) % _P
                if len(cells) <= changed < len(cells) + len(state):
                    place = changed - len(cells)
                    state[place] = (state[place] + np.uint64(1)) % _P
                if r != _ROUNDS - 1:
                    cells.extend(state)
        trace.columns[: len(cells), row] = cells
        chain = (state[:HALF] + chain) % _P
        if lie.chain_cell and lie.chain_cell[1] == row:
            k = lie.chain_cell[0]
            chain[k] = (chain[k] + np.uint64(1)) % _P


def complete(circuit: Circuit, trace: Trace, lie: Lie) -> None:
    """Everything but the hash columns; ``CannotForge`` where a sum leaves its carries' range."""
    layout, rows = trace.layout, trace.columns.shape[1]
    active = circuit.columns.index("active")
    counted = np.zeros(rows, dtype=np.int64)
    counted[: layout.active_rows] = 1
    for row, value in lie.active.items():
        counted[row] = value
    data = counted[: layout.active_rows].copy()
    data[layout.closing] -= 1
    trace.__dict__["data_rows"] = data != 0
    for fill in circuit.fillers:
        fill(trace)
    trace.columns[active] = counted
    for (name, row), value in lie.cells.items():
        trace.columns[circuit.columns.index(name), row] = value % P
    for outcome in range(len(circuit.outcomes)):
        _fill_sum(circuit, trace, outcome, lie)


def _fill_sum(circuit: Circuit, trace: Trace, outcome: int, lie: Lie) -> None:
    """Limbs, carries and top of one outcome, from what its constraints say each row adds."""
    columns = trace.columns.astype(np.uint64)
    selectors = selector_values(circuit, trace.layout, columns.shape[1])
    forms = {c.name: c.form for c in circuit.constraints}
    places = {name: k for k, name in enumerate(circuit.columns)}
    limbs = circuit.outcomes[outcome].limbs
    lowest = 0
    for k, limb in enumerate(limbs):
        names = spelling(places, f"outcome {outcome} limb {k} digits")
        carry_names = spelling(places, f"outcome {outcome} carry {k} digits")
        cells, carries = ([places[n] for n in each] for each in (names, carry_names))
        top = places[f"outcome {outcome} top"]
        name = f"outcome {outcome} limb {k} adds"
        columns[[*cells, *carries] if limb.width else top] = 0
        constant = circuit.graph.forms[forms[name]].constant
        values = form_values(circuit, forms[name], columns, selectors).astype(object)
        start = int(lie.start == (outcome, k))
        if limb.width is None:
            added = [centred(-v) for v in values]
            if lie.increment and lie.increment[0] == name:
                added[lie.increment[1]] += 1
            running = np.cumsum([start, *added])
            columns[top] = running % P
            break
        lowest = centred(constant + lowest) >> limb.width
        added = [centred((lowest << limb.width) - v) for v in values]
        if lie.increment and lie.increment[0] == name:
            added[lie.increment[1]] += 1
        free = lie.free_digit
        carry_bits = spelled_bits(forms, carry_names)
        stage = _Stage(limb.width, carry_bits, lowest, cells, carries, trace.layout)
        if free and (free.outcome, free.limb) == (outcome, k):
            stage.fill_wrapped(columns, added, free)
        else:
            stage.fill(columns, added, start)
    trace.columns[:] = columns


@dataclass(frozen=True)
class _Stage:
    """One limb of a sum, and where the columns of the limb and of its carry are."""

    width: int
    carry_bits: int
    lowest: int
    cells: list[int]
    carries: list[int]
    layout: Layout

    def fill(self, columns: Array, added: list[int], start: int) -> None:
        """The split as it should be; what a row adds is read in the carries' range."""
        running = start
        for row, amount in enumerate(added):
            self._spell_limb(columns, row, running)
            running += self._lifted(running, amount)
            self._spell_carry(columns, row, (running >> self.width) - self.lowest)
            running &= (1 << self.width) - 1
        self._spell_limb(columns, len(added), running)

    def fill_wrapped(self, columns: Array, added: list[int], free: FreeDigit) -> None:
        """The total p larger at the end: by one wild carry, or by limbs out of range on the way."""
        first, last = int(self.layout.closing[0]), self.layout.active_rows - 1
        running = 0
        most = (1 << self.carry_bits) - 1
        extra = 0 if free.of_carry else self._extra_carry(added[: last + 1])
        for row, amount in enumerate(added):
            wild = free.of_carry and row == first
            self._spell_limb(columns, row, running, None if free.of_carry else free.digit)
            if free.of_carry:
                lifted = self._lifted(running, amount) + (P if wild else 0)
                carry = ((running + lifted) >> self.width) - self.lowest
            else:
                honest = running & ((1 << self.width) - 1) if row > last else 0
                lifted = self._lifted(honest, amount)
                carry = ((honest + lifted) >> self.width) - self.lowest
                given = min(extra, most - carry)
                carry, extra = carry + given, extra - given
            running += lifted - ((carry + self.lowest) << self.width)
            if row == last and not free.of_carry:
                running += P
            self._spell_carry(columns, row, carry, free.digit if wild else None)
        self._spell_limb(columns, len(added), running)
        if extra:
            raise CannotForge("too few rows for so much carry")

    def _extra_carry(self, added: list[int]) -> int:
        """How much more than each row's own carry they must add up to for a total p larger."""
        amounts = [self._lifted(0, amount) for amount in added]
        return (sum(amounts) + P >> self.width) - sum(amount >> self.width for amount in amounts)

    def _lifted(self, running: int, amount: int) -> int:
        for candidate in (amount, amount + P, amount - P):
            carry = ((running + candidate) >> self.width) - self.lowest
            if 0 <= carry < 1 << self.carry_bits:
                return candidate
        raise CannotForge("a row adds more than its carry can spell")

    def _spell_limb(self, columns: Array, row: int, value: int, free: int | None = None) -> None:
        columns[self.cells, row] = self._digits(self.cells, self.width, value, free)

    def _spell_carry(self, columns: Array, row: int, value: int, free: int | None = None) -> None:
        columns[self.carries, row] = self._digits(self.carries, self.carry_bits, value, free)

    @staticmethod
    def _digits(places: list[int], bits: int, value: int, free: int | None) -> list[int]:
        if 0 <= value < 1 << bits:
            return digits(value, len(places))
        if free is None:
            raise CannotForge("a value needs more bits than there are")
        return digits(value, len(places), free)
