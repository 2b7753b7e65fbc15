"""``prove``: the prover's side of the numbered protocol in ``docs/protocol.md``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
from numba import get_num_threads, set_num_threads

from circuits.circuit import Circuit
from circuits.errors import BadInput, InputReason
from circuits.field import (
    DEGREE,
    GENERATOR,
    Array,
    P,
    extension_multiply,
    inverse,
    root_of_unity,
    root_powers,
    subtract,
)
from circuits.layout import Layout
from circuits.statement import Statement
from circuits.trace_check import check_trace
from prover.commit import ColumnCommitment, commit_columns, commit_layer
from prover.deep import deep_polynomial, evaluate_some
from prover.kernels.blake2s import grind
from prover.kernels.montgomery import Words, aligned
from prover.kernels.ntt import (
    bit_reversal,
    extend_cosets,
    interpolate,
    interpolate_columns,
    to_groups,
)
from prover.kernels.order import as_groups, interpolate_four
from prover.kernels.polynomial import evaluate_columns, fold_coefficients
from prover.kernels.program import Program, assemble, combine, evaluate
from prover.kernels.vector import LANES
from prover.log import WindowLog
from prover.randomness import random_elements
from prover.state import Openings
from prover.witness import fill_trace, whole_groups, wrong_window
from verifier.kernel.fri import layer_shift
from verifier.kernel.parameters import ParameterSet
from verifier.kernel.proof import PROOF_TAG, PROOF_VERSION, Shape
from verifier.kernel.verify import draw_point, proof_shape, start_transcript

Progress = Callable[[str, float], None]
QUOTIENT_BLOWUP = 4
SMALL_ROWS = 2048
_P = np.uint64(P)


@lru_cache(maxsize=16)
def _program(circuit: Circuit) -> Program:
    return assemble(circuit)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = get_num_threads()
    set_num_threads(count)
    try:
        yield
    finally:
        set_num_threads(before)


def prove(
    circuit: Circuit,
    parameters: ParameterSet,
    statement: Statement,
    windows: Sequence[WindowLog],
    progress: Progress | None = None,
    *,
    state: Openings | None = None,
    check: bool = True,
    memory_bytes: int | None = None,
) -> bytes:
    """Canonical proof bytes for ``statement`` over the raw logs of its windows.

    ``state`` opens the statement's two commitments where the circuit carries state.

    Raises ``Rejected`` (TRACE_LENGTH) for too many rows and ``BadInput`` (STORE_CORRUPT), naming
    the constraint, when the logs do not satisfy the statement. ``check=False`` proves regardless:
    the result will be refused. ``progress`` receives a step's name and the fraction done.
    ``memory_bytes`` bounds what of each commitment's extended columns is kept (``commit_columns``
    has the default); with less, more is computed again.
    """
    report = progress or (lambda _step, _fraction: None)
    shape = proof_shape(circuit, parameters, statement)  # 1.
    threads = get_num_threads()
    # in a short claim threads would be waited for longer than they help, but for the proof of work
    with _threads(threads if shape.rows > SMALL_ROWS else 1):
        return _prove(
            circuit, shape, statement, windows, report, state, check, memory_bytes, threads
        )


def _prove(  # noqa: PLR0915 - the numbered protocol
    circuit: Circuit,
    shape: Shape,
    statement: Statement,
    windows: Sequence[WindowLog],
    report: Progress,
    state: Openings | None,
    check: bool,
    memory_bytes: int | None,
    threads: int,
) -> bytes:
    parameters = shape.parameters
    report("witness", 0.0)
    trace = fill_trace(circuit, statement, windows, shape.log2_rows, parameters.random_rows, state)

    # 2. Commit to the trace; alpha.
    report("trace commitment", 0.1)
    transcript = start_transcript(circuit, shape, statement)
    coefficients = interpolate_columns(whole_groups(trace))
    layout = trace.layout
    del trace  # its columns' memory holds their coefficients now
    stride = parameters.blowup // QUOTIENT_BLOWUP
    quotient_cosets = [stride * k for k in range(QUOTIENT_BLOWUP)]
    committed = commit_columns(
        coefficients, shape.columns, parameters.blowup, quotient_cosets, memory_bytes
    )
    transcript.absorb("trace root", committed.root)
    alpha = transcript.challenge("constraints", 1)[0]

    # 3. Commit to the masked quotient chunks and the mask; z.
    report("constraints", 0.5)
    quotient = _quotient(circuit, shape, statement, layout, committed, alpha)
    if check and quotient[parameters.quotient_size(shape.log2_rows) :].any():
        raise _unsatisfied(circuit, statement, windows, state, shape)
    report("quotient commitment", 0.7)
    parts = _masked_chunks(shape, quotient)
    del quotient
    second = commit_columns(
        as_groups(parts),
        shape.quotient_columns,
        parameters.blowup,
        memory_bytes=memory_bytes,
    )
    mask = parts[-1].copy()
    del parts
    transcript.absorb("quotient root", second.root)
    z = draw_point(transcript)

    # 4. Values out of the domain.
    report("values", 0.8)
    gz = z * np.uint64(root_of_unity(shape.log2_rows)) % _P
    now = evaluate_columns(coefficients, z, shape.columns)
    following = evaluate_some(coefficients, gz, shape.next_columns)
    coordinates = evaluate_columns(second.coefficients, z, shape.quotient_columns)
    chunks = _from_coordinates(coordinates)[: shape.chunks]
    transcript.absorb_elements("values at z", now)
    transcript.absorb_elements("values at gz", following)
    transcript.absorb_elements("chunks at z", chunks)

    # 5. gamma; the DEEP combination as a polynomial of degree below N.
    report("combination", 0.85)
    gamma = transcript.challenge("batching", shape.columns + shape.chunks)
    deep = deep_polynomial(
        (coefficients, second.coefficients),
        shape.next_columns,
        gamma,
        (z, gz),
        (now, following, chunks),
        mask,
    )

    # 6. FRI.
    report("low-degree test", 0.9)
    layers, polynomial = [], deep
    for layer in range(shape.folds):
        layers.append(
            commit_layer(
                polynomial,
                layer_shift(layer, parameters.fold),
                parameters.blowup,
                parameters.fold,
            )
        )
        transcript.absorb("layer root", layers[-1].root)
        beta = transcript.challenge("folding", 1)[0]
        polynomial = fold_coefficients(polynomial, beta, parameters.fold)
    transcript.absorb_elements("final polynomial", polynomial)

    # 7. Grinding; the query indices.
    report("proof of work", 0.95)
    with _threads(threads):
        nonce = grind(transcript.state, parameters.grinding_bits).to_bytes(8, "little")
    transcript.absorb("nonce", nonce)
    queries = np.unique(transcript.indices("queries", parameters.queries, shape.log2_domain))

    # 8. and 9. Openings.
    report("openings", 0.97)
    indices = [int(i) for i in queries]
    out = [PROOF_TAG, PROOF_VERSION.to_bytes(2, "little"), committed.root, second.root]
    out += [_bytes(now), _bytes(following), _bytes(chunks)]
    out += [layer.root for layer in layers]
    out += [_bytes(polynomial), nonce, committed.open(indices), second.open(indices)]
    for commitment in layers:
        out.append(commitment.open(indices))
        indices = sorted({i % len(commitment.leaves) for i in indices})
    report("done", 1.0)
    return b"".join(out)


def _bytes(values: Array | Words) -> bytes:
    return np.ascontiguousarray(values, dtype="<u4").tobytes()


def _unsatisfied(
    circuit: Circuit,
    statement: Statement,
    windows: Sequence[WindowLog],
    state: Openings | None,
    shape: Shape,
) -> BadInput:
    random_rows = shape.parameters.random_rows
    trace = fill_trace(circuit, statement, windows, shape.log2_rows, random_rows, state)
    rows = shape.rows - random_rows - 1
    failures = check_trace(circuit, trace, statement.public_inputs(circuit), rows, limit=1)
    what = f"constraint {failures[0].constraint!r} fails" if failures else "constraints fail"
    wrong = wrong_window(statement, trace)
    if wrong is not None:
        place = statement.checkpoints[wrong + 1]
        what += f" (window {place.index - 1} of epoch {place.epoch} is not the one that was signed)"
    return BadInput(InputReason.STORE_CORRUPT, f"the log does not satisfy the statement: {what}")


def _quotient(
    circuit: Circuit,
    shape: Shape,
    statement: Statement,
    layout: Layout,
    committed: ColumnCommitment,
    alpha: Array,
) -> Words:
    """Natural-order coefficients (4N, 6) of sum alpha^i C_i * exempt / (X^N - 1)."""
    # one more column than selectors, for the exempt rows' polynomial
    selectors = np.zeros((len(circuit.selectors) + 1, shape.rows), dtype=np.uint32)
    for k, name in enumerate(circuit.selectors):
        selectors[k, layout.selector(name)] = 1
    public_columns = to_groups(selectors)
    interpolate(public_columns)
    group, lane = divmod(len(circuit.selectors), LANES)
    public_columns[group, :, lane] = _exempt_coefficients(shape)[bit_reversal(shape.log2_rows)]

    stride = shape.parameters.blowup // QUOTIENT_BLOWUP
    step = root_of_unity(shape.log2_rows + 2)
    program = _program(circuit)
    combination = combine(program, statement.public_inputs(circuit), alpha)
    values = aligned((2, shape.rows, LANES), zero=True)
    numbers = [stride * k for k in range(QUOTIENT_BLOWUP)]
    for rows in committed.rows(numbers, program.next_groups.tolist()):
        k = rows.number // stride
        extended = aligned((1, len(public_columns), shape.rows // rows.step, LANES))
        cosets, coset = QUOTIENT_BLOWUP * rows.step, k + QUOTIENT_BLOWUP * rows.first
        extend_cosets(public_columns, GENERATOR, cosets, [coset], extended)
        start = GENERATOR * pow(step, k, P) % P
        scale = np.uint64(inverse(pow(start, shape.rows, P) - 1))
        factors = (extended[0, group, :, lane].astype(np.uint64) * scale % _P).astype(np.uint32)
        begin = DEGREE * (k % 2)
        out = values[k // 2, rows.first :: rows.step, begin : begin + DEGREE]
        behind = rows.following, rows.ahead
        evaluate(program, combination, rows.now, extended[0], factors, out, *behind)
        del rows  # nothing but the commitment holds them
    return interpolate_four(values, GENERATOR)


def _exempt_coefficients(shape: Shape) -> Words:
    """prod (X - w^i) over the random rows and the row before them, natural order, zero-filled."""
    rows = np.arange(shape.rows - shape.parameters.random_rows - 1, shape.rows, dtype=np.int64)
    out = np.zeros(shape.rows, dtype=np.uint64)
    out[0] = 1
    for k, root in enumerate(root_powers(shape.log2_rows, rows)):
        shifted = np.concatenate([np.zeros(1, dtype=np.uint64), out[: k + 1]])
        out[: k + 2] = (shifted + (_P - root) * out[: k + 2]) % _P
    return out.astype(np.uint32)


def _masked_chunks(shape: Shape, quotient: Words) -> Words:
    """Chunks and mask polynomial, (chunks + 1, N, 6): telescoping masks leave the sum unchanged."""
    mask_size = shape.parameters.chunk_mask
    size = shape.rows - mask_size
    parts = np.zeros((shape.chunks + 1, shape.rows, DEGREE), dtype=np.uint32)
    for k in range(shape.chunks):
        piece = quotient[k * size : (k + 1) * size]
        parts[k, : len(piece)] = piece
    masks = random_elements(shape.chunks - 1, mask_size, DEGREE)
    for k, mask in enumerate(masks):
        parts[k, size:] = mask
        low = parts[k + 1, :mask_size].astype(np.uint64)
        parts[k + 1, :mask_size] = subtract(low, mask.astype(np.uint64))
    parts[-1] = random_elements(shape.rows, DEGREE)
    return parts


def _from_coordinates(values: Array) -> Array:
    """sum_j x^j * value_j: extension values (k, 6) from those of their coordinates (6k, 6)."""
    basis = np.eye(DEGREE, dtype=np.uint64)
    parts = extension_multiply(values.reshape(-1, DEGREE, DEGREE), basis)
    combined: Array = parts.sum(axis=1) % _P
    return combined
