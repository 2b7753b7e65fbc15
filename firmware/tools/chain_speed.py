"""The firmware's library against the Numba kernel: seconds for a day's chain of commitments.

``python -m firmware.tools.chain_speed`` after ``make firmware``: 864,000 readings of one channel in
windows of a minute, medians of five runs of each, in turn; chain values only.
"""

from __future__ import annotations

import json
import statistics
import sys
import time

import numpy as np

from circuits.chain import CHAIN_ELEMENTS, Role
from circuits.field import P
from circuits.gadgets.log_hash import ROW_ROLES
from prover.kernels.native import BUILT, ChainRows, FirmwareLibrary
from prover.kernels.poseidon import chain_rows

RUNS = 5
WINDOWS = 24 * 60
DATA_BLOCKS = 75  # of a window: 600 readings, eight to a block


def main() -> int:
    """Prints the figures as one JSON object; they vary with the machine and with its load."""
    count = WINDOWS * (DATA_BLOCKS + 1)
    random = np.random.default_rng(0)
    blocks = random.integers(0, P, (count, CHAIN_ELEMENTS), dtype=np.uint32)
    start = np.zeros(CHAIN_ELEMENTS, dtype=np.uint32)
    window = [ROW_ROLES.index(Role.DATA)] * DATA_BLOCKS + [ROW_ROLES.index(Role.CLOSING)]
    roles = np.tile(np.array(window, dtype=np.uint8), WINDOWS)

    def seconds(compute: ChainRows) -> float:
        began = time.perf_counter()
        compute(start, blocks, roles)
        return time.perf_counter() - began

    computed = {"library": FirmwareLibrary(BUILT).chain_rows, "numba": chain_rows}
    for compute in computed.values():  # a run that is not measured: Numba compiles
        seconds(compute)
    runs = [{name: seconds(compute) for name, compute in computed.items()} for _ in range(RUNS)]
    medians = {name: statistics.median(run[name] for run in runs) for name in computed}
    figures = {
        "readings": 8 * DATA_BLOCKS * WINDOWS,
        "blocks": count,
        **{f"{name}_seconds": round(median, 3) for name, median in medians.items()},
        "ratio": round(medians["numba"] / medians["library"], 2),
    }
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
