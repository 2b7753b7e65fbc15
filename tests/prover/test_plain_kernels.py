"""The kernels that use no lanes, against plain arithmetic: compiled, and with the JIT off."""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numba import njit
from numba.core.dispatcher import Dispatcher
from numba.core.extending import _Intrinsic
from numpy.typing import NDArray

from circuits.field import (
    DEGREE,
    GENERATOR,
    Array,
    P,
    extension_dot,
    extension_powers,
    inverse,
    powers,
    root_of_unity,
)
from prover import kernels
from prover.kernels import layer, leaves, montgomery, ntt, order, polynomial, poseidon, program
from prover.kernels.poseidon_tables import ROLES
from prover.kernels.vector import LANES
from tests.architecture.repository import ROOT
from tests.prover.test_kernels import EDGES, columns, points, reversed_groups

HERE = "tests/prover/test_plain_kernels.py"
COMPILED = isinstance(montgomery.add, Dispatcher)
with_the_jit = pytest.mark.skipif(not COMPILED, reason="needs the JIT")


def uses_lanes(kernel: Any) -> bool:
    """Whether it, or what it calls, names an intrinsic, or a module that has some."""
    if not isinstance(kernel, Dispatcher):
        names = vars(kernel).values() if isinstance(kernel, ModuleType) else [kernel]
        return any(isinstance(value, _Intrinsic) for value in names)
    function = kernel.py_func
    named = [function.__globals__.get(name) for name in function.__code__.co_names]
    return any(uses_lanes(value) for value in named if value is not kernel)


def transform(values: NDArray[Any], root: int) -> Array:
    """Row i of the result is the sum of rows j times root^(i j); (groups, rows, 16)."""
    rows = values.shape[1]
    out = np.empty(values.shape, dtype=np.uint64)
    for i in range(rows):
        weights = powers(pow(root, i, P), rows)[:, None]
        out[:, i] = (values.astype(np.uint64) * weights % np.uint64(P)).sum(axis=1) % np.uint64(P)
    return out


def plain_evaluate(x: NDArray[Any]) -> None:
    log2_rows = x.shape[1].bit_length() - 1
    x[:] = transform(x[:, ntt.bit_reversal(log2_rows)], root_of_unity(log2_rows))


def plain_interpolate(x: NDArray[Any]) -> None:
    log2_rows = x.shape[1].bit_length() - 1
    scaled = transform(x, inverse(root_of_unity(log2_rows))) * np.uint64(inverse(x.shape[1]))
    x[:] = (scaled % np.uint64(P))[:, ntt.bit_reversal(log2_rows)]


@pytest.fixture(autouse=True)
def _without_the_jit(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Without it transforms, which use lanes, are plain ones, and words wrap without a warning."""
    if not COMPILED:
        monkeypatch.setattr(layer, "evaluate", plain_evaluate)
        monkeypatch.setattr(order, "interpolate", plain_interpolate)
    with np.errstate(over="ignore"):
        yield


@with_the_jit
def test_these_are_all_that_use_no_lanes() -> None:
    """One that is new belongs into this file."""
    plain = {
        f"{info.name}.{name}"
        for info in pkgutil.iter_modules(kernels.__path__)
        for module in [importlib.import_module(f"{kernels.__name__}.{info.name}")]
        for name, value in vars(module).items()
        if isinstance(value, Dispatcher) and value.py_func.__module__ == module.__name__
        if not uses_lanes(value)
    }
    assert plain == {
        *("montgomery.add", "montgomery.multiply", "montgomery.subtract"),
        *("polynomial._fold", "polynomial._multiply_extension"),
        *("layer._gathered", "layer._scaled", "order._join", "order._pack"),
        *("poseidon._gather", "poseidon._gather_lane", "poseidon._reduce"),
        *("leaves._batch", "ntt.strip_buffer", "program._aligned"),
    }


@with_the_jit
def test_all_of_this_with_the_jit_off() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", HERE]
    without = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    ran = subprocess.run(
        command, cwd=ROOT, env=without, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stdout
    assert " passed, 2 skipped" in ran.stdout  # those that need it, this one among them


# arithmetic


@njit
def _all_pairs(a: Any, b: Any, products: Any, sums: Any, differences: Any) -> None:
    for i in range(len(a)):
        for j in range(len(b)):
            products[i, j] = montgomery.multiply(a[i], b[j])
            sums[i, j] = montgomery.add(a[i], b[j])
            differences[i, j] = montgomery.subtract(a[i], b[j])


def test_montgomery_arithmetic_at_the_edges() -> None:
    values = np.array(EDGES + columns(1, 40)[0].tolist() + list(range(3, 40)), dtype=np.uint32)
    shape = (len(values), len(values))
    products, sums, differences = (np.empty(shape, dtype=np.uint32) for _ in range(3))
    _all_pairs(values, montgomery.to_montgomery(values), products, sums, differences)
    plain = [int(v) for v in values]
    shifted = [v * 2**32 % P for v in plain]
    assert products.tolist() == [[a * b % P for b in plain] for a in plain]
    assert sums.tolist() == [[(a + b) % P for b in shifted] for a in plain]
    assert differences.tolist() == [[(a - b) % P for b in shifted] for a in plain]


@njit
def _reduced(totals: Any, out: Any) -> None:
    for i in range(len(totals)):
        out[i] = poseidon._reduce(totals[i])


def test_reducing_sums_of_products() -> None:
    largest = (P << 32) - 1
    totals = [0, 1, P - 1, P, 2**32 - 1, 2**32, largest - P, largest, *(e * e for e in EDGES)]
    out = np.empty(len(totals), dtype=np.uint32)
    _reduced(np.array(totals, dtype=np.uint64), out)
    assert out.tolist() == [total * pow(2**32, -1, P) % P for total in totals]


# polynomials


@pytest.mark.parametrize("fold", [2, 8])
def test_folding_coefficients(fold: int) -> None:
    given, challenge = points(32).astype(np.uint32), points(2)[1]
    got = polynomial.fold_coefficients(given, challenge, fold)
    weights = extension_powers(challenge, fold)
    parts = given.reshape(-1, fold, DEGREE).astype(np.uint64)
    assert np.array_equal(got, np.stack([extension_dot(part, weights) for part in parts]))


@pytest.mark.parametrize("count", [1, 3, 6])
def test_polynomials_as_groups(count: int) -> None:
    parts = points(32 * count).astype(np.uint32).reshape(count, 32, DEGREE)
    flat = parts.transpose(0, 2, 1).reshape(count * DEGREE, 32)
    groups = order.as_groups(parts)
    assert np.array_equal(groups, reversed_groups(flat))


@pytest.mark.parametrize("rows", [4, 64])
def test_interpolation_from_four_cosets(rows: int) -> None:
    given = points(4 * rows).astype(np.uint32)
    root = root_of_unity((4 * rows).bit_length() - 1)
    values = np.zeros((2, rows, LANES), dtype=np.uint32)
    for index in range(4 * rows):
        row, coset = divmod(index, 4)
        powered = powers(GENERATOR * pow(root, index, P) % P, 4 * rows)
        value = (given * powered[:, None] % np.uint64(P)).sum(axis=0) % np.uint64(P)
        values[coset // 2, row, DEGREE * (coset % 2) :][:DEGREE] = value
    assert np.array_equal(order.interpolate_four(values, GENERATOR), given)


@pytest.mark.parametrize(("rows", "blowup", "fold"), [(8, 8, 8), (64, 4, 8), (32, 16, 4)])
def test_leaves_of_a_layer(rows: int, blowup: int, fold: int) -> None:
    given, size = points(rows).astype(np.uint32), rows * blowup
    made = layer.layer_leaves(given, GENERATOR, blowup, fold)
    assert made.shape == (size // fold, fold * DEGREE)
    root = root_of_unity(size.bit_length() - 1)
    for index in (0, 1, size // fold - 1):
        for j, value in enumerate(made[index].reshape(fold, DEGREE)):
            x = GENERATOR * pow(root, index + j * size // fold, P) % P
            expected = (given * powers(x, rows)[:, None] % np.uint64(P)).sum(axis=0) % np.uint64(P)
            assert np.array_equal(value, expected)


# what goes where


def _blocks() -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """Five rows of a log and their roles, all different."""
    blocks = np.arange(1, 41, dtype=np.uint32).reshape(5, 8)
    return blocks, np.array([0, 1, 2, 1, 0], dtype=np.uint8)


def test_what_enters_a_chain() -> None:
    """Behind the log's last row zeros come, as data."""
    blocks, roles = _blocks()
    entering = np.full((4, 16), P - 1, dtype=np.uint32)
    poseidon._gather(entering, blocks, roles, 3, 4)
    assert np.array_equal(entering[:, :8], ROLES[[1, 0, 0, 0]])
    assert np.array_equal(entering[:2, 8:], blocks[3:])
    assert not entering[2:, 8:].any()


def test_what_enters_a_chain_in_lockstep() -> None:
    """As alone, and nothing behind the end of the lane's piece, nor in other lanes."""
    blocks, roles = _blocks()
    cells = np.full((4, poseidon._CELLS, LANES), P - 1, dtype=np.uint32)
    poseidon._gather_lane(cells, 5, blocks, roles, 1, 3, 4)
    lane = cells[:, :, 5]
    block, state = lane[:, 8:16], lane[:, poseidon._STATE :]
    assert np.array_equal(state[:, :8], ROLES[[1, 2, 1, 0]])
    assert np.array_equal(block[:3], blocks[1:4])
    assert not block[3].any()
    assert np.array_equal(state[:, 8:], block)
    touched = np.zeros(cells.shape, dtype=bool)
    touched[:, [*range(8, 16), *range(poseidon._STATE, poseidon._CELLS)], 5] = True
    assert (cells[~touched] == P - 1).all()


@pytest.mark.parametrize("parts", [1, 4])
def test_states_of_a_strip_lie_side_by_side(parts: int) -> None:
    """Place for place: a strip's rows of the first part, of the second ..., the next strip's."""
    batches = 12
    got = [leaves._batch(place, parts, batches) for place in range(batches)]
    expected = np.arange(batches).reshape(parts, batches // parts).T.ravel()
    assert got == expected.tolist()


def test_buffers_begin_on_cache_lines() -> None:
    buffers = [ntt.strip_buffer(3) for _ in range(5)] + [program._aligned(48) for _ in range(5)]
    assert {buffer.shape for buffer in buffers} == {(3 * ntt.STRIP_ROWS, LANES), (48,)}
    assert all(buffer.ctypes.data % 64 == 0 for buffer in buffers)
