"""``verify``: DEEP-ALI STARK with FRI, as the numbered protocol of ``docs/protocol.md``.

NumPy and hashlib only. On any bytes whatsoever it returns or raises ``Rejected``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from circuits.circuit import Circuit
from circuits.errors import Reason, Rejected
from circuits.evaluate import interpreter
from circuits.field import (
    DEGREE,
    Array,
    P,
    add,
    extension,
    extension_dot,
    extension_inverse,
    extension_multiply,
    extension_power,
    extension_powers,
    extension_product,
    in_proper_subfield,
    inverse,
    inverse_differences,
    lift,
    matrix_product,
    multiplication_matrix,
    root_of_unity,
    root_powers,
    subtract,
)
from circuits.layout import MAXIMUM_LOG2_ROWS, Layout
from circuits.statement import Statement
from verifier.kernel.fri import evaluate_final, fold_leaves, layer_points
from verifier.kernel.merkle import as_words, leaf_digest, root_from_multiproof
from verifier.kernel.parameters import ParameterSet
from verifier.kernel.proof import (
    NONCE_BYTES,
    PROOF_TAG,
    PROOF_VERSION,
    Openings,
    Reader,
    Shape,
    distinct,
    read_layer,
    read_openings,
)
from verifier.kernel.soundness import proven_bits
from verifier.kernel.transcript import Transcript, grinding_ok

PROTOCOL = b"zkmeter proof 3"
_P = np.uint64(P)
_SELECTOR_CHUNK = 1 << 12  # rows inverted at once: bounds memory for claims of many windows


def proof_shape(circuit: Circuit, parameters: ParameterSet, statement: Statement) -> Shape:
    """The sizes of a proof of ``statement``; refuses (``TRACE_LENGTH``) more than 2^20 rows."""
    return _shape_of(circuit, parameters, statement.layout(circuit))


def _shape_of(circuit: Circuit, parameters: ParameterSet, layout: Layout) -> Shape:
    log2_rows = layout.log2_rows(parameters.random_rows)
    if log2_rows > MAXIMUM_LOG2_ROWS:
        raise Rejected(
            Reason.TRACE_LENGTH,
            "too many rows for one claim",
            expected=f"at most 2^{MAXIMUM_LOG2_ROWS}",
            got=f"2^{log2_rows}",
        )
    return Shape(parameters, log2_rows, circuit.column_count, circuit.next_columns)


def start_transcript(circuit: Circuit, shape: Shape, statement: Statement) -> Transcript:
    """Everything public, before the first prover message."""
    p = shape.parameters
    sizes = (p.blowup, p.queries, p.grinding_bits, p.fold, p.final_domain, shape.log2_rows)
    transcript = Transcript(PROTOCOL)
    transcript.absorb("parameter set", p.name.encode())
    transcript.absorb("sizes", b"".join(v.to_bytes(4, "little") for v in sizes))
    transcript.absorb("circuit", circuit.identifier)
    transcript.absorb("terms", statement.terms_digest)
    transcript.absorb("device", statement.checkpoints[0].device)
    transcript.absorb("checkpoints", statement.checkpoint_digests)
    transcript.absorb_elements("public inputs", statement.public_inputs(circuit))
    return transcript


def draw_point(transcript: Transcript) -> Array:
    """z: outside every proper subfield, hence outside H and the evaluation domain."""
    while True:
        point: Array = transcript.challenge("point", 1)[0]
        if not in_proper_subfield(point):
            return point


def verify(
    circuit: Circuit,
    parameters: ParameterSet,
    statement: Statement,
    proof: bytes,
    minimum_bits: float,
) -> None:
    """Accept silently or raise ``Rejected``; ``minimum_bits`` is the contract's floor.

    The caller has seen to it (``check_claim`` does) that the statement has at least two
    checkpoints, signed and in sequence, one total per outcome, and state exactly where the circuit
    carries it: a statement of another shape is a mistake in the program and raises ``ValueError``
    or ``IndexError``.
    """
    # 1. Policy: sizes and security from the verifier's side alone.
    for outcome, total in zip(circuit.outcomes, statement.totals, strict=True):
        outcome.check_total(total)
    layout = statement.layout(circuit)
    shape = _shape_of(circuit, parameters, layout)
    bits = proven_bits(
        parameters,
        shape.log2_rows,
        circuit.column_count,
        circuit.constraint_count,
        circuit.max_degree,
    )
    if bits < minimum_bits:
        raise Rejected(
            Reason.SOUNDNESS_FLOOR, "proven bits", expected=minimum_bits, got=round(bits, 2)
        )
    if len(proof) > shape.maximum_bytes:
        raise Rejected(Reason.PROOF_SIZE, "proof too long", got=len(proof))
    reader = Reader(proof)
    if reader.take(4) != PROOF_TAG or reader.take(2) != PROOF_VERSION.to_bytes(2, "little"):
        raise Rejected(Reason.PROOF_VERSION, "not a proof of this version")

    # 2. Trace commitment, then alpha: combines the constraints (error: constraints * list / |F|).
    transcript = start_transcript(circuit, shape, statement)
    trace_root = reader.digest()
    transcript.absorb("trace root", trace_root)
    alpha = transcript.challenge("constraints", 1)[0]

    # 3. Quotient chunks and mask, then z: binds all columns (DEEP error: degree * list / |F|).
    quotient_root = reader.digest()
    transcript.absorb("quotient root", quotient_root)
    z = draw_point(transcript)

    # 4. Values out of the domain; the constraints must hold at z.
    now = reader.elements(shape.columns, DEGREE)
    following = reader.elements(len(shape.next_columns), DEGREE)
    chunks = reader.elements(shape.chunks, DEGREE)
    transcript.absorb_elements("values at z", now)
    transcript.absorb_elements("values at gz", following)
    transcript.absorb_elements("chunks at z", chunks)
    publics = statement.public_inputs(circuit)
    _check_constraints(circuit, shape, layout, publics, alpha, z, (now, following, chunks))

    # 5. gamma: combines every column and chunk with independent coefficients (batching error).
    gamma = transcript.challenge("batching", shape.columns + shape.chunks)

    # 6. FRI commitments; a folding challenge after each layer (commit-phase error).
    roots, betas = [], []
    for _ in range(shape.folds):
        roots.append(reader.digest())
        transcript.absorb("layer root", roots[-1])
        betas.append(transcript.challenge("folding", 1)[0])
    final = reader.elements(shape.final_coefficients, DEGREE)
    transcript.absorb_elements("final polynomial", final)

    # 7. Grinding, then the query indices (query-phase error).
    nonce = reader.take(NONCE_BYTES)
    if not grinding_ok(transcript.state, int.from_bytes(nonce, "little"), parameters.grinding_bits):
        raise Rejected(Reason.PROOF_GRINDING, "proof of work missing")
    transcript.absorb("nonce", nonce)
    queries = transcript.indices("queries", parameters.queries, shape.log2_domain)

    # 8. Open trace and quotient at the queried points.
    opened = distinct(queries)
    trace_rows = read_openings(reader, opened, shape.log2_domain, shape.columns)
    _check_paths(trace_rows, shape.log2_domain, trace_root, Reason.PROOF_TRACE_PATH, "trace")
    quotient_rows = read_openings(reader, opened, shape.log2_domain, shape.quotient_columns)
    _check_paths(
        quotient_rows, shape.log2_domain, quotient_root, Reason.PROOF_QUOTIENT_PATH, "quotient"
    )
    points = layer_points(0, parameters.fold, shape.log2_domain, opened)
    expected = _deep_values(
        shape, z, gamma, points, (trace_rows.values, quotient_rows.values), (now, following, chunks)
    )

    # 9. Follow every opened point through the layers to the final polynomial.
    _check_layers(reader, shape, (roots, betas, final), opened, expected)
    reader.finish()


def _check_constraints(
    circuit: Circuit,
    shape: Shape,
    layout: Layout,
    publics: Array,
    alpha: Array,
    z: Array,
    values: tuple[Array, Array, Array],
) -> None:
    """sum alpha^i C_i(z) * exempt(z) = (z^N - 1) * sum z^(k (N - t)) chunk_k(z)."""
    now, known, chunks = values
    following = np.zeros_like(now)
    following[list(shape.next_columns)] = known  # no constraint reads the others
    z_to_rows = extension_power(z, shape.rows)
    vanishing = subtract(z_to_rows, extension(1))
    constraints = interpreter(circuit).constraints(
        now,
        following,
        selectors_at(circuit.selectors, layout, shape.log2_rows, z, vanishing),
        lift(publics),
        extension(1),
        extension_multiply,
    )
    combined = extension_dot(constraints, extension_powers(alpha, len(constraints)))
    exempt = exempt_at(shape, z)
    step = extension_power(z, shape.rows - shape.parameters.chunk_mask)
    quotient = extension_dot(chunks, extension_powers(step, shape.chunks))
    left = extension_multiply(combined, exempt)
    if not np.array_equal(left, extension_multiply(quotient, vanishing)):
        raise Rejected(Reason.PROOF_CONSTRAINTS, "constraints do not hold at the drawn point")


def exempt_at(shape: Shape, z: Array) -> Array:
    """prod (z - w^i) over the random rows and the row before them: r + 1 factors."""
    first = shape.rows - shape.parameters.random_rows - 1
    rows = np.arange(first, shape.rows, dtype=np.int64)
    factors = subtract(
        np.broadcast_to(z, (len(rows), DEGREE)), lift(root_powers(shape.log2_rows, rows))
    )
    return extension_product(factors)


def selectors_at(
    names: Sequence[str], layout: Layout, log2_rows: int, z: Array, vanishing: Array
) -> Array:
    """Each named selector's polynomial at z, shape (selectors, 6), in O(number of windows).

    A selector is a sum of Lagrange polynomials L_i(z) = (1 - z^N) / N * w^i / (w^i - z).
    """
    chosen = [layout.selector(name) for name in names]
    # many selectors share rows (every interval of the day is some closing rows): each row once
    rows = distinct(np.concatenate([*chosen, np.zeros(0, dtype=np.int64)]))
    weighted = np.zeros((len(rows), DEGREE), dtype=np.uint64)
    for start in range(0, len(rows), _SELECTOR_CHUNK):
        points = root_powers(log2_rows, rows[start : start + _SELECTOR_CHUNK])
        terms = inverse_differences(points, z) * points[:, None] % _P
        weighted[start : start + _SELECTOR_CHUNK] = terms
    out = np.zeros((len(names), DEGREE), dtype=np.uint64)
    for k, own in enumerate(chosen):
        # at most 2^20 summands below 2^31
        out[k] = weighted[np.searchsorted(rows, own)].sum(axis=0) % _P
    scale = subtract(extension(0), vanishing) * np.uint64(inverse(1 << log2_rows)) % _P
    return extension_multiply(out, scale)


def _check_paths(
    opened: Openings, log2_leaves: int, root: bytes, reason: Reason, what: str
) -> None:
    """The opened leaves of ``what`` must lie under ``root``."""
    rows = [as_words(row) for row in opened.values.astype(np.uint32)]
    salts = opened.salts or [b""] * len(rows)
    leaves = [leaf_digest(row, salt) for row, salt in zip(rows, salts, strict=True)]
    indices = opened.indices.tolist()
    if root_from_multiproof(log2_leaves, indices, leaves, opened.siblings) != root:
        raise Rejected(reason, f"{what}: opened leaves do not lie under the committed root")


def _deep_values(
    shape: Shape,
    z: Array,
    gamma: Array,
    points: Array,
    rows: tuple[Array, Array],
    values: tuple[Array, Array, Array],
) -> Array:
    """The DEEP combination: quotients at z and gz or at z alone, and the mask.

    Both kinds share 1 / (x - z): what is open at gz too has a second factor 1 / (x - gz).
    """
    trace, quotient = rows
    now, following, chunks = values
    both = np.zeros(shape.columns, dtype=np.bool_)
    both[list(shape.next_columns)] = True
    gz = z * np.uint64(root_of_unity(shape.log2_rows)) % _P
    of_columns, of_chunks = gamma[: shape.columns], gamma[shape.columns :]
    at_z, at_gz = (extension_dot(of_columns[both], v) for v in (now[both], following))
    slope = extension_multiply(subtract(at_gz, at_z), extension_inverse(subtract(gz, z)))

    x = lift(points)
    line = add(at_z, extension_multiply(subtract(x, np.broadcast_to(z, x.shape)), slope))
    of_both = subtract(matrix_product(trace[:, both], of_columns[both]), line)

    constant = add(extension_dot(of_columns[~both], now[~both]), extension_dot(of_chunks, chunks))
    mask = quotient[:, -DEGREE:]
    # a chunk's value is an extension element: its six coordinates, times the matrix of gamma_k
    chunk_weights = multiplication_matrix(of_chunks).reshape(-1, DEGREE)
    of_one = add(
        matrix_product(trace[:, ~both], of_columns[~both]),
        matrix_product(quotient[:, :-DEGREE], chunk_weights),
    )
    of_one = subtract(of_one, np.broadcast_to(constant, x.shape))

    by_gz = extension_multiply(of_both, inverse_differences(points, gz))
    return add(extension_multiply(add(by_gz, of_one), inverse_differences(points, z)), mask)


def _check_layers(
    reader: Reader,
    shape: Shape,
    commitments: tuple[list[bytes], list[Array], Array],
    indices: NDArray[np.int64],
    values: Array,
) -> None:
    """Values at ``indices`` must lie in layer 0, and their folds in the next, to the last one.

    No layer sends them: its leaves, with these values in their places, must lie under its root.
    """
    roots, betas, final = commitments
    fold = shape.parameters.fold
    for layer, (root, beta) in enumerate(zip(roots, betas, strict=True)):
        log2_leaves = shape.log2_layer(layer) - shape.log2_fold
        opened = read_layer(reader, indices, values, log2_leaves, fold)
        _check_paths(opened, log2_leaves, root, Reason.PROOF_FRI_PATH, f"layer {layer}")
        indices = opened.indices
        points = layer_points(layer, fold, shape.log2_layer(layer), indices)
        leaves = opened.values.reshape(len(indices), fold, DEGREE)
        values = fold_leaves(leaves, points, beta)
    points = layer_points(shape.folds, fold, shape.log2_layer(shape.folds), indices)
    if not np.array_equal(evaluate_final(final, points), values):
        raise Rejected(
            Reason.PROOF_FRI_FINAL, "the final polynomial disagrees with what it was made from"
        )
