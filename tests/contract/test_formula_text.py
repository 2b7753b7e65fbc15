"""A formula stands alone: nothing hides in it, and what is put behind it stays in force."""

from __future__ import annotations

from pathlib import Path

import pytest

from circuits.errors import BadInput, InputReason
from verifier.contract.reading import read_template

PUMP = (Path(__file__).parents[2] / "examples/contracts/pump.toml").read_text(encoding="utf-8")
FORMULA = "sum(flow * dt_ms) / 60000"
ONE_BIT = PUMP.replace('reveal = "exact"', 'reveal = {at_least = "100"}').replace(
    "minimum_proven_bits = 120", "minimum_proven_bits = 120\nwindows_per_claim = 10"
)


def test_the_control_is_read() -> None:
    """Without tampering the same contract reveals one bit."""
    assert not read_template(ONE_BIT).circuit.outcomes[0].additive


@pytest.mark.parametrize(
    "formula",
    [
        "sum(flow)) #",
        "sum(flow)) >= 0 #",
        "sum(flow) # , where=flow >= 2",
        "sum(flow)) + (count()",
        "sum(flow)) >= (count() + 5",
        "\uff53um(flow)",
    ],
)
def test_a_formula_is_one_plain_expression_by_itself(formula: str) -> None:
    """at_least puts a bound behind the formula: nothing may swallow it or reach around it."""
    text = ONE_BIT.replace(FORMULA, formula)
    assert formula in text
    with pytest.raises(BadInput) as refused:
        read_template(text)
    assert refused.value.reason is InputReason.FORMULA
