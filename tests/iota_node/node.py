"""An IOTA network of one node in this process, for tests: real types, real signatures, HTTP.

    with IotaNode() as node:
        node.faucet(address, 10**9)
        client = iota_sdk.GraphQlClient(node.url)

It is no Move machine: only gas coins, and only the commands of a payment. What it does of the
real network, and from which public sources, say gas.py, transaction.py and execute.py.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.iota_node.execute import commit, execute
from tests.iota_node.faults import Faults
from tests.iota_node.graphql import Service, answer
from tests.iota_node.schema import official_schema
from tests.iota_node.server import HttpServer
from tests.iota_node.state import Checkpoint, Coin, Executed, State
from tests.iota_node.transaction import (
    check_signatures,
    check_validity,
    decode,
    load_coins,
    take_locks,
)

Versions = dict[tuple[str, int], Coin]


@dataclass(frozen=True)
class Transfer:
    """A coin that an executed transaction put into an address that did not hold it before."""

    digest: str
    sender: str
    nanos: int
    object_id: str


@dataclass(frozen=True)
class Supply:
    """Where all nanos are that the faucet made."""

    coins: int
    deposits: int
    burned: int
    minted: int

    @property
    def conserved(self) -> bool:
        """Whether no nano came from nowhere or went missing."""
        return self.coins + self.deposits + self.burned == self.minted


class IotaNode:
    """The node. Every method may be called from any thread.

    `automatic`: each transaction gets a checkpoint of its own at once; otherwise transactions
    wait for `make_checkpoint`. `unused_pure`: whether a pure input that no command uses is taken.
    `checkpoint_bcs`: whether checkpoints have the field `bcs`, which the published schema has not
    and without which the SDK's own checkpoint and finality calls fail. Raises SchemaUnavailable.
    """

    def __init__(
        self, *, automatic: bool = True, unused_pure: bool = True, checkpoint_bcs: bool = False
    ) -> None:
        self.faults = Faults()
        self.automatic = automatic
        self._state = State()
        self._lock = threading.RLock()
        self._schema = official_schema(checkpoint_bcs=checkpoint_bcs)
        self._unused_pure = unused_pure
        self._server: HttpServer | None = None
        self._port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Serve on a free loopback port; after a stop on the same one again."""
        self._server = HttpServer(self, self._port)
        self._port = self._server.port

    def stop(self) -> None:
        """Stop serving; what the network holds stays, and `start` serves it again."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    @property
    def url(self) -> str:
        """Where the GraphQL service listens. Raises RuntimeError when it does not."""
        if self._server is None:
            raise RuntimeError("the node is not started")
        return self._server.url

    @property
    def chain_id(self) -> str:
        """The chain identifier, the same for every test node."""
        return self._state.chain_id

    @property
    def epoch(self) -> int:
        """The current epoch."""
        return self._state.epoch

    @property
    def transactions(self) -> list[Executed]:
        """Everything that was executed, in order, failures too."""
        with self._lock:
            return list(self._state.executed.values())

    @property
    def checkpoints(self) -> list[Checkpoint]:
        """All checkpoints from genesis on."""
        with self._lock:
            return list(self._state.checkpoints)

    def faucet(self, address: str, nanos: int) -> Coin:
        """Give an address a new coin, and make a checkpoint so that queries show it."""
        with self._lock:
            coin = self._state.mint(address, nanos)
            self._state.make_checkpoint()
            return coin

    def coins(self, address: str) -> list[Coin]:
        """The live coins of an address, in order of their ids."""
        with self._lock:
            return self._state.owned(address)

    def balance(self, address: str) -> int:
        """The nanos in the live coins of an address, without deposits."""
        return sum(coin.balance for coin in self.coins(address))

    def transfers(self, payee: str) -> list[Transfer]:
        """What came to an address from others, in order."""
        with self._lock:
            executed, versions = self._state.executed.values(), self._state.versions
            return [transfer for one in executed for transfer in _to(one, payee, versions)]

    def supply(self) -> Supply:
        """The conservation of money: see `Supply`."""
        with self._lock:
            live = self._state.live.values()
            return Supply(
                coins=sum(coin.balance for coin in live),
                deposits=sum(coin.storage_rebate for coin in live),
                burned=self._state.burned,
                minted=self._state.minted,
            )

    def make_checkpoint(self) -> Checkpoint:
        """Put every executed transaction that waits for it into a checkpoint."""
        with self._lock:
            return self._state.make_checkpoint()

    def advance_epoch(self, reference_gas_price: int | None = None) -> None:
        """Close the epoch with a checkpoint, free all locks, and open the next with another."""
        with self._lock:
            self._state.advance_epoch(reference_gas_price)
            self._state.make_checkpoint()

    def submit(self, transaction: str, signatures: list[str]) -> Executed:
        """Execute a transaction (base64) once: again, it gives what it gave. Raises Refused."""
        with self._lock:
            payment, decoded = decode(transaction, signatures)
            check_signatures(payment, decoded)
            known = self._state.executed.get(payment.digest)
            if known is not None:
                return known
            check_validity(self._state, payment, unused_pure=self._unused_pure)
            coins = load_coins(self._state, payment)
            take_locks(self._state, payment)
            executed = commit(
                self._state, payment, decoded, execute(payment, coins, self._state.epoch)
            )
            if self.automatic:
                self._state.make_checkpoint()
            return executed

    def lock(self, transaction: str, signatures: list[str]) -> None:
        """Take a transaction as far as its locks, as validators do that sign and then hear no
        more of it. Raises Refused."""
        with self._lock:
            payment, decoded = decode(transaction, signatures)
            check_signatures(payment, decoded)
            if payment.digest not in self._state.executed:
                check_validity(self._state, payment, unused_pure=self._unused_pure)
                load_coins(self._state, payment)
                take_locks(self._state, payment)

    def answer(self, query: str, variables: Any) -> dict[str, Any]:
        """The response object to a GraphQL request."""
        with self._lock:
            service = Service(self._state, self.faults, self.submit, self._unused_pure)
            return answer(self._schema, query, variables, service.root())


def _to(executed: Executed, payee: str, versions: Versions) -> list[Transfer]:
    effects = executed.effects.as_v1()
    moved = []
    for change in effects.changed_objects():
        before, after = change.input_state, change.output_state
        if not after.is_OBJECT_WRITE() or after.owner.as_address().to_hex() != payee:
            continue
        if before.is_DATA() and before.owner.as_address().to_hex() == payee:
            continue
        object_id = change.object_id.to_hex()
        coin = versions[object_id, effects.lamport_version().as_u64()]
        sender = executed.transaction.sender().to_hex()
        moved.append(Transfer(executed.digest, sender, coin.balance, object_id))
    return moved
