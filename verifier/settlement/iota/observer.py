"""What became of payments on IOTA, by evidence only; nothing is planned, signed or sent here."""

from __future__ import annotations

from circuits.errors import BadInput, InputReason
from verifier.iota.fate import Outcome, has_effects, observe
from verifier.iota.node import Node
from verifier.iota.payment import Digest, PaymentPlan, build, digest
from verifier.ledger import Batch, BatchState
from verifier.settlement.port import Fate

_UNKNOWN = "the node does not know the transaction yet"
_NO_CHECKPOINT = "executed; no checkpoint that the node shows has it yet"


class IotaObserver:
    """Asks ``node`` about batches; ``BadInput`` IOTA_NODE when it serves another network."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def fate(self, batch: Batch) -> Fate:
        """By ``verifier.iota.fate``; a batch that was EXECUTED has expired only if unspent."""
        plan, _, named = stored(batch)
        seen = observe(self._node, plan, named)
        executed = batch.state is BatchState.EXECUTED
        gas_nanos = 0 if plan.sponsored else seen.gas_nanos
        if seen.outcome is Outcome.FAILED:
            detail = "executed, and failed"
            return Fate(BatchState.FAILED, detail, seen.document, gas_nanos=gas_nanos)
        if seen.outcome is Outcome.EXPIRED and (seen.unspent or not executed):
            return Fate(BatchState.FAILED, "expired", seen.document, spent=False)
        if seen.outcome is Outcome.FINAL and executed:
            return Fate(BatchState.FINAL, evidence=seen.document, gas_nanos=gas_nanos)
        if seen.outcome in (Outcome.EXECUTED, Outcome.FINAL) and not executed:
            return Fate(BatchState.EXECUTED, evidence=seen.effects)
        if batch.state is BatchState.PROPOSED:
            return Fate(batch.state)
        return Fate(batch.state, _NO_CHECKPOINT if executed else _UNKNOWN)

    def has_failed(self, evidence: bytes) -> bool:
        """True for effects in a checkpoint; what expired is asked about again."""
        return has_effects(evidence)

    def leases(self, batch: Batch) -> tuple[bytes, ...]:
        """Of every coin in the batch's plan."""
        plan, _, _ = stored(batch)
        return tuple(coin.lease for coin in plan.references)


def stored(batch: Batch) -> tuple[PaymentPlan, bytes, Digest]:
    """A batch's plan, bytes and digest, which must belong together: money follows from the plan."""
    if batch.plan is None or batch.payload is None:
        raise BadInput(InputReason.SETTLEMENT_STATE, f"settlement batch {batch.id} has no payment")
    plan = PaymentPlan.from_json(batch.plan)
    payload = build(plan)
    named = digest(payload)
    paid = (plan.amount_nanos, plan.expiry_epoch)
    if (payload, named.data, paid) != (
        batch.payload,
        batch.digest,
        (batch.amount_nanos, batch.expiry),
    ):
        raise BadInput(
            InputReason.STORE_CORRUPT, f"settlement batch {batch.id} and its plan disagree"
        )
    return plan, payload, named
