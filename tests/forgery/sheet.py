"""A trace by the names of its columns, and what its constraints say of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from circuits.circuit import Circuit, Trace
from circuits.field import Array, P
from tests.forgery.traces import (
    centred,
    digits,
    form_values,
    selector_values,
    spelled_bits,
    spelling,
)

Rows = NDArray[np.uint32]


@dataclass
class Sheet:
    """``publics`` as far as they are known.

    ``wild`` is a digit column that need not hold a digit: where a value does not fit its columns,
    it holds everything from its place on, of the value and ``turns`` times p.
    """

    circuit: Circuit
    trace: Trace
    publics: Array
    wild: str = ""
    turns: int = 0
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

    def spelling(self, stem: str) -> list[str]:
        """The columns stem[0], stem[1], ..."""
        return spelling(self._places, stem)

    def bits(self, stem: str) -> int:
        """How many bits these columns spell."""
        return spelled_bits(self.forms, self.spelling(stem))

    def residues(self, constraint: str) -> list[int]:
        """What a constraint comes to on every row but the last, the nearest to 0 modulo p."""
        columns = self.trace.columns.astype(np.uint64)
        form = self.forms[constraint]
        values = form_values(self.circuit, form, columns, self.selectors, self.publics)
        return [centred(int(value)) for value in values]

    def set(self, name: str, rows: int | slice | Sequence[int], value: int) -> None:
        """Write a value modulo p into cells of a column."""
        self[name][rows] = value % P

    def spelled(self, stem: str, row: int) -> int:
        """The integer that digit columns spell on a row."""
        return sum(int(self[name][row]) << 2 * k for k, name in enumerate(self.spelling(stem)))

    def spell(self, stem: str, row: int, value: int) -> None:
        """Write a value in digits, or with the wild one of them what digits cannot spell.

        Of another value that they cannot spell the low bits are written.
        """
        names, bits = self.spelling(stem), self.bits(stem)
        written = digits(value % (1 << bits), len(names))
        if not 0 <= value < 1 << bits and self.wild in names:
            written = digits(value + self.turns * P, len(names), names.index(self.wild))
        for name, digit in zip(names, written, strict=True):
            self[name][row] = digit

    def chains(self) -> dict[str, int]:
        """The running totals in the order of their columns, and how many limbs each has."""
        found: dict[str, int] = {}
        for name in self.forms:
            match = re.fullmatch(r"(.+) limb \d+ adds", name)
            if match:
                found[match[1]] = found.get(match[1], 0) + 1
        return found
