"""Settlement: net what the ledger owes, hand over batches, learn what became of them."""

from __future__ import annotations

from circuits.errors import BadInput, InputReason
from verifier.ledger import Batch, BatchState, Ledger
from verifier.ledger.outbox import OPEN
from verifier.settlement.port import SettlementGateway


class Settlement:
    """Drives the outbox through a gateway. Stopping anywhere and running again is harmless."""

    def __init__(
        self, ledger: Ledger, gateway: SettlementGateway, *, minimum_nanos: int = 1
    ) -> None:
        """``minimum_nanos``: below it a contract's debt waits for more (payments cost fees)."""
        self._outbox = ledger.outbox
        self._gateway = gateway
        self._minimum_nanos = minimum_nanos

    def run(self) -> list[Batch]:
        """Net what is due and push every open batch as far as it goes; returns them as they are."""
        # One open batch per contract: a second payment waits for the fate of the first.
        busy = {batch.terms_digest for batch in self._outbox.batches(OPEN)}
        for owed in self._outbox.owed():
            if owed.amount_nanos >= self._minimum_nanos and owed.terms_digest not in busy:
                self._outbox.net(owed.terms_digest)
        return [self._push(batch) for batch in self._outbox.batches(OPEN)]

    def _push(self, batch: Batch) -> Batch:
        try:
            return self._advance(batch)
        except BadInput as error:
            if error.reason is not InputReason.SETTLEMENT_STATE:
                raise
            return batch  # another settler has it in hand; only one of them gets to send

    def _advance(self, batch: Batch) -> Batch:
        if batch.state is BatchState.NEW:
            payment = self._gateway.sign(batch)
            batch = self._outbox.signed(batch, payment.payload, payment.digest, payment.expiry)
        try:
            while batch.state in (BatchState.SIGNED, BatchState.EXECUTED):
                if batch.state is BatchState.SIGNED:
                    self._gateway.send(batch)
                fate = self._gateway.fate(batch)
                if fate.state is batch.state:
                    break
                batch = self._outbox.moved(batch, fate.state, fate.detail)
        except ConnectionError:
            pass  # undecided: the same bytes go out again next time
        return batch
