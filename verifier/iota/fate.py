"""What became of a payment, by evidence only; the same rule for whoever asks.

EXECUTED: a node has effects of our digest that succeeded and gave the payee one new coin.
FINAL: a checkpoint has it, too. FAILED: a checkpoint has effects of our digest that failed.
EXPIRED: the payment cannot be executed any more, and was not:

1. the latest checkpoint is of an epoch after the payment's last one, and
2. afterwards the node, with such a checkpoint again, has the digest in none of its checkpoints, and
3. that means something: a coin that the payment spends is still at the same version, or the node's
   history reaches back to before the epoch in which the payment was made (nodes prune).

Everything else is UNDECIDED.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import rfc8785

from circuits.errors import BadInput, InputReason
from verifier.iota.node import Execution, Node, Standing, require_same
from verifier.iota.payment import Digest, PaymentPlan
from verifier.iota.sdk import load

FORMAT_FINAL = "zkmeter-final-1"
FORMAT_EXPIRED = "zkmeter-expired-1"
_MOST = 2**61  # nanos; more than there is


class Outcome(StrEnum):
    """What a node shows about a payment."""

    UNDECIDED = "UNDECIDED"
    EXECUTED = "EXECUTED"
    FINAL = "FINAL"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True)
class Observed:
    """An outcome and what showed it.

    ``effects`` is BCS, empty when the payment was not executed. ``document`` is RFC 8785 JSON: for
    FINAL and FAILED the effects and the checkpoint that has them, for EXPIRED the latest checkpoint
    of the node that did not know the transaction. ``unspent``: EXPIRED, and the payment's first
    coin is where it was. ``gas_nanos`` is what FINAL or FAILED cost the gas owner.
    """

    outcome: Outcome
    effects: bytes = b""
    document: bytes = b""
    unspent: bool = False
    gas_nanos: int = 0


def has_effects(document: bytes) -> bool:
    """True for an outcome's document that holds the effects of its transaction."""
    return bool(document) and json.loads(document).get("format") == FORMAT_FINAL


def observe(node: Node, plan: PaymentPlan, digest: Digest) -> Observed:
    """Ask a node what became of the payment that ``plan`` builds and ``digest`` names.

    The plan's expiry must be at most one epoch after the one in which it was made. ``BadInput``
    IOTA_NODE when the node serves another network or contradicts itself; ``ConnectionError`` when
    there is no answer.
    """
    standing = _ask(node, plan, digest)
    if _is_past(standing, plan):
        standing = _ask(node, plan, digest)
        if _is_past(standing, plan):
            return _expired(standing, plan, digest)
    if standing.execution is None:
        return Observed(Outcome.UNDECIDED)
    return _executed(node, standing.execution, plan, digest)


def _ask(node: Node, plan: PaymentPlan, digest: Digest) -> Standing:
    standing = node.standing(digest.text, plan.references[0])
    require_same(standing.network, plan.network)
    return standing


def _is_past(standing: Standing, plan: PaymentPlan) -> bool:
    unknown = standing.execution is None and not standing.indexed
    return unknown and standing.epoch > plan.expiry_epoch


def _expired(standing: Standing, plan: PaymentPlan, digest: Digest) -> Observed:
    complete = standing.first_sequence == 0 or standing.first_epoch < plan.expiry_epoch - 1
    if not (standing.unspent or complete):
        return Observed(Outcome.UNDECIDED)
    document: dict[str, Any] = {
        "format": FORMAT_EXPIRED,
        "network": plan.network,
        "transaction": digest.text,
        "expiry_epoch": plan.expiry_epoch,
        "epoch": standing.epoch,
        "checkpoint": asdict(standing.latest),
        "coin_unspent": standing.unspent,
        "first_checkpoint": standing.first_sequence,
    }
    return Observed(Outcome.EXPIRED, document=rfc8785.dumps(document), unspent=standing.unspent)


def _executed(node: Node, execution: Execution, plan: PaymentPlan, digest: Digest) -> Observed:
    sdk = load()
    try:
        effects = sdk.TransactionEffects.from_bcs(execution.effects).as_v1()
        ours = bytes(effects.transaction_digest().to_bytes()) == digest.data
        success = bool(effects.status().is_SUCCESS())
        used = effects.gas_cost_summary()
    except sdk.SdkFfiError:
        raise ConnectionError("the node's effects cannot be read") from None
    if not ours or success != execution.success:
        raise _nonsense("effects that are not the transaction's")
    if success:
        _require_payment(node, effects.created(), plan)
    if execution.included is None:
        return Observed(Outcome.EXECUTED if success else Outcome.UNDECIDED, execution.effects)
    document: dict[str, Any] = {
        "format": FORMAT_FINAL,
        "network": plan.network,
        "transaction": digest.text,
        "effects": base64.b64encode(execution.effects).decode(),
        "checkpoint": asdict(execution.included),
    }
    outcome = Outcome.FINAL if success else Outcome.FAILED
    if max(used.computation_cost, used.storage_cost, used.storage_rebate) > _MOST:
        raise _nonsense("more gas than there is")
    gas = used.computation_cost + used.storage_cost - used.storage_rebate
    return Observed(outcome, execution.effects, rfc8785.dumps(document), gas_nanos=gas)


def _require_payment(node: Node, created: list[Any], plan: PaymentPlan) -> None:
    """The payee has one new coin; its balance is checked where the node's index has it."""
    coins = [(one.reference, one.owner.as_opt_address()) for one in created]
    if len(coins) != 1 or coins[0][1] is None or coins[0][1].to_hex() != plan.payee:
        raise _nonsense("effects that did not pay the payee")
    reference = coins[0][0]
    object_id = bytes(reference.object_id.to_bytes())
    coin = node.coin(object_id, plan.payee, int(reference.version.as_u64()))
    if coin is not None and coin.nanos != plan.amount_nanos:
        raise _nonsense(f"a payment of {coin.nanos} nanos, not {plan.amount_nanos}")


def _nonsense(what: str) -> BadInput:
    return BadInput(InputReason.IOTA_NODE, f"the node shows {what}")
