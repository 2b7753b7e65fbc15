"""``prove`` against ``verify``: contracts of every kind pass, and no lie about a log does."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numba import get_num_threads

from circuits.chain import sample_elements
from circuits.compile import compile_circuit
from circuits.errors import BadInput, InputReason, Reason, Rejected
from circuits.field import Array, P
from circuits.records import Records
from circuits.schema import Channel, Schema
from circuits.statement import Statement
from prover import prove as prove_module
from prover import witness as witness_module
from prover.bench import bench_statement, run_bench
from prover.deep import deep_polynomial, evaluate_some
from prover.kernels.blake2s import grind
from prover.kernels.montgomery import Words
from prover.kernels.polynomial import evaluate_columns
from prover.log import WindowLog
from prover.prove import prove
from prover.randomness import random_elements
from tests.circuits.logs import channel, random_log, random_windows, sign_log
from tests.kernel.proofs import (
    METER,
    METER_FORMULAS,
    PUMP,
    PUMP_FORMULAS,
    Made,
    as_windows,
    make,
    piece,
    pieces,
)
from verifier.kernel.parameters import STANDARD
from verifier.kernel.soundness import proven_bits
from verifier.kernel.verify import verify

SEVEN = Schema(tuple(channel(f"c{k}", 10 + k, "0.5", "-3") for k in range(7)))
Lie = Callable[[tuple[WindowLog, ...]], list[WindowLog]]
FRACTIONS = Schema((Channel("x", "", 12, Fraction(1, 3), Fraction(-7, 6)),), 250)


@pytest.fixture(scope="module")
def pump() -> Made:
    """Three windows, two of them of equal length, so that they can be swapped."""
    return make(PUMP, PUMP_FORMULAS, [6, 6, 3])


def attempt(made: Made, statement: Statement, windows: Sequence[WindowLog]) -> Reason:
    """What becomes of a claim by a prover that proves regardless of its log."""
    with pytest.raises(BadInput) as refusal:
        prove(made.circuit, STANDARD, statement, windows)
    assert refusal.value.reason is InputReason.STORE_CORRUPT
    assert "constraint '" in refusal.value.message
    proof = prove(made.circuit, STANDARD, statement, windows, check=False)
    return replace(made, statement=statement, proof=proof).reason()


@pytest.mark.parametrize(
    ("schema", "formulas", "counts"),
    [
        (PUMP, ("sum(flow * dt_ms) / 60000",), [1]),
        (PUMP, ("count(flow <= 100)", "count(flow >= 100)"), [5, 0, 2]),
        (METER, METER_FORMULAS, [600]),
        (METER, ("sum(value * dt_ms)",), [0, 9]),
        (SEVEN, ("sum(c0 * dt_ms)", "sum(c6)", "count(c3 >= 100)"), [4, 3]),
        (FRACTIONS, ("sum(x * dt_ms)", "sum(x) / 7"), [17]),
        (PUMP, ("sum(flow)",), [0]),
    ],
    ids=["pump", "counts", "meter", "meter times period", "seven channels", "fractions", "nothing"],
)
def test_contracts_of_every_kind(
    schema: Schema, formulas: tuple[str, ...], counts: list[int]
) -> None:
    made = make(schema, formulas, counts)
    made.verify()
    assert len(made.proof) <= made.shape.maximum_bytes
    bits = proven_bits(
        STANDARD,
        made.shape.log2_rows,
        made.circuit.column_count,
        made.circuit.constraint_count,
        made.circuit.max_degree,
    )
    made.verify(bits)  # the floor may be exactly what is proven


@pytest.mark.parametrize("active_rows", [106, 107])
def test_both_sides_of_a_trace_length(active_rows: int) -> None:
    # 106 rows fill 2^8 rows to the last usable one; one more doubles the trace
    made = make(METER, ("sum(value)",), [8 * (active_rows - 1)])
    made.verify()
    assert made.shape.log2_rows == (8 if active_rows == 106 else 9)


def test_windows_in_the_middle_of_an_epoch() -> None:
    circuit = compile_circuit(METER, ("sum(value * dt_ms)",))
    log = sign_log(METER, random_windows(METER, [5, 4]), earlier_records=30)
    statement = log.statement(circuit)
    verify(circuit, STANDARD, statement, prove(circuit, STANDARD, statement, as_windows(log)), 120)


def test_a_later_opening_of_the_epoch_would_pay_one_period_less(pump: Made) -> None:
    # whether the first record opens the epoch is signed, not chosen: the other total is refused
    circuit = compile_circuit(METER, ("sum(value * dt_ms)",))
    log = random_log(METER, [5, 4])
    honest = log.statement(circuit)
    claim = Records.between(log.checkpoints, log.records)
    later = replace(claim, starts_epoch=False)
    greedy = replace(honest, totals=circuit.measure(later, {}).totals)
    assert greedy.totals[0] > honest.totals[0]
    made = Made(circuit, log, honest, b"")
    assert attempt(made, greedy, as_windows(log)) is Reason.PROOF_CONSTRAINTS


def test_proofs_are_fresh_each_time(pump: Made) -> None:
    # equal roots or values out of the domain would let two proofs be subtracted from each other
    again = pump.with_proof(prove(pump.circuit, STANDARD, pump.statement, pump.windows))
    again.verify()
    first, second = pieces(pump), pieces(again)
    public = {"tag", "version"}
    names = ["trace root", "quotient root", "at z", "at gz", "chunks at z", "final polynomial"]
    for a, b in zip(first[:9], second[:9], strict=True):
        same = pump.proof[a.start : a.end] == again.proof[b.start : b.end]
        assert same == (a.name in public)
    assert {piece.name for piece in first[:9]} >= {*names, *public}
    salts = [
        made.proof[p.start : p.end]
        for made, spans in ((pump, first), (again, second))
        for p in spans
        if p.name.endswith("salt")
    ]
    assert len(set(salts)) == len(salts)


@pytest.mark.reason(Reason.PROOF_CONSTRAINTS)
@pytest.mark.parametrize("index", [0, 1])
def test_a_changed_total_is_refused(pump: Made, index: int) -> None:
    totals = list(pump.statement.totals)
    totals[index] += 1
    statement = replace(pump.statement, totals=tuple(totals))
    assert attempt(pump, statement, pump.windows) is Reason.PROOF_CONSTRAINTS


def changed_reading(windows: tuple[WindowLog, ...]) -> list[WindowLog]:
    records = windows[1].records.copy()
    records[2, 0] += 1
    return [windows[0], WindowLog(records, windows[1].salt), windows[2]]


def changed_time(windows: tuple[WindowLog, ...]) -> list[WindowLog]:
    records = windows[0].records.copy()
    records[1, 1] += 1
    return [WindowLog(records, windows[0].salt), *windows[1:]]


def swapped(windows: tuple[WindowLog, ...]) -> list[WindowLog]:
    return [windows[1], windows[0], windows[2]]


def wrong_salt(windows: tuple[WindowLog, ...]) -> list[WindowLog]:
    salt = sample_elements(b"", b"another salt", 8)
    return [*windows[:2], WindowLog(windows[2].records, salt)]


def two_records_swapped(windows: tuple[WindowLog, ...]) -> list[WindowLog]:
    records = windows[2].records[[0, 2, 1]]
    return [*windows[:2], WindowLog(records, windows[2].salt)]


@pytest.mark.parametrize(
    "lie", [changed_reading, changed_time, swapped, wrong_salt, two_records_swapped]
)
def test_another_log_than_the_signed_one_is_refused(pump: Made, lie: Lie) -> None:
    windows = lie(pump.windows)
    # with totals that fit the changed log, only the chain can object
    records = np.concatenate([window.records for window in windows])
    claim = replace(Records.between(pump.statement.checkpoints, records), starts_epoch=True)
    totals = pump.circuit.measure(claim, {}).totals
    statement = replace(pump.statement, totals=totals)
    assert attempt(pump, statement, windows) is Reason.PROOF_CONSTRAINTS


@pytest.mark.parametrize("counts", [[6, 6], [6, 6, 3, 1], [6, 6, 9]])
def test_a_log_of_another_size_is_refused_before_any_kernel_runs(
    pump: Made, counts: list[int]
) -> None:
    # kernels index without bounds checks, so sizes must be settled first
    windows = as_windows(random_log(PUMP, counts))
    for check in (True, False):
        with pytest.raises(BadInput) as refusal:
            prove(pump.circuit, STANDARD, pump.statement, windows, check=check)
        assert refusal.value.reason is InputReason.STORE_CORRUPT
        assert "record counts" in refusal.value.message


def test_the_same_proof_in_any_memory(pump: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    # everything kept, some cosets, slices without leaves: the same bytes where chance is the same
    found = set()
    for memory_bytes in (None, 2**21, 0):
        stream = np.random.default_rng(1)
        monkeypatch.setattr(os, "urandom", stream.bytes)
        found.add(
            prove(pump.circuit, STANDARD, pump.statement, pump.windows, memory_bytes=memory_bytes)
        )
    (proof,) = found
    verify(pump.circuit, STANDARD, pump.statement, proof, 120)


def test_a_short_claim_takes_threads_for_its_proof_of_work_alone(
    pump: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = get_num_threads()
    seen: dict[str, int] = {}

    def grind_seen(state: bytes, bits: int) -> int:
        seen["grind"] = get_num_threads()
        return grind(state, bits)

    def progress(step: str, _fraction: float) -> None:
        seen[step] = get_num_threads()

    monkeypatch.setattr(prove_module, "grind", grind_seen)
    prove(pump.circuit, STANDARD, pump.statement, pump.windows, progress)
    assert seen.pop("grind") == threads
    assert set(seen.values()) == {1}
    attempt(pump, pump.statement, changed_reading(pump.windows))
    assert get_num_threads() == threads


def test_refusals_say_nothing_about_readings(pump: Made) -> None:
    with pytest.raises(BadInput) as refusal:
        prove(pump.circuit, STANDARD, pump.statement, changed_reading(pump.windows))
    numbers = {str(int(v)) for window in pump.windows for v in window.records[:, 0] if v > 99}
    assert not any(number in refusal.value.message for number in numbers)


def test_too_many_rows_are_refused_before_any_work(pump: Made) -> None:
    last = replace(pump.statement.checkpoints[-1], records_in_window=2**23)
    statement = replace(pump.statement, checkpoints=(*pump.statement.checkpoints[:-1], last))
    with pytest.raises(Rejected) as refusal:
        prove(pump.circuit, STANDARD, statement, pump.windows)
    assert refusal.value.reason is Reason.TRACE_LENGTH


def test_progress_rises_to_one(pump: Made) -> None:
    steps: list[tuple[str, float]] = []
    prove(
        pump.circuit,
        STANDARD,
        pump.statement,
        pump.windows,
        lambda name, fraction: steps.append((name, fraction)),
    )
    fractions = [fraction for _, fraction in steps]
    assert fractions == sorted(set(fractions))
    assert (fractions[0], steps[-1]) == (0.0, ("done", 1.0))


def test_random_rows_and_masks_are_where_they_belong(
    pump: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    # r uniform rows in every column; q + 1 mask coefficients per chunk; a mask of N coefficients
    asked: list[tuple[int, ...]] = []

    def watched(*shape: int) -> Words:
        asked.append(shape)
        return random_elements(*shape)

    monkeypatch.setattr(witness_module, "random_elements", watched)
    monkeypatch.setattr(prove_module, "random_elements", watched)
    shape = pump.shape
    prove(pump.circuit, STANDARD, pump.statement, pump.windows)
    random_rows, chunk_mask = 2 * STANDARD.queries + 12, STANDARD.queries + 1
    assert asked == [
        (shape.columns, random_rows),
        (shape.chunks - 1, chunk_mask, 6),
        (shape.rows, 6),
    ]


def test_the_mask_that_was_drawn_covers_the_whole_combination(
    pump: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a short trace's combination goes out as it is: all that hides it is the mask, coefficient by
    # coefficient
    drawn: list[Words] = []
    combined: list[Words] = []

    def watched(*shape: int) -> Words:
        drawn.append(random_elements(*shape))
        return drawn[-1]

    def combine(*arguments: Any) -> Words:
        combined.append(deep_polynomial(*[*arguments[:-1], np.zeros_like(arguments[-1])]))
        return deep_polynomial(*arguments)

    monkeypatch.setattr(prove_module, "random_elements", watched)
    monkeypatch.setattr(prove_module, "deep_polynomial", combine)
    proof = prove(pump.circuit, STANDARD, pump.statement, pump.windows)
    made = pump.with_proof(proof)
    sent = piece(made, "final polynomial")
    mask, bare = drawn[-1].astype(np.uint64), combined[0].astype(np.uint64)
    assert made.shape.folds == 0
    assert mask.shape == (pump.shape.rows, 6)
    expected = ((bare + mask) % np.uint64(P)).astype("<u4").tobytes()
    assert proof[sent.start : sent.end] == expected


def test_masked_chunks_still_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Words] = []

    def watched(*sizes: int) -> Words:
        drawn.append(random_elements(*sizes))
        return drawn[-1]

    # sum X^(k (N - t)) chunk_k must be the quotient, whatever the masks
    shape = make(PUMP, ("sum(flow)",), [1]).shape
    monkeypatch.setattr(prove_module, "random_elements", watched)
    size = shape.rows - STANDARD.chunk_mask
    random = np.random.default_rng(1)
    quotient = random.integers(0, 2**30, (4 * shape.rows, 6), dtype=np.uint32)
    quotient[shape.chunks * size :] = 0
    parts = prove_module._masked_chunks(shape, quotient)
    chunk_masks, mask = drawn
    assert np.array_equal(parts[: shape.chunks - 1, size:], chunk_masks)
    assert np.array_equal(parts[-1], mask)
    total = np.zeros((shape.chunks * size + shape.rows, 6), dtype=np.uint64)
    for k, part in enumerate(parts[:-1]):
        total[k * size : k * size + shape.rows] += part
    total %= np.uint64(P)
    assert np.array_equal(total[: shape.chunks * size], quotient[: shape.chunks * size])
    assert not total[shape.chunks * size :].any()
    masked = [part[size:].any() for part in parts[:-1]]
    assert masked == [True] * (shape.chunks - 1) + [False]


@pytest.mark.parametrize("which", ["at z", "at gz", "chunk", "at z alone"])
def test_a_prover_notices_its_own_wrong_values(
    pump: Made, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    # a miscomputed value must stop the proof, not produce one that is refused elsewhere
    order = iter(["at z", "chunk"])
    alone = min(set(range(pump.circuit.column_count)) - set(pump.circuit.next_columns))

    def wrong(values: Array, row: int) -> Array:
        values[row, 0] = (values[row, 0] + np.uint64(1)) % np.uint64(P)
        return values

    def all_columns(*arguments: Any) -> Array:
        values, called = evaluate_columns(*arguments), next(order)
        if which == "at z alone" and called == "at z":
            return wrong(values, alone)
        return wrong(values, 0) if called == which else values

    def some_columns(*arguments: Any) -> Array:
        values = evaluate_some(*arguments)
        return wrong(values, 0) if which == "at gz" else values

    monkeypatch.setattr(prove_module, "evaluate_columns", all_columns)
    monkeypatch.setattr(prove_module, "evaluate_some", some_columns)
    with pytest.raises(ArithmeticError, match="values do not match their polynomials"):
        prove(pump.circuit, STANDARD, pump.statement, pump.windows)


def test_bench_at_a_small_size() -> None:
    runs: list[float] = []
    result = run_bench(700, progress=lambda _name, fraction: runs.append(fraction))
    assert runs == [0, 0.25, 0.5, 0.75]  # one unmeasured, three measured
    assert (result.readings, result.rows, result.parameter_set) == (700, 256, "standard")
    assert 121.0 <= result.proven_bits < 121.1
    assert result.prove_seconds > 0
    assert result.prove_cpu_seconds > 0
    assert 0 < result.verify_seconds < 5
    assert 50_000 < result.proof_bytes < 400_000
    assert result.peak_rss_bytes > 10**7
    assert list(result.document()) == [
        "readings", "rows", "columns", "parameter_set", "proven_bits", "cores", "runs",
        "memory_bytes", "prove_seconds", "prove_cpu_seconds", "verify_seconds", "proof_bytes",
        "peak_rss_bytes", "steps",
    ]  # fmt: skip


@pytest.mark.parametrize(("readings", "parameter_set"), [(0, "standard"), (5, "nonesuch")])
def test_bench_refuses_nonsense(readings: int, parameter_set: str) -> None:
    with pytest.raises(BadInput) as refusal:
        run_bench(readings, parameter_set)
    assert refusal.value.reason is InputReason.USAGE


def test_the_bench_statement_is_what_the_issue_describes() -> None:
    # one 16-bit channel, 100 ms, windows of 60 seconds, sum and count
    circuit, statement, windows = bench_statement(1250)
    assert [(c.bits, circuit.schema.period_ms) for c in circuit.schema.channels] == [(16, 100)]
    assert [o.formula.split("(")[0] for o in circuit.outcomes] == ["sum", "count"]
    assert statement.counts == [600, 600, 50]
    assert [len(window.records) for window in windows] == [600, 600, 50]
    assert statement.starts_epoch


def test_no_warnings_while_proving(pump: Made) -> None:
    # an overflow that NumPy only warns about would be a wrong proof or a wrong refusal
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with np.errstate(over="raise", invalid="raise"):
            proof = prove(pump.circuit, STANDARD, pump.statement, pump.windows)
            pump.with_proof(proof).verify()
