"""How often a machine used up its allowance of energy beyond a bound per litre.

A record's excess is its energy beyond ``bound`` per litre, multiplied out: nothing is divided. An
account starts at 0, takes in one record's excess after the other and never falls below 0. When it
reaches the allowance, that is counted, and it starts again from 0:

    excess = voltage * current - bound * flow
    t      = account + excess
    after  = t if 0 <= t < allowance, else 0        used up: t >= allowance

The count is the largest number of runs of consecutive records, of any lengths and with no record
in common, whose excess adds up to the allowance or more. It is 0 exactly if there is no such run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from circuits.builder import Builder, Log
from circuits.circuit import Circuit, CompiledOutcome, Trace
from circuits.expression import weighted_sum
from circuits.field import P
from circuits.gadgets.exact_sum import Piece, RowSum, add_exact_sum
from circuits.gadgets.log_hash import add_log_hash
from circuits.gadgets.reach import add_reaches
from circuits.gadgets.running import add_register, fill_register
from circuits.gadgets.slot_values import SlotInteger
from circuits.language.meaning import Meaning
from circuits.schema import Channel, Schema

READ = ("voltage", "current", "flow")
SCHEMA = Schema(
    (
        Channel("voltage", "V", 12, Fraction("0.1"), Fraction(0)),
        Channel("current", "A", 12, Fraction("0.01"), Fraction(0)),
        Channel("flow", "L/min", 15, Fraction("0.01"), Fraction(0)),
    ),
    period_ms=1000,
)
# in a second one step of voltage * current is 1/1000 J, one step of flow 1/6000 L
BOUND = 240 * 1000 // 6000  # 240 J/L
ALLOWANCE = 2000 * 1000  # 2000 J


def balances(excess: Iterable[int], allowance: int) -> tuple[list[int], int]:
    """The account after each record, 0..allowance - 1, and how often it was used up."""
    account, used_up, after = 0, 0, []
    for amount in excess:
        account = max(account + amount, 0)
        if account >= allowance:
            account, used_up = 0, used_up + 1
        after.append(account)
    return after, used_up


def add_excess(builder: Builder, log: Log, slot: int, bound: int) -> SlotInteger:
    """voltage * current - bound * flow of the record in ``slot``, as a column.

    ``bound`` >= 1 is in steps of voltage * current per step of flow.

        data * (column - (voltage * current - bound * flow)) = 0

    So the column is right on rows with data, and free on others. A slot of such a row that holds
    no record is zero, and so is its excess.
    """
    name = f"excess@{slot}"
    column = builder.column(name)
    voltage, current, flow = (log.element(slot, channel) for channel in READ)
    builder.constrain(name, log.data * (column.now - (voltage * current - bound * flow)))
    places = [log.index(slot, channel) for channel in READ]

    def values(trace: Trace) -> NDArray[np.int64]:
        v, i, f = (trace.blocks[:, place].astype(np.int64) for place in places)
        return np.where(trace.data_rows, v * i - bound * f, 0)

    def fill(trace: Trace) -> None:
        amounts = values(trace)
        trace.columns[column.index, : len(amounts)] = amounts % P

    builder.fillers.append(fill)
    v, i, f = (log.schema.channels[log.schema.position(channel)].maximum_code for channel in READ)
    return SlotInteger(name, column.now, -bound * f, v * i, values)


def add_account(
    builder: Builder, log: Log, name: str, amounts: Sequence[SlotInteger], allowance: int
) -> list[SlotInteger]:
    """For each slot 1 where its record used up the account, else 0, also where no record is.

    ``amounts``, one for each slot, are columns that may be below 0 and above it; ``allowance`` is 1
    or more. ``BadInput`` OVERFLOW where their ranges do not fit the field.

        first * account = 0
        after - account - weight * (kept * t - account) = 0
            t = account + amount, kept = (t >= 0) - (t >= allowance), weight = 1 for a record

    By induction the account is an integer in 0..allowance - 1 before every record. It is at first.
    Where it is, t is an integer in the interval for which both comparisons are made, so they are
    right; then kept is 1 if t is in 0..allowance - 1 and 0 if not, and kept * t is in it too. Where
    the weight is 0 the account stands still, whatever the comparisons say there.
    """
    register = add_register(builder, name, len(amounts))
    builder.constrain(f"{name} starts", builder.selector("first") * register.now.now)

    def fill(trace: Trace) -> None:
        records = trace.slot_weights == 1
        taken = np.stack([amount.values(trace) for amount in amounts], axis=1)[records]
        after, _ = balances(taken.tolist(), allowance)
        fill_register(trace, register, records, 0, np.array(after, dtype=np.int64))

    builder.fillers.append(fill)  # before the fillers of add_reaches, which read the register

    def used_up_in(slot: int) -> SlotInteger:
        amount, before = amounts[slot], register.before(slot)
        column = register.between[slot - 1] if slot else register.now

        def sums(trace: Trace) -> NDArray[np.int64]:
            held = trace.columns[column.index, : len(trace.blocks)].astype(np.int64)
            return held + amount.values(trace)

        highest = allowance - 1 + amount.high
        t = SlotInteger(f"t@{slot}", before + amount.expression, amount.low, highest, sums)
        positive = add_reaches(builder, log, t, 0)
        used_up = add_reaches(builder, log, t, allowance)
        kept = positive.expression - used_up.expression
        weight = log.data - builder.selector(f"padding {slot}") if slot else log.data
        change = weight * (kept * t.expression - before)
        builder.constrain(f"{name} slot {slot}", register.after(slot) - before - change)

        def counted(trace: Trace) -> NDArray[np.int64]:
            return trace.slot_weights[:, slot] * used_up.values(trace)

        return SlotInteger(f"used up@{slot}", weight * used_up.expression, 0, 1, counted)

    return [used_up_in(slot) for slot in range(len(amounts))]


def add_energy_per_litre(builder: Builder, log: Log, bound: int, allowance: int) -> CompiledOutcome:
    """How often the account was used up: a public total, 0 or more.

    Reads the channels voltage, current and flow. ``bound`` >= 1 is in steps of voltage * current
    per step of flow, ``allowance`` >= 1 in steps of voltage * current. ``BadInput`` OVERFLOW where
    the account does not fit the field.
    """
    slots = range(log.schema.records_per_block)
    excess = [add_excess(builder, log, slot, bound) for slot in slots]
    counted = add_account(builder, log, "account", excess, allowance)
    row = Piece(
        0,
        weighted_sum([bit.expression for bit in counted], [1] * len(counted)),
        0,
        len(counted),
        lambda trace: np.sum([bit.values(trace) for bit in counted], axis=0),
    )
    total = add_exact_sum(builder, "used up", RowSum.of(row))

    def meaning(plain: Meaning) -> int:
        voltage, current, flow = (plain.raw(channel).tolist() for channel in READ)
        records = zip(voltage, current, flow, strict=True)
        return balances([v * i - bound * f for v, i, f in records], allowance)[1]

    return CompiledOutcome(
        formula=f"account of {allowance} steps, {bound} per step of flow",
        unit=Fraction(1),
        minimum_total=total.minimum,
        maximum_total=total.maximum,
        limbs=total.limbs,
        meaning=meaning,
        additive=False,
    )


def circuit() -> Circuit:
    """The circuit of a pump that may use 2000 J more than 240 J/L."""
    builder = Builder(SCHEMA)
    log = add_log_hash(builder)
    return builder.finish([add_energy_per_litre(builder, log, BOUND, ALLOWANCE)])
