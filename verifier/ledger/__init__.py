"""The supplier's double-entry ledger on SQLite."""

from verifier.accept import Account
from verifier.ledger.audit import Refusal
from verifier.ledger.batches import Batch, BatchState, Prepared
from verifier.ledger.deposits import Deposit
from verifier.ledger.instructions import Instruction, InstructionKind
from verifier.ledger.ledger import Applied, Ledger, system_clock_ms
from verifier.ledger.outbox import Outbox, Owed
from verifier.ledger.rows import Line

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
    "Prepared",
    "Refusal",
    "system_clock_ms",
]
