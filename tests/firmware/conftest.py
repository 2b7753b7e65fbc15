"""Builds what the tests need, once per session, into build/firmware."""

from __future__ import annotations

import pytest

from tests.firmware.build import BOARDS, HOSTS, Driver, build_board, build_host, missing


@pytest.fixture(scope="session", params=[*HOSTS, *BOARDS])
def driver(request: pytest.FixtureRequest) -> Driver:
    """The hashing core behind files of requests: several builds for this machine, each board."""
    name: str = request.param
    needed = missing(name)
    if needed:
        pytest.skip(f"{name}: {', '.join(needed)} not installed")
    return build_board(name) if name in BOARDS else build_host(name)
