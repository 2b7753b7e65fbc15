"""A batch that was called FAILED lives again when its payment turns out to be alive."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """FAILED may become what it was before; the evidence that was wrong then goes."""
    op.execute("DROP TRIGGER batches_no_update")
    op.execute(
        "CREATE TRIGGER batches_no_update BEFORE UPDATE ON batches WHEN OLD.state = 'FINAL' OR "
        "(OLD.state = 'FAILED' AND NEW.state NOT IN ('PROPOSED', 'SIGNED')) "
        "BEGIN SELECT RAISE(ABORT, 'batches is append-only'); END"
    )
    op.execute("DROP TRIGGER evidence_no_delete")
    op.execute(
        "CREATE TRIGGER evidence_no_delete BEFORE DELETE ON evidence WHEN "
        "(SELECT state FROM batches WHERE id = OLD.batch) IN ('EXECUTED', 'FINAL', 'FAILED') "
        "BEGIN SELECT RAISE(ABORT, 'evidence is append-only'); END"
    )


def downgrade() -> None:
    """Refused: a ledger is never taken apart."""
    raise NotImplementedError("a ledger is never taken back to an older version")
