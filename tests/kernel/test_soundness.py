"""The soundness calculator against published values, and its answer for our own parameters."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.proofs import with_layers
from verifier.kernel.parameters import PARAMETER_SETS, ParameterSet
from verifier.kernel.soundness import Levels, circuit_levels, proven_bits, soundness_levels

VECTORS = json.loads(
    (Path(__file__).parents[1] / "vectors" / "soundness.json").read_text(encoding="utf-8")
)
# the Poseidon columns alone are 164; more of either only weakens ALI and DEEP, far from the minimum
COLUMNS, CONSTRAINTS, MAX_DEGREE = 220, 400, 3


def arguments(case: dict[str, Any]) -> dict[str, Any]:
    return {
        "extension_degree": case["extension_degree"],
        "rate": case["rate"],
        "log2_trace_length": case["log2_trace_length"],
        "queries": case["num_queries"],
        "grinding_bits": case["grinding_bits"],
        "batch_size": case["batch_size"],
        "constraints": case["num_constraints"],
        "max_degree": case["air_max_degree"],
        "power_batching": case["power_batching"],
        "folding_factors": case["folding_factors"],
        "early_stop_size": case["early_stop_size"],
        "max_combo": VECTORS["max_combo"],
    }


@pytest.mark.parametrize("index", range(len(VECTORS["cases"])))
def test_every_level_of_every_case(index: int) -> None:
    case = VECTORS["cases"][index]
    for regime, levels in soundness_levels(**arguments(case)).items():
        got = {name: math.floor(bits) for name, bits in levels.named().items()}
        got["total"] = math.floor(levels.minimum)
        assert got == case["levels_bits"][regime]


@pytest.mark.parametrize("log2_rows", range(8, 21))
@pytest.mark.parametrize(
    ("name", "bits"), [("standard", 121.02), ("compact", 120.28), ("fast", 120.53)]
)
def test_what_each_set_proves_at_every_size(name: str, bits: float, log2_rows: int) -> None:
    proven = proven_bits(PARAMETER_SETS[name], log2_rows, COLUMNS, CONSTRAINTS, MAX_DEGREE)
    assert bits <= proven < bits + 0.01  # the query phase, whatever the trace length


def test_levels_move_the_right_way() -> None:
    def bits(**changes: Any) -> float:
        return soundness_levels(**(arguments(VECTORS["cases"][-1]) | changes))["JBR"].minimum

    base = bits()
    assert bits(queries=55) > base
    assert bits(grinding_bits=19) == pytest.approx(base - 1)


def test_fewer_folds_change_the_levels_of_the_folds_alone(parameters: ParameterSet) -> None:
    """The known answers have a fold or more; a trace without any has their other levels."""
    for log2_rows in (8, 12, 17):
        sizes = log2_rows, COLUMNS, CONSTRAINTS, MAX_DEGREE
        more = circuit_levels(with_layers(parameters), *sizes)
        for regime, levels in circuit_levels(parameters, *sizes).items():
            folds = parameters.fold_count(log2_rows)
            assert len(levels.commit) == folds < len(more[regime].commit)
            assert levels == replace(more[regime], commit=more[regime].commit[:folds])


def test_union_bound_is_below_the_minimum(parameters: ParameterSet) -> None:
    levels = Levels(batching=121.0, commit=(121.0,), query=121.0, ali=121.0, deep=400.0)
    assert levels.union == pytest.approx(119.0)
    real = circuit_levels(parameters, 17, COLUMNS, CONSTRAINTS, MAX_DEGREE)["JBR"]
    assert real.minimum - 0.1 < real.union < real.minimum
    assert real.union > 120


def test_impossible_parameters_are_refused() -> None:
    case = arguments(VECTORS["cases"][-1])
    with pytest.raises(ValueError, match="folding ends at 256 points, not at 128"):
        soundness_levels(**(case | {"early_stop_size": 128}))
    tiny = {"log2_trace_length": 1, "rate": 0.5, "folding_factors": [], "early_stop_size": 4}
    with pytest.raises(ValueError, match="multi-point"):
        soundness_levels(**(case | tiny))


# random rows, coefficients of a chunk's mask; chunks, folds and last coefficients at some lengths
SIZES = {
    "standard": ((148, 69), [5, 4, 4, 4], [0, 0, 1, 1, 3, 4], [256, 512, 256]),
    "compact": ((112, 51), [5, 4, 4, 4], [0, 0, 1, 1, 3, 4], [256, 512, 256]),
    "fast": ((216, 103), [7, 5, 4, 4], [0, 0, 1, 1, 3, 4], [256, 512, 256]),
}


def test_the_sizes_of_each_set(parameters: ParameterSet) -> None:
    masks, chunk_counts, folds, final = SIZES[parameters.name]
    assert (parameters.random_rows, parameters.chunk_mask) == masks
    assert [parameters.chunk_count(k) for k in (8, 9, 17, 20)] == chunk_counts
    assert [parameters.fold_count(k) for k in (8, 9, 11, 12, 17, 20)] == folds
    assert [parameters.final_coefficients(k) for k in (8, 9, 17)] == final
    for log2_rows in range(8, 21):
        rows, chunks = 1 << log2_rows, parameters.chunk_count(log2_rows)
        room = rows - parameters.chunk_mask
        assert chunks * room >= 3 * rows + parameters.random_rows - 2 > (chunks - 1) * room
