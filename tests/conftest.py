"""Fixtures for every folder: a signed contract and real claims, made once per session."""

from __future__ import annotations

import pytest

from tests.support import World


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker that ties a negative test to the reason it reaches."""
    config.addinivalue_line(
        "markers",
        "reason(Reason.X or InputReason.X): the test reaches this reason by one mutation of what is"
        " valid",
    )


@pytest.fixture(scope="session")
def world() -> World:
    """The operator's side: contract, signed log, and claims with real proofs."""
    return World()
