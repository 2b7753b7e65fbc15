"""One window of a device's log as the operator keeps it: raw records and the closing salt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class WindowLog:
    """``records``: raw integers (n, schema.elements); ``salt``: eight field elements (8,)."""

    records: NDArray[np.uint64]
    salt: NDArray[np.uint64]


@dataclass(frozen=True)
class ImportedWindow:
    """The records of [start_ms, end_ms) before a device has committed to them."""

    start_ms: int
    end_ms: int
    records: NDArray[np.uint64]
