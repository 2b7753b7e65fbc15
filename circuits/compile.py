"""From the formulas of a contract to one circuit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from circuits.builder import Builder, Log, from_bits
from circuits.circuit import Circuit, CompiledOutcome, Trace
from circuits.errors import BadInput, InputReason
from circuits.expression import Expression
from circuits.formula import Count, Formula, Sum, parse_formula
from circuits.gadgets.comparison import add_at_least
from circuits.gadgets.exact_sum import MAXIMUM_ROWS, Piece, Total, add_exact_sum, fits
from circuits.gadgets.log_hash import add_log_hash
from circuits.gadgets.time_step import add_time_step_bits
from circuits.language.lowering import RecordCompiler
from circuits.language.parsing import parse_outcome
from circuits.language.syntax import Outcome
from circuits.language.totals import compile_outcome
from circuits.schema import BLOCK_ELEMENTS, DT_BITS, DT_CHANNEL, MAX_BITS, Channel, Schema

MAXIMUM_OUTCOMES = 16
MAXIMUM_COLUMNS = 8192
_LIMB_CHOICES = (12, 8, 6, 4, 3, 2, 1)

Reference = Callable[[NDArray[np.uint64], bool], int]


def compile_circuit(schema: Schema, formulas: Sequence[str]) -> Circuit:
    """All outcomes of a contract in one trace; ``BadInput`` FORMULA or OVERFLOW on what cannot be.

    The circuit depends on the schema and the formulas only, never on the windows of a claim. A
    schema that the gadgets' bounds do not cover is ``BadInput`` CONTRACT_FIELD.
    """
    _check_schema(schema)
    if not 1 <= len(formulas) <= MAXIMUM_OUTCOMES:
        raise BadInput(InputReason.FORMULA, f"a contract has 1 to {MAXIMUM_OUTCOMES} outcomes")
    parsed = [_parse(text, schema) for text in formulas]
    builder = Builder(schema)
    log = add_log_hash(builder)
    records = RecordCompiler(builder, log)
    outcomes = []
    for index, (text, formula) in enumerate(zip(formulas, parsed, strict=True)):
        before, name = len(builder.columns), f"outcome {index}"
        if isinstance(formula, Formula):
            outcome = _simple(builder, log, name, formula)
        else:
            outcome = compile_outcome(builder, records, name, text, formula)
        if len(builder.columns) > MAXIMUM_COLUMNS:
            raise BadInput(InputReason.FORMULA, f"{name} takes more than {MAXIMUM_COLUMNS} columns")
        outcomes.append(replace(outcome, columns=len(builder.columns) - before))
    return builder.finish(outcomes)


def _parse(text: str, schema: Schema) -> Formula | Outcome:
    """The four simple forms keep their own compiler, and with it their circuits."""
    try:
        return parse_formula(text, schema)
    except BadInput:
        return parse_outcome(text, schema)


def _simple(builder: Builder, log: Log, name: str, formula: Formula) -> CompiledOutcome:
    if isinstance(formula.aggregate, Count):
        return _count(builder, log, name, formula, formula.aggregate)
    if formula.aggregate.times_dt:
        return _sum_dt(builder, log, name, formula, formula.aggregate)
    return _sum(builder, log, name, formula, formula.aggregate)


def _check_schema(schema: Schema) -> None:
    """The assumptions of every bound below, held here whoever made the schema."""
    if not schema.channels or schema.elements > BLOCK_ELEMENTS:
        raise BadInput(InputReason.CONTRACT_FIELD, "a record has 1 to 8 elements")
    if schema.period_ms is not None and schema.period_ms < 1:
        raise BadInput(InputReason.CONTRACT_FIELD, "the period must be positive")
    names = {channel.name for channel in schema.channels} | {DT_CHANNEL}
    if len(names) != len(schema.channels) + 1:
        raise BadInput(InputReason.CONTRACT_FIELD, "channel names must differ")
    for channel in schema.channels:
        if not 1 <= channel.bits <= MAX_BITS or channel.scale <= 0:
            raise BadInput(
                InputReason.CONTRACT_FIELD,
                f"channel {channel.name!r} needs 1 to {MAX_BITS} bits and a positive scale",
            )


def _channel(schema: Schema, name: str) -> tuple[Channel, int]:
    position = schema.position(name)
    return schema.channels[position], position


def _outcome(
    formula: Formula,
    total: Total,
    total_factor: Fraction,
    records_factor: Fraction,
    per_claim_minimum: Fraction,
    reference: Reference,
) -> CompiledOutcome:
    return CompiledOutcome(
        formula=formula.text,
        aggregate=formula.aggregate_text,
        total_factor=total_factor / formula.divisor,
        records_factor=records_factor / formula.divisor,
        minimum_total=total.minimum,
        maximum_total=total.maximum,
        minimum=per_claim_minimum / formula.divisor,
        limbs=total.limbs,
        reference=reference,
    )


def _all_slots(log: Log, channel: str) -> list[Expression]:
    return [log.element(slot, channel) for slot in range(log.schema.records_per_block)]


def _total_expression(values: list[Expression]) -> Expression:
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total


def _channel_values(log: Log, channel: str) -> Callable[[Trace], NDArray[np.int64]]:
    """Sum of a channel's readings per active row (padded slots are zero)."""
    positions = [log.index(slot, channel) for slot in range(log.schema.records_per_block)]

    def values(trace: Trace) -> NDArray[np.int64]:
        rows = trace.blocks[:, positions].astype(np.int64).sum(axis=1)
        kept: NDArray[np.int64] = np.where(trace.data_rows, rows, 0)
        return kept

    return values


def _sum(
    builder: Builder, log: Log, name: str, formula: Formula, aggregate: Sum
) -> CompiledOutcome:
    """total = sum of raw readings; the offset enters through the public record count."""
    channel, position = _channel(log.schema, aggregate.channel)
    slots = log.schema.records_per_block
    piece = Piece(
        shift=0,
        expression=log.data * _total_expression(_all_slots(log, channel.name)),
        low=0,
        high=slots * channel.maximum_code,
        values=_channel_values(log, channel.name),
    )
    total = add_exact_sum(builder, name, [piece])
    lowest = min(channel.offset, Fraction(0)) * slots * MAXIMUM_ROWS
    return _outcome(
        formula,
        total,
        channel.scale,
        channel.offset,
        lowest,
        lambda records, _: int(records[:, position].sum()),
    )


def _count(
    builder: Builder, log: Log, name: str, formula: Formula, aggregate: Count
) -> CompiledOutcome:
    """total = records whose raw reading is on the right side of the integer threshold."""
    channel, position = _channel(log.schema, aggregate.channel)
    exact = (aggregate.bound - channel.offset) / channel.scale
    threshold = floor(exact) + 1 if aggregate.at_most else ceil(exact)
    threshold = min(max(threshold, 0), 1 << channel.bits)
    slots = range(log.schema.records_per_block)
    counted: list[Expression] = []
    for slot in slots:
        bit = add_at_least(builder, log, slot, channel.name, threshold).now
        weight = log.data - builder.selector(f"padding{slot}") if slot else log.data
        counted.append(weight * (1 - bit if aggregate.at_most else bit))

    def holds(raw: NDArray[np.uint64] | NDArray[np.uint32]) -> NDArray[np.bool_]:
        return raw < threshold if aggregate.at_most else raw >= threshold

    def values(trace: Trace) -> NDArray[np.int64]:
        positions = [log.index(slot, channel.name) for slot in slots]
        held = holds(trace.blocks[:, positions]) * trace.slot_weights
        counts: NDArray[np.int64] = held.sum(axis=1)
        return counts

    piece = Piece(0, _total_expression(counted), 0, len(slots), values)
    total = add_exact_sum(builder, name, [piece])
    return _outcome(
        formula,
        total,
        Fraction(1),
        Fraction(0),
        Fraction(0),
        lambda records, _: int(holds(records[:, position]).sum()),
    )


def _sum_dt(
    builder: Builder,
    log: Log,
    name: str,
    formula: Formula,
    aggregate: Sum,
) -> CompiledOutcome:
    """total = sum of (k * raw + m) * dt, where offset / scale = m / k."""
    channel, position = _channel(log.schema, aggregate.channel)
    shift = channel.offset / channel.scale
    k, m = shift.denominator, shift.numerator
    low, high = min(m, 0), max(k * channel.maximum_code + m, 0)
    if log.schema.has_dt:
        pieces = _dt_pieces(builder, log, channel.name, (k, m, low, high), name)
        factor = channel.scale / k
        dt_position = log.schema.position(DT_CHANNEL)

        def reference(records: NDArray[np.uint64], starts: bool) -> int:  # noqa: ARG001
            raw = records[:, position].astype(object)
            return int(sum((raw * k + m) * records[:, dt_position].astype(object)))

    else:
        pieces = [_periodic_piece(builder, log, channel.name, (k, m, low, high))]
        factor = channel.scale / k * (log.schema.period_ms or 0)

        def reference(records: NDArray[np.uint64], starts: bool) -> int:
            raw = records[1 if starts else 0 :, position].astype(object)
            return int(sum(raw * k + m))

    total = add_exact_sum(builder, name, pieces)
    return _outcome(formula, total, factor, Fraction(0), factor * total.minimum, reference)


def _dt_pieces(
    builder: Builder, log: Log, channel: str, affine: tuple[int, int, int, int], name: str
) -> list[Piece]:
    """The product split by limbs of dt, in the widest limbs whose sums stay clear of p."""
    k, m, low, high = affine
    slots = range(log.schema.records_per_block)
    positions = [(log.index(s, channel), log.index(s, DT_CHANNEL)) for s in slots]
    zero = builder.graph.constant(0)

    def bounds(width: int) -> tuple[int, int]:
        largest = ((1 << width) - 1) * len(slots)
        return low * largest, high * largest

    def row_values(at: int, width: int) -> Callable[[Trace], NDArray[np.int64]]:
        def values(trace: Trace) -> NDArray[np.int64]:
            total = np.zeros(len(trace.blocks), dtype=np.int64)
            for raw, dt in positions:
                limb = (trace.blocks[:, dt].astype(np.int64) >> at) & ((1 << width) - 1)
                total += (trace.blocks[:, raw].astype(np.int64) * k + m) * limb
            return np.where(trace.data_rows, total, 0)

        return values

    for width in _LIMB_CHOICES:
        shifts = range(0, DT_BITS, width)
        if fits([Piece(s, zero, *bounds(width), row_values(s, width)) for s in shifts]):
            break
    else:
        raise BadInput(
            InputReason.OVERFLOW,
            f"{name}: {channel} ranges over {low}..{high} scaled steps, too wide for sum(* dt_ms)",
        )
    bits = [add_time_step_bits(builder, log, slot) for slot in slots]
    pieces = []
    for at in shifts:
        products = [
            (log.element(slot, channel) * k + m) * from_bits(bits[slot][at : at + width])
            for slot in slots
        ]
        pieces.append(Piece(at, _total_expression(products), *bounds(width), row_values(at, width)))
    return pieces


def _periodic_piece(
    builder: Builder,
    log: Log,
    channel: str,
    affine: tuple[int, int, int, int],
) -> Piece:
    """With a fixed period every record counts one period, but an epoch's first one none."""
    k, m, low, high = affine
    slots = range(log.schema.records_per_block)
    terms = []
    for slot in slots:
        weight = log.data - builder.selector(f"padding{slot}") if slot else log.data
        terms.append(weight * (log.element(slot, channel) * k + m))
    terms.append(-(builder.selector("opening") * (log.element(0, channel) * k + m)))
    positions = [log.index(slot, channel) for slot in slots]

    def values(trace: Trace) -> NDArray[np.int64]:
        scaled = trace.blocks[:, positions].astype(np.int64) * k + m
        weights = trace.slot_weights.copy()
        weights[trace.layout.opening, 0] = 0
        sums: NDArray[np.int64] = (scaled * weights).sum(axis=1)
        return sums

    return Piece(0, _total_expression(terms), low * len(slots), high * len(slots), values)
