"""The lint reports every defect that it promises to, and nothing about what we ship."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from circuits.builder import Builder, Log
from circuits.circuit import Circuit, Constraint, Trace
from circuits.compile import compile_circuit
from circuits.free_cells import Freedom
from circuits.gadgets.log_hash import add_log_hash
from circuits.lint import Report, lint_circuit
from circuits.schema import Schema
from circuits.synthetic_log import synthetic_claims
from circuits.trace_check import check_trace
from tests.circuits.logs import channel
from verifier.contract import read_template

ROOT = Path(__file__).resolve().parents[2]
METER = Schema((channel("x", 6),), 100)


def square_circuit(change: Callable[[Builder, Log], None] | None = None) -> Circuit:
    """A column that holds the square of the first record's reading, and perhaps a defect."""
    builder = Builder(METER)
    log = add_log_hash(builder)
    square = builder.column("square")
    x = log.element(0, "x")
    builder.constrain("square", log.data * (square.now - x * x))
    position = log.index(0, "x")

    def fill(trace: Trace) -> None:
        raw = np.where(trace.data_rows, trace.blocks[:, position], 0)
        trace.columns[square.index, : len(raw)] = raw.astype(np.int64) ** 2

    builder.fillers.append(fill)
    if change is not None:
        change(builder, log)
    return builder.finish([])


def found(circuit: Circuit) -> list[tuple[str, str]]:
    return [(finding.check, finding.subject) for finding in lint_circuit(circuit).findings]


def test_a_sound_circuit_is_clean() -> None:
    report = lint_circuit(square_circuit())
    assert report.findings == []
    assert report.notes == []
    (square,) = report.partly_free
    assert square.column == "square"
    assert square.cells["data"] == 0
    assert square.cells["closing"] == square.tried["closing"] > 10
    assert square.cells["padding"] == square.tried["padding"] > 2


@pytest.mark.parametrize(
    "path", sorted((ROOT / "examples/contracts").glob("*.toml")), ids=lambda path: path.stem
)
def test_every_example_is_clean(path: Path) -> None:
    report = lint_circuit(read_template(path.read_text(encoding="utf-8")).circuit)
    assert report.findings == []
    assert report.notes == []


def unused_column(builder: Builder, _log: Log) -> None:
    builder.column("idle")


def unused_selector(builder: Builder, _log: Log) -> None:
    builder.selector("inside 60 120")


def unread_public(builder: Builder, _log: Log) -> None:
    builder.public("promise")


def unbound_bit(builder: Builder, _log: Log) -> None:
    builder.flags("flag", 1)


def multiplied_by_zero(builder: Builder, _log: Log) -> None:
    builder.constrain("nothing", builder.selector("first") * builder.column("loose").now * 0)


def loose_product(builder: Builder, log: Log) -> None:
    # bound only where it cannot matter: on rows that are both active and not
    column = builder.column("loose")
    builder.constrain("never", column.now * log.active.now * (log.active.now - 1))


def duplicate(builder: Builder, _log: Log) -> None:
    builder.constraints.append(replace(builder.constraints[-1], name="once more"))


def multiple(builder: Builder, log: Log) -> None:
    # of "active never rises"
    builder.constrain("negated", (1 - log.active.now) * log.active.next * -1)


def zero(builder: Builder, log: Log) -> None:
    x, y = log.element(0, "x"), log.element(1, "x")
    builder.constrain("cancels", (x + 1) * y - x * y - y)


def impossible(builder: Builder, _log: Log) -> None:
    builder.constrain("seven", builder.graph.constant(7))


def high_degree(builder: Builder, log: Log) -> None:
    x = log.element(0, "x")
    form = builder.graph.form(log.data * (x * x - x * x * x * x))
    builder.constraints.append(Constraint("quintic", form, 5))


def misstated_degree(builder: Builder, log: Log) -> None:
    form = builder.graph.form(log.data * log.element(2, "x") - log.element(2, "x") * log.data)
    other = builder.graph.form(builder.selector("last") * (log.active.now - 1) * 5)
    builder.constraints.append(Constraint("cancelled", form, 0))
    builder.constraints.append(Constraint("says one", other, 1))


def false_of_honest_logs(builder: Builder, log: Log) -> None:
    builder.constrain("readings are small", log.data * (log.element(0, "x") - 1))


def unknown_selector(builder: Builder, log: Log) -> None:
    builder.constrain("odd rows", builder.selector("odd") * (log.active.now - 1))


DEFECTS = [
    (unused_column, [("unused column", "idle")]),
    (unused_selector, [("unused selector", "inside 60 120")]),
    (unread_public, [("unused public input", "promise"), ("public inputs", "17 public inputs")]),
    (unbound_bit, [("free column", "flag[0]")]),
    (multiplied_by_zero, [("unused column", "loose"), ("constant constraint", "nothing")]),
    (loose_product, [("free column", "loose")]),
    (duplicate, [("duplicate constraint", "once more")]),
    (multiple, [("duplicate constraint", "negated")]),
    (zero, [("constant constraint", "cancels")]),
    (high_degree, [("degree too high", "quintic"), ("honest trace refused", "quintic")]),
    (
        misstated_degree,
        [
            ("wrong degree", "says one"),
            ("constant constraint", "cancelled"),
            ("duplicate constraint", "says one"),
        ],
    ),
    (impossible, [("constant constraint", "seven"), ("honest trace refused", "seven")]),
    (false_of_honest_logs, [("honest trace refused", "readings are small")]),
    (unknown_selector, [("unknown selector", "odd")]),
]


@pytest.mark.parametrize(("change", "expected"), DEFECTS, ids=lambda x: getattr(x, "__name__", ""))
def test_every_defect_is_reported(
    change: Callable[[Builder, Log], None], expected: list[tuple[str, str]]
) -> None:
    assert found(square_circuit(change)) == expected


def test_a_free_column_says_what_passes() -> None:
    def both(builder: Builder, log: Log) -> None:
        unbound_bit(builder, log)
        loose_product(builder, log)

    details = {f.subject: f.detail for f in lint_circuit(square_circuit(both)).findings}
    assert details["flag[0]"].startswith("may be 0 and 1 on every row: ")
    assert details["loose"].startswith("may be any value on every row: ")


def test_a_forgotten_line_of_a_gadget_is_found() -> None:
    circuit = compile_circuit(METER, ("max(x)",))
    assert found(circuit) == []
    kept = tuple(c for c in circuit.constraints if c.name != "max(x) reaches@2")
    missing = found(replace(circuit, constraints=kept))
    assert ("free column", "max(x) distance@2[0]") in missing
    assert ("free column", "max(x) distance@2[2]") in missing
    assert {check for check, _ in missing} == {"free column"}
    kept = tuple(c for c in circuit.constraints if c.name != "outcome 0 limb 0 is public")
    assert found(replace(circuit, constraints=kept)) == [
        ("unused public input", "outcome 0 limb 0")
    ]


def test_without_the_log_hash_only_the_constraints_are_looked_at() -> None:
    builder = Builder(METER)
    builder.flags("flag", 1)
    report = lint_circuit(builder.finish([]))
    assert report.findings == []
    assert report.notes == ["it does not begin with the log hash: no trace was tried"]


def assert_claims_are_honest(circuit: Circuit) -> None:
    for claim in synthetic_claims(circuit):
        trace, publics = claim.trace(circuit), claim.statement.public_inputs(circuit)
        assert check_trace(circuit, trace, publics, trace.columns.shape[1] - 1) == []


def test_the_made_up_claims_cover_what_can_happen() -> None:
    schema = Schema((channel("a", 12), channel("b", 9, "0.1", "-3")))
    circuit = compile_circuit(schema, ("count(a == 1234)", "any(b >= 40)", "sum(a * dt)"))
    assert_claims_are_honest(circuit)
    first, second = synthetic_claims(circuit)
    assert first.statement.starts_epoch
    assert not second.statement.starts_epoch
    layout = second.statement.layout(circuit)
    assert {int(v) for v in layout.filled} == {1}
    assert 0 in second.statement.counts
    # equality with a constant comes about, which uniform readings would hardly meet
    records = np.concatenate([rows for rows, _ in second.windows])
    assert 0 < int((records[:, 0] == 1234).sum()) < len(records)
    assert second.statement.totals[0] > 0
    hours = {c.start_ms // 3_600_000 % 24 for c in second.statement.checkpoints[1:]}
    assert len(hours) > 12


def test_freedom_is_counted_by_kind_of_row() -> None:
    freedom = Freedom("c", Counter({"data": 2}), Counter({"data": 5, "closing": 1}), True)
    assert not freedom.everywhere
    assert freedom.text == "2 of 5 data rows"
    assert Report().findings == []
