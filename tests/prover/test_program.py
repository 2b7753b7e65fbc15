"""Constraint programs on vectors of rows against the interpreter that every circuit shares."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from circuits.circuit import Circuit, Constraint
from circuits.compile import compile_circuit
from circuits.evaluate import interpreter
from circuits.expression import AtomKind, Expression, Graph
from circuits.field import DEGREE, P, extension_powers, multiply
from circuits.schema import Schema
from examples.circuits import energy_per_litre
from prover.kernels import program
from prover.kernels.lowering import DOT, EMIT, EMIT_LIMIT, Instruction, Lowering
from prover.kernels.montgomery import Words
from prover.kernels.ntt import to_groups
from prover.kernels.rows import BLOCK, CENTER, FOLDED, SUM_LIMIT
from tests.circuits.logs import channel
from tests.prover.rig import ROOT
from verifier.contract import read_template

CONTRACTS = sorted((ROOT / "examples" / "contracts").glob("*.toml"))
METER = compile_circuit(Schema((channel("x", 16),), 100), ("sum(x)", "count(x <= 40000)"))
SMALL = compile_circuit(Schema((channel("x", 2),), 100), ("sum(x)",))
EDGES = (0, 1, 2, CENTER, CENTER + 1, P - 2, P - 1)
FACTORS = (1, 1, P - 1, 2, 1 << 15, CENTER, CENTER + 1, P - 2, 1234567890)


def made_circuit(graph: Graph, constraints: list[Expression], counts: tuple[int, ...]) -> Circuit:
    """A circuit of so many columns, selectors and public inputs."""
    names = [tuple(f"{kind}{k}" for k in range(n)) for kind, n in zip("csp", counts, strict=True)]
    forms = [graph.form(expression) for expression in constraints]
    made = tuple(Constraint(f"c{k}", f, graph.form_degree(f)) for k, f in enumerate(forms))
    columns, selectors, publics = names
    return Circuit(METER.schema, graph, columns, selectors, publics, made, (), ())


def random_circuit(seed: int) -> Circuit:
    """Sums of products of sums over few atoms, so that values are shared and of many powers."""
    random = np.random.default_rng(seed)
    graph = Graph()
    counts = (19, 17, 5)
    kinds = (AtomKind.COLUMN, AtomKind.NEXT, AtomKind.SELECTOR, AtomKind.PUBLIC)
    sizes = (counts[0], counts[0], counts[1], counts[2])
    each = zip(kinds, sizes, strict=True)
    pool = [graph.atom(kind, k) for kind, size in each for k in range(size)]
    for _ in range(90):
        total = graph.constant(int(random.choice(FACTORS)) * int(random.integers(2)))
        for _ in range(int(random.integers(1, 12))):
            total = total + random.choice(np.array(pool)) * int(random.choice(FACTORS))
        pool.append(total)
        pool.append(total * random.choice(np.array(pool)))
        pool.append(total * total * random.choice(np.array(pool[:50])))
    return made_circuit(graph, [pool[k] for k in range(0, len(pool), 3)], counts)


def check(circuit: Circuit, rows: int, edges: bool = False) -> None:
    """The program's combination equals that of the interpreter's constraint values."""
    random = np.random.default_rng(rows)

    def drawn(*shape: int) -> Words:
        if edges:
            return random.choice(np.array(EDGES, dtype=np.uint32), shape)
        return random.integers(0, P, shape, dtype=np.uint32)

    trace, selectors = drawn(circuit.column_count, rows), drawn(len(circuit.selectors), rows)
    publics, alpha = drawn(len(circuit.publics)).astype(np.uint64), drawn(DEGREE).astype(np.uint64)
    factors = drawn(rows)
    groups = to_groups(trace), to_groups(selectors)
    made = program.assemble(circuit)
    combination = program.combine(made, publics, alpha)
    got = program.evaluate(made, combination, *groups, factors)
    # the next rows by themselves: one place further, or at the same place already
    behind = groups[0][made.next_groups]
    for following, ahead in ((behind, 1), (np.roll(behind, -1, axis=1), 0)):
        again = program.evaluate(
            made, combination, *groups, factors, following=following, ahead=ahead
        )
        assert np.array_equal(again, got)
    one = np.ones(rows, dtype=np.uint64)
    values = interpreter(circuit).constraints(
        trace.astype(np.uint64),
        np.roll(trace, -1, axis=1).astype(np.uint64),  # the row after the last is the first
        selectors.astype(np.uint64),
        publics[:, None] * one,
        one,
        multiply,
    )
    assert edges or values.any(axis=1).all()
    expected = np.zeros((rows, DEGREE), dtype=np.uint64)
    weights = extension_powers(alpha, circuit.constraint_count)
    for value, weight in zip(values, weights, strict=True):
        expected = (expected + value[:, None] * weight) % np.uint64(P)
    assert np.array_equal(got, expected * factors[:, None] % np.uint64(P))


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.stem)
def test_every_example_contract(path: Path) -> None:
    check(read_template(path.read_text(encoding="utf-8")).circuit, BLOCK + 3)


def test_a_circuit_written_by_hand() -> None:
    check(energy_per_litre.circuit(), BLOCK + 3)


@pytest.mark.parametrize("rows", [1, 2, 15, 16, 17, 127, 128, 129, 144, 256, 16389])
def test_blocks_end_anywhere(rows: int) -> None:
    # whole and partial vectors and blocks, several strips; the last row's next is the first
    check(random_circuit(0) if rows < 1000 else SMALL, rows)


@pytest.mark.parametrize("seed", range(1, 9))
def test_random_circuits(seed: int) -> None:
    circuit = random_circuit(seed)
    check(circuit, BLOCK + 1)
    check(circuit, BLOCK + 1, edges=True)


def test_no_sum_leaves_its_range() -> None:
    """The greatest and least sum of every instruction, over any canonical operands."""
    long = 0
    for circuit in (METER, *(random_circuit(seed) for seed in range(1, 9))):
        lowering = Lowering(circuit)
        lowering.run()
        for made in lowering.instructions:
            if made.operation == EMIT:
                assert 0 < len(made.positive) <= EMIT_LIMIT
            elif made.operation == DOT:
                low, high = bounds(made)
                assert 0 <= low <= high < SUM_LIMIT < 2**64
                long += len(made.scaled) > 4
    assert long > 100
    # a folded sum, and as many products of centered values and weights as one emission takes
    assert FOLDED + EMIT_LIMIT * CENTER**2 <= 2**63
    assert max(2**31 * (2**32 % P) + 2**32, P) <= FOLDED + 2**32
    assert FOLDED < P << 26 < SUM_LIMIT - FOLDED


def bounds(made: Instruction) -> tuple[int, int]:
    """The least and the greatest sum of a DOT."""
    square = (P - 1) ** 2
    factors = [factor * (P - 1) for _, factor in made.scaled]
    low = sum(f for f in factors if f < 0) - len(made.negative) // 2 * square
    high = sum(f for f in factors if f > 0) + len(made.positive) // 2 * square
    return made.constant.offset + low, made.constant.offset + P - 1 + high


@pytest.mark.parametrize("factor", [CENTER, CENTER + 1, P - 1, 1])
@pytest.mark.parametrize("terms", [1, 4, 5, 8, 9, 60])
def test_long_sums_at_the_limits(terms: int, factor: int) -> None:
    graph = Graph()
    cells = [graph.atom(AtomKind.COLUMN, k) for k in range(terms)]
    total, products = graph.constant(P - 1), graph.constant(1)
    for cell in cells:
        total = total + cell * factor
        products = products + (cell + 1) * (cell + 2) * factor
    # as factors, so that they are computed and not taken apart
    check(made_circuit(graph, [total * products, total * total], (terms, 0, 0)), 20, edges=True)


def test_hundreds_of_live_registers() -> None:
    graph = Graph()
    cells = [graph.atom(AtomKind.COLUMN, k) for k in range(300)]
    products = [(cell + k) * (cell + 2 * k + 1) for k, cell in enumerate(cells)]
    forward = [p * q for p, q in itertools.pairwise(products)]
    backward = [p * p * cells[0] for p in reversed(products)]
    circuit = made_circuit(graph, forward + backward, (300, 0, 0))
    assert program.assemble(circuit).registers >= 300
    check(circuit, BLOCK + 2)


def test_constraints_that_share_their_atoms_are_taken_apart() -> None:
    graph = Graph()
    cells = [graph.atom(AtomKind.COLUMN, k) for k in range(16)]
    cubes = [cell * cell * cell for cell in cells]
    mixed = []
    for row in range(16):
        total = graph.constant(row)
        for k, cube in enumerate(cubes):
            total = total + cube * (row * k + 1)
        mixed.append(total)
    own = [graph.atom(AtomKind.COLUMN, 16 + k) - cells[k] * cells[k + 1] for k in range(4)]
    circuit = made_circuit(graph, mixed + own, (20, 0, 0))
    made = Lowering(circuit)
    assert made.distributed == set(range(16))
    assert program.assemble(circuit).emitted == 16 + 4
    check(circuit, 40)


def test_public_inputs_everywhere() -> None:
    # alone, in shared sums, inside products; a constraint without a cell
    graph = Graph()
    publics = [graph.atom(AtomKind.PUBLIC, k) for k in range(3)]
    cells = [graph.atom(AtomKind.COLUMN, k) for k in range(3)]
    sums = [cells[0] + cells[1] * (k + 1) + publics[k] * (P - 2) + k for k in range(3)]
    other = [(cells[0] - publics[0]) * (cells[1] + publics[1] * 5), publics[2] * cells[2]]
    only = [publics[0] + 3, publics[1] * publics[2] + 0]
    check(made_circuit(graph, sums + other + only, (3, 0, 3)), 30)


def test_another_shape_never_reaches_a_kernel() -> None:
    made = program.assemble(METER)
    publics, alpha = (np.ones(n, dtype=np.uint64) for n in (len(METER.publics), DEGREE))
    groups, nexts = made.trace_groups, len(made.next_groups)

    def evaluate(
        trace: tuple[int, ...],
        selectors: tuple[int, ...],
        factors: int,
        following: tuple[int, ...] = (nexts, 8, 16),
        ahead: int = 1,
    ) -> Words:
        x, public, scale, behind = (
            np.zeros(shape, dtype=np.uint32) for shape in (trace, selectors, (factors,), following)
        )
        combination = program.combine(made, publics, alpha)
        return program.evaluate(made, combination, x, public, scale, None, behind, ahead)

    assert evaluate((groups, 8, 16), (1, 8, 16), 8).shape == (8, DEGREE)
    for shapes in (
        ((groups - 1, 8, 16), (1, 8, 16), 8),
        ((groups, 8, 15), (1, 8, 15), 8),
        ((groups, 8, 16), (0, 8, 16), 8),
        ((groups, 8, 16), (1, 7, 16), 8),
        ((groups, 8, 16), (1, 8, 16), 7),
    ):
        with pytest.raises(ValueError, match="another shape"):
            evaluate(*shapes)
    right = ((groups, 8, 16), (1, 8, 16), 8)
    for behind, ahead in (((nexts - 1, 8, 16), 1), ((nexts, 7, 16), 0), ((nexts, 8, 16), 2)):
        with pytest.raises(ValueError, match="another shape"):
            evaluate(*right, behind, ahead)


def test_another_process_compiles_nothing() -> None:
    check(SMALL, 8)
    code = (
        "from tests.prover.test_program import SMALL, check, program\n"
        "check(SMALL, 8)\n"
        "stats = program._evaluate.stats\n"
        "print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["1", "0"]
