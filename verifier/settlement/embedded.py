"""The embedded gateway: no chain, the ledger's own books are where the money moves."""

from __future__ import annotations

import hashlib

from verifier.ledger import Batch, BatchState
from verifier.settlement.port import Fate, SignedPayment


class EmbeddedGateway:
    """Settles at once: a FINAL batch moves payable to settled in the ledger and nowhere else."""

    name = "embedded"

    def sign(self, batch: Batch) -> SignedPayment:
        """The payment as plain bytes; nobody else has to believe them, so no signature."""
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
        return SignedPayment(payload, hashlib.blake2s(payload, person=b"zkm:paym").digest())

    def send(self, batch: Batch) -> None:
        """Nothing to do: there is no other side."""

    def fate(self, batch: Batch) -> Fate:
        """One step further each time, the way a chain would report it."""
        executed = batch.state is BatchState.EXECUTED
        return Fate(BatchState.FINAL if executed else BatchState.EXECUTED)
