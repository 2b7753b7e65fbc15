"""Numba kernels of the prover: pure functions of arrays, held to the references in ``circuits``.

Field data is canonical ``uint32``. Tables of constants are in Montgomery form (times 2^32), so that
``multiply(data, constant)`` is canonical again without any conversion.

They are compiled when first called and kept in ``DIRECTORY``; ``COMPILATIONS`` tells which were.
"""

import os

from prover.kernels.cache import install

# OpenMP's threads spin for milliseconds before they sleep; where another process has one of their
# cores, each waits for a thread that cannot run. Read when the library is loaded, at first use.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

DIRECTORY, COMPILATIONS = install()
