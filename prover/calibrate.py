"""Measures what ``verifier/contract/estimate.py`` needs: ``python -m prover.calibrate C.toml...``.

Proves claims of several lengths over made-up readings under each contract (a template will do; it
must carry nothing from claim to claim) and prints the model's constants, from medians of three.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nacl.signing import SigningKey

from circuits.records import Records
from circuits.statement import Statement
from prover.device import DeviceState, SoftwareDevice
from prover.log import ImportedWindow
from prover.prove import prove
from prover.spans import Spans
from verifier.contract import read_template
from verifier.contract.estimate import constraint_terms
from verifier.contract.terms import Terms
from verifier.files import read_text
from verifier.kernel.parameters import PARAMETER_SETS
from verifier.kernel.verify import proof_shape

BLOCKS = (6_000, 25_000, 60_000)  # of records, in one window
RUNS = 3
_KINDS = {"constraints": "terms", "proof of work": "once"}  # all other steps go with rows and cells


@dataclass(frozen=True)
class Measured:
    """What one contract and length count, and median seconds of ``terms``, ``once``, ``rest``."""

    rows: int
    cells: int
    terms: int
    seconds: dict[str, float]


def measure(terms: Terms, blocks: int) -> Measured:
    """Prove a claim of so many blocks of random records ``RUNS`` times."""
    circuit, parameters = terms.circuit, PARAMETER_SETS[terms.parameter_set]
    schema, random = terms.schema, np.random.default_rng(blocks)
    count = blocks * schema.records_per_block
    tops = [c.maximum_raw + 1 for c in schema.channels] + [1000] * schema.has_dt
    raw = np.stack([random.integers(0, top, count, dtype=np.uint64) for top in tops], axis=1)
    device = SoftwareDevice(Path(), SigningKey(bytes(32)), bytes(32), DeviceState())
    made = device.record_epoch(schema, [ImportedWindow(0, terms.window_ms, raw)])
    checkpoints = tuple(signed.checkpoint for signed in made.checkpoints)
    totals = circuit.measure(Records.between(checkpoints, raw), {}).totals
    statement = Statement(terms.digest, checkpoints, totals)
    rows = proof_shape(circuit, parameters, statement).rows
    runs: list[dict[str, float]] = []
    for _ in range(RUNS):
        spans = Spans()
        prove(circuit, parameters, statement, made.windows, spans)
        runs.append({"terms": 0.0, "once": 0.0, "rest": 0.0})
        for span in spans.finish():
            runs[-1][_KINDS.get(span.step, "rest")] += span.seconds
    return Measured(
        rows,
        rows * parameters.blowup * circuit.column_count,
        rows * constraint_terms(circuit),
        {kind: statistics.median(run[kind] for run in runs) for kind in runs[0]},
    )


def constants(found: Sequence[Measured]) -> dict[str, float]:
    """The model's constants: means, and for rows and cells those of the least relative error."""
    rest = np.array([m.seconds["rest"] for m in found])
    counted = np.array([[m.rows, m.cells] for m in found]) / rest[:, None]
    per_row, per_cell = np.linalg.lstsq(counted, np.ones(len(found)), rcond=None)[0]
    return {
        "once": statistics.mean(m.seconds["once"] for m in found),
        "row": float(per_row),
        "cell": float(per_cell),
        "term": statistics.mean(m.seconds["terms"] / m.terms for m in found),
    }


def main(paths: list[str]) -> None:
    """Print every measurement, then the constants."""
    found: list[Measured] = []
    for path in paths:
        terms = read_template(read_text(path))
        for blocks in BLOCKS:
            found.append(measure(terms, blocks))
            seconds = ", ".join(f"{kind} {s:.2f} s" for kind, s in found[-1].seconds.items())
            sys.stdout.write(f"{Path(path).stem} {found[-1].rows} rows: {seconds}\n")
            sys.stdout.flush()
    for kind, value in constants(found).items():
        sys.stdout.write(f"seconds per {kind}: {value:.2g}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
