"""The Grain LFSR that makes Poseidon's round constants, from the paper's description alone.

ePrint 2019/458, appendix E: an 80-bit register seeded with the instance's parameters, 160 bits
discarded, then a self-shrinking output of which every run of n bits below p is a constant.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

TAPS = (62, 51, 38, 23, 13, 0)
DISCARDED_BITS = 160


def register_bits(
    *, field_type: int, exp_flag: int, n: int, t: int, full: int, partial: int
) -> Iterator[int]:
    """The raw output bits of the register after its warm-up."""
    fields = ((field_type, 2), (exp_flag, 4), (n, 12), (t, 12), (full, 10), (partial, 10))
    seed = "".join(f"{value:0{width}b}" for value, width in fields) + "1" * 30
    state = [int(bit) for bit in seed]
    produced = 0
    while True:
        bit = 0
        for tap in TAPS:
            bit ^= state[tap]
        state = [*state[1:], bit]
        produced += 1
        if produced > DISCARDED_BITS:
            yield bit


def shrunk(bits: Iterator[int]) -> Iterator[int]:
    """Bits in pairs: a pair that starts with 1 gives its second bit, another gives nothing."""
    for first in bits:
        second = next(bits)
        if first:
            yield second


def round_constants(p: int, *, n: int, t: int, full: int, partial: int) -> list[list[int]]:
    """(full + partial) rows of t field elements, for a prime field and the S-box x^alpha."""
    bits = shrunk(register_bits(field_type=1, exp_flag=0, n=n, t=t, full=full, partial=partial))

    def elements() -> Iterator[int]:
        while True:
            value = int("".join(str(bit) for bit in islice(bits, n)), 2)
            if value < p:
                yield value

    source = elements()
    return [list(islice(source, t)) for _ in range(full + partial)]
