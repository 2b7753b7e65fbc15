"""What ``contract show --explain`` says of a circuit: every constraint, readable by a person."""

from __future__ import annotations

from typing import Any

from circuits.circuit import Circuit
from circuits.readable import (
    ReadableConstraint,
    constraint_lines,
    explain_constraints,
    log_hash_constraints,
)
from circuits.schema import DT_CHANNEL

_SELECTORS = {
    "first": "the first row",
    "last": "the last row of the claim's windows",
    "closing": "the end of every window",
    "opening": "the row with an epoch's first record",
    "padding": "rows whose block ends before slot {}",
    "inside": "the end of windows that start between minutes {} and {} of the day (UTC)",
    "state": "rows of both commitments to carried values",
    "state_before": "rows of the commitment before the records",
    "state_before K": "row {} of the commitment before the records",
    "state_after K": "row {} of the commitment behind the records",
    "resume": "the last row before the records",
    "state_end": "the last row of the commitment behind the records",
}


def selector_meaning(name: str) -> str:
    """On which rows a selector is 1, in words; see ``Layout.selector``."""
    kind, *numbers = name.split()
    if kind.startswith("state_") and numbers:
        kind += " K"
    return _SELECTORS[kind].format(*numbers)


def explained_document(circuit: Circuit, everything: bool) -> dict[str, Any]:
    """Legend and constraints as JSON; the log hash's own constraints only with ``everything``."""
    count = log_hash_constraints(circuit)
    shown = circuit.constraints if everything else circuit.constraints[count:]
    names = [c.name for c in circuit.schema.channels] + [DT_CHANNEL] * circuit.schema.has_dt
    width = circuit.schema.width
    return {
        "selectors": {name: selector_meaning(name) for name in circuit.selectors},
        "block": {
            f"block[{slot * width + place}]": f"{name} of the record in slot {slot}"
            for slot in range(circuit.schema.records_per_block)
            for place, name in enumerate(names)
        },
        "log_hash_constraints": count,
        "constraints": [
            {"name": c.name, "degree": c.degree, "polynomial": c.polynomial}
            for c in explain_constraints(circuit, shown)
        ],
        "everything": everything,
    }


def explained_text(document: dict[str, Any]) -> str:
    """The same for people."""
    lines = [
        "constraints: every polynomial is 0 on every row",
        "  x' is x on the next row; bits(a[0..2]) is a[0] + 2 * a[1] + 4 * a[2]",
        "selectors are 1 on some rows and 0 on all others",
    ]
    lines += [f"  {name}: {meaning}" for name, meaning in document["selectors"].items()]
    lines += ["a row with records holds in"]
    lines += [f"  {name}: {meaning}" for name, meaning in document["block"].items()]
    if not document["everything"]:
        lines.append(
            f"log hash: {document['log_hash_constraints']} constraints, the same for every contract"
            " with records of this size (--explain all lists them)"
        )
    constraints = [ReadableConstraint(**entry) for entry in document["constraints"]]
    lines += [f"  {line}" for line in constraint_lines(constraints)]
    return "\n".join(lines)
