"""The constants behind the estimate of proving times come out of what was measured."""

from __future__ import annotations

import pytest

from prover.calibrate import Measured, constants, measure
from tests.prover.rig import PUMP
from verifier.contract import read_template
from verifier.contract.estimate import constraint_terms


def test_constants_of_made_up_measurements() -> None:
    found = [
        Measured(rows, cells, terms, {"once": 0.5, "rest": rows / 1e5 + cells / 1e8,
                                      "terms": terms / 4e8})
        for rows, cells, terms in ((2048, 10**7, 10**7), (8192, 10**8, 3 * 10**7), (2048, 9, 8))
    ]  # fmt: skip
    assert constants(found) == pytest.approx(
        {"once": 0.5, "row": 1e-5, "cell": 1e-8, "term": 2.5e-9}
    )


def test_a_measurement_counts_what_the_model_counts() -> None:
    terms = read_template(PUMP.read_text(encoding="utf-8"))
    measured = measure(terms, 40)
    assert measured.rows == 256
    assert measured.cells == 256 * 8 * terms.circuit.column_count
    assert measured.terms == 256 * constraint_terms(terms.circuit)
    assert set(measured.seconds) == {"once", "rest", "terms"}
    assert min(measured.seconds.values()) > 0
