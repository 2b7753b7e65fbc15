"""Ways to spoil a claim: its proof, its totals, its checkpoints, its floor."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from random import Random

from tests.reference.cases import Claim
from tests.reference.field import DEGREE, P

HEADER = 70  # tag, version, two roots
WORD = struct.Struct("<I")
VALUE = 4 * DEGREE  # bytes
CHECKPOINT_FIELDS = (
    (8, 32),  # device
    (40, 4),  # epoch
    (44, 4),  # index
    (48, 8),  # records in epoch
    (56, 4),  # records in window
    (60, 16),  # times
    (76, 32),  # schema digest
    (108, 32),  # chain value
)

Mutation = Callable[[Random, Claim, Claim], Claim]


def flipped(random: Random, claim: Claim, other: Claim) -> Claim:
    """One bit of the proof, anywhere."""
    return _flip(random, claim, 0, len(claim.proof))


def flipped_in_header(random: Random, claim: Claim, other: Claim) -> Claim:
    """One bit among tag, version and roots."""
    return _flip(random, claim, 0, HEADER)


def flipped_near_end(random: Random, claim: Claim, other: Claim) -> Claim:
    """One bit of the last openings."""
    return _flip(random, claim, max(0, len(claim.proof) - 6000), len(claim.proof))


def truncated(random: Random, claim: Claim, other: Claim) -> Claim:
    """The proof's beginning."""
    return replace(claim, proof=claim.proof[: random.randrange(len(claim.proof))])


def truncated_a_little(random: Random, claim: Claim, other: Claim) -> Claim:
    """All but the last bytes."""
    return replace(claim, proof=claim.proof[: -random.randint(1, 80)])


def extended(random: Random, claim: Claim, other: Claim) -> Claim:
    """Bytes after the end."""
    return replace(claim, proof=claim.proof + random.randbytes(random.randint(1, 80)))


def inserted(random: Random, claim: Claim, other: Claim) -> Claim:
    """A few bytes more somewhere inside."""
    at = random.randrange(len(claim.proof))
    return replace(
        claim,
        proof=claim.proof[:at] + random.randbytes(4 * random.randint(1, 8)) + claim.proof[at:],
    )


def removed(random: Random, claim: Claim, other: Claim) -> Claim:
    """A few bytes less somewhere inside."""
    at = random.randrange(len(claim.proof))
    return replace(claim, proof=claim.proof[:at] + claim.proof[at + random.randint(1, 32) :])


def not_canonical(random: Random, claim: Claim, other: Claim) -> Claim:
    """A word that is not below p, or the same residue written as value + p."""
    at = HEADER + 4 * random.randrange((len(claim.proof) - HEADER) // 4)
    (word,) = WORD.unpack_from(claim.proof, at)
    large = random.choice((P, P + 1, 2**32 - 1, word + P if word + P < 2**32 else P))
    return _overwrite(claim, at, WORD.pack(large))


def random_word(random: Random, claim: Claim, other: Claim) -> Claim:
    """Another field element somewhere."""
    at = HEADER + 4 * random.randrange((len(claim.proof) - HEADER) // 4)
    return _overwrite(claim, at, WORD.pack(random.randrange(P)))


def another_value(random: Random, claim: Claim, other: Claim) -> Claim:
    """Another value of a column at z or gz, or of a chunk."""
    start, stop = _opened(random, claim)
    at = start + VALUE * random.randrange((stop - start) // VALUE)
    words = (WORD.pack(random.randrange(P)) for _ in range(DEGREE))
    return _overwrite(claim, at, b"".join(words))


def another_count_of_values(random: Random, claim: Claim, other: Claim) -> Claim:
    """One column more or less at z or gz, or one chunk."""
    start, stop = _opened(random, claim)
    at = start + VALUE * random.randrange((stop - start) // VALUE)
    value = claim.proof[at : at + VALUE]
    kept = random.choice((b"", value + value))
    return replace(claim, proof=claim.proof[:at] + kept + claim.proof[at + VALUE :])


def swapped(random: Random, claim: Claim, other: Claim) -> Claim:
    """Two stretches of the proof changed for one another."""
    size = random.choice((4, VALUE, 32, 8 * VALUE, 4 * claim.case.circuit.column_count))
    slots = (len(claim.proof) - HEADER) // size
    first, second = sorted(HEADER + size * slot for slot in random.sample(range(slots), 2))
    proof = bytearray(claim.proof)
    proof[first : first + size], proof[second : second + size] = (
        proof[second : second + size],
        proof[first : first + size],
    )
    return replace(claim, proof=bytes(proof))


def another_proof(random: Random, claim: Claim, other: Claim) -> Claim:
    """The proof of another claim."""
    return replace(claim, proof=other.proof)


def spliced(random: Random, claim: Claim, other: Claim) -> Claim:
    """One claim's proof up to a point, then another's."""
    at = random.randrange(min(len(claim.proof), len(other.proof)))
    return replace(claim, proof=claim.proof[:at] + other.proof[at:])


def another_total(random: Random, claim: Claim, other: Claim) -> Claim:
    """A total a little or much larger or smaller, below zero and beyond any range included."""
    which = random.randrange(len(claim.totals))
    change = random.choice((-1, 1)) << random.randrange(72)
    totals = list(claim.totals)
    totals[which] += change
    return replace(claim, totals=tuple(totals))


def another_checkpoint(random: Random, claim: Claim, other: Claim) -> Claim:
    """A bit of a field of one checkpoint."""
    which = random.randrange(len(claim.checkpoints))
    start, size = random.choice(CHECKPOINT_FIELDS)
    encoded = bytearray(claim.checkpoints[which])
    encoded[start + random.randrange(size)] ^= 1 << random.randrange(8)
    return _with_checkpoint(claim, which, bytes(encoded))


def another_count(random: Random, claim: Claim, other: Claim) -> Claim:
    """A window said to hold a few records more or less."""
    which = random.randrange(1, len(claim.checkpoints))
    encoded = bytearray(claim.checkpoints[which])
    in_epoch, in_window = struct.unpack_from("<QI", encoded, 48)
    in_window = max(0, in_window + random.choice((-3, -1, 1, 4, 8, 300)))
    struct.pack_into("<QI", encoded, 48, max(in_epoch, in_window), in_window)
    return _with_checkpoint(claim, which, bytes(encoded))


def checkpoint_left_out(random: Random, claim: Claim, other: Claim) -> Claim:
    """A window missing."""
    which = random.randrange(len(claim.checkpoints))
    kept = claim.checkpoints[:which] + claim.checkpoints[which + 1 :]
    return replace(claim, checkpoints=kept if len(kept) > 1 else claim.checkpoints * 2)


def checkpoints_reordered(random: Random, claim: Claim, other: Claim) -> Claim:
    """Two checkpoints changed for one another."""
    first, second = random.sample(range(len(claim.checkpoints)), 2)
    order = list(claim.checkpoints)
    order[first], order[second] = order[second], order[first]
    return replace(claim, checkpoints=tuple(order))


def another_terms_digest(random: Random, claim: Claim, other: Claim) -> Claim:
    """Terms that the proof was not made for."""
    return replace(claim, terms_digest=random.randbytes(32))


def another_state(random: Random, claim: Claim, other: Claim) -> Claim:
    """A commitment to another state, or the two changed for one another, or none at all."""
    if claim.state is None:
        return replace(claim, state=other.state)
    before, after = claim.state
    place, word = random.randrange(len(before)), random.randrange(P)
    spoilt = (*before[:place], word, *before[place + 1 :])
    changed = ((spoilt, after), (before, spoilt), (after, before), None)
    return replace(claim, state=random.choice(changed))


def higher_floor(random: Random, claim: Claim, other: Claim) -> Claim:
    """A floor that the parameter set may not reach, on a proof that may be broken as well."""
    return replace(truncated_a_little(random, claim, other), floor_bits=random.randint(119, 123))


def _opened(random: Random, claim: Claim) -> tuple[int, int]:
    """Where the columns at z begin and end, or those of *next* at gz, or the first chunks at z."""
    circuit = claim.case.circuit
    place = HEADER
    stretches = []
    for count in (circuit.column_count, len(circuit.next_columns), 3):
        stretches.append((place, place + VALUE * count))
        place += VALUE * count
    return random.choice(stretches)


def _flip(random: Random, claim: Claim, start: int, stop: int) -> Claim:
    proof = bytearray(claim.proof)
    proof[random.randrange(start, stop)] ^= 1 << random.randrange(8)
    return replace(claim, proof=bytes(proof))


def _overwrite(claim: Claim, at: int, data: bytes) -> Claim:
    return replace(claim, proof=claim.proof[:at] + data + claim.proof[at + len(data) :])


def _with_checkpoint(claim: Claim, which: int, encoded: bytes) -> Claim:
    changed = (*claim.checkpoints[:which], encoded, *claim.checkpoints[which + 1 :])
    return replace(claim, checkpoints=changed)


MUTATIONS: tuple[Mutation, ...] = (
    flipped,
    flipped_in_header,
    flipped_near_end,
    truncated,
    truncated_a_little,
    extended,
    inserted,
    removed,
    not_canonical,
    random_word,
    another_value,
    another_count_of_values,
    swapped,
    another_proof,
    spliced,
    another_total,
    another_checkpoint,
    another_count,
    checkpoint_left_out,
    checkpoints_reordered,
    another_terms_digest,
    another_state,
    higher_floor,
)
