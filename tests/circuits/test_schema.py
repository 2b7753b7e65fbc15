"""The schema: how records fill blocks, and a digest that names it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from circuits.schema import Channel, Schema
from tests.circuits.logs import channel


def schema(count: int, period_ms: int | None = None) -> Schema:
    return Schema(tuple(channel(f"c{k}") for k in range(count)), period_ms)


@pytest.mark.parametrize(
    ("count", "period_ms", "width", "per_block"),
    [
        (1, 100, 1, 8),
        (2, 100, 2, 4),
        (3, 100, 4, 2),
        (4, 100, 4, 2),
        (5, 100, 8, 1),
        (8, 100, 8, 1),
        (1, None, 2, 4),
        (3, None, 4, 2),
        (4, None, 8, 1),
        (7, None, 8, 1),
    ],
)
def test_widths(count: int, period_ms: int | None, width: int, per_block: int) -> None:
    made = schema(count, period_ms)
    assert (made.width, made.records_per_block) == (width, per_block)
    assert made.elements == count + (period_ms is None)


def test_positions() -> None:
    made = schema(3)
    assert [made.position(name) for name in ("c0", "c2", "dt_ms")] == [0, 2, 3]
    with pytest.raises(KeyError):
        made.position("c3")
    with pytest.raises(KeyError):
        schema(3, 100).position("dt_ms")  # implied, so not recorded


def test_the_highest_code_is_kept_for_a_missed_sample() -> None:
    assert [channel(bits=bits).maximum_raw for bits in (1, 8, 24)] == [0, 254, 2**24 - 2]


def test_the_digest_depends_on_every_field() -> None:
    base = Channel("flow", "L/min", 18, Fraction(1, 1000), Fraction(0))
    other = Channel("pressure", "bar", 12, Fraction(1, 100), Fraction(-1))
    schemas = [
        Schema((base,)),
        Schema((base,), 100),
        Schema((base,), 101),
        Schema((replace(base, name="flux"),)),
        Schema((replace(base, unit="L/s"),)),
        Schema((replace(base, bits=17),)),
        Schema((replace(base, scale=Fraction(1, 100)),)),
        Schema((replace(base, offset=Fraction(1, 1000)),)),
        Schema((replace(base, offset=Fraction(-1, 1000)),)),
        Schema((base, other)),
        Schema((other, base)),
    ]
    assert len({made.digest() for made in schemas}) == len(schemas)
    assert Schema((replace(base, scale=Fraction("0.0010")),)).digest() == schemas[0].digest()
