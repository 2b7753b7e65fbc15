"""What is carried from record to record and from claim to claim, against a prover who lies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from circuits.checkpoint import Checkpoint, as_chain
from circuits.field import Array, P
from circuits.gadgets.log_hash import HALF, fill_log_hash, row_roles
from circuits.statement import Statement
from tests.forgery.cells import check_cells
from tests.forgery.claims import Contract, Forgery, forge, refusing
from tests.forgery.state_lies import (
    CARRIED_LIES,
    GUARDED,
    HELD_LATER,
    HELD_LIES,
    HELD_OPENS,
    RISING,
    RISING_LATER,
    RISING_LIES,
    RISING_OPENS,
)
from tests.forgery.strategies import failing
from tests.forgery.told import (
    EIGHT,
    EIGHT_LOG,
    SINGLE,
    SINGLE_LOG,
    Told,
    contract,
    each,
    refused,
)
from tests.forgery.total_lies import ROUNDED_LIES, TENS

BOTH = ("count(rising(a > 3))", "count(held(a > 1, 3))", "rounded(sum(a), 7)")


@pytest.mark.gadget("rising", "running")
@each(RISING_LIES)
def test_a_lie_about_rising(told: Told) -> None:
    refused(told)


@pytest.mark.gadget("held", "running")
@each(HELD_LIES)
def test_a_lie_about_held(told: Told) -> None:
    refused(told)


@pytest.mark.gadget("multiples")
@each(ROUNDED_LIES)
def test_a_lie_about_what_is_left_over(told: Told) -> None:
    refused(told)


@pytest.mark.gadget("state_rows", "log_hash")
@each(CARRIED_LIES)
def test_a_lie_about_the_state_of_a_claim(told: Told) -> None:
    refused(told)


@pytest.mark.gadget("rising", "held", "running", "state_rows")
@pytest.mark.parametrize(
    "made",
    [
        RISING,
        RISING_LATER,
        RISING_OPENS,
        GUARDED,
        HELD_LATER,
        HELD_OPENS,
        TENS,
        contract("count(rising(held(a > 3, 2)))", "sum(a, where=rising(a > 3) | falling(b > 2))"),
        contract(*BOTH, schema=SINGLE, windows=SINGLE_LOG),
        contract(*BOTH, schema=EIGHT, windows=EIGHT_LOG, opens=False),
    ],
    ids=lambda made: " and ".join(made.formulas),
)
def test_every_cell_matters_or_is_known_not_to(made: Contract) -> None:
    check_cells(made)


# the chain through the rows of the state


def honest(made: Contract) -> Forgery:
    forged = forge(made)
    assert not forged.is_false
    assert failing(made.circuit, forged.trace, forged.statement) == set()
    return forged


def moved(value: tuple[int, ...], place: int) -> tuple[int, ...]:
    """One element is one more."""
    return (*value[:place], (value[place] + 1) % P, *value[place + 1 :])


def another_earlier_chain(statement: Statement, place: int) -> Statement:
    """The claim goes on behind another claim than its state was carried from."""
    first = statement.checkpoints[0]
    assert first.link is not None
    link = replace(first.link, chain=moved(first.link.chain, place))
    changed: tuple[Checkpoint, ...] = (replace(first, link=link), *statement.checkpoints[1:])
    return replace(statement, checkpoints=changed)


def another_after(statement: Statement, place: int) -> Statement:
    """Another commitment to the state after than was absorbed."""
    assert statement.state is not None
    link = replace(statement.state, after=moved(statement.state.after, place))
    return replace(statement, state=link)


def another_before(statement: Statement, place: int) -> Statement:
    """Another commitment to the state before than is opened."""
    assert statement.state is not None
    link = replace(statement.state, before=moved(statement.state.before, place))
    return replace(statement, state=link)


@pytest.mark.gadget("log_hash")
@pytest.mark.parametrize("place", range(HALF))
@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        (another_earlier_chain, "chain_before"),
        (another_before, "chain flows"),
        (another_after, "state_out"),
    ],
)
def test_a_statement_about_another_chain_value(
    change: Callable[[Statement, int], Statement], constraint: str, place: int
) -> None:
    true = honest(RISING)
    forged = replace(true, statement=change(true.statement, place))
    assert refusing(forged) == {f"{constraint}[{place}]"}


def rehashed(forged: Forgery, begin: int, chain: Array) -> Forgery:
    """The chain continued from another value of one row on; what the statement then says.

    The row stands behind the state before, or within the state after.
    """
    trace, layout = forged.trace, forged.trace.layout
    rows = trace.columns.shape[1]
    used = layout.active_rows + layout.state_rows
    blocks = trace.columns[HALF : 2 * HALF, begin:used].T.copy()
    fill_log_hash(trace.columns[:, begin:], chain, blocks, row_roles(layout)[begin:], rows - begin)
    statement = forged.statement
    assert statement.state is not None
    values = [as_chain(trace.columns[:HALF, row]) for row in (layout.active_rows, used)]
    end = replace(statement.checkpoints[-1], chain=values[0])
    link = replace(statement.state, after=values[1])
    checkpoints = (*statement.checkpoints[:-1], end)
    return replace(forged, statement=replace(statement, checkpoints=checkpoints, state=link))


@pytest.mark.gadget("log_hash")
@pytest.mark.parametrize("place", range(HALF))
def test_a_log_that_begins_at_another_chain_value(place: int) -> None:
    """The state before is not what is opened, and the chain does not resume where it should."""
    forged = forge(RISING)
    changed = another_before(forged.statement, place)
    begin = forged.trace.layout.state_rows
    chain = forged.trace.columns[:HALF, begin].astype(np.uint64)
    chain[place] = (chain[place] + np.uint64(P - 1)) % np.uint64(P)
    forged = rehashed(replace(forged, statement=changed), begin, chain)
    assert refusing(forged) == {f"chain_in[{place}]"}


@pytest.mark.gadget("log_hash")
@pytest.mark.parametrize("place", range(HALF))
def test_a_state_after_that_does_not_continue_the_log(place: int) -> None:
    forged = forge(RISING)
    begin = forged.trace.layout.active_rows + 1
    chain = forged.trace.columns[:HALF, begin].astype(np.uint64)
    chain[place] = (chain[place] + np.uint64(1)) % np.uint64(P)
    forged = rehashed(forged, begin, chain)
    assert refusing(forged) == {f"chain flows[{place}]"}


@pytest.mark.gadget("state_rows")
@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("place", range(1, 8))
def test_places_without_a_variable_are_zero(side: str, place: int) -> None:
    forged = forge(RISING)
    row = 0 if side == "before" else forged.trace.layout.active_rows
    forged.trace.columns[HALF + place, row] = 1
    names = failing(RISING.circuit, forged.trace, forged.statement)
    assert f"state {side} [{place}]" in names
