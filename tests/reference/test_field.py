"""The reference verifier's arithmetic and hashing against galois and the shared vectors."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import galois
import pytest

from tests.reference.field import DEGREE, GENERATOR, ONE, Extension, P, root_of_unity
from tests.reference.hashing import permute

IRREDUCIBLE = "x^6 + x^3 + 1"


@cache
def sextic() -> Any:
    """E as galois builds it; "x" is primitive by name only, which no operation used here needs."""
    return galois.GF(P, 6, irreducible_poly=IRREDUCIBLE, primitive_element="x", verify=False)


def as_galois(element: Extension) -> Any:
    """The same element in galois, which writes the highest coefficient first."""
    return sextic().Vector(list(element.words)[::-1])


def from_galois(value: Any) -> Extension:
    """Back again."""
    return Extension.of([int(word) for word in value.vector()][::-1])


def test_modulus_is_irreducible() -> None:
    """By galois, and because p has order 6 modulo 9; x itself has order 9."""
    assert galois.is_prime(P)
    assert galois.Poly.Str(IRREDUCIBLE, field=galois.GF(P)).is_irreducible()
    assert min(k for k in range(1, 10) if pow(P, k, 9) == 1) == DEGREE
    x = Extension((0, 1, 0, 0, 0, 0))
    assert x**9 == ONE != x**3


def test_generator_and_roots() -> None:
    """3 generates the multiplicative group; w_24 has order 2^24."""
    assert galois.is_primitive_root(GENERATOR, P)
    assert pow(root_of_unity(24), 1 << 23, P) == P - 1
    assert root_of_unity(0) == 1


@pytest.mark.parametrize("seed", range(8))
def test_arithmetic_is_that_of_galois(seed: int) -> None:
    """Sum, difference, product, quotient, and the p-th power."""
    random = Random(seed)
    a, b = (Extension.of([random.randrange(P) for _ in range(DEGREE)]) for _ in range(2))
    ga, gb = as_galois(a), as_galois(b)
    assert from_galois(ga + gb) == a + b
    assert from_galois(ga - gb) == a - b
    assert from_galois(ga * gb) == a * b
    assert a * a.inverse() == ONE
    assert from_galois(gb * as_galois(a / b)) == a
    assert a.frobenius() == a**P


def test_subfields() -> None:
    """F_p, F_p^2 and F_p^3 are found; a generic element is in none of them."""
    assert Extension.base(5).in_subfield()
    x = Extension((0, 1, 0, 0, 0, 0))
    assert (x**3).in_subfield()  # of order 3: in F_p^2
    assert (x + x**8).in_subfield()  # fixed by x -> 1/x, the third power of Frobenius
    assert not x.in_subfield()


def test_poseidon_known_answer() -> None:
    """The shared vector's known answer."""
    path = Path(__file__).parent.parent / "vectors" / "poseidon_koalabear_16.json"
    answer = json.loads(path.read_text())["known_answer"]
    assert permute(answer["input"]) == answer["output"]
