"""Six ways to cheat, made with a prover that does not check itself and signs whatever it is told.

An honest ``zkmeter-prover`` refuses every one of them. These claims are signed by the real operator
key and sent to the real verifier, which is the only thing that stands between them and the money.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from nacl.signing import SigningKey

from circuits.records import Records
from circuits.statement import Statement
from prover.claims import Plan, Totals, plan_claim
from prover.log import WindowLog
from prover.prove import prove
from prover.store import open_store
from verifier.claim import Claim, build_claim, sign_claim
from verifier.contract import SignedContract, Terms
from verifier.kernel.parameters import PARAMETER_SETS


@dataclass(frozen=True)
class Cheat:
    """One attempt: its name in the summary, what was done, and the claim that tries it."""

    name: str
    what: str
    claim: Claim


@dataclass(frozen=True)
class TamperedProver:
    """The operator gone bad: its keys, its store, and a prover with the self-check switched off."""

    contract: SignedContract
    store: Path
    key: SigningKey

    def cheats(self, window: int) -> Iterator[Cheat]:
        """Every attempt in turn.

        ``window`` is the next one to be paid and not the last; something flowed in it.
        """
        plan, following = self._plan(window), self._plan(window + 1)
        yield Cheat(
            "changed_reading",
            "one reading halved before proving",
            self._changed_reading(plan),
        )
        yield Cheat(
            "dropped_window",
            f"window {window} skipped, {window + 1} claimed instead",
            self._claim(replace(following, before=plan.before)),
        )
        yield Cheat(
            "outcome_too_low",
            "true readings, a tenth less claimed",
            self._claim(replace(plan, own=_scaled(plan.own, 9, 10))),
        )
        yield Cheat(
            "another_statement",
            "windows 0 and 1, already paid, claimed again as one",
            self._claim(self._plan(0, 1)),
        )
        yield Cheat(
            "other_contract",
            "a true claim, but under half the price",
            self._claim(plan, self._cheaper_terms()),
        )
        yield Cheat(
            "flipped_bit",
            "a true claim with one bit of its proof flipped",
            self._flipped_bit(plan),
        )

    def _plan(self, first: int, last: int | None = None) -> Plan:
        with open_store(self.store) as store:
            return plan_claim(
                self.contract, self.key, store, first, first if last is None else last
            )

    def _claim(self, plan: Plan, terms: Terms | None = None) -> Claim:
        """A signed claim over whatever the plan says, true or not."""
        terms = terms or self.contract.terms
        statement = Statement(terms.digest, plan.statement.checkpoints, plan.own.totals)
        parameters = PARAMETER_SETS[terms.parameter_set]
        proof = prove(terms.circuit, parameters, statement, plan.windows, check=False)
        return build_claim(
            terms,
            plan.checkpoints,
            plan.own.totals,
            plan.before.records,
            plan.before.totals,
            proof,
            self.key,
        )

    def _changed_reading(self, plan: Plan) -> Claim:
        log = plan.windows[0]
        records = log.records.copy()
        place = len(records) // 2
        records[place, 0] = records[place, 0] // 2 or 1
        changed = (WindowLog(records, log.salt), *plan.windows[1:])
        own = Totals(self._totals(changed, plan), plan.own.records)
        return self._claim(replace(plan, windows=changed, own=own))

    def _totals(self, windows: Sequence[WindowLog], plan: Plan) -> tuple[int, ...]:
        """What these records add up to: a changed reading comes with the total that fits it."""
        rows = np.concatenate([log.records for log in windows])
        records = Records.between(plan.statement.checkpoints, rows)
        return self.contract.terms.circuit.measure(records, {}).totals

    def _cheaper_terms(self) -> Terms:
        """The same contract with every price halved: the operator's wish, not an agreement."""

        def halve(match: re.Match[str]) -> str:
            return f'price = "{float(match[1]) / 2:.12f}"'

        return Terms.from_toml(re.sub(r'price = "([0-9.]+)"', halve, self.contract.toml_text))

    def _flipped_bit(self, plan: Plan) -> Claim:
        claim = self._claim(plan)
        proof = bytearray(claim.proof)
        proof[len(proof) // 2] ^= 1
        return sign_claim(replace(claim, proof=bytes(proof)), self.key)


def _scaled(totals: Totals, numerator: int, denominator: int) -> Totals:
    return replace(totals, totals=tuple(t * numerator // denominator for t in totals.totals))
