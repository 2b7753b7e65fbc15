"""Constraint programs: a small register machine over blocks of rows.

``assemble`` lowers a circuit's forms and products to straight-line instructions once per circuit;
``evaluate`` runs them over every row of a coset, 128 rows per register, so that a register stays in
cache and the dispatch is paid once per block. Registers hold Montgomery form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from circuits.circuit import Circuit
from circuits.expression import AtomKind
from circuits.field import DEGREE, Array, P, extension_powers
from prover.kernels.montgomery import R_SQUARED, Words, add, multiply, subtract, to_montgomery

BLOCK = 128
(
    _LOAD,
    _LOAD_NEXT,
    _LOAD_SELECTOR,
    _SET,
    _ADD,
    _SUBTRACT,
    _ADD_SCALED,
    _MULTIPLY,
    _EMIT,
) = range(9)


@dataclass(frozen=True)
class Program:
    """Instructions (count, 4): operation, target register, two operands.

    ``constants`` are canonical; the first of them belong to forms, whose public inputs are added
    per proof through ``public_terms`` (constant index, public index, coefficient).
    """

    code: NDArray[np.int32]
    constants: Array
    public_terms: list[tuple[int, int, int]]
    registers: int
    constraints: int


class _Assembler:
    """Lowers forms on first use, in constraint order, so that values die young."""

    def __init__(self, circuit: Circuit) -> None:
        self.graph = circuit.graph
        self.code: list[list[int]] = []
        self.constants: list[int] = []
        self.public_terms: list[tuple[int, int, int]] = []
        self.atoms: dict[int, int] = {}
        self.forms: dict[int, int] = {}
        self.virtual = 0

    def new(self) -> int:
        self.virtual += 1
        return self.virtual - 1

    def constant(self, value: int) -> int:
        self.constants.append(value)
        return len(self.constants) - 1

    def atom(self, index: int) -> int:
        known = self.atoms.get(index)
        if known is not None:
            return known
        atom = self.graph.atoms[index]
        if atom.kind is AtomKind.PRODUCT:
            left, right = self.form(atom.index), self.form(atom.other)
            register = self.new()
            self.code.append([_MULTIPLY, register, left, right])
        else:
            register = self.new()
            operation = {
                AtomKind.COLUMN: _LOAD,
                AtomKind.NEXT: _LOAD_NEXT,
                AtomKind.SELECTOR: _LOAD_SELECTOR,
            }[atom.kind]
            self.code.append([operation, register, atom.index, 0])
        self.atoms[index] = register
        return register

    def form(self, index: int) -> int:
        known = self.forms.get(index)
        if known is not None:
            return known
        form = self.graph.forms[index]
        if form.constant == 0 and len(form.terms) == 1:
            atom, coefficient = form.terms[0]
            if coefficient == 1 and self.graph.atoms[atom].kind is not AtomKind.PUBLIC:
                return self.atom(atom)
        place = self.constant(form.constant)
        operands = []
        for atom, coefficient in form.terms:
            if self.graph.atoms[atom].kind is AtomKind.PUBLIC:
                self.public_terms.append((place, self.graph.atoms[atom].index, coefficient))
            else:
                operands.append((self.atom(atom), coefficient))
        register = self.new()
        self.code.append([_SET, register, place, 0])
        for operand, coefficient in operands:
            if coefficient == 1:
                self.code.append([_ADD, register, operand, 0])
            elif coefficient == P - 1:
                self.code.append([_SUBTRACT, register, operand, 0])
            else:
                scale = self.constant(coefficient)
                self.code.append([_ADD_SCALED, register, operand, scale])
        self.forms[index] = register
        return register


def _reads(instruction: list[int]) -> list[int]:
    operation, target, a, b = instruction
    if operation in (_ADD, _SUBTRACT, _ADD_SCALED):
        return [target, a]
    if operation == _MULTIPLY:
        return [a, b]
    return [target] if operation == _EMIT else []


def _allocate(code: list[list[int]]) -> tuple[NDArray[np.int32], int]:
    """Virtual registers onto few real ones: a register is free again after its last use."""
    last: dict[int, int] = {}
    for at, instruction in enumerate(code):
        for register in (instruction[1], *_reads(instruction)):
            last[register] = at
    real: dict[int, int] = {}
    free: list[int] = []
    count = 0
    out = []
    for at, instruction in enumerate(code):
        operation, target, a, b = instruction
        if target not in real:
            if not free:
                free.append(count)
                count += 1
            real[target] = free.pop()
        registers = _reads(instruction)
        mapped = [operation, real[target], a, b]
        if operation in (_ADD, _SUBTRACT, _ADD_SCALED, _MULTIPLY):
            mapped[2] = real[a]
        if operation == _MULTIPLY:
            mapped[3] = real[b]
        out.append(mapped)
        for register in {target, *registers}:
            if last[register] == at:
                free.append(real[register])
    return np.array(out, dtype=np.int32), count


def assemble(circuit: Circuit) -> Program:
    """The program of a circuit."""
    assembler = _Assembler(circuit)
    for index, constraint in enumerate(circuit.constraints):
        register = assembler.form(constraint.form)
        assembler.code.append([_EMIT, register, index, 0])
    code, registers = _allocate(assembler.code)
    return Program(
        code,
        np.array(assembler.constants, dtype=np.uint64),
        assembler.public_terms,
        registers,
        len(circuit.constraints),
    )


@njit(cache=True)
def _run_block(
    code: Any,
    constants: Any,
    weights: Any,
    trace: Any,
    selectors: Any,
    start: int,
    width: int,
    registers: Any,
    sums: Any,
) -> None:
    rows = trace.shape[1]
    for e in range(6):
        sums[e, :] = 0
    for at in range(code.shape[0]):
        operation, target, a, b = code[at, 0], code[at, 1], code[at, 2], code[at, 3]
        out = registers[target]
        if operation == _LOAD:
            for k in range(width):
                out[k] = multiply(trace[a >> 4, start + k, a & 15], R_SQUARED)
        elif operation == _LOAD_NEXT:
            for k in range(width):
                row = start + k + 1
                row = row if row < rows else 0
                out[k] = multiply(trace[a >> 4, row, a & 15], R_SQUARED)
        elif operation == _LOAD_SELECTOR:
            for k in range(width):
                out[k] = multiply(selectors[a >> 4, start + k, a & 15], R_SQUARED)
        elif operation == _SET:
            out[:] = constants[a]
        elif operation == _ADD:
            x = registers[a]
            for k in range(BLOCK):
                out[k] = add(out[k], x[k])
        elif operation == _SUBTRACT:
            x = registers[a]
            for k in range(BLOCK):
                out[k] = subtract(out[k], x[k])
        elif operation == _ADD_SCALED:
            x, scale = registers[a], constants[b]
            for k in range(BLOCK):
                out[k] = add(out[k], multiply(x[k], scale))
        elif operation == _MULTIPLY:
            x, y = registers[a], registers[b]
            for k in range(BLOCK):
                out[k] = multiply(x[k], y[k])
        else:
            for e in range(6):
                weight, total = weights[a, e], sums[e]
                for k in range(BLOCK):
                    total[k] = add(total[k], multiply(out[k], weight))


@njit(cache=True, parallel=True)
def _evaluate(
    code: Any,
    constants: Any,
    weights: Any,
    trace: Any,
    selectors: Any,
    factors: Any,
    register_count: int,
    out: Any,
) -> None:
    rows = trace.shape[1]
    for block in prange((rows + BLOCK - 1) // BLOCK):
        registers = np.empty((register_count, BLOCK), dtype=np.uint32)
        sums = np.empty((6, BLOCK), dtype=np.uint32)
        start = block * BLOCK
        width = min(BLOCK, rows - start)
        _run_block(code, constants, weights, trace, selectors, start, width, registers, sums)
        for k in range(width):
            for e in range(6):
                # Montgomery sum times canonical factor is canonical
                out[start + k, e] = multiply(sums[e, k], factors[start + k])


def evaluate(
    program: Program,
    publics: Array,
    alpha: Array,
    trace: Words,
    selectors: Words,
    factors: Words,
) -> Words:
    """sum alpha^i C_i(x) * factor(x) over one coset: canonical (rows, 6).

    ``trace`` and ``selectors`` are (groups, rows, 16), ``factors`` canonical (rows,).
    """
    constants = program.constants.copy()
    for place, public, coefficient in program.public_terms:
        constants[place] = (int(constants[place]) + coefficient * int(publics[public])) % P
    weights = to_montgomery(extension_powers(alpha, program.constraints))
    out = np.empty((trace.shape[1], DEGREE), dtype=np.uint32)
    _evaluate(
        program.code,
        to_montgomery(constants),
        weights,
        trace,
        selectors,
        factors,
        program.registers,
        out,
    )
    return out
