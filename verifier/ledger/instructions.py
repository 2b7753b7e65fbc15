"""What people at the supplier decide: close a contract, revoke a device, waive a refusal.

Instructions are only ever added, with their author and time. The last one counts, except that a
closed contract stays closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from circuits.errors import BadInput, InputReason, Reason
from verifier.ledger.models import InstructionRow

MAXIMUM_AUTHOR = 200


class InstructionKind(StrEnum):
    """What was decided; ``moment_ms`` is from when (REVOKE) or until when (waivers) it holds."""

    CLOSE = "close"
    REVOKE = "revoke"
    WAIVE_LATE = "waive_late"
    WAIVE_FLAGS = "waive_flags"


WAIVERS: dict[Reason, InstructionKind] = {
    Reason.CLAIM_LATE: InstructionKind.WAIVE_LATE,
    Reason.DEVICE_FLAGS: InstructionKind.WAIVE_FLAGS,
}


@dataclass(frozen=True)
class Instruction:
    """One decision; it concerns a contract or a device."""

    time_ms: int
    author: str
    kind: InstructionKind
    terms_digest: bytes | None = None
    device: bytes | None = None
    moment_ms: int | None = None


def add(session: Session, instruction: Instruction) -> None:
    """Write a decision; ``BadInput`` USAGE when its author is no printable name."""
    author = instruction.author
    if not (0 < len(author) <= MAXIMUM_AUTHOR and author.isprintable()):
        raise BadInput(
            InputReason.USAGE, f"author: expected 1..{MAXIMUM_AUTHOR} printable characters"
        )
    session.add(
        InstructionRow(
            time_ms=instruction.time_ms,
            author=author,
            kind=instruction.kind.value,
            terms_digest=instruction.terms_digest,
            device=instruction.device,
            moment_ms=instruction.moment_ms,
        )
    )


def is_closed(session: Session, terms_digest: bytes) -> bool:
    """True when a contract was closed."""
    query = select(InstructionRow.id).where(
        InstructionRow.terms_digest == terms_digest,
        InstructionRow.kind == InstructionKind.CLOSE.value,
    )
    return session.scalars(query.limit(1)).first() is not None


def revoked_from_ms(session: Session, device: bytes) -> int | None:
    """From when on a device's records do not count; None when it was not revoked."""
    query = select(InstructionRow.moment_ms).where(
        InstructionRow.device == device, InstructionRow.kind == InstructionKind.REVOKE.value
    )
    return session.scalars(query.order_by(InstructionRow.id.desc()).limit(1)).first()


def waived_until_ms(session: Session, terms_digest: bytes, kind: InstructionKind) -> int | None:
    """Until when claims of a contract are not refused for a reason; None without a waiver."""
    query = select(InstructionRow.moment_ms).where(
        InstructionRow.terms_digest == terms_digest, InstructionRow.kind == kind.value
    )
    return session.scalars(query.order_by(InstructionRow.id.desc()).limit(1)).first()


def read_instructions(session: Session) -> list[Instruction]:
    """Every decision, oldest first."""
    return [
        Instruction(
            r.time_ms, r.author, InstructionKind(r.kind), r.terms_digest, r.device, r.moment_ms
        )
        for r in session.scalars(select(InstructionRow).order_by(InstructionRow.id))
    ]
