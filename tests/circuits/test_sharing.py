"""Equal parts of the formulas of a contract are made once, and mean the same everywhere."""

from __future__ import annotations

import pytest

from circuits.circuit import Circuit
from circuits.compile import compile_circuit
from circuits.schema import Schema
from tests.circuits.claims import check_chain
from tests.circuits.logs import channel, random_windows, sign_log

SCHEMA = Schema((channel("a", 3), channel("b", 4, "0.5", "-2")))
LOG_COLUMNS = 149
COUNTS = [5, 0, 4, 1, 9]


def checked(*formulas: str) -> Circuit:
    """The circuit of these outcomes, held to its meaning over three claims."""
    circuit = compile_circuit(SCHEMA, formulas)
    assert circuit.column_count == LOG_COLUMNS + sum(o.columns for o in circuit.outcomes)
    windows = random_windows(SCHEMA, COUNTS, len(formulas[0]))
    check_chain(circuit, sign_log(SCHEMA, windows, window_ms=18_000_000), 2)
    return circuit


def alone(formula: str) -> int:
    """How many columns an outcome adds where it stands alone."""
    return compile_circuit(SCHEMA, (formula,)).column_count - LOG_COLUMNS


def named(circuit: Circuit, *starts: str) -> list[str]:
    return [name for name in circuit.columns if name.startswith(starts)]


def carried(circuit: Circuit) -> list[str]:
    return [variable.name for variable in circuit.state]


@pytest.mark.parametrize(
    ("first", "second", "only_second"),
    [
        ("count(a * b > 3)", "sum(a * dt, where=a * b > 3)", "sum(a * dt, where=a < 0)"),
        ("count(rising(a > 3))", "sum(a, where=rising(a > 3))", "sum(a, where=b > 0)"),
        ("any(held(a > 3, 4))", "sum(b, where=held(a > 3, 4))", "sum(b, where=a > 3)"),
        ("max(a)", "max(a) >= 3", "first(a) >= 3"),
        ("min(b, where=a > 3)", "min(b, where=a > 3) - first(b)", "first(b)"),
        ("last(a) - first(a)", "last(a) + first(a) >= 5", "max(a) >= 5"),
        ("windows(mean(a) >= 3)", "windows(mean(a) >= 3) >= 2", "count() >= 2"),
        ("tariff(a, '00:00 1, 06:00 2')", "tariff(b, '00:00 7, 06:00 3')", "sum(b)"),
        ("count(missing(a))", "sum(b, where=~missing(a))", "sum(b)"),
    ],
)
def test_a_part_of_two_outcomes_is_made_once(first: str, second: str, only_second: str) -> None:
    both = checked(first, second)
    one, two = (outcome.columns for outcome in both.outcomes)
    assert one == alone(first)
    assert two < alone(second)
    # what the second one still adds has little to do with the part that they share
    assert two <= alone(only_second) + 2 * SCHEMA.records_per_block
    assert checked(first, first).outcomes[1].columns < alone(first)


def test_equal_conditions_carry_one_variable() -> None:
    circuit = checked(
        "count(rising(a > 3))",
        "sum(b, where=rising(a>3))",
        "windows(any(rising( (a > 3.0) )))",
        "rounded(count(rising(a > 3)), 2)",
    )
    assert carried(circuit) == ["rising((a > 3))", "rounded(count(rising(a > 3)), 2)"]
    assert len(named(circuit, "rising((a > 3)) entering")) == 1
    assert circuit.state_rows == 2


def test_falling_is_rising_of_the_opposite() -> None:
    circuit = checked("count(falling(a > 3))", "sum(b, where=rising(~(a > 3)))")
    assert carried(circuit) == ["rising(~(a > 3))"]


def test_different_conditions_carry_their_own() -> None:
    circuit = checked(
        "count(held(a > 3, 4)) + count(held(a > 3, 5))",
        "sum(b, where=held(a > 4, 4) | falling(a > 3))",
        "count(rising(a > 3))",
    )
    assert carried(circuit) == [
        "held((a > 3), 4)",
        "held((a > 3), 5)",
        "held((a > 4), 4)",
        "rising(~(a > 3))",
        "rising((a > 3))",
    ]
    assert [variable.widths for variable in circuit.state] == [(3,), (3,), (3,), (1,), (1,)]
    # all four runs on a > 3 rest on one comparison
    assert len(named(circuit, "a@0 >= 4 digits[0]")) == 1


def test_a_remainder_belongs_to_its_text() -> None:
    circuit = checked("rounded(sum(a), 7)", "rounded( sum(a),  7 )", "rounded(sum(a), 7.0)")
    assert carried(circuit) == [
        "rounded(sum(a), 7)",
        "rounded( sum(a), 7 )",
        "rounded(sum(a), 7.0)",
    ]
    windows = random_windows(SCHEMA, [9, 4], 3)
    first, second, third = sign_log(SCHEMA, windows).measured(circuit).after.values()
    assert first == second == third
    twice = checked("rounded(sum(a), 7)", "rounded(sum(a), 7)")  # harmless, only needless
    assert set(carried(twice)) == {"rounded(sum(a), 7)"}


def test_two_different_windows_in_one_formula() -> None:
    circuit = checked(
        "windows(sum(a) >= 3) - 2 * windows(sum(b) >= 9) + windows(all(a > 1))",
        "windows(sum(b) >= 9) >= 1",
    )
    assert len(named(circuit, "outcome 0 windows")) > len(named(circuit, "outcome 1"))
    assert not named(circuit, "outcome 1 windows")


def test_equal_terms_of_one_formula_are_collected() -> None:
    assert alone("windows(any(a > 3)) + windows(any(a > 3))") == alone("windows(any(a > 3))")
    assert alone("max(a) + sum(b) + max(a)") == alone("2 * max(a) + sum(b)")
    assert checked("max(a) - max(a) + count()").column_count == LOG_COLUMNS + 1


def test_intervals_of_the_day_are_shared_whatever_offset_names_them() -> None:
    circuit = checked(
        "sum(a, where=time_of_day('22:00', '06:00'))",
        "sum(b, where=time_of_day('23:30', '07:30', '+01:30'))",
        "tariff(a, '00:00 1, 06:00 2, 22:00 1')",
    )
    intervals = [name for name in circuit.selectors if "inside" in name]
    assert intervals == ["inside 1320 360", "inside 360 1320"]
    held = [c.name for c in circuit.constraints if c.name.endswith("within a window")]
    assert len(held) == len(intervals)


def test_channels_that_may_miss_are_checked_once() -> None:
    gaps = Schema((channel("a", 3, may_miss=True), channel("b", 4, may_miss=True)))
    formulas = ("sum(a)", "mean(a) >= 3", "count(rising(a > 3))", "sum(b, where=missing(a))")
    circuit = compile_circuit(gaps, formulas)
    assert len(named(circuit, "a@0 == 7")) == 2  # the bit and its inverse
    assert len(named(circuit, "b@0 == 15")) == 2
    windows = random_windows(gaps, COUNTS, 5)
    for window in windows:
        window[::3, 0], window[1::4, 1] = 7, 15
    check_chain(circuit, sign_log(gaps, windows), 2)
