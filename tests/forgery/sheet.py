"""A trace by the names of its columns, and what its constraints say of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from circuits.circuit import Circuit, Trace
from circuits.field import Array, P, inverse
from tests.forgery.traces import centred, form_values, selector_values

Rows = NDArray[np.uint32]


@dataclass
class Sheet:
    """``publics`` as far as they are known; ``wild`` is a bit column that need not hold bits."""

    circuit: Circuit
    trace: Trace
    publics: Array
    wild: str = ""
    _places: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._places = {name: k for k, name in enumerate(self.circuit.columns)}

    def __getitem__(self, name: str) -> Rows:
        """A column, to read or to change in place."""
        cells: Rows = self.trace.columns[self._places[name]]
        return cells

    def __contains__(self, name: str) -> bool:
        return name in self._places

    @property
    def last(self) -> int:
        """The last active row."""
        return self.trace.layout.active_rows - 1

    @cached_property
    def forms(self) -> dict[str, int]:
        """The form of every constraint."""
        return {c.name: c.form for c in self.circuit.constraints}

    @cached_property
    def selectors(self) -> Array:
        """All selectors on all rows."""
        return selector_values(self.circuit, self.trace.layout, self.trace.columns.shape[1])

    def bits(self, stem: str) -> list[str]:
        """The columns stem[0], stem[1], ..."""
        count = 0
        while f"{stem}[{count}]" in self._places:
            count += 1
        return [f"{stem}[{k}]" for k in range(count)]

    def residues(self, constraint: str) -> list[int]:
        """What a constraint comes to on every row but the last, the nearest to 0 modulo p."""
        columns = self.trace.columns.astype(np.uint64)
        form = self.forms[constraint]
        values = form_values(self.circuit, form, columns, self.selectors, self.publics)
        return [centred(int(value)) for value in values]

    def set(self, name: str, rows: int | slice | Sequence[int], value: int) -> None:
        """Write a value modulo p into cells of a column."""
        self[name][rows] = value % P

    def spelled(self, names: Sequence[str], row: int) -> int:
        """The integer that bit columns spell on a row."""
        return sum(int(self[name][row]) << k for k, name in enumerate(names))

    def spell(self, names: Sequence[str], row: int, value: int) -> None:
        """Write a value as bits, or with the wild one of them what bits cannot spell.

        Of another value that they cannot spell the low bits are written.
        """
        if not 0 <= value < 1 << len(names) and self.wild in names:
            place = names.index(self.wild)
            for name in names:
                self[name][row] = 0
            self[self.wild][row] = value * inverse(1 << place) % P
            return
        for k, name in enumerate(names):
            self[name][row] = value >> k & 1

    def chains(self) -> dict[str, int]:
        """The running totals in the order of their columns, and how many limbs each has."""
        found: dict[str, int] = {}
        for name in self.forms:
            match = re.fullmatch(r"(.+) limb \d+ adds", name)
            if match:
                found[match[1]] = found.get(match[1], 0) + 1
        return found
