"""From a circuit's constraints to instructions over blocks of rows.

A value x is kept as x * R^power with R = 2^32: cells of the trace are canonical (power 0), and a
product loses one power. No value is ever brought back: the factors that this leaves are part of the
constants. Three instructions are enough:

- ``SUM``: constant + x + ... - y - ..., all of one power.
- ``DOT``: constant + a * b + ... - c * d - ... + coefficient * x + ..., added up in 64 bits and
  reduced once; no intermediate sum leaves [0, ``SUM_LIMIT``).
- ``EMIT``: up to ``EMIT_LIMIT`` values into the six sums that are weighted with powers of alpha.

A constraint is linear in its atoms, so it is either computed and emitted, or its atoms are emitted
with the weights that it gives them, when many constraints share them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from circuits.circuit import Circuit
from circuits.expression import AtomKind, Form
from circuits.field import P
from prover.kernels.rows import CENTER, FOLDED, SUM_LIMIT
from prover.kernels.vector import LANES

SUM, DOT, EMIT = range(3)
# signed sums of centered values times centered weights, beside one that ``fold`` has made
EMIT_LIMIT = (2**63 - FOLDED) // CENTER**2
_R = 2**32 % P
_PRODUCT = (P - 1) ** 2
# what a constraint costs, in vector operations: measured no finer than this
_EMIT_COST, _DOT_COST, _TERM_COST = 33, 11, 5
_SHORT = 3  # terms, from which on a form is worth to be recognised in another one


@dataclass(frozen=True)
class Operand:
    """A register (not negative) or a cell (-1 - its number), and its power of R.

    Cells are numbered 2 * column + next, selectors behind the trace's columns.
    """

    place: int
    power: int


@dataclass
class Constant:
    """(value + public terms) * R^power, canonical, plus ``offset``, a multiple of p."""

    value: int = 0
    publics: list[tuple[int, int]] = field(default_factory=list)
    power: int = 0
    offset: int = 0


@dataclass
class Instruction:
    """``positive`` and ``negative`` hold one place for each term of SUM, two for each of DOT."""

    operation: int
    target: int
    positive: list[int] = field(default_factory=list)
    negative: list[int] = field(default_factory=list)
    scaled: list[tuple[int, int]] = field(default_factory=list)
    constant: Constant = field(default_factory=Constant)

    def reads(self) -> Iterable[int]:
        """The places of all operands."""
        return (*self.positive, *self.negative, *(place for place, _ in self.scaled))


@dataclass(frozen=True)
class Emission:
    """An emitted value of some power: sum of (constraint, coefficient) is its weight."""

    power: int
    sources: tuple[tuple[int, int], ...]


def centered(value: int) -> int:
    """The representative of least magnitude."""
    value %= P
    return value if value <= CENTER else value - P


def distributed_constraints(circuit: Circuit) -> set[int]:
    """Constraints whose atoms are emitted in their place: all but those that are cheaper computed.

    An atom that only one constraint needs is saved when that constraint is computed.
    """
    forms = [circuit.graph.forms[constraint.form] for constraint in circuit.constraints]
    users = Counter(atom for form in forms for atom, _ in form.terms)
    kept = set(range(len(forms)))
    for index, form in enumerate(forms):
        alone = sum(users[atom] == 1 for atom, _ in form.terms)
        cost = _EMIT_COST + _DOT_COST + _TERM_COST * len(form.terms)
        if len(form.terms) > 1 and alone * _EMIT_COST >= cost:
            kept.remove(index)
            users.subtract(atom for atom, _ in form.terms)
    return kept


class Lowering:
    """Lowers forms on first use, in constraint order, so that values die young."""

    def __init__(self, circuit: Circuit) -> None:
        self.graph = circuit.graph
        self.constraints = circuit.constraints
        self.first_selector = -(-circuit.column_count // LANES) * LANES
        self.instructions: list[Instruction] = []
        self.emissions: list[Emission] = []
        self.registers = 0
        self._atoms: dict[int, Operand] = {}
        self._forms: dict[int, Operand] = {}
        self._shapes: dict[tuple[tuple[int, int], ...], tuple[Operand, int, int]] = {}
        self._pending: list[int] = []
        self.distributed = distributed_constraints(circuit)
        self._uses = self._count_uses()

    def run(self) -> None:
        """Fill ``instructions`` and ``emissions``."""
        sources: dict[int, list[tuple[int, int]]] = {}
        for index in sorted(self.distributed):
            for atom, coefficient in self.graph.forms[self.constraints[index].form].terms:
                sources.setdefault(atom, []).append((index, coefficient))
        for index, constraint in enumerate(self.constraints):
            if index not in self.distributed:
                self._emit(self._form(constraint.form), ((index, 1),))
                continue
            for atom, _ in self.graph.forms[constraint.form].terms:
                if atom in sources and self.graph.atoms[atom].kind is not AtomKind.PUBLIC:
                    self._emit(self._atom(atom), tuple(sources.pop(atom)))
        self._flush()

    def _count_uses(self) -> Counter[int]:
        """How often an atom's own value is needed; two for one that must be in a register."""
        uses: Counter[int] = Counter()
        seen: set[int] = set()
        forms = []
        for index, constraint in enumerate(self.constraints):
            if index in self.distributed:
                for atom, _ in self.graph.forms[constraint.form].terms:
                    uses[atom] += 2
                    forms += self._factors(atom)
            else:
                forms.append(constraint.form)
        while forms:
            form = forms.pop()
            if form in seen:
                continue
            seen.add(form)
            alone = self._alias(self.graph.forms[form]) is not None
            for atom, _ in self.graph.forms[form].terms:
                uses[atom] += 2 if alone else 1
                forms += self._factors(atom)
        return uses

    def _factors(self, atom: int) -> list[int]:
        made = self.graph.atoms[atom]
        return [made.index, made.other] if made.kind is AtomKind.PRODUCT else []

    def _alias(self, form: Form) -> int | None:
        """The atom that the form consists of."""
        if form.constant == 0 and len(form.terms) == 1:
            atom, coefficient = form.terms[0]
            if coefficient == 1 and self.graph.atoms[atom].kind is not AtomKind.PUBLIC:
                return atom
        return None

    def _add(self, instruction: Instruction, power: int) -> Operand:
        self.instructions.append(instruction)
        return Operand(instruction.target, power)

    def _new(self) -> int:
        self.registers += 1
        return self.registers - 1

    def _emit(self, value: Operand, sources: tuple[tuple[int, int], ...]) -> None:
        self._pending.append(value.place)
        self.emissions.append(Emission(value.power, sources))
        if len(self._pending) == EMIT_LIMIT:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            self.instructions.append(Instruction(EMIT, -1, self._pending))
            self._pending = []

    def _atom(self, index: int) -> Operand:
        known = self._atoms.get(index)
        if known is not None:
            return known
        atom = self.graph.atoms[index]
        if atom.kind is AtomKind.PRODUCT:
            left, right = self._form(atom.index), self._form(atom.other)
            made = Instruction(DOT, self._new(), [left.place, right.place])
            out = self._add(made, left.power + right.power - 1)
        else:
            first = self.first_selector if atom.kind is AtomKind.SELECTOR else 0
            cell = 2 * (first + atom.index) + (atom.kind is AtomKind.NEXT)
            out = Operand(-1 - cell, 0)
        self._atoms[index] = out
        return out

    def _form(self, index: int) -> Operand:
        known = self._forms.get(index)
        if known is None:
            form = self.graph.forms[index]
            alias = self._alias(form)
            known = self._atom(alias) if alias is not None else self._affine(form)
            self._forms[index] = known
        return known

    def _affine(self, form: Form) -> Operand:
        """A form that is a multiple of another one but for the constant is made from it."""
        if len(form.terms) < _SHORT:
            return self._linear(form)
        first = form.terms[0][1]
        scale = pow(first, -1, P)
        shape = tuple((atom, coefficient * scale % P) for atom, coefficient in form.terms)
        if shape not in self._shapes:
            made = self._linear(form)
            self._shapes[shape] = made, first, form.constant
            return made
        value, before, constant = self._shapes[shape]
        ratio = first * pow(before, -1, P) % P
        rest = Constant((form.constant - ratio * constant) % P)
        if ratio in (1, P - 1):
            return self._sum([(value, ratio)], rest)
        return self._dot([], [(value, ratio)], rest)

    def _linear(self, form: Form) -> Operand:
        constant = Constant(form.constant)
        fused, plain = [], []
        for atom, coefficient in form.terms:
            made = self.graph.atoms[atom]
            if made.kind is AtomKind.PUBLIC:
                constant.publics.append((made.index, coefficient))
            elif self._uses[atom] == 1 and coefficient in (1, P - 1) and self._factors(atom):
                pair = (self._form(made.index), self._form(made.other))
                fused.append((pair, coefficient))
            else:
                plain.append((self._atom(atom), coefficient))
        powers = {value.power for value, _ in plain}
        signs = {coefficient for _, coefficient in plain} <= {1, P - 1}
        if not fused and signs and len(powers) <= 1:
            return self._sum(plain, constant)
        return self._dot(fused, plain, constant)

    def _sum(self, terms: list[tuple[Operand, int]], constant: Constant) -> Operand:
        constant.power = terms[0][0].power if terms else 0
        made = Instruction(SUM, self._new(), constant=constant)
        for value, coefficient in terms:
            (made.positive if coefficient == 1 else made.negative).append(value.place)
        return self._add(made, constant.power)

    def _dot(
        self,
        fused: list[tuple[tuple[Operand, Operand], int]],
        plain: list[tuple[Operand, int]],
        constant: Constant,
    ) -> Operand:
        """Products of one power are added before the reduction, others are made first."""
        power = fused[0][0][0].power + fused[0][0][1].power - 1 if fused else _best_power(plain)
        terms: list[tuple[tuple[int, ...], int]] = []
        for (left, right), coefficient in fused:
            if left.power + right.power - 1 == power:
                terms.append(((left.place, right.place), centered(coefficient)))
            else:
                made = Instruction(DOT, self._new(), [left.place, right.place])
                plain.append((self._add(made, left.power + right.power - 1), coefficient))
        for value, coefficient in plain:
            factor = centered(coefficient * pow(_R, power - value.power + 1, P))
            terms.append(((value.place,), factor))
        made = Instruction(DOT, self._new())
        low, high = 0, 2 * P
        for places, factor in terms:
            size = abs(factor) * (_PRODUCT if len(places) == 2 else P - 1)
            if high - low + size >= SUM_LIMIT:
                made.constant.offset = -low // P * P + P
                part = self._add(made, power)
                made = Instruction(DOT, self._new(), scaled=[(part.place, centered(_R))])
                low, high = 0, 2 * P + abs(centered(_R)) * (P - 1)
            low, high = (low - size, high) if factor < 0 else (low, high + size)
            if len(places) == 1:
                made.scaled.append((places[0], factor))
            else:
                (made.positive if factor > 0 else made.negative).extend(places)
        constant.power, constant.offset = power + 1, -low // P * P + P
        made.constant = constant
        return self._add(made, power)


def _best_power(terms: list[tuple[Operand, int]]) -> int:
    """The power that leaves the smallest coefficients, so that sums are long before they split."""

    def weight(power: int) -> int:
        factors = (c * pow(_R, power - value.power + 1, P) for value, c in terms)
        return sum(abs(centered(factor)) for factor in factors)

    return min(sorted({value.power - 1 for value, _ in terms} | {0}), key=weight)
