"""Valid proofs: ``python -m tests.vectors.make_proofs`` makes stale ones anew.

For each parameter set one with an FRI layer, and one of a trace so short that it has none.
Proofs are randomised, so a file that still belongs to the current format, circuit and statement is
left as it is; ``--force`` makes all of them anew.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

from prover.prove import prove
from tests.circuits.logs import SignedLog, random_log
from tests.kernel.proofs import as_windows
from tests.reference.cases import Case, Claim, channel
from verifier.kernel.parameters import PARAMETER_SETS
from verifier.kernel.proof import PROOF_VERSION
from verifier.kernel.verify import PROTOCOL

FORMAT = 1
TARGET = Path(__file__).with_name("proofs")
SEED = 5
SHORT = "-short"
NAMES = tuple(name + length for name in PARAMETER_SETS for length in ("", SHORT))


def case_of(name: str) -> Case:
    """A contract with one outcome of each kind, in one epoch of four windows."""
    return Case(
        f"proof fixture, {name}",
        name.removesuffix(SHORT),
        (channel("t", 14, "1/100", "-40"),),
        ("sum(t * dt_ms) / 3600000", "count(t >= 21.5)", "sum(t)"),
        (0, 13, 8, 30) if name.endswith(SHORT) else (0, 1300, 8, 3000),
        period_ms=60_000,
    )


def log_of(case: Case) -> SignedLog:
    """The log of every fixture."""
    return random_log(case.project_schema, case.counts, SEED)


def path_of(name: str) -> Path:
    """Where a fixture lies."""
    return TARGET / f"{name}.json"


def header(name: str) -> dict[str, Any]:
    """What a fixture's proof was made for, computed anew: all of the file but the proof."""
    case = case_of(name)
    parameters = case.parameters
    statement = log_of(case).statement(case.circuit)
    return {
        "format": FORMAT,
        "protocol": PROTOCOL.decode(),
        "proof_version": PROOF_VERSION,
        "source": "prover.prove.prove over a made-up log",
        "generator": "tests/vectors/make_proofs.py",
        "parameters": {
            "name": parameters.name,
            "blowup": parameters.blowup,
            "queries": parameters.queries,
            "grinding_bits": parameters.grinding_bits,
            "fold": parameters.fold,
            "final_domain": parameters.final_domain,
        },
        "contract": {
            "channels": [[c.name, c.bits, str(c.scale), str(c.offset)] for c in case.channels],
            "period_ms": case.period_ms,
            "formulas": list(case.formulas),
            "circuit": case.circuit.identifier.hex(),
            "terms_digest": statement.terms_digest.hex(),
        },
        "statement": {
            "checkpoints": [c.encode().hex() for c in statement.checkpoints],
            "totals": [str(total) for total in statement.totals],
        },
    }


def read(name: str) -> tuple[dict[str, Any], bytes]:
    """A fixture's header and its proof."""
    document = json.loads(path_of(name).read_text(encoding="utf-8"))
    proof = base64.b64decode(document.pop("proof"), validate=True)
    return document, proof


def claim_of(name: str) -> Claim:
    """A fixture as both verifiers take it, everything from the file but the contract's case."""
    document, proof = read(name)
    return Claim(
        case_of(name),
        tuple(bytes.fromhex(c) for c in document["statement"]["checkpoints"]),
        tuple(int(total) for total in document["statement"]["totals"]),
        proof,
        bytes.fromhex(document["contract"]["terms_digest"]),
    )


def stale(name: str) -> str | None:
    """Why a fixture must be made anew: what of it is out of date, or ``missing``."""
    if not path_of(name).exists():
        return "missing"
    found, _ = read(name)
    wanted = header(name)
    return next((k for k in [*wanted, *found] if wanted.get(k) != found.get(k)), None)


def main(arguments: list[str]) -> None:
    """Make what is stale, or with ``--force`` everything."""
    TARGET.mkdir(exist_ok=True)
    for name in NAMES:
        if "--force" not in arguments and stale(name) is None:
            continue
        case = case_of(name)
        log = log_of(case)
        statement = log.statement(case.circuit)
        proof = prove(case.circuit, case.parameters, statement, as_windows(log))
        document = header(name) | {"proof": base64.b64encode(proof).decode()}
        path_of(name).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
