"""What a contract means and gives away, in plain words and as plain data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from circuits.checkpoint import Status
from circuits.circuit import CompiledOutcome
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


def _gives_away(outcome: OutcomeTerms, compiled: CompiledOutcome) -> str:
    if compiled.additive:
        return (
            f"one number, the exact value of {outcome.formula} in {outcome.unit}, per claim over"
            " all its windows together"
        )
    bound = "" if outcome.at_least is None else f" reaches {decimal_text(outcome.at_least)}"
    subject = outcome.formula if bound else f"{outcome.formula} holds"
    return f"one bit per claim: whether {subject}{bound} over all its windows together"


def _keeps_private(compiled: CompiledOutcome) -> str:
    if compiled.additive:
        return "single readings, their order, and how the number is made up"
    return "the totals that are compared, how near they come, single readings and their order"


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
    if terms.refuse_flags:
        lines.append(
            f"windows are refused (DEVICE_FLAGS) once the device reports"
            f" {' or '.join(terms.refuse_flags.words)} in their epoch, until the supplier waives it"
        )
    return lines


def _outcome(outcome: OutcomeTerms, compiled: CompiledOutcome) -> dict[str, Any]:
    return {
        "name": outcome.name,
        "formula": outcome.formula,
        "aggregate": compiled.aggregate,
        "unit": outcome.unit,
        "price": None if outcome.price is None else decimal_text(outcome.price),
        "reveal": outcome.reveal,
        "at_least": None if outcome.at_least is None else decimal_text(outcome.at_least),
        "adds_up": compiled.additive,
        "gives_away": _gives_away(outcome, compiled),
        "keeps_private": _keeps_private(compiled),
        "columns": compiled.columns,
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
            }
            for c in terms.channels
        ],
        "outcomes": [_outcome(o, c) for o, c in zip(terms.outcomes, circuit.outcomes, strict=True)],
        "side_information": side_information(terms),
        "columns": circuit.column_count,
        "constraints": circuit.constraint_count,
        "max_degree": circuit.max_degree,
        "proven_bits": _proven(terms),
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
        )
    lines += ["outcomes"]
    for outcome in document["outcomes"]:
        price = outcome["price"]
        per = (
            "unit"
            if outcome["adds_up"]
            else "claim in which it holds, however short or empty the claim"
        )
        cost = "no price" if price is None else f"{price} {document['currency']} per {per}"
        lines.append(f"  {outcome['name']} [{outcome['unit']}] = {outcome['formula']}; {cost}")
        lines.append(f"    reveals {outcome['reveal']}: {outcome['gives_away']}")
        lines.append(f"    keeps private: {outcome['keeps_private']}")
        lines.append(f"    adds {outcome['columns']} columns of {document['columns']}")
    lines += ["claims"]
    lines += [f"  {line}" for line in document["claim_rules"]]
    lines += ["every claim also gives away"]
    lines += [f"  {line}" for line in document["side_information"]]
    lines.append(
        f"circuit: {document['columns']} columns, {document['constraints']} constraints, degree"
        f" {document['max_degree']}"
    )
    lines.append(
        f"proven bits by trace length (parameter set {document['parameter_set']}, floor"
        f" {document['minimum_proven_bits']})"
    )
    lines += [f"  {rows:>8} rows  {bits:.2f}" for rows, bits in document["proven_bits"].items()]
    return "\n".join(lines)
