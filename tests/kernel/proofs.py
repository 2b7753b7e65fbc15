"""Real proofs over small logs, and where each piece of them lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from circuits.circuit import Circuit
from circuits.compile import compile_circuit
from circuits.errors import Reason, Rejected
from circuits.field import DEGREE
from circuits.schema import Schema
from circuits.statement import Statement
from prover.log import WindowLog
from prover.prove import prove
from tests.circuits.logs import SignedLog, channel, random_log
from verifier.kernel import verify as verify_module
from verifier.kernel.parameters import STANDARD, ParameterSet
from verifier.kernel.proof import Reader, Shape
from verifier.kernel.verify import proof_shape, verify

FLOOR = 120.0
PUMP = Schema((channel("flow", 18, "0.001"),))
PUMP_FORMULAS = ("sum(flow * dt_ms) / 60000", "count(flow <= 100)")
METER = Schema((channel("value", 16),), 100)
METER_FORMULAS = ("sum(value)", "count(value <= 40000)")


@dataclass(frozen=True)
class Made:
    """A statement, the log behind it, and its proof."""

    circuit: Circuit
    log: SignedLog
    statement: Statement
    proof: bytes
    parameters: ParameterSet = STANDARD

    @property
    def windows(self) -> tuple[WindowLog, ...]:
        """The log as the prover takes it."""
        return as_windows(self.log)

    @property
    def shape(self) -> Shape:
        """The sizes of the proof."""
        return proof_shape(self.circuit, self.parameters, self.statement)

    def with_proof(self, proof: bytes) -> Made:
        """The same statement with other bytes."""
        return replace(self, proof=proof)

    def verify(self, floor: float = FLOOR) -> None:
        """What the verifier says."""
        verify(self.circuit, self.parameters, self.statement, self.proof, floor)

    def refusal(self, floor: float = FLOOR) -> Rejected:
        """The refusal that the verifier must answer with."""
        with pytest.raises(Rejected) as caught:
            self.verify(floor)
        return caught.value

    def reason(self, floor: float = FLOOR) -> Reason:
        """The reason of the refusal."""
        return self.refusal(floor).reason


def as_windows(log: SignedLog) -> tuple[WindowLog, ...]:
    """A log as the prover takes it."""
    pairs = zip(log.windows, log.salts, strict=True)
    return tuple(WindowLog(records, salt) for records, salt in pairs)


def with_layers(parameters: ParameterSet) -> ParameterSet:
    """The set that folds down to 256 points, and so has FRI layers for short traces too."""
    return replace(parameters, final_domain=256)


def make(
    schema: Schema,
    formulas: Sequence[str],
    counts: Sequence[int],
    seed: int = 0,
    parameters: ParameterSet = STANDARD,
) -> Made:
    """An honest proof over random windows of these record counts."""
    circuit = compile_circuit(schema, formulas)
    log = random_log(schema, counts, seed)
    statement = log.statement(circuit)
    proof = prove(circuit, parameters, statement, as_windows(log))
    return Made(circuit, log, statement, proof, parameters)


@dataclass(frozen=True)
class Piece:
    """Bytes start..end of a proof; ``words`` says that they are field elements."""

    name: str
    start: int
    end: int
    words: bool


def pieces(made: Made) -> list[Piece]:
    """A valid proof piece by piece, as the verifier reads it."""
    spans: list[tuple[int, int, bool]] = []

    class Spy(Reader):
        def __init__(self, data: bytes) -> None:
            super().__init__(data)
            self.position, self.reading_words = 0, False

        def take(self, count: int) -> bytes:
            piece = super().take(count)
            spans.append((self.position, self.position + count, self.reading_words))
            self.position += count
            return piece

        def pieces(self, count: int, size: int) -> list[bytes]:
            return [self.take(size) for _ in range(count)]

        def elements(self, *shape: int) -> Any:
            self.reading_words = True
            try:
                return super().elements(*shape)
            finally:
                self.reading_words = False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify_module, "Reader", Spy)
        made.verify()
    names = ["tag", "version", "trace root", "quotient root", "at z", "at gz", "chunks at z"]
    names += ["layer root"] * made.shape.folds + ["final polynomial", "nonce"]
    groups = iter(["trace", "quotient", *(f"layer {k}" for k in range(made.shape.folds))])
    group = ""
    while len(names) < len(spans):
        start, end, words = spans[len(names)]
        if words:
            group, salts = next(groups), 0
            width = {"trace": made.shape.columns, "quotient": made.shape.quotient_columns}.get(
                group
            )
            if width is not None:
                salts = (end - start) // (4 * width)
            names += [f"{group} rows", *[f"{group} salt"] * salts]
        else:
            names.append(f"{group} sibling")
    return [Piece(name, *span) for name, span in zip(names, spans, strict=True)]


def piece(made: Made, name: str, which: int = 0) -> Piece:
    """The ``which``-th piece of this name."""
    return [p for p in pieces(made) if p.name == name][which]


def flipped(proof: bytes, position: int, mask: int = 1) -> bytes:
    """The proof with bits of one byte flipped."""
    return proof[:position] + bytes([proof[position] ^ mask]) + proof[position + 1 :]


def word_at(proof: bytes, position: int) -> int:
    """The little-endian word at a byte position."""
    return int.from_bytes(proof[position : position + 4], "little")


def with_word(proof: bytes, position: int, value: int) -> bytes:
    """The proof with one word replaced."""
    return proof[:position] + value.to_bytes(4, "little") + proof[position + 4 :]


def random_point(seed: int) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """A fixed extension element."""
    random = np.random.default_rng(seed)
    return random.integers(0, 2**31 - 2**24 + 1, DEGREE, dtype=np.uint64)
