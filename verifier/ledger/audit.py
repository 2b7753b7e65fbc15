"""The audit log: every refusal, bounded, because anybody may send claims that are refused.

Of each reason the newest ``AUDIT_ROWS`` refusals are kept (and up to ``PRUNE_EVERY`` more until the
next pruning). What shows that a party contradicted itself is kept for ever, once per statement.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from circuits.errors import Reason, Rejected
from verifier.claim import Claim
from verifier.ledger.models import AuditRow

AUDIT_ROWS = 100_000
PRUNE_EVERY = 256
KEPT_FOR_EVER = frozenset({Reason.EQUIVOCATION, Reason.DEVICE_FROZEN})
_MAXIMUM_DETAIL = 500


@dataclass(frozen=True)
class Refusal:
    """One line of the audit log."""

    time_ms: int
    reason: str
    detail: str
    terms_digest: bytes | None
    statement_digest: bytes | None


def record_refusal(
    session: Session, rejected: Rejected, claim: Claim | None, now_ms: int, rows_per_reason: int
) -> None:
    """Log a refusal; ``claim`` is None when the bytes could not be decoded."""
    statement = None if claim is None else claim.statement_digest
    if rejected.reason in KEPT_FOR_EVER and _is_logged(session, rejected.reason, statement):
        return  # whoever repeats it must not fill the disk
    row = AuditRow(
        time_ms=now_ms,
        reason=rejected.reason.value,
        detail=str(rejected)[:_MAXIMUM_DETAIL],
        terms_digest=None if claim is None else claim.terms_digest,
        statement_digest=statement,
    )
    session.add(row)
    session.flush()
    if row.id % PRUNE_EVERY == 0:
        _prune(session, rows_per_reason)


def _is_logged(session: Session, reason: Reason, statement_digest: bytes | None) -> bool:
    query = select(AuditRow.id).where(
        AuditRow.reason == reason.value, AuditRow.statement_digest == statement_digest
    )
    return session.scalars(query.limit(1)).first() is not None


def _prune(session: Session, rows_per_reason: int) -> None:
    for reason in Reason:
        if reason in KEPT_FOR_EVER:
            continue
        of_reason = AuditRow.reason == reason.value
        newest = select(AuditRow.id).where(of_reason).order_by(AuditRow.id.desc())
        last_pruned = session.scalars(newest.offset(rows_per_reason).limit(1)).first()
        if last_pruned is not None:
            session.execute(delete(AuditRow).where(of_reason, AuditRow.id <= last_pruned))


def read_refusals(session: Session) -> list[Refusal]:
    """The audit log, oldest first."""
    return [
        Refusal(r.time_ms, r.reason, r.detail, r.terms_digest, r.statement_digest)
        for r in session.scalars(select(AuditRow).order_by(AuditRow.id))
    ]
