"""A supplier's ledger, its wallets and a test node, put together for settlements on IOTA."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.iota_node.node import IotaNode
from tests.ledger.stores import open_ledger
from tests.support import NOW_MS, RICH, World, contract_text, signed
from verifier.accept import Account
from verifier.contract import SignedContract, Terms
from verifier.contract.settlement import SettlementTerms
from verifier.iota.escrow import Escrow
from verifier.iota.node import Node
from verifier.iota.sdk import load
from verifier.iota.wallet import Wallet
from verifier.ledger import Batch, BatchState, Ledger
from verifier.settlement import EmbeddedGateway, Settlement
from verifier.settlement.iota import IotaGateway
from verifier.settlement.settle import SIGNATURE_MISSING

PAYEE = "0x" + "7" * 64
IOTA = 10**9  # nanos
FUNDS = 5 * IOTA
ANSWER_SECONDS = 20.0


@cache
def wallet(name: str) -> Wallet:
    """A party's wallet, the same in every run."""
    seed = hashlib.sha256(f"iota wallet of {name}".encode()).digest()
    return Wallet(load().Ed25519PrivateKey(seed))


def table(fields: Mapping[str, str | int | bool]) -> str:
    """A contract's ``[settlement]``: two members, the escrow pays gas, unless fields differ."""
    values: dict[str, str | int | bool] = {
        "operator_key": wallet("operator").public_key,
        "supplier_key": wallet("supplier").public_key,
        "payee": PAYEE,
        "maximum_gas_nanos": "5000000",
        **fields,
    }
    lines = [f"{key} = {_toml(value)}" for key, value in values.items()]
    return "\n[settlement]\n" + "\n".join(lines) + "\n"


def _toml(value: str | int | bool) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def contract(
    network: str, name: str = "test pump", /, **fields: str | int | bool
) -> SignedContract:
    """The test contract, settled on a network unless ``fields`` name another."""
    text = contract_text().replace("test pump", name) + table({"network": network, **fields})
    return signed(Terms.from_toml(text), text)


_WORLDS: dict[bytes, World] = {}


def world_of(agreed: SignedContract) -> World:
    """The claims under a contract; proofs are made once per session."""
    return _WORLDS.setdefault(agreed.terms.digest, World(agreed))


@dataclass
class Rig:
    """One supplier with one contract, and the node that it is settled on."""

    node: IotaNode
    directory: Path
    ledger: Ledger
    world: World
    clock: Callable[[], int] = field(default=lambda: NOW_MS)

    def __post_init__(self) -> None:
        self.client = Node(self.node.url, answer_seconds=ANSWER_SECONDS)
        self.gateway = IotaGateway(self.client, wallet("supplier"), self.ledger)

    def close(self) -> None:
        """Release the store and the client."""
        self.ledger.close()
        self.client.close()

    @property
    def terms(self) -> SettlementTerms:
        """The contract's settlement terms."""
        terms = self.world.terms.settlement
        assert terms is not None
        return terms

    @property
    def escrow(self) -> Escrow:
        """The contract's escrow."""
        return Escrow(self.terms)

    def settlement(self) -> Settlement:
        """A settler of its own; several may run over one ledger."""
        return Settlement(self.ledger, EmbeddedGateway(), self.gateway, clock=self.clock)

    def run(self) -> Batch | None:
        """One round; the batch that is open, or was closed by this round."""
        batches = self.settlement().run()
        return batches[-1] if batches else None

    def claim(self, *names: str) -> int:
        """Apply claims of the world by name; what they oblige to pay."""
        claims = [getattr(self.world, name) for name in names]
        return sum(self.ledger.apply(claim.encode()).receipt.amount_nanos for claim in claims)

    def cosign(self, *names: str) -> None:
        """The other side signs what waits, as its service does over gRPC."""
        for batch in self.ledger.outbox.proposals(self.world.terms.digest):
            assert batch.payload is not None
            assert batch.digest is not None
            for name in names or ("operator",):
                signature = wallet(name).sign(batch.payload)
                signer = self.escrow.verify_share(batch.payload, signature)
                self.ledger.outbox.add_shares(batch.id, batch.digest, {signer: signature})

    def pay(self) -> Batch:
        """Propose, co-sign, and push as far as it goes; the batch after that."""
        proposed = self.run()
        assert proposed is not None
        assert (proposed.state, proposed.detail) == (BatchState.PROPOSED, SIGNATURE_MISSING)
        return self.push()

    def push(self) -> Batch:
        """Co-sign and push; the batch after that."""
        self.cosign()
        batch = self.run()
        assert batch is not None
        return batch

    def only(self) -> Batch:
        """The contract's only batch, as it is on disk."""
        (batch,) = self.ledger.outbox.settlements(self.world.terms.digest)
        return batch

    def money(self) -> tuple[int, int]:
        """What the ledger says is still to pay, and what was paid."""
        balances = self.ledger.balances(self.world.terms.digest)
        return balances[Account.PAYABLE], balances[Account.SETTLED]

    def require_books_agree(self) -> None:
        """What the ledger calls paid is what the payee has, in as many transfers as batches."""
        final = self.ledger.outbox.batches((BatchState.FINAL,))
        transfers = [t.nanos for t in self.node.transfers(PAYEE)]
        assert transfers == [batch.amount_nanos for batch in final]
        assert self.node.balance(PAYEE) == self.money()[1] == sum(transfers)


def make_rig(
    node: IotaNode,
    directory: Path,
    agreed: SignedContract | None = None,
    *,
    funds: int = FUNDS,
    deposit: int = RICH,
) -> Rig:
    """A registered contract with a funded escrow (a coin of ``funds``, none for 0); no claims.

    ``deposit`` is what the ledger believes to be there.
    """
    agreed = agreed or contract(node.chain_id)
    ledger = open_ledger(directory)
    ledger.register(agreed)
    ledger.deposit(agreed.terms.digest, deposit, "opening deposit")
    rig = Rig(node, directory, ledger, world_of(agreed))
    if funds:
        node.faucet(rig.escrow.address, funds)
    return rig
