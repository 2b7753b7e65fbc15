"""The port: what any way of moving money must offer. Amounts are integer nanos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from verifier.ledger import Batch, BatchState, Prepared


class Unready(Exception):
    """A payment cannot be prepared now: no funds, or its coins are in use. Says why in one line."""


@dataclass(frozen=True)
class Fate:
    """What became of a payment: the batch's own state (nothing new), EXECUTED, FINAL or FAILED.

    ``evidence`` is kept. ``spent`` is False when the coins of a FAILED payment are as they were
    before, so that another payment may use the same versions. ``gas_nanos`` is what FINAL or FAILED
    cost the escrow besides the payment; negative where it got back more.
    """

    state: BatchState
    detail: str = ""
    evidence: bytes = b""
    spent: bool = True
    gas_nanos: int = 0


class SettlementGateway(Protocol):
    """A way to move money. The caller stores every answer before it asks the next question.

    ``ConnectionError`` from any of these: the other side cannot be reached (or is behind), it is
    tried again later. FAILED may only come from proof that the payment cannot happen any more;
    doubt is the state that the batch has. The text of an error proves nothing.
    """

    name: str

    def prepare(self, batch: Batch, taken: frozenset[bytes]) -> Prepared:
        """The unsigned payment of a NEW batch, from coins not ``taken``; else ``Unready``."""

    def sign(self, batch: Batch, shares: Mapping[str, str]) -> tuple[str, ...] | None:
        """All signatures of a PROPOSED batch, in the order in which they are sent.

        ``shares`` are the other parties' by public key; None while one of theirs is missing. Ours
        is made last, when nobody else's is needed any more.
        """

    def send(self, batch: Batch) -> None:
        """Hand over the payload of a SIGNED batch; repeating it pays no second time."""

    def fate(self, batch: Batch) -> Fate:
        """What became of a PROPOSED, SIGNED or EXECUTED batch."""

    def has_failed(self, evidence: bytes) -> bool:
        """Whether the evidence of a FAILED batch shows that its coins were spent: no doubt is left.

        A node that has forgotten it later proves nothing. Empty where there is none.
        """

    def leases(self, batch: Batch) -> tuple[bytes, ...]:
        """The coin versions that a batch's payment spends."""
