"""``contract show``: what is given away in words, how long proving takes, constraints as text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from circuits.circuit import Circuit
from circuits.layout import Layout
from circuits.readable import log_hash_constraints
from tests.contract.test_terms import PARTIES, PUMP, ROOT, changed
from verifier.cli import main
from verifier.contract import SignedContract, Terms, read_template
from verifier.contract.estimate import constraint_terms, estimates, prove_seconds
from verifier.contract.explain import claim_rules, contract_text, describe_contract
from verifier.contract.polynomials import explained_document, explained_text, selector_meaning
from verifier.kernel.parameters import PARAMETER_SETS, STANDARD

EXAMPLES = sorted((ROOT / "examples/contracts").glob("*.toml"))
SPAN = ("minimum_proven_bits = 120", "minimum_proven_bits = 120\nwindows_per_claim = 10")
MAXIMUM = changed(*SPAN, changed("sum(flow * dt_ms) / 60000", "max(flow)"))
CONDITION = changed(*SPAN, changed("sum(flow * dt_ms) / 60000", "all(flow <= 130)"))
ROUNDED = changed('reveal = "exact"', 'reveal = {rounded = "10"}')
AMOUNT = changed('reveal = "exact"', 'reveal = "amount"')
ONCE = ('price = "0.002"', 'price = "0.002"\nonce = true')
PERIODIC = changed('time = "datetime"', 'time = "datetime"\nperiod_ms = 100')


def shown(text: str) -> tuple[dict[str, Any], str]:
    document = describe_contract(SignedContract(Terms.from_toml(text), text, None, None))
    return document, contract_text(document)


@pytest.mark.parametrize(
    ("text", "gives_away", "due"),
    [
        (PUMP, "one number, the exact value of sum(flow * dt_ms) / 60000 in L,", "per unit"),
        (MAXIMUM, "max(flow) in L, per claim over all its windows together, which does not add up",
         "per unit of every claim's own number"),
        (CONDITION, "one bit per claim: whether all(flow <= 130) holds",
         "per claim in which it holds, however short or empty the claim"),
        (ROUNDED, "one number, in whole multiples of 10 L, per claim", "per unit"),
        (ROUNDED, "together; the remainder is carried on, hidden", "per unit"),
        (AMOUNT, "only the money", "per unit"),
        (changed(*ONCE), "one number", "per unit, for one unit at most over the whole contract"),
        (changed(*ONCE, CONDITION), "one bit", "once, with the first claim in which it holds"),
    ],
)  # fmt: skip
def test_what_is_given_away_and_what_is_due(text: str, gives_away: str, due: str) -> None:
    document, printed = shown(text)
    (outcome,) = document["outcomes"]
    assert gives_away in outcome["gives_away"]
    assert outcome["due"] == due
    assert outcome["gives_away"] in printed
    assert f"0.002 IOTA {due}" in printed
    assert outcome["keeps_private"] in printed


def test_a_number_is_never_called_a_bit() -> None:
    # neither adds up, but one of them reveals a reading
    number, bit = (shown(text)[0]["outcomes"][0] for text in (MAXIMUM, CONDITION))
    assert not number["adds_up"]
    assert not bit["adds_up"]
    assert "bit" not in number["gives_away"]
    assert number["keeps_private"].startswith("how the number is made up, all other readings")


@pytest.mark.parametrize(("text", "carried"), [(PUMP, 0), (ROUNDED, 1), (AMOUNT, 1)])
def test_carried_values_are_mentioned_under_claims(text: str, carried: int) -> None:
    document, printed = shown(text)
    assert document["carried_values"] == carried
    line = "1 carried value is committed from claim to claim, revealing nothing"
    assert (line in document["claim_rules"]) is bool(carried)
    assert (line in printed) is bool(carried)


def test_channels_that_may_miss_samples_say_so() -> None:
    words = "records without a sample of it are left out"
    assert words not in shown(PUMP)[1]
    assert (
        words in shown(changed('rounding = "nearest"', 'rounding = "nearest"\nmay_miss = true'))[1]
    )


def test_the_estimate_covers_the_claim_that_the_terms_fix() -> None:
    (one,) = estimates(Terms.from_toml(PERIODIC))
    assert (one.windows, one.records) == (1, 600)
    (ten,) = estimates(Terms.from_toml(changed(*SPAN, PERIODIC)))
    assert (ten.windows, ten.records) == (10, 6000)
    assert ten.rows == 1024  # 750 blocks of eight, ten closing rows, 148 random ones
    assert ten.seconds > one.seconds
    several = estimates(Terms.from_toml(PUMP))
    assert [e.records for e in several] == [1_000, 100_000, 864_000]
    assert [e.rows for e in several] == [512, 2**15, 2**18]
    document, printed = shown(changed(*SPAN, PERIODIC))
    assert "proving a claim takes, on two cores, about" in printed
    assert "s for 10 windows with 6000 records together (1024 rows)" in printed
    assert document["proving"][0]["rows"] == 1024


def test_lengths_that_do_not_fit_are_left_out() -> None:
    # eight elements a record: one record per row
    channels = "".join(
        PUMP[PUMP.index("[[channels]]") : PUMP.index("[[outcomes]]")].replace('"flow"', f'"f{k}"')
        for k in range(6)
    )
    wide = Terms.from_toml(PUMP + channels)
    assert wide.schema.records_per_block == 1
    assert [e.rows for e in estimates(wide)] == [2048, 2**17, 2**20]
    many = Terms.from_toml(changed(SPAN[0], SPAN[1] + "000", PUMP + channels))
    assert [e.windows for e in estimates(many)] == [10_000] * 3
    assert all(e.rows <= 2**20 for e in estimates(many))


def test_the_estimate_grows_with_everything_that_costs() -> None:
    circuit = Terms.from_toml(PUMP).circuit
    larger = Terms.from_toml(changed("all(flow <= 130)", "all(abs(flow - 9) <= 1)", CONDITION))
    assert prove_seconds(circuit, STANDARD, 2**16) > 1.5 * prove_seconds(circuit, STANDARD, 2**15)
    compact = PARAMETER_SETS["compact"]
    assert prove_seconds(circuit, compact, 2**16) > prove_seconds(circuit, STANDARD, 2**16)
    smaller = Terms.from_toml(CONDITION).circuit
    assert constraint_terms(smaller) < constraint_terms(larger.circuit)
    more = prove_seconds(larger.circuit, STANDARD, 2**16)
    assert prove_seconds(smaller, STANDARD, 2**16) < more


def test_shares_of_the_proving_time() -> None:
    document, printed = shown(PUMP)
    (outcome,) = document["outcomes"]
    assert outcome["share_of_proving"] == round(92 / 241, 3)
    assert "adds 92 columns of 241, about 38% of the proving time" in printed


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_constraint_is_explained(path: Path) -> None:
    circuit = Terms.from_toml(path.read_text(encoding="utf-8") + PARTIES).circuit
    some, every = (explained_document(circuit, everything) for everything in (False, True))
    names = [c.name for c in circuit.constraints]
    assert [c["name"] for c in every["constraints"]] == names
    assert some["log_hash_constraints"] > 150
    assert [c["name"] for c in some["constraints"]] == names[some["log_hash_constraints"] :]
    assert set(some["selectors"]) == set(circuit.selectors)
    assert all(some["selectors"].values())
    text = explained_text(some)
    assert f"log hash: {some['log_hash_constraints']} constraints, the same for every" in text
    assert "full round 1[0]" not in text
    assert "full round 1[0]" in explained_text(every)


def test_every_selector_has_a_meaning() -> None:
    layout = Layout.from_counts([5], 4, True, [0], 2)
    for name in (
        "first", "last", "closing", "opening", "padding 2", "inside 60 120", "state",
        "state_before", "state_before 1", "state_after 1", "resume", "state_end",
    ):  # fmt: skip
        layout.selector(name)
        assert "{" not in selector_meaning(name)
    assert selector_meaning("inside 60 120").endswith("between minutes 60 and 120 of the day (UTC)")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_the_command_prints_constraints_on_request(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(PUMP, encoding="utf-8")
    plain = run("contract", "show", path)
    assert plain.exit_code == 0
    assert "polynomial" not in plain.stdout
    explained = run("contract", "show", path, "--explain")
    assert explained.stdout.startswith(plain.stdout.rstrip("\n"))
    limb = (
        "dt_ms digits@0 (degree 2): (active - closing) * block[1] - digits(dt_ms digits@0[0..11])"
    )
    assert limb in explained.stdout
    assert "full round" not in explained.stdout
    assert "full round 1[0] (degree 3): full1[0] - " in run(
        "contract", "show", path, "--explain", "all"
    ).stdout  # fmt: skip
    document = json.loads(run("contract", "show", path, "--explain", "--json").stdout)
    assert document["explained"]["constraints"][0].keys() == {"name", "degree", "polynomial"}
    assert "explained" not in json.loads(run("contract", "show", path, "--json").stdout)
    assert run("contract", "show", path, "--explain", "some").exit_code == 2


def test_the_summary_counts_what_it_leaves_out() -> None:
    circuit: Circuit = Terms.from_toml(PUMP).circuit
    count = log_hash_constraints(circuit)
    listed = len(explained_document(circuit, everything=False)["constraints"])
    assert count + listed == circuit.constraint_count


def test_what_depends_on_the_time_of_day_says_whose() -> None:
    words = (
        "a record counts at the time of day at which its window starts (UTC)",
        "that is the time of the device's own clock",
    )
    for name, said in (("bill", True), ("energy", False)):
        terms = read_template(
            (ROOT / "examples/contracts" / f"{name}.toml").read_text(encoding="utf-8")
        )
        rules = claim_rules(terms)
        for start in words:
            assert any(line.startswith(start) for line in rules) == said
