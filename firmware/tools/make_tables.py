"""Writes ``poseidon_tables.h``: the constants of ``firmware/src/poseidon.c``, from ``circuits/``.

The C code sums signed products in 64 bits and reduces late. That it never overflows depends on the
very numbers in these tables, so their bounds are worked out here, exactly, and a table that could
overflow is not written.

Notation, as in the C code: R = 2^32. Integers are held times a scale, which differs from round to
round and costs nothing since every table absorbs it. ``reduce`` divides by R modulo p (Montgomery),
``fold`` replaces the upper word h by h * (2^25 - 2), which is h * 2^32 modulo p.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from circuits.chain import ROLE_CONSTANTS
from circuits.field import GENERATOR, P, inverse
from circuits.poseidon import FULL_ROUNDS_EACH_SIDE, PARTIAL_ROUNDS, WIDTH
from circuits.poseidon_constants import MDS_FIRST_ROW, ROUND_CONSTANTS

HALF = WIDTH // 2
R = 2**32
FOLD = R % P
INT32, INT64 = 2**31, 2**63
_LAST = FULL_ROUNDS_EACH_SIDE - 1  # the full round whose matrix goes into the partial rounds
_AFTER = FULL_ROUNDS_EACH_SIDE + PARTIAL_ROUNDS

Vector = list[int]


class Unsafe(Exception):
    """A bound does not hold: the table would let the C code overflow."""


def require(bound: int, limit: int, what: str) -> int:
    """``bound`` if it is below ``limit``; ``Unsafe`` otherwise."""
    if bound >= limit:
        raise Unsafe(f"{what}: magnitudes up to {bound}, must stay below {limit}")
    return bound


def folded(bound: int) -> int:
    """The largest magnitude after ``fold`` of a sum of magnitude ``bound``."""
    return R - 1 + (bound // R + 1) * FOLD


def reduced(bound: int, what: str) -> int:
    """The largest magnitude after ``reduce``; the sum inside it must fit too."""
    return require(bound + INT32 * P, INT64, what) // R + 1


def weight(coefficients: Iterable[int]) -> int:
    """What a sum of products is at most, per unit of the largest factor."""
    return sum(abs(c) for c in coefficients)


def centred(value: int) -> int:
    """The representative of ``value`` modulo p in -(p-1)/2..(p-1)/2."""
    return (value + P // 2) % P - P // 2


def scaled(values: Iterable[int], scale: int) -> Vector:
    """Every value times ``scale``, centred."""
    return [centred(value * scale) for value in values]


def cyclic(a: Sequence[int], b: Sequence[int]) -> Vector:
    """The first row of the product of two circulant matrices, given their first rows."""
    return [sum(a[i] * b[(j - i) % WIDTH] for i in range(WIDTH)) % P for j in range(WIDTH)]


def times(row: Sequence[int], vector: Sequence[int]) -> Vector:
    """The circulant matrix with first row ``row``, times ``vector``."""
    return [sum(row[(j - i) % WIDTH] * vector[j] for j in range(WIDTH)) % P for i in range(WIDTH)]


def halves(row: Sequence[int]) -> tuple[Vector, Vector]:
    """A circulant of 16 as one of x^8 - 1 and one of x^8 + 1, each as its 15 diagonals.

    Output k of a part is the sum over i of diagonal[7 - k + i] * input[i].
    """
    both = [row[m] + row[m + HALF] for m in range(HALF)]
    apart = [row[m] - row[m + HALF] for m in range(HALF)]
    return both[1:] + both, [-value for value in apart[1:]] + apart


def root(value: int, power: int) -> int:
    """A solution of x^power = value modulo p; ``power`` is odd and prime to p - 1, or 4."""
    if power != 4:
        return pow(value, pow(power, -1, P - 1), P)
    # p - 1 = 2^24 * 127: take the root in the odd part, then among the 2^24-th roots of unity
    guess = pow(value, pow(4, -1, 127), P)
    error = value * inverse(pow(guess, 4, P)) % P
    unit = pow(GENERATOR, 127, P)
    exponent = 0
    for bit in range(24):
        rest = error * inverse(pow(unit, exponent, P)) % P
        if pow(rest, 2 ** (23 - bit), P) != 1:
            exponent += 2**bit
    if exponent % 4:
        raise Unsafe("no fourth root: the shared table of the partial rounds cannot exist")
    return guess * pow(unit, exponent // 4, P) % P


class Tables:
    """Every table by its name in C, in order of appearance, with the bounds proven."""

    def __init__(self, first_row: Sequence[int] = MDS_FIRST_ROW) -> None:
        self.row = list(first_row)
        self.made: dict[str, Vector] = {}
        self.cube = self._cube_bound()
        self._scales()
        self._entry()
        self._full_rounds()
        self._partial_rounds()

    def _cube_bound(self) -> int:
        """What a cube is at most, for any signed 32-bit input; two of them must add in 32 bits."""
        square = reduced(INT32**2, "square")
        cube = reduced(folded(require(square * INT32, INT64, "cube")), "folded cube")
        require(2 * cube, INT32, "sum of two cubes")
        return cube

    def _scales(self) -> None:
        """``state[n]``: the scale of what enters full round n; ``mixed``: of round 3's cubes."""
        step = 2 * inverse(R**3 % P) % P  # two reductions in a cube, one in the matrix, not halved
        first = [1]
        while len(first) <= _LAST:
            first.append(first[-1] ** 3 * step % P)
        self.mixed = first[-1] ** 3 * inverse(R * R % P) % P
        last = [R]  # what leaves is reduced once more, to scale 1
        while len(last) <= FULL_ROUNDS_EACH_SIDE:
            last.append(root(last[-1] * inverse(step) % P, 3))
        self.state = dict(enumerate(first)) | {
            _AFTER + n: scale for n, scale in enumerate(reversed(last))
        }
        # inside the partial rounds; chosen so that one table serves into them and out of them
        self.inner = root(self.state[_AFTER] * self.mixed * R * R % P, 4)
        self.delta = self.inner**3 * inverse(R * R % P) % P

    def _put(self, name: str, values: Vector) -> None:
        require(max(abs(value) for value in values), INT32, name)
        self.made[name] = values

    def _entry(self) -> None:
        """Constants of round 0 with the role's, in -p..-1: input plus constant is within p."""
        first = list(ROUND_CONSTANTS[0])
        roles: Vector = []
        for constants in ROLE_CONSTANTS.values():  # in the order of zkm_role
            roles += [(a + int(b)) % P - P for a, b in zip(first[:HALF], constants, strict=True)]
        self._put("ENTRY_ROLES", roles)
        self._put("ENTRY", [value - P for value in first])

    def _full_rounds(self) -> None:
        """The matrix as two halves of eight; after it, the constants of the next round."""
        both, apart = halves(self.row)
        self._put("MATRIX_BOTH", both)
        self._put("MATRIX_APART", apart)
        for name, diagonals in (("both", both), ("apart", apart)):
            largest = max(weight(diagonals[k : k + HALF]) for k in range(HALF))
            part = reduced(largest * 2 * self.cube + INT32, f"matrix, {name}")
            require(2 * part, INT32, "state after a full round")
        half = inverse(2)
        for name, start in (("FIRST", 0), ("LAST", _AFTER)):
            words: Vector = []
            for number in range(start + 1, start + FULL_ROUNDS_EACH_SIDE):
                constants = scaled(ROUND_CONSTANTS[number], self.state[number] * R * half)
                pairs = list(zip(constants[:HALF], constants[HALF:], strict=True))
                words += [centred(a + b) for a, b in pairs] + [centred(a - b) for a, b in pairs]
            self._put(f"{name}_CONSTANTS", words + [0] * (WIDTH if start else 0))

    def _partial_rounds(self) -> None:
        """Element 0 in every partial round, and the state after them, as sums of products.

        With s the cubes of round 3, d_j what the S-box of partial round j adds to its input y_j,
        and m(k) the first row of the matrix to the power k (0-based rounds, M^0 = 1):
            y_r   = (m(r + 1) . s) + sum_{j < r} m(r - j)[0] d_j + constant
            state = M^21 s + sum_j M^(20 - j) e_0 d_j + constants
        """
        powers = [[1] + [0] * (WIDTH - 1)]
        for _ in range(PARTIAL_ROUNDS + 1):
            powers.append(cyclic(powers[-1], self.row))
        after = self.state[_AFTER]
        shared = self.inner * inverse(self.mixed) * R % P  # = after / delta * R
        rows = [scaled(powers[k + 1], shared) for k in range(PARTIAL_ROUNDS)]
        self._put("POWERS", [value for row in rows for value in row])
        # newest delta last; zeros stand where the C code multiplies deltas that are still zero
        newest_first = [powers[k][0] for k in range(1, PARTIAL_ROUNDS)]
        to_input = scaled(newest_first[::-1], self.inner * inverse(self.delta) * R)
        self._put("DELTA_TO_INPUT", to_input + [0] * (HALF - 1))
        self._put("DELTA_LINEAR", [centred(-self.inner * self.inner * inverse(R))])
        constants, rest = self._partial_constants()
        self._put("PARTIAL_CONSTANTS", scaled(constants, self.inner))
        self._put("AFTER_CONSTANTS", scaled(rest, after))
        both, apart = halves(scaled(powers[-1], 1))
        scale = after * inverse(self.mixed) * R * inverse(2)
        self._put("AFTER_BOTH", scaled(both, scale))
        self._put("AFTER_APART", scaled(apart, scale))
        self._prove_partial(rows)

    def _partial_constants(self) -> tuple[Vector, Vector]:
        """What the constants of rounds 4 to 24 add up to: per y_r, and in the state after."""
        total = [0] * WIDTH
        seen: Vector = []
        for number in range(FULL_ROUNDS_EACH_SIDE, _AFTER):
            total = [(a + b) % P for a, b in zip(total, ROUND_CONSTANTS[number], strict=True)]
            seen.append(total[0])
            total = times(self.row, total)
        return seen, [a + b for a, b in zip(total, ROUND_CONSTANTS[_AFTER], strict=True)]

    def _prove_partial(self, rows: list[Vector]) -> None:
        """Eight products between folds; four where the factors are sums of two cubes."""
        linear = abs(self.made["DELTA_LINEAR"][0])
        cubed = (reduced(INT32**2, "square") + linear) * INT32
        delta = reduced(folded(require(cubed, INT64, "delta")), "folded delta")

        def products(start: int, coefficients: Sequence[int], factor: int, size: int = HALF) -> int:
            """Sums of ``size`` products, each folded, from ``start``."""
            for at in range(0, len(coefficients), size):
                more = weight(coefficients[at : at + size]) * factor
                start = folded(require(start + more, INT64, "sum of products"))
            return start

        to_input = self.made["DELTA_TO_INPUT"]
        for r, row in enumerate(rows):
            bound = products(0, row, self.cube)
            bound = products(bound, to_input[PARTIAL_ROUNDS - 1 - r :][:r], delta)
            bound = reduced(bound, "partial round") + abs(self.made["PARTIAL_CONSTANTS"][r])
            require(bound, INT32, "input of a partial round")
        for i in range(HALF):
            start = 0
            for name in ("AFTER_BOTH", "AFTER_APART"):
                diagonals = self.made[name][HALF - 1 - i :][:HALF]
                start += products(0, diagonals, 2 * self.cube, HALF // 2)
            for lane in (i, i + HALF):
                column = [row[-lane % WIDTH] for row in reversed(rows)]
                bound = reduced(products(start, column, delta), "state after")
                bound += abs(self.made["AFTER_CONSTANTS"][lane])
                require(bound, INT32, "state after the partial rounds")

    def header(self) -> str:
        """The C header, 120 columns at most."""
        lines = [
            "/* Made by firmware/tools/make_tables.py from circuits/; bounds proven there. */",
            "#ifndef ZKM_POSEIDON_TABLES_H",
            "#define ZKM_POSEIDON_TABLES_H",
            "#include <stdint.h>",
        ]
        for name, values in self.made.items():
            lines.append(f"static const int32_t {name}[{len(values)}] = {{")
            for at in range(0, len(values), HALF):
                lines.append("    " + " ".join(f"{value}," for value in values[at : at + HALF]))
            lines.append("};")
        return "\n".join([*lines, "#endif", ""])


def main(arguments: list[str]) -> int:
    """``make_tables.py OUTPUT``: 0, or 1 with one line when a bound does not hold."""
    (output,) = arguments
    try:
        text = Tables().header()
    except Unsafe as problem:
        sys.stderr.write(f"make_tables: {problem}\n")
        return 1
    path = Path(output)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
