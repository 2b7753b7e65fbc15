"""Lies about totals: signs, windows, quotients and remainders, variance and capability."""

from __future__ import annotations

from collections.abc import Callable

from circuits.field import P, inverse
from circuits.schema import Schema
from tests.circuits.logs import channel
from tests.forgery.claims import Contract
from tests.forgery.following import Lie
from tests.forgery.sheet import Sheet
from tests.forgery.told import LAST, Told, contract, out_of_range

ALONE = "outcome 0"


def cell(name: str, row: int | slice, value: int) -> Callable[[Sheet], None]:
    """One cell of a column, or several."""
    return lambda sheet: sheet.set(name, row, value)


# sum(a * dt) is 29.34
EXACT = contract("sum(a * dt)")
EXACT_LIES = (
    Told(f"{ALONE} limb 0 adds", EXACT, lambda: Lie(added={(f"{ALONE} limb 0 adds", 6): 1})),
    Told(f"{ALONE} limb 1 adds", EXACT, lambda: Lie(added={(f"{ALONE} limb 1 adds", 6): 1})),
    Told(f"{ALONE} limb 1 starts", EXACT, lambda: Lie(cell(f"{ALONE} top", 0, 1))),
    Told(f"{ALONE} limb 0 is public", EXACT, lambda: Lie(totals={0: 29_341})),
    Told(f"{ALONE} limb 1 is public", EXACT, lambda: Lie(totals={0: 29_340 + (1 << 21)})),
)

# 10 steps too few, and just enough
SHORT = contract("sum(a * dt) >= 29.35")
REACHED = contract("sum(a * dt) >= 29.34")
LIMB, CARRY, SIGN = (f"{ALONE} {what} digits" for what in ("limb 0", "carry 0", "sign"))


def _wild_carry() -> Lie:
    """A carry modulo p that leaves the limb within its bits and makes the top seem positive."""
    width, reach = 21, 1 << 27  # of the limb, and of the sign
    limb = (1 << width) - 10
    for other in range(1 << width):
        more = (limb - other) * inverse(1 << width) % P
        if 0 < more <= reach:
            return Lie(carries={(ALONE, 0, LAST): more})
    raise ValueError("no limb fits")


def _heavy(bits: int, above: int) -> Contract:
    """Three full rows of eight great readings, and this much more than the limit."""
    reading = (1 << bits) - 100
    return contract(
        f"sum(a) >= {24 * reading - above}",
        schema=Schema((channel("a", bits),), 100),
        windows=(((reading,),) * 24,),
    )


# limbs of 19 and 20 bits
ODD_LIMB, ODD_LIMB_FULL, EVEN_LIMB = _heavy(23, 5), _heavy(23, 5 + (1 << 18)), _heavy(24, 5)


def _kept_back() -> Lie:
    """One less carried at last: it stays in the limb, and the top seems negative."""
    return Lie(carries={(ALONE, 0, 2): -1, (ALONE, 0, 3): -1})


SIGN_LIES = (
    Told(f"{ALONE} sign", SHORT, lambda: Lie(totals={0: 1})),
    Told(f"{ALONE} sign", contract("any(a == 7)"), lambda: Lie(totals={0: 0})),
    *out_of_range(SHORT, SIGN, lambda: Lie(totals={0: 1}), digits=[0, 3], bits=[13]),
    # not negative, and 2^27 more: 2 in the last one
    *out_of_range(REACHED, SIGN, lambda: Lie(totals={0: 0}), digits=[12], bits=[13]),
    Told(f"{ALONE} limb 0 adds", SHORT, lambda: Lie(added={(f"{ALONE} limb 0 adds", 6): 10})),
    Told(f"{ALONE} limb 1 adds", SHORT, lambda: Lie(added={(f"{ALONE} limb 1 adds", 6): 1})),
    Told(f"{ALONE} limb 1 starts", SHORT, lambda: Lie(cell(f"{ALONE} top", 0, 0))),
    # the last limb below 0, and one more carried
    *out_of_range(
        SHORT, LIMB, lambda: Lie(carries={(ALONE, 0, LAST): 1}), digits=[0, 5], bits=[10]
    ),
    # the last limb above its bits: 2, 3 and 4 in the highest place
    *out_of_range(ODD_LIMB, LIMB, _kept_back, bits=[9], turns=[0]),
    *out_of_range(ODD_LIMB_FULL, LIMB, _kept_back, bits=[9], turns=[0]),
    *out_of_range(EVEN_LIMB, LIMB, _kept_back, digits=[4, 9], turns=[0]),
    *out_of_range(SHORT, CARRY, _wild_carry, digits=[2], bits=[3], turns=[0]),
)

# sum(a): 21 | 0 | 12 | 6
W = f"{ALONE} windows"
NINE, TWENTY_TWO = contract("windows(sum(a) >= 9)"), contract("windows(sum(a) >= 22)")
# sum(a * dt): 11.94 | 0 | 15.6 | 1.8
LONG = contract("windows(sum(a * dt) >= 11.95)")


def _half_windows(sheet: Sheet) -> None:
    """Two windows counted by one half each, modulo p."""
    for row in (3, 7):
        sheet.set(f"{W} holds[0]", row, inverse(2))


WINDOW_LIES = (
    Told(f"{W} sign", NINE, lambda: Lie(cell(f"{W} holds[0]", 9, 1))),
    Told(f"{W} sign", NINE, lambda: Lie(cell(f"{W} holds[0]", 3, 0))),
    *out_of_range(
        NINE, f"{W} sign digits", lambda: Lie(cell(f"{W} holds[0]", 9, 1)), digits=[0, 2, 11]
    ),
    # 12 is not negative: 4 in the highest place
    *out_of_range(
        NINE, f"{W} sign digits", lambda: Lie(cell(f"{W} holds[0]", 7, 0)), digits=[11], turns=[0]
    ),
    Told(f"{W} holds[0] boolean", NINE, lambda: Lie(_half_windows)),
    # the third window's total goes on into the fourth
    Told(f"{W} limb 0 adds", NINE, lambda: Lie(kept=frozenset({(W, 7)}))),
    # one more where nothing is added any more
    Told(f"{W} limb 0 adds", LONG, lambda: Lie(added={(f"{W} limb 0 adds", 2): 10})),
    Told(f"{W} limb 0 starts", TWENTY_TWO, lambda: Lie(cell(f"{W} top", 0, -21))),
    *out_of_range(
        LONG, f"{W} limb 0 digits", lambda: Lie(carries={(W, 0, 2): 1}), digits=[7], bits=[10]
    ),
)

# sum(a * b) is 318, with 7 from before: 32 and 5 left over
TENS = contract("rounded(sum(a * b), 10)", before={"rounded(sum(a * b), 10)": 7}, opens=False)
TENS_NAME = "rounded(sum(a * b), 10)"
# 31.8 + 1.5
FLOOR = contract("floor(sum(a * b) / 10 + 1.5)")
# 318 + 4: 2 left over
FIVES = contract("floor(sum(a * b) / 5 + 0.8)")
# 249840 / 83000: 3 and 840 left over; 82999 and 83840 differ in the lowest limb only
LIMBS = contract("floor(sum(a * b * dt) / 83)")
# 249840 / 62500: 3 and 62340 left over
NEARLY = contract("floor(sum(a * b * dt) / 62.5)")
M = f"{ALONE} remainder"
# 3.01e9 / 3e9, the step above p
COARSE = contract(
    "floor(sum(a) / 3000000000)",
    schema=Schema((channel("a", 24),), 100),
    windows=(((2**24 - 100,),) * 180,),
)


def _no_borrow(limb: int) -> Callable[[Sheet], None]:
    return lambda sheet: sheet.set(f"{M} borrow {limb}[0]", sheet.last, 0)


def _wild_borrow() -> Lie:
    """The quotient one less: p and what is left over are spelled together by the limbs' rooms."""
    step = COARSE.circuit.outcomes[0].step
    width = COARSE.circuit.outcomes[0].limbs[0].width or 0
    left_over = 180 * (2**24 - 100)
    room = P + (step - 1 - left_over)
    borrow = (step - 1 >> width) - (left_over >> width) - (room >> width)

    def tell(sheet: Sheet) -> None:
        sheet.set(f"{M} borrow 0[0]", sheet.last, borrow)

    return Lie(tell, totals={0: 0})


ROUNDED_LIES = (
    # the remainder 15: no less than the step
    Told(f"{M} top room", TENS, lambda: Lie(totals={0: 31})),
    *out_of_range(TENS, f"{M} top room", lambda: Lie(totals={0: 31}), digits=[0, 1]),
    # the remainder -5
    Told(f"{M} top", TENS, lambda: Lie(totals={0: 33})),
    *out_of_range(TENS, f"{M} top", lambda: Lie(totals={0: 33}), digits=[0, 1]),
    # more left over from before, more added, less left over for the next claim
    Told("state before [0]", TENS, lambda: Lie(believed={TENS_NAME: 9})),
    Told(f"{ALONE} limb 0 adds", TENS, lambda: Lie(added={(f"{ALONE} limb 0 adds", 0): 5})),
    Told("state after [0]", TENS, lambda: Lie(left={0: 9})),
)

FLOOR_LIES = (
    Told(f"{ALONE} limb 0 starts", FLOOR, lambda: Lie(cell(f"{ALONE} top", 0, 22))),
    # a limb that is too large, borrowed for without saying so
    Told(f"{M} limb 0", LIMBS, lambda: Lie(_no_borrow(0), totals={0: 2})),
    Told(f"{M} limb 1", LIMBS, lambda: Lie(_no_borrow(1), totals={0: 2})),
    Told(f"{M} top room", LIMBS, lambda: Lie(totals={0: 2})),
    Told(f"{M} top", LIMBS, lambda: Lie(totals={0: 4})),
    *out_of_range(LIMBS, f"{M} room 0", lambda: Lie(_no_borrow(0), totals={0: 2}), digits=[3, 5]),
    *out_of_range(LIMBS, f"{M} room 1", lambda: Lie(_no_borrow(1), totals={0: 2}), bits=[6]),
    # the remainders 7 and -3
    *out_of_range(FIVES, f"{M} top room", lambda: Lie(totals={0: 63}), digits=[0], bits=[1]),
    *out_of_range(FIVES, f"{M} top", lambda: Lie(totals={0: 65}), digits=[0], bits=[1]),
    Told(f"{M} borrow 0[0] boolean", COARSE, _wild_borrow),
    # the remainder -160, all of it in the lowest limb
    *out_of_range(
        NEARLY,
        LIMB,
        lambda: Lie(totals={0: 4}, carries={(ALONE, 0, LAST): 1}),
        digits=[4, 5],
    ),
)

# n = 10, S = 39, Q = 199: n (7 n - 2 Q) + S * 2 S = -238
VARIANCE = contract("variance(a) <= 3.5")
N, S = f"{ALONE} times n", f"{ALONE} times s"

HELD_TOTAL_LIES = (
    # 7 n - 2 Q greater by 119 for the first two records
    Told(f"{N} limb 0 is constant", VARIANCE, lambda: Lie(cell(f"{N} limb 0 held", 0, 3887))),
    # greater by 24 for all ten
    Told(
        f"{N} limb 0 is held",
        VARIANCE,
        lambda: Lie(cell(f"{N} limb 0 held", slice(None), 3792)),
    ),
    Told(f"{N} limb 0 adds", VARIANCE, lambda: Lie(added={(f"{N} limb 0 adds", 0): 24})),
    Told(f"{N} limb 0 starts", VARIANCE, lambda: Lie(_start(f"{N} limb 0 digits", 24))),
    # 2 S greater by 7
    Told(
        f"{S} limb 0 is held",
        VARIANCE,
        lambda: Lie(cell(f"{S} limb 0 held", slice(None), 85)),
    ),
    Told(f"{S} limb 0 adds", VARIANCE, lambda: Lie(added={(f"{S} limb 0 adds", 9): 7})),
    Told(f"{ALONE} sign", VARIANCE, lambda: Lie(totals={0: 1})),
)


def _start(stem: str, value: int) -> Callable[[Sheet], None]:
    return lambda sheet: sheet.spell(stem, 0, value)


# mean 7.3, standard deviation 4.15: only the upper limit is too near
NEAR_HIGH = contract("cpk(b, 1, 13.5) >= 0.5")
# the mean is below the lower limit
BELOW_LOW = contract("cpk(b, 8, 13.5) >= 0.01")
SQUARE, SIDE = f"{ALONE} high square", f"{ALONE} low side"

SPREAD_LIES = (
    Told(f"{SQUARE} sign", NEAR_HIGH, lambda: Lie(cell(f"{SQUARE} holds[0]", LAST, 1))),
    *out_of_range(
        NEAR_HIGH,
        f"{SQUARE} sign digits",
        lambda: Lie(cell(f"{SQUARE} holds[0]", LAST, 1)),
        digits=[9],
        bits=[13],
    ),
    Told(f"{SIDE} sign", BELOW_LOW, lambda: Lie(cell(f"{SIDE} holds[0]", LAST, 1))),
    Told(f"{ALONE} side 0", BELOW_LOW, lambda: Lie(cell(f"{ALONE} low holds", LAST, 1))),
    Told(f"{ALONE} side 1", NEAR_HIGH, lambda: Lie(cell(f"{ALONE} high holds", LAST, 1))),
    Told(f"{ALONE} holds", NEAR_HIGH, lambda: Lie(totals={0: 1})),
    Told(
        f"{ALONE} holds",
        contract("cpk(b, 1, 13.5) >= 0.2"),
        lambda: Lie(totals={0: 0}),
    ),
)
