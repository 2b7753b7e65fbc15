"""The first schema: contracts, receipts, double entry, settlement outbox."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

APPEND_ONLY = (
    "receipts", "claims", "vouchers", "checkpoints", "transactions", "entries", "instructions",
    "devices", "shares", "evidence",
)  # fmt: skip


def _column(name: str, kind: Any, *, optional: bool = False, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=optional, **options)


def _blob(name: str, **options: Any) -> sa.Column[Any]:
    return _column(name, sa.LargeBinary(), **options)


def _integer(name: str, **options: Any) -> sa.Column[Any]:
    return _column(name, sa.BigInteger(), **options)


def _text(name: str, **options: Any) -> sa.Column[Any]:
    return _column(name, sa.Text(), **options)


def _row_id() -> sa.Column[Any]:
    return _column("id", sa.Integer(), primary_key=True, autoincrement=True)


def _of_contract() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["terms_digest"], ["contracts.terms_digest"])


def _of_batch() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["batch"], ["batches.id"])


def upgrade() -> None:
    """Create everything."""
    _create_contracts()
    _create_receipts()
    _create_entries()
    _create_settlement()
    _create_triggers()


def _create_contracts() -> None:
    op.create_table(
        "contracts",
        _blob("terms_digest", primary_key=True),
        _text("name"),
        _text("currency"),
        _text("toml"),
        _blob("operator_signature"),
        _blob("supplier_signature"),
        _integer("registered_ms"),
    )
    op.create_table(
        "devices",
        _blob("device", primary_key=True),
        _integer("frozen_ms"),
        _blob("earlier_checkpoint"),
        _blob("earlier_signature"),
        _blob("later_checkpoint"),
        _blob("later_signature"),
    )
    op.create_table(
        "instructions",
        _row_id(),
        _integer("time_ms"),
        _text("author"),
        _text("kind"),
        _blob("terms_digest", optional=True, index=True),
        _blob("device", optional=True, index=True),
        _integer("moment_ms", optional=True),
        _of_contract(),
    )
    op.create_table(
        "heads",
        _blob("terms_digest", primary_key=True),
        _integer("sequence"),
        _blob("checkpoint"),
        _blob("receipt_digest"),
        _of_contract(),
    )
    op.create_table(
        "checkpoints",
        _blob("device", primary_key=True),
        _integer("epoch", primary_key=True),
        _integer("position", primary_key=True),
        _blob("encoded"),
        _blob("signature"),
    )


def _create_receipts() -> None:
    op.create_table(
        "receipts",
        _blob("terms_digest", primary_key=True),
        _integer("sequence", primary_key=True),
        _blob("statement_digest", unique=True),
        _blob("device"),
        _integer("epoch"),
        _integer("first_window"),
        _blob("encoded"),
        sa.UniqueConstraint("terms_digest", "device", "epoch", "first_window"),
        _of_contract(),
    )
    op.create_table(
        "claims",
        _blob("statement_digest", primary_key=True),
        _blob("encoded"),
        sa.ForeignKeyConstraint(["statement_digest"], ["receipts.statement_digest"]),
    )
    op.create_table(
        "vouchers",
        _blob("terms_digest", primary_key=True),
        _integer("sequence", primary_key=True),
        _integer("cumulative_nanos"),
        _blob("signature"),
        _of_contract(),
    )
    op.create_table(
        "audit",
        _row_id(),
        _integer("time_ms"),
        _text("reason", index=True),
        _text("detail"),
        _blob("terms_digest", optional=True),
        _blob("statement_digest", optional=True),
    )


def _create_entries() -> None:
    op.create_table(
        "transactions",
        _text("key", primary_key=True),
        _blob("terms_digest"),
        _text("kind"),
        _text("reference"),
        _integer("created_ms"),
        _of_contract(),
    )
    op.create_table(
        "entries",
        _row_id(),
        _text("transaction_key", index=True),
        _blob("terms_digest", index=True),
        _text("account"),
        _text("currency"),
        _integer("nanos"),
        sa.ForeignKeyConstraint(
            ["transaction_key"], ["transactions.key"], deferrable=True, initially="DEFERRED"
        ),
        _of_contract(),
    )


def _create_settlement() -> None:
    op.create_table(
        "batches",
        _row_id(),
        _blob("terms_digest"),
        _text("currency"),
        _integer("amount_nanos"),
        _integer("first_sequence"),
        _integer("last_sequence"),
        _text("state"),
        _blob("memo"),
        _blob("payload", optional=True),
        _blob("digest", optional=True, unique=True),
        _integer("expiry", optional=True),
        _blob("plan", optional=True),
        _text("signatures", optional=True),
        _text("detail"),
        _integer("created_ms"),
        _integer("updated_ms"),
        _of_contract(),
    )
    op.execute(
        "CREATE UNIQUE INDEX batches_one_open ON batches (terms_digest) "
        "WHERE state NOT IN ('FINAL', 'FAILED')"
    )
    op.create_table(
        "leases",
        _blob("coin", primary_key=True),
        _column("batch", sa.Integer(), index=True),
        _of_batch(),
    )
    op.create_table(
        "shares",
        _column("batch", sa.Integer(), primary_key=True),
        _text("signer", primary_key=True),
        _text("signature"),
        _of_batch(),
    )
    op.create_table(
        "evidence",
        _column("batch", sa.Integer(), primary_key=True),
        _text("state", primary_key=True),
        _blob("document"),
        _of_batch(),
    )
    op.create_table(
        "outbox",
        _blob("terms_digest", primary_key=True),
        _integer("sequence", primary_key=True),
        _text("currency"),
        _integer("amount_nanos"),
        _column("batch", sa.Integer(), optional=True, index=True),
        _of_batch(),
        _of_contract(),
    )


def _forbid(table: str, verb: str, when: str = "") -> None:
    op.execute(
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} {when} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    )


def _create_triggers() -> None:
    for table in APPEND_ONLY:
        for verb in ("UPDATE", "DELETE"):
            _forbid(table, verb)
    _forbid("batches", "DELETE")
    _forbid("batches", "UPDATE", "WHEN OLD.state IN ('FINAL', 'FAILED')")
    _forbid("audit", "UPDATE")  # old refusals are pruned, contradictions never
    _forbid("audit", "DELETE", "WHEN OLD.reason IN ('EQUIVOCATION', 'DEVICE_FROZEN')")
    # Entries come first and the transaction row seals them: it is refused unless they balance,
    # and after it no line can be added.
    op.execute(
        "CREATE TRIGGER transactions_balance BEFORE INSERT ON transactions WHEN EXISTS ("
        "SELECT 1 FROM entries WHERE transaction_key = NEW.key "
        "GROUP BY currency HAVING SUM(nanos) <> 0) "
        "OR NOT EXISTS (SELECT 1 FROM entries WHERE transaction_key = NEW.key) "
        "BEGIN SELECT RAISE(ABORT, 'transaction does not balance'); END"
    )
    op.execute(
        "CREATE TRIGGER entries_sealed BEFORE INSERT ON entries WHEN EXISTS ("
        "SELECT 1 FROM transactions WHERE key = NEW.transaction_key) "
        "BEGIN SELECT RAISE(ABORT, 'transaction is sealed'); END"
    )


def downgrade() -> None:
    """Refused: a ledger is never taken apart."""
    raise NotImplementedError("the ledger's first version has nothing before it")
