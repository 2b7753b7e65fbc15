"""Moving the money that the ledger says is owed, behind a port."""

from verifier.settlement.embedded import EmbeddedGateway
from verifier.settlement.port import Fate, SettlementGateway, SignedPayment
from verifier.settlement.settle import Settlement

__all__ = ["EmbeddedGateway", "Fate", "Settlement", "SettlementGateway", "SignedPayment"]
