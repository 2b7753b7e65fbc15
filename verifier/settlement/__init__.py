"""Moving the money that the ledger says is owed, behind a port."""

from verifier.settlement.embedded import EmbeddedGateway
from verifier.settlement.port import Fate, SettlementGateway, Unready
from verifier.settlement.settle import Settlement
from verifier.settlement.wire import make_settlement

__all__ = [
    "EmbeddedGateway",
    "Fate",
    "Settlement",
    "SettlementGateway",
    "Unready",
    "make_settlement",
]
