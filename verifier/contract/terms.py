"""The agreed terms as a value: canonical bytes, digest, schema, circuit and money."""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from math import floor
from typing import Any

import rfc8785

from circuits.checkpoint import Status
from circuits.circuit import Circuit
from circuits.compile import compile_circuit
from circuits.field import P
from circuits.layout import MAXIMUM_LOG2_ROWS, MINIMUM_LOG2_ROWS
from circuits.schema import Channel, Schema
from verifier.contract.settlement import SettlementTerms
from verifier.kernel.parameters import PARAMETER_SETS, STANDARD
from verifier.kernel.soundness import proven_bits

FORMAT = "zkmeter-terms-1"
NANOS = 10**9
_CHAIN = struct.Struct("<8I")
_START = re.compile(r"([0-9]{1,10})/([0-9]{1,10})/([0-9a-f]{64})")
CURRENCY = "IOTA"


@dataclass(frozen=True)
class Parties:
    """Ed25519 public keys of 32 bytes, and optionally the operator's X25519 key for readings."""

    operator: bytes
    supplier: bytes
    device: bytes
    operator_encryption: bytes | None = None


@dataclass(frozen=True)
class LogFormat:
    """How a log file is written: its delimiter, its time column, and a fixed period if any (ms)."""

    delimiter: str
    time: str
    period_ms: int | None = None


@dataclass(frozen=True)
class ChannelTerms:
    """A channel, the log column it comes from, and how a number becomes an integer.

    ``rounding`` is ``"nearest"`` (ties to even) or ``"exact"`` (what does not fit is refused).
    """

    column: str
    rounding: str
    channel: Channel


@dataclass(frozen=True)
class OutcomeTerms:
    """One outcome: its formula, what of it is revealed, and its price per unit (None: no price).

    ``reveal`` is ``"exact"``; ``"at_least"``, which gives away one bit, whether the formula reaches
    the bound ``at_least``; ``"rounded"``, whole multiples of ``rounded`` with the remainder carried
    on; or ``"amount"``, multiples that are worth one nano each. With ``once`` the price is due at
    most once over the whole contract.
    """

    name: str
    formula: str
    unit: str
    reveal: str
    price: Fraction | None = None
    at_least: Fraction | None = None
    rounded: Fraction | None = None
    once: bool = False

    @property
    def compiled_formula(self) -> str:
        """What is proved."""
        if self.at_least is not None:
            return f"({self.formula}) >= {decimal_text(self.at_least)}"
        if self.rounded is not None:
            return f"rounded({self.formula}, {decimal_text(self.rounded)})"
        if self.reveal == "amount" and self.price:
            return f"rounded({self.formula}, 1 / {decimal_text(self.price * NANOS)})"
        return self.formula

    def owed_nanos(self, value: Fraction) -> int:
        """What is owed for a cumulative value: floor(price * value), 0 without a price."""
        if self.price is None:
            return 0
        return floor(self.price * NANOS * (min(value, Fraction(1)) if self.once else value))


@dataclass(frozen=True)
class Start:
    """The checkpoint from which a contract counts; absent from the terms it is 0 of epoch 0.

    ``chain`` is its chain value: the next epoch's opening names the same three things, so counting
    can begin there too when the device restarts first.
    """

    epoch: int
    index: int
    chain: tuple[int, ...]

    @property
    def text(self) -> str:
        """``EPOCH/INDEX/`` and the chain value in hex, each of its words little-endian."""
        return f"{self.epoch}/{self.index}/{_CHAIN.pack(*self.chain).hex()}"

    @classmethod
    def from_text(cls, text: str) -> Start:
        """The inverse of ``text``; ``ValueError`` on anything else."""
        match = _START.fullmatch(text)
        if match is None:
            raise ValueError("expected EPOCH/INDEX/64 hex digits of the chain value")
        epoch, index = int(match.group(1)), int(match.group(2))
        chain = _CHAIN.unpack(bytes.fromhex(match.group(3)))
        if max(epoch, index) >= 2**32 or max(chain) >= P:
            raise ValueError("no checkpoint has such an epoch, index or chain value")
        return cls(epoch, index, chain)


@lru_cache(maxsize=32)
def _compiled(schema: Schema, formulas: tuple[str, ...]) -> Circuit:
    return compile_circuit(schema, formulas)


def decimal_text(value: Fraction) -> str:
    """The shortest decimal for a fraction whose denominator divides a power of ten."""
    places, scaled = 0, value
    while scaled.denominator != 1:
        places, scaled = places + 1, scaled * 10
        if places > 60:
            raise ValueError("not a decimal fraction")
    digits = str(abs(scaled.numerator)).rjust(places + 1, "0")
    whole = digits if places == 0 else f"{digits[:-places]}.{digits[-places:]}"
    return f"-{whole}" if value < 0 else whole


@dataclass(frozen=True)
class Terms:
    """What both parties sign. Times are milliseconds since 1970 UTC; None means unlimited.

    ``windows_per_claim`` fixes where claims begin and end, so that nobody chooses it after seeing
    the data; ``refuse_flags`` are the device's status flags under which nothing is paid. Without
    ``settlement`` money moves in the verifier's ledger only.

    Build one with ``Terms.from_toml``, which checks every field.
    """

    name: str
    window_seconds: int
    minimum_proven_bits: int
    parties: Parties
    log: LogFormat
    channels: tuple[ChannelTerms, ...]
    outcomes: tuple[OutcomeTerms, ...]
    currency: str = CURRENCY
    parameter_set: str = STANDARD.name
    windows_per_claim: int | None = None
    start: Start | None = None
    valid_from_ms: int | None = None
    valid_until_ms: int | None = None
    claim_deadline_seconds: int | None = None
    circuit_id: bytes | None = None
    refuse_flags: Status = Status.NONE
    settlement: SettlementTerms | None = None

    @classmethod
    def from_toml(cls, text: str) -> Terms:
        """Read a contract; ``CONTRACT_SYNTAX``, ``CONTRACT_FIELD``, ``FORMULA`` or ``OVERFLOW``."""
        from verifier.contract.reading import read_terms  # reading imports Terms

        return read_terms(text)

    @cached_property
    def canonical(self) -> bytes:
        """RFC 8785 JSON of every term; decimals are normalised exact strings."""
        return rfc8785.dumps(self._document())

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of ``canonical``: what every proof is bound to."""
        return hashlib.sha256(self.canonical).digest()

    @cached_property
    def schema(self) -> Schema:
        """What the device records."""
        return Schema(tuple(c.channel for c in self.channels), self.log.period_ms)

    @cached_property
    def circuit(self) -> Circuit:
        """All outcomes compiled together; ``FORMULA`` or ``OVERFLOW`` when that cannot be done."""
        return _compiled(self.schema, tuple(o.compiled_formula for o in self.outcomes))

    @cached_property
    def proven_bits(self) -> dict[int, float]:
        """What a proof under these terms is proven to be worth, in bits, for every trace length."""
        circuit, parameters = self.circuit, PARAMETER_SETS[self.parameter_set]
        counts = (circuit.column_count, circuit.constraint_count, circuit.max_degree)
        exponents = range(MINIMUM_LOG2_ROWS, MAXIMUM_LOG2_ROWS + 1)
        return {1 << log2: proven_bits(parameters, log2, *counts) for log2 in exponents}

    @property
    def window_ms(self) -> int:
        """The length of a window in milliseconds."""
        return self.window_seconds * 1000

    def outcome_values(self, totals: Sequence[int]) -> tuple[Fraction, ...]:
        """Every outcome's exact value with these integer totals."""
        compiled = self.circuit.outcomes
        return tuple(o.value(t) for o, t in zip(compiled, totals, strict=True))

    def cumulative_nanos(self, totals: Sequence[int]) -> int:
        """What is owed since the contract's start, summed over outcomes."""
        values = self.outcome_values(totals)
        return sum(o.owed_nanos(value) for o, value in zip(self.outcomes, values, strict=True))

    def amount_nanos(self, totals_before: Sequence[int], totals_after: Sequence[int]) -> int:
        """What a claim is worth: owed after less owed before, so that no remainder is lost."""
        return self.cumulative_nanos(totals_after) - self.cumulative_nanos(totals_before)

    def _document(self) -> dict[str, Any]:
        contract = {
            "name": self.name,
            "window_seconds": self.window_seconds,
            "minimum_proven_bits": self.minimum_proven_bits,
            "parameter_set": self.parameter_set,
            "windows_per_claim": self.windows_per_claim,
            "start": None if self.start is None else self.start.text,
            "valid_from_ms": self.valid_from_ms,
            "valid_until_ms": self.valid_until_ms,
            "claim_deadline_seconds": self.claim_deadline_seconds,
            "circuit": _hex(self.circuit_id),
            "refuse_flags": list(self.refuse_flags.words) or None,
        }
        parties = {
            "operator": _hex(self.parties.operator),
            "supplier": _hex(self.parties.supplier),
            "device": _hex(self.parties.device),
            "operator_encryption": _hex(self.parties.operator_encryption),
        }
        document: dict[str, Any] = {
            "format": FORMAT,
            "contract": _without_none(contract),
            "parties": _without_none(parties),
            "log": _without_none(
                {
                    "delimiter": self.log.delimiter,
                    "time": self.log.time,
                    "period_ms": self.log.period_ms,
                }
            ),
            "channels": [_channel_document(c) for c in self.channels],
            "outcomes": [_outcome_document(o) for o in self.outcomes],
            "payment": {"currency": self.currency},
        }
        if self.settlement is not None:
            document["settlement"] = self.settlement.document
        return document


def _hex(data: bytes | None) -> str | None:
    return None if data is None else data.hex()


def _without_none(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if value is not None}


def _channel_document(terms: ChannelTerms) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": terms.channel.name,
        "column": terms.column,
        "unit": terms.channel.unit,
        "scale": decimal_text(terms.channel.scale),
        "offset": decimal_text(terms.channel.offset),
        "bits": terms.channel.bits,
        "rounding": terms.rounding,
    }
    if terms.channel.may_miss:
        document["may_miss"] = True
    return document


def _outcome_document(terms: OutcomeTerms) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": terms.name,
        "formula": terms.formula,
        "unit": terms.unit,
        "reveal": terms.reveal,
    }
    if terms.at_least is not None:
        document["reveal"] = {"at_least": decimal_text(terms.at_least)}
    if terms.rounded is not None:
        document["reveal"] = {"rounded": decimal_text(terms.rounded)}
    if terms.price is not None:
        document["price"] = decimal_text(terms.price)
    if terms.once:
        document["once"] = True
    return document
