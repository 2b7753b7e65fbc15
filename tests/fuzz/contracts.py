"""Targets that read contracts: raw TOML, and a valid contract with hostile values put in."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

from circuits.errors import BadInput, InputReason
from tests.fuzz.formulas import FORMULAS, REFUSED, WORDS, Grower, check_meaning, known_formula
from tests.fuzz.program import Program
from tests.fuzz.target import Target, require
from tests.support import contract_text
from verifier.contract import Terms, read_template

ROOT = Path(__file__).resolve().parents[2]
CONTRACT_REASONS = {
    InputReason.CONTRACT_SYNTAX,
    InputReason.CONTRACT_FIELD,
    InputReason.FORMULA,
    InputReason.OVERFLOW,
}
FULL = f"""
[contract]
name = "every field"
window_seconds = 60
minimum_proven_bits = 100
parameter_set = "compact"
windows_per_claim = 60
start = "0/3/{"01" * 32}"
valid_from = 2020-01-01T00:00:00Z
valid_until = "2030-01-01T00:00:00.250+01:00"
claim_deadline_seconds = 86400
refuse_flags = ["tamper", "clock_set"]
[parties]
operator = "{"11" * 32}"
supplier = "{"22" * 32}"
device = "{"33" * 32}"
operator_encryption = "{"44" * 32}"
[log]
delimiter = "\\t"
time = "when"
period_ms = 100
[[channels]]
name = "t"
column = "Temperature"
unit = "K"
scale = 0.5
offset = -40
bits = 8
rounding = "exact"
[[channels]]
name = "u"
column = "Voltage"
unit = "V"
scale = 1e-1
offset = "0"
bits = 12
rounding = "nearest"
may_miss = true
[[outcomes]]
name = "volts"
formula = "sum(u) / 10"
unit = "V"
reveal = "amount"
price = 0.5
[[outcomes]]
name = "cold"
formula = "count(rising(t <= -3.5) & ~missing(u))"
unit = "readings"
reveal = "exact"
[[outcomes]]
name = "steady"
formula = "tariff(u * dt, '00:00 1, 06:00 2', where=held(t > 1, 10))"
unit = "s"
reveal = {{rounded = "50"}}
[[outcomes]]
name = "mild"
formula = "max(t)"
unit = "K"
reveal = {{at_least = "-3.5"}}
price = "2"
once = true
[payment]
currency = "IOTA"
"""


def to_toml(terms: Terms) -> str:
    """The terms written out from what they sign, for the way back."""
    document: dict[str, Any] = json.loads(terms.canonical)
    del document["format"]
    contract = document["contract"]
    for name in ("valid_from", "valid_until"):
        if f"{name}_ms" in contract:
            since = timedelta(milliseconds=contract.pop(f"{name}_ms"))
            moment = datetime(1970, 1, 1, tzinfo=UTC) + since
            contract[name] = moment.isoformat()
    lines: list[str] = []
    for name, value in document.items():
        for table in value if isinstance(value, list) else [value]:
            lines.append(f"[[{name}]]" if isinstance(value, list) else f"[{name}]")
            lines += [f"{k} = {_toml(v)}" for k, v in table.items()]
    return "\n".join(lines)


def _toml(value: object) -> str:
    """A value as TOML; the only tables inside are those of ``reveal``."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {json.dumps(v)}" for k, v in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def check_text(text: str) -> str:
    """The outcome of reading one contract, with and without its parties required."""
    try:
        terms = Terms.from_toml(text)
    except BadInput as refusal:
        require(refusal.reason in CONTRACT_REASONS, f"reason {refusal.reason}")
        require("\n" not in refusal.message, "more than one line")
        return refusal.reason
    require(read_template(text) == terms, "a template that means something else")
    again = Terms.from_toml(to_toml(terms))
    require(again == terms, "terms that do not survive being written out")
    require(again.canonical == terms.canonical and len(terms.digest) == 32, "two canonical forms")
    require(terms.cumulative_nanos((0,) * len(terms.outcomes)) == 0, "money for nothing")
    check_meaning(terms.circuit)
    return "terms with state" if terms.circuit.state else "terms"


def _raw(data: bytes) -> str:
    return check_text(data.decode("utf-8", "replace"))


def raw_seeds() -> list[bytes]:
    """The test contract, one with every field, the examples, and one for each known formula."""
    examples = sorted((ROOT / "examples/contracts").glob("*.toml"))
    shortest = FULL[: FULL.index("[[outcomes]]")] + _ONE_OUTCOME
    formulas = (
        shortest.format(json.dumps(formula.format(a="t", b="u")))
        for formula in (*FORMULAS, *REFUSED)
    )
    parties = FULL[FULL.index("[parties]") : FULL.index("[log]")]
    filled = (path.read_text(encoding="utf-8") + parties for path in examples)
    return [text.encode() for text in (contract_text(), FULL, *filled, *formulas)]


_ONE_OUTCOME = """[[outcomes]]
name = "one"
formula = {}
unit = "1"
reveal = "exact"
[payment]
currency = "IOTA"
"""
_BASES = ((contract_text(), ("flow",)), (FULL, ("t", "u")))  # with their channels
_LITERALS = (
    *("0", "-1", "1", "60", "255", "2147483647", "2147483648", "9007199254740993"),
    *("9223372036854775808", "-9223372036854775809", "0x7fffffff", "0b1", "0o17", "1_000"),
    *("1e0", "1e18", "1e19", "1e-18", "1e-19", "1e999999", "-0.0", "0e-99", "inf", "-inf", "nan"),
    *("0.1", "000", "123456789012345678.123456789012345678", "1.0000000000000000001"),
    *("true", "false", "[]", "{}", "[[]]", "[{}]", "[1, 'a']", "{a = {b = [1]}}"),
    *('""', "'x'", '"\\u0000"', '"\\ud7ff"', '"\\U0010ffff"', '"a\\nb"', "'''\nx'''"),
    *('"0.000000000000000001"', '"-0"', '"1e3"', '"+1"', '" 1"', '"1."', '"\u0661"', '"0x10"'),
    *("1979-05-27", "07:32:00", "1979-05-27T07:32:00", "1969-12-31T23:59:59Z"),
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59", "2020-01-01T00:00:00.0001Z"),
    *('"2020-W01-1"', '"20200101T000000Z"', '"2020-01-01T00:00:00+24:00"'),
    *('["tamper"]', '["tamper", "tamper"]', '["none"]', '"standard"', '"fast"', '"exact"'),
    *('"0/0/' + "00" * 32 + '"', '"0/0/' + "ff" * 32 + '"', '"9999999999/0/' + "00" * 32 + '"'),
    *('"' + "0" * 64 + '"', '"' + "F" * 64 + '"', '"' + "a" * 200 + '"', '"' + "a" * 201 + '"'),
    *('"' + "9" * 18 + '"', '"' + "9" * 19 + '"', "9" * 4300, "9" * 4301, "0x" + "f" * 3000),
    *("1." + "0" * 500, "0." + "1" * 30, "[" * 300 + "]" * 300),
    *('"amount"', '{rounded = "50"}', "{rounded = 0.7}", '{at_least = "-3"}', "{rounded = 0}"),
    *("{rounded = 1, at_least = 1}", '{rounded = "0.000000000000000001"}', '["clock_set"]'),
)
_FRAGMENTS = (
    *("sum(", "count(", ")", "flow", "t", "u", " * ", "dt_ms", " / ", " <= ", " >= ", "-", "1"),
    *(
        "0",
        "60000",
        "0.001",
        "1e9",
        "0x10",
        "9" * 40,
        "(",
        "[",
        "{",
        "'",
        "\\\\",
        "lambda: ",
        "not ",
    ),
    *("sum(flow)", "sum(flow * dt_ms)", "count(flow <= 20)", "count(t >= -3)", "sum(u)", "**", ","),
    *("\u00b2", "\ufb02ow", "await ", ":=", " if ", " for ", ".", "f'{", "1_0", "~", "%", "@"),
)
_KEYS = (
    *("name", "window_seconds", "minimum_proven_bits", "parameter_set", "windows_per_claim"),
    *("start", "valid_from", "valid_until", "claim_deadline_seconds", "circuit", "refuse_flags"),
    *("operator", "operator_encryption", "delimiter", "time", "period_ms", "column", "unit"),
    *("scale", "offset", "bits", "rounding", "formula", "reveal", "price", "currency"),
    *("may_miss", "once", "reveal.rounded"),
    *("contract", "contract.name", '""', '"a b"', "'\u001b'", "a.b.c"),
)


def edited_text(program: Program) -> str:
    """A valid contract after the program's edits: lines replaced, added, dropped, doubled."""
    text, channels = program.choose(_BASES)
    lines = text.strip().splitlines()
    for _ in range(32):
        if not program.more:
            break
        kind, at = program.integer(1) % 8, program.integer(1) % len(lines)
        key, _, value = lines[at].partition(" = ")
        if kind <= 2:
            lines[at] = f"{key} = {_value(program, value)}"
        elif kind == 3:
            lines.insert(at, f"{program.choose(_KEYS)} = {_value(program, value)}")
        elif kind == 4:
            lines.insert(program.integer(1) % len(lines), lines[at])
        elif kind == 5 and len(lines) > 1:
            del lines[at]
        elif kind == 6:
            lines[at] = f"{program.choose(_KEYS)} = {value}"
        else:
            where = [n for n, line in enumerate(lines) if line.startswith("formula")]
            if where:
                chosen = program.choose(where)
                lines[chosen] = f"formula = {_formula(program, channels)}"
    return "\n".join(lines)


def _value(program: Program, value: str) -> str:
    kind = program.integer(1) % 4
    if kind <= 1:
        return program.choose(_LITERALS)
    if kind == 2:
        inner = program.take(program.integer(1) % 32).decode("latin-1")
        return json.dumps(inner, ensure_ascii=False)
    number = Fraction(program.integer(2) - 0x8000, 10 ** (program.integer(1) % 5))
    return str(float(number)) if program.integer(1) % 2 else json.dumps(str(float(number)))


def _formula(program: Program, channels: tuple[str, ...]) -> str:
    kind = program.integer(1) % 4
    if kind == 1:
        return json.dumps(known_formula(program, channels))
    if kind >= 2:
        return json.dumps(Grower(program, channels).outcome())
    parts = [program.choose(_FRAGMENTS) for _ in range(1 + program.integer(1) % 12)]
    return json.dumps("".join(parts), ensure_ascii=False)


def _edited(data: bytes) -> str:
    return check_text(edited_text(Program(data)))


def _edited_seeds() -> list[bytes]:
    plain = [b"\0", b"\1", bytes(range(40)), bytes(range(200, 100, -1)), b"\0\7\0\0\0\1\x1d"]
    # the second outcome of the second contract, which neither price nor bound restricts
    known = [bytes([1, 7, 0, 1, 1, at]) for at in range(0, len(FORMULAS), 4)]
    grown = [bytes([1, 7, 0, 1, 2, *range(at, at + 24)]) for at in range(0, 48, 5)]
    return plain + known + grown


CONTRACTS = (
    Target(
        "contract",
        _raw,
        raw_seeds,
        3000,
        (
            *(word.encode() for word in (*_KEYS, *WORDS)),
            *(b"[[channels]]", b"[[outcomes]]", b"1e99", b"0x", b"{rounded = ", b'"amount"'),
        ),
    ),
    Target("contract fields", _edited, _edited_seeds, 200),
)
