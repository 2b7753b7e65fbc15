"""Reading a contract: every field checked, one meaning per text, exact money."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.checkpoint import Status
from circuits.errors import BadInput, InputReason
from circuits.field import P
from verifier.contract import SignedContract, Start, Terms, decimal_text, read_template
from verifier.contract.explain import contract_text, describe_contract

ROOT = Path(__file__).resolve().parents[2]
PARTIES = f"""[parties]
operator = "{"11" * 32}"
supplier = "{"22" * 32}"
device = "{"33" * 32}"
"""
PUMP = (ROOT / "examples/contracts/pump.toml").read_text(encoding="utf-8") + PARTIES
CHANNEL = """[[channels]]
name = "{}"
column = "c"
unit = "V"
scale = "1"
offset = "0"
bits = 8
rounding = "exact"
"""
TWO_CHANNELS = PUMP + CHANNEL.format("extra")


def changed(old: str, new: str, text: str = PUMP) -> str:
    """The pump contract with one piece replaced; the piece must be there."""
    assert old in text, old
    return text.replace(old, new, 1)


def refused(text: str) -> BadInput:
    with pytest.raises(BadInput) as caught:
        Terms.from_toml(text)
    assert "\n" not in caught.value.message
    return caught.value


def test_pump_contract_means_what_it_says() -> None:
    terms = Terms.from_toml(PUMP)
    assert (terms.name, terms.window_ms, terms.minimum_proven_bits) == ("pump", 60_000, 120)
    assert terms.parties.device == bytes.fromhex("33" * 32)
    (channel,) = terms.channels
    assert (channel.channel.scale, channel.channel.maximum_raw) == (Fraction(1, 1000), 2**18 - 2)
    assert terms.schema.elements == 2
    assert terms.outcomes[0].price == Fraction(2, 1000)
    assert terms.start is None
    assert terms.valid_until_ms is None


def test_every_example_is_a_template() -> None:
    examples = sorted((ROOT / "examples/contracts").glob("*.toml"))
    assert examples
    for path in examples:
        assert read_template(path.read_text(encoding="utf-8")).circuit.outcomes


def test_a_contract_needs_parties_a_template_does_not() -> None:
    without = PUMP.replace(PARTIES, "")
    assert read_template(without).name == "pump"
    assert "parties" in refused(without).message


SAME_MEANING = {
    "comments": PUMP.replace("# ", "#   "),
    "decimal zeros": changed('scale = "0.001"', 'scale = "00.00100"'),
    "TOML number": changed('scale = "0.001"', "scale = 0.001"),
    "TOML exponent": changed('scale = "0.001"', "scale = 1e-3"),
    "integer": changed('offset = "0"', "offset = 0"),
    "minus zero": changed('offset = "0"', 'offset = "-0.0"'),
    "order of keys": changed(
        'name = "flow"\ncolumn = "Volume Flow RateRMS"',
        'column = "Volume Flow RateRMS"\nname = "flow"',
    ),
    "blank lines": changed("\n[log]", "\n\n\n[log]"),
    "no flags": changed("_bits = 120", "_bits = 120\nrefuse_flags = []"),
    "named parameter set": changed(
        "minimum_proven_bits = 120", 'minimum_proven_bits = 120\nparameter_set = "standard"'
    ),
}


@pytest.mark.parametrize("text", SAME_MEANING.values(), ids=SAME_MEANING)
def test_one_meaning_one_digest(text: str) -> None:
    assert Terms.from_toml(text).canonical == Terms.from_toml(PUMP).canonical


DIFFERENT = {
    "name": ('name = "pump"', 'name = "pomp"'),
    "window": ("window_seconds = 60", "window_seconds = 61"),
    "floor": ("minimum_proven_bits = 120", "minimum_proven_bits = 119"),
    "span": ("minimum_proven_bits = 120", "minimum_proven_bits = 120\nwindows_per_claim = 10"),
    "from": (
        "minimum_proven_bits = 120",
        "minimum_proven_bits = 120\nvalid_from = 2024-01-01T00:00:00Z",
    ),
    "until": (
        "minimum_proven_bits = 120",
        "minimum_proven_bits = 120\nvalid_until = 2025-01-01T00:00:00Z",
    ),
    "flags": ("minimum_proven_bits = 120", 'minimum_proven_bits = 120\nrefuse_flags = ["missed"]'),
    "other flags": (
        "minimum_proven_bits = 120",
        'minimum_proven_bits = 120\nrefuse_flags = ["missed", "tamper"]',
    ),
    "deadline": (
        "minimum_proven_bits = 120",
        "minimum_proven_bits = 120\nclaim_deadline_seconds = 1",
    ),
    "parameter set": (
        "minimum_proven_bits = 120",
        'minimum_proven_bits = 120\nparameter_set = "fast"',
    ),
    "start": (
        "minimum_proven_bits = 120",
        f'minimum_proven_bits = 120\nstart = "0/3/{"0b" * 32}"',
    ),
    "operator": ("11" * 32, "12" * 32),
    "supplier": ("22" * 32, "23" * 32),
    "device": ("33" * 32, "34" * 32),
    "encryption": ('device = "', f'operator_encryption = "{"44" * 32}"\ndevice = "'),
    "delimiter": ('delimiter = ";"', 'delimiter = ","'),
    "time": ('time = "datetime"', 'time = "when"'),
    "period": ('time = "datetime"', 'time = "datetime"\nperiod_ms = 100'),
    "column": ('column = "Volume', 'column = "The Volume'),
    "unit": ('unit = "L/min"', 'unit = "L/h"'),
    "scale": ('scale = "0.001"', 'scale = "0.002"'),
    "offset": ('offset = "0"', 'offset = "0.5"'),
    "bits": ("bits = 18", "bits = 17"),
    "rounding": ('rounding = "nearest"', 'rounding = "exact"'),
    "outcome": ('name = "litres"', 'name = "liters"'),
    "formula": ("/ 60000", "/ 60001"),
    "price": ('price = "0.002"', 'price = "0.0020001"'),
    "no price": ('price = "0.002"', ""),
    "once": ('price = "0.002"', 'price = "0.002"\nonce = true'),
    "may miss": ("bits = 18", "bits = 18\nmay_miss = true"),
    "rounded": ('reveal = "exact"', 'reveal = {rounded = "0.5"}'),
    "rounded otherwise": ('reveal = "exact"', 'reveal = {rounded = "0.25"}'),
    "amount": ('reveal = "exact"', 'reveal = "amount"'),
}


def test_what_is_not_asked_for_is_not_in_the_terms() -> None:
    plain = Terms.from_toml(PUMP)
    assert b"once" not in plain.canonical
    assert b"may_miss" not in plain.canonical
    without = changed("bits = 18", "bits = 18\nmay_miss = false")
    without = changed('price = "0.002"', 'price = "0.002"\nonce = false', without)
    assert Terms.from_toml(without).digest == plain.digest


def test_every_term_is_in_the_digest() -> None:
    digests = {Terms.from_toml(PUMP).digest}
    for name, (old, new) in DIFFERENT.items():
        digest = Terms.from_toml(changed(old, new)).digest
        assert digest not in digests, name
        digests.add(digest)


WRONG: dict[str, tuple[str, str, str]] = {
    "empty name": ('name = "pump"', 'name = ""', "contract.name"),
    "control character": ('name = "pump"', 'name = "pu\\u0007mp"', "contract.name"),
    "long name": ('name = "pump"', f'name = "{"p" * 65}"', "contract.name"),
    "name missing": ('name = "pump"', "", "contract.name"),
    "no window": ("window_seconds = 60", "window_seconds = 0", "contract.window_seconds"),
    "boolean": ("window_seconds = 60", "window_seconds = true", "contract.window_seconds"),
    "text": ("window_seconds = 60", 'window_seconds = "60"', "contract.window_seconds"),
    "low floor": ("_bits = 120", "_bits = 99", "contract.minimum_proven_bits"),
    "high floor": ("_bits = 120", "_bits = 129", "contract.minimum_proven_bits"),
    "unknown key": ("_bits = 120", "_bits = 120\nwindow_minutes = 1", "contract.window_minutes"),
    "unknown table": ("[log]", "[extra]\na = 1\n[log]", "extra"),
    "parameter set": ("_bits = 120", '_bits = 120\nparameter_set = "toy"', "parameter_set"),
    "start": ("_bits = 120", '_bits = 120\nstart = "0/1"', "contract.start"),
    "start epoch": (
        "_bits = 120",
        f'_bits = 120\nstart = "{2**32}/0/{"00" * 32}"',
        "contract.start",
    ),
    "start chain": ("_bits = 120", f'_bits = 120\nstart = "0/0/{"ff" * 32}"', "contract.start"),
    "span": ("_bits = 120", "_bits = 120\nwindows_per_claim = 10001", "windows_per_claim"),
    "unknown flag": ("_bits = 120", '_bits = 120\nrefuse_flags = ["dust"]', "refuse_flags"),
    "flag twice": ("_bits = 120", '_bits = 120\nrefuse_flags = ["tamper", "tamper"]', "refuse_fl"),
    "flag": ("_bits = 120", '_bits = 120\nrefuse_flags = "tamper"', "contract.refuse_flags"),
    "flag number": ("_bits = 120", "_bits = 120\nrefuse_flags = [[1]]", "contract.refuse_flags"),
    "unreachable floor": ("_bits = 120", "_bits = 122", "contract.minimum_proven_bits: more than"),
    "naive time": ("_bits = 120", "_bits = 120\nvalid_from = 2024-01-01T00:00:00", "valid_from"),
    "short key": ("33" * 32, "33" * 31, "parties.device"),
    "one party": ("22" * 32, "11" * 32, "parties.supplier"),
    "delimiter": ('delimiter = ";"', 'delimiter = ";;"', "log.delimiter"),
    "digit delimiter": ('delimiter = ";"', 'delimiter = "1"', "log.delimiter"),
    "period": ('"datetime"', '"datetime"\nperiod_ms = 0', "log.period_ms"),
    "identifier": ('name = "flow"', 'name = "flow rate"', "channels[0].name"),
    "dt_ms": ('name = "flow"', 'name = "dt_ms"', "channels[0].name"),
    "unit": ('unit = "L/min"', 'unit = "L|min"', "channels[0].unit"),
    "zero scale": ('scale = "0.001"', 'scale = "0"', "channels[0].scale"),
    "negative scale": ('scale = "0.001"', 'scale = "-1"', "channels[0].scale"),
    "not a number": ('scale = "0.001"', "scale = nan", "channels[0].scale"),
    "infinite": ('scale = "0.001"', "scale = inf", "channels[0].scale"),
    "fraction": ('scale = "0.001"', 'scale = "1/3"', "channels[0].scale"),
    "huge exponent": ('scale = "0.001"', "scale = 1e999999", "channels[0].scale"),
    "no bits": ("bits = 18", "bits = 0", "channels[0].bits"),
    "bits": ("bits = 18", "bits = 25", "channels[0].bits"),
    "rounding": ('rounding = "nearest"', 'rounding = "up"', "channels[0].rounding"),
    "may miss": ("bits = 18", 'bits = 18\nmay_miss = "yes"', "channels[0].may_miss"),
    "once": ('price = "0.002"', 'price = "0.002"\nonce = 1', "outcomes[0].once"),
    "once without price": ('price = "0.002"', "once = true", "outcomes[0].once: needs a price"),
    "reveal": ('reveal = "exact"', 'reveal = "all"', "outcomes[0].reveal"),
    "price": ('price = "0.002"', 'price = "-0.002"', "outcomes[0].price"),
    "currency": ('currency = "IOTA"', 'currency = "EUR"', "payment.currency"),
    "circuit": ("_bits = 120", f'_bits = 120\ncircuit = "{"00" * 32}"', "contract.circuit"),
    "negative": ('offset = "0"', 'offset = "-1"', "could be negative"),
    "not a table": ("[payment]", "[[payment]]", "payment"),
}


@pytest.mark.parametrize(("old", "new", "named"), WRONG.values(), ids=WRONG)
def test_a_wrong_field_is_named(old: str, new: str, named: str) -> None:
    error = refused(changed(old, new))
    assert error.reason is InputReason.CONTRACT_FIELD
    assert named in error.message


def test_periodic_contracts_have_windows_of_a_minute_at_least() -> None:
    periodic = changed('time = "datetime"', 'time = "datetime"\nperiod_ms = 100')
    assert Terms.from_toml(periodic).schema.period_ms == 100
    short = changed("window_seconds = 60", "window_seconds = 59", periodic)
    assert "window_seconds" in refused(short).message
    assert Terms.from_toml(changed("window_seconds = 60", "window_seconds = 1")).window_ms == 1000


def test_the_order_of_flags_has_no_meaning() -> None:
    def terms(flags: str) -> Terms:
        return Terms.from_toml(changed("_bits = 120", f"_bits = 120\nrefuse_flags = {flags}"))

    both = terms('["tamper", "dt_overflow"]')
    assert both.refuse_flags == Status.TAMPER | Status.DT_OVERFLOW
    assert both.digest == terms('["dt_overflow", "tamper"]').digest
    assert terms(json.dumps(Status(63).words)).refuse_flags == Status(63)


def test_start_is_written_and_read_alike() -> None:
    start = Start(3, 17, (0, 1, 2, 3, 4, 5, 6, P - 1))
    text = changed("_bits = 120", f'_bits = 120\nstart = "{start.text}"')
    assert Terms.from_toml(text).start == start
    assert start.text.startswith("3/17/0000000001000000")


def test_a_periodic_window_must_fit_one_claim() -> None:
    """Four records a block, 148 random rows: 1048427 rows, one of them closing, hold a window."""
    log = 'time = "datetime"\nperiod_ms = {}'
    fits = changed('time = "datetime"', log.format(1))
    fits = changed("sum(flow * dt_ms) / 60000", "sum(flow)", fits)
    limit = (2**20 - 148 - 1 - 1) * Terms.from_toml(fits).schema.records_per_block // 1000
    longest = changed("window_seconds = 60", f"window_seconds = {limit}", fits)
    assert Terms.from_toml(longest).window_seconds == limit
    error = refused(changed("window_seconds = 60", f"window_seconds = {limit + 1}", fits))
    assert error.message.startswith("contract.window_seconds: ")
    twice = changed("minimum_proven", "windows_per_claim = 2\nminimum_proven", longest)
    assert refused(twice).message.startswith("contract.windows_per_claim: ")


def test_what_claims_must_keep_to_is_said_in_words() -> None:
    text = changed(
        "_bits = 120",
        "_bits = 120\nclaim_deadline_seconds = 7200\nwindows_per_claim = 10\n"
        f'refuse_flags = ["tamper"]\nstart = "0/20/{"01" * 32}"',
    )
    document = describe_contract(SignedContract(Terms.from_toml(text), text, None, None))
    assert document["start"] == f"0/20/{'01' * 32}"
    assert document["refuse_flags"] == ["tamper"]
    shown = contract_text(document)
    for part in (
        "within 7200 s", "until the supplier waives", "reports tamper", "10 windows",
        "checkpoint 20 of epoch 0",
    ):  # fmt: skip
        assert part in shown


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", " "])
def test_delimiters(delimiter: str) -> None:
    text = changed('delimiter = ";"', f"delimiter = {json.dumps(delimiter)}")
    assert Terms.from_toml(text).log.delimiter == delimiter


def test_channels_and_outcomes_are_unique_and_bounded() -> None:
    assert len(Terms.from_toml(TWO_CHANNELS).channels) == 2
    assert "channels[1].name" in refused(PUMP + CHANNEL.format("flow")).message
    many = PUMP + "".join(CHANNEL.format(f"c{i}") for i in range(7))
    assert refused(many).message.startswith("channels: at most 7")
    outcome = PUMP[PUMP.index("[[outcomes]]") : PUMP.index("[payment]")]
    assert "outcomes[1].name" in refused(PUMP + outcome).message


def test_an_unpriced_outcome_may_be_negative() -> None:
    text = changed('price = "0.002"', "", changed('offset = "0"', 'offset = "-1"'))
    assert Terms.from_toml(text).cumulative_nanos((0,)) == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", InputReason.CONTRACT_FIELD),
        ("[contract", InputReason.CONTRACT_SYNTAX),
        ("a = 1\na = 2", InputReason.CONTRACT_SYNTAX),
        ("x = " + "[" * 5000, InputReason.CONTRACT_SYNTAX),
        ("#" * (2**20 + 1), InputReason.CONTRACT_SYNTAX),
        (PUMP.replace("sum(flow", "sum(flux"), InputReason.FORMULA),
        (PUMP.replace("sum(flow * dt_ms)", "__import__('os')"), InputReason.FORMULA),
    ],
)
def test_what_is_not_a_contract(text: str, reason: InputReason) -> None:
    assert refused(text).reason is reason


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_mangled_text_gives_terms_or_a_reason(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(PUMP)))
    width = data.draw(st.integers(0, 12))
    text = PUMP[:at] + data.draw(st.text(max_size=8)) + PUMP[at + width :]
    message = ""
    try:
        Terms.from_toml(text)
    except BadInput as error:
        message = error.message
    assert "\n" not in message


def test_canonical_bytes_are_sorted_compact_json() -> None:
    canonical = Terms.from_toml(PUMP).canonical
    document = json.loads(canonical)
    again = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert canonical == again.encode()
    assert document["channels"][0]["scale"] == "0.001"
    assert document["format"] == "zkmeter-terms-1"


@given(st.integers(-(10**20), 10**20), st.integers(0, 18))
def test_decimal_text_is_exact_and_normal(digits: int, places: int) -> None:
    value = Fraction(digits, 10**places)
    text = decimal_text(value)
    assert Fraction(text) == value
    assert re.fullmatch(r"-?(0|[1-9]\d*)(\.\d*[1-9])?", text)


TERMS = Terms.from_toml(PUMP)


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=20))
def test_no_remainder_is_lost_over_claims(claims: list[int]) -> None:
    total = paid = 0
    for more in claims:
        paid += TERMS.amount_nanos((total,), (total + more,))
        total += more
        assert paid == TERMS.cumulative_nanos((total,))
    # 0.002 IOTA per litre; total counts millilitres per minute times milliseconds
    assert paid == total * 2_000_000 // 60_000_000
