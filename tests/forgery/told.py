"""A small log with a bit of everything, and lies that one constraint stands against."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import pytest

from circuits.schema import Schema
from tests.circuits.logs import channel
from tests.forgery.claims import Contract, Window, forge, refusing
from tests.forgery.following import Lie

# a, b, dt_ms: two records to a row
SCHEMA = Schema((channel("a", 3), channel("b", 4)))
GAPS = Schema(tuple(replace(kind, may_miss=True) for kind in SCHEMA.channels))
# rows 0, 1 and half of 2, closed by 3; an empty window, 4; 5 and 6, closed by 7; half of 8, closed
# by 9. Rows of carried state stand in front.
WINDOWS: tuple[Window, ...] = (
    ((5, 9, 0), (6, 3, 1000), (2, 6, 500), (7, 12, 700), (1, 1, 40)),
    (),
    ((4, 14, 2000), (4, 7, 1000), (4, 2, 900), (0, 8, 100)),
    ((6, 11, 300),),
)
LAST = 9
# one record to a row, and eight
SINGLE = Schema((channel("a", 3), *(channel(f"c{k}", 2) for k in range(3))))
EIGHT = Schema((channel("a", 3),), 100)
SINGLE_LOG: tuple[Window, ...] = (
    ((5, 1, 0, 0, 0), (6, 0, 1, 2, 9), (1, 1, 1, 1, 9)),
    (),
    ((7, 0, 0, 0, 9),) * 3,
)
EIGHT_LOG: tuple[Window, ...] = (
    tuple((k % 7,) for k in range(19)),
    (),
    tuple((k % 5,) for k in range(16)),
)


@dataclass(frozen=True)
class Told:
    """``lie`` gives a false claim over the contract's log that only ``constraint`` refuses."""

    constraint: str
    contract: Contract
    lie: Callable[[], Lie]


def out_of_range(
    made: Contract,
    stem: str,
    lie: Callable[[], Lie],
    *,
    digits: Sequence[int] = (),
    bits: Sequence[int] = (),
    turns: Sequence[int] = (0, 1),
) -> tuple[Told, ...]:
    """A lie that columns cannot spell, made to fit by each of these columns in turn.

    What is less than 0 is spelled once as it is, with p - 1 or a little less in that column, and
    once with p added, which takes far more than 3; in the lowest column these are the same.
    """
    ranges = [*((k, "digit") for k in digits), *((k, "boolean") for k in bits)]
    return tuple(
        Told(f"{stem}[{k}] {kind}", made, partial(_wild, lie, f"{stem}[{k}]", turn))
        for k, kind in ranges
        for turn in (turns if k else turns[:1])
    )


def _wild(lie: Callable[[], Lie], column: str, turns: int) -> Lie:
    return replace(lie(), wild=column, turns=turns)


def each(lies: Sequence[Told]) -> pytest.MarkDecorator:
    """One test for each lie, named by what refuses it."""
    names = [f"{told.constraint} in {told.contract.formulas[0]} {k}" for k, told in enumerate(lies)]
    return pytest.mark.parametrize("told", lies, ids=names)


def refused(told: Told) -> None:
    """The claim is false, and this constraint refuses it: without it nothing would."""
    forged = forge(told.contract, told.lie())
    assert forged.is_false
    assert refusing(forged) == {told.constraint}


def contract(
    *formulas: str,
    before: Mapping[str, int] | None = None,
    opens: bool = True,
    windows: tuple[Window, ...] = WINDOWS,
    schema: Schema = SCHEMA,
) -> Contract:
    """Formulas over the log above, or another."""
    return Contract(schema, formulas, windows, tuple((before or {}).items()), opens)
