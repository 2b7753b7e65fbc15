"""The benchmark statement: one 16-bit channel at 10 Hz, sum and count, proved as one claim."""

from __future__ import annotations

import resource
import statistics
import time
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

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
from prover.prove import Progress, prove
from verifier.kernel.parameters import PARAMETER_SETS, ParameterSet
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
    """What one benchmark measured: medians, seconds and bytes."""

    readings: int
    rows: int
    columns: int
    parameter_set: str
    proven_bits: float
    prove_seconds: float
    prove_cpu_seconds: float
    verify_seconds: float
    proof_bytes: int
    peak_rss_bytes: int

    def document(self) -> dict[str, int | float | str]:
        """The figures by name, for ``--json``."""
        return asdict(self)


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
    readings: int, parameter_set: str = "standard", progress: Progress | None = None
) -> BenchResult:
    """One unmeasured proof, then medians of three; verifies each of them.

    ``BadInput`` USAGE for a count below 1 or an unknown parameter set; ``Rejected`` TRACE_LENGTH
    for more readings than one claim can hold.
    """
    parameters = PARAMETER_SETS.get(parameter_set)
    if parameters is None or readings < 1:
        known = ", ".join(PARAMETER_SETS)
        raise BadInput(InputReason.USAGE, f"needs at least one reading and one of: {known}")
    circuit, statement, windows = bench_statement(readings)
    wall, cpu, checking, sizes = [], [], [], []
    for run in range(MEASURED_RUNS + 1):
        if progress is not None:
            progress(f"run {run}", run / (MEASURED_RUNS + 1))
        cpu_start, start = time.process_time(), time.perf_counter()
        proof = prove(circuit, parameters, statement, windows)
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - cpu_start)
        start = time.perf_counter()
        verify(circuit, parameters, statement, proof, 0)
        checking.append(time.perf_counter() - start)
        sizes.append(len(proof))
    return _result(circuit, parameters, statement, (wall[1:], cpu[1:], checking[1:], sizes[1:]))


def _result(
    circuit: Circuit,
    parameters: ParameterSet,
    statement: Statement,
    figures: tuple[list[float], list[float], list[float], list[int]],
) -> BenchResult:
    shape = proof_shape(circuit, parameters, statement)
    wall, cpu, checking, sizes = figures
    bits = proven_bits(
        parameters,
        shape.log2_rows,
        circuit.column_count,
        circuit.constraint_count,
        circuit.max_degree,
    )
    return BenchResult(
        readings=sum(statement.counts),
        rows=shape.rows,
        columns=shape.columns,
        parameter_set=parameters.name,
        proven_bits=round(bits, 2),
        prove_seconds=statistics.median(wall),
        prove_cpu_seconds=statistics.median(cpu),
        verify_seconds=statistics.median(checking),
        proof_bytes=int(statistics.median(sizes)),
        peak_rss_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )
