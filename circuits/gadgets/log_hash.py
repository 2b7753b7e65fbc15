"""The log hash: one Poseidon permutation per row, the chain value flowing from row to row.

Columns: chain value 8, block 8, states after full rounds 1 to 7 (7 x 16), the S-box output of each
partial round 20: 148 in all. The last full round is folded into the transition to the next row's
chain value (degree 3). The transition holds on padding rows too, so it needs no selector; the
signed chain value is bound on the last active row.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from circuits.builder import Builder, Column, Log
from circuits.chain import ROLE_CONSTANTS, Role
from circuits.circuit import Trace
from circuits.expression import Expression, weighted_sum
from circuits.field import P
from circuits.layout import Layout
from circuits.poseidon import FULL_ROUNDS_EACH_SIDE, MDS, PARTIAL_ROUNDS, WIDTH
from circuits.poseidon_constants import ROUND_CONSTANTS
from circuits.schema import Schema

HALF = WIDTH // 2
ROW_ROLES = (Role.DATA, Role.CLOSING, Role.STATE)
COLUMN_COUNT = 2 * HALF + 7 * WIDTH + PARTIAL_ROUNDS
_MATRIX = [[int(v) for v in row] for row in MDS]


def _cube(value: Expression) -> Expression:
    return value * value * value


def _mix(values: list[Expression]) -> list[Expression]:
    return [weighted_sum(values, row) for row in _MATRIX]


def _full_round(state: list[Expression], index: int) -> list[Expression]:
    constants = ROUND_CONSTANTS[index]
    return _mix([_cube(s + c) for s, c in zip(state, constants, strict=True)])


def _bind(
    builder: Builder, name: str, columns: list[Column], values: list[Expression]
) -> list[Expression]:
    for k, (column, value) in enumerate(zip(columns, values, strict=True)):
        builder.constrain(f"{name}[{k}]", column.now - value)
    return [column.now for column in columns]


def add_log_hash(builder: Builder, carries_state: bool = False) -> Log:
    """Chain, block and ``active`` columns; binds both signed chain values.

    With state the trace begins with the rows of the state before, which continue the chain value
    where the claim before ended, and the chain starts anew behind them.
    """
    for name in ("first", "last", "closing", "opening"):
        builder.selector(name)
    for slot in range(1, builder.schema.records_per_block):
        builder.selector(f"padding {slot}")
    chain = builder.column_array("chain", HALF)
    block = builder.column_array("block", HALF)
    full = [builder.column_array(f"full{r + 1}", WIDTH) for r in range(4)]
    sbox = builder.column_array("sbox", PARTIAL_ROUNDS)
    late = [builder.column_array(f"full{r + 5}", WIDTH) for r in range(3)]
    active = builder.column("active")

    closing = builder.selector("closing")
    data_role = [int(v) for v in ROLE_CONSTANTS[Role.DATA]]
    closing_role = [int(v) for v in ROLE_CONSTANTS[Role.CLOSING]]
    entering = [
        chain[k].now + closing * (closing_role[k] - data_role[k]) + data_role[k]
        for k in range(HALF)
    ]
    if carries_state:
        state_role = [int(v) for v in ROLE_CONSTANTS[Role.STATE]]
        rows = builder.selector("state")
        entering = [entering[k] + rows * (state_role[k] - data_role[k]) for k in range(HALF)]
    state = entering + [column.now for column in block]

    for r in range(FULL_ROUNDS_EACH_SIDE):
        state = _bind(builder, f"full round {r + 1}", full[r], _full_round(state, r))
    for r in range(PARTIAL_ROUNDS):
        constants = ROUND_CONSTANTS[FULL_ROUNDS_EACH_SIDE + r]
        state = [s + c for s, c in zip(state, constants, strict=True)]
        builder.constrain(f"partial round {r + 1}", sbox[r].now - _cube(state[0]))
        state = _mix([sbox[r].now, *state[1:]])
    first_late = FULL_ROUNDS_EACH_SIDE + PARTIAL_ROUNDS
    for r in range(3):
        state = _bind(builder, f"full round {r + 5}", late[r], _full_round(state, first_late + r))
    state = _full_round(state, first_late + 3)
    after = [state[k] + chain[k].now for k in range(HALF)]
    _bind_chain(builder, chain, after, carries_state)

    last = builder.selector("last")

    # 1 before the last active row and 0 after it follow from its ends by induction
    builder.constrain("active never rises", active.next * (1 - active.now))
    builder.constrain("last row active", last * (active.now - 1))
    builder.constrain("row after last inactive", last * active.next)

    log = Log(block, active, _data(builder, active, carries_state), builder.schema)
    _pad_with_zero(builder, log)

    def fill(trace: Trace) -> None:
        trace.columns[active.index, : trace.layout.active_rows] = 1

    builder.fillers.append(fill)
    return log


@lru_cache(maxsize=8)
def log_hash_alone(schema: Schema, carries_state: bool) -> Builder:
    """The workbench with nothing on it but the log hash of such a circuit; only to be read."""
    alone = Builder(schema)
    add_log_hash(alone, carries_state)
    return alone


def begin_with_log_hash(schema: Schema, carries_state: bool) -> tuple[Builder, Log]:
    """What ``add_log_hash`` makes on a new workbench, copied: it takes longer than the rest."""
    builder = log_hash_alone(schema, carries_state).copy()
    block = [builder.existing(HALF + k) for k in range(HALF)]
    active = builder.existing(COLUMN_COUNT)
    return builder, Log(block, active, _data(builder, active, carries_state), schema)


def _data(builder: Builder, active: Column, carries_state: bool) -> Expression:
    """1 on rows that hold records."""
    data = active.now - builder.selector("closing")
    return data - builder.selector("state_before") if carries_state else data


def _bind_chain(
    builder: Builder, chain: list[Column], after: list[Expression], carries_state: bool
) -> None:
    """The chain flows from row to row between public values; ``after`` is what a row leaves.

    With state it flows from where the claim before ended into the state before, resumes at the
    claim's own first chain value, and flows on into the state after.
    """
    first, last = builder.selector("first"), builder.selector("last")
    start, end = _public(builder, "chain_in"), _public(builder, "chain_out")
    following = [column.next for column in chain]
    if carries_state:
        earlier, before = _public(builder, "chain_before"), _public(builder, "state_in")
        resume, state_end = builder.selector("resume"), builder.selector("state_end")
        # where it resumes the row leaves state_in, and the next one begins with chain_in
        after = [a + resume * (s - b) for a, s, b in zip(after, start, before, strict=True)]
        _require_equal(builder, "chain flows", None, following, after)
        _require_equal(builder, "chain_before", first, [c.now for c in chain], earlier)
        _require_equal(builder, "chain_in", resume, following, start)
        _require_equal(builder, "state_out", state_end, following, _public(builder, "state_out"))
    else:
        _require_equal(builder, "chain flows", None, following, after)
        _require_equal(builder, "chain_in", first, [c.now for c in chain], start)
    _require_equal(builder, "chain_out", last, following, end)


def _public(builder: Builder, name: str) -> list[Expression]:
    return [builder.public(f"{name}[{k}]") for k in range(HALF)]


def _require_equal(
    builder: Builder,
    name: str,
    rows: Expression | None,
    left: list[Expression],
    right: list[Expression],
) -> None:
    """left = right, on all rows or where a selector is 1."""
    for k, (a, b) in enumerate(zip(left, right, strict=True)):
        builder.constrain(f"{name}[{k}]", a - b if rows is None else rows * (a - b))


def _pad_with_zero(builder: Builder, log: Log) -> None:
    """Slots without a record are zero: real records cannot be declared to be padding."""
    schema = builder.schema
    for slot in range(1, schema.records_per_block):
        padding = builder.selector(f"padding {slot}")
        for k in range(schema.elements):
            value = log.block[slot * schema.width + k].now
            builder.constrain(f"padding of slot {slot}[{k}]", padding * value)


def row_roles(layout: Layout) -> NDArray[np.uint8]:
    """The role of every used row, as an index into ``ROW_ROLES``; rows behind them are data."""
    roles = np.zeros(layout.active_rows + layout.state_rows, dtype=np.uint8)
    roles[layout.closing] = ROW_ROLES.index(Role.CLOSING)
    roles[layout.selector("state")] = ROW_ROLES.index(Role.STATE)
    return roles


def fill_log_hash(
    columns: NDArray[np.uint32],
    chain_in: NDArray[np.uint64],
    blocks: NDArray[np.uint32],
    roles: NDArray[np.uint8],
    rows: int,
) -> NDArray[np.uint64]:
    """Fill the hash columns of rows 0..rows-1 in plain NumPy, one row after the other.

    The reference for the prover's kernel. ``blocks`` and ``roles`` are those of the first rows;
    the others absorb zero blocks in the data role. Returns the chain value after the last row.
    """
    chain = np.array(chain_in, dtype=np.uint64)
    constants = np.array(ROUND_CONSTANTS, dtype=np.uint64)
    modulus = np.uint64(P)
    for row in range(rows):
        block = np.zeros(HALF, dtype=np.uint64)
        role = Role.DATA
        if row < len(blocks):
            block[:], role = blocks[row], ROW_ROLES[roles[row]]
        state = np.concatenate([(chain + ROLE_CONSTANTS[role]) % modulus, block])
        cells = [*chain, *block]
        for r in range(2 * FULL_ROUNDS_EACH_SIDE + PARTIAL_ROUNDS):
            state = (state + constants[r]) % modulus
            if FULL_ROUNDS_EACH_SIDE <= r < FULL_ROUNDS_EACH_SIDE + PARTIAL_ROUNDS:
                state[0] = state[0] * state[0] % modulus * state[0] % modulus
                cells.append(state[0])
                state = (MDS @ state) % modulus
            else:
                state = (MDS @ (state * state % modulus * state % modulus)) % modulus
                if r != 2 * FULL_ROUNDS_EACH_SIDE + PARTIAL_ROUNDS - 1:
                    cells.extend(state)
        columns[:COLUMN_COUNT, row] = cells
        chain = (state[:HALF] + chain) % modulus
    return chain
