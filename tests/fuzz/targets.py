"""Every fuzz target by name."""

from __future__ import annotations

from tests.fuzz.claims import CLAIMS
from tests.fuzz.contracts import CONTRACTS
from tests.fuzz.decoders import DECODERS
from tests.fuzz.formulas import FORMULA_TARGETS
from tests.fuzz.gateway import GATEWAY
from tests.fuzz.proofs import PROOFS
from tests.fuzz.target import Target

TARGETS: dict[str, Target] = {
    t.name: t for t in (*DECODERS, *FORMULA_TARGETS, *CONTRACTS, *PROOFS, *CLAIMS, *GATEWAY)
}
