"""What can go wrong between a client and the node, by switch."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

EXECUTE = "executeTransactionBlock"


class Fault(Enum):
    """What happens to one request.

    `NULL_AND_ERROR` is how a real service answers when a nullable field fails. The SDK's typed
    calls raise then; its `run_query` returns the data and drops the errors.
    """

    DROP_BEFORE = "the connection closes, nothing is executed"
    LOCK_AND_DROP = "the inputs are locked for the epoch, then the connection closes"
    DROP_AFTER = "it is executed, then the connection closes without an answer"
    DUPLICATE = "it is delivered twice; the second answer is returned"
    UNAVAILABLE_BEFORE = "HTTP 503, nothing is executed"
    UNAVAILABLE_AFTER = "HTTP 503 although it was executed"
    GARBAGE = "it is executed, and the answer is not JSON"
    GRAPHQL_ERROR = "nothing is executed, the answer holds GraphQL errors only"
    NULL_AND_ERROR = "nothing is executed, the answer holds errors beside data that is null"
    SLOW_BEFORE = "it is executed after `slow_seconds`"
    SLOW_AFTER = "it is executed, and answered after `slow_seconds`"


NEVER_EXECUTES = frozenset(
    {
        Fault.DROP_BEFORE,
        Fault.LOCK_AND_DROP,
        Fault.UNAVAILABLE_BEFORE,
        Fault.GRAPHQL_ERROR,
        Fault.NULL_AND_ERROR,
    }
)


@dataclass
class _Armed:
    fault: Fault
    field_name: str | None
    times: int


@dataclass
class Faults:
    """The switches of one node.

    `indexer_lag`: every query (objects, coins, transactions, checkpoints, epochs) shows the
    network as it was so many checkpoints ago, while execution is current, and
    `isTransactionIndexedOnNode`, which asks the node itself. `pruned_below`:
    transactions of earlier checkpoints and the object versions that are not live are no longer
    known. `wrong_chain`: the chain id that the node says.
    """

    indexer_lag: int = 0
    pruned_below: int = 0
    wrong_chain: str | None = None
    slow_seconds: float = 5.0
    drawn: list[Fault] = field(default_factory=list)  # what befell requests, in order
    _armed: list[_Armed] = field(default_factory=list)
    _storm: tuple[random.Random, float, Sequence[Fault]] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def arm(self, fault: Fault, *, on: str | None = EXECUTE, times: int = 1) -> None:
        """Let `fault` befall the next `times` requests for the root field `on` (None: for any)."""
        with self._lock:
            self._armed.append(_Armed(fault, on, times))

    def storm(
        self, chance: float, generator: random.Random, kinds: Sequence[Fault] = tuple(Fault)
    ) -> None:
        """From now on let a fault drawn from `kinds` befall each request with this probability."""
        with self._lock:
            self._storm = (generator, chance, kinds)

    def clear(self) -> None:
        """No fault any more."""
        with self._lock:
            self._armed.clear()
            self._storm = None
        self.indexer_lag = self.pruned_below = 0
        self.wrong_chain = None

    def draw(self, fields: Sequence[str]) -> Fault | None:
        """The fault for a request that asks for these root fields."""
        with self._lock:
            fault = self._next(fields)
            if fault is not None:
                self.drawn.append(fault)
            return fault

    def _next(self, fields: Sequence[str]) -> Fault | None:
        for armed in self._armed:
            if armed.field_name is None or armed.field_name in fields:
                armed.times -= 1
                if armed.times == 0:
                    self._armed.remove(armed)
                return armed.fault
        if self._storm is not None:
            generator, chance, kinds = self._storm
            if generator.random() < chance:
                return generator.choice(list(kinds))
        return None
