"""Each reason of the kernel: a valid proof, one explained mutation, exactly that reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from circuits.compile import compile_circuit
from circuits.errors import Reason
from circuits.field import P
from tests.kernel.malicious import (
    ForgedChunk,
    Patch,
    change_cell,
    lying,
    shift_deep_polynomial,
    shift_fold,
    where_degree_shows,
    where_values_meet,
)
from tests.kernel.proofs import Made, flipped, piece, pieces, with_word, word_at


def test_the_fixtures_are_valid(short: Made, made: Made, folded: Made) -> None:
    # every refusal below means something only because these pass
    for each in (short, made, folded):
        each.verify()
    assert (short.shape.log2_rows, short.shape.folds) == (8, 0)
    assert (made.shape.log2_rows, folded.shape.folds) == (8, 2)
    layers = {"standard": 1, "compact": 2, "fast": 1}
    assert made.shape.folds == layers[made.parameters.name]
    rows = {"standard": 9, "compact": 9, "fast": 10}
    assert folded.shape.log2_rows == rows[folded.parameters.name]


# 6. policy, decided before a byte of the proof is read


@pytest.mark.reason(Reason.SOUNDNESS_FLOOR)
def test_a_floor_above_what_the_parameters_prove(made: Made) -> None:
    made.verify(120.25)
    assert made.reason(121.5) is Reason.SOUNDNESS_FLOOR
    assert made.with_proof(b"").reason(121.5) is Reason.SOUNDNESS_FLOOR


@pytest.mark.reason(Reason.TRACE_LENGTH)
def test_more_records_than_a_trace_holds(made: Made) -> None:
    # the last checkpoint declares 2^23 records at four a row: above 2^20 rows
    checkpoints = made.statement.checkpoints
    last = replace(checkpoints[-1], records_in_window=2**23)
    long = replace(made.statement, checkpoints=(*checkpoints[:-1], last))
    assert replace(made, statement=long).reason() is Reason.TRACE_LENGTH


@pytest.mark.reason(Reason.OUTCOME_RANGE)
def test_a_total_that_no_claim_can_reach(made: Made) -> None:
    # adding p * 2^shift of the top limb gives the same public inputs: the range check must stop it
    outcome = made.circuit.outcomes[1]
    true = made.statement.totals
    wrapped = (true[0], true[1] + (P << outcome.limbs[-1].shift))
    assert outcome.public_limbs(wrapped[1]) == outcome.public_limbs(true[1])
    changed = replace(made, statement=replace(made.statement, totals=wrapped))
    assert changed.reason() is Reason.OUTCOME_RANGE


# 7. the proof


@pytest.mark.reason(Reason.PROOF_VERSION)
@pytest.mark.parametrize("position", range(6))
def test_another_tag_or_version(made: Made, position: int) -> None:
    assert made.with_proof(flipped(made.proof, position)).reason() is Reason.PROOF_VERSION


@pytest.mark.reason(Reason.PROOF_SIZE)
@pytest.mark.parametrize("kept", [0, 5, 6, 37, 38, 1000, -32, -1])
def test_a_proof_that_ends_early(either: Made, kept: int) -> None:
    assert either.with_proof(either.proof[:kept]).reason() is Reason.PROOF_SIZE


@pytest.mark.reason(Reason.PROOF_SIZE)
@pytest.mark.parametrize("tail", [b"\0", bytes(32)])
def test_bytes_after_the_proof(either: Made, tail: bytes) -> None:
    assert either.with_proof(either.proof + tail).reason() is Reason.PROOF_SIZE


@pytest.mark.reason(Reason.PROOF_SIZE)
def test_a_proof_above_the_bound_is_not_read(made: Made) -> None:
    # even where its first bytes would already be refused for another reason
    huge = bytes(made.shape.maximum_bytes + 1)
    assert made.with_proof(huge).reason() is Reason.PROOF_SIZE
    assert made.with_proof(huge[:-1]).reason() is Reason.PROOF_VERSION


def test_the_size_bound_covers_honest_proofs(short: Made, made: Made, folded: Made) -> None:
    for each in (short, made, folded):
        assert 0.5 * each.shape.maximum_bytes < len(each.proof) <= each.shape.maximum_bytes


@pytest.mark.reason(Reason.PROOF_FIELD_ELEMENT)
@pytest.mark.parametrize("name", ["at z", "at gz", "chunks at z", "final polynomial", "trace rows",
                                  "quotient rows", "layer 0 rows"])  # fmt: skip
def test_a_second_encoding_of_the_same_element(short: Made, made: Made, name: str) -> None:
    # v and v + p are one field element; only v is canonical
    for each in (made,) if name.startswith("layer") else (short, made):
        found = piece(each, name)
        position = next(
            at for at in range(found.start, found.end, 4) if word_at(each.proof, at) < 2**32 - P
        )
        value = word_at(each.proof, position)
        forged = with_word(each.proof, position, value + P)
        assert each.with_proof(forged).reason() is Reason.PROOF_FIELD_ELEMENT
        # p itself, in the last word of the piece
        forged = with_word(each.proof, found.end - 4, P)
        assert each.with_proof(forged).reason() is Reason.PROOF_FIELD_ELEMENT


@pytest.mark.reason(Reason.PROOF_GRINDING)
def test_a_nonce_without_work(made: Made) -> None:
    nonce = piece(made, "nonce")
    for position in range(nonce.start, nonce.end):
        assert made.with_proof(flipped(made.proof, position)).reason() is Reason.PROOF_GRINDING


@pytest.mark.reason(Reason.PROOF_CONSTRAINTS)
@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("step", [1, -1])
def test_another_total(made: Made, index: int, step: int) -> None:
    totals = list(made.statement.totals)
    totals[index] += step
    changed = replace(made, statement=replace(made.statement, totals=tuple(totals)))
    assert changed.reason() is Reason.PROOF_CONSTRAINTS


@pytest.mark.reason(Reason.PROOF_CONSTRAINTS)
def test_a_trace_with_one_wrong_cell(made: Made) -> None:
    # the prover commits to a running count that skips ahead by one, and proves the rest honestly
    totals = (made.statement.totals[0], made.statement.totals[1] + 1)
    statement = replace(made.statement, totals=totals)
    lie = change_cell("outcome 1 top", made.shape.rows // 2, made.circuit)
    assert lying(made, lie, statement).reason() is Reason.PROOF_CONSTRAINTS


@pytest.mark.reason(Reason.PROOF_CONSTRAINTS)
@pytest.mark.parametrize("name", ["trace root", "quotient root", "at z", "at gz", "chunks at z"])
def test_what_the_constraints_rest_on(made: Made, name: str) -> None:
    # a changed root changes the challenge after it; a changed value breaks the identity itself
    found = piece(made, name)
    mutated = flipped(made.proof, found.start)
    assert made.with_proof(mutated).reason() is Reason.PROOF_CONSTRAINTS


@pytest.mark.reason(Reason.PROOF_TRACE_PATH)
@pytest.mark.parametrize("name", ["trace rows", "trace salt", "trace sibling"])
def test_trace_openings_that_are_not_under_the_root(made: Made, name: str) -> None:
    mutated = flipped(made.proof, piece(made, name).start)
    assert made.with_proof(mutated).reason() is Reason.PROOF_TRACE_PATH


@pytest.mark.reason(Reason.PROOF_QUOTIENT_PATH)
@pytest.mark.parametrize("name", ["quotient rows", "quotient salt", "quotient sibling"])
def test_quotient_openings_that_are_not_under_the_root(made: Made, name: str) -> None:
    mutated = flipped(made.proof, piece(made, name).start)
    assert made.with_proof(mutated).reason() is Reason.PROOF_QUOTIENT_PATH


@pytest.mark.reason(Reason.PROOF_FRI_PATH)
@pytest.mark.parametrize(
    "name", [f"layer {k} {what}" for k in (0, 1) for what in ("rows", "sibling")]
)
def test_layer_openings_that_are_not_under_the_root(folded: Made, name: str) -> None:
    mutated = flipped(folded.proof, piece(folded, name).start)
    assert folded.with_proof(mutated).reason() is Reason.PROOF_FRI_PATH


@pytest.mark.reason(Reason.PROOF_FRI_PATH)
def test_a_first_layer_that_is_not_the_combination(short: Made, made: Made) -> None:
    # low degree, consistent folds, honest openings: only the link to the trace is missing
    assert lying(made, shift_deep_polynomial).reason() is Reason.PROOF_FRI_PATH
    assert lying(short, shift_deep_polynomial).reason() is Reason.PROOF_FRI_FINAL


@pytest.mark.reason(Reason.PROOF_FRI_PATH)
def test_a_second_layer_that_is_not_the_fold_of_the_first(folded: Made) -> None:
    refusal = lying(folded, shift_fold(0)).refusal()
    assert refusal.reason is Reason.PROOF_FRI_PATH
    assert refusal.detail.startswith("layer 1: ")


@pytest.mark.reason(Reason.PROOF_FRI_FINAL)
def test_a_final_polynomial_that_is_not_the_last_fold(made: Made, folded: Made) -> None:
    for each in (made, folded):
        lie = shift_fold(each.shape.folds - 1)
        assert lying(each, lie).reason() is Reason.PROOF_FRI_FINAL


@pytest.mark.parametrize("commit_pole", [False, True])
def test_a_false_total_with_a_forged_chunk_value(
    short: Made, made: Made, *, commit_pole: bool
) -> None:
    # the strongest cheap attack: the identity at z holds, so the low-degree test must answer
    statement = replace(
        made.statement, totals=(made.statement.totals[0] - 1, *made.statement.totals[1:])
    )
    lie = ForgedChunk(made.circuit, statement, commit_pole=commit_pole)
    forged = lying(made, lie, statement)
    assert lie.remainder.any()
    where = where_degree_shows if commit_pole else where_values_meet
    assert forged.reason() is where(made)
    if not commit_pole:  # a pole cannot be sent as a polynomial
        lie = ForgedChunk(short.circuit, statement, commit_pole=False)
        assert lying(short, lie, statement).reason() is where(short)


@pytest.mark.parametrize("lie", [shift_fold(99), lambda patch: None], ids=["no fold", "nothing"])
def test_a_prover_that_does_not_lie_passes(made: Made, lie: Patch) -> None:
    # the malicious prover's machinery itself breaks nothing
    lying(made, lie).verify()


def test_a_forged_chunk_of_a_true_statement_is_the_true_chunk(made: Made) -> None:
    # the forger solves the verifier's own identity: without a lie there is nothing to solve
    lie = ForgedChunk(made.circuit, made.statement, commit_pole=True)
    forged = lying(made, lie)
    assert not lie.remainder.any()
    forged.verify()


# nothing but reasons


def test_flipping_any_piece_is_refused(short: Made, folded: Made) -> None:
    # a bit of each piece in turn: roots, values, salts, siblings, every layer
    random = np.random.default_rng(7)
    for each, names in ((short, 9 + 3 + 3), (folded, 10 + 3 + 3 + 2 * 2)):
        seen: set[str] = set()
        for found in pieces(each):
            if found.name in seen and random.random() > 0.02:
                continue
            seen.add(found.name)
            position = int(random.integers(found.start, found.end))
            mask = 1 << int(random.integers(0, 8))
            refusal = each.with_proof(flipped(each.proof, position, mask)).reason()
            assert refusal.name.startswith("PROOF_")
        assert len(seen) == names


@pytest.mark.parametrize("seed", range(4))
def test_random_flips_truncations_and_splices(either: Made, seed: int) -> None:
    random = np.random.default_rng(seed)
    for _ in range(40):
        kind = int(random.integers(0, 4))
        data = bytearray(either.proof)
        at = int(random.integers(0, len(data)))
        if kind == 0:
            data[at] ^= 1 << int(random.integers(0, 8))
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            data[at : at + 4] = random.bytes(4) + b"\xff" * 4
        else:
            other = int(random.integers(0, len(data) - 32))
            if data[at : at + 32] == data[other : other + 32]:
                continue
            data[at : at + 32] = data[other : other + 32]
        assert either.with_proof(bytes(data)).reason().name.startswith("PROOF_")


@pytest.mark.parametrize("seed", range(4))
def test_random_bytes(either: Made, seed: int) -> None:
    random = np.random.default_rng(seed)
    for size in (0, 1, 6, 100, 5000, either.shape.maximum_bytes):
        assert either.with_proof(random.bytes(size)).reason().name.startswith("PROOF_")
        headed = (either.proof[:6] + random.bytes(size))[: either.shape.maximum_bytes]
        assert either.with_proof(headed).reason().name.startswith("PROOF_")
    zeros = either.proof[:6] + bytes(len(either.proof) - 6)
    assert either.with_proof(zeros).reason() is Reason.PROOF_CONSTRAINTS


@pytest.mark.parametrize("what", ["terms", "device", "chain", "time", "index", "salt order"])
def test_a_proof_belongs_to_one_statement(made: Made, what: str) -> None:
    checkpoints = made.statement.checkpoints
    first, middle, last = checkpoints[0], checkpoints[1], checkpoints[-1]
    other = {
        "terms": replace(made.statement, terms_digest=bytes(32)),
        "device": replace(
            made.statement, checkpoints=tuple(replace(c, device=bytes(32)) for c in checkpoints)
        ),
        "chain": replace(
            made.statement, checkpoints=(*checkpoints[:-1], replace(last, chain=first.chain))
        ),
        "time": replace(
            made.statement, checkpoints=(first, replace(middle, end_ms=1), *checkpoints[2:])
        ),
        "index": replace(made.statement, checkpoints=(*checkpoints[:-1], replace(last, index=9))),
        "salt order": replace(made.statement, checkpoints=(first, *checkpoints[:0:-1])),
    }[what]
    assert replace(made, statement=other).reason() is Reason.PROOF_CONSTRAINTS


def test_a_proof_belongs_to_one_circuit_and_parameter_set(made: Made) -> None:
    other = compile_circuit(made.circuit.schema, ("sum(flow * dt_ms)", "count(flow <= 100.001)"))
    assert other.column_count == made.circuit.column_count
    assert replace(made, circuit=other).reason() is Reason.PROOF_CONSTRAINTS
    renamed = replace(made.parameters, name="other")
    assert replace(made, parameters=renamed).reason() is Reason.PROOF_CONSTRAINTS
