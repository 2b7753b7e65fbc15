"""A compiled circuit: columns, constraints, public inputs, outcomes, and its identifier."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from circuits.errors import Reason, Rejected
from circuits.expression import AtomKind, Graph
from circuits.field import P
from circuits.language.meaning import Meaning
from circuits.layout import Layout
from circuits.records import Records
from circuits.schema import Schema
from circuits.state import StateVariable, state_rows

CIRCUIT_FORMAT = 2
MAXIMUM_DEGREE = 4


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
    ``layout.active_rows`` on are padding, after those of the state after. ``before`` are the
    carried values before the first record by name, absent ones 0.
    """

    columns: NDArray[np.uint32]
    layout: Layout
    blocks: NDArray[np.uint32]
    before: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def data_rows(self) -> NDArray[np.bool_]:
        """True on rows that absorb readings; shape (active_rows,)."""
        mask = np.ones(self.layout.active_rows, dtype=np.bool_)
        mask[self.layout.closing] = False
        mask[: self.layout.state_rows] = False
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

    value = unit * total. A predicate's total is 1 or 0; what does not add up over claims
    (``additive`` False) depends on where claims begin and end. The public limbs spell
    ``step * total``. ``meaning`` is the total in plain arithmetic. ``columns`` are those it adds to
    what the outcomes before it need.
    """

    formula: str
    unit: Fraction
    minimum_total: int
    maximum_total: int
    limbs: tuple[Limb, ...]
    meaning: Callable[[Meaning], int]
    additive: bool = True
    step: int = 1
    columns: int = 0

    @property
    def minimum(self) -> Fraction:
        """The least value that a claim can have."""
        return self.unit * self.minimum_total

    def value(self, total: int) -> Fraction:
        """The exact outcome in the formula's unit."""
        return self.unit * total

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
            part = total * self.step >> limb.shift
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
    state: tuple[StateVariable, ...] = ()

    @property
    def column_count(self) -> int:
        """Committed trace columns."""
        return len(self.columns)

    @cached_property
    def next_columns(self) -> tuple[int, ...]:
        """The columns that some constraint reads on the next row, ascending."""
        read = self.graph.leaves(constraint.form for constraint in self.constraints)
        return tuple(sorted(index for kind, index in read if kind is AtomKind.NEXT))

    @property
    def constraint_count(self) -> int:
        """Constraints, boundaries included."""
        return len(self.constraints)

    @property
    def max_degree(self) -> int:
        """The highest constraint degree, selectors counted as one."""
        return max(c.degree for c in self.constraints)

    @property
    def state_rows(self) -> int:
        """Rows that a commitment to the carried state takes; 0 when nothing is carried."""
        return state_rows(self.state)

    def measure(self, records: Records, before: Mapping[str, int]) -> Measured:
        """Every outcome's total, and the state after: the meaning, in plain arithmetic."""
        meaning = Meaning(self.schema, records, before)
        totals = tuple(outcome.meaning(meaning) for outcome in self.outcomes)
        return Measured(totals, dict(meaning.after))

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
            "steps": [o.step for o in self.outcomes],
            "state": [v.widths for v in self.state],
        }
        encoded = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
        return hashlib.sha256(b"zkmeter circuit\n" + encoded).digest()


@dataclass(frozen=True)
class Measured:
    """Integer totals, one per outcome, and the carried values after the last record."""

    totals: tuple[int, ...]
    after: dict[str, int]
