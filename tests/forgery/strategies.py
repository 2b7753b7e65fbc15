"""For each constraint of a circuit a false statement that passes once it is dropped."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from itertools import combinations, islice
from re import Match

import numpy as np
from numpy.typing import NDArray

from circuits.chain import Role, absorb, pack_records
from circuits.checkpoint import as_chain
from circuits.circuit import Circuit, Trace
from circuits.errors import Rejected
from circuits.evaluate import interpreter
from circuits.field import Array, P, inverse, multiply
from circuits.gadgets.log_hash import COLUMN_COUNT, HALF, fill_log_hash, row_roles
from circuits.records import Records
from circuits.schema import DT_BITS, DT_CHANNEL
from circuits.statement import Statement
from tests.circuits.logs import TERMS, SignedLog
from tests.forgery.cases import Case
from tests.forgery.traces import (
    CannotForge,
    FreeDigit,
    Lie,
    centred,
    complete,
    digits,
    fill_hash,
    form_values,
    reach,
    selector_values,
    spelling,
)

PADDING_ROWS = 3
ATTEMPTS = 400
OTHERS = 4096  # spellings of one time step
# ``test_the_row_after_the_last_one_may_be_active`` says why
NOT_NEEDED = {"row after last inactive"}

Blocks = NDArray[np.uint32]


@dataclass(frozen=True)
class Forgery:
    """A statement, the trace that is to pass for it, and the blocks that the trace absorbs."""

    case: Case
    statement: Statement
    trace: Trace
    lie: Lie
    blocks: Blocks


Attempt = Callable[[], Forgery]
Strategy = Callable[[Case, Match[str]], Iterator[Attempt]]


def failing(circuit: Circuit, trace: Trace, statement: Statement) -> set[str]:
    """Every constraint that fails on some row that is not exempt (all but the last one here)."""
    columns = trace.columns.astype(np.uint64)
    one = np.ones(columns.shape[1] - 1, dtype=np.uint64)
    values = interpreter(circuit).constraints(
        columns[:, :-1],
        columns[:, 1:],
        selector_values(circuit, trace.layout, columns.shape[1])[:, :-1],
        statement.public_inputs(circuit)[:, None] * one,
        one,
        multiply,
    )
    return {circuit.constraints[k].name for k in np.nonzero(values.any(axis=1))[0]}


def is_true(circuit: Circuit, statement: Statement, trace: Trace) -> bool:
    """Whether the records that the trace absorbs have these chain values and these totals.

    Slots beyond the signed counts must be zero: a device hashes no record there.
    """
    layout, schema = trace.layout, circuit.schema
    blocks = trace.columns[HALF : 2 * HALF, : layout.active_rows].T.astype(np.uint64)
    weights = np.ones((len(blocks), schema.records_per_block), dtype=bool)
    weights[layout.closing] = False
    slots = np.arange(schema.records_per_block)
    weights[layout.partial] = slots[None, :] < layout.filled[:, None]
    records = blocks.reshape(len(blocks), -1, schema.width)[:, :, : schema.elements]
    empty = records[layout.partial][~weights[layout.partial]]
    if empty.any():
        return False
    readings = Records.between(statement.checkpoints, records[weights])
    if circuit.measure(readings, {}).totals != statement.totals:
        return False
    chain = np.array(statement.checkpoints[0].chain, dtype=np.uint64)
    closing = set(layout.closing.tolist())
    for row, block in enumerate(blocks):
        chain = absorb(chain, block, Role.CLOSING if row in closing else Role.DATA)
    return as_chain(chain) == statement.checkpoints[-1].chain


def traced_totals(circuit: Circuit, trace: Trace) -> tuple[int, ...]:
    """The totals that the row after the last active one spells."""
    after = trace.columns[:, trace.layout.active_rows].astype(object)
    totals = []
    for number, outcome in enumerate(circuit.outcomes):
        total = 0
        for k, limb in enumerate(outcome.limbs):
            if limb.width is None:
                top = circuit.columns.index(f"outcome {number} top")
                total += centred(after[top]) << limb.shift
                continue
            names = spelling(circuit.columns, f"outcome {number} limb {k} digits")
            first = circuit.columns.index(names[0])
            total += sum(after[first + j] << (limb.shift + 2 * j) for j in range(len(names)))
        totals.append(int(total))
    return tuple(totals)


def blocks_of(log: SignedLog) -> Blocks:
    """What the log's windows absorb, in order."""
    pieces = [
        piece
        for records, salt in zip(log.windows, log.salts, strict=True)
        for piece in (pack_records(records, log.schema.width), salt[None, :])
    ]
    return np.concatenate(pieces).astype(np.uint32)


def build(case: Case, lie: Lie, blocks: Blocks | None = None, rows: int | None = None) -> Forgery:
    """A forged trace over these blocks (those of the log) and the statement that it spells."""
    circuit, log = case.circuit, case.log
    layout = log.statement(circuit).layout(circuit)
    chain_in: Array = np.array(log.checkpoints[0].chain, dtype=np.uint64)
    rows = rows or layout.active_rows + PADDING_ROWS
    absorbed = blocks_of(log) if blocks is None else blocks
    honest_hash = blocks is None and not lie.hash_cell and not lie.chain_cell
    trace = Trace(np.zeros((circuit.column_count, rows), dtype=np.uint32), layout, absorbed)
    if honest_hash:
        trace.columns[:COLUMN_COUNT] = _honest_hash(case, rows)
    else:
        fill_hash(trace, chain_in, lie)
    complete(circuit, trace, lie)
    end = replace(log.checkpoints[-1], chain=as_chain(trace.columns[:HALF, layout.active_rows]))
    checkpoints = (*log.checkpoints[:-1], end)
    statement = Statement(TERMS, checkpoints, traced_totals(circuit, trace))
    return Forgery(case, statement, trace, lie, absorbed)


@lru_cache(maxsize=8)
def _honest_hash(case: Case, rows: int) -> Blocks:
    circuit, log = case.circuit, case.log
    layout = log.statement(circuit).layout(circuit)
    columns = np.zeros((COLUMN_COUNT, rows), dtype=np.uint32)
    chain_in: Array = np.array(log.checkpoints[0].chain, dtype=np.uint64)
    fill_log_hash(columns, chain_in, blocks_of(log), row_roles(layout), rows)
    return columns


@cache
def honest(case: Case) -> Forgery:
    """No lie at all."""
    return build(case, Lie())


def forge_without(case: Case, name: str) -> Forgery:
    """A false statement in range whose trace violates this constraint and no other."""
    for pattern, strategy in STRATEGIES:
        found = re.fullmatch(pattern, name)
        if found is None:
            continue
        for attempt in islice(strategy(case, found), ATTEMPTS):
            try:
                forgery = attempt()
                for outcome, total in zip(
                    case.circuit.outcomes, forgery.statement.totals, strict=True
                ):
                    outcome.check_total(total)
            except (CannotForge, Rejected):
                continue
            if not is_true(case.circuit, forgery.statement, forgery.trace):
                return forgery
        raise CannotForge(f"no false statement passes without {name!r}")
    raise CannotForge(f"no strategy for {name!r}")


def _lies(case: Case, *lies: Lie) -> Iterator[Attempt]:
    return (partial(build, case, lie) for lie in lies)


def _full_rows(case: Case) -> list[int]:
    """Data rows whose slots all hold records, the epoch's first record aside."""
    layout = honest(case).trace.layout
    special = {*layout.closing.tolist(), *layout.partial.tolist(), *layout.opening.tolist(), 0}
    return [row for row in range(layout.active_rows) if row not in special]


def _hash_cell(case: Case, found: Match[str]) -> Iterator[Attempt]:
    group = found.groupdict()
    column = f"sbox[{int(group['partial']) - 1}]" if group["partial"] else f"full{group['full']}"
    row = honest(case).trace.layout.active_rows // 2
    return _lies(case, Lie(hash_cell=(case.circuit.columns.index(column), row)))


def _chain_cell(case: Case, found: Match[str]) -> Iterator[Attempt]:
    row = honest(case).trace.layout.active_rows - 2
    return _lies(case, Lie(chain_cell=(int(found[1]), row)))


def _chain_end(case: Case, found: Match[str]) -> Iterator[Attempt]:
    """The honest trace for another chain value than that of the log."""
    at, k = (0 if found[1] == "in" else -1), int(found[2])

    def attempt() -> Forgery:
        true = honest(case)
        checkpoints = list(true.statement.checkpoints)
        chain = list(checkpoints[at].chain)
        chain[k] = (chain[k] + 1) % P
        checkpoints[at] = replace(checkpoints[at], chain=tuple(chain))
        return replace(true, statement=replace(true.statement, checkpoints=tuple(checkpoints)))

    return iter([attempt])


def _inactive_row(case: Case, found: Match[str]) -> Iterator[Attempt]:
    """A row of records that is not counted."""
    return _lies(case, *(Lie(active={row: 0}) for row in _full_rows(case)))


def _counted_salt(case: Case, found: Match[str]) -> Iterator[Attempt]:
    """The last salt, which looks like readings, counted as readings."""
    last = honest(case).trace.layout.active_rows - 1
    for row in _full_rows(case):
        blocks = blocks_of(case.log)
        blocks[last] = blocks[row]
        yield partial(build, case, Lie(active={last: 2}), blocks)


def _filled_padding(case: Case, found: Match[str]) -> Iterator[Attempt]:
    """A reading in a slot that the signed count leaves empty."""
    slot, layout = int(found[1]), honest(case).trace.layout
    for row in layout.partial[layout.filled <= slot].tolist():
        blocks = blocks_of(case.log)
        blocks[row, slot * case.schema.width + int(found[2])] = 1
        yield partial(build, case, Lie(), blocks)


def _reading(case: Case, found: Match[str], row: int) -> int:
    """Reading minus threshold in a row of the comparison that a constraint's name tells."""
    position = int(found["slot"]) * case.schema.width + case.schema.position(found["channel"])
    return int(honest(case).trace.blocks[row, position]) - int(found["threshold"])


def _cells(
    case: Case, key: str, row: int, value: int, wild: int | None = None
) -> dict[tuple[str, int], int]:
    """Columns key[0], key[1], ... spelling a value in one row: see ``digits``."""
    names = spelling(case.circuit.columns, key)
    spelled = digits(value, len(names), wild)
    return {(name, row): digit for name, digit in zip(names, spelled, strict=True)}


def _half_comparison(case: Case, found: Match[str]) -> Iterator[Attempt]:
    """Digits half of 2^n beside the true ones: the bit of two records is one half more, or less."""
    key, limit = found["key"], reach(case.circuit, f"{found['key']} digits")
    gaps = {row: _reading(case, found, row) for row in _full_rows(case)}
    alike = [[row for row in gaps if (gaps[row] < 0) is below] for below in (False, True)]
    for row, other in (pair for rows in alike for pair in combinations(rows, 2)):
        cells: dict[tuple[str, int], int] = {}
        for place in (row, other):
            value = (gaps[place] + limit // 2) % limit
            cells |= _cells(case, f"{key} digits", place, value)
        yield partial(build, case, Lie(cells=cells))


def _wrong_comparison(case: Case, found: Match[str]) -> Iterator[Attempt]:
    """The comparison turned around by a free digit: of 2^n more than fits, or of less than 0.

    That is p less, or, where p is added, far more than 3.
    """
    limit = reach(case.circuit, f"{found['key']} digits")
    for row in _full_rows(case):
        gap = _reading(case, found, row)
        value = (gap if gap < 0 else gap + limit) + row % 2 * P
        cells = _cells(case, f"{found['key']} digits", row, value, int(found["digit"]))
        yield partial(build, case, Lie(cells=cells))


def _other_time_step(case: Case, found: Match[str]) -> Iterator[Attempt]:
    """A time step one more or one less than the record's."""
    key = f"dt_ms digits@{found['slot']}"
    for row in _full_rows(case):
        cells = _cells(case, key, row, _time_step(case, int(found["slot"]), row) ^ 1)
        yield partial(build, case, Lie(cells=cells))


def _time_step(case: Case, slot: int, row: int) -> int:
    position = slot * case.schema.width + case.schema.position(DT_CHANNEL)
    return int(honest(case).trace.blocks[row, position])


def _wild_time_step(case: Case, found: Match[str]) -> Iterator[Attempt]:
    """The same time step modulo p from other digits: its parts have other products.

    First the digits of the step and p, then those with one that makes it add up of which rows add
    least.
    """
    slot, free = int(found["slot"]), int(found["digit"])
    key = f"dt_ms digits@{slot}"
    for row in _full_rows(case):
        cells = _cells(case, key, row, _time_step(case, slot, row) + P, free)
        yield partial(build, case, Lie(cells=cells))
    random = np.random.default_rng(slot * DT_BITS + free)
    names = spelling(case.circuit.columns, key)
    for row in _full_rows(case):
        others = random.integers(0, 1 << DT_BITS, OTHERS) & ~(3 << 2 * free)
        spelled = others[:, None] >> 2 * np.arange(len(names)) & 3
        spelled[:, free] = (_time_step(case, slot, row) - others) * inverse(4**free) % P
        for place in np.argsort(_row_adds(case, row, names, spelled))[:8]:
            values = zip(names, spelled[place].tolist(), strict=True)
            yield partial(build, case, Lie(cells={(name, row): value for name, value in values}))


def _row_adds(
    case: Case, row: int, names: list[str], values: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The most that a row with these cells, (tries, names), adds to a limb, in magnitude."""
    circuit, trace = case.circuit, honest(case).trace
    columns = np.repeat(trace.columns[:, row : row + 1], len(values) + 1, axis=1).astype(np.uint64)
    running = re.compile(r"outcome \d+ ((limb|carry) \d+ digits.*|top)")
    columns[[k for k, name in enumerate(circuit.columns) if running.fullmatch(name)]] = 0
    columns[[circuit.columns.index(name) for name in names], :-1] = values.T
    selectors = selector_values(circuit, trace.layout, trace.columns.shape[1])
    here = np.repeat(selectors[:, row : row + 1], len(values) + 1, axis=1)
    forms = [c.form for c in circuit.constraints if c.name.endswith(" adds")]
    added = [form_values(circuit, form, columns, here).astype(np.int64) for form in forms]
    most: NDArray[np.int64] = np.max([np.minimum(a, P - a) for a in added], axis=0)
    return most


def _wrong_addition(case: Case, found: Match[str]) -> Iterator[Attempt]:
    return _lies(case, *(Lie(increment=(found[0], row)) for row in _full_rows(case)))


def _wrong_start(case: Case, found: Match[str]) -> Iterator[Attempt]:
    return _lies(case, Lie(start=(int(found[1]), int(found[2]))))


def _wrong_public(case: Case, found: Match[str]) -> Iterator[Attempt]:
    """The honest trace for a total that differs in one limb."""
    outcome, limb = int(found[1]), case.circuit.outcomes[int(found[1])].limbs[int(found[2])]
    true = honest(case)
    for k in range(limb.width or 1):
        totals = list(true.statement.totals)
        totals[outcome] = (
            totals[outcome] + (1 << limb.shift)
            if limb.width is None
            else totals[outcome] ^ 1 << limb.shift + k
        )
        statement = replace(true.statement, totals=tuple(totals))
        yield partial(replace, true, statement=statement)


def _wild_sum(case: Case, found: Match[str]) -> Iterator[Attempt]:
    """A running total that wraps around p."""
    outcome, what, limb, digit = found.groups()
    free = FreeDigit(int(outcome), int(limb), int(digit), what == "carry")
    return _lies(case, Lie(free_digit=free))


_KEY = r"(?P<key>(?P<channel>\w+)@(?P<slot>\d+) >= (?P<threshold>\d+))"
STRATEGIES: tuple[tuple[str, Strategy], ...] = (
    (r"full round (?P<full>\d+\[\d+\])|partial round (?P<partial>\d+)", _hash_cell),
    (r"chain flows\[(\d)\]", _chain_cell),
    (r"chain_(in|out)\[(\d)\]", _chain_end),
    (r"active never rises", _inactive_row),
    (r"last row active", _counted_salt),
    (r"padding of slot (\d+)\[(\d+)\]", _filled_padding),
    (_KEY, _half_comparison),
    (_KEY + r" digits\[(?P<digit>\d+)\] (digit|boolean)", _wrong_comparison),
    (r"dt_ms digits@(?P<slot>\d+)", _other_time_step),
    (r"dt_ms digits@(?P<slot>\d+)\[(?P<digit>\d+)\] digit", _wild_time_step),
    (r"outcome \d+ limb \d+ adds", _wrong_addition),
    (r"outcome (\d+) limb (\d+) starts", _wrong_start),
    (r"outcome (\d+) limb (\d+) is public", _wrong_public),
    (r"outcome (\d+) (limb|carry) (\d+) digits\[(\d+)\] (?:digit|boolean)", _wild_sum),
)
