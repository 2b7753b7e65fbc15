"""What a proof of the benchmark's statement computes, counted: the big steps, and their limits.

Seconds depend on the machine and its load; these numbers do not. They follow from the statement's
shape and the circuit (``derived``), are compared with what the kernels are really called for, and
may not exceed ``LIMITS``. A limit is lowered when fewer are needed, and raised only on purpose.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

import pytest

from circuits.circuit import Circuit
from prover import witness
from prover.bench import bench_statement
from prover.commit import MEMORY_BYTES, SLICES, SMALL_BYTES
from prover.kernels import blake2s, leaves, ntt, program
from prover.kernels.program import assemble
from prover.kernels.vector import LANES
from prover.prove import QUOTIENT_BLOWUP, prove
from verifier.kernel.parameters import STANDARD
from verifier.kernel.proof import Shape
from verifier.kernel.verify import proof_shape

MINUTE, DAY = 600, 864_000


@dataclass(frozen=True)
class Counts:
    """Work per row of the trace, but for ``rows``.

    ``transforms``: group-coset transforms, sixteen columns at N points each (others by their
    points); ``compressions``: blocks of 64 bytes through BLAKE2s, without grinding, which is by
    chance; ``operands``: terms of the constraint program on each of 4 N rows; ``permutations``:
    Poseidon.
    """

    rows: int
    transforms: float
    compressions: float
    operands: int
    permutations: float


# of the parameter set standard, with the default memory
LIMITS = {
    MINUTE: Counts(256, 157, 184, 3_050, 1),
    DAY: Counts(1 << 17, 195, 181, 3_050, 1),
}


def groups(columns: int) -> int:
    """Sixteen columns are worked on at a time."""
    return -(-columns // LANES)


def derived(shape: Shape, circuit: Circuit, memory_bytes: int | None = None) -> Counts:
    """From the numbers of rows, columns, selectors and FRI rounds alone."""
    rows, blowup, fold = shape.rows, shape.parameters.blowup, shape.parameters.fold
    trace, quotient = groups(shape.columns), groups(shape.quotient_columns)
    selectors = groups(len(circuit.selectors) + 1)
    transforms: float = (trace + selectors) * rows  # interpolated
    transforms += (trace + quotient) * blowup * rows + selectors * QUOTIENT_BLOWUP * rows
    coset, leaves = trace * rows * LANES * 4, blowup * rows * 32
    room = max(coset, MEMORY_BYTES) if memory_bytes is None else max(0, memory_bytes - leaves)
    if room < coset:  # in slices
        transforms += QUOTIENT_BLOWUP * trace * rows
        transforms += QUOTIENT_BLOWUP * len(assemble(circuit).next_groups) * rows / SLICES
    elif blowup * coset > min(room, SMALL_BYTES):
        transforms += (QUOTIENT_BLOWUP - min(QUOTIENT_BLOWUP, room // coset)) * trace * rows
    transforms += 2 * rows  # of the quotient's values, two cosets in a group
    domain = rows * blowup
    compressions = 2 * domain + (1 + trace + 1 + quotient) * domain + 2 * (domain - 1)
    for layer in range(shape.folds):
        size = rows // fold**layer
        transforms += groups(6 * blowup) * size
        leaves = size * blowup // fold
        compressions += leaves * groups(6 * fold) + leaves - 1
    operands = len(assemble(circuit).operands)
    permutations = rows - shape.parameters.random_rows
    return Counts(
        rows, transforms / rows, compressions / rows, operands, round(permutations / rows, 6)
    )


class Counter:
    """What the kernels are called for, in all."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.patch = monkeypatch
        self.transformed = self.compressed = self.evaluated = self.permuted = 0
        self._count(ntt, "_interpolate_all", "transformed", lambda _x, out, *_: points(out))
        self._count(
            ntt, "_extend_all", "transformed", lambda _x, out, *_: len(out) * points(out[0])
        )
        self._count(
            leaves, "_leaves", "transformed", lambda x, _n, tables, *_: len(tables) * points(x)
        )
        self._count(leaves, "_leaves", "compressed", of_rows)
        self._count(blake2s, "_word_leaves", "compressed", of_words)
        self._count(blake2s, "_tree", "compressed", lambda _below, _start, nodes: len(nodes))
        self._count(program, "_evaluate", "evaluated", of_program)
        self._count(witness, "fill_log_hash", "permuted", lambda _c, pieces, *_: pieces[:, 1].sum())

    def _count(self, module: Any, name: str, what: str, measure: Any) -> None:
        called = getattr(module, name)

        def counting(*given: Any) -> Any:
            setattr(self, what, getattr(self, what) + int(measure(*given)))
            return called(*given)

        self.patch.setattr(module, name, counting)

    def counts(self, rows: int) -> Counts:
        """Per row."""
        operands, rest = divmod(self.evaluated, QUOTIENT_BLOWUP * rows)
        assert rest == 0
        permutations = round(self.permuted / rows, 6)
        return Counts(rows, self.transformed / rows, self.compressed / rows, operands, permutations)


def points(x: Any) -> int:
    """Groups times rows of (groups, rows, 16)."""
    return int(x.shape[0] * x.shape[1])


def of_rows(coefficients: Any, _columns: int, tables: Any, *_: Any) -> int:
    """A salt, which is expanded first, and all groups of each row."""
    count, rows, _ = coefficients.shape
    return len(tables) * int(rows) * (2 + int(count))


def of_words(words: Any, *_: Any) -> int:
    """Sixteen words a block."""
    return len(words) * groups(int(words.shape[1]))


def of_program(_code: Any, operands: Any, *given: Any) -> int:
    """All terms on all rows of a coset."""
    return len(operands) * len(given[-1])


def check(readings: int, monkeypatch: pytest.MonkeyPatch, memory_bytes: int | None) -> None:
    """Prove it, and compare."""
    circuit, statement, windows = bench_statement(readings)
    shape = proof_shape(circuit, STANDARD, statement)
    counter = Counter(monkeypatch)
    prove(circuit, STANDARD, statement, windows, memory_bytes=memory_bytes)
    assert counter.counts(shape.rows) == derived(shape, circuit, memory_bytes)


@pytest.mark.parametrize("readings", LIMITS, ids=["minute", "day"])
def test_no_more_than_the_limits(readings: int) -> None:
    circuit, statement, _ = bench_statement(readings)
    shape = proof_shape(circuit, STANDARD, statement)
    found, most = derived(shape, circuit), LIMITS[readings]
    assert found.rows == most.rows
    above = [(a, b) for a, b in zip(astuple(found), astuple(most), strict=True) if a > b]
    assert not above, found


@pytest.mark.parametrize("memory_bytes", [None, 2**22, 0])
@pytest.mark.parametrize("readings", [MINUTE, 10_000])
def test_that_is_what_is_computed(
    readings: int, memory_bytes: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(readings, monkeypatch, memory_bytes)


@pytest.mark.long
def test_that_is_what_is_computed_for_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    check(DAY, monkeypatch, None)
