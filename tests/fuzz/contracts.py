"""Targets that read contracts: raw TOML, and a valid contract with hostile values put in."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

from circuits.errors import BadInput, InputReason
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
[[outcomes]]
name = "volts"
formula = "sum(u) / 10"
unit = "V"
reveal = "exact"
price = 0.5
[[outcomes]]
name = "cold"
formula = "count(t <= -3.5)"
unit = "readings"
reveal = "exact"
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
            lines += [f"{k} = {json.dumps(v, ensure_ascii=False)}" for k, v in table.items()]
    return "\n".join(lines)


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
    require(terms.cumulative_nanos((0,) * len(terms.outcomes), 0) == 0, "money for nothing")
    return "terms"


def _raw(data: bytes) -> str:
    return check_text(data.decode("utf-8", "replace"))


def raw_seeds() -> list[bytes]:
    """The test contract, one with every field, and the examples."""
    examples = sorted((ROOT / "examples/contracts").glob("*.toml"))
    return [contract_text().encode(), FULL.encode(), *(path.read_bytes() for path in examples)]


_BASES = (contract_text(), FULL)
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
    *("contract", "contract.name", '""', '"a b"', "'\u001b'", "a.b.c"),
)


def edited_text(program: Program) -> str:
    """A valid contract after the program's edits: lines replaced, added, dropped, doubled."""
    lines = program.choose(_BASES).strip().splitlines()
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
                lines[program.choose(where)] = f"formula = {_formula(program)}"
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


def _formula(program: Program) -> str:
    parts = [program.choose(_FRAGMENTS) for _ in range(1 + program.integer(1) % 12)]
    return json.dumps("".join(parts), ensure_ascii=False)


def _edited(data: bytes) -> str:
    return check_text(edited_text(Program(data)))


def _edited_seeds() -> list[bytes]:
    return [b"\0", b"\1", bytes(range(40)), bytes(range(200, 100, -1)), b"\0\7\0\0\1\x1d"]


CONTRACTS = (
    Target(
        "contract",
        _raw,
        raw_seeds,
        3000,
        (*(key.encode() for key in _KEYS), b"[[channels]]", b"[[outcomes]]", b"1e99", b"0x"),
    ),
    Target("contract fields", _edited, _edited_seeds, 200),
)
