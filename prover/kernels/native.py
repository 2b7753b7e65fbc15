"""The chain of commitments by the firmware's own C code, where its shared library has been built.

``make firmware`` builds it; without it the Numba kernel gives the same values. ``commitments`` says
which of the two a software device uses. The C code indexes without checks, so everything is
checked here.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cffi  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from circuits.chain import CHAIN_ELEMENTS, Role, absorb, sample_elements
from circuits.errors import BadInput, InputReason
from circuits.field import P
from circuits.gadgets.log_hash import ROW_ROLES
from prover.kernels import poseidon
from prover.kernels.montgomery import Words

ChainRows = Callable[[NDArray[Any], Words, NDArray[np.uint8]], Words]
VARIABLE = "ZKMETER_FIRMWARE_LIBRARY"
BUILT = Path(__file__).resolve().parents[2] / "build/firmware/host/plain/libzkmeter.so"
VERSION = 1  # ZKM_HOST_CHAIN_VERSION in firmware/ports/host/host_chain.h
_DECLARATIONS = """
uint32_t zkm_host_chain_version(void);
void zkm_host_chain(uint32_t *, const uint32_t *, const uint8_t *, size_t, uint32_t *);
"""
_ROLES = tuple(Role)  # in the order of zkm_role
_NUMBERS = np.array([_ROLES.index(role) for role in ROW_ROLES], dtype=np.uint8)
_CHECKED_BLOCKS = 4 * len(_ROLES)


@dataclass(frozen=True)
class Commitments:
    """What computes chain values: ``by`` names it for people; ``rows`` is as ``chain_rows``."""

    by: str
    rows: ChainRows


class FirmwareLibrary:
    """The firmware's shared library for this computer."""

    def __init__(self, path: Path) -> None:
        """Load it; ``FILE_UNREADABLE`` unless it is of this version and gives known answers."""
        self._ffi: Any = cffi.FFI()
        self._ffi.cdef(_DECLARATIONS)
        try:
            # with a slash in it, so never looked for where the system keeps its libraries
            self._library = self._ffi.dlopen(str(path.absolute()))
            version = self._library.zkm_host_chain_version()
            self._chain = self._library.zkm_host_chain
        except OSError as error:
            raise _unusable(str(error)) from None
        except AttributeError:
            raise _unusable(f"{path}: not the firmware's library, or an older one") from None
        if version != VERSION:
            raise _unusable(f"{path}: version {version} where {VERSION} is needed")
        if not self._gives_known_answers():
            raise _unusable(f"{path}: its chain values are not the protocol's")

    def chain_rows(
        self, start: NDArray[Any], blocks: NDArray[Any], roles: NDArray[np.uint8]
    ) -> Words:
        """As ``prover.kernels.poseidon.chain_rows``: the chain value after each block, (rows, 8).

        ``ValueError`` unless every element is an integer in 0..P-1 and every role known.
        """
        chain = _elements(start, (CHAIN_ELEMENTS,))
        checked = _elements(blocks, (len(blocks), CHAIN_ELEMENTS))
        if roles.shape != (len(blocks),) or (roles >= len(ROW_ROLES)).any():
            raise ValueError("one known role per block")
        return self._absorb(chain, checked, _NUMBERS[roles])

    def _absorb(self, start: Words, blocks: Words, numbers: NDArray[np.uint8]) -> Words:
        view = self._ffi.from_buffer
        chain, out = start.copy(), np.empty_like(blocks)
        self._chain(
            view("uint32_t[]", chain, require_writable=True),
            view("uint32_t[]", blocks),
            view("uint8_t[]", numbers),
            len(blocks),
            view("uint32_t[]", out, require_writable=True),
        )
        return out

    def _gives_known_answers(self) -> bool:
        """Whether random blocks, and the smallest and largest elements, lead where they should."""
        count = CHAIN_ELEMENTS * (1 + _CHECKED_BLOCKS)
        start, *blocks = sample_elements(os.urandom(32), b"known answers", count).reshape(-1, 8)
        blocks += [np.zeros_like(start), np.full_like(start, P - 1)] * len(_ROLES)
        numbers = [at % len(_ROLES) for at in range(_CHECKED_BLOCKS)]
        numbers += [at // 2 for at in range(2 * len(_ROLES))]
        chain, expected = start, []
        for block, number in zip(blocks, numbers, strict=True):
            chain = absorb(chain, block, _ROLES[number])
            expected.append(chain)
        words = np.stack(blocks).astype(np.uint32)
        found = self._absorb(start.astype(np.uint32), words, np.array(numbers, dtype=np.uint8))
        return np.array_equal(found, np.stack(expected))


@functools.cache
def commitments() -> Commitments:
    """What computes chain values in this process, found on the first call.

    The library that the environment variable ``ZKMETER_FIRMWARE_LIBRARY`` names (``BadInput``
    FILE_UNREADABLE if it is unusable), or the one that was built in this checkout. One of those
    that is unusable, for example because it is older, is passed over, and ``by`` says so.
    """
    named = os.environ.get(VARIABLE)
    if named:
        try:
            return _by_library(Path(named))
        except BadInput as bad:
            raise BadInput(bad.reason, f"{VARIABLE}: {bad.message}") from None
    kernel = "numba kernel"
    if os.access(BUILT, os.R_OK):
        try:
            return _by_library(BUILT)
        except BadInput as bad:
            kernel += f" (library passed over: {bad.message})"
    return Commitments(kernel, poseidon.chain_rows)


def _by_library(path: Path) -> Commitments:
    return Commitments(f"firmware library {path}", FirmwareLibrary(path).chain_rows)


def _unusable(message: str) -> BadInput:
    return BadInput(InputReason.FILE_UNREADABLE, message)


def _elements(values: NDArray[Any], shape: tuple[int, ...]) -> Words:
    """Field elements as the C code takes them: contiguous and of 32 bits."""
    if values.shape != shape or values.dtype.kind not in "ui":
        raise ValueError(f"integers of shape {shape}")
    if (values >= P).any() or (values < 0).any():
        raise ValueError("field elements in 0..P-1")
    return np.ascontiguousarray(values, dtype=np.uint32)
