"""``warm-up``: every kernel compiled ahead of time, by proving a small claim in each way."""

from __future__ import annotations

import importlib
import pkgutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numba.core import event
from numba.core.dispatcher import Dispatcher

from circuits.chain import CHAIN_ELEMENTS
from prover import kernels
from prover.bench import WINDOW_READINGS, bench_statement
from prover.kernels.poseidon import chain_rows
from prover.kernels.vector import LANES
from prover.prove import prove
from prover.spans import Progress
from verifier.kernel.parameters import STANDARD

_WINDOWS = LANES + 1  # so many are hashed in lockstep


@dataclass(frozen=True)
class WarmUp:
    """How many kernels were compiled, not loaded; ``directory`` keeps them."""

    compiled: int
    seconds: float
    directory: Path


def kept_kernels() -> dict[str, Any]:
    """Every compiled function of ``prover.kernels`` that is kept on disk, as module.name."""
    found: dict[str, Any] = {}
    for info in pkgutil.iter_modules(kernels.__path__):
        module = importlib.import_module(f"{kernels.__name__}.{info.name}")
        for name, value in vars(module).items():
            own = isinstance(value, Dispatcher) and value.py_func.__module__ == module.__name__
            if own and value.stats.cache_path is not None:
                found[f"{info.name}.{name}"] = value
    return found


class _Steps(event.Listener):
    """Reports each kernel that is compiled."""

    def __init__(self, progress: Progress, expected: int) -> None:
        self.progress, self.expected, self.count = progress, expected, 0

    def on_start(self, event: Any) -> None:
        """A kernel's turn."""
        self.count += 1
        name = event.data["dispatcher"].py_func.__name__.strip("_")
        self.progress(name, min(1.0, self.count / self.expected))

    def on_end(self, event: Any) -> None:
        """It is compiled now."""


def warm_up(progress: Progress | None = None) -> WarmUp:
    """Compile what is not kept yet; ``progress`` receives kernels' names and the fraction done."""
    start, before = time.perf_counter(), len(kernels.COMPILATIONS.names)
    report = progress or (lambda _step, _fraction: None)
    listen: Any = event.install_listener
    with listen("numba:compile", _Steps(report, len(kept_kernels()))):
        chain_rows(
            np.zeros(CHAIN_ELEMENTS, dtype=np.uint32),
            np.zeros((1, CHAIN_ELEMENTS), dtype=np.uint32),
            np.zeros(1, dtype=np.uint8),
        )
        circuit, statement, windows = bench_statement(_WINDOWS * WINDOW_READINGS)
        # with everything in memory, and with everything computed again
        for memory_bytes in (None, 0):
            prove(circuit, STANDARD, statement, windows, memory_bytes=memory_bytes)
        # all windows but a few readings' are hashed in lockstep above
        prove(circuit, STANDARD, *bench_statement(1)[1:])
    compiled = len(kernels.COMPILATIONS.names) - before
    return WarmUp(compiled, time.perf_counter() - start, kernels.DIRECTORY)
