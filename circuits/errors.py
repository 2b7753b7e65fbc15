"""The closed list of reasons why something is refused, and the exceptions that carry them.

``Rejected`` answers a claim (the answer is "no"); ``BadInput`` answers a person or a file (the
question made no sense). Both carry a stable code that reaches gRPC, the command line, the ledger
and the dashboards unchanged.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a claim was refused. Names are stable; new ones are only ever added."""

    # 1. decode, sizes, version
    CLAIM_SIZE = "CLAIM_SIZE"
    CLAIM_MALFORMED = "CLAIM_MALFORMED"
    CLAIM_VERSION = "CLAIM_VERSION"
    # 2. contract
    CONTRACT_UNKNOWN = "CONTRACT_UNKNOWN"
    CONTRACT_SIGNATURE = "CONTRACT_SIGNATURE"
    CONTRACT_INACTIVE = "CONTRACT_INACTIVE"
    # 3. operator
    OPERATOR_SIGNATURE = "OPERATOR_SIGNATURE"
    VOUCHER_SIGNATURE = "VOUCHER_SIGNATURE"
    # 4. device and checkpoints
    DEVICE_UNKNOWN = "DEVICE_UNKNOWN"
    DEVICE_REVOKED = "DEVICE_REVOKED"
    DEVICE_FROZEN = "DEVICE_FROZEN"
    DEVICE_FLAGS = "DEVICE_FLAGS"
    CHECKPOINT_MALFORMED = "CHECKPOINT_MALFORMED"
    CHECKPOINT_SIGNATURE = "CHECKPOINT_SIGNATURE"
    CHECKPOINT_SCHEMA = "CHECKPOINT_SCHEMA"
    CHECKPOINT_SEQUENCE = "CHECKPOINT_SEQUENCE"
    CHECKPOINT_COUNTS = "CHECKPOINT_COUNTS"
    CHECKPOINT_TIMES = "CHECKPOINT_TIMES"
    CHECKPOINT_FUTURE = "CHECKPOINT_FUTURE"
    CHECKPOINT_GENESIS = "CHECKPOINT_GENESIS"
    CLAIM_SPAN = "CLAIM_SPAN"
    CLAIM_LATE = "CLAIM_LATE"
    # 5. head
    HEAD_MISMATCH = "HEAD_MISMATCH"
    EPOCH_LINK = "EPOCH_LINK"
    STATE_MISMATCH = "STATE_MISMATCH"
    EQUIVOCATION = "EQUIVOCATION"
    # 6. circuit and parameters
    CIRCUIT_MISMATCH = "CIRCUIT_MISMATCH"
    PARAMETER_SET = "PARAMETER_SET"
    SOUNDNESS_FLOOR = "SOUNDNESS_FLOOR"
    TRACE_LENGTH = "TRACE_LENGTH"
    OUTCOME_RANGE = "OUTCOME_RANGE"
    # 7. proof
    PROOF_VERSION = "PROOF_VERSION"
    PROOF_SIZE = "PROOF_SIZE"
    PROOF_FIELD_ELEMENT = "PROOF_FIELD_ELEMENT"
    PROOF_GRINDING = "PROOF_GRINDING"
    PROOF_CONSTRAINTS = "PROOF_CONSTRAINTS"
    PROOF_TRACE_PATH = "PROOF_TRACE_PATH"
    PROOF_QUOTIENT_PATH = "PROOF_QUOTIENT_PATH"
    PROOF_FRI_PATH = "PROOF_FRI_PATH"
    PROOF_FRI_FINAL = "PROOF_FRI_FINAL"
    # 8. money
    CUMULATIVE_MISMATCH = "CUMULATIVE_MISMATCH"
    AMOUNT_MISMATCH = "AMOUNT_MISMATCH"
    VOUCHER_MISMATCH = "VOUCHER_MISMATCH"
    ESCROW_SHORT = "ESCROW_SHORT"


class Rejected(Exception):
    """A claim is refused; nothing but the audit log changes.

    ``reason`` is the stable code, ``detail`` one line for people. ``expected`` and ``got`` are
    public values only: a reading or a key never enters them.
    """

    def __init__(
        self, reason: Reason, detail: str = "", *, expected: object = None, got: object = None
    ) -> None:
        self.reason = reason
        self.detail = detail
        self.expected = expected
        self.got = got
        text = reason.value
        if detail:
            text += f": {detail}"
        if expected is not None or got is not None:
            text += f" (expected {expected}, got {got})"
        super().__init__(text)


class InputReason(StrEnum):
    """Why a file, an argument or an environment was refused (exit status 2)."""

    USAGE = "USAGE"
    FILE_MISSING = "FILE_MISSING"
    FILE_UNREADABLE = "FILE_UNREADABLE"
    FILE_EXISTS = "FILE_EXISTS"
    WRITE_FAILED = "WRITE_FAILED"
    KEY = "KEY"
    CONTRACT_SYNTAX = "CONTRACT_SYNTAX"
    CONTRACT_FIELD = "CONTRACT_FIELD"
    CONTRACT_UNSIGNED = "CONTRACT_UNSIGNED"
    FORMULA = "FORMULA"
    OVERFLOW = "OVERFLOW"
    CSV_COLUMN = "CSV_COLUMN"
    CSV_NUMBER = "CSV_NUMBER"
    CSV_RANGE = "CSV_RANGE"
    CSV_ROUNDING = "CSV_ROUNDING"
    CSV_TIME = "CSV_TIME"
    CSV_TIME_ORDER = "CSV_TIME_ORDER"
    CSV_TIME_GAP = "CSV_TIME_GAP"
    CSV_EMPTY = "CSV_EMPTY"
    DEVICE_MISMATCH = "DEVICE_MISMATCH"
    STORE_CORRUPT = "STORE_CORRUPT"
    STORE_MISSING = "STORE_MISSING"
    WINDOWS = "WINDOWS"
    STATEMENT_CONFLICT = "STATEMENT_CONFLICT"
    ADDRESS = "ADDRESS"
    PORT_IN_USE = "PORT_IN_USE"
    SERVER_AWAY = "SERVER_AWAY"
    SERVER_ERROR = "SERVER_ERROR"
    TLS = "TLS"
    MISSING_EXTRA = "MISSING_EXTRA"
    RECEIPT = "RECEIPT"
    DEPOSIT_CONFLICT = "DEPOSIT_CONFLICT"
    SETTLEMENT_STATE = "SETTLEMENT_STATE"
    # the gateway, about what a device sent
    FRAME = "FRAME"
    SCHEMA_MISMATCH = "SCHEMA_MISMATCH"
    CHECKPOINT = "CHECKPOINT"
    EQUIVOCATION = "EQUIVOCATION"
    WINDOW_INCOMPLETE = "WINDOW_INCOMPLETE"
    WINDOW_UNREADABLE = "WINDOW_UNREADABLE"
    WINDOW_MISMATCH = "WINDOW_MISMATCH"
    # settlement on IOTA
    IOTA_SDK = "IOTA_SDK"
    WALLET = "WALLET"
    IOTA_SIGNATURE = "IOTA_SIGNATURE"
    IOTA_NODE = "IOTA_NODE"
    SETTLEMENT_PLAN = "SETTLEMENT_PLAN"
    ANCHOR = "ANCHOR"


MAXIMUM_MESSAGE = 500  # characters; names from outside may be of any length


class BadInput(Exception):
    """Something from outside is unusable; the message is one line that names the thing.

    The message names field and row, what was expected and what came, but never echoes a reading
    or a secret. It is printable and short whatever it quotes.
    """

    def __init__(self, reason: InputReason, message: str) -> None:
        self.reason = reason
        shown = "".join(c if c.isprintable() else "?" for c in " ".join(message.split()))
        self.message = shown if len(shown) <= MAXIMUM_MESSAGE else shown[:MAXIMUM_MESSAGE] + "..."
        super().__init__(f"{reason.value}: {self.message}")
