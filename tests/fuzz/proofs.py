"""Target: the kernel's ``verify`` on altered proofs of one fixed valid statement.

Every statement has two proofs (masks are drawn anew), so pieces of one can be spliced into the
other. Half of the inputs work on proofs with three queries and no proof of work: small enough that
an input's edits often reach what is opened, and alterations before the nonce are not all stopped by
the proof of work.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from circuits.circuit import Circuit
from circuits.errors import Reason, Rejected
from circuits.field import P
from circuits.statement import Statement
from prover.prove import prove
from tests.fuzz.program import Program
from tests.fuzz.target import Target, require
from tests.support import Epoch, pump_contract, record_epoch, true_totals
from verifier.kernel.merkle import DIGEST_BYTES
from verifier.kernel.parameters import STANDARD, ParameterSet
from verifier.kernel.proof import NONCE_BYTES
from verifier.kernel.verify import proof_shape, verify

WEAK = ParameterSet("weak", blowup=8, queries=3, grinding_bits=0, final_domain=256)
VERIFY_REASONS = {r for r in Reason if r.name.startswith("PROOF_")}
_WORDS = (0, 1, P - 1, P, P + 1, 2**31, 2**32 - 1)


@dataclass(frozen=True)
class Subject:
    """A valid statement, two proofs of it, and where the pieces of a proof begin."""

    parameters: ParameterSet
    statement: Statement
    proofs: tuple[bytes, bytes]
    starts: tuple[int, ...]
    floor: float

    @property
    def circuit(self) -> Circuit:
        """The circuit of the test contract."""
        return pump_contract().terms.circuit


@cache
def log() -> Epoch:
    """Three windows, one of them empty."""
    return record_epoch([9, 0, 4])


@cache
def subject(parameters: ParameterSet) -> Subject:
    """Two proofs with this parameter set; the floor is the contract's for a real one."""
    terms = pump_contract().terms
    checkpoints = tuple(signed.checkpoint for signed in log().checkpoints)
    statement = Statement(terms.digest, checkpoints, true_totals(terms, log(), 0, 2))
    first, second = (
        prove(terms.circuit, parameters, statement, log().windows, check=False) for _ in range(2)
    )
    shape = proof_shape(terms.circuit, parameters, statement)
    element = 4 * 6
    sizes = [4, 2, DIGEST_BYTES, DIGEST_BYTES]
    values = shape.columns, len(shape.next_columns), shape.chunks
    sizes += [count * element for count in values]
    sizes += [DIGEST_BYTES] * shape.folds + [shape.final_coefficients * element, NONCE_BYTES]
    starts = [sum(sizes[:k]) for k in range(len(sizes) + 1)]
    rest = min(len(first), len(second)) - starts[-1]
    starts += [starts[-1] + rest * k // 8 for k in range(1, 8)]
    floor = terms.minimum_proven_bits if parameters is STANDARD else 0.0
    return Subject(parameters, statement, (first, second), tuple(starts), floor)


def altered(program: Program, proofs: tuple[bytes, ...], starts: tuple[int, ...]) -> bytes:
    """A proof after the program's edits."""
    proof = bytearray(program.choose(proofs))
    for _ in range(16):
        if not program.more:
            break
        _edit(program, proof, program.choose(proofs), starts)
    return bytes(proof)


def _edit(program: Program, proof: bytearray, other: bytes, starts: tuple[int, ...]) -> None:
    kind = program.integer(1) % 12
    if not proof:
        return
    piece = program.integer(1) % len(starts)
    end = starts[piece + 1] if piece + 1 < len(starts) else len(proof)
    length = max(1, end - starts[piece])
    at = min(starts[piece] + program.integer(2) % length, len(proof) - 1)
    word = at - (at - starts[piece]) % 4
    if kind <= 1:
        proof[at] ^= 1 << (program.integer(1) % 8)
    elif kind == 2:
        proof[word : word + 4] = program.choose(_WORDS).to_bytes(4, "little")
    elif kind == 3:
        value = int.from_bytes(proof[word : word + 4], "little")
        proof[word : word + 4] = ((value + 1) % P).to_bytes(4, "little")
    elif kind == 4:
        value = int.from_bytes(proof[word : word + 4], "little") + P  # the same, not canonical
        proof[word : word + 4] = (value % 2**32).to_bytes(4, "little")
    elif kind == 5:
        del proof[at:]
    elif kind == 6:
        proof += program.take(1 + program.integer(1) % 64)
    elif kind == 7:
        del proof[word : word + 4 * (1 + program.integer(1) % 16)]
    elif kind == 8:
        proof[starts[piece] : end] = other[starts[piece] : end]
    elif kind == 9:
        size = (4, 24, 32, 64)[program.integer(1) % 4]
        proof[word : word + 2 * size] = (
            proof[word + size : word + 2 * size] + proof[word : word + size]
        )
    elif kind == 10:
        proof[starts[piece] : end] = bytes(max(0, end - starts[piece]))
    else:
        raw = program.take(1 + program.integer(1) % 32)
        proof[at : at + len(raw)] = raw


def _verify(data: bytes) -> str:
    program = Program(data)
    chosen = subject(program.choose((WEAK, STANDARD)))
    if program.integer(1) % 16 == 15:
        proof = program.take(len(data))  # no edits: these bytes themselves
    else:
        proof = altered(program, chosen.proofs, chosen.starts)
    try:
        verify(chosen.circuit, chosen.parameters, chosen.statement, proof, chosen.floor)
    except Rejected as refusal:
        require(refusal.reason in VERIFY_REASONS, f"reason {refusal.reason}")
        require(proof not in chosen.proofs, f"a valid proof is refused: {refusal}")
        return refusal.reason
    require(proof in chosen.proofs, "FALSE ACCEPT: a proof that nobody made")
    return "proof"


def _seeds() -> list[bytes]:
    nothing = [bytes([which, 0, proof]) for which in (0, 1) for proof in (0, 1)]
    one_edit = [
        bytes([0, 0, 0, 1, kind, piece, 9, 0, 3]) for kind in range(12) for piece in (4, 12)
    ]
    # how long each opening is differs from proof to proof: a bit in every part of the rest, so that
    # some are in the trace's, some in the quotient's and some in the layers'
    starts = subject(WEAK).starts
    places = [
        (piece, (starts[piece] - starts[piece - 1]) * quarter // 4)
        for piece in range(len(starts) - 7, len(starts))
        for quarter in range(4)
    ]
    # and the last byte, of the last layer's path; the proof's end is not known any better
    end = len(subject(WEAK).proofs[0]) - 1
    places.append((len(starts), end - starts[-1]))
    flips = [bytes([0, 0, 0, 0, 0, p - 1, at % 256, at // 256, 0]) for p, at in places]
    return [*nothing, *one_edit, *flips, b"\0\x0fZKMp\3\0", b"\1\x0fZKMp\3\0" + bytes(200)]


PROOFS = (Target("proof", _verify, _seeds, 100),)
