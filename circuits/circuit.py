"""A compiled circuit: columns, constraints, public inputs, outcomes, and its identifier."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from circuits.errors import Reason, Rejected
from circuits.expression import Graph
from circuits.field import Array, P
from circuits.layout import Layout
from circuits.schema import Schema

CIRCUIT_FORMAT = 1
MAXIMUM_DEGREE = 3


@dataclass(frozen=True)
class Constraint:
    """``form`` must vanish on every row that is not exempt."""

    name: str
    form: int
    degree: int


@dataclass
class Trace:
    """The trace while it is filled: canonical ``uint32`` columns (columns, rows).

    ``blocks`` are the absorbed blocks of the active rows (active_rows, 8); rows from
    ``layout.active_rows`` on are padding.
    """

    columns: NDArray[np.uint32]
    layout: Layout
    blocks: NDArray[np.uint32]

    @cached_property
    def data_rows(self) -> NDArray[np.bool_]:
        """True on rows that absorb readings; shape (active_rows,)."""
        mask = np.ones(self.layout.active_rows, dtype=np.bool_)
        mask[self.layout.closing] = False
        return mask

    @cached_property
    def slot_weights(self) -> NDArray[np.int64]:
        """1 where a slot holds a record, else 0; shape (active_rows, records_per_block)."""
        weights = np.repeat(self.data_rows[:, None], self.layout.records_per_block, axis=1).astype(
            np.int64
        )
        slots = np.arange(self.layout.records_per_block)
        weights[self.layout.partial] = slots[None, :] < self.layout.filled[:, None]
        return weights


Filler = Callable[[Trace], None]


@dataclass(frozen=True)
class Limb:
    """One public limb of a total: bits [shift, shift + width), or all above when width is None."""

    shift: int
    width: int | None


@dataclass(frozen=True)
class CompiledOutcome:
    """An outcome of the contract: how its integer total becomes the exact value.

    value = total_factor * total + records_factor * records. A predicate's total is 1 or 0; what
    does not add up over claims (``additive`` False) depends on where claims begin and end.
    ``columns`` are those it adds to what the outcomes before it need.
    """

    formula: str
    aggregate: str
    total_factor: Fraction
    records_factor: Fraction
    minimum_total: int
    maximum_total: int
    minimum: Fraction
    limbs: tuple[Limb, ...]
    reference: Callable[[NDArray[np.uint64], bool], int]
    additive: bool = True
    columns: int = 0

    def value(self, total: int, records: int) -> Fraction:
        """The exact outcome in the formula's unit; linear, so totals of claims may be added."""
        return self.total_factor * total + self.records_factor * records

    def total_of(self, records: NDArray[np.uint64], starts_epoch: bool) -> int:
        """The integer total over raw records (n, elements): the meaning, in plain arithmetic."""
        return self.reference(records, starts_epoch)

    def check_total(self, total: int) -> None:
        """Refuse (``OUTCOME_RANGE``) a total that no claim of the longest trace can reach."""
        if not self.minimum_total <= total <= self.maximum_total:
            raise Rejected(
                Reason.OUTCOME_RANGE,
                self.formula,
                expected=f"{self.minimum_total}..{self.maximum_total}",
                got=total,
            )

    def public_limbs(self, total: int) -> list[int]:
        """The total as canonical field elements, lowest limb first."""
        out = []
        for limb in self.limbs:
            part = total >> limb.shift
            out.append(part % P if limb.width is None else part & ((1 << limb.width) - 1))
        return out


@dataclass(frozen=True, eq=False)
class Circuit:
    """What an outcome set compiles to; equal ``identifier`` means equal constraints."""

    schema: Schema
    graph: Graph
    columns: tuple[str, ...]
    selectors: tuple[str, ...]
    publics: tuple[str, ...]
    constraints: tuple[Constraint, ...]
    outcomes: tuple[CompiledOutcome, ...]
    fillers: tuple[Filler, ...]

    @property
    def column_count(self) -> int:
        """Committed trace columns."""
        return len(self.columns)

    @property
    def constraint_count(self) -> int:
        """Constraints, boundaries included."""
        return len(self.constraints)

    @property
    def max_degree(self) -> int:
        """The highest constraint degree, selectors counted as one."""
        return max(c.degree for c in self.constraints)

    @cached_property
    def identifier(self) -> bytes:
        """SHA-256 over a canonical encoding of everything that defines the statement."""
        document = {
            "format": CIRCUIT_FORMAT,
            "schema": self.schema.digest().hex(),
            "columns": self.columns,
            "selectors": self.selectors,
            "publics": self.publics,
            "atoms": [[int(a.kind), a.index, a.other] for a in self.graph.atoms],
            "forms": [[f.constant, f.terms] for f in self.graph.forms],
            "constraints": [[c.name, c.form] for c in self.constraints],
            "limbs": [[[limb.shift, limb.width] for limb in o.limbs] for o in self.outcomes],
        }
        encoded = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
        return hashlib.sha256(b"zkmeter circuit\n" + encoded).digest()


def selector_rows(layout: Layout) -> dict[str, NDArray[np.int64]]:
    """For each selector the rows on which it is 1; everywhere else on the trace it is 0."""
    rows = {
        "first": np.array([0], dtype=np.int64),
        "last": np.array([layout.active_rows - 1], dtype=np.int64),
        "closing": layout.closing,
        "opening": layout.opening,
    }
    for slot in range(1, layout.records_per_block):
        rows[f"padding{slot}"] = layout.partial[layout.filled <= slot]
    return rows


def public_inputs(
    circuit: Circuit,
    chain_in: tuple[int, ...],
    chain_out: tuple[int, ...],
    totals: tuple[int, ...],
) -> Array:
    """The public input vector in the circuit's order: both chain values, then limbs."""
    values = [*chain_in, *chain_out]
    for outcome, total in zip(circuit.outcomes, totals, strict=True):
        values += outcome.public_limbs(total)
    return np.array(values, dtype=np.uint64)
