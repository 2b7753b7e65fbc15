"""The supplier's double-entry ledger on SQLite."""

from verifier.accept import Account
from verifier.ledger.ledger import Applied, Deposit, Ledger, Line, Refusal, system_clock_ms
from verifier.ledger.outbox import Batch, BatchState, Outbox, Owed

__all__ = [
    "Account",
    "Applied",
    "Batch",
    "BatchState",
    "Deposit",
    "Ledger",
    "Line",
    "Outbox",
    "Owed",
    "Refusal",
    "system_clock_ms",
]
