"""Settlement: net what the ledger owes, hand over batches, learn what became of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from circuits.errors import BadInput, InputReason
from verifier.ledger import Batch, BatchState, Ledger, Owed, system_clock_ms
from verifier.ledger.batches import OPEN
from verifier.settlement.port import SettlementGateway, Unready

NO_GATEWAY = "no node and wallet are configured"
NOT_REACHED = "the node cannot be reached or is behind; tried again later"
SIGNATURE_MISSING = "waits for the other side's signature"
REVIVED = "was called dead, which the node does not show any more"


class Settlement:
    """Drives the outbox through gateways. Stopping anywhere and running again is harmless."""

    def __init__(
        self,
        ledger: Ledger,
        gateway: SettlementGateway,
        chain: SettlementGateway | None = None,
        *,
        clock: Callable[[], int] = system_clock_ms,
    ) -> None:
        """``chain`` settles the contracts that have settlement terms, ``gateway`` all others.

        Without ``chain`` what would be its batches stay NEW. ``clock`` gives milliseconds since
        1970 UTC.
        """
        self._ledger = ledger
        self._outbox = ledger.outbox
        self._gateway = gateway
        self._chain = chain
        self._clock = clock

    def run(self) -> list[Batch]:
        """Net what is due and push every open batch as far as it goes; returns them as they are.

        ``BadInput`` of one batch is raised only after all others had their turn.
        """
        pushed: list[Batch] = []
        refused: BadInput | None = None
        for owed in self._outbox.owed():
            try:
                if self._is_due(owed) and self._are_dead(owed.terms_digest):
                    self._outbox.net(owed.terms_digest)  # waits while another batch is open
            except BadInput as error:
                refused = refused or error
        for batch in self._outbox.batches(OPEN):
            try:
                pushed.append(self._push(batch))
            except BadInput as error:
                refused = refused or error
                pushed.append(self._outbox.noted(batch, str(error)))
        if refused is not None:
            raise refused
        return pushed

    def _are_dead(self, terms_digest: bytes) -> bool:
        """Ask once more about the FAILED batches of the receipts that are to be netted again.

        A node may have been wrong, and what it called dead be alive: False, and the batch is what
        it was, if it can be. Of the last one it takes proof again, unless a checkpoint had it fail;
        the others were asked about when the one after them was netted. Proof that it was executed
        revives any.
        """
        failed = self._outbox.failed(terms_digest)
        if not failed or self._ledger.contract(terms_digest).terms.settlement is None:
            return True
        gateway = self._chain
        if gateway is None:
            return False
        try:
            alive = [batch for batch in failed if self._is_alive(batch, gateway, failed[0])]
            # the last one first, unless an earlier one was executed
            for batch in sorted(alive, key=lambda one: one is failed[0]):
                self._outbox.revived(batch, gateway.leases(batch), REVIVED)
                return False
        except ConnectionError:
            return False
        except BadInput as error:
            if error.reason is not InputReason.SETTLEMENT_STATE:
                raise
            return False  # another settler was first, or another batch has a coin of it
        return True

    def _is_alive(self, batch: Batch, gateway: SettlementGateway, last: Batch) -> bool:
        former = BatchState.SIGNED if batch.signatures else BatchState.PROPOSED
        state = gateway.fate(replace(batch, state=former)).state
        if batch is not last or state in (BatchState.EXECUTED, BatchState.FAILED):
            return state is BatchState.EXECUTED
        return not gateway.has_failed(self._outbox.evidence(batch).get(BatchState.FAILED, b""))

    def _is_due(self, owed: Owed) -> bool:
        """By amount or by age, as the contract says, or when it is closed: each costs fees."""
        terms = self._ledger.contract(owed.terms_digest).terms.settlement
        if terms is None or owed.amount_nanos >= terms.minimum_nanos:
            return True
        if self._ledger.is_closed(owed.terms_digest):
            return True
        age = terms.maximum_age_seconds
        return age is not None and self._clock() - owed.oldest_ms > age * 1000

    def _gateway_of(self, batch: Batch) -> SettlementGateway | None:
        terms = self._ledger.contract(batch.terms_digest).terms.settlement
        return self._gateway if terms is None else self._chain

    def _push(self, batch: Batch) -> Batch:
        gateway = self._gateway_of(batch)
        if gateway is None:
            return self._outbox.noted(batch, NO_GATEWAY)
        try:
            return self._advance(batch, gateway)
        except Unready as waiting:
            return self._outbox.noted(batch, str(waiting))
        except ConnectionError:
            # undecided: the same bytes go out again next time
            return self._outbox.noted(self._outbox.batch(batch.id), NOT_REACHED)
        except BadInput as error:
            if error.reason is not InputReason.SETTLEMENT_STATE:
                raise
            # another settler has it in hand, or one of its coins; only one of them gets to send
            return self._outbox.batch(batch.id)

    def _advance(self, batch: Batch, gateway: SettlementGateway) -> Batch:
        if batch.state is BatchState.NEW:
            prepared = gateway.prepare(batch, self._outbox.leases())
            batch = self._outbox.proposed(batch, prepared)
        if batch.state is BatchState.PROPOSED:
            batch = self._ask(batch, gateway)  # it may have expired, or been executed without us
        if batch.state is BatchState.PROPOSED:
            signatures = gateway.sign(batch, self._outbox.shares(batch))
            if signatures is None:
                return self._outbox.noted(batch, SIGNATURE_MISSING)
            batch = self._outbox.signed(batch, signatures)
        if batch.state is BatchState.SIGNED:
            batch = self._send(batch, gateway)
        if batch.state is BatchState.EXECUTED:
            batch = self._ask(batch, gateway)
        return batch

    def _send(self, batch: Batch, gateway: SettlementGateway) -> Batch:
        """What is asked after a failed attempt decides, the attempt itself does not."""
        try:
            gateway.send(batch)
        except ConnectionError:
            asked = self._ask(batch, gateway)
            if asked.state is batch.state:
                raise
            return asked
        return self._ask(batch, gateway)

    def _ask(self, batch: Batch, gateway: SettlementGateway) -> Batch:
        fate = gateway.fate(batch)
        if fate.state is batch.state:
            return self._outbox.noted(batch, fate.detail) if fate.detail else batch
        return self._outbox.moved(
            batch,
            fate.state,
            fate.detail,
            fate.evidence,
            spent=fate.spent,
            gas_nanos=fate.gas_nanos,
        )
