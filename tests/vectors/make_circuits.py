"""Pinned circuit identifiers: ``python -m tests.vectors.make_circuits`` makes the file."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

from circuits.circuit import CIRCUIT_FORMAT
from circuits.compile import compile_circuit
from circuits.schema import Channel, Schema

TARGET = Path(__file__).with_name("circuits.json")
FLOW = Channel("flow", "L/min", 18, Fraction(1, 1000), Fraction(0))
TEMPERATURE = Channel("temperature", "degC", 12, Fraction(1, 10), Fraction(-40))
MISSING = Channel("level", "m", 10, Fraction(1, 50), Fraction(0), may_miss=True)
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
    (
        "many thresholds on one channel",
        Schema((FLOW,)),
        ("count(flow > 1)", "count(between(flow, 5, 12.5))", "any(flow >= 100)"),
    ),
    (
        "readings that may be missing",
        Schema((MISSING, TEMPERATURE)),
        ("count(missing(level))", "mean(level, where=temperature > 4) >= 2", "sum(level * dt)"),
    ),
    (
        "times of day",
        Schema((FLOW, TEMPERATURE)),
        (
            "tariff(flow * dt, '00:00 0.21, 06:00 0.34, 22:00 0.21', '+01:00')",
            "count(time_of_day('22:00', '06:00'), where=temperature > 30)",
        ),
    ),
    (
        "windows",
        Schema((FLOW,)),
        ("windows(mean(flow) <= 30)", "windows(sum(dt, where=flow >= 4) / 3600 >= 4) >= 21"),
    ),
    (
        "least and greatest, first and last",
        Schema((FLOW, TEMPERATURE)),
        ("max(flow) - min(flow)", "last(temperature) - first(temperature) >= 0.5"),
    ),
    (
        "whole numbers",
        Schema((FLOW, TEMPERATURE)),
        ("floor(sum(flow * dt) / 60 + 0.5)", "floor(max(temperature))", "floor(sum(flow)) > 3"),
    ),
    (
        "variance and capability",
        Schema((TEMPERATURE,)),
        ("variance(temperature) <= 2", "cpk(temperature, 9.95, 10.05) >= 1.33"),
    ),
    (
        "remainders",
        Schema((FLOW,)),
        ("rounded(sum(flow * dt_ms), 50)", "rounded(sum(flow), 1 / 3)"),
    ),
    (
        "conditions with a past",
        Schema((FLOW,)),
        ("count(rising(flow > 2))", "all(~held(flow > 30, 10))", "count(falling(flow > 2))"),
    ),
    (
        "state with eight readings to a row",
        Schema((FLOW,), 100),
        (
            "sum(dt, where=held(flow > 2, 1000000) & ~rising(flow > 30))",
            "rounded(sum(flow * dt) / 60, 50)",
        ),
    ),
    (
        "state over missing readings",
        Schema((MISSING, FLOW)),
        ("count(rising(level > 2))", "count(held((level > 2) & (flow > 1), 3))"),
    ),
]


def document() -> dict[str, Any]:
    """The file's content, computed anew."""
    return {
        "source": f"circuits.compile.compile_circuit, format {CIRCUIT_FORMAT}",
        "generator": "tests/vectors/make_circuits.py",
        "cases": [_case(*case) for case in CASES],
    }


def _case(name: str, schema: Schema, formulas: tuple[str, ...]) -> dict[str, Any]:
    circuit = compile_circuit(schema, formulas)
    return {
        "name": name,
        "period_ms": schema.period_ms,
        "channels": [
            [c.name, c.unit, c.bits, str(c.scale), str(c.offset), c.may_miss]
            for c in schema.channels
        ],
        "formulas": list(formulas),
        "schema": schema.digest().hex(),
        "columns": circuit.column_count,
        "constraints": circuit.constraint_count,
        "state": [[variable.name, list(variable.widths)] for variable in circuit.state],
        "identifier": circuit.identifier.hex(),
    }


if __name__ == "__main__":
    TARGET.write_text(json.dumps(document(), indent=1) + "\n", encoding="utf-8")
