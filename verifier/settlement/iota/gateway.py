"""The gateway to IOTA: plans payments from the escrow, signs last, believes evidence only."""

from __future__ import annotations

from collections.abc import Mapping

from circuits.errors import BadInput, InputReason
from verifier.contract.settlement import SettlementTerms
from verifier.iota import anchor
from verifier.iota.escrow import Escrow
from verifier.iota.fate import Outcome, has_effects, observe
from verifier.iota.node import Node, patience, require_same
from verifier.iota.payment import Digest, PaymentPlan, build, digest
from verifier.iota.wallet import Wallet
from verifier.ledger import Batch, BatchState, Ledger, Prepared
from verifier.receipt import decode_receipt
from verifier.settlement.iota.coins import choose
from verifier.settlement.port import Fate, Unready

COMPUTATION_UNITS = 1_000  # what the network charges at least, times the gas price
_UNKNOWN = "the node does not know the transaction yet"
_NO_CHECKPOINT = "executed; no checkpoint that the node shows has it yet"


class IotaGateway:
    """Pays the batches of contracts with settlement terms, as their supplier.

    ``node`` is asked about everything; ``wallet`` is the supplier's. ``BadInput``: WALLET when it
    is another one than a contract names, IOTA_NODE when the node serves another network.
    """

    name = "iota"

    def __init__(self, node: Node, wallet: Wallet, ledger: Ledger) -> None:
        self._node = node
        self._wallet = wallet
        self._ledger = ledger

    def prepare(self, batch: Batch, taken: frozenset[bytes]) -> Prepared:
        """Plan the payment on the node's coins, gas price and epoch; nothing is signed.

        The node rehearses the payment: what would fail now is not proposed.
        """
        with patience():  # the node may list any number of coins
            return self._prepare(batch, taken)

    def _prepare(self, batch: Batch, taken: frozenset[bytes]) -> Prepared:
        terms = self._terms(batch)
        present = self._node.present()
        require_same(present.network, terms.network)
        sender = Escrow(terms).address
        gas_owner = terms.gas_owner or sender
        price, budget = present.gas_price, terms.gas_budget_nanos
        if price * COMPUTATION_UNITS > budget:
            raise Unready(f"a gas price of {price} nanos is beyond {budget} nanos per settlement")
        own_gas = gas_owner == sender
        coins = () if own_gas else choose(self._node, sender, batch.amount_nanos, taken)
        gas_needed = budget + batch.amount_nanos if own_gas else budget
        plan = PaymentPlan(
            network=terms.network,
            sender=sender,
            coins=coins,
            gas_coins=choose(self._node, gas_owner, gas_needed, taken),
            gas_owner=gas_owner,
            gas_price=price,
            gas_budget=budget,
            expiry_epoch=present.epoch + 1,
            amount_nanos=batch.amount_nanos,
            payee=terms.payee,
            anchor=self._root(batch) if terms.anchor else None,
        )
        payload = build(plan)
        failure = self._node.rehearse(payload)
        if failure:  # a payment that fails costs its gas all the same
            raise Unready(f"the payment would fail: {failure}")
        return Prepared(
            payload=payload,
            digest=digest(payload).data,
            expiry=plan.expiry_epoch,
            leases=tuple(coin.lease for coin in plan.references),
            plan=plan.to_json(),
        )

    def sign(self, batch: Batch, shares: Mapping[str, str]) -> tuple[str, ...] | None:
        """The escrow's signature, and the sponsor's where there is one.

        Ours comes last: whoever has it can move the coins.
        """
        terms, (plan, payload, _) = self._terms(batch), _stored(batch)
        escrow = Escrow(terms)
        theirs = [shares[key] for key in escrow.members if key in shares]
        sponsored_by_us = plan.gas_owner == self._wallet.address
        waits_for_sponsor = (
            plan.sponsored and not sponsored_by_us and terms.operator_key not in shares
        )
        if not theirs or waits_for_sponsor:
            return None
        for signature in theirs:
            escrow.verify_share(payload, signature)
        ours = self._wallet.sign(payload)
        combined = escrow.combine(payload, [theirs[0], ours])
        if not plan.sponsored:
            return (combined,)
        return (combined, ours if sponsored_by_us else shares[terms.operator_key])

    def send(self, batch: Batch) -> None:
        """The same bytes and signatures each time; the network executes a digest once."""
        plan, payload, _ = _stored(batch)
        require_same(self._node.present().network, plan.network)
        self._node.execute(payload, batch.signatures)

    def fate(self, batch: Batch) -> Fate:
        """By ``verifier.iota.fate``; a batch that was EXECUTED has expired only if unspent."""
        plan, _, named = _stored(batch)
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
        plan, _, _ = _stored(batch)
        return tuple(coin.lease for coin in plan.references)

    def _terms(self, batch: Batch) -> SettlementTerms:
        contract = self._ledger.contract(batch.terms_digest)
        terms = contract.terms.settlement
        if terms is None:
            raise BadInput(
                InputReason.USAGE, f"contract {contract.terms.name!r} has no settlement terms"
            )
        if terms.supplier_key != self._wallet.public_key:
            raise BadInput(
                InputReason.WALLET,
                f"contract {contract.terms.name!r} names another key as the supplier's",
            )
        return terms

    def _root(self, batch: Batch) -> bytes:
        receipts = self._ledger.outbox.receipts_of(batch)
        return anchor.root([decode_receipt(encoded).digest for encoded in receipts])


def _stored(batch: Batch) -> tuple[PaymentPlan, bytes, Digest]:
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
