"""The field against ``galois`` and by its laws."""

from __future__ import annotations

from typing import Any

import galois
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits import field
from circuits.field import DEGREE, GENERATOR, TWO_ADICITY, Array, P

# 0, 1, p-1 and the values around which a carry or a wrong reduction would show
EDGES = [0, 1, 2, P - 1, P - 2, (P - 1) // 2, (P + 1) // 2, 2**24, 2**24 - 1, 2**30, 2**31 - 2**24]
ELEMENT = st.one_of(st.sampled_from(EDGES), st.integers(0, P - 1))
EXTENSION = st.lists(ELEMENT, min_size=DEGREE, max_size=DEGREE).map(
    lambda values: np.array(values, dtype=np.uint64)
)
LAWS = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="module")
def base() -> Any:
    """F_p as an independent library has it."""
    return galois.GF(P)


@pytest.fixture(scope="module")
def degree_six() -> Any:
    """The extension; its polynomial is proved irreducible by a test of its own."""
    return galois.GF(
        P, DEGREE, irreducible_poly="x^6 + x^3 + 1", primitive_element="x", verify=False
    )


def words(*values: int) -> Array:
    return np.array(values, dtype=np.uint64)


def grid() -> tuple[Array, Array]:
    """Every pair of edge values."""
    a, b = np.meshgrid(words(*EDGES), words(*EDGES))
    return a.ravel(), b.ravel()


def to_galois(library: Any, value: Array) -> Any:
    """galois writes the highest coefficient first."""
    return library.Vector([int(v) for v in value[::-1]])


def from_galois(value: Any) -> list[int]:
    return [int(v) for v in value.vector()[::-1]]


def sample(count: int) -> Array:
    """Extension elements: edge values in every position, and random ones."""
    random = np.random.default_rng(count)
    out = random.integers(0, P, (count, DEGREE), dtype=np.uint64)
    out[0], out[1], out[2] = 0, P - 1, field.extension(1)
    out[3 : 3 + DEGREE] = np.eye(DEGREE, dtype=np.uint64) * np.uint64(P - 1)
    return out


def test_the_prime_and_its_two_adicity() -> None:
    assert galois.is_prime(P)
    assert (P - 1) % 2**TWO_ADICITY == 0
    assert (P - 1) >> TWO_ADICITY == 127
    assert galois.is_primitive_root(GENERATOR, P)


def test_the_extension_polynomial_is_irreducible(base: Any) -> None:
    assert galois.Poly.Degrees([6, 3, 0], field=base).is_irreducible()


def test_base_arithmetic_agrees_with_galois(base: Any) -> None:
    a, b = grid()
    left, right = base(a.astype(np.int64)), base(b.astype(np.int64))
    assert np.array_equal(field.add(a, b), np.asarray(left + right))
    assert np.array_equal(field.subtract(a, b), np.asarray(left - right))
    assert np.array_equal(field.multiply(a, b), np.asarray(left * right))
    assert np.array_equal(field.power(a, P - 2), np.asarray(left ** (P - 2)))


def test_to_base_takes_every_sign() -> None:
    given_values = [-P - 1, -P, -1, 0, 1, P - 1, P, P + 1, -(2**62), 2**62]
    assert field.to_base(given_values).tolist() == [value % P for value in given_values]


def test_inverse_of_edges_and_refusal_of_zero() -> None:
    for value in EDGES[1:]:
        assert value * field.inverse(value) % P == 1
    with pytest.raises(ValueError, match="invertible"):
        field.inverse(0)


@pytest.mark.parametrize("log2_order", [0, 1, 2, 8, 23, 24])
def test_roots_of_unity_have_exactly_their_order(log2_order: int) -> None:
    root = field.root_of_unity(log2_order)
    assert pow(root, 1 << log2_order, P) == 1
    if log2_order:
        assert pow(root, 1 << (log2_order - 1), P) == P - 1


@pytest.mark.parametrize("log2_order", [-1, 25])
def test_no_root_of_another_order(log2_order: int) -> None:
    with pytest.raises(ValueError, match="log2_order"):
        field.root_of_unity(log2_order)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 9])
def test_powers_by_doubling(count: int) -> None:
    assert field.powers(P - 3, count).tolist() == [pow(P - 3, k, P) for k in range(count)]
    point = sample(20)[-1]
    expected = [field.extension_power(point, k).tolist() for k in range(count)]
    assert field.extension_powers(point, count).tolist() == expected


@pytest.mark.parametrize("log2_order", [0, 1, 10, 12, 13, 24])
def test_root_powers(log2_order: int) -> None:
    exponents = np.array([0, 1, 5, 4095, 4096, 4097, 2**24 - 1, 2**24 + 3], dtype=np.int64)
    expected = [pow(field.root_of_unity(log2_order), int(e), P) for e in exponents]
    assert field.root_powers(log2_order, exponents).tolist() == expected


@pytest.mark.parametrize("count", [0, 1, 2, 5, 8])
def test_powers_of_many_elements(count: int) -> None:
    expected = [[pow(value, k, P) for k in range(count)] for value in EDGES]
    assert field.powers_of(words(*EDGES), count).tolist() == expected


@pytest.mark.parametrize("count", [0, 1, 16, 17, 33, 34, 1000])
def test_inverses_of_many_elements(count: int) -> None:
    values = np.random.default_rng(count).integers(1, P, count, dtype=np.uint64)
    values[: len(EDGES) - 1] = EDGES[1:][:count]
    assert field.inverses(values).tolist() == [pow(int(value), -1, P) for value in values]


@pytest.mark.parametrize("count", [1, 40])
def test_zero_has_no_inverse_among_others(count: int) -> None:
    values = np.full(count, 7, dtype=np.uint64)
    values[-1] = 0
    with pytest.raises(ValueError, match="invertible"):
        field.inverses(values)


def test_extension_product_agrees_with_galois(degree_six: Any) -> None:
    elements = sample(24)
    for a, b in zip(elements, np.roll(elements, 5, axis=0), strict=True):
        expected = from_galois(to_galois(degree_six, a) * to_galois(degree_six, b))
        assert field.extension_multiply(a, b).tolist() == expected
        expected = from_galois(to_galois(degree_six, a) + to_galois(degree_six, b))
        assert field.add(a, b).tolist() == expected


def test_extension_inverse_agrees_with_galois(degree_six: Any) -> None:
    elements = sample(16)[1:]
    for a in elements:
        expected = from_galois(degree_six(1) / to_galois(degree_six, a))
        assert field.extension_inverse(a).tolist() == expected


@pytest.mark.parametrize("count", [1, 50])
def test_inverse_differences_are_inverses_of_differences(count: int) -> None:
    points = np.random.default_rng(count).integers(0, P, count, dtype=np.uint64)
    points[: len(EDGES)] = EDGES[:count]
    for z in sample(40)[-3:]:
        differences = field.subtract(field.lift(points), np.broadcast_to(z, (count, DEGREE)))
        expected = field.extension_inverse(differences)
        assert np.array_equal(field.inverse_differences(points, z), expected)


def test_matrix_products_do_not_overflow() -> None:
    terms = 2**15  # the most that are allowed, each as large as it may be
    a = np.full((1, terms), P - 1, dtype=np.uint64)
    b = np.full((terms, 1), 2**32 - 1, dtype=np.uint64)
    assert field.matrix_product(a, b).tolist() == [[terms * (P - 1) * (2**32 - 1) % P]]
    with pytest.raises(ValueError, match="overflow"):
        field.matrix_product(
            np.zeros((1, terms + 1), np.uint64), np.zeros((terms + 1, 1), np.uint64)
        )
    a, b = sample(30)[:4], sample(31)[:DEGREE]
    expected = [
        [sum(int(x) * int(y) for x, y in zip(row, column, strict=True)) % P for column in b.T]
        for row in a
    ]
    assert field.matrix_product(a, b).tolist() == expected


def test_multiplication_matrices_multiply() -> None:
    elements = sample(20)
    matrices = field.multiplication_matrix(elements)
    assert matrices.shape == (20, DEGREE, DEGREE)
    assert int(matrices.max()) < 2**32
    rows = field.matrix_product(elements, matrices[4])
    assert np.array_equal(rows, field.extension_multiply(elements, elements[4]))


def test_extension_power_agrees_with_galois(degree_six: Any) -> None:
    point = sample(20)[-1]
    for exponent in (0, 1, 2, 9, 2**20 - 69, P):
        expected = from_galois(to_galois(degree_six, point) ** exponent)
        assert field.extension_power(point, exponent).tolist() == expected


@LAWS
@given(EXTENSION, EXTENSION, EXTENSION)
def test_ring_laws(a: Array, b: Array, c: Array) -> None:
    multiply, add = field.extension_multiply, field.add
    assert np.array_equal(multiply(a, b), multiply(b, a))
    assert np.array_equal(multiply(multiply(a, b), c), multiply(a, multiply(b, c)))
    assert np.array_equal(multiply(a, add(b, c)), add(multiply(a, b), multiply(a, c)))
    assert np.array_equal(add(field.subtract(a, b), b), a)
    assert np.array_equal(multiply(a, field.extension(1)), a)


@LAWS
@given(EXTENSION)
def test_inverse_undoes_every_nonzero_element(a: Array) -> None:
    if a.any():
        product = field.extension_multiply(a, field.extension_inverse(a))
        assert np.array_equal(product, field.extension(1))


@settings(max_examples=15, deadline=None)
@given(EXTENSION, st.integers(1, 6))
def test_frobenius_is_the_power_p(a: Array, times: int) -> None:
    powered = a
    for _ in range(times):
        powered = field.extension_power(powered, P)
    assert np.array_equal(field.frobenius(a, times), powered)
    if times == DEGREE:
        assert np.array_equal(powered, a)


@LAWS
@given(EXTENSION)
def test_norms_and_traces_land_in_the_subfields_that_are_refused(a: Array) -> None:
    # a + a^(p^2) + a^(p^4) is fixed by p^2, so it lies in F_p^2; likewise for F_p^3 and F_p
    conjugates = [field.frobenius(a, k) for k in range(DEGREE)]
    quadratic = (conjugates[0] + conjugates[2] + conjugates[4]) % np.uint64(P)
    cubic = (conjugates[0] + conjugates[3]) % np.uint64(P)
    assert field.in_proper_subfield(quadratic)
    assert field.in_proper_subfield(cubic)
    assert field.in_proper_subfield(field.extension(int(a[0])))


def test_subfields_are_exactly_the_fixed_elements() -> None:
    x = field.extension(0)
    x[1] = 1
    x_cubed = field.extension_power(x, 3)  # a third root of unity: in F_p^2, as 3 divides p^2 - 1
    assert field.in_proper_subfield(x_cubed)
    assert not field.in_proper_subfield(x)
    assert not any(field.in_proper_subfield(a) for a in sample(40)[-20:])


def test_products_dots_and_lifts_over_arrays() -> None:
    elements, others = sample(21), sample(22)[:21]
    expected, total = field.extension(1), field.extension(0)
    for a, b in zip(elements[3:], others[3:], strict=True):
        expected = field.extension_multiply(expected, a)
        total = field.add(total, field.extension_multiply(a, b))
    assert np.array_equal(field.extension_product(elements[3:]), expected)  # 18 factors
    assert np.array_equal(field.extension_product(elements[5:6]), elements[5])
    assert np.array_equal(field.extension_dot(elements[3:], others[3:]), total)
    lifted = field.lift(words(*EDGES))
    assert np.array_equal(lifted[:, 0], words(*EDGES))
    assert not lifted[:, 1:].any()


def test_extension_multiply_broadcasts() -> None:
    elements = sample(20)
    table = field.extension_multiply(elements[:, None], elements[None, :4])
    assert table.shape == (20, 4, DEGREE)
    assert np.array_equal(table[7, 2], field.extension_multiply(elements[7], elements[2]))
