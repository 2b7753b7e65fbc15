"""Every kind of constraint of the outcome language is needed, or is known not to be.

The lies that show it are told one by one in ``tests/circuits/test_*_gadgets.py``.
"""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest

from circuits.errors import Reason
from circuits.field import P, inverse
from circuits.gadgets.log_hash import COLUMN_COUNT
from tests.forgery import chosen_lies, record_lies, state_lies, total_lies
from tests.forgery.cells import FREE, constraints_by_column, free_cells
from tests.forgery.claims import Contract, forge, refusing
from tests.forgery.following import Lie
from tests.forgery.proofs import check_refused, usable_rows
from tests.forgery.sheet import Sheet
from tests.forgery.strategies import failing
from tests.forgery.told import (
    EIGHT,
    EIGHT_LOG,
    GAPS,
    SINGLE,
    SINGLE_LOG,
    Told,
    contract,
    each,
)
from tests.forgery.traces import form_values
from verifier.kernel.parameters import ParameterSet

LIES = (
    *record_lies.REACH_LIES,
    *record_lies.SEGMENT_LIES,
    *record_lies.EQUALITY_LIES,
    *record_lies.SLOT_LIES,
    *record_lies.BIT_LIES,
    *record_lies.TIME_LIES,
    *state_lies.RISING_LIES,
    *state_lies.HELD_LIES,
    *state_lies.CARRIED_LIES,
    *chosen_lies.EXTREME_LIES,
    *chosen_lies.EDGE_LIES,
    *total_lies.EXACT_LIES,
    *total_lies.SIGN_LIES,
    *total_lies.WINDOW_LIES,
    *total_lies.ROUNDED_LIES,
    *total_lies.FLOOR_LIES,
    *total_lies.HELD_TOTAL_LIES,
    *total_lies.SPREAD_LIES,
)
CONTRACTS = tuple(dict.fromkeys(told.contract for told in LIES))
# more of one thing above another, of other shapes
MIXED = (
    contract("count(rising(held(a > 3, 2)))", "sum(a, where=rising(a > 3) | falling(b > 2))"),
    contract("rounded(windows(any(a == 7)) - count(b > 6) / 3, 2)"),
    contract("floor(max(a) / 2 + sum(b) / 7)", "max(a) - min(a) <= 6"),
    contract("variance(a * b, where=a > 1) >= 3.5", schema=GAPS),
    contract("count(held(a > 1, 3))", "last(a) - first(a)", schema=SINGLE, windows=SINGLE_LOG),
    contract("count(rising(a > 3))", "max(a)", schema=EIGHT, windows=EIGHT_LOG, opens=False),
)

_CHOSEN = r"(max|min)\(\w+\)\**"
_EDGE = r"(first|last)\(\w+\)\**"
_TOTAL = r"outcome \d+( windows\S*| (low|high) (side|square)| ((low|high) )?times [ns])?"
# what spells an integer: every column but the last one of an odd width is a digit
SPELLED = (
    r".+ >= -?\d+ digits",
    r"(?!.* >= ).+@\d+ .*digits",
    r"segments \w+@\d+ offset",
    r"segments \w+@\d+ rest",
    _CHOSEN + r" distance@\d+",
    _TOTAL + r" limb \d+ digits",
    _TOTAL + r" carry \d+ digits",
    _TOTAL + r" sign digits",
    r"outcome \d+ remainder room \d+",
    r"outcome \d+ remainder top",
    r"outcome \d+ remainder top room",
)
# every kind has a lie that only a constraint of this kind refuses
NEEDED = (
    r"dt_ms digits@\d+",
    r"dt_ms digits@\d+\[\d+\] digit",
    *(stem + r"\[\d+\] digit" for stem in SPELLED),
    *(stem + r"\[\d+\] boolean" for stem in SPELLED),
    r".+ >= -?\d+",
    r".+ == -?\d+ only if",
    r".+ == -?\d+ if",
    r".+ committed",
    r".+ counted",
    r"(?!.* >= ).+@\d+ .*digits",
    r"segments \w+@\d+",
    r"segments \w+@\d+ end",
    r"segments \w+@\d+ at most one",
    r"segments \w+@\d+ inside\[\d+\] boolean",
    r"time of day \d+ \d+ within a window",
    r"time of day \d+ \d+ by its start",
    r"rising\(.+\) enters",
    r"rising\(.+\) slot \d+",
    r"held\(.+\) enters",
    r"held\(.+\) full enters",
    r"held\(.+\) slot \d+",
    r"held\(.+\) full before slot \d+, only if",
    r"held\(.+\) full before slot \d+, if",
    r"state before \[\d+\]",
    r"state after \[\d+\]",
    r"row after last inactive",
    _CHOSEN + r" is constant",
    _CHOSEN + r" marks start",
    _CHOSEN + r" marks add up",
    _CHOSEN + r" is reached",
    _CHOSEN + r" reaches@\d+",
    _CHOSEN + r" mark@\d+ counts",
    _CHOSEN + r" mark@\d+ equals",
    _EDGE + r" starts",
    _EDGE + r" slot \d+",
    r"first\(\w+\)\** found starts",
    r"first\(\w+\)\** found slot \d+",
    _TOTAL + r" limb \d+ adds",
    _TOTAL + r" limb \d+ starts",
    r"outcome \d+ limb \d+ is public",
    _TOTAL + r" limb \d+ is constant",
    _TOTAL + r" limb \d+ is held",
    _TOTAL + r" sign",
    r"outcome \d+ windows\S* holds\[\d+\] boolean",
    r"outcome \d+ remainder limb \d+",
    r"outcome \d+ remainder borrow \d+\[\d+\] boolean",
    r"outcome \d+ remainder top",
    r"outcome \d+ remainder top room",
    r"outcome \d+ side \d",
    r"outcome \d+ holds",
)
NOT_NEEDED = {
    _CHOSEN + r" mark@\d+\[\d+\] boolean": (
        "a mark that is not 0 stands on a record that counts and has the extreme; marks that add"
        " up to 1 are not all 0, whatever they are"
    ),
    r"outcome \d+ (low|high) (side|square) holds\[\d+\] boolean": (
        "its product with three bits is public, 0 or 1: where they are 1 it is a bit, and else it"
        " decides nothing"
    ),
}
ELSEWHERE = {
    r"(full|partial) round .+|chain_out\[\d\]|active never rises|last row active|padding of .+": (
        "tests/forgery/test_constraints.py"
    ),
    r"chain flows\[\d\]|chain_in\[\d\]|chain_before\[\d\]|state_out\[\d\]": (
        "tests/circuits/test_state_gadgets.py and tests/forgery/test_constraints.py"
    ),
}


def kinds(name: str) -> list[str]:
    """The kinds that a constraint is of; an exact one goes before a general one."""
    patterns = (*ELSEWHERE, *NEEDED, *NOT_NEEDED)
    return [pattern for pattern in patterns if re.fullmatch(pattern, name)][:1]


def test_every_constraint_is_of_a_known_kind() -> None:
    for made in (*CONTRACTS, *MIXED):
        for constraint in made.circuit.constraints:
            assert kinds(constraint.name), constraint.name


def test_every_kind_is_refused_by_itself_or_known_not_to_matter() -> None:
    shown = {kind for told in LIES for kind in kinds(told.constraint)}
    assert shown == set(NEEDED)
    occurring = {
        kind for made in CONTRACTS for c in made.circuit.constraints for kind in kinds(c.name)
    }
    assert occurring == {*NEEDED, *NOT_NEEDED, *ELSEWHERE}


def test_a_digit_is_0_to_3_and_nothing_else() -> None:
    """A polynomial of degree d in one column vanishes at these d values and so nowhere else."""
    for made in (*CONTRACTS, *MIXED):
        circuit = made.circuit
        readers = constraints_by_column(circuit)
        by_name = {c.name: c for c in circuit.constraints}
        arrays = [k for k, n in enumerate(circuit.columns[COLUMN_COUNT:], COLUMN_COUNT) if "[" in n]
        tried = np.arange(5, dtype=np.uint64)
        for k in arrays:
            name = circuit.columns[k]
            kind, last = ("digit", 3) if f"{name} digit" in by_name else ("boolean", 1)
            constraint = by_name[f"{name} {kind}"]
            columns = np.zeros((circuit.column_count, len(tried) + 1), dtype=np.uint64)
            columns[k, :-1] = tried
            no_selectors = np.zeros((len(circuit.selectors), len(tried) + 1), dtype=np.uint64)
            values = form_values(circuit, constraint.form, columns, no_selectors)
            assert ((values == 0) == (tried <= last)).all(), name
            assert constraint.degree == last + 1
            readings = [of for of, forms in enumerate(readers) if constraint.form in forms]
            assert readings == [k]


def test_every_rule_about_free_cells_is_used() -> None:
    used: set[str] = set()
    for made in CONTRACTS:
        used |= {rule.columns for rule, _, _ in free_cells(made.circuit, forge(made).trace)}
    assert used == {rule.columns for rule in FREE}


def test_marks_need_not_be_bits() -> None:
    # the greatest reading stands on two records, half a mark on each
    made = contract("max(a)", windows=(((5, 9, 0), (5, 3, 1000), (2, 6, 500)),))

    def tell(sheet: Sheet) -> None:
        for slot in (0, 1):
            sheet.set(f"max(a) mark@{slot}[0]", 0, inverse(2))

    forged = forge(made, Lie(tell))
    assert not forged.is_false
    assert failing(made.circuit, forged.trace, forged.statement) == {
        "max(a) mark@0[0] boolean",
        "max(a) mark@1[0] boolean",
    }


# lies told together, and lies at random, followed by everything that rests on them


def told_together(first: Lie, second: Lie) -> Lie:
    """Both; where they contradict each other, the second one."""

    def tell(sheet: Sheet) -> None:
        first.tell(sheet)
        second.tell(sheet)

    return Lie(
        tell,
        {**first.totals, **second.totals},
        second.believed or first.believed,
        first.opening and second.opening,
        first.late or second.late,
        {**first.left, **second.left},
        second.wild or first.wild,
        second.turns if second.wild else first.turns,
        {**first.added, **second.added},
        {**first.carries, **second.carries},
        first.kept | second.kept,
    )


def test_no_two_lies_cover_for_each_other() -> None:
    pairs = [
        (first, second)
        for first, second in combinations(LIES, 2)
        if first.contract == second.contract
    ]
    for first, second in pairs:
        forged = forge(first.contract, told_together(first.lie(), second.lie()))
        assert not forged.is_false or failing(
            first.contract.circuit, forged.trace, forged.statement
        ), (first.constraint, second.constraint)
    assert len(pairs) > 100


def random_lie(made: Contract, random: np.random.Generator) -> Lie:
    """A few cells near each other, and sometimes another claim."""
    settled = re.compile(r".* ((limb|carry|sign)( \d+)? digits\[\d+\]|top|remainder .+)")
    names = [name for name in made.circuit.columns[149:] if not settled.fullmatch(name)]
    rows = forge(made).trace.columns.shape[1] - 1
    at = int(random.integers(rows))
    cells: list[tuple[str, int | slice, int]] = []
    for _ in range(int(random.integers(1, 5)) if names else 0):
        row = min(max(at + int(random.choice([0, 0, 0, 1, -1])), 0), rows - 1)
        places: list[int | slice] = [row, row, row, slice(row, None), slice(None)]
        values = [0, 1, 2, 3, 4, P - 1, int(random.integers(16)), int(random.integers(P))]
        cells.append(
            (
                str(random.choice(names)),
                places[int(random.integers(len(places)))],
                values[int(random.integers(len(values)))],
            )
        )

    def tell(sheet: Sheet) -> None:
        for name, place, value in cells:
            sheet.set(name, place, value)

    totals = {}
    if random.random() < 0.3:
        totals[0] = abs(made.honest.totals[0] + int(random.choice([1, -1])))
    return Lie(tell, totals, opening=random.random() < 0.9)


def check_random_lies(seed: int, count: int) -> None:
    """No false claim passes; many are refused by a single constraint."""
    random = np.random.default_rng(seed)
    short = [made for made in (*CONTRACTS, *MIXED) if sum(map(len, made.windows)) < 50]
    alone: set[str] = set()
    for _ in range(count):
        made = short[int(random.integers(len(short)))]
        forged = forge(made, random_lie(made, random))
        if forged.is_false:
            names = failing(made.circuit, forged.trace, forged.statement)
            assert names, (made, forged.statement.totals)
            alone |= {kind for kind in kinds(next(iter(names))) if len(names) == 1}
    assert len(alone) > 5


def test_no_lie_at_random_passes() -> None:
    check_random_lies(seed=1, count=300)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 6))
def test_no_lie_of_many_at_random_passes(seed: int) -> None:
    check_random_lies(seed, count=5000)


# some of the lies as proofs


def first_of(lies: tuple[Told, ...], constraint: str) -> Told:
    return next(told for told in lies if told.constraint == constraint)


PROVED = (
    first_of(state_lies.RISING_LIES, "rising((a > 3)) slot 1"),
    first_of(state_lies.RISING_LIES, "rising((a > 3)) enters"),
    first_of(state_lies.CARRIED_LIES, "state before [0]"),
    first_of(total_lies.ROUNDED_LIES, "outcome 0 remainder top room"),
    first_of(chosen_lies.EXTREME_LIES, "max(b) marks add up"),
    first_of(total_lies.WINDOW_LIES, "outcome 0 windows sign"),
    first_of(total_lies.WINDOW_LIES, "outcome 0 windows limb 0 adds"),
    first_of(total_lies.SPREAD_LIES, "outcome 0 high square sign"),
    first_of(total_lies.SIGN_LIES, "outcome 0 limb 0 digits[9] digit"),
    first_of(record_lies.BIT_LIES, "b@1 + -9 digits[9] boolean"),
)
PROVED_LONG = (
    first_of(state_lies.CARRIED_LIES, "row after last inactive"),
    first_of(state_lies.HELD_LIES, "held((a > 3), 3) slot 0"),
    first_of(record_lies.SEGMENT_LIES, "segments a@0 at most one"),
    first_of(record_lies.TIME_LIES, "time of day 1 3 by its start"),
    first_of(total_lies.FLOOR_LIES, "outcome 0 remainder limb 0"),
    first_of(total_lies.FLOOR_LIES, "outcome 0 remainder borrow 0[0] boolean"),
    first_of(total_lies.SIGN_LIES, "outcome 0 limb 0 digits[5] digit"),
    first_of(total_lies.SIGN_LIES, "outcome 0 sign digits[13] boolean"),
    first_of(record_lies.BIT_LIES, "dt_ms digits@0[11] digit"),
    first_of(total_lies.HELD_TOTAL_LIES, "outcome 0 times n limb 0 is held"),
    first_of(total_lies.SPREAD_LIES, "outcome 0 holds"),
    first_of(chosen_lies.EDGE_LIES, "first(b) found slot 0"),
)


def check_proof(told: Told, parameters: ParameterSet) -> None:
    made = told.contract
    rows = usable_rows(made.circuit, parameters, made.honest)
    forged = forge(made, told.lie(), rows)
    assert refusing(forged) == {told.constraint}
    check_refused(made.circuit, parameters, told.constraint, forged.statement, forged.trace)


@pytest.mark.reason(Reason.PROOF_CONSTRAINTS)
@each(PROVED)
def test_a_lie_is_a_valid_proof_without_the_constraint_only(
    told: Told, parameters: ParameterSet
) -> None:
    check_proof(told, parameters)


@pytest.mark.long
@pytest.mark.reason(Reason.PROOF_CONSTRAINTS)
@each(PROVED_LONG)
def test_another_lie_is_a_valid_proof_without_the_constraint_only(
    told: Told, parameters: ParameterSet
) -> None:
    check_proof(told, parameters)
