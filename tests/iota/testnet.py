"""What only a real network can settle, asked of one: a few payments out of an escrow of its own.

`record` makes throwaway wallets, has the faucet fund their 2-of-2 escrow, and pays: plainly, with
an anchor, and with a sponsor. It believes evidence as the product does, and notes what the node
said besides. All funds stay where they end up: they are worth nothing.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from tests.iota.costs import payment_gas
from verifier.contract.settlement import SettlementTerms
from verifier.iota.escrow import Escrow
from verifier.iota.fate import Observed, Outcome, observe
from verifier.iota.node import Node
from verifier.iota.payment import CoinRef, Digest, PaymentPlan, build, digest
from verifier.iota.sdk import load
from verifier.iota.wallet import Wallet
from verifier.settlement.iota.coins import choose
from verifier.settlement.port import Unready

# https://docs.iota.org, "Network Overview": IOTA Testnet
NODE = "https://graphql.testnet.iota.cafe"
FAUCET = "https://faucet.testnet.iota.cafe"
BUDGET = 50_000_000  # nanos: the contracts' default
ALLOWANCE = 100_000_000  # nanos that the sponsor gets
AMOUNT = 1_234_567
PATIENCE_SECONDS = 120.0
PAUSE_SECONDS = 0.5
HISTORY = """
query History {
  checkpoints(first: 1) { nodes { sequenceNumber timestamp epoch { epochId } } }
  checkpoint { sequenceNumber timestamp epoch { epochId } }
}
"""
RANGE = "query R { availableRange { first { sequenceNumber } last { sequenceNumber } } }"
OLDEST = """
query Oldest($sequence: UInt53!) {
  transactionBlocks(first: 1, filter: { atCheckpoint: $sequence }) {
    nodes { digest effects { status } }
  }
}
"""
_T = TypeVar("_T")


@dataclass
class Site:
    """The parties, their node, and the coin versions that they spent."""

    node: Node
    operator: Wallet
    supplier: Wallet
    terms: SettlementTerms
    patience_seconds: float
    spent: set[bytes] = field(default_factory=set)

    @property
    def escrow(self) -> Escrow:
        """The account of both."""
        return Escrow(self.terms)

    def until(self, question: Callable[[], _T | None], what: str) -> tuple[_T, float]:
        """The first answer that there is, and the seconds it took; TimeoutError without one."""
        began = time.monotonic()
        while (waited := time.monotonic() - began) < self.patience_seconds:
            try:
                answer = question()
            except (ConnectionError, Unready):
                answer = None
            if answer is not None:
                return answer, round(waited, 2)
            time.sleep(PAUSE_SECONDS)
        raise TimeoutError(f"{self.node.url}: {what}: not within {self.patience_seconds:g} s")

    def coins(self, owner: str, nanos: int) -> tuple[CoinRef, ...]:
        """Coins to spend, as soon as the node's index shows them."""
        taken = frozenset(self.spent)
        return self.until(lambda: choose(self.node, owner, nanos, taken), f"coins of {owner}")[0]

    def plan(
        self, payee: str, nanos: int, *, anchor: bytes | None = None, sponsored: bool = False
    ) -> PaymentPlan:
        """A payment out of the escrow, as the supplier's gateway plans it."""
        sender, present = self.escrow.address, self.node.present()
        gas_owner = self.operator.address if sponsored else sender
        return PaymentPlan(
            network=present.network,
            sender=sender,
            coins=self.coins(sender, nanos) if sponsored else (),
            gas_coins=self.coins(gas_owner, BUDGET if sponsored else BUDGET + nanos),
            gas_owner=gas_owner,
            gas_price=present.gas_price,
            gas_budget=BUDGET,
            expiry_epoch=present.epoch + 1,
            amount_nanos=nanos,
            payee=payee,
            anchor=anchor,
        )

    def sign(self, plan: PaymentPlan) -> list[str]:
        """The escrow's signature, and the sponsor's where there is one."""
        payload = build(plan)
        shares = [wallet.sign(payload) for wallet in (self.operator, self.supplier)]
        combined = self.escrow.combine(payload, shares)
        return [combined, shares[0]] if plan.sponsored else [combined]


def make_site(node: Node, patience_seconds: float = PATIENCE_SECONDS) -> Site:
    """Two new wallets, known to nobody else and lost with the process."""
    key = load().Ed25519PrivateKey
    operator, supplier = (Wallet(key(secrets.token_bytes(32))) for _ in range(2))
    terms = SettlementTerms(
        network=node.present().network,
        operator_key=operator.public_key,
        supplier_key=supplier.public_key,
        payee=supplier.address,
    )
    return Site(node, operator, supplier, terms, patience_seconds)


def record(
    node_url: str, faucet_url: str, patience_seconds: float = PATIENCE_SECONDS
) -> dict[str, Any]:
    """What a network did; ``stopped`` says where it kept us waiting too long, else it is empty."""
    node = Node(node_url)
    try:
        site = make_site(node, patience_seconds)
        payments: dict[str, dict[str, Any]] = {}
        stopped = ""
        try:
            _request_coins(faucet_url, site.escrow.address)
            payments["plain"] = _pay(site, site.plan(site.operator.address, ALLOWANCE))
            anchored = site.plan(site.supplier.address, AMOUNT, anchor=secrets.token_bytes(32))
            payments["anchored"] = _pay(site, anchored, required=False)
            sponsored = site.plan(site.supplier.address, AMOUNT, sponsored=True)
            payments["sponsored"] = _pay(site, sponsored)
        except TimeoutError as error:
            stopped = str(error)
        return {
            "network": asdict(node.present()),
            "unused_pure_input_accepted": _accepted(payments.get("anchored")),
            "stopped": stopped,
            "history": _history(node_url),
            "payments": payments,
        }
    finally:
        node.close()


def _accepted(payment: dict[str, Any] | None) -> bool | None:
    """None where it was not tried."""
    return None if payment is None else payment["outcome"] == Outcome.FINAL


def _pay(site: Site, plan: PaymentPlan, *, required: bool = True) -> dict[str, Any]:
    """Rehearse, send, wait for the checkpoint, send again; what was seen at each step.

    A payment that is not ``required`` may be refused.
    """
    payload = build(plan)
    signatures = site.sign(plan)
    named = digest(payload)
    document: dict[str, Any] = {
        "digest": named.text,
        "coins": len(plan.references),
        "rehearsal": _told(site.node.url, "dry_run_transaction", _transaction(payload)),
        "sent": _send(site, payload, signatures),
    }
    if document["sent"] != "" and not required:
        return document | {"outcome": "REFUSED"}
    seen, seconds = site.until(lambda: _final(site.node, plan, named), f"{named.text} final")
    site.spent |= {coin.lease for coin in plan.references}
    standing, more = site.until(lambda: _indexed(site, plan, named), f"{named.text} indexed")
    return document | {
        "outcome": seen.outcome,
        "seconds_until_final": seconds,
        "seconds_more_until_indexed": more,
        "finality": json.loads(seen.document)["checkpoint"] if seen.document else None,
        "latest_checkpoint": asdict(standing.latest),
        "coin_shown_unspent_afterwards": standing.unspent,
        "gas": _gas(seen, plan),
        "sent_again": _send(site, payload, signatures),
    }


def _final(node: Node, plan: PaymentPlan, named: Digest) -> Observed | None:
    seen = observe(node, plan, named)
    return seen if seen.outcome in (Outcome.FINAL, Outcome.FAILED, Outcome.EXPIRED) else None


def _indexed(site: Site, plan: PaymentPlan, named: Digest) -> Any:
    standing = site.node.standing(named.text, plan.references[0])
    return standing if standing.indexed else None


def _gas(seen: Observed, plan: PaymentPlan) -> dict[str, Any]:
    """What was charged, and what the test node's model says."""
    effects = load().TransactionEffects.from_bcs(seen.effects).as_v1()
    summary = effects.gas_cost_summary()
    charged = {
        "computation": summary.computation_cost,
        "storage_cost": summary.storage_cost,
        "storage_rebate": summary.storage_rebate,
    }
    coins, sponsored = len(plan.references), plan.sponsored
    model = asdict(payment_gas(coins, sponsored=sponsored, gas_price=plan.gas_price))
    return {
        "charged": charged,
        "burned": summary.computation_cost_burned,
        "not_refundable": summary.non_refundable_storage_fee,
        "model": model,
        "as_modelled": charged == model,
    }


def _history(url: str) -> dict[str, Any]:
    """What ``checkpoints(first: 1)`` is, beside what else tells how far back the node knows."""
    found: dict[str, Any] = {"checkpoints": _query(url, HISTORY), "range": _query(url, RANGE)}
    try:
        first = found["checkpoints"]["checkpoints"]["nodes"][0]["sequenceNumber"]
    except (LookupError, TypeError):
        return found
    return found | {
        "oldest_transaction": _query(url, OLDEST, sequence=first),
        "first_is_genesis": first == 0,
        "first_of_range": _first_of_range(found["range"]),
    }


def _first_of_range(answer: Any) -> Any:
    """A number to compare; None where the node does not say."""
    try:
        return answer["availableRange"]["first"]["sequenceNumber"]
    except (LookupError, TypeError):
        return None


def _query(url: str, document: str, **variables: Any) -> Any:
    """The data of an answer, or the text of what was said instead."""
    query = load().Query(query_string=document, variables=json.dumps(variables))
    answer = _ask(url, "run_query", query)
    try:
        return json.loads(answer)
    except ValueError:
        return str(answer)


def _send(site: Site, payload: bytes, signatures: list[str]) -> str:
    """Hand a payment over; empty, or what the node said instead."""
    given = [load().UserSignature.from_base64(text) for text in signatures]
    return _told(site.node.url, "execute_transaction", given, _transaction(payload))


def _told(url: str, method: str, *arguments: Any) -> str:
    """Empty where a call is answered, else the error's text, for people to read."""
    answer = _ask(url, method, *arguments)
    if isinstance(answer, str):
        return answer
    return str(getattr(answer, "error", None) or "")


def _ask(url: str, method: str, *arguments: Any) -> Any:
    """The answer of `GraphQlClient.<method>`; the text of a failure is an answer here, too."""
    sdk = load()

    async def call() -> Any:
        client = sdk.GraphQlClient(url)
        return await asyncio.wait_for(getattr(client, method)(*arguments), PATIENCE_SECONDS)

    try:
        return asyncio.run(call())
    except (sdk.SdkFfiError, sdk.iota_sdk_ffi.InternalError, TimeoutError) as error:
        return f"{type(error).__name__}: {error}"


def _transaction(payload: bytes) -> Any:
    return load().Transaction.from_bcs(payload)


def _request_coins(url: str, address: str) -> None:
    sdk = load()

    async def call() -> None:
        faucet = sdk.FaucetClient(url)
        await asyncio.wait_for(faucet.request(sdk.Address.from_hex(address)), PATIENCE_SECONDS)

    asyncio.run(call())
