"""Rank tests: random rows and chunk masks are as many as the verifier's view needs, not fewer."""

from __future__ import annotations

import numpy as np

from circuits.chain import CHAIN_ELEMENTS
from circuits.field import (
    DEGREE,
    Array,
    P,
    extension_inverse,
    extension_multiply,
    extension_power,
    extension_powers,
    inverse,
    lift,
    power,
    root_of_unity,
    root_powers,
    subtract,
)
from circuits.statement import Statement
from prover.randomness import random_elements
from prover.state import link_state
from prover.witness import fill_trace
from tests.support import Before, carrying_world, following, measure, record_epoch
from verifier.kernel.fri import layer_points
from verifier.kernel.parameters import ParameterSet

LOG2_ROWS = 8


def base_rank(matrix: Array) -> int:
    """Rank over F_p by elimination."""
    rows = matrix.copy() % np.uint64(P)
    rank = 0
    for column in range(rows.shape[1]):
        pivots = np.nonzero(rows[rank:, column])[0]
        if len(pivots) == 0:
            continue
        pivot = rank + int(pivots[0])
        rows[[rank, pivot]] = rows[[pivot, rank]]
        rows[rank] = rows[rank] * np.uint64(inverse(int(rows[rank, column]))) % np.uint64(P)
        factors = rows[rank + 1 :, column].copy()
        change = factors[:, None] * rows[rank] % np.uint64(P)
        rows[rank + 1 :] = (rows[rank + 1 :] + np.uint64(P) - change) % np.uint64(P)
        rank += 1
        if rank == len(rows):
            break
    return rank


def distinct_queries(parameters: ParameterSet) -> list[int]:
    """The worst case: q distinct queries, none of which is another one's next point."""
    size = parameters.blowup << LOG2_ROWS
    chosen: list[int] = []
    for index in np.random.default_rng(5).permutation(size):
        near = {(int(index) + d) % size for d in (-parameters.blowup, 0, parameters.blowup)}
        if not near & set(chosen):
            chosen.append(int(index))
        if len(chosen) == parameters.queries:
            return chosen
    raise AssertionError("domain too small")


def view_matrix(parameters: ParameterSet, random_rows: int) -> Array:
    """The linear map from a column's last ``random_rows`` cells to the demanded values.

    Rows: f at each x and gx (base field), then six coordinates each of f(z) and f(gz).
    """
    size = 1 << LOG2_ROWS
    cells = np.arange(size - random_rows, size, dtype=np.int64)
    nodes = root_powers(LOG2_ROWS, cells)
    queries = np.array(distinct_queries(parameters), dtype=np.int64)
    log2_domain = LOG2_ROWS + parameters.blowup.bit_length() - 1
    x = layer_points(0, parameters.fold, log2_domain, queries)
    g = np.uint64(root_of_unity(LOG2_ROWS))
    points = np.concatenate([x, x * g % np.uint64(P)])
    scale = np.uint64(inverse(size))
    # L_j(y) = (y^N - 1) / N * w_j / (y - w_j)
    vanishing = (power(points, size) + np.uint64(P - 1)) % np.uint64(P) * scale % np.uint64(P)
    gaps = (points[:, None] + np.uint64(P) - nodes) % np.uint64(P)
    base = vanishing[:, None] * nodes % np.uint64(P) * power(gaps, P - 2) % np.uint64(P)
    rows = [base]
    z = random_elements(DEGREE).astype(np.uint64)
    for point in (z, z * g % np.uint64(P)):
        above = subtract(extension_power(point, size), lift(np.array(1, dtype=np.uint64)))
        spread = np.broadcast_to(point, (len(nodes), DEGREE))
        inverses = extension_inverse(subtract(spread, lift(nodes))) * nodes[:, None] % np.uint64(P)
        values = extension_multiply(inverses, above) * scale % np.uint64(P)
        rows.append(values.T)
    return np.concatenate(rows)


def test_view_is_uniform_with_the_derived_number_of_rows(parameters: ParameterSet) -> None:
    """r = 2q + 12 random cells reach every value of the view: full rank."""
    matrix = view_matrix(parameters, parameters.random_rows)
    demanded = 2 * parameters.queries + 2 * DEGREE
    assert parameters.random_rows == demanded
    assert base_rank(matrix) == demanded


def test_view_is_not_uniform_with_fewer_rows(parameters: ParameterSet) -> None:
    """One row fewer, or q + 12 as a first guess would have it, leaves a relation with the trace."""
    demanded = 2 * parameters.queries + 2 * DEGREE
    for fewer in (parameters.random_rows - 1, parameters.queries + 2 * DEGREE):
        assert base_rank(view_matrix(parameters, fewer)) == fewer < demanded


def test_chunk_masks_cover_queries_and_z(parameters: ParameterSet) -> None:
    """A mask of t = q + 1 coefficients takes any values at q queries and z; of q, it does not.

    Over F_p the demand is one form per query and six for z; a mask has coefficients in the
    extension, so coordinate by coordinate it is the base-field polynomial that must be free at the
    queries, and z adds one extension form, that is one more coefficient.
    """
    log2_domain = LOG2_ROWS + parameters.blowup.bit_length() - 1
    queries = np.array(distinct_queries(parameters), dtype=np.int64)
    x = layer_points(0, parameters.fold, log2_domain, queries)
    assert parameters.chunk_mask == parameters.queries + 1
    z = random_elements(DEGREE).astype(np.uint64)
    points = np.concatenate([lift(x), z[None]])
    for coefficients in (parameters.chunk_mask, parameters.chunk_mask - 1):
        rank = base_rank(_extension_vandermonde(points, coefficients))
        assert (rank == DEGREE * len(points)) is (coefficients == parameters.chunk_mask)


def _extension_vandermonde(points: Array, coefficients: int) -> Array:
    """Evaluation at extension points as a base-field matrix (6 points, 6 coefficients)."""
    basis = np.eye(DEGREE, dtype=np.uint64)
    blocks = []
    for point in points:
        monomials = extension_powers(point, coefficients)
        # column (i, e): the coordinates of x^e * point^i
        products = extension_multiply(monomials[:, None, :], basis[None, :, :])
        blocks.append(products.reshape(-1, DEGREE).T)
    return np.concatenate(blocks)


def test_random_rows_follow_from_the_queries() -> None:
    """Neither number is a constant: another query count gives other numbers."""
    other = ParameterSet("other", blowup=8, queries=30, grinding_bits=0, final_domain=256)
    assert (other.random_rows, other.chunk_mask) == (72, 31)


def test_rows_of_carried_state_leave_the_random_rows_alone(parameters: ParameterSet) -> None:
    """The shortest trace holds both commitments, two rows, and the random rows of every column."""
    circuit, terms = carrying_world().terms.circuit, carrying_world().terms
    per_block = circuit.schema.records_per_block
    # one closing row, the state twice, and two rows between the last of it and the random ones
    data_rows = (1 << LOG2_ROWS) - parameters.random_rows - 2 - 2 * circuit.state_rows - 1
    for rows, log2_rows in ((data_rows, LOG2_ROWS), (data_rows + 1, LOG2_ROWS + 1)):
        epoch = record_epoch([rows * per_block])
        before = Before()
        after = following(terms, epoch, 0, 0)
        places = tuple(entry.checkpoint for entry in epoch.checkpoints)
        openings = before.state, after.state
        link = link_state(circuit, places[0], places[1], openings)
        statement = Statement(
            terms.digest, places, measure(terms, epoch, 0, 0, before).totals, link
        )
        assert statement.layout(circuit).log2_rows(parameters.random_rows) == log2_rows
        first, second = (
            fill_trace(
                circuit, statement, epoch.windows, log2_rows, parameters.random_rows, openings
            ).columns
            for _ in range(2)
        )
        usable = (1 << log2_rows) - parameters.random_rows
        assert (first[:, :usable] == second[:, :usable]).all()
        assert (first[:, usable:] == second[:, usable:]).mean() < 1e-4
        end = statement.layout(circuit).active_rows + circuit.state_rows
        assert end + 2 <= usable
        blinding = first[CHAIN_ELEMENTS : 2 * CHAIN_ELEMENTS, end - 1]
        assert tuple(int(word) for word in blinding) == after.state.blinding
