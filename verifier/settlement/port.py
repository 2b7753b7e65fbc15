"""The port: what any way of moving money must offer. Amounts are integer nanos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from verifier.ledger import Batch, BatchState


@dataclass(frozen=True)
class SignedPayment:
    """A payment ready to be sent: its bytes, the digest that names it, and when it expires.

    ``expiry`` is in the gateway's own unit; None means that it stays valid.
    """

    payload: bytes
    digest: bytes
    expiry: int | None = None


@dataclass(frozen=True)
class Fate:
    """What became of a payment: SIGNED (nothing known yet), EXECUTED, FINAL or FAILED."""

    state: BatchState
    detail: str = ""


class SettlementGateway(Protocol):
    """A way to move money. The caller stores every answer before it asks the next question.

    FAILED may only come from proof that the payment cannot happen any more; doubt is SIGNED.
    """

    name: str

    def sign(self, batch: Batch) -> SignedPayment:
        """Prepare the payment of a NEW batch; nothing leaves the machine."""

    def send(self, batch: Batch) -> None:
        """Hand over the payload of a SIGNED batch; repeating it pays no second time.

        ``ConnectionError`` when the other side cannot be reached; it is tried again later.
        """

    def fate(self, batch: Batch) -> Fate:
        """What became of a SIGNED or EXECUTED batch; ``ConnectionError`` as for ``send``."""
