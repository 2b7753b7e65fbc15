"""Honest proofs, made once per session."""

from __future__ import annotations

import pytest

from tests.kernel.proofs import METER, METER_FORMULAS, PUMP, PUMP_FORMULAS, Made, make


@pytest.fixture(scope="session")
def made() -> Made:
    """2^8 rows, one FRI layer: a pump's log with a partial block and an empty window."""
    return make(PUMP, PUMP_FORMULAS, [9, 0, 4])


@pytest.fixture(scope="session")
def folded() -> Made:
    """2^9 rows, two FRI layers: 900 readings of a meter."""
    return make(METER, METER_FORMULAS, [600, 300])
