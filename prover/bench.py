"""The benchmark statement: one 16-bit channel at 10 Hz, sum and count, proved as one claim."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from nacl.signing import SigningKey

from circuits.circuit import Circuit
from circuits.compile import compile_circuit
from circuits.errors import BadInput, InputReason
from circuits.records import Records
from circuits.schema import Channel, Schema
from circuits.statement import Statement
from prover.device import DeviceState, SoftwareDevice
from prover.log import ImportedWindow, WindowLog
from prover.memory import kept_bytes
from prover.prove import Progress, prove
from prover.spans import Span, Spans, peak_bytes, spans_document
from verifier.kernel.parameters import PARAMETER_SETS, ParameterSet
from verifier.kernel.proof import Shape
from verifier.kernel.soundness import proven_bits
from verifier.kernel.verify import proof_shape, verify

PERIOD_MS = 100
WINDOW_SECONDS = 60
WINDOW_READINGS = WINDOW_SECONDS * 1000 // PERIOD_MS
MEASURED_RUNS = 3
THRESHOLD = 40_000
FORMULAS = ("sum(value)", f"count(value <= {THRESHOLD})")
SCHEMA = Schema((Channel("value", "", 16, Fraction(1), Fraction(0)),), PERIOD_MS)


@dataclass(frozen=True)
class BenchResult:
    """What one benchmark measured: medians of ``runs``, seconds and bytes.

    ``peak_rss_bytes`` is the process's, with Python, the log and everything; ``memory_bytes`` what
    it was told to stay below, or None. ``steps`` are the median spans of the protocol's steps.
    """

    readings: int
    rows: int
    columns: int
    parameter_set: str
    proven_bits: float
    cores: int
    runs: int
    memory_bytes: int | None
    prove_seconds: float
    prove_cpu_seconds: float
    verify_seconds: float
    proof_bytes: int
    peak_rss_bytes: int
    steps: list[dict[str, Any]]

    def document(self) -> dict[str, Any]:
        """The figures by name, for ``--json``."""
        return asdict(self)


def cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0))


def readings_in(rows: int, parameters: ParameterSet) -> int:
    """The most readings of the benchmark's statement that fit a trace of so many rows, or 0."""
    block = SCHEMA.records_per_block
    room = rows - parameters.random_rows - 2
    windows, rest = divmod(room, -(-WINDOW_READINGS // block) + 1)
    return windows * WINDOW_READINGS + max(0, rest - 1) * block


def bench_statement(readings: int) -> tuple[Circuit, Statement, tuple[WindowLog, ...]]:
    """The circuit, statement and log over ``readings`` random readings (at least 1)."""
    generator = np.random.default_rng(readings)
    raw = generator.integers(0, SCHEMA.channels[0].maximum_raw + 1, (readings, 1), dtype=np.uint64)
    span = WINDOW_SECONDS * 1000
    windows = [
        ImportedWindow(index * span, (index + 1) * span, raw[start : start + WINDOW_READINGS])
        for index, start in enumerate(range(0, readings, WINDOW_READINGS))
    ]
    device = SoftwareDevice(Path(), SigningKey(bytes(32)), bytes(32), DeviceState())
    made = device.record_epoch(SCHEMA, windows)
    circuit = compile_circuit(SCHEMA, FORMULAS)
    checkpoints = tuple(signed.checkpoint for signed in made.checkpoints)
    measured = circuit.measure(Records.between(checkpoints, raw), {})
    statement = Statement(bytes(32), checkpoints, measured.totals)
    return circuit, statement, made.windows


def run_bench(
    readings: int,
    parameter_set: str = "standard",
    progress: Progress | None = None,
    *,
    runs: int = MEASURED_RUNS,
    memory: int | None = None,
) -> BenchResult:
    """One unmeasured proof, then medians of ``runs``; verifies each of them.

    ``memory`` bounds the process, in bytes, as ``prover.memory`` can. ``BadInput`` USAGE for counts
    below 1 or an unknown parameter set; ``Rejected`` TRACE_LENGTH for more readings than one claim
    can hold.
    """
    parameters = PARAMETER_SETS.get(parameter_set)
    if parameters is None or readings < 1 or runs < 1:
        known = ", ".join(PARAMETER_SETS)
        raise BadInput(InputReason.USAGE, f"needs a reading, a run and one of: {known}")
    circuit, statement, windows = bench_statement(readings)
    shape = proof_shape(circuit, parameters, statement)
    kept = kept_bytes(memory, shape)
    steps: list[list[Span]] = []
    wall, cpu, checking, sizes = [], [], [], []
    for run in range(runs + 1):
        if progress is not None:
            progress(f"run {run}", run / (runs + 1))
        spans = Spans()
        cpu_start, start = time.process_time(), time.perf_counter()
        proof = prove(circuit, parameters, statement, windows, spans, memory_bytes=kept)
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - cpu_start)
        steps.append(spans.finish())
        start = time.perf_counter()
        verify(circuit, parameters, statement, proof, 0)
        checking.append(time.perf_counter() - start)
        sizes.append(len(proof))
    return BenchResult(
        readings=readings,
        rows=shape.rows,
        columns=shape.columns,
        parameter_set=parameters.name,
        proven_bits=_bits(circuit, shape),
        cores=cores(),
        runs=runs,
        memory_bytes=memory,
        prove_seconds=statistics.median(wall[1:]),
        prove_cpu_seconds=statistics.median(cpu[1:]),
        verify_seconds=statistics.median(checking[1:]),
        proof_bytes=int(statistics.median(sizes[1:])),
        peak_rss_bytes=peak_bytes(),
        steps=spans_document(_medians(steps[1:])),
    )


def _medians(runs: Sequence[Sequence[Span]]) -> list[Span]:
    """One span per step, all runs having the same steps."""
    return [
        Span(
            same[0].step,
            statistics.median(span.seconds for span in same),
            statistics.median(span.cpu_seconds for span in same),
            max(span.peak_bytes for span in same),
        )
        for same in zip(*runs, strict=True)
    ]


def _bits(circuit: Circuit, shape: Shape) -> float:
    bits = proven_bits(
        shape.parameters,
        shape.log2_rows,
        circuit.column_count,
        circuit.constraint_count,
        circuit.max_degree,
    )
    return round(bits, 2)
