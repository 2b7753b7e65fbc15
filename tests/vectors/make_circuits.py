"""Pinned circuit identifiers: ``python -m tests.vectors.make_circuits`` makes the file."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

from circuits.compile import compile_circuit
from circuits.schema import Channel, Schema

TARGET = Path(__file__).with_name("circuits.json")
FLOW = Channel("flow", "L/min", 18, Fraction(1, 1000), Fraction(0))
TEMPERATURE = Channel("temperature", "degC", 12, Fraction(1, 10), Fraction(-40))
CASES: list[tuple[str, Schema, tuple[str, ...]]] = [
    ("one sum of products", Schema((FLOW,)), ("sum(flow * dt_ms) / 60000",)),
    ("plain sum", Schema((FLOW,)), ("sum(flow)",)),
    ("count", Schema((FLOW,)), ("count(flow <= 12.5)", "count(flow >= 12.5)")),
    ("fixed period", Schema((FLOW,), 100), ("sum(flow * dt_ms)", "count(flow >= 1)")),
    ("negative offset", Schema((TEMPERATURE,)), ("sum(temperature * dt_ms)", "sum(temperature)")),
    (
        "two channels",
        Schema((FLOW, TEMPERATURE)),
        ("sum(flow * dt_ms) / 60000", "count(temperature >= 60) / 10"),
    ),
    (
        "numbers of the outcome language",
        Schema((FLOW, TEMPERATURE)),
        (
            "sum(flow * dt_ms, where=(temperature >= 60) & (flow > 1)) / 60000",
            "sum(clip_above(temperature, 60) * dt) - 2 * count(between(flow, 1, 12.5))",
            "sum(flow * temperature)",
        ),
    ),
    (
        "conditions of the outcome language",
        Schema((FLOW, TEMPERATURE), 100),
        (
            "all(temperature <= 60, where=flow != 0)",
            "ratio(sum(flow * dt), count()) >= 0.5",
            "percentile(abs(temperature - 20), 95) <= 7",
        ),
    ),
]


def document() -> dict[str, Any]:
    """The file's content, computed anew."""
    return {
        "source": "circuits.compile.compile_circuit, format 1",
        "generator": "tests/vectors/make_circuits.py",
        "cases": [_case(*case) for case in CASES],
    }


def _case(name: str, schema: Schema, formulas: tuple[str, ...]) -> dict[str, Any]:
    circuit = compile_circuit(schema, formulas)
    return {
        "name": name,
        "period_ms": schema.period_ms,
        "channels": [
            [c.name, c.unit, c.bits, str(c.scale), str(c.offset)] for c in schema.channels
        ],
        "formulas": list(formulas),
        "schema": schema.digest().hex(),
        "columns": circuit.column_count,
        "constraints": circuit.constraint_count,
        "identifier": circuit.identifier.hex(),
    }


if __name__ == "__main__":
    TARGET.write_text(json.dumps(document(), indent=1) + "\n", encoding="utf-8")
