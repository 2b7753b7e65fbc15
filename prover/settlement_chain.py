"""What the operator's own node adds: coins, what was paid already, which signed plans are dead."""

from __future__ import annotations

import json
from collections.abc import Sequence

from circuits.errors import BadInput, InputReason
from prover.chain_payments import Escrowed
from prover.settlement import require_settlement
from prover.signed_plans import PlanFate, SignedPlans
from verifier.contract import Terms
from verifier.contract.settlement import SettlementTerms
from verifier.iota.escrow import Escrow
from verifier.iota.fate import Observed, Outcome, observe
from verifier.iota.history import sent_by
from verifier.iota.node import Node, require_same
from verifier.iota.payment import CoinRef, PaymentPlan, build, digest, refuse

_OVERLAP = 1_000_000  # checkpoints, some epochs: an index may know of one before it has all of it


def look(record: SignedPlans, node: Node, settlement: SettlementTerms) -> None:
    """Keep what the escrow paid since it was last looked at, with or without this record.

    Not by an arbiter alone: a record that was put back lacks what it signed since. So no checkpoint
    may be missing: ``BadInput`` IOTA_NODE. Asks again for what it may have been shown too early.
    ``ConnectionError`` for a node that is behind what was seen before.
    """
    where = escrowed(settlement)
    looked_to = known_to(record, settlement)
    after = max(0, looked_to - _OVERLAP)
    history = sent_by(node, where.network, where.escrow, where.payee, after)
    if history.latest < looked_to:
        raise ConnectionError("the node is behind what it, or another one, showed before")
    require_complete(history.first, looked_to)
    record.chain.saw(where, history)


def known_to(record: SignedPlans, settlement: SettlementTerms) -> int:
    """Up to which checkpoint the record has all that the escrow paid.

    Before its first look that is where the wallet was new; with an arbiter, who can pay without it
    from the day on which the contract was made, it is nowhere: 0.
    """
    seen = record.chain.looked_to(escrowed(settlement))
    if seen is not None:
        return seen
    return 0 if settlement.arbiter_key else record.began_at(settlement.operator_key)


def first_look(node: Node | None, terms: Terms) -> int:
    """The checkpoint before which a wallet that is new now cannot have paid; 0 without a node."""
    if node is None:
        return 0
    where = escrowed(require_settlement(terms))
    return sent_by(node, where.network, where.escrow, where.payee, 0).latest


def escrowed(settlement: SettlementTerms) -> Escrowed:
    """Whose payments to whom settle a contract."""
    return Escrowed(settlement.network, Escrow(settlement).address, settlement.payee)


def require_complete(first: int, looked_to: int) -> None:
    """``BadInput`` IOTA_NODE where the node has forgotten checkpoints that were never looked at."""
    if first > looked_to + 1:
        raise BadInput(
            InputReason.IOTA_NODE,
            f"the node's history begins with checkpoint {first}, what the escrow paid was looked at"
            f" up to {looked_to}: ask a node with more, or zkmeter-prover settlement recover",
        )


def require_no_silence(record: SignedPlans, network: str, node: Node | None) -> None:
    """``SETTLEMENT_PLAN`` while plans may be alive that the record lost; without a node, always."""
    last = record.chain.silent_to(network)
    if last is not None and (node is None or node.present().epoch <= last):
        raise refuse(
            f"the record was recovered: nothing is signed before epoch {last + 1}, by a node, for"
            " what was signed and lost may be executed until then"
        )


def check_on_chain(plan: PaymentPlan, node: Node) -> None:
    """``SETTLEMENT_PLAN`` unless the plan can execute now and costs what gas costs today.

    What would be executed and fail is refused too: it pays nobody, costs its gas, and leaves the
    receipts to be proposed again.

    ``BadInput`` IOTA_NODE when the node serves another network, ``ConnectionError`` when there is
    no answer.
    """
    present = node.present()
    require_same(present.network, plan.network)
    if plan.gas_price > present.gas_price:
        raise refuse(f"gas_price: {plan.gas_price} is above the network's {present.gas_price}")
    if not present.epoch <= plan.expiry_epoch <= present.epoch + 1:
        raise refuse(f"expiry_epoch: {plan.expiry_epoch} in epoch {present.epoch}")
    gas = plan.gas_budget if plan.sponsored else plan.gas_budget + plan.amount_nanos
    _require_funds("gas_coins", plan.gas_coins, plan.gas_owner, gas, node)
    if plan.sponsored:
        _require_funds("coins", plan.coins, plan.sender, plan.amount_nanos, node)
    failure = node.rehearse(build(plan))
    if failure:
        raise refuse(f"the payment would fail: {failure}")


def _require_funds(
    name: str, wanted: Sequence[CoinRef], owner: str, needed_nanos: int, node: Node
) -> None:
    """The coins are there at these versions and hold enough: what fails burns gas all the same."""
    held = 0
    for reference in wanted:
        coin = node.coin(reference.object_id, owner)
        if coin is None or coin.reference != reference:
            raise refuse(f"{name}: {reference.object_id.hex()} is not there at this version")
        held += coin.nanos
    if held < needed_nanos:
        raise refuse(f"{name}: hold {held} nanos, {needed_nanos} are needed")


def learn_fates(record: SignedPlans, node: Node, network: str) -> None:
    """Ask what became of a network's plans that are not known to be paid or dead, and keep it.

    Asked in every round, because nodes forget. A plan is dead by effects that say so; when it has
    expired with a coin of it unspent, or unknown to a node that knows everything from the beginning
    on; or when another signed plan has spent a coin of it.
    """
    for signed in record.plans():
        if signed.fate is PlanFate.LIVE and signed.plan.network == network:
            seen = observe(node, signed.plan, digest(build(signed.plan)))
            record.learned(signed.digest, _fate(seen))
    known = record.plans()
    executed = [plan for plan in known if plan.fate in (PlanFate.EXECUTED, PlanFate.FAILED)]
    for signed in known:
        if signed.fate is PlanFate.LIVE and any(other.excludes(signed) for other in executed):
            record.learned(signed.digest, PlanFate.SUPERSEDED)


def _fate(seen: Observed) -> PlanFate:
    if seen.outcome is Outcome.FINAL:
        return PlanFate.EXECUTED
    if seen.outcome is Outcome.FAILED:
        return PlanFate.FAILED
    # That a node's history reaches back a few epochs proves nothing about a plan whose expiry was
    # signed without asking a node how far away that is; that it reaches back to the beginning does.
    if seen.outcome is Outcome.EXPIRED:
        shown = json.loads(seen.document)
        if shown["coin_unspent"] is True or shown["first_checkpoint"] == 0:
            return PlanFate.EXPIRED
    return PlanFate.LIVE
