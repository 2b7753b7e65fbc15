"""The honest proofs that the kernel's tests have as well."""

from __future__ import annotations

from tests.kernel.conftest import folded, made, parameters, short

__all__ = ["folded", "made", "parameters", "short"]
