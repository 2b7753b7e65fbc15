"""From the decimal text of a log's cell to a channel's raw integer, exactly."""

from __future__ import annotations

import re
from fractions import Fraction

from circuits.errors import InputReason
from verifier.contract import ChannelTerms, decimal_text

_NUMBER = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,3}))?")
_LONGEST_CELL = 64


class CellError(Exception):
    """A cell is unusable; carries a reason and a message that never echoes the cell."""

    def __init__(self, reason: InputReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class RawCoder:
    """raw = (value - offset) / scale for one channel, in integers only.

    A cell is mantissa * 10^exponent; per exponent three integers a, b, d are kept with
    raw = (mantissa * a - b) / d.
    """

    def __init__(self, terms: ChannelTerms) -> None:
        self.terms = terms
        self._exact = terms.rounding == "exact"
        self._maximum = terms.channel.maximum_raw
        self._factors: dict[int, tuple[int, int, int]] = {}

    def raw(self, cell: str) -> int:
        """The raw reading of a cell; ``CellError`` CSV_NUMBER, CSV_ROUNDING or CSV_RANGE.

        An empty cell is the reserved code where the contract lets the channel miss samples.
        """
        if self.terms.channel.may_miss and not cell.strip():
            return self.terms.channel.maximum_code
        mantissa, exponent = _decimal(cell)
        factors = self._factors.get(exponent)
        if factors is None:
            factors = self._factors[exponent] = self._factors_for(exponent)
        a, b, d = factors
        quotient, rest = divmod(mantissa * a - b, d)
        if rest:
            if self._exact:
                raise CellError(InputReason.CSV_ROUNDING, "does not fit the contract's scale")
            if 2 * rest > d or (2 * rest == d and quotient % 2 == 1):
                quotient += 1
        if not 0 <= quotient <= self._maximum:
            raise CellError(InputReason.CSV_RANGE, f"outside {self._range_text()}")
        return quotient

    def _factors_for(self, exponent: int) -> tuple[int, int, int]:
        channel = self.terms.channel
        a = Fraction(10) ** exponent / channel.scale
        b = channel.offset / channel.scale
        d = a.denominator * b.denominator
        return a.numerator * b.denominator, b.numerator * a.denominator, d

    def _range_text(self) -> str:
        channel = self.terms.channel
        high = channel.offset + channel.maximum_raw * channel.scale
        bounds = f"{decimal_text(channel.offset)}..{decimal_text(high)}"
        return f"the contract's range {bounds} {channel.unit}"


def _decimal(cell: str) -> tuple[int, int]:
    """(mantissa, exponent) of a decimal number with ASCII digits."""
    text = cell.strip()
    if not text:
        raise CellError(InputReason.CSV_NUMBER, "empty")
    match = _NUMBER.fullmatch(text)
    if match is None or len(text) > _LONGEST_CELL:
        raise CellError(InputReason.CSV_NUMBER, "not a finite decimal number")
    sign, whole, part, exponent = match.groups(default="")
    if not whole and not part:
        raise CellError(InputReason.CSV_NUMBER, "not a finite decimal number")
    mantissa = int(whole + part)
    return (-mantissa if sign == "-" else mantissa), int(exponent or 0) - len(part)
