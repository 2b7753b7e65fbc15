"""Extremes, edges, windows, multiples and spread against a prover who lies about them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.circuits.logs import failures, reference_trace
from tests.forgery.cells import check_cells
from tests.forgery.chosen_lies import (
    AMONG,
    EARLIEST,
    EDGE_LIES,
    EXTREME_LIES,
    GREATEST,
    LATEST,
    LEAST,
    NO_EARLIEST,
    NOBODY,
    NOBODY_LEAST,
)
from tests.forgery.claims import Contract, forge, refusing
from tests.forgery.following import Lie
from tests.forgery.told import (
    EIGHT,
    EIGHT_LOG,
    GAPS,
    SINGLE,
    SINGLE_LOG,
    Told,
    contract,
    each,
    refused,
)
from tests.forgery.total_lies import (
    BELOW_LOW,
    FLOOR,
    FLOOR_LIES,
    HELD_TOTAL_LIES,
    LIMBS,
    LONG,
    NEAR_HIGH,
    NINE,
    SPREAD_LIES,
    TENS,
    TWENTY_TWO,
    VARIANCE,
    WINDOW_LIES,
    cell,
)

ALL = (
    "max(a, where=a < 6)",
    "min(a)",
    "first(a, where=a > 0)",
    "last(a) - first(a)",
    "windows(any(a > 5)) >= 2",
    "floor(sum(a) / 9)",
)


@pytest.mark.gadget("extreme")
@each(EXTREME_LIES)
def test_a_lie_about_an_extreme(told: Told) -> None:
    refused(told)


@pytest.mark.gadget("edge", "running")
@each(EDGE_LIES)
def test_a_lie_about_the_first_or_last_record(told: Told) -> None:
    refused(told)


@pytest.mark.gadget("total_sign", "exact_sum")
@each(WINDOW_LIES)
def test_a_lie_about_windows(told: Told) -> None:
    refused(told)


@pytest.mark.gadget("multiples")
@each(FLOOR_LIES)
def test_a_lie_about_whole_multiples(told: Told) -> None:
    refused(told)


@pytest.mark.gadget("held_total", "exact_sum")
@each(HELD_TOTAL_LIES)
def test_a_lie_about_a_total_that_is_multiplied(told: Told) -> None:
    refused(told)


@pytest.mark.gadget("held_total", "total_sign")
@each(SPREAD_LIES)
def test_a_lie_about_capability(told: Told) -> None:
    refused(told)


@pytest.mark.gadget("extreme", "edge", "total_sign", "multiples", "held_total")
@pytest.mark.parametrize(
    "made",
    [
        GREATEST,
        LEAST,
        AMONG,
        NOBODY,
        NOBODY_LEAST,
        LATEST,
        EARLIEST,
        NO_EARLIEST,
        NINE,
        TWENTY_TWO,
        LONG,
        TENS,
        FLOOR,
        LIMBS,
        VARIANCE,
        NEAR_HIGH,
        BELOW_LOW,
        contract("variance(a * b, where=a > 1) >= 3.5", schema=GAPS),
        contract("windows(sum(a) >= 9) + 2 * windows(sum(b) >= 20)"),
        contract(*ALL, schema=SINGLE, windows=SINGLE_LOG),
        contract(*ALL, schema=EIGHT, windows=EIGHT_LOG, opens=False),
    ],
    ids=lambda made: " and ".join(made.formulas),
)
def test_every_cell_matters_or_is_known_not_to(made: Contract) -> None:
    check_cells(made)


@pytest.mark.gadget("multiples")
@pytest.mark.parametrize("made", [TENS, FLOOR, LIMBS], ids=lambda made: made.formulas[0])
def test_no_other_quotient_has_a_remainder(made: Contract) -> None:
    true = made.honest.totals[0]
    for quotient in range(true + 20):
        found = refusing(forge(made, Lie(totals={0: quotient})))
        assert bool(found) == (quotient != true)
        assert all(name.startswith("outcome 0 remainder top") for name in found)


@pytest.mark.gadget("total_sign", "held_total")
@pytest.mark.parametrize(
    ("formula", "edge"),
    [
        ("variance(a) {} {}", "4.69"),
        ("variance(a * dt) {} {}", "7.112804"),
        ("sum(a * dt) {} {}", "29.34"),
    ],
)
@pytest.mark.parametrize("relation", ["<=", ">="])
def test_bits_are_decided_at_their_edge(formula: str, edge: str, relation: str) -> None:
    for step in (-1, 0, 1):
        bound = str(Decimal(edge) + step * Decimal("0.0000001"))
        made = contract(formula.format(relation, bound))
        bit = int(step >= 0 if relation == "<=" else step <= 0)
        assert made.honest.totals == (bit,)
        assert refusing(forge(made, Lie(totals={0: 1 - bit}))) == {"outcome 0 sign"}


HOLDS = "outcome 0 windows holds[0]"


@pytest.mark.gadget("total_sign")
def test_no_window_can_be_counted_otherwise() -> None:
    for row, held in ((3, 1), (4, 0), (7, 1), (9, 0)):
        lie = Lie(cell(HOLDS, row, 1 - held))
        assert refusing(forge(NINE, lie)) == {"outcome 0 windows sign"}


def test_two_extremes_of_one_channel_do_not_mix() -> None:
    made = contract("max(b) - max(b, where=a < 4)", "max(b, where=a < 4)", "min(b) + min(a)")
    assert made.honest.totals == (14 - 8, 8, 1)
    trace = reference_trace(made.circuit, made.log)
    assert failures(made.circuit, made.log, trace) == []
    check_cells(made)
