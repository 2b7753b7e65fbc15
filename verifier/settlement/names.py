"""What a payment is called where its money moves."""

from __future__ import annotations

from verifier.ledger import Batch


def digest_text(batch: Batch) -> str:
    """The digest of a batch's transaction: base58 on IOTA, else hex; empty while there is none.

    ``IOTA_SDK`` where a payment on IOTA is asked about without the SDK.
    """
    if batch.digest is None or batch.payload is None:
        return ""
    if not batch.plan:
        return batch.digest.hex()
    from verifier.iota.payment import digest

    return digest(batch.payload).text
