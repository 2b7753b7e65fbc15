"""What came of settling the demo's payments on a chain, and whether the figures agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FINAL = "FINAL"


@dataclass(frozen=True)
class Payment:
    """One settlement: its transaction, and the receipts first..last that it pays."""

    digest: str
    nanos: int
    receipts: tuple[int, int]
    state: str
    checkpoint: int | None


@dataclass(frozen=True)
class Anchor:
    """The way from a receipt to a transaction: ``path`` are the siblings, from the leaf up."""

    receipt: str
    sequence: int
    count: int
    path: Sequence[str]
    root: str
    transaction: str
    checkpoint: int


@dataclass(frozen=True)
class Settled:
    """The payments by the ledger, and the balances by the network; all amounts are nanos.

    ``netted`` is owed and in no settlement yet; ``deposited`` went into the escrow at the start.
    """

    payments: Sequence[Payment]
    netted: int
    deposited: int
    payee_balance: int
    escrow_balance: int
    anchor: Anchor

    @property
    def total(self) -> int:
        """Everything that was settled."""
        return sum(payment.nanos for payment in self.payments)

    def problems(self, paid: int) -> list[str]:
        """What does not agree with the nanos that the ledger ``paid``, or with the network."""
        found = [
            f"the settlement {payment.digest} is {payment.state}"
            for payment in self.payments
            if payment.state != FINAL or payment.checkpoint is None
        ]
        if self.total + self.netted != paid:
            found.append(f"{self.total} nanos settled and {self.netted} netted, but {paid} paid")
        if self.payee_balance != self.total:
            found.append(f"{self.total} nanos settled, but the payee has {self.payee_balance}")
        if self.escrow_balance != self.deposited - self.total:
            found.append(
                f"{self.total} of {self.deposited} nanos settled, but the escrow has"
                f" {self.escrow_balance}"
            )
        if self.anchor.transaction not in [payment.digest for payment in self.payments]:
            found.append(f"the anchor's transaction {self.anchor.transaction} settles nothing")
        return found
