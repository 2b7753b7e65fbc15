"""The parameter sets that the kernel's tests have as well."""

from __future__ import annotations

from tests.kernel.conftest import parameters

__all__ = ["parameters"]
