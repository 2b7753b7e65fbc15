"""The supplier's double-entry ledger on SQLite."""

from verifier.accept import Account
from verifier.ledger.audit import Refusal
from verifier.ledger.deposits import Deposit
from verifier.ledger.instructions import Instruction, InstructionKind
from verifier.ledger.ledger import Applied, Ledger, Line, system_clock_ms
from verifier.ledger.outbox import Batch, BatchState, Outbox, Owed

__all__ = [
    "Account",
    "Applied",
    "Batch",
    "BatchState",
    "Deposit",
    "Instruction",
    "InstructionKind",
    "Ledger",
    "Line",
    "Outbox",
    "Owed",
    "Refusal",
    "system_clock_ms",
]
