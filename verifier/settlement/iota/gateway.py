"""The gateway to IOTA: plans payments from the escrow, signs last, believes evidence only."""

from __future__ import annotations

from collections.abc import Mapping

from circuits.errors import BadInput, InputReason
from verifier.contract.settlement import SettlementTerms
from verifier.iota import anchor
from verifier.iota.escrow import Escrow
from verifier.iota.node import Node, patience, require_same
from verifier.iota.payment import PaymentPlan, build, digest
from verifier.iota.wallet import Wallet
from verifier.ledger import Batch, Ledger, Prepared
from verifier.receipt import decode_receipt
from verifier.settlement.iota.coins import choose
from verifier.settlement.iota.observer import IotaObserver, stored
from verifier.settlement.port import Unready

COMPUTATION_UNITS = 1_000  # what the network charges at least, times the gas price


class IotaGateway(IotaObserver):
    """Pays the batches of contracts with settlement terms, as their supplier.

    ``node`` is asked about everything; ``wallet`` is the supplier's. ``BadInput``: WALLET when it
    is another one than a contract names, IOTA_NODE when the node serves another network.
    """

    name = "iota"

    def __init__(self, node: Node, wallet: Wallet, ledger: Ledger) -> None:
        super().__init__(node)
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
        terms, (plan, payload, _) = self._terms(batch), stored(batch)
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
        plan, payload, _ = stored(batch)
        require_same(self._node.present().network, plan.network)
        self._node.execute(payload, batch.signatures)

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
