"""Numba kernels of the prover: pure functions of arrays, held to the references in ``circuits``.

Field data is canonical ``uint32``. Tables of constants are in Montgomery form (times 2^32), so that
``multiply(data, constant)`` is canonical again without any conversion.

They are compiled when first called and kept in ``DIRECTORY``; ``COMPILATIONS`` tells which were.
"""

from prover.kernels.cache import install

DIRECTORY, COMPILATIONS = install()
