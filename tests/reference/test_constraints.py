"""Random formulas: compiler and reference make the same columns and the same constraints.

At a random point of E, with random columns, selectors and public inputs, every constraint has the
same value in both, in the same order; and so have the public inputs of every total. No log and no
proof is needed for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from circuits.circuit import Circuit
from circuits.compile import compile_circuit
from circuits.errors import BadInput, InputReason, Rejected
from circuits.evaluate import interpreter
from circuits.field import Array, extension, extension_multiply, lift
from tests.circuits import formulas as texts
from tests.reference.cases import Case, channel
from tests.reference.contracts import CASES
from tests.reference.facts import Channel, Refusal, Schema
from tests.reference.field import DEGREE, Extension, P
from tests.reference.gadgets import ACTIVE
from tests.reference.hashing import HALF
from tests.reference.outcomes import Outcomes
from tests.reference.polynomial import Point
from tests.reference.statement import LOG_COLUMNS, Chains, constraints_at, next_columns

SCALES = ("1", "1/2", "1/10", "3", "1/1000", "5/7", "13/17")
OFFSETS = ("0", "0", "-4", "1/2", "29/4", "-273.15", "1000000", "-1/1000")
BITS = (1, 2, 3, 5, 9, 12, 14, 18, 24)
CONTRACTS = 36
FORMULAS = 8  # of a contract, at most
# what random formulas seldom hold: terms that cancel, equal polynomials in other words, what
# two outcomes share, factors that are cut and others that need not be
CONSTRUCTS = (
    "count({a} + {b} - {b} > 3) + count({a} * {b} - {b} * {a} >= 0)",
    "any(~({a} * dt_ms == {a}), where=between({a}, 2.5, 2.9) & ({b} > 0))",
    "sum({a} * {b} * dt, where=({a} > 1) & ({b} < 3) | ~({a} != 2))",
    "sum(clip_above({a}, 100000) + 3 * abs(-{b})) / 7 - sum(abs({a}))",
    "count(({a} + {b}) * {a} > 7) + count({a} * {a} + {b} * {a} > 7)",
    "mean({a} * {b}, where={a} <= 4) <= -1",
    "tariff({b}, '00:00 1, 08:00 2, 20:00 1', '-03:30')",
    "windows(percentile({a}, 50, where=held({b} > 0, 4)) <= 3) + windows(any(rising({a} > 2)))",
    "max({a}, where=missing({b})) - 3 * first({b}) + sum({a} * {a} * 1000)",
    "floor(last({a}) / 3 + 0.25)",
    "rounded(sum({a} * dt) - 3 * count(), 0.7)",
    "variance({a} - 2 * {b}) <= 3.5",
    "cpk(dt, 0.1, 9, where={a} != 1) >= 1.33",
    "ratio(sum({a}) + 1, count(falling({a} > 2)) + 2) <= 0",
    "count(rising({a} > 2)) - count(rising({a} > 2)) - count({a} >= 0) / 3",
    "count(held({a} > 3, 2)) - count(~~held({a} > 3, 2)) + sum({a})",
)
# (channels, bits of a and of b, formula): for every width of a cut one whose plan would be another
# without that width; and where a cost counted in bits, or another order, would change the plan
PLANS = (
    (2, 18, 3, "rounded(sum(a), 1 / 255577)"),
    (2, 24, 3, "sum(a * b) * 13 + sum(b)"),
    (2, 24, 5, "sum(a * b)"),
    (3, 24, 5, "sum(a * b) * 3 + sum(b)"),
    (6, 24, 9, "sum(a * b)"),
)
# with one threshold or two on a channel its readings are cut along the comparison, with three not
THRESHOLDS = (
    (1,),
    ((1 << 23) - 1, 1 << 23),
    (1 << 23,),
    ((1 << 23) + 1,),
    ((1 << 24) - 1,),
    (9_000_000, 70_000),
    (9, 70_000, 9_000_000),
)
CUT_ALONG = (
    "sum(a * a)",
    "sum(b * dt)",
    "sum(b * a, where=a > b) - 3 * count()",
    "rounded(sum(a * dt_ms), 0.7)",
    "windows(mean(a * b) >= 1000000)",
    "variance(a) <= 700",
    "cpk(b - 1, 3, 6) >= 1",
)
# shrinking a contract takes minutes, and its formulas are texts that are easily cut down by hand
SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)


@dataclass(frozen=True)
class Drawn:
    """Random elements of E in both representations."""

    elements: list[Extension]

    @classmethod
    def of(cls, random: Random, count: int) -> Drawn:
        """So many."""
        words = np.array([random.randrange(P) for _ in range(DEGREE * count)]).reshape(-1, DEGREE)
        return cls([Extension.of([int(word) for word in each]) for each in words])

    @property
    def words(self) -> Array:
        """As an array (count, 6)."""
        words = np.array([element.words for element in self.elements], dtype=np.uint64)
        return words.reshape(-1, DEGREE)


def made(case: Case) -> Outcomes | InputReason:
    """The reference's outcomes, or why a contract cannot be proved."""
    try:
        return Outcomes(case.schema, case.formulas, LOG_COLUMNS)
    except OverflowError:
        return InputReason.OVERFLOW
    except ValueError:
        return InputReason.FORMULA


def compiled(case: Case) -> Circuit | InputReason:
    """The project's circuit, or why there is none."""
    try:
        return compile_circuit(case.project_schema, case.formulas)
    except BadInput as refusal:
        return refusal.reason


def agree(case: Case, seed: int = 0) -> None:
    """Compare one contract."""
    circuit, outcomes = compiled(case), made(case)
    if isinstance(circuit, InputReason) or isinstance(outcomes, InputReason):
        assert circuit is outcomes
        return
    random = Random(seed)
    agree_on_totals(circuit, outcomes, random)
    assert circuit.column_count == outcomes.column_count
    read = next_columns(case.schema, outcomes)
    assert list(circuit.next_columns) == read
    here, following = (Drawn.of(random, circuit.column_count) for _ in range(2))
    selectors = Drawn.of(random, len(circuit.selectors))
    publics = [random.randrange(P) for _ in circuit.publics]
    ends = 5 if outcomes.gadgets.state else 2
    assert len(publics) == HALF * ends + outcomes.gadgets.public_count
    point = Point(
        here.elements,
        {column: following.elements[column] for column in read},
        dict(zip(circuit.selectors, selectors.elements, strict=True)),
        publics[HALF * ends :],
    )
    chains = Chains(*(publics[HALF * k : HALF * (k + 1)] for k in range(ends)))
    expected = [value.words for value in constraints_at(point, case.schema, outcomes, chains)]
    assert circuit.constraint_count == len(expected)
    values = interpreter(circuit).constraints(
        here.words,
        following.words,
        selectors.words,
        lift(np.array(publics, dtype=np.uint64)),
        extension(1),
        extension_multiply,
    )
    found = [tuple(int(word) for word in value) for value in values]
    names = [constraint.name for constraint in circuit.constraints]
    different = [name for name, a, b in zip(names, found, expected, strict=True) if a != b]
    assert not different


def agree_on_totals(circuit: Circuit, outcomes: Outcomes, random: Random) -> None:
    """The range of every total, and the public inputs of those within."""
    assert circuit.state_rows == outcomes.state_rows
    for outcome, revealed in zip(circuit.outcomes, outcomes.revealed, strict=True):
        low, high = outcome.minimum_total, outcome.maximum_total
        for total in (low, random.randint(low, high), high):
            outcome.check_total(total)
            assert outcome.public_limbs(total) == revealed.limbs_of(total)
        for total in (low - 1, high + 1):
            with pytest.raises(Rejected, match="OUTCOME_RANGE"):
                outcome.check_total(total)
            with pytest.raises(Refusal, match="OUTCOME_RANGE"):
                revealed.limbs_of(total)


@st.composite
def channels(draw: st.DrawFn, name: str) -> Channel:
    """A channel of any width, seldom one that may miss readings."""
    return channel(
        name,
        draw(st.sampled_from(BITS)),
        draw(st.sampled_from(SCALES)),
        draw(st.sampled_from(OFFSETS)),
        may_miss=draw(st.integers(0, 3)) == 0,
    )


@st.composite
def compared(draw: st.DrawFn, channel: Channel) -> str:
    """A count of one channel's readings against something within or near its range."""
    relation, percent = draw(st.sampled_from([">=", "<=", "<", ">"])), draw(st.integers(-10, 110))
    bound = channel.offset + channel.scale * (1 << channel.bits) * percent / 100
    digits = abs(round(100 * bound))
    sign = "-" if bound < 0 else ""
    return f"count({channel.name} {relation} {sign}{digits // 100}.{digits % 100:02})"


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A few formulas over a schema of any width, with time steps or a fixed period.

    Formulas that the reference refuses by themselves are left out, unless there are no others.
    """
    period_ms = draw(st.sampled_from([None, None, 1, 100]))
    count = draw(st.sampled_from([1, 1, 2, 2, 3, 5, 7, 8 if period_ms else 7]))
    chosen = tuple(draw(channels(f"c{k}")) for k in range(count))
    names = tuple(c.name for c in chosen)
    formula = st.one_of(
        texts.outcomes(names),
        texts.totals(names),
        texts.predicates(names),
        compared(draw(st.sampled_from(chosen))),
    )
    drawn = draw(st.lists(formula, min_size=4, max_size=FORMULAS))
    singles = [Case("random", "standard", chosen, (f,), (), period_ms=period_ms) for f in drawn]
    kept = tuple(f for f, c in zip(drawn, singles, strict=True) if isinstance(made(c), Outcomes))
    return Case("random", "standard", chosen, kept or (drawn[0],), (), period_ms=period_ms)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_contracts_that_are_proved(case: Case) -> None:
    """Those of the agreement tests, among them every gadget."""
    agree(case)


def test_next_of_a_counter() -> None:
    """By hand: the chain, the activity and the running total are read on the next row."""
    schema = Schema((channel("a", 5),))
    outcomes = Outcomes(schema, ("count(a >= 4)",), LOG_COLUMNS)
    slots, reaches = 4, 3  # five bits of distance
    top = LOG_COLUMNS + slots * reaches
    assert outcomes.column_count == top + 1
    assert next_columns(schema, outcomes) == [*range(8), ACTIVE, top]


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("period_ms", [None, 100])
def test_every_construct(count: int, period_ms: int | None) -> None:
    """Records of every width, with time steps and with a fixed period."""
    rest = (channel(f"c{k}", 24) for k in range(2, count))
    chosen = (channel("a", 5), channel("b", 12, "1/4", "-3", may_miss=True), *rest)[:count]
    names = {"a": "a", "b": "b" if count > 1 else "a"}
    formulas = tuple(text.format(**names) for text in CONSTRUCTS)
    case = Case("constructs", "standard", chosen, formulas, (), period_ms=period_ms)
    assert isinstance(made(case), Outcomes)
    agree(case)


@pytest.mark.parametrize(("count", "a", "b", "formula"), PLANS)
def test_cheapest_plans(count: int, a: int, b: int, formula: str) -> None:
    """Totals whose plans hang on how columns are counted."""
    rest = (channel(f"c{k}", 3) for k in range(2, count))
    case = Case(
        "plan", "standard", (channel("a", a), channel("b", b), *rest), (formula,), (), 0, 100
    )
    assert isinstance(made(case), Outcomes)
    agree(case)


@pytest.mark.parametrize("thresholds", THRESHOLDS, ids=str)
@pytest.mark.parametrize("sums_first", [False, True])
def test_compared_factors(thresholds: tuple[int, ...], *, sums_first: bool) -> None:
    """Factors whose digits are those of a comparison, whichever needs them first."""
    chosen = channel("a", 24), channel("b", 18, "1/8", "-2")
    counts = (*(f"count(a >= {threshold})" for threshold in thresholds), "all(b > 7)")
    formulas = CUT_ALONG + counts if sums_first else counts + CUT_ALONG
    case = Case("compared", "standard", chosen, formulas, ())
    assert isinstance(made(case), Outcomes)
    agree(case)


@pytest.mark.parametrize(
    "formulas",
    [
        ("count(a + b > b + 3)", "sum(a * a)", "count(a > 3)"),
        ("count(a + b - b > 3)", "sum(a * a)", "count(a > 3)"),
        ("count((a > 3) & rising(a + b - b > 3))", "sum(a * a)"),
    ],
)
def test_a_wider_interval_of_the_same_reading(formulas: tuple[str, ...]) -> None:
    """Its comparison has more digits; a factor is cut by the one of its own interval."""
    agree(Case("wider", "standard", (channel("a", 24), channel("b", 24)), formulas, ()))


@pytest.mark.parametrize(
    "formulas",
    [
        ("sum(a * abs(a * dt_ms))", "count(a >= 121)"),
        ("variance(a * dt_ms) >= 1", "count(a >= 200)"),
        ("rounded(sum(a * dt_ms * dt_ms), 1 / 3)", "count(a >= 121)"),
    ],
)
def test_a_factor_that_is_a_reading_in_some_slots(formulas: tuple[str, ...]) -> None:
    """With a fixed period x * dt_ms is x in all slots but the first: it is not compared."""
    agree(Case("some slots", "standard", (channel("a", 16),), formulas, (), period_ms=100))


@settings(max_examples=CONTRACTS, deadline=None, phases=PHASES, suppress_health_check=SLOW)
@given(cases(), st.integers(0, 2**32))
def test_random_formulas(case: Case, seed: int) -> None:
    """A few hundred formulas in every run."""
    agree(case, seed)


@pytest.mark.long
@settings(max_examples=40 * CONTRACTS, deadline=None, phases=PHASES, suppress_health_check=SLOW)
@given(cases(), st.integers(0, 2**32))
def test_many_random_formulas(case: Case, seed: int) -> None:
    """Thousands."""
    agree(case, seed)
