"""``--memory``: what a proof may keep in memory, from what the process may use."""

from __future__ import annotations

import ctypes
import logging
import os
import re
from pathlib import Path

from circuits.errors import BadInput, InputReason
from prover.commit import SLICES
from prover.spans import peak_bytes
from verifier.kernel.proof import Shape

LEAST = 64 * 2**20
FIXED = 64 * 2**20  # compiled code, tables, blocks
# bytes per row of the trace, or per point of the domain
_TREE, _LAYERS = 32, 64
_QUOTIENT, _DEEP = 500, 330
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4  # of mallopt
_TRIM_BYTES, _MMAP_BYTES = 2**17, 2**20
_MOST = 2**31 - 1
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}
_LOG = logging.getLogger(__name__)


def parse_memory(text: str) -> int:
    """``256M`` as bytes: a whole number with K, M or G (powers of 1024); ``BadInput`` USAGE."""
    match = re.fullmatch(r"([1-9][0-9]{0,8})([KMG])", text)
    if match is None:
        message = "--memory: expected a whole number and K, M or G, such as 512M"
        raise BadInput(InputReason.USAGE, message)
    size = int(match.group(1)) * _UNITS[match.group(2)]
    if size < LEAST:
        message = f"--memory: at least {LEAST // 2**20}M; the interpreter alone takes more"
        raise BadInput(InputReason.USAGE, message)
    return size


def resident_bytes() -> int:
    """What this process has in memory now; where that cannot be read, the most it ever had."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return peak_bytes()
    return pages * os.sysconf("SC_PAGE_SIZE")


def working_bytes(shape: Shape) -> int:
    """What a proof of this shape takes at its peak, in bytes, when it keeps nothing.

    What ``prove`` allocates, measured (docs/operations.md), in its two largest moments: while the
    constraints are evaluated, with the columns' coefficients and a slice of a coset; and at the
    end, with the coefficients and the trees of both commitments and of the low-degree test.
    """
    columns, blowup = _group_bytes(shape.columns), shape.parameters.blowup
    evaluating = columns + columns // SLICES + _TREE * blowup + _QUOTIENT
    ending = columns + (2 * _TREE + _LAYERS) * blowup + _DEEP
    return FIXED + shape.rows * max(evaluating, ending)


def kept_bytes(limit: int | None, shape: Shape) -> int | None:
    """What ``prove`` may keep so that the process stays below ``limit`` bytes; None: the default.

    Logs a warning when it cannot: a proof of this shape then takes the least that it can. With a
    limit the process returns memory as soon as it is freed, without one it keeps it for the next
    array and the next proof: memory that is fresh from the system is slow to write to.
    """
    if limit is None:
        _allocate((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _MOST))
        return None
    # or the C library would keep freed arrays of up to 32 MiB
    _allocate((_MMAP_MAX, _MOST), (_TRIM_THRESHOLD, _TRIM_BYTES), (_MMAP_THRESHOLD, _MMAP_BYTES))
    needed = resident_bytes() + working_bytes(shape)
    if needed > limit:
        _LOG.warning(
            "--memory: a claim of this length takes about %d MiB, more than %d MiB",
            -(-needed // 2**20),
            limit // 2**20,
        )
    room = max(0, limit - needed)
    domain = shape.rows * shape.parameters.blowup
    first, second = (_group_bytes(c) * domain for c in (shape.columns, shape.quotient_columns))
    # a commitment that is kept as a whole is kept to the end, beside the second one
    return room if room >= first + second else min(room, first - 1)


def _allocate(*options: tuple[int, int]) -> None:
    """Options of the C library's allocator, where it has any."""
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        for name, value in options:
            library.mallopt(name, value)


def _group_bytes(columns: int) -> int:
    """One row of so many columns, in groups of sixteen."""
    return -(-columns // 16) * 64
