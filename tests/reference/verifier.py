"""A second verifier, written from docs/protocol.md alone; it shares no code with the kernel.

Plain integers and hashlib. ``verify`` returns None where the proof is accepted, else the reason
that the specification fixes; input that is refused before any proof is looked at raises
``MalformedStatement``.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from tests.reference.facts import Contract, Refusal, StateLink
from tests.reference.field import (
    DEGREE,
    GENERATOR,
    ONE,
    ZERO,
    Extension,
    P,
    evaluate,
    linear,
    root_of_unity,
)
from tests.reference.hashing import (
    DIGEST,
    Transcript,
    blake,
    bytes_of,
    leaf,
    multiproof_length,
    multiproof_root,
    words_of,
)
from tests.reference.statement import FOLD, Statement

TAG = b"ZKMp"
VERSION = 3


class Reader:
    """Reads a proof from the front."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        """The next bytes; a short proof has the wrong size."""
        taken = self.data[self.at : self.at + count]
        if len(taken) < count:
            raise Refusal("PROOF_SIZE")
        self.at += count
        return taken

    def words(self, count: int) -> tuple[int, ...]:
        """The next base elements."""
        words = words_of(self.take(4 * count))
        if any(word >= P for word in words):
            raise Refusal("PROOF_FIELD_ELEMENT")
        return words

    def extensions(self, count: int) -> list[Extension]:
        """The next elements of E."""
        return as_extensions(self.words(DEGREE * count))

    def digests(self, count: int) -> list[bytes]:
        """The next hashes."""
        taken = self.take(DIGEST * count)
        return [taken[DIGEST * i : DIGEST * (i + 1)] for i in range(count)]

    def openings(
        self, root: bytes, indices: Sequence[int], leaves: int, words: int
    ) -> dict[int, tuple[int, ...]] | None:
        """Leaves by index; None where the path does not lead to the root."""
        taken = self.words(words * len(indices))
        opened = {index: taken[words * i : words * (i + 1)] for i, index in enumerate(indices)}
        salts = self.digests(len(indices))
        proof = self.digests(multiproof_length(indices, leaves))
        hashed = {
            index: leaf(bytes_of(opened[index]), salt)
            for index, salt in zip(indices, salts, strict=True)
        }
        return opened if multiproof_root(hashed, proof, leaves) == root else None


def as_extensions(words: Sequence[int]) -> list[Extension]:
    """Elements of E from their words."""
    return [Extension.of(words[i : i + DEGREE]) for i in range(0, len(words), DEGREE)]


def extension_bytes(elements: Sequence[Extension]) -> bytes:
    """Elements of E as bytes."""
    return b"".join(bytes_of(element.words) for element in elements)


@dataclass(frozen=True)
class Values:
    """The columns at z, those of *next* at gz in ascending order, and the chunks at z."""

    here: list[Extension]
    following: dict[int, Extension]
    chunks: list[Extension]

    @classmethod
    def read(cls, reader: Reader, statement: Statement) -> Values:
        """Take them off the proof."""
        here = reader.extensions(statement.outcomes.column_count)
        after = reader.extensions(len(statement.next_columns))
        following = dict(zip(statement.next_columns, after, strict=True))
        return cls(here, following, reader.extensions(statement.chunks))


@dataclass(frozen=True)
class Deep:
    """What the DEEP combination needs besides the opened leaves.

    Columns that are opened at gz, too, are ``twice``; the other ones and the chunks are opened at
    z alone.
    """

    z: Extension
    z_next: Extension
    gammas: Sequence[Extension]  # per column, then per chunk
    columns: int
    twice: Sequence[int]
    once: Sequence[int]
    constant: Extension  # the batched lines, constant and slope
    slope: Extension
    single: Extension  # the batched values of what is opened at z alone

    @classmethod
    def of(
        cls, points: tuple[Extension, Extension], gammas: Sequence[Extension], values: Values
    ) -> Deep:
        """Batch the lines through both values of a column, and the values that are alone."""
        z, z_next = points
        constant = slope = single = ZERO
        inverse = (z_next - z).inverse()
        for column, high in values.following.items():
            gamma, low = gammas[column], values.here[column]
            rise = (high - low) * inverse
            slope = slope + gamma * rise
            constant = constant + gamma * (low - rise * z)
        columns = len(values.here)
        once = [column for column in range(columns) if column not in values.following]
        for column in once:
            single = single + gammas[column] * values.here[column]
        for gamma, chunk in zip(gammas[columns:], values.chunks, strict=True):
            single = single + gamma * chunk
        twice = list(values.following)
        return cls(z, z_next, gammas, columns, twice, once, constant, slope, single)

    def value(self, x: int, trace: Sequence[int], quotient: Sequence[int]) -> Extension:
        """The combination at a point of D."""
        twice, single = self._batched(self.twice, trace), self._batched(self.once, trace)
        *chunks, mask = as_extensions(quotient)
        for gamma, chunk in zip(self.gammas[self.columns :], chunks, strict=True):
            single = single + gamma * chunk
        to_z, to_next = (x - self.z).inverse(), (x - self.z_next).inverse()
        lines = self.constant + self.slope * x
        return (twice - lines) * to_z * to_next + (single - self.single) * to_z + mask

    def _batched(self, columns: Sequence[int], trace: Sequence[int]) -> Extension:
        return linear([self.gammas[c] for c in columns], [trace[c] for c in columns])


def fold(values: Sequence[Extension], x: int, beta: Extension) -> Extension:
    """sum beta^j f_j(x^8), from the values at x times the eighth roots of unity."""
    backwards, scale = pow(root_of_unity(3), -1, P), pow(FOLD, -1, P)
    turns = [pow(backwards, turn, P) for turn in range(FOLD)]
    inverse = pow(x, -1, P)
    coefficients = []
    for j in range(FOLD):
        coefficients.append(linear(values, [turns[i * j % FOLD] * scale % P for i in range(FOLD)]))
        scale = scale * inverse % P
    return evaluate(coefficients, beta)


def check_layers(
    domain: int,
    reader: Reader,
    layers: Sequence[tuple[bytes, Extension]],
    expected: dict[int, Extension],
    final: Sequence[Extension],
) -> None:
    """Every FRI layer: its leaves around the values that the layer before leads to."""
    log2 = domain.bit_length() - 1
    offset = GENERATOR
    for root, beta in layers:
        leaves = (1 << log2) // FOLD
        indices = sorted({index % leaves for index in expected})
        places = [first + turn * leaves for first in indices for turn in range(FOLD)]
        unknown = [place for place in places if place not in expected]
        layer = expected | dict(zip(unknown, reader.extensions(len(unknown)), strict=True))
        values = {
            first: [layer[first + turn * leaves] for turn in range(FOLD)] for first in indices
        }
        hashed = {index: leaf(extension_bytes(values[index]), b"") for index in indices}
        path = reader.digests(multiproof_length(indices, leaves))
        if multiproof_root(hashed, path, leaves) != root:
            raise Refusal("PROOF_FRI_PATH")
        generator = root_of_unity(log2)
        expected = {
            index: fold(values[index], offset * pow(generator, index, P) % P, beta)
            for index in indices
        }
        offset, log2 = pow(offset, FOLD, P), log2 - 3
    generator = root_of_unity(log2)
    for index, value in expected.items():
        if evaluate(final, offset * pow(generator, index, P) % P) != value:
            raise Refusal("PROOF_FRI_FINAL")


def check_identity(statement: Statement, values: Values, alpha: Extension, z: Extension) -> None:
    """The combined constraints equal the quotient times the vanishing polynomial."""
    rows = statement.rows
    combined, power = ZERO, ONE
    for value in statement.constraints(z, values.here, values.following):
        combined, power = combined + power * value, power * alpha
    exempt = ONE
    for row in range(rows.length - statement.parameters.random_rows - 1, rows.length):
        exempt = exempt * (z - pow(rows.generator, row, P))
    quotient = evaluate(values.chunks, z**statement.chunk_length)
    if combined * exempt != (z**rows.length - 1) * quotient:
        raise Refusal("PROOF_CONSTRAINTS")


def check(
    contract: Contract,
    checkpoints: Sequence[bytes],
    totals: Sequence[int],
    proof: bytes,
    state: StateLink | None,
) -> None:
    """Verify a proof, or raise a refusal."""
    statement = Statement.of(contract, checkpoints, totals, state)
    transcript = statement.transcript()
    if len(proof) > statement.maximum_bytes:
        raise Refusal("PROOF_SIZE")
    reader = Reader(proof)
    if reader.take(4) != TAG or reader.take(2) != struct.pack("<H", VERSION):
        raise Refusal("PROOF_VERSION")

    (trace_root,) = reader.digests(1)
    transcript.absorb("trace root", trace_root)
    (alpha,) = transcript.challenge("constraints", 1)
    (quotient_root,) = reader.digests(1)
    transcript.absorb("quotient root", quotient_root)
    (z,) = transcript.challenge("point", 1)
    while z.in_subfield():
        (z,) = transcript.challenge("point", 1)
    values = Values.read(reader, statement)
    transcript.absorb("values at z", extension_bytes(values.here))
    transcript.absorb("values at gz", extension_bytes([*values.following.values()]))
    transcript.absorb("chunks at z", extension_bytes(values.chunks))
    check_identity(statement, values, alpha, z)

    gammas = transcript.challenge("batching", len(values.here) + len(values.chunks))
    deep = Deep.of((z, z * statement.rows.generator), gammas, values)
    layers = []
    for _ in range(statement.folds):
        (root,) = reader.digests(1)
        transcript.absorb("layer root", root)
        layers.append((root, transcript.challenge("folding", 1)[0]))
    final = reader.extensions(statement.final_coefficients)
    transcript.absorb("final polynomial", extension_bytes(final))
    nonce = reader.take(8)
    (ground,) = words_of(blake(transcript.state + nonce, b"zkm:grnd")[:4])
    if ground % (1 << statement.parameters.grinding_bits):
        raise Refusal("PROOF_GRINDING")
    transcript.absorb("nonce", nonce)

    expected = open_queries(statement, reader, transcript, (trace_root, quotient_root), deep)
    check_layers(statement.domain, reader, layers, expected, final)
    if reader.at != len(proof):
        raise Refusal("PROOF_SIZE")


def open_queries(
    statement: Statement,
    reader: Reader,
    transcript: Transcript,
    roots: tuple[bytes, bytes],
    deep: Deep,
) -> dict[int, Extension]:
    """Both trees at the queried points; the DEEP combination there, by index."""
    size, bits = statement.domain, statement.domain.bit_length() - 1
    queries = sorted(set(transcript.indices("queries", statement.parameters.queries, bits)))
    trace = reader.openings(roots[0], queries, size, deep.columns)
    if trace is None:
        raise Refusal("PROOF_TRACE_PATH")
    quotient_words = DEGREE * (statement.chunks + 1)
    quotients = reader.openings(roots[1], queries, size, quotient_words)
    if quotients is None:
        raise Refusal("PROOF_QUOTIENT_PATH")
    generator = root_of_unity(bits)
    return {
        index: deep.value(GENERATOR * pow(generator, index, P) % P, trace[index], quotients[index])
        for index in queries
    }


def verify(
    contract: Contract,
    checkpoints: Sequence[bytes],
    totals: Sequence[int],
    proof: bytes,
    state: StateLink | None = None,
) -> str | None:
    """None where the proof is accepted, else the reason for the refusal."""
    try:
        check(contract, checkpoints, totals, proof, state)
    except Refusal as refusal:
        return refusal.reason
    return None
