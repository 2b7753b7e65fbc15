"""Checked access to the tables of a contract: every error is one line that names the field."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, NoReturn

from circuits.errors import BadInput, InputReason

MAXIMUM_CONTRACT_BYTES = 1 << 16
_DECIMAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
_WHOLE = re.compile(r"[0-9]{1,20}")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,31}")
_HEX_32 = re.compile(r"[0-9a-fA-F]{64}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DELIMITERS = ",;|\t #&*!~^%$@="
MAXIMUM_TEXT = 200


def refuse(field: str, message: str) -> NoReturn:
    """Raise ``CONTRACT_FIELD`` naming the field."""
    raise BadInput(InputReason.CONTRACT_FIELD, f"{field}: {message}")


def parse_moment(value: object) -> int:
    """Milliseconds since 1970 UTC of a date-time or RFC 3339 text; ``ValueError`` saying why."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("expected a date and time with an offset (or Z)")
    milliseconds, rest = divmod(value - _EPOCH, timedelta(milliseconds=1))
    if rest or milliseconds < 0:
        raise ValueError("expected whole milliseconds since 1970")
    return milliseconds


class Table:
    """One TOML table. Every ``take`` removes a key; ``finish`` refuses what nobody took."""

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            refuse(path, "expected a table")
        self._values = dict(value)
        self.path = path

    def _take(self, key: str, optional: bool) -> Any:
        if key not in self._values and not optional:
            refuse(f"{self.path}.{key}", "missing")
        return self._values.pop(key, None)

    def field(self, key: str) -> str:
        """The full name of a key, for messages."""
        return f"{self.path}.{key}" if self.path else key

    def finish(self) -> None:
        """Refuse keys that no one asked for: a misspelt term must not be silently dropped."""
        for key in self._values:
            refuse(self.field(key), "unknown key")

    def text(self, key: str, *, longest: int = MAXIMUM_TEXT) -> str:
        """A printable, nonempty string."""
        value = self._take(key, optional=False)
        if not isinstance(value, str) or not value or not value.isprintable():
            refuse(self.field(key), "expected a nonempty printable string")
        if len(value) > longest:
            refuse(self.field(key), f"at most {longest} characters")
        return str(value)

    def optional_text(self, key: str) -> str | None:
        """A printable string, or None when the key is absent."""
        return self.text(key) if key in self._values else None

    def delimiter(self, key: str) -> str:
        """One character that separates cells: punctuation or a tab."""
        value = self._take(key, optional=False)
        fine = isinstance(value, str) and len(value) == 1 and value in _DELIMITERS
        if not fine:
            refuse(self.field(key), "expected one character such as ',' or ';' or a tab")
        return str(value)

    def identifier(self, key: str) -> str:
        """A name: a letter or ``_``, then letters, digits and ``_``; at most 32 characters."""
        value = self._take(key, optional=False)
        if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
            refuse(self.field(key), "expected a name of at most 32 letters, digits and _")
        return value

    def choice(self, key: str, allowed: Sequence[str]) -> str:
        """One of a few words."""
        value = self._take(key, optional=False)
        if value not in allowed:
            refuse(self.field(key), f"expected {' or '.join(repr(a) for a in allowed)}")
        return str(value)

    def integer(self, key: str, low: int, high: int) -> int:
        """A whole number in low..high."""
        value = self._take(key, optional=False)
        if type(value) is not int or not low <= value <= high:
            refuse(self.field(key), f"expected a whole number in {low}..{high}")
        return value

    def optional_integer(self, key: str, low: int, high: int) -> int | None:
        """A whole number in low..high, or None when the key is absent."""
        return self.integer(key, low, high) if key in self._values else None

    def decimal(self, key: str) -> Fraction:
        """An exact decimal, written as a string or as a TOML number."""
        value = self._take(key, optional=False)
        if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) <= 18:
            value = format(value, "f")
        elif type(value) is int and abs(value) < 10**18:
            value = str(value)
        if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
            refuse(self.field(key), "expected a decimal with at most 18 digits before and after")
        return Fraction(value)

    def optional_decimal(self, key: str) -> Fraction | None:
        """An exact decimal, or None when the key is absent."""
        return self.decimal(key) if key in self._values else None

    def nanos(self, key: str, *, default: int) -> int:
        """An amount in 1..2^64-1, written as a string or as a TOML integer."""
        value = self._values.pop(key, default)
        if isinstance(value, str) and _WHOLE.fullmatch(value):
            value = int(value)
        if type(value) is not int or not 1 <= value < 2**64:
            refuse(self.field(key), "expected a whole number of nanos in 1..2^64-1")
        return value

    def flag(self, key: str, *, default: bool = False) -> bool:
        """``true`` or ``false``; ``default`` when the key is absent."""
        value = self._values.pop(key, default)
        if type(value) is not bool:
            refuse(self.field(key), "expected true or false")
        return value

    def key32(self, key: str) -> bytes:
        """32 bytes as 64 hex digits."""
        value = self._take(key, optional=False)
        if not isinstance(value, str) or not _HEX_32.fullmatch(value):
            refuse(self.field(key), "expected 64 hex digits")
        return bytes.fromhex(value)

    def optional_key32(self, key: str) -> bytes | None:
        """32 bytes as 64 hex digits, or None when the key is absent."""
        return self.key32(key) if key in self._values else None

    def optional_time(self, key: str) -> int | None:
        """Milliseconds since 1970 UTC from a date-time with an offset; None when absent."""
        if key not in self._values:
            return None
        try:
            return parse_moment(self._take(key, optional=False))
        except ValueError as error:
            refuse(self.field(key), str(error))

    def words(self, key: str, allowed: Sequence[str]) -> tuple[str, ...]:
        """Distinct words out of ``allowed``; none when the key is absent."""
        value = self._take(key, optional=True)
        if value is None:
            return ()
        fine = isinstance(value, list) and all(word in allowed for word in value)
        if not fine or len(set(value)) != len(value):
            refuse(self.field(key), f"expected a list of different words out of {list(allowed)}")
        return tuple(value)

    def tables(self, key: str) -> list[Table]:
        """The tables of ``[[key]]``, at least one."""
        value = self._take(key, optional=False)
        if not isinstance(value, list) or not value:
            refuse(self.field(key), "expected at least one entry")
        return [Table(item, f"{self.field(key)}[{i}]") for i, item in enumerate(value)]

    def table(self, key: str) -> Table:
        """The table ``[key]``."""
        return Table(self._take(key, optional=False), self.field(key))

    def is_table(self, key: str) -> bool:
        """True when the key is present, not taken yet, and a table."""
        return isinstance(self._values.get(key), dict)

    def has(self, key: str) -> bool:
        """True when the key is present and not taken yet."""
        return key in self._values
