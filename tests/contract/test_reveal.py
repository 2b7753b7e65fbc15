"""What of an outcome is given away, what it costs, and which terms go with it."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.checkpoint import Status
from circuits.errors import InputReason
from tests.contract.test_terms import PUMP, changed, refused
from verifier.contract import SignedContract, Terms
from verifier.contract.explain import contract_text, describe_contract

CONDITION = changed("sum(flow * dt_ms) / 60000", "all(flow <= 130)")
ONE_BIT = changed('reveal = "exact"', 'reveal = {at_least = "100"}')
SPAN = ("minimum_proven_bits = 120", "minimum_proven_bits = 120\nwindows_per_claim = 10")


@pytest.mark.parametrize("text", [CONDITION, ONE_BIT])
def test_what_does_not_add_up_needs_a_fixed_span(text: str) -> None:
    # else the operator would choose spans after seeing which of them hold
    refusal = refused(text)
    assert refusal.reason is InputReason.CONTRACT_FIELD
    assert refusal.message.startswith("contract.windows_per_claim: ")
    terms = Terms.from_toml(changed(*SPAN, text))
    assert not terms.circuit.outcomes[0].additive
    # the price is due once per claim in which it holds
    assert terms.cumulative_nanos((3,)) == 3 * 2_000_000


def test_at_least_gives_away_one_bit_and_is_signed() -> None:
    terms = Terms.from_toml(changed(*SPAN, ONE_BIT))
    assert terms.outcomes[0].compiled_formula == "(sum(flow * dt_ms) / 60000) >= 100"
    assert json.loads(terms.canonical)["outcomes"][0]["reveal"] == {"at_least": "100"}
    other = Terms.from_toml(changed(*SPAN, changed('"100"', '"101"', ONE_BIT)))
    assert other.digest != terms.digest
    assert other.circuit.identifier != terms.circuit.identifier
    below = Terms.from_toml(changed(*SPAN, changed('"100"', "-2.50", ONE_BIT)))
    assert below.outcomes[0].compiled_formula.endswith(">= -2.5")


@pytest.mark.parametrize(
    ("reveal", "what"),
    [
        ("{rounded = 5, at_least = 5}", "outcomes[0].reveal.at_least"),
        ("{rounded = 0}", "outcomes[0].reveal.rounded: expected more than 0"),
        ("{rounded = -1}", "outcomes[0].reveal.rounded: expected more than 0"),
        ('{rounded = "1/3"}', "outcomes[0].reveal.rounded"),
        ("{at_least = 5, more = 1}", "outcomes[0].reveal.more"),
        ("{at_least = true}", "outcomes[0].reveal.at_least"),
        ("{}", "outcomes[0].reveal.at_least"),
        ('"at_least"', "expected 'exact', 'amount', {at_least = x} or {rounded = u}"),
        ('"rounded"', "expected 'exact', 'amount', {at_least = x} or {rounded = u}"),
        ("5", "outcomes[0].reveal"),
    ],
)
def test_other_ways_to_reveal_are_refused(reveal: str, what: str) -> None:
    refusal = refused(changed('reveal = "exact"', f"reveal = {reveal}"))
    assert refusal.reason is InputReason.CONTRACT_FIELD
    assert what in refusal.message


def test_show_says_in_words_what_is_given_away() -> None:
    for text, words in (
        (PUMP, "one number, the exact value of sum(flow * dt_ms) / 60000 in L"),
        (changed(*SPAN, CONDITION), "one bit per claim: whether all(flow <= 130) holds"),
        (
            changed(*SPAN, ONE_BIT),
            "one bit per claim: whether sum(flow * dt_ms) / 60000 reaches 100",
        ),
    ):
        terms = Terms.from_toml(text)
        document = describe_contract(SignedContract(terms, text, None, None))
        shown = contract_text(document)
        assert words in shown
        assert "keeps private: " in shown
        assert document["outcomes"][0]["columns"] == document["columns"] - 149


ROUNDED = changed('reveal = "exact"', 'reveal = {rounded = "0.50"}')
AMOUNT = changed('reveal = "exact"', 'reveal = "amount"')


def test_rounded_and_amount_are_signed_and_compiled() -> None:
    rounded, amount = Terms.from_toml(ROUNDED), Terms.from_toml(AMOUNT)
    assert rounded.outcomes[0].compiled_formula == "rounded(sum(flow * dt_ms) / 60000, 0.5)"
    assert json.loads(rounded.canonical)["outcomes"][0]["reveal"] == {"rounded": "0.5"}
    written = amount.outcomes[0].compiled_formula
    assert written == "rounded(sum(flow * dt_ms) / 60000, 1 / 2000000)"
    assert json.loads(amount.canonical)["outcomes"][0]["reveal"] == "amount"
    identifiers = {terms.circuit.identifier for terms in (rounded, amount, Terms.from_toml(PUMP))}
    assert len(identifiers) == 3
    for terms in (rounded, amount):
        assert terms.circuit.state
        assert terms.circuit.outcomes[0].additive


@pytest.mark.parametrize("price", ["0.002", "0.0000000005", "7", "0.000000000000000001", "0.3"])
def test_an_amount_is_a_whole_number_of_nanos(price: str) -> None:
    terms = Terms.from_toml(changed('price = "0.002"', f'price = "{price}"', AMOUNT))
    for total in (0, 1, 12_345):
        assert terms.cumulative_nanos((total,)) == total
        assert terms.outcome_values((total,)) == (total / (Fraction(price) * 10**9),)


@pytest.mark.parametrize("price", ["", 'price = "0"'])
def test_an_amount_needs_a_price(price: str) -> None:
    refusal = refused(changed('price = "0.002"', price, AMOUNT))
    assert refusal.reason is InputReason.CONTRACT_FIELD
    assert refusal.message == "outcomes[0].reveal: 'amount' needs a price above 0"


@pytest.mark.parametrize("text", [ROUNDED, AMOUNT])
@pytest.mark.parametrize("formula", ["max(flow)", "all(flow <= 130)", "rounded(sum(flow), 5)"])
def test_what_does_not_add_up_is_not_rounded(text: str, formula: str) -> None:
    text = changed(*SPAN, changed("sum(flow * dt_ms) / 60000", formula, text))
    assert refused(text).reason is InputReason.FORMULA


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=20))
def test_a_price_that_is_due_once(totals: list[int]) -> None:
    # 60000 steps of a millilitre per minute and millisecond are a thousandth of a litre
    terms = Terms.from_toml(changed('price = "0.002"', 'price = "0.002"\nonce = true'))
    paid = total = 0
    for more in totals:
        paid += terms.amount_nanos((total,), (total + more,))
        total += more
        assert paid == terms.cumulative_nanos((total,))
    litres = terms.outcome_values((total,))[0]
    assert paid == min(2_000_000, litres * 2_000_000 // 1)


def test_a_bit_that_is_paid_once() -> None:
    text = changed('price = "0.002"', 'price = "5"\nonce = true', changed(*SPAN, CONDITION))
    terms = Terms.from_toml(text)
    assert [terms.cumulative_nanos((k,)) for k in range(4)] == [0, *[5 * 10**9] * 3]
    assert terms.amount_nanos((0,), (1,)) == 5 * 10**9
    assert terms.amount_nanos((1,), (2,)) == 0


@pytest.mark.parametrize("reveal", ['"amount"', "{rounded = 5}"])
def test_what_is_paid_once_does_not_go_on_revealing(reveal: str) -> None:
    text = changed('price = "0.002"', 'price = "0.002"\nonce = true')
    refusal = refused(changed('reveal = "exact"', f"reveal = {reveal}", text))
    assert refusal.message.startswith("outcomes[0].once: ")


@pytest.mark.parametrize(
    ("interval", "longest"),
    [("'06:00', '06:30'", 30), ("'00:00', '23:50'", 10), ("'22:00', '06:00'", 480)],
)
def test_no_window_is_longer_than_an_interval_of_the_day(interval: str, longest: int) -> None:
    # the start of a window decides for all of it, and a restart chooses the start
    text = changed("sum(flow * dt_ms) / 60000", f"sum(flow, where=time_of_day({interval}))")
    text = changed("_bits = 120", '_bits = 120\nrefuse_flags = ["clock_set"]', text)
    fits = changed("window_seconds = 60", f"window_seconds = {60 * longest}", text)
    assert Terms.from_toml(fits).window_seconds == 60 * longest
    refusal = refused(changed("window_seconds = 60", f"window_seconds = {60 * longest + 1}", text))
    assert refusal.message.startswith("contract.window_seconds: ")
    assert f"at most {60 * longest}" in refusal.message


def test_intervals_of_the_day_are_limited() -> None:
    def terms(intervals: int) -> str:
        each = [f"time_of_day('{k // 60:02}:{k % 60:02}', '12:00')" for k in range(intervals)]
        text = changed("_bits = 120", '_bits = 120\nrefuse_flags = ["clock_set"]')
        for first in range(0, intervals, 10):
            name, formula = f"part{first}", f"count({' | '.join(each[first : first + 10])})"
            text += f'[[outcomes]]\nname = "{name}"\nformula = "{formula}"\n'
            text += 'unit = "records"\nreveal = "exact"\n'
        return text

    assert len(Terms.from_toml(terms(64)).circuit.outcomes) == 8
    assert refused(terms(65)).message == "outcomes: more than 64 intervals of the day"


@pytest.mark.parametrize(
    "formula",
    [
        "sum(flow, where=time_of_day('06:00', '22:00'))",
        "tariff(flow, '00:00 0.5, 06:00 1, 22:00 0.5')",
        "count(time_of_day('06:00', '22:00') & (flow >= 3))",
    ],
)
def test_who_pays_by_the_clock_refuses_a_clock_that_was_set(formula: str) -> None:
    text = changed("sum(flow * dt_ms) / 60000", formula)
    refusal = refused(text)
    assert refusal.reason is InputReason.CONTRACT_FIELD
    assert refusal.message.startswith("contract.refuse_flags: ")
    other = changed("_bits = 120", '_bits = 120\nrefuse_flags = ["missed"]', text)
    assert refused(other).message == refusal.message
    listed = changed("_bits = 120", '_bits = 120\nrefuse_flags = ["missed", "clock_set"]', text)
    assert Status.CLOCK_SET in Terms.from_toml(listed).refuse_flags


def test_rows_of_state_take_their_place_in_a_claim() -> None:
    """Two commitments of two rows each: the longest window is four rows shorter."""
    periodic = changed('time = "datetime"', 'time = "datetime"\nperiod_ms = 1')
    periodic = changed("sum(flow * dt_ms) / 60000", "sum(flow)", periodic)
    rounded = changed('reveal = "exact"', "reveal = {rounded = 5}", periodic)
    assert Terms.from_toml(rounded).circuit.state_rows == 2
    for text, rows in ((periodic, 2**20 - 148 - 2 - 1), (rounded, 2**20 - 148 - 2 - 4 - 1)):
        seconds = rows * 8 // 1000
        changed_to = f"window_seconds = {seconds}"
        assert Terms.from_toml(changed("window_seconds = 60", changed_to, text))
        longer = changed("window_seconds = 60", f"window_seconds = {seconds + 1}", text)
        assert refused(longer).message.startswith("contract.window_seconds: ")
