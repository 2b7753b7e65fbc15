"""From the formulas of a contract to one circuit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from circuits.circuit import Circuit
from circuits.errors import BadInput, InputReason
from circuits.gadgets.log_hash import begin_with_log_hash
from circuits.gadgets.state_rows import add_state_rows
from circuits.language.lowering import RecordCompiler
from circuits.language.outcome_syntax import Outcome, Rounded
from circuits.language.parsing import parse_outcome
from circuits.language.syntax import Held, Rising, parts
from circuits.language.totals import compile_outcome
from circuits.schema import BLOCK_ELEMENTS, DT_CHANNEL, MAX_BITS, Schema

MAXIMUM_OUTCOMES = 16
MAXIMUM_COLUMNS = 8192
_HOPELESS_COLUMNS = 4 * MAXIMUM_COLUMNS  # from there sharing thresholds does not help any more


def compile_circuit(schema: Schema, formulas: Sequence[str]) -> Circuit:
    """All outcomes of a contract in one trace; ``BadInput`` FORMULA or OVERFLOW on what cannot be.

    The circuit depends on the schema and the formulas only, never on the windows of a claim. A
    schema that the gadgets' bounds do not cover is ``BadInput`` CONTRACT_FIELD.
    """
    _check_schema(schema)
    if not 1 <= len(formulas) <= MAXIMUM_OUTCOMES:
        raise BadInput(InputReason.FORMULA, f"a contract has 1 to {MAXIMUM_OUTCOMES} outcomes")
    parsed = [parse_outcome(text, schema) for text in formulas]
    carries = any(carries_state(outcome) for outcome in parsed)
    circuit, thresholds = _compile(schema, formulas, parsed, carries, {})
    # thresholds may be served together, and sums by a comparison's digits, once they are known; and
    # what would carry state may have cancelled out
    if thresholds or carries != bool(circuit.state):
        carries = bool(circuit.state)
        circuit, _ = _compile(schema, formulas, parsed, carries, thresholds)
        if carries != bool(circuit.state):
            raise ArithmeticError("what is carried depends on how thresholds are compared")
    if circuit.column_count > MAXIMUM_COLUMNS:
        raise BadInput(
            InputReason.FORMULA,
            f"the outcomes take {circuit.column_count} columns, more than {MAXIMUM_COLUMNS}",
        )
    return circuit


def _compile(
    schema: Schema,
    formulas: Sequence[str],
    parsed: Sequence[Outcome],
    carries: bool,
    thresholds: Mapping[str, Sequence[int]],
) -> tuple[Circuit, Mapping[str, Sequence[int]]]:
    """The circuit, and the thresholds that a second compilation should know."""
    builder, log = begin_with_log_hash(schema, carries)
    records = RecordCompiler(builder, log, thresholds)
    outcomes = []
    for index, (text, outcome) in enumerate(zip(formulas, parsed, strict=True)):
        before, name = len(builder.columns), f"outcome {index}"
        compiled = compile_outcome(builder, records, name, text, outcome)
        if len(builder.columns) > _HOPELESS_COLUMNS:
            raise BadInput(InputReason.FORMULA, f"{name} takes more than {MAXIMUM_COLUMNS} columns")
        outcomes.append(replace(compiled, columns=len(builder.columns) - before))
    add_state_rows(builder, log)
    return builder.finish(outcomes), records.known_thresholds()


def carries_state(outcome: Outcome) -> bool:
    """Whether something of this outcome is carried from claim to claim."""
    return any(isinstance(part, Rounded | Rising | Held) for part in parts(outcome))


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
