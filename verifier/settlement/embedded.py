"""The embedded gateway: no chain, the ledger's own books are where the money moves."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from verifier.ledger import Batch, BatchState, Prepared
from verifier.settlement.port import Fate

_NEXT = {
    BatchState.SIGNED: BatchState.EXECUTED,
    BatchState.EXECUTED: BatchState.FINAL,
}


class EmbeddedGateway:
    """Settles at once: a FINAL batch moves payable to settled in the ledger and nowhere else."""

    name = "embedded"

    def prepare(self, batch: Batch, taken: frozenset[bytes]) -> Prepared:  # noqa: ARG002
        """The payment as plain bytes; nobody else has to believe them."""
        payload = b"".join(
            (
                b"zkmeter embedded payment\n",
                batch.id.to_bytes(8, "little"),
                batch.terms_digest,
                batch.amount_nanos.to_bytes(8, "little"),
                batch.memo,
                batch.currency.encode(),
            )
        )
        return Prepared(payload, hashlib.blake2s(payload, person=b"zkm:paym").digest())

    def sign(self, batch: Batch, shares: Mapping[str, str]) -> tuple[str, ...]:  # noqa: ARG002
        """No signatures: there is nobody to show them to."""
        return ()

    def send(self, batch: Batch) -> None:
        """Nothing to do: there is no other side."""

    def fate(self, batch: Batch) -> Fate:
        """One step further each time, the way a chain would report it."""
        return Fate(_NEXT.get(batch.state, batch.state))

    def has_failed(self, evidence: bytes) -> bool:  # noqa: ARG002
        """Nothing fails here."""
        return False

    def leases(self, batch: Batch) -> tuple[bytes, ...]:  # noqa: ARG002
        """No coins."""
        return ()
