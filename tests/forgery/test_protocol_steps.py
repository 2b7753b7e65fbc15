"""A prover that lies in one step of the protocol: refused where that step is checked.

More lies, with their reasons, stand in ``tests/kernel/test_reasons.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from circuits.circuit import Trace
from circuits.compile import compile_circuit
from circuits.errors import Reason
from circuits.field import P
from circuits.records import Records
from circuits.statement import Statement
from prover.kernels.montgomery import Words
from prover.log import WindowLog
from prover.prove import prove
from tests.circuits.logs import random_log
from tests.forgery import dishonest
from tests.forgery.dishonest import (
    final_polynomial,
    high_degree,
    layer_openings,
    openings,
    unmasked,
)
from tests.kernel.malicious import Patch, lying, where_degree_shows, where_values_meet
from tests.kernel.proofs import (
    METER,
    METER_FORMULAS,
    PUMP,
    PUMP_FORMULAS,
    Made,
    as_windows,
    make,
    piece,
)
from verifier.kernel.parameters import PARAMETER_SETS, ParameterSet

# a column of the chain, which goes on on the next row, and one of a round
NEXT, ALONE = 3, 20


def swapped_columns(trace: Trace) -> None:
    """Two columns change places everywhere."""
    trace.columns[[NEXT, ALONE]] = trace.columns[[ALONE, NEXT]]


def undeclared_row(trace: Trace) -> None:
    """The last window's closing row is left empty, as if it were padding."""
    trace.columns[:, trace.layout.active_rows - 1] = 0


def without_last(polynomial: Words) -> Words:
    """The same polynomial with its highest coefficient left out, as long as before."""
    out = polynomial.copy()
    out[-1] = 0
    return out


def longer(polynomial: Words) -> Words:
    """One coefficient too many."""
    return np.concatenate([polynomial, polynomial[:1]])


LIES: dict[str, tuple[Patch, Reason]] = {
    "wrong quotient": (dishonest.wrong_quotient, Reason.PROOF_CONSTRAINTS),
    "columns swapped in the trace": (
        dishonest.another_trace(swapped_columns),
        Reason.PROOF_CONSTRAINTS,
    ),
    "columns swapped in the tree": (
        dishonest.swapped_in_the_tree(NEXT, ALONE),
        Reason.PROOF_FRI_PATH,
    ),
    "columns open at z alone swapped in the tree": (
        dishonest.swapped_in_the_tree(ALONE, ALONE + 1),
        Reason.PROOF_FRI_PATH,
    ),
    "columns swapped at z": (dishonest.swapped_values, Reason.PROOF_CONSTRAINTS),
    "last row declared padding": (
        dishonest.another_trace(undeclared_row),
        Reason.PROOF_CONSTRAINTS,
    ),
    "column of degree N, combination of degree N - 1": (
        high_degree(NEXT, follow=False),
        Reason.PROOF_FRI_PATH,
    ),
    "column open at z alone of degree N, combination of degree N - 1": (
        high_degree(ALONE, follow=False),
        Reason.PROOF_FRI_PATH,
    ),
    "chunk masks that do not cancel": (dishonest.loose_chunk_masks, Reason.PROOF_CONSTRAINTS),
    "mask polynomial left out": (dishonest.mask_not_added, Reason.PROOF_FRI_PATH),
    "final polynomial without its last coefficient": (
        final_polynomial(without_last),
        Reason.PROOF_FRI_FINAL,
    ),
    # no length is sent: what follows is read as the nonce, and nobody worked for that
    "final polynomial one shorter": (
        final_polynomial(lambda polynomial: polynomial[:-1]),
        Reason.PROOF_GRINDING,
    ),
    "final polynomial one longer": (final_polynomial(longer), Reason.PROOF_GRINDING),
    "no grinding": (dishonest.no_work, Reason.PROOF_GRINDING),
    "queries of the prover's choice": (dishonest.chosen_queries, Reason.PROOF_SIZE),
    "neighbours opened": (
        openings(lambda indices: [i ^ 1 for i in indices]),
        Reason.PROOF_TRACE_PATH,
    ),
    # one leaf more or less: salts are read as words of leaves, or words as salts
    "an opening repeated": (
        openings(lambda indices: [*indices, indices[-1]]),
        Reason.PROOF_TRACE_PATH,
    ),
    "an opening dropped": (openings(lambda indices: indices[:-1]), Reason.PROOF_FIELD_ELEMENT),
    "a layer's leaves sent whole": (dishonest.leaf_sent_whole, Reason.PROOF_FRI_PATH),
    "a layer's leaves around other values": (
        layer_openings(dishonest.next_in_leaf),
        Reason.PROOF_FRI_PATH,
    ),
    "a layer's leaf dropped": (
        layer_openings(dishonest.without_last_leaf),
        Reason.PROOF_FIELD_ELEMENT,
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_in_one_step(made: Made, name: str) -> None:
    lie, reason = LIES[name]
    assert lying(made, lie).reason() is reason


@pytest.mark.parametrize("name", [name for name in LIES if "layer" not in name])
def test_a_lie_in_one_step_without_layers(short: Made, name: str) -> None:
    lie, reason = LIES[name]
    known = where_values_meet(short) if reason is Reason.PROOF_FRI_PATH else reason
    assert lying(short, lie).reason() is known


@pytest.mark.parametrize(
    "lie",
    [
        high_degree(NEXT, follow=True),
        high_degree(ALONE, follow=True),
        dishonest.mask_of_high_degree,
    ],
    ids=["column", "column open at z alone", "mask"],
)
def test_degree_n_with_the_combination_as_it_is(made: Made, folded: Made, lie: Patch) -> None:
    for each in (made, folded):
        assert lying(each, lie).reason() is where_degree_shows(each)


@pytest.mark.reason(Reason.PROOF_FRI_FINAL)
def test_another_final_polynomial_with_more_layers(folded: Made) -> None:
    assert lying(folded, final_polynomial(without_last)).reason() is Reason.PROOF_FRI_FINAL


def test_the_control_without_a_lie(made: Made, folded: Made) -> None:
    # each kind of machinery once, told to change nothing
    same = [
        dishonest.nothing,
        dishonest.another_trace(lambda trace: None),
        final_polynomial(lambda polynomial: polynomial),
        openings(lambda indices: indices),
        layer_openings(lambda indices, _: indices),
    ]
    for lie in same:
        lying(made, lie).verify()
    folded.verify()


def test_the_control_of_tampered_trees(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    # the trees are rebuilt with nothing changed in them
    monkeypatch.setattr(dishonest.SwappedColumns, "tamper", lambda *_: None)
    assert {NEXT, ALONE, ALONE + 1} & set(made.circuit.next_columns) == {NEXT}
    monkeypatch.setattr(
        dishonest.HighDegree, "vanishing", lambda lie: np.zeros(lie.blowup, dtype=np.uint64)
    )
    for lie in (
        dishonest.swapped_in_the_tree(NEXT, ALONE),
        high_degree(NEXT, follow=True),
        high_degree(ALONE, follow=True),
    ):
        lying(made, lie).verify()
    monkeypatch.setattr(dishonest, "_to_the_rows", lambda _rows, blowup: [0] * blowup)
    lying(made, dishonest.mask_of_high_degree).verify()


@pytest.mark.parametrize("what", ["random rows", "chunk masks", "mask polynomial", "salts"])
def test_missing_masks_are_accepted(made: Made, what: str) -> None:
    """Masks protect the prover's readings and nothing else: the statement is still true.

    No verifier can tell: every one of these values could have been drawn.
    """
    lying(made, unmasked(what)).verify()


# the log

Windows = tuple[WindowLog, ...]


def records_reordered(windows: Windows) -> Windows:
    """Two records of a window change places: every sum stays the same."""
    records = windows[0].records.copy()
    records[[1, 2]] = records[[2, 1]]
    return (WindowLog(records, windows[0].salt), *windows[1:])


def reading_in_padding(windows: Windows) -> Windows:
    """One record more than was signed, in the last block's empty slot."""
    records = np.concatenate([windows[0].records, windows[0].records[:1]])
    return (WindowLog(records, windows[0].salt), *windows[1:])


def another_salt(windows: Windows) -> Windows:
    """The readings are right, the salt is not."""
    salt = windows[0].salt.copy()
    salt[0] = (int(salt[0]) + 1) % P
    return (WindowLog(windows[0].records, salt), *windows[1:])


@pytest.mark.reason(Reason.PROOF_CONSTRAINTS)
@pytest.mark.parametrize(
    "change",
    [
        lambda windows: windows[::-1],
        lambda windows: (windows[0], windows[0]),
        records_reordered,
        another_salt,
        reading_in_padding,
    ],
    ids=["reordered", "stale", "records reordered", "another salt", "reading in padding"],
)
def test_other_windows_than_were_signed(
    change: Callable[[Windows], Windows], parameters: ParameterSet
) -> None:
    log = random_log(PUMP, [9, 9], seed=3)
    circuit = compile_circuit(PUMP, PUMP_FORMULAS)
    changed = change(as_windows(log))
    records = np.concatenate([window.records for window in changed])
    counts = tuple(len(window.records) for window in changed)
    starts_ms = tuple(checkpoint.start_ms for checkpoint in log.checkpoints[1:])
    totals = circuit.measure(Records(records, counts, starts_ms, True), {}).totals
    for claimed in {totals, log.totals(circuit)}:
        statement = log.statement(circuit, claimed)
        proof = prove(circuit, parameters, statement, changed, check=False)
        forged = Made(circuit, log, statement, proof, parameters)
        assert forged.reason() is Reason.PROOF_CONSTRAINTS


def test_the_control_of_other_windows(parameters: ParameterSet) -> None:
    make(PUMP, PUMP_FORMULAS, [9, 9], seed=3, parameters=parameters).verify()


# whose proof it is


def test_a_proof_under_another_parameter_set(made: Made) -> None:
    made.verify()
    # the set of this name, too, which folds less often
    for parameters in PARAMETER_SETS.values():
        other = replace(made, parameters=parameters)
        # with more chunks to read, a root is read as words, which are seldom all canonical
        allowed = {Reason.PROOF_CONSTRAINTS}
        if len(made.proof) > other.shape.maximum_bytes:
            allowed = {Reason.PROOF_SIZE}
        elif other.shape.chunks > made.shape.chunks:
            allowed.add(Reason.PROOF_FIELD_ELEMENT)
        assert other.reason() in allowed


def other_device(statement: Statement) -> Statement:
    """Every checkpoint says another device."""
    checkpoints = tuple(replace(c, device=b"\x07" * 32) for c in statement.checkpoints)
    return replace(statement, checkpoints=checkpoints)


@pytest.mark.reason(Reason.PROOF_CONSTRAINTS)
@pytest.mark.parametrize(
    "change",
    [lambda statement: replace(statement, terms_digest=b"\x07" * 32), other_device],
    ids=["terms", "device"],
)
def test_a_proof_made_for_another_contract_or_device(
    made: Made, change: Callable[[Statement], Statement]
) -> None:
    # the other way around stands in tests/kernel: here the prover proves the foreign statement
    foreign = change(made.statement)
    proof = prove(made.circuit, made.parameters, foreign, made.windows)
    replace(made, statement=foreign, proof=proof).verify()
    assert made.with_proof(proof).reason() is Reason.PROOF_CONSTRAINTS


@pytest.mark.reason(Reason.PROOF_CONSTRAINTS)
def test_a_proof_for_another_circuit(folded: Made) -> None:
    # one reading's difference in a threshold; both are true of this log
    formulas = (METER_FORMULAS[0], "count(value <= 40001)")
    other = make(METER, formulas, [1700, 800], parameters=folded.parameters)
    other.verify()
    swapped = replace(other, circuit=folded.circuit)
    assert swapped.reason() is Reason.PROOF_CONSTRAINTS


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("trace rows", Reason.PROOF_TRACE_PATH),
        ("quotient rows", Reason.PROOF_QUOTIENT_PATH),
        ("layer 0 rows", Reason.PROOF_FRI_PATH),
    ],
)
def test_two_openings_that_change_places(made: Made, name: str, reason: Reason) -> None:
    # true leaves of the tree, at each other's index
    found = piece(made, name)
    columns = {"trace rows": made.shape.columns, "quotient rows": made.shape.quotient_columns}
    # all but one value of a leaf, where no two queries share one
    size = 4 * columns.get(name, (made.parameters.fold - 1) * 6)
    start, proof = found.start, made.proof
    first, second = proof[start : start + size], proof[start + size : start + 2 * size]
    mutated = proof[:start] + second + first + proof[start + 2 * size :]
    assert made.with_proof(mutated).reason() is reason
