"""A supplier's store, and a copy of it from before something was settled."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.settlement.iota_rig import Rig
from verifier.commands_anchor import _from_store as evidence_from_store
from verifier.ledger import Batch, BatchState
from verifier.settlement.iota.recovery import Recovered, recover_settlements


@dataclass
class Copied:
    """A rig, and a copy of its store as it was at one moment."""

    whole: Rig
    old: Rig

    def recover_claims(self, *names: str) -> None:
        """What `recover` does with the operator's files."""
        for name in names:
            claim = getattr(self.whole.world, name)
            receipt = self.whole.ledger.receipt(claim.statement_digest)
            assert receipt is not None
            self.old.ledger.recover(claim.encode(), receipt)

    def recover(self) -> list[Recovered]:
        """What `recover --node` does then."""
        return list(recover_settlements(self.old.ledger, self.old.client).payments)

    def require_proven(self, *names: str) -> None:
        """The evidence of these claims' payment holds, as `anchor check` sees it."""
        for name in names:
            receipt = self.old.ledger.receipt(getattr(self.whole.world, name).statement_digest)
            assert receipt is not None
            evidence_from_store(str(self.old.directory), receipt).check()

    def require_same(self) -> None:
        """Batches, money and evidence, but for the time."""
        old, whole = (
            [_without_time(batch) for batch in rig.ledger.outbox.batches((BatchState.FINAL,))]
            for rig in (self.old, self.whole)
        )
        assert old == whole
        assert self.old.money() == self.whole.money()
        digest = self.whole.world.terms.digest
        assert self.old.ledger.balances(digest) == self.whole.ledger.balances(digest)
        for mine, theirs in zip(
            self.old.ledger.outbox.batches((BatchState.FINAL,)),
            self.whole.ledger.outbox.batches((BatchState.FINAL,)),
            strict=True,
        ):
            kept = [
                rig.ledger.outbox.evidence(batch)
                for rig, batch in ((self.old, mine), (self.whole, theirs))
            ]
            assert kept[0] == kept[1]


def _without_time(batch: Batch) -> Batch:
    return replace(batch, id=0, created_ms=0)
