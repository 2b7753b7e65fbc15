"""What a contract means and gives away, in plain words and as plain data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from circuits.checkpoint import Status
from circuits.circuit import CompiledOutcome
from circuits.language.outcome_syntax import Predicate
from circuits.language.parsing import parse_outcome
from verifier.contract.estimate import estimates
from verifier.contract.signing import SignedContract
from verifier.contract.terms import OutcomeTerms, Terms, decimal_text


def outcomes_document(terms: Terms, values: Sequence[Fraction]) -> dict[str, Any]:
    """Outcomes as JSON: exact numerator and denominator, unit, and a value of nine decimals."""
    return {
        outcome.name: {
            "numerator": value.numerator,
            "denominator": value.denominator,
            "unit": outcome.unit,
            "value": rounded_text(value),
        }
        for outcome, value in zip(terms.outcomes, values, strict=True)
    }


def rounded_text(value: Fraction, places: int = 9) -> str:
    """A decimal for people: rounded to ``places``, without trailing zeros."""
    return decimal_text(Fraction(round(value * 10**places), 10**places))


def side_information(terms: Terms) -> list[str]:
    """What every claim reveals besides its outcomes; one sentence each."""
    lines = [
        f"start, end and record count of every {terms.window_seconds}-second window of a claim",
        "when the device began and ended each epoch, and that it ran at all",
        f"the device's status flags: {', '.join(Status(63).words)}",
        "the amount of money, per claim and since the contract's start",
    ]
    if terms.schema.has_dt:
        lines.append(
            "how often the device records: with irregular or event-driven records the counts are"
            " production figures themselves (a fixed period_ms avoids that)"
        )
    return lines


def _is_bit(terms: Terms, outcome: OutcomeTerms) -> bool:
    """Whether all that a claim reveals of an outcome is whether it holds."""
    return isinstance(parse_outcome(outcome.compiled_formula, terms.schema), Predicate)


def _gives_away(outcome: OutcomeTerms, compiled: CompiledOutcome, is_bit: bool) -> str:
    if is_bit:
        bound = "" if outcome.at_least is None else f" reaches {decimal_text(outcome.at_least)}"
        subject = outcome.formula if bound else f"{outcome.formula} holds"
        return f"one bit per claim: whether {subject}{bound} over all its windows together"
    if outcome.reveal == "amount":
        return (
            "only the money: the amount in whole nanos, which the payment shows anyway; the"
            " remainder is carried on, hidden"
        )
    if outcome.rounded is not None:
        unit = f"{decimal_text(outcome.rounded)} {outcome.unit}"
        return (
            f"one number, in whole multiples of {unit}, per claim over all its windows together;"
            " the remainder is carried on, hidden"
        )
    by_itself = "" if compiled.additive else ", which does not add up over claims"
    return (
        f"one number, the exact value of {outcome.formula} in {outcome.unit}, per claim over"
        f" all its windows together{by_itself}"
    )


def _keeps_private(outcome: OutcomeTerms, compiled: CompiledOutcome, is_bit: bool) -> str:
    if is_bit:
        return "the totals that are compared, how near they come, single readings and their order"
    if outcome.reveal == "amount":
        return "the number as far as the price hides it, single readings and their order"
    if compiled.additive:
        return "single readings, their order, and how the number is made up"
    return "how the number is made up, all other readings and their order"


def _due(outcome: OutcomeTerms, compiled: CompiledOutcome, is_bit: bool) -> str:
    """What the price is for."""
    if is_bit:
        if outcome.once:
            return "once, with the first claim in which it holds"
        return "per claim in which it holds, however short or empty the claim"
    if outcome.once:
        return "per unit, for one unit at most over the whole contract"
    return "per unit" if compiled.additive else "per unit of every claim's own number"


def _proven(terms: Terms) -> dict[str, float]:
    """Proven bits for every trace length, by rows."""
    # rounded down: a floor that is shown must hold
    return {str(rows): math.floor(bits * 100) / 100 for rows, bits in terms.proven_bits.items()}


def claim_rules(terms: Terms) -> list[str]:
    """What a claim must keep to, and what follows when it does not; one sentence each."""
    if terms.start is None:
        lines = ["counting begins with checkpoint 0 of epoch 0"]
    else:
        place = f"checkpoint {terms.start.index} of epoch {terms.start.epoch}"
        lines = [f"counting begins at {place}, or at the opening of the next epoch that names it"]
    lines.append("windows are claimed in order, none left out")
    if terms.windows_per_claim is not None:
        count = terms.windows_per_claim
        lines.append(
            f"a claim covers {count} windows from a multiple of {count} on (in the starting epoch,"
            " from the starting checkpoint on); a shorter one ends its epoch: no later window of"
            " that epoch can be claimed (CLAIM_SPAN)"
        )
    if terms.claim_deadline_seconds is not None:
        lines.append(
            f"a claim is to arrive within {terms.claim_deadline_seconds} s of the end of its first"
            " window; late windows are refused (CLAIM_LATE), and with them all that follow, until"
            " the supplier waives the delay"
        )
    if any(name.startswith("inside ") for name in terms.circuit.selectors):
        lines.append(
            "a record counts at the time of day at which its window starts (UTC), so up to one"
            " window per border counts for the time before it"
        )
        lines.append(
            "that is the time of the device's own clock, which has to go on without power: where"
            " the operator sets the time, the device reports clock_set"
        )
    if terms.refuse_flags:
        lines.append(
            f"windows are refused (DEVICE_FLAGS) once the device reports"
            f" {' or '.join(terms.refuse_flags.words)} in their epoch, until the supplier waives it"
        )
    carried = len(terms.circuit.state)
    if carried:
        values = "1 carried value is" if carried == 1 else f"{carried} carried values are"
        lines.append(f"{values} committed from claim to claim, revealing nothing")
    return lines


def settlement_rules(terms: Terms) -> list[str]:
    """How what is owed reaches the supplier; one sentence each."""
    settlement = terms.settlement
    if settlement is None:
        return ["in the supplier's ledger only"]
    members = "operator and supplier, who must both sign"
    if settlement.arbiter_key is not None:
        members = "operator, supplier and arbiter, of whom two must sign"
    when = f"at least {settlement.minimum_nanos} nanos are owed"
    if settlement.maximum_age_seconds is not None:
        when += f", or when a receipt has waited for {settlement.maximum_age_seconds} s"
    gas = settlement.gas_owner or "the escrow"
    lines = [
        f"on IOTA network {settlement.network}, out of an escrow of {members}",
        f"to {settlement.payee}",
        "there is no refund by time-out: coins move only while two of them agree",
        f"claims are netted, and paid together when {when}",
        f"gas is paid by {gas}, at most {settlement.maximum_gas_nanos} nanos per settlement",
        "everybody can see the addresses, and the amount and time of each settlement",
    ]
    if settlement.anchor:
        lines.append("each settlement carries the hash of its receipts, which reveals nothing else")
    return lines


def _outcome(terms: Terms, outcome: OutcomeTerms, compiled: CompiledOutcome) -> dict[str, Any]:
    is_bit = _is_bit(terms, outcome)
    return {
        "name": outcome.name,
        "formula": outcome.formula,
        "unit": outcome.unit,
        "price": None if outcome.price is None else decimal_text(outcome.price),
        "due": _due(outcome, compiled, is_bit),
        "once": outcome.once,
        "reveal": outcome.reveal,
        "at_least": None if outcome.at_least is None else decimal_text(outcome.at_least),
        "rounded": None if outcome.rounded is None else decimal_text(outcome.rounded),
        "adds_up": compiled.additive,
        "gives_away": _gives_away(outcome, compiled, is_bit),
        "keeps_private": _keeps_private(outcome, compiled, is_bit),
        "columns": compiled.columns,
        "share_of_proving": round(compiled.columns / terms.circuit.column_count, 3),
    }


def describe_contract(contract: SignedContract) -> dict[str, Any]:
    """Everything that ``contract show`` prints, as one JSON document."""
    terms, circuit = contract.terms, contract.terms.circuit
    return {
        "name": terms.name,
        "terms_digest": terms.digest.hex(),
        "circuit_id": circuit.identifier.hex(),
        "circuit_fixed_by_terms": terms.circuit_id is not None,
        "signed": {
            "operator": contract.signature_holds("operator"),
            "supplier": contract.signature_holds("supplier"),
        },
        "parties": {
            "operator": terms.parties.operator.hex(),
            "supplier": terms.parties.supplier.hex(),
            "device": terms.parties.device.hex(),
        },
        "currency": terms.currency,
        "window_seconds": terms.window_seconds,
        "windows_per_claim": terms.windows_per_claim,
        "start": None if terms.start is None else terms.start.text,
        "claim_deadline_seconds": terms.claim_deadline_seconds,
        "refuse_flags": list(terms.refuse_flags.words),
        "claim_rules": claim_rules(terms),
        "settlement": None if terms.settlement is None else terms.settlement.document,
        "settlement_rules": settlement_rules(terms),
        "period_ms": terms.log.period_ms,
        "minimum_proven_bits": terms.minimum_proven_bits,
        "parameter_set": terms.parameter_set,
        "channels": [
            {
                "name": c.channel.name,
                "column": c.column,
                "unit": c.channel.unit,
                "scale": decimal_text(c.channel.scale),
                "offset": decimal_text(c.channel.offset),
                "bits": c.channel.bits,
                "rounding": c.rounding,
                "may_miss": c.channel.may_miss,
            }
            for c in terms.channels
        ],
        "outcomes": [
            _outcome(terms, o, c) for o, c in zip(terms.outcomes, circuit.outcomes, strict=True)
        ],
        "side_information": side_information(terms),
        "columns": circuit.column_count,
        "constraints": circuit.constraint_count,
        "max_degree": circuit.max_degree,
        "proven_bits": _proven(terms),
        "carried_values": len(circuit.state),
        "proving": [
            {
                "windows": estimate.windows,
                "records": estimate.records,
                "rows": estimate.rows,
                "seconds_on_two_cores": float(f"{estimate.seconds:.2g}"),
            }
            for estimate in estimates(terms)
        ],
    }


def contract_text(document: dict[str, Any]) -> str:
    """The same for people."""
    lines = [f"contract {document['name']}"]
    lines += [f"  terms digest  {document['terms_digest']}"]
    fixed = "  (fixed by the terms)" if document["circuit_fixed_by_terms"] else ""
    lines += [f"  circuit id    {document['circuit_id']}{fixed}"]
    for role in ("operator", "supplier", "device"):
        signed = ""
        if role in document["signed"]:
            signed = "  signed" if document["signed"][role] else "  not signed"
        lines.append(f"  {role:<13} {document['parties'][role]}{signed}")
    lines += ["channels"]
    for channel in document["channels"]:
        low = f"{channel['offset']} + raw * {channel['scale']}"
        lines.append(
            f"  {channel['name']} [{channel['unit']}]: column {channel['column']!r},"
            f" {channel['bits']} bits, {low}, rounding {channel['rounding']}"
            + ("; records without a sample of it are left out" if channel["may_miss"] else "")
        )
    lines += ["outcomes"]
    for outcome in document["outcomes"]:
        price = outcome["price"]
        cost = "no price" if price is None else f"{price} {document['currency']} {outcome['due']}"
        lines.append(f"  {outcome['name']} [{outcome['unit']}] = {outcome['formula']}; {cost}")
        lines.append(f"    reveals {outcome['reveal']}: {outcome['gives_away']}")
        lines.append(f"    keeps private: {outcome['keeps_private']}")
        lines.append(
            f"    adds {outcome['columns']} columns of {document['columns']}, about"
            f" {outcome['share_of_proving']:.0%} of the proving time"
        )
    lines += ["claims"]
    lines += [f"  {line}" for line in document["claim_rules"]]
    lines += ["settlement"]
    lines += [f"  {line}" for line in document["settlement_rules"]]
    lines += ["every claim also gives away"]
    lines += [f"  {line}" for line in document["side_information"]]
    lines.append(
        f"circuit: {document['columns']} columns, {document['constraints']} constraints, degree"
        f" {document['max_degree']}"
    )
    if document["proving"]:
        lines.append("proving a claim takes, on two cores, about")
    lines += [f"  {_proving_text(estimate)}" for estimate in document["proving"]]
    lines.append(
        f"proven bits by trace length (parameter set {document['parameter_set']}, floor"
        f" {document['minimum_proven_bits']})"
    )
    lines += [f"  {rows:>8} rows  {bits:.2f}" for rows, bits in document["proven_bits"].items()]
    return "\n".join(lines)


def _proving_text(estimate: dict[str, Any]) -> str:
    seconds, windows = estimate["seconds_on_two_cores"], estimate["windows"]
    within = f"{windows} windows with {estimate['records']} records together"
    if windows == 1:
        within = f"one window with {estimate['records']} records"
    return f"{seconds:g} s for {within} ({estimate['rows']} rows)"
