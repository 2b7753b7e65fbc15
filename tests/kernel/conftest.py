"""Honest proofs, made once per session under every parameter set."""

from __future__ import annotations

import pytest

from tests.kernel.proofs import METER, METER_FORMULAS, PUMP, PUMP_FORMULAS, Made, make, with_layers
from verifier.kernel.parameters import PARAMETER_SETS, ParameterSet


@pytest.fixture(scope="session", params=PARAMETER_SETS.values(), ids=list(PARAMETER_SETS))
def parameters(request: pytest.FixtureRequest) -> ParameterSet:
    """Every parameter set in turn."""
    chosen: ParameterSet = request.param
    return chosen


@pytest.fixture(scope="session")
def short(parameters: ParameterSet) -> Made:
    """No FRI layer: 2^8 rows, a pump's log with a partial block and an empty window."""
    return make(PUMP, PUMP_FORMULAS, [9, 0, 4], parameters=parameters)


@pytest.fixture(scope="session")
def made(parameters: ParameterSet) -> Made:
    """One FRI layer, or two: what ``short`` proves."""
    return make(PUMP, PUMP_FORMULAS, [9, 0, 4], parameters=with_layers(parameters))


@pytest.fixture(params=["no layer", "layers"])
def either(request: pytest.FixtureRequest, short: Made, made: Made) -> Made:
    """``short`` and ``made``."""
    return short if request.param == "no layer" else made


@pytest.fixture(scope="session")
def folded(parameters: ParameterSet) -> Made:
    """Two FRI layers whatever the set: 2,500 readings of a meter."""
    return make(METER, METER_FORMULAS, [1700, 800], parameters=with_layers(parameters))
