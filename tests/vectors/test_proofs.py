"""The committed proofs still verify: whoever changes the format has to say so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.reference.cases import ACCEPTED, kernel_answer, reference_answer
from tests.vectors import make_proofs
from tests.vectors.make_proofs import (
    NAMES,
    SHORT,
    case_of,
    claim_of,
    header,
    log_of,
    main,
    path_of,
    read,
    stale,
)
from verifier.kernel.parameters import PARAMETER_SETS
from verifier.kernel.proof import PROOF_VERSION
from verifier.kernel.verify import proof_shape

MAXIMUM_BYTES = 1_200_000  # of all fixtures together, as committed


@pytest.mark.parametrize("name", NAMES)
def test_a_committed_proof_still_verifies(name: str) -> None:
    outdated = stale(name)
    assert outdated is None, (
        f"{path_of(name).name}: {outdated!r} is not what the code makes today. A change of the "
        "proof format, the transcript or the circuit needs a new version number and new fixtures: "
        "`make vectors`, then commit tests/vectors/proofs"
    )
    claim = claim_of(name)
    assert kernel_answer(claim) == ACCEPTED, (
        f"{path_of(name).name} was made for {header(name)['protocol']!r}, version "
        f"{header(name)['proof_version']}, and no longer verifies: raise the version"
    )
    assert reference_answer(claim) == ACCEPTED


@pytest.mark.parametrize("name", NAMES)
def test_the_fixture_is_bound_to_its_statement(name: str) -> None:
    claim = claim_of(name)
    other = replace(claim, totals=(claim.totals[0] + 1, *claim.totals[1:]))
    assert (kernel_answer(other), reference_answer(other)) == ("PROOF_CONSTRAINTS",) * 2


def test_there_are_two_small_files_for_each_parameter_set() -> None:
    files = sorted(make_proofs.TARGET.iterdir())
    assert files == sorted(path_of(name) for name in NAMES)
    assert sum(file.stat().st_size for file in files) < MAXIMUM_BYTES


@pytest.mark.parametrize("name", NAMES)
def test_one_has_a_layer_and_one_none(name: str) -> None:
    case = case_of(name)
    statement = log_of(case).statement(case.circuit)
    shape = proof_shape(case.circuit, case.parameters, statement)
    assert shape.folds == (0 if name.endswith(SHORT) else 1)


def test_making_them_anew_leaves_current_ones_alone() -> None:
    before = {name: path_of(name).read_bytes() for name in NAMES}
    main([])
    assert {name: path_of(name).read_bytes() for name in NAMES} == before


def test_another_version_or_circuit_makes_a_fixture_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_proofs, "PROOF_VERSION", PROOF_VERSION + 1)
    assert stale("fast") == "proof_version"
    monkeypatch.undo()
    monkeypatch.setattr(make_proofs, "SEED", make_proofs.SEED + 1)
    assert stale("fast") == "statement"
    monkeypatch.undo()
    monkeypatch.setitem(PARAMETER_SETS, "fast", replace(PARAMETER_SETS["fast"], queries=103))
    assert stale("fast") == "parameters"
    monkeypatch.undo()
    monkeypatch.setattr(make_proofs, "path_of", lambda name: path_of("another"))
    assert stale("fast") == "missing"


def test_proofs_made_today_verify_too(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    # they are randomised: new ones are compared by what verifies, not by bytes
    committed = {name: read(name) for name in NAMES}
    monkeypatch.setattr(make_proofs, "TARGET", tmp_path_factory.mktemp("vectors") / "proofs")
    main([])
    for name in NAMES:
        fresh, proof = read(name)
        assert fresh == committed[name][0]
        assert proof != committed[name][1]
        assert kernel_answer(claim_of(name)) == ACCEPTED
