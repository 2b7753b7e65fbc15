"""A settlement that waits for signatures, put into a ledger without any network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.settlement.cosigning import coin
from verifier.contract import Terms
from verifier.iota import anchor
from verifier.iota.escrow import Escrow
from verifier.iota.payment import PaymentPlan, build, digest
from verifier.ledger import Batch, Ledger
from verifier.ledger.batches import Prepared
from verifier.receipt import decode_receipt


def propose_for(ledger: Ledger, terms: Terms, **changes: Any) -> Batch:
    """What the gateway does to a NEW batch, with coins of its own making; ``changes`` are lies."""
    settlement = terms.settlement
    assert settlement is not None
    batch = ledger.outbox.net(terms.digest) or ledger.outbox.batches()[-1]
    escrow = Escrow(settlement).address
    receipts = [decode_receipt(data).digest for data in ledger.outbox.receipts_of(batch)]
    plan = PaymentPlan(
        network=settlement.network,
        sender=escrow,
        coins=(),
        gas_coins=(coin(f"coin of {batch.id}"),),
        gas_owner=escrow,
        gas_price=1000,
        gas_budget=settlement.maximum_gas_nanos,
        expiry_epoch=1,
        amount_nanos=batch.amount_nanos,
        payee=settlement.payee,
        anchor=anchor.root(receipts),
    )
    plan = replace(plan, **changes)
    payload = build(plan)
    leases = tuple(one.lease for one in plan.references)
    prepared = Prepared(payload, digest(payload).data, 1, leases, plan.to_json())
    return ledger.outbox.proposed(batch, prepared)
