"""What a clever prover does behind a lie: every total and digit that rests on it is made to fit.

Columns are gone through in the circuit's order. Committed and counted ones, running totals, and
what is taken from a total at its end are computed anew from what the constraints say of the columns
before them; then the lie is told again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from circuits.circuit import Circuit
from circuits.field import P
from tests.forgery.sheet import Sheet
from tests.forgery.traces import centred

Tell = Callable[[Sheet], None]


@dataclass(frozen=True)
class Lie:
    """Where a trace departs; what is not named here is computed as an honest prover would.

    ``tell`` changes cells, always to the same values; it is called again after every step.
    ``totals``: what is claimed of an outcome. ``believed``: the state that the trace begins with,
    committed or not. Without ``opening`` no epoch opens. ``late``: the first row of the state after
    counts as one of records.
    ``left``: what is absorbed into the state after, by place, instead of what the columns carry.
    ``wild``: a column of digits that holds something else where that helps, of the value and
    ``turns`` times p (``Sheet.spell``). In running totals:
    ``added``: (constraint, row) where more is added; ``carries``: (chain, limb, row) where more is
    carried, modulo p; ``kept``: (chain, row) where it does not start anew.
    """

    tell: Tell = lambda _: None
    totals: Mapping[int, int] = field(default_factory=dict)
    believed: Mapping[str, int] | None = None
    opening: bool = True
    late: bool = False
    left: Mapping[int, int] = field(default_factory=dict)
    wild: str = ""
    turns: int = 0
    added: Mapping[tuple[str, int], int] = field(default_factory=dict)
    carries: Mapping[tuple[str, int, int], int] = field(default_factory=dict)
    kept: frozenset[tuple[str, int]] = frozenset()


def follow(sheet: Sheet, lie: Lie) -> tuple[int, ...]:
    """Make everything fit the lie; the totals that are then claimed."""
    lie.tell(sheet)
    chains, names = sheet.chains(), sheet.circuit.columns
    begins = ((sheet.spelling(f"{c} limb 0 digits") or [f"{c} top"])[0] for c in chains)
    first = {names.index(name): c for name, c in zip(begins, chains, strict=True)}
    first_publics = _first_publics(sheet.circuit)
    for place, name in enumerate(names):
        if place in first:
            _Chain(sheet, lie, first[place], chains[first[place]], first_publics).follow()
        elif f"{name} committed" in sheet.forms:
            _solve(sheet, name, f"{name} committed")
        elif name in sheet.forms:
            _solve(sheet, name, name)
        else:
            continue
        lie.tell(sheet)
    for number in range(len(sheet.circuit.outcomes)):
        if f"outcome {number} holds" in sheet.forms:
            _follow_product(sheet, lie, number, first_publics[number])
    return tuple(_total(sheet, lie, k, public) for k, public in enumerate(first_publics))


def _first_publics(circuit: Circuit) -> list[int]:
    """Where the public limbs of every outcome begin."""
    at = len(circuit.publics) - sum(len(outcome.limbs) for outcome in circuit.outcomes)
    out = []
    for outcome in circuit.outcomes:
        out.append(at)
        at += len(outcome.limbs)
    return out


def _solve(sheet: Sheet, name: str, constraint: str) -> None:
    """The column that makes ``column - something`` vanish wherever that is required."""
    sheet[name][:] = 0
    for row, residue in enumerate(sheet.residues(constraint)):
        sheet.set(name, row, -residue)


def _total(sheet: Sheet, lie: Lie, number: int, public: int) -> int:
    """What is claimed of an outcome: the sum that its limbs spell, the quotient, or the bit."""
    outcome, name = sheet.circuit.outcomes[number], f"outcome {number}"
    if f"{name} limb 0 is public" in sheet.forms:
        if number in lie.totals:
            return lie.totals[number]
        values = [
            final_limb(sheet, name, k, top=limb.width is None)
            for k, limb in enumerate(outcome.limbs)
        ]
    else:
        values = [centred(int(sheet.publics[public + k])) for k in range(len(outcome.limbs))]
    spelled = sum(v << limb.shift for v, limb in zip(values, outcome.limbs, strict=True))
    return spelled // outcome.step


def final_limb(sheet: Sheet, chain: str, number: int, *, top: bool) -> int:
    """A limb of a running total behind the last active row."""
    row = sheet.last + 1
    if top:
        return centred(int(sheet[f"{chain} top"][row]))
    return sheet.spelled(f"{chain} limb {number} digits", row)


@dataclass
class _Chain:
    """One running total and what rests on it."""

    sheet: Sheet
    lie: Lie
    name: str
    limbs: int
    first_publics: list[int]

    def __post_init__(self) -> None:
        self.resets = " windows" in self.name
        self.closing = set(self.sheet.trace.layout.closing.tolist())

    def follow(self) -> None:
        """Limbs, carries and top from what every row adds; then held columns, signs, remainders."""
        multiples = f"{self.name} remainder top" in self.sheet.forms
        if multiples:
            self._claim_quotient()
        self._run()
        if f"{self.name} limb 0 is held" in self.sheet.forms:
            self._hold()
        if f"{self.name} sign" in self.sheet.forms:
            self._sign()
        if multiples:
            self._remainder()

    def _run(self) -> None:
        lowest = 0
        for k in range(self.limbs - 1):
            lowest = self._limb(k, lowest)
        top, sheet = f"{self.name} top", self.sheet
        running = centred(int(sheet[top][0]))
        start = running
        sheet[top][:] = 0
        for row, amount in enumerate(self._amounts(self.limbs - 1, 0)):
            sheet.set(top, row, running)
            running = self._before(row, running, start) + amount
        sheet.set(top, len(sheet[top]) - 1, running)

    def _amounts(self, limb: int, offset: int) -> list[int]:
        """What every row adds to a limb whose cells are all 0."""
        constraint = f"{self.name} limb {limb} adds"
        amounts = [centred(offset - residue) for residue in self.sheet.residues(constraint)]
        for (name, row), more in self.lie.added.items():
            if name == constraint:
                amounts[row] += more
        return amounts

    def _before(self, row: int, running: int, start: int) -> int:
        """What a row adds to; where it starts anew its amount includes the start."""
        if not self.resets or row not in self.closing:
            return running
        return running - start if (self.name, row) in self.lie.kept else 0

    def _limb(self, k: int, lowest: int) -> int:
        """Fill one limb; ``lowest`` is the least carry into it, the least one out of it returns."""
        sheet = self.sheet
        limb, carries = f"{self.name} limb {k} digits", f"{self.name} carry {k} digits"
        width, carry_bits, running = sheet.bits(limb), sheet.bits(carries), sheet.spelled(limb, 0)
        start = running
        for name in (*sheet.spelling(limb), *sheet.spelling(carries)):
            sheet[name][:] = 0
        form = sheet.circuit.graph.forms[sheet.forms[f"{self.name} limb {k} adds"]]
        lowest = centred(form.constant + lowest) >> width
        for row, amount in enumerate(self._amounts(k, lowest << width)):
            sheet.spell(limb, row, running)
            running = self._before(row, running, start) + amount
            lifted = (running + turn for turn in (0, P, -P))
            possible = range(lowest << width, (lowest + (1 << carry_bits)) << width)
            running = next((value for value in lifted if value in possible), running)
            carry = running >> width if row <= sheet.last else 0
            carry += self.lie.carries.get((self.name, k, row), 0)
            sheet.spell(carries, row, centred(carry - lowest))
            running = centred(running - (carry << width))
        sheet.spell(limb, sheet.trace.columns.shape[1] - 1, running)
        return lowest

    def _hold(self) -> None:
        for k in range(self.limbs):
            value = final_limb(self.sheet, self.name, k, top=k + 1 == self.limbs)
            self.sheet.set(f"{self.name} limb {k} held", slice(None), value)

    def _sign(self) -> None:
        """The bit, claimed or true, and the digits that justify it if any do."""
        sheet, windows = self.sheet, self.resets
        stem, holds = f"{self.name} sign digits", f"{self.name} holds[0]"
        rows = sorted(self.closing) if windows else [sheet.last]
        tops = [centred(int(sheet[f"{self.name} top"][row + (not windows)])) for row in rows]
        if holds in sheet:
            for row, top in zip(rows, tops, strict=True):
                sheet.set(holds, row, int(top >= 0))
            self.lie.tell(sheet)
        for row, top in zip(rows, tops, strict=True):
            if holds in sheet:
                bit = int(sheet[holds][row])
            else:
                number = int(self.name.split()[1])
                bit = self.lie.totals.get(number, int(top >= 0))
                sheet.publics[self.first_publics[number]] = bit
            sheet.spell(stem, row, centred(top + (1 - bit) * (1 << sheet.bits(stem))))

    def _claim_quotient(self) -> None:
        """The public limbs: of the true quotient, or of another."""
        number = int(self.name.split()[1])
        outcome, sheet = self.sheet.circuit.outcomes[number], self.sheet
        at = self.first_publics[number]
        places = slice(at, at + self.limbs)
        sheet.publics[places] = 0
        self._run()
        total = 0
        for k, limb in enumerate(outcome.limbs):
            final = final_limb(sheet, self.name, k, top=limb.width is None)
            total += final << limb.shift
        quotient = self.lie.totals.get(number, total // outcome.step)
        sheet.publics[places] = outcome.public_limbs(quotient)

    def _remainder(self) -> None:
        """Borrows and rooms from the lowest limb on, then what the top is and may be."""
        sheet, row = self.sheet, self.sheet.last
        for k in range(self.limbs - 1):
            stem = f"{self.name} remainder"
            borrow, rooms = f"{stem} borrow {k}[0]", f"{stem} room {k}"
            for name in (borrow, *sheet.spelling(rooms)):
                sheet[name][row] = 0
            room = sheet.residues(f"{stem} limb {k}")[row]
            sheet.set(borrow, row, int(room < 0))
            self.lie.tell(sheet)
            room += centred(int(sheet[borrow][row])) << sheet.bits(rooms)
            sheet.spell(rooms, row, centred(room))
            self.lie.tell(sheet)
        for end in ("top", "top room"):
            stem = f"{self.name} remainder {end}"
            for name in sheet.spelling(stem):
                sheet[name][row] = 0
            sheet.spell(stem, row, sheet.residues(stem)[row])


def _follow_product(sheet: Sheet, lie: Lie, number: int, public: int) -> None:
    """The bit of four bits, and its two halves."""
    for side, half in enumerate((f"outcome {number} low holds", f"outcome {number} high holds")):
        sheet[half][sheet.last] = 0
        residue = sheet.residues(f"outcome {number} side {side}")[sheet.last]
        sheet.set(half, sheet.last, -residue)
    lie.tell(sheet)
    sheet.publics[public] = 0
    product = -sheet.residues(f"outcome {number} holds")[sheet.last] % P
    sheet.publics[public] = lie.totals.get(number, product)
