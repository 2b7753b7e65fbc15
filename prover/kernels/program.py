"""Constraint programs: a small register machine over blocks of rows.

``assemble`` lowers a circuit once (``prover.kernels.lowering``); ``evaluate`` runs the instructions
over every row of a coset. A block's cells are transposed to columns once, so that every operand is
a plain load, that of the next row one word further; registers and cells lie in one file that stays
in cache, and the dispatch is paid once per block.
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
from prover.kernels import rows, vector
from prover.kernels.lowering import DOT, SUM, Constant, Instruction, Lowering
from prover.kernels.montgomery import Words, multiply
from prover.kernels.rows import BLOCK, CENTER, PART
from prover.kernels.vector import LANES

_R = 2**32 % P
_P = np.uint64(P)
_STRIDE = BLOCK + LANES  # columns of a block begin in different sets of the cache
_STRIP = 64  # blocks that share one file
_TASKS = 8  # that a short trace is still divided into


@dataclass(frozen=True)
class Program:
    """Instructions (count, 5): operation, target, and how many terms are added, subtracted, scaled.

    ``operands`` are flat positions in the file, in order of use, ``coefficients`` those of the
    scaled terms. There is a constant for each instruction and one for each constraint:
    (values[k] + publics) * scales[k] mod p + offsets[k], where ``public_terms`` hold (constant,
    public input, coefficient). ``emissions`` (count, 3) hold (value, constraint, factor): the
    weight of an emitted value is the sum of its factor * alpha^constraint. ``next_groups`` are the
    groups of the columns that are read on the next row.
    """

    code: NDArray[np.int64]
    operands: NDArray[np.int64]
    coefficients: NDArray[np.int64]
    values: Array
    scales: Array
    offsets: Array
    public_terms: list[tuple[int, int, int]]
    emissions: Array
    emitted: int
    registers: int
    trace_groups: int
    selector_groups: int
    next_groups: NDArray[np.int64]


def _allocate(instructions: list[Instruction]) -> tuple[dict[int, int], int]:
    """Virtual registers onto few real ones: a register is free again at its last use."""
    last = {}
    for at, instruction in enumerate(instructions):
        for place in (instruction.target, *instruction.reads()):
            last[place] = at
    real: dict[int, int] = {}
    free: list[int] = []
    count = 0
    for at, instruction in enumerate(instructions):
        # all operands have been read when the target is written
        free += {real[place] for place in instruction.reads() if place >= 0 and last[place] == at}
        if instruction.target >= 0:
            if not free:
                free.append(count)
                count += 1
            real[instruction.target] = free.pop()
            if last[instruction.target] == at:
                free.append(real[instruction.target])
    return real, count


def _encode(
    instructions: list[Instruction], real: dict[int, int], cells: int, following: dict[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Code, operands and coefficients.

    ``cells`` is where the columns begin in the file, ``following`` says as which column a group's
    next row is there.
    """

    def position(place: int) -> int:
        if place >= 0:
            return real[place] * BLOCK
        column, is_next = divmod(-1 - place, 2)
        if is_next:
            group, lane = divmod(column, LANES)
            column = following[group] + lane
        return cells + column * _STRIDE

    code, operands, coefficients = [], [], []
    for made in instructions:
        width = 2 if made.operation == DOT else 1
        counts = [len(made.positive) // width, len(made.negative) // width, len(made.scaled)]
        target = position(made.target) if made.target >= 0 else 0
        code.append([made.operation, target, *counts])
        operands += [position(place) for place in made.reads()]
        coefficients += [factor for _, factor in made.scaled]
    return (
        np.array(code, dtype=np.int64).reshape(-1, 5),
        np.array(operands, dtype=np.int64),
        np.array(coefficients, dtype=np.int64),
    )


def assemble(circuit: Circuit) -> Program:
    """The program of a circuit."""
    lowering = Lowering(circuit)
    lowering.run()
    real, registers = _allocate(lowering.instructions)
    next_groups = sorted({column // LANES for column in circuit.next_columns})
    selector_groups = -(-len(circuit.selectors) // LANES)
    behind = lowering.first_selector + selector_groups * LANES
    following = {group: behind + k * LANES for k, group in enumerate(next_groups)}
    code, operands, coefficients = _encode(
        lowering.instructions, real, registers * BLOCK, following
    )
    constants = [instruction.constant for instruction in lowering.instructions]
    for index, constraint in enumerate(circuit.constraints):
        constants.append(Constant())
        if index in lowering.distributed:
            form = circuit.graph.forms[constraint.form]
            atoms = [(circuit.graph.atoms[atom], c) for atom, c in form.terms]
            publics = [(atom.index, c) for atom, c in atoms if atom.kind is AtomKind.PUBLIC]
            constants[-1] = Constant(form.constant, publics)
    emissions = [
        # two reductions follow, the second in the product with the row's factor
        (value, constraint, coefficient * pow(_R, 2 - emission.power, P) % P)
        for value, emission in enumerate(lowering.emissions)
        for constraint, coefficient in emission.sources
    ]
    return Program(
        code,
        operands,
        coefficients,
        np.array([constant.value for constant in constants], dtype=np.uint64),
        np.array([pow(_R, constant.power, P) for constant in constants], dtype=np.uint64),
        np.array([constant.offset for constant in constants], dtype=np.uint64),
        [(k, public, c) for k, made in enumerate(constants) for public, c in made.publics],
        np.array(emissions, dtype=np.uint64).reshape(-1, 3),
        len(lowering.emissions),
        registers,
        lowering.first_selector // LANES,
        selector_groups,
        np.array(next_groups, dtype=np.int64),
    )


@njit(cache=True)
def _aligned(words: int) -> Any:
    """``words`` uninitialised words that begin on a cache line."""
    out = np.empty(words + LANES, dtype=np.uint32)
    first = -(out.ctypes.data // 4) % LANES
    return out[first : first + words]


@njit(cache=True)
def _transpose_rows(x: Any, group: int, start: int, width: int, file: Any, place: int) -> None:
    """Rows start .. start + width of one of (groups, rows, 16) as columns; behind the last row
    comes the first."""
    count = x.shape[1]
    whole = max(0, min(width, count - start)) // LANES * LANES
    for k in range(0, whole, LANES):
        source = (group * count + start + k) * LANES
        vector.transpose(x, source, LANES, file, place + k, _STRIDE)
    for k in range(whole, width):
        row = (start + k) % count
        for lane in range(LANES):
            file[place + lane * _STRIDE + k] = x[group, row, lane]


@njit(cache=True)
def _emit(operands: Any, count: int, weights: Any, file: Any, sums: Any) -> None:
    """sums[e] += weights[k, e] * (value k - CENTER), folded so that a next time fits."""
    for part in range(0, BLOCK, PART):
        s0 = rows.load_sums(sums, part)
        s1 = rows.load_sums(sums, part + BLOCK)
        s2 = rows.load_sums(sums, part + 2 * BLOCK)
        s3 = rows.load_sums(sums, part + 3 * BLOCK)
        s4 = rows.load_sums(sums, part + 4 * BLOCK)
        s5 = rows.load_sums(sums, part + 5 * BLOCK)
        for k in range(count):
            x = rows.center(rows.load_part(file, operands[k] + part))
            s0 = rows.add_scaled(s0, x, weights[k, 0])
            s1 = rows.add_scaled(s1, x, weights[k, 1])
            s2 = rows.add_scaled(s2, x, weights[k, 2])
            s3 = rows.add_scaled(s3, x, weights[k, 3])
            s4 = rows.add_scaled(s4, x, weights[k, 4])
            s5 = rows.add_scaled(s5, x, weights[k, 5])
        rows.store_sums(sums, part, rows.fold(s0))
        rows.store_sums(sums, part + BLOCK, rows.fold(s1))
        rows.store_sums(sums, part + 2 * BLOCK, rows.fold(s2))
        rows.store_sums(sums, part + 3 * BLOCK, rows.fold(s3))
        rows.store_sums(sums, part + 4 * BLOCK, rows.fold(s4))
        rows.store_sums(sums, part + 5 * BLOCK, rows.fold(s5))


@njit(cache=True)
def _run_block(
    code: Any,
    operands: Any,
    coefficients: Any,
    constants: Any,
    weights: Any,
    file: Any,
    sums: Any,
) -> None:
    term, scale, value = 0, 0, 0
    for at in range(code.shape[0]):
        operation, target = code[at, 0], code[at, 1]
        added, taken, scaled = code[at, 2], code[at, 3], code[at, 4]
        if operation == SUM:
            x = rows.fill(np.uint32(constants[at]))
            for _ in range(added):
                x = rows.add(x, rows.load(file, operands[term]))
                term += 1
            for _ in range(taken):
                x = rows.subtract(x, rows.load(file, operands[term]))
                term += 1
            rows.store(file, target, x)
        elif operation == DOT:
            total = rows.start(constants[at])
            for _ in range(added):
                a, b = rows.load(file, operands[term]), rows.load(file, operands[term + 1])
                total = rows.add_product(total, a, b)
                term += 2
            for _ in range(taken):
                a, b = rows.load(file, operands[term]), rows.load(file, operands[term + 1])
                total = rows.subtract_product(total, a, b)
                term += 2
            for _ in range(scaled):
                x = rows.load(file, operands[term])
                total = rows.add_scaled(total, x, coefficients[scale])
                term += 1
                scale += 1
            rows.store(file, target, rows.reduce(total))
        else:
            _emit(operands[term:], added, weights[value:], file, sums)
            term += added
            value += added


@njit(cache=True)
def _finish_block(sums: Any, reduced: Any, factors: Any, start: int, width: int, out: Any) -> None:
    for at in range(0, 6 * BLOCK, PART):
        rows.store(reduced, at, rows.reduce(rows.lift(rows.load_sums(sums, at))))
    for k in range(width):
        for e in range(6):
            out[start + k, e] = multiply(reduced[e * BLOCK + k], factors[start + k])


@njit(cache=True, parallel=True)
def _evaluate(
    code: Any,
    operands: Any,
    coefficients: Any,
    constants: Any,
    weights: Any,
    total: Any,
    trace: Any,
    selectors: Any,
    following: Any,
    places: Any,
    ahead: int,
    factors: Any,
    registers: int,
    out: Any,
) -> None:
    count, size = trace.shape[1], LANES * _STRIDE
    blocks = (count + BLOCK - 1) // BLOCK
    strip = max(1, min(_STRIP, blocks // _TASKS))
    cells, groups = registers * BLOCK, trace.shape[0]
    public, behind = groups, groups + selectors.shape[0]
    for task in prange((blocks + strip - 1) // strip):
        file = _aligned(cells + (behind + places.shape[0]) * size)
        sums = _aligned(12 * BLOCK).view(np.int64)
        reduced = np.empty(6 * BLOCK, dtype=np.uint32)
        for block in range(task * strip, min((task + 1) * strip, blocks)):
            start = block * BLOCK
            width = min(BLOCK, count - start)
            for group in range(groups):
                _transpose_rows(trace, group, start, width, file, cells + group * size)
            for group in range(selectors.shape[0]):
                place = cells + (public + group) * size
                _transpose_rows(selectors, group, start, width, file, place)
            for k in range(places.shape[0]):
                place = cells + (behind + k) * size
                _transpose_rows(following, places[k], start + ahead, width, file, place)
            for e in range(6):
                sums[e * BLOCK : (e + 1) * BLOCK] = total[e]
            _run_block(code, operands, coefficients, constants, weights, file, sums)
            _finish_block(sums, reduced, factors, start, width, out)


@dataclass(frozen=True)
class Combination:
    """One proof's constants, and its weights (emitted, 6), centered, with what sums begin with."""

    constants: Array
    weights: NDArray[np.int64]
    total: NDArray[np.int64]


def combine(program: Program, publics: Array, alpha: Array) -> Combination:
    """What ``evaluate`` sums: alpha^i C_i with these public inputs."""
    constants = program.values.copy()
    for place, public, coefficient in program.public_terms:
        constants[place] = (int(constants[place]) + coefficient * int(publics[public])) % P
    constants = constants * program.scales % _P + program.offsets
    fixed = constants[len(program.code) :]
    powers = extension_powers(alpha, len(fixed))
    value, constraint, factor = program.emissions.T
    weights = np.zeros((program.emitted, DEGREE), dtype=np.uint64)
    # a value belongs to fewer constraints than would overflow
    np.add.at(weights, value.astype(np.intp), powers[constraint] * factor[:, None] % _P)
    weights %= _P
    start = (powers * fixed[:, None] % _P).sum(axis=0) % _P * np.uint64(_R * _R % P)
    total = (start + weights.sum(axis=0) % _P * np.uint64(CENTER)) % _P
    signed = weights.astype(np.int64)
    centered = np.where(signed > CENTER, signed - P, signed)
    return Combination(constants, centered, total.astype(np.int64))


def evaluate(
    program: Program,
    combination: Combination,
    trace: Words,
    selectors: Words,
    factors: Words,
    out: Words | None = None,
    following: Words | None = None,
    ahead: int = 1,
) -> Words:
    """sum alpha^i C_i(x) * factor(x) over one coset: canonical (rows, 6); into ``out`` if given.

    ``trace`` and ``selectors`` are (groups, rows, 16), ``factors`` canonical (rows,), ``out`` rows
    of something wider. The row after row i is row i + ``ahead`` of ``following``, (next groups,
    rows, 16), or of the trace itself; the row after the last is the first. ``ValueError`` for
    another shape than the program reads.
    """
    count, places = trace.shape[1], program.next_groups
    if following is None:
        following = trace
    else:
        places = np.arange(len(places))
    if out is None:
        out = np.empty((count, LANES), dtype=np.uint32)[:, :DEGREE]
    whole = trace.shape == (program.trace_groups, count, LANES) and factors.shape == (count,)
    whole = whole and out.shape == (count, DEGREE)
    public = selectors.shape[0] >= program.selector_groups and selectors.shape[1:] == (count, LANES)
    behind = following.shape[1:] == (count, LANES) and ahead in (0, 1)
    behind = behind and (following is trace or len(following) == len(places))
    if not (whole and public and behind):
        # compiled code indexes without bounds checks
        raise ValueError("the program reads another shape of trace, selectors or factors")
    _evaluate(
        program.code,
        program.operands,
        program.coefficients,
        combination.constants,
        combination.weights,
        combination.total,
        np.ascontiguousarray(trace),
        np.ascontiguousarray(selectors[: program.selector_groups]),
        np.ascontiguousarray(following),
        places,
        ahead,
        np.ascontiguousarray(factors),
        program.registers,
        out,
    )
    return out
