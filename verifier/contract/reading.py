"""From TOML text to ``Terms``, every field checked, nothing ignored."""

from __future__ import annotations

import math
import tomllib
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from circuits.checkpoint import Status
from circuits.compile import MAXIMUM_OUTCOMES
from circuits.errors import BadInput, InputReason
from circuits.language.text import MAXIMUM_CHARACTERS, require_expression
from circuits.layout import MAXIMUM_LOG2_ROWS, MINUTE_MS, MINUTES_PER_DAY
from circuits.schema import DT_CHANNEL, MAX_BITS, Channel
from verifier.contract.fields import MAXIMUM_CONTRACT_BYTES, Table, refuse
from verifier.contract.settlement import SettlementTerms, read_settlement
from verifier.contract.terms import (
    CURRENCY,
    ChannelTerms,
    LogFormat,
    OutcomeTerms,
    Parties,
    Start,
    Terms,
)
from verifier.kernel.parameters import PARAMETER_SETS, STANDARD

MAXIMUM_CHANNELS = 7
MAXIMUM_LINE_CHARACTERS = 512  # a dotted key costs its reader the square of its length
MINIMUM_PERIODIC_WINDOW_SECONDS = 60
MAXIMUM_WINDOWS_PER_CLAIM = 10_000
MAXIMUM_INTERVALS = 64  # of the day: each costs the verifier a selector
ROUNDINGS = ("nearest", "exact")
_LARGEST = 2**31 - 1
NO_PARTIES = Parties(bytes(32), bytes(32), bytes(32))


def read_terms(text: str) -> Terms:
    """Terms with parties; see ``Terms.from_toml``."""
    return _terms(_parse(text), parties_required=True)


def read_template(text: str) -> Terms:
    """Terms of a file that may not name its parties yet; absent parties are all zero."""
    return _terms(_parse(text), parties_required=False)


def _parse(text: str) -> dict[str, Any]:
    if len(text) > MAXIMUM_CONTRACT_BYTES:
        raise BadInput(InputReason.CONTRACT_SYNTAX, f"longer than {MAXIMUM_CONTRACT_BYTES} bytes")
    if max(map(len, text.splitlines()), default=0) > MAXIMUM_LINE_CHARACTERS:
        raise BadInput(
            InputReason.CONTRACT_SYNTAX, f"a line of over {MAXIMUM_LINE_CHARACTERS} characters"
        )
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except (tomllib.TOMLDecodeError, InvalidOperation, ValueError, RecursionError) as error:
        raise BadInput(InputReason.CONTRACT_SYNTAX, f"not TOML: {error}") from None


def _terms(document: dict[str, Any], parties_required: bool) -> Terms:
    root = Table(document, "")
    contract = root.table("contract")
    parties = NO_PARTIES
    if parties_required or root.has("parties"):
        parties = _parties(root.table("parties"))
    log = _log(root.table("log"))
    channels = _channels(root.tables("channels"))
    outcomes = _outcomes(root.tables("outcomes"))
    payment = root.table("payment")
    currency = payment.choice("currency", (CURRENCY,))
    payment.finish()
    settlement = read_settlement(root.table("settlement")) if root.has("settlement") else None
    root.finish()
    terms = _contract(contract, parties, log, channels, outcomes, currency, settlement)
    _check_compiled(terms)
    return terms


def _contract(
    table: Table,
    parties: Parties,
    log: LogFormat,
    channels: tuple[ChannelTerms, ...],
    outcomes: tuple[OutcomeTerms, ...],
    currency: str,
    settlement: SettlementTerms | None,
) -> Terms:
    shortest = 1 if log.period_ms is None else MINIMUM_PERIODIC_WINDOW_SECONDS
    terms = Terms(
        name=table.text("name", longest=64),
        window_seconds=table.integer("window_seconds", shortest, _LARGEST),
        minimum_proven_bits=table.integer("minimum_proven_bits", 100, 128),
        parties=parties,
        log=log,
        channels=channels,
        outcomes=outcomes,
        currency=currency,
        parameter_set=(
            table.choice("parameter_set", tuple(PARAMETER_SETS))
            if table.has("parameter_set")
            else STANDARD.name
        ),
        windows_per_claim=table.optional_integer("windows_per_claim", 1, MAXIMUM_WINDOWS_PER_CLAIM),
        start=_start(table),
        valid_from_ms=table.optional_time("valid_from"),
        valid_until_ms=table.optional_time("valid_until"),
        claim_deadline_seconds=table.optional_integer("claim_deadline_seconds", 1, _LARGEST),
        circuit_id=table.optional_key32("circuit"),
        refuse_flags=_flags(table),
        settlement=settlement,
    )
    table.finish()
    first, last = terms.valid_from_ms, terms.valid_until_ms
    if first is not None and last is not None and first >= last:
        refuse(table.field("valid_until"), "not after valid_from")
    return terms


def _start(table: Table) -> Start | None:
    text = table.optional_text("start")
    if text is None:
        return None
    try:
        return Start.from_text(text)
    except ValueError as error:
        refuse(table.field("start"), str(error))


def _flags(table: Table) -> Status:
    chosen = Status.NONE
    for word in table.words("refuse_flags", Status(63).words):
        chosen |= Status[word.upper()]
    return chosen


def _parties(table: Table) -> Parties:
    parties = Parties(
        operator=table.key32("operator"),
        supplier=table.key32("supplier"),
        device=table.key32("device"),
        operator_encryption=table.optional_key32("operator_encryption"),
    )
    table.finish()
    if parties.operator == parties.supplier:
        refuse(table.field("supplier"), "the same key as the operator's")
    return parties


def _log(table: Table) -> LogFormat:
    log = LogFormat(
        delimiter=table.delimiter("delimiter"),
        time=table.text("time"),
        period_ms=table.optional_integer("period_ms", 1, 86_400_000),
    )
    table.finish()
    return log


def _channels(tables: list[Table]) -> tuple[ChannelTerms, ...]:
    if len(tables) > MAXIMUM_CHANNELS:
        refuse("channels", f"at most {MAXIMUM_CHANNELS}")
    channels: list[ChannelTerms] = []
    for table in tables:
        terms = _channel(table)
        if any(terms.channel.name == other.channel.name for other in channels):
            refuse(table.field("name"), f"{terms.channel.name!r} is used twice")
        channels.append(terms)
    return tuple(channels)


def _channel(table: Table) -> ChannelTerms:
    name = table.identifier("name")
    if name == DT_CHANNEL:
        refuse(table.field("name"), f"{DT_CHANNEL} is added by itself and cannot be declared")
    scale = table.decimal("scale")
    if scale <= 0:
        refuse(table.field("scale"), "expected more than 0")
    unit = table.text("unit", longest=32)
    if "|" in unit:
        refuse(table.field("unit"), "may not contain '|'")
    terms = ChannelTerms(
        column=table.text("column"),
        rounding=table.choice("rounding", ROUNDINGS),
        channel=Channel(
            name=name,
            unit=unit,
            bits=table.integer("bits", 1, MAX_BITS),
            scale=scale,
            offset=table.decimal("offset"),
            may_miss=table.flag("may_miss"),
        ),
    )
    table.finish()
    return terms


def _outcomes(tables: list[Table]) -> tuple[OutcomeTerms, ...]:
    if len(tables) > MAXIMUM_OUTCOMES:
        refuse("outcomes", f"at most {MAXIMUM_OUTCOMES}")
    outcomes: list[OutcomeTerms] = []
    for table in tables:
        terms = _outcome(table)
        if any(terms.name == other.name for other in outcomes):
            refuse(table.field("name"), f"{terms.name!r} is used twice")
        outcomes.append(terms)
    return tuple(outcomes)


def _outcome(table: Table) -> OutcomeTerms:
    reveal, bound = _reveal(table)
    terms = OutcomeTerms(
        name=table.identifier("name"),
        formula=table.text("formula", longest=MAXIMUM_CHARACTERS),
        unit=table.text("unit", longest=32),
        reveal=reveal,
        price=table.optional_decimal("price"),
        at_least=bound if reveal == "at_least" else None,
        rounded=bound if reveal == "rounded" else None,
        once=table.flag("once"),
    )
    table.finish()
    require_expression(terms.formula)  # by itself: a bound is put behind it below
    if terms.price is not None and terms.price < 0:
        refuse(table.field("price"), "expected 0 or more")
    if terms.reveal == "amount" and not terms.price:
        refuse(table.field("reveal"), "'amount' needs a price above 0")
    if terms.once and terms.price is None:
        refuse(table.field("once"), "needs a price")
    if terms.once and terms.reveal in ("amount", "rounded"):
        refuse(table.field("once"), f"{terms.reveal!r} would go on revealing after it was paid")
    return terms


def _reveal(table: Table) -> tuple[str, Fraction | None]:
    """How an outcome is given away, and the bound or unit that goes with it.

    ``"exact"``, ``"amount"``, ``{at_least = x}`` or ``{rounded = u}``.
    """
    field = table.field("reveal")
    if not table.is_table("reveal"):
        reveal = table.text("reveal")
        if reveal not in ("exact", "amount"):
            refuse(field, "expected 'exact', 'amount', {at_least = x} or {rounded = u}")
        return reveal, None
    inner = table.table("reveal")
    reveal = "rounded" if inner.has("rounded") else "at_least"
    number = inner.decimal(reveal)
    inner.finish()
    if reveal == "rounded" and number <= 0:
        refuse(f"{field}.rounded", "expected more than 0")
    return reveal, number


def _check_compiled(terms: Terms) -> None:
    circuit = terms.circuit
    for index, (outcome, compiled) in enumerate(zip(terms.outcomes, circuit.outcomes, strict=True)):
        if outcome.price is not None and compiled.minimum < 0:
            refuse(
                f"outcomes[{index}].price",
                f"{outcome.name!r} could be negative (a channel's offset is below 0, or something"
                " is subtracted), so it cannot be priced",
            )
        if outcome.at_least is not None and compiled.additive:
            refuse(f"outcomes[{index}].reveal", "at_least did not turn the outcome into one bit")
        if not compiled.additive and terms.windows_per_claim is None:
            refuse(
                "contract.windows_per_claim",
                f"outcome {outcome.name!r} holds or not for a claim as a whole and does not add up"
                " over claims: the terms must fix how many windows a claim covers",
            )
    _check_time_of_day(terms)
    if terms.circuit_id is not None and terms.circuit_id != circuit.identifier:
        refuse(
            "contract.circuit",
            f"the terms fix another circuit; this version compiles {circuit.identifier.hex()}",
        )
    _check_payable(terms)


def _check_time_of_day(terms: Terms) -> None:
    """A window's time is its start: nobody may move that, nor much with it."""
    intervals = [name.split()[1:] for name in terms.circuit.selectors if name.startswith("inside ")]
    if not intervals:
        return
    if Status.CLOCK_SET not in terms.refuse_flags:
        refuse(
            "contract.refuse_flags",
            "an outcome depends on the time of day, which whoever sets the device's clock chooses:"
            " expected 'clock_set' among them",
        )
    if len(intervals) > MAXIMUM_INTERVALS:
        refuse("outcomes", f"more than {MAXIMUM_INTERVALS} intervals of the day")
    inside = [(int(end) - int(start)) % MINUTES_PER_DAY for start, end in intervals]
    shortest = min(min(minutes, MINUTES_PER_DAY - minutes) for minutes in inside)
    if terms.window_ms > shortest * MINUTE_MS:
        refuse(
            "contract.window_seconds",
            f"a record's time of day is that of its window's start: with intervals of {shortest}"
            f" minutes at most {shortest * 60}",
        )


def _check_payable(terms: Terms) -> None:
    """Refuse terms under which no claim, or not the one they ask for, could ever be accepted."""
    proven = min(terms.proven_bits.values())
    if terms.minimum_proven_bits > proven:
        shown = math.floor(proven * 100) / 100
        refuse(
            "contract.minimum_proven_bits",
            f"more than the {shown} bits that parameter set {terms.parameter_set!r} proves for"
            " these outcomes",
        )
    if terms.log.period_ms is None:
        return
    records = -(-terms.window_ms // terms.log.period_ms)
    rows = -(-records // terms.schema.records_per_block) + 1
    reserved = PARAMETER_SETS[terms.parameter_set].random_rows + 2 + 2 * terms.circuit.state_rows
    most = 2**MAXIMUM_LOG2_ROWS - reserved
    for field, windows in (("window_seconds", 1), ("windows_per_claim", terms.windows_per_claim)):
        if windows is not None and windows * rows > most:
            refuse(
                f"contract.{field}",
                f"{windows} window{'s' if windows > 1 else ''} of {records} records take"
                f" {windows * rows} rows; one claim has {most}",
            )
