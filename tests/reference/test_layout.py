"""Columns, constraints, limbs and ranges of random contracts: compiler and reference agree."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import pytest

from circuits.compile import compile_circuit
from circuits.errors import BadInput, Rejected
from tests.reference.cases import Case
from tests.reference.facts import Channel, Refusal, Schema
from tests.reference.field import ONE
from tests.reference.outcomes import Outcomes, Point
from tests.reference.statement import LOG_COLUMNS

SCALES = ("1", "1/10", "1/100", "1/3", "2", "5/7", "1/1000", "13/17")
OFFSETS = ("0", "0", "-40", "7/2", "-273/4", "1/3", "-1/1000", "1000000", "-500")
FORMULAS = ("sum({0})", "sum({0} * dt_ms)", "count({0} >= {1})", "count({0} <= {1})")


def random_case(random: Random) -> Case:
    """A contract with one or two outcomes, often at the edge of what can be proved."""
    period_ms = random.choice((None, 100, 1000))
    channels = tuple(
        Channel(
            f"c{k}",
            random.randint(1, 24),
            Fraction(random.choice(SCALES)),
            Fraction(random.choice(OFFSETS)),
        )
        for k in range(random.choice((1, 1, 2, 3, 4, 5, 7, 8 if period_ms else 7)))
    )
    formulas = []
    for _ in range(random.randint(1, 2)):
        chosen = random.choice(channels)
        hundredths = chosen.scale * (1 << chosen.bits) * random.randint(-10, 110)
        bound = abs(round(100 * chosen.offset + hundredths))
        text = f"{bound // 100}.{bound % 100:02}"
        formulas.append(random.choice(FORMULAS).format(chosen.name, text))
    return Case("random", "standard", channels, tuple(formulas), (), period_ms=period_ms)


def agree(case: Case, random: Random) -> bool:
    """Compare one contract; False where both find that it cannot be exact."""
    schema = Schema(case.channels, case.period_ms)
    try:
        outcomes = Outcomes(schema, case.formulas, LOG_COLUMNS)
    except OverflowError:
        with pytest.raises(BadInput, match="OVERFLOW"):
            compile_circuit(case.project_schema, case.formulas)
        return False
    circuit = compile_circuit(case.project_schema, case.formulas)
    assert circuit.column_count == outcomes.column_count
    columns = [ONE] * outcomes.column_count
    point = Point(
        columns, columns, ONE, ONE, ONE, ONE, [ONE] * schema.slots, ONE, [1] * outcomes.column_count
    )
    fixed = 120 + 20 + 16 + 3 + (schema.slots - 1) * schema.elements
    assert circuit.constraint_count == fixed + len(list(outcomes.constraints(point)))
    for compiled, exact in zip(circuit.outcomes, outcomes.sums, strict=True):
        low, high = compiled.minimum_total, compiled.maximum_total
        for integer in (low - 1, low, random.randint(low, high), high, high + 1):
            if low <= integer <= high:
                compiled.check_total(integer)
                assert compiled.public_limbs(integer) == exact.limbs_of(integer)
                continue
            with pytest.raises(Rejected, match="OUTCOME_RANGE"):
                compiled.check_total(integer)
            with pytest.raises(Refusal, match="OUTCOME_RANGE"):
                exact.limbs_of(integer)
    return True


def test_layouts() -> None:
    """A sample in every run."""
    random = Random(11)
    assert sum(agree(random_case(random), random) for _ in range(100)) > 80


@pytest.mark.long
def test_many_layouts() -> None:
    """Thousands."""
    random = Random(12)
    assert sum(agree(random_case(random), random) for _ in range(2000)) > 1600
