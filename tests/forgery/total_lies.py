"""Lies about totals: signs, windows, quotients and remainders, variance and capability."""

from __future__ import annotations

from collections.abc import Callable

from circuits.field import P, inverse
from circuits.schema import Schema
from tests.circuits.logs import channel
from tests.forgery.following import Lie
from tests.forgery.sheet import Sheet
from tests.forgery.told import LAST, Told, contract

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

# 10 steps too few
SHORT = contract("sum(a * dt) >= 29.35")


def _wild_carry() -> Lie:
    """A carry modulo p that leaves the limb within its bits and makes the top seem positive."""
    names = SHORT.circuit.columns
    width = sum(name.startswith(f"{ALONE} limb 0 bits") for name in names)
    reach = 1 << sum(name.startswith(f"{ALONE} sign bits") for name in names)
    limb = (1 << width) - 10
    for other in range(1 << width):
        more = (limb - other) * inverse(1 << width) % P
        if 0 < more <= reach:
            carries = {(ALONE, 0, LAST): more}
            return Lie(carries=carries, wild=f"{ALONE} carry 0 bits[3]")
    raise ValueError("no limb fits")


SIGN_LIES = (
    Told(f"{ALONE} sign", SHORT, lambda: Lie(totals={0: 1})),
    Told(f"{ALONE} sign", contract("any(a == 7)"), lambda: Lie(totals={0: 0})),
    Told(
        f"{ALONE} sign bits[3] boolean",
        SHORT,
        lambda: Lie(totals={0: 1}, wild=f"{ALONE} sign bits[3]"),
    ),
    Told(f"{ALONE} limb 0 adds", SHORT, lambda: Lie(added={(f"{ALONE} limb 0 adds", 6): 10})),
    Told(f"{ALONE} limb 1 adds", SHORT, lambda: Lie(added={(f"{ALONE} limb 1 adds", 6): 1})),
    Told(f"{ALONE} limb 1 starts", SHORT, lambda: Lie(cell(f"{ALONE} top", 0, 0))),
    # the last limb below 0, and one more carried
    Told(
        f"{ALONE} limb 0 bits[5] boolean",
        SHORT,
        lambda: Lie(carries={(ALONE, 0, LAST): 1}, wild=f"{ALONE} limb 0 bits[5]"),
    ),
    Told(f"{ALONE} carry 0 bits[3] boolean", SHORT, _wild_carry),
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
    Told(
        f"{W} sign bits[2] boolean",
        NINE,
        lambda: Lie(cell(f"{W} holds[0]", 9, 1), wild=f"{W} sign bits[2]"),
    ),
    Told(f"{W} holds[0] boolean", NINE, lambda: Lie(_half_windows)),
    # the third window's total goes on into the fourth
    Told(f"{W} limb 0 adds", NINE, lambda: Lie(kept=frozenset({(W, 7)}))),
    # one more where nothing is added any more
    Told(f"{W} limb 0 adds", LONG, lambda: Lie(added={(f"{W} limb 0 adds", 2): 10})),
    Told(f"{W} limb 0 starts", TWENTY_TWO, lambda: Lie(cell(f"{W} top", 0, -21))),
    Told(
        f"{W} limb 0 bits[7] boolean",
        LONG,
        lambda: Lie(carries={(W, 0, 2): 1}, wild=f"{W} limb 0 bits[7]"),
    ),
)

# sum(a * b) is 318, with 7 from before: 32 and 5 left over
TENS = contract("rounded(sum(a * b), 10)", before={"rounded(sum(a * b), 10)": 7}, opens=False)
TENS_NAME = "rounded(sum(a * b), 10)"
# 31.8 + 1.5
FLOOR = contract("floor(sum(a * b) / 10 + 1.5)")
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
    width = sum(name.startswith(f"{M} room 0") for name in COARSE.circuit.columns)
    left_over = 180 * (2**24 - 100)
    room = P + (step - 1 - left_over)
    borrow = (step - 1 >> width) - (left_over >> width) - (room >> width)

    def tell(sheet: Sheet) -> None:
        sheet.set(f"{M} borrow 0[0]", sheet.last, borrow)

    return Lie(tell, totals={0: 0})


ROUNDED_LIES = (
    # the remainder 15: no less than the step
    Told(f"{M} top room", TENS, lambda: Lie(totals={0: 31})),
    Told(
        f"{M} top room[1] boolean",
        TENS,
        lambda: Lie(totals={0: 31}, wild=f"{M} top room[1]"),
    ),
    # the remainder -5
    Told(f"{M} top", TENS, lambda: Lie(totals={0: 33})),
    Told(f"{M} top[2] boolean", TENS, lambda: Lie(totals={0: 33}, wild=f"{M} top[2]")),
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
    Told(
        f"{M} room 0[3] boolean",
        LIMBS,
        lambda: Lie(_no_borrow(0), totals={0: 2}, wild=f"{M} room 0[3]"),
    ),
    Told(f"{M} borrow 0[0] boolean", COARSE, _wild_borrow),
    # the remainder -160, all of it in the lowest limb
    Told(
        f"{ALONE} limb 0 bits[4] boolean",
        NEARLY,
        lambda: Lie(totals={0: 4}, carries={(ALONE, 0, LAST): 1}, wild=f"{ALONE} limb 0 bits[4]"),
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
    Told(f"{N} limb 0 starts", VARIANCE, lambda: Lie(_start(f"{N} limb 0 bits", 24))),
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
    return lambda sheet: sheet.spell(sheet.bits(stem), 0, value)


# mean 7.3, standard deviation 4.15: only the upper limit is too near
NEAR_HIGH = contract("cpk(b, 1, 13.5) >= 0.5")
# the mean is below the lower limit
BELOW_LOW = contract("cpk(b, 8, 13.5) >= 0.01")
SQUARE, SIDE = f"{ALONE} high square", f"{ALONE} low side"

SPREAD_LIES = (
    Told(f"{SQUARE} sign", NEAR_HIGH, lambda: Lie(cell(f"{SQUARE} holds[0]", LAST, 1))),
    Told(
        f"{SQUARE} sign bits[9] boolean",
        NEAR_HIGH,
        lambda: Lie(cell(f"{SQUARE} holds[0]", LAST, 1), wild=f"{SQUARE} sign bits[9]"),
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
