"""Round-by-round soundness of DEEP-ALI with batched FRI, in bits: no conjecture is relied on.

A proof is sound in whichever of two proven regimes is better. *Unique decoding* (UDR) asks for
proximity (1 - rate) / 2 and has one codeword in reach; the *Johnson bound* (JBR) asks for
proximity 1 - sqrt(rate) - gap and pays with a list of codewords. Sources:

- ePrint 2025/2055 (BCHKS25): correlated agreement, Theorem 1.3 (UDR) and Theorem 4.2 (JBR);
- ePrint 2022/1216 (Ha22): DEEP-ALI, Theorem 8, and multi-point quotients, section 4.1.3;
- ePrint 2018/828 and 2021/582: FRI's query phase and grinding.

Each level is -log2 of the probability that a cheating prover survives that one round. ``minimum``
is the round-by-round figure that contracts name; ``union`` the weaker sum over rounds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from circuits.field import DEGREE, P
from verifier.kernel.parameters import ParameterSet

MAX_COMBO = 2  # a column is opened at z and gz
_MINIMUM_MULTIPLICITY = 3  # BCHKS25, Theorem 4.2
_LARGE_FIELD_BITS = 150


@dataclass(frozen=True)
class Levels:
    """Security in bits of every round, in one regime."""

    batching: float
    commit: tuple[float, ...]
    query: float
    ali: float
    deep: float

    def named(self) -> dict[str, float]:
        """The rounds under the names that soundness tables use, in protocol order."""
        out = {"ALI": self.ali, "DEEP": self.deep, "batching": self.batching}
        out |= {f"commit round {i + 1}": bits for i, bits in enumerate(self.commit)}
        out["query phase"] = self.query
        return out

    @property
    def minimum(self) -> float:
        """The weakest round."""
        return min(self.named().values())

    @property
    def union(self) -> float:
        """-log2 of the summed errors of all rounds."""
        return -math.log2(sum(2.0**-bits for bits in self.named().values()))


@dataclass(frozen=True)
class _Regime:
    """Proximity parameter, list size and agreement error of one way to decode."""

    proximity: float
    list_size: float
    multiplicity: float | None  # m + 1/2 in JBR; None in UDR
    rate: float

    def agreement_error(self, dimension: float) -> float:
        """Numerator over |F| of the correlated-agreement error of a code of this dimension."""
        points = dimension / self.rate
        if self.multiplicity is None:
            return self.proximity * points + 1
        root, m = math.sqrt(self.rate), self.multiplicity
        first = (2 * m**5 + 3 * m * self.proximity * self.rate) * points / (3 * self.rate * root)
        return first + m / root


def _unique_decoding(rate: float) -> _Regime:
    return _Regime(proximity=(1 - rate) / 2, list_size=1.0, multiplicity=None, rate=rate)


def _johnson_bound(rate: float, field_bits: float) -> _Regime:
    root = math.sqrt(rate)
    # a small gap buys queries and costs agreement error: affordable only in a large field
    gap = root / 100 if field_bits > _LARGE_FIELD_BITS else max(rate / 20, root / 100)
    # the quotient is an exact integer for gap = root / 100; the rounding keeps float noise out
    multiplicity = max(math.ceil(round(root / (2 * gap), 9)), _MINIMUM_MULTIPLICITY)
    return _Regime(
        proximity=1 - root - gap,
        list_size=1 / (2 * gap * root),
        multiplicity=multiplicity + 0.5,
        rate=rate,
    )


def soundness_levels(
    *,
    extension_degree: int,
    rate: float,
    log2_trace_length: int,
    queries: int,
    grinding_bits: int,
    batch_size: int,
    constraints: int,
    max_degree: int,
    power_batching: bool,
    folding_factors: Sequence[int],
    early_stop_size: int,
    max_combo: int = MAX_COMBO,
    identity_degree: int | None = None,
) -> dict[str, Levels]:
    """The levels in both regimes, keyed ``"UDR"`` and ``"JBR"``.

    ``batch_size`` counts the functions combined before FRI, ``max_combo`` the points at which one
    is opened. ``identity_degree`` raises the degree of the DEEP identity above the textbook
    ``max_degree * (N + max_combo - 1) + N - 1`` where a protocol's quotient needs it. Raises
    ``ValueError`` when the folding factors do not lead to ``early_stop_size``, or when the domain
    leaves no room for multi-point quotients.
    """
    rows = 1 << log2_trace_length
    domain = round(rows / rate)
    left = domain
    for factor in folding_factors:
        left //= factor
    if left != early_stop_size:
        raise ValueError(f"folding ends at {left} points, not at {early_stop_size}")
    field_size = float(P) ** extension_degree
    textbook_degree = max_degree * (rows + max_combo - 1) + rows - 1
    degree = max(textbook_degree, identity_degree or 0)

    out: dict[str, Levels] = {}
    regimes = {
        "UDR": _unique_decoding(rate),
        "JBR": _johnson_bound(rate, math.log2(field_size)),
    }
    for name, regime in regimes.items():
        if rows + max_combo >= (1 - regime.proximity) * domain:
            raise ValueError("domain too small for multi-point quotients")
        combined = batch_size - 1 if power_batching else 1
        out[name] = Levels(
            batching=_bits(regime.agreement_error(rows) * combined / field_size),
            commit=_commit_levels(regime, rows, folding_factors, field_size),
            query=-queries * math.log2(1 - regime.proximity) + grinding_bits,
            ali=_bits(regime.list_size * constraints / field_size),
            deep=_bits(regime.list_size * degree / (field_size - rows - domain)),
        )
    return out


def _bits(error: float) -> float:
    return -math.log2(error)


def _commit_levels(
    regime: _Regime, rows: int, folding_factors: Sequence[int], field_size: float
) -> tuple[float, ...]:
    """One level per FRI fold: a fold by k combines k words with powers of one challenge."""
    out = []
    dimension = float(rows)
    for factor in folding_factors:
        dimension /= factor
        out.append(_bits(regime.agreement_error(dimension) * (factor - 1) / field_size))
    return tuple(out)


def circuit_levels(
    parameters: ParameterSet, log2_rows: int, columns: int, constraints: int, max_degree: int
) -> dict[str, Levels]:
    """Both regimes for a circuit of ours: the batch is columns, quotient chunks and the mask.

    Chunks and mask have coefficients in the extension field and count once per dimension.
    """
    rows = 1 << log2_rows
    chunks = parameters.chunk_count(log2_rows)
    folds = parameters.fold_count(log2_rows)
    # Z_H times the recombined chunks, each of which FRI only bounds by degree N - 1
    identity_degree = rows + (chunks - 1) * (rows - parameters.chunk_mask) + rows - 1
    return soundness_levels(
        extension_degree=DEGREE,
        rate=1 / parameters.blowup,
        log2_trace_length=log2_rows,
        queries=parameters.queries,
        grinding_bits=parameters.grinding_bits,
        batch_size=columns + DEGREE * (chunks + 1),
        constraints=constraints,
        max_degree=max_degree,
        power_batching=False,
        folding_factors=(parameters.fold,) * folds,
        early_stop_size=parameters.domain_size(log2_rows) // parameters.fold**folds,
        identity_degree=identity_degree,
    )


def proven_bits(
    parameters: ParameterSet, log2_rows: int, columns: int, constraints: int, max_degree: int
) -> float:
    """Proven round-by-round security of a circuit's proof, in bits: the better regime's minimum.

    ``log2_rows`` is the trace length exponent, ``columns`` and ``constraints`` the circuit's
    counts, ``max_degree`` its highest constraint degree (selectors included). Not rounded.
    """
    levels = circuit_levels(parameters, log2_rows, columns, constraints, max_degree)
    return max(regime.minimum for regime in levels.values())
