"""Settlement over gRPC: what waits for a signature, signatures that arrive, what became of it.

Nothing that arrives is believed: a signature is kept only when the batch is this contract's and
still open for it, the digest is the batch's own, and the signature is that of a member of the
contract's escrow (a sponsor is one) over the batch's own bytes.
"""

from __future__ import annotations

from circuits.errors import BadInput, InputReason
from verifier.contract.settlement import SettlementTerms
from verifier.ledger import Batch, Ledger
from verifier.rpc import verifier_pb2 as messages
from verifier.settlement.names import digest_text

PAGE_LIMIT = 200
MAXIMUM_SIGNATURES = 3  # the escrow has no more members
MAXIMUM_SIGNATURE = 512  # characters; a single Ed25519 signature in base64 has 132


def proposals(ledger: Ledger, terms_digest: bytes) -> messages.ListProposalsResponse:
    """The contract's batches that wait for signatures; ``USAGE`` for an unknown contract."""
    ledger.contract(terms_digest)
    return messages.ListProposalsResponse(
        proposals=[
            messages.Proposal(
                batch=batch.id,
                plan=batch.plan,
                transaction=batch.payload or b"",
                first_sequence=batch.first_sequence,
                last_sequence=batch.last_sequence,
            )
            for batch in ledger.outbox.proposals(terms_digest)
            if batch.plan
        ]
    )


def cosign(
    ledger: Ledger, request: messages.CosignSettlementRequest
) -> tuple[messages.CosignSettlementResponse, bool]:
    """Keep signatures of a proposal; all of them or, when one is refused, none.

    A repeat changes nothing and is answered with the state that the batch is in. The other value
    is True where something new was kept: only then is there a reason to go on. ``BadInput``
    SETTLEMENT_STATE for a batch that never waited for it, IOTA_SIGNATURE for a wrong signature.
    """
    from verifier.iota.escrow import Escrow

    settlement = _settlement_terms(ledger, request.terms_digest)
    if not 1 <= len(request.signatures) <= MAXIMUM_SIGNATURES:
        raise BadInput(InputReason.IOTA_SIGNATURE, f"expected 1 to {MAXIMUM_SIGNATURES} signatures")
    if any(len(signature) > MAXIMUM_SIGNATURE for signature in request.signatures):
        raise BadInput(InputReason.IOTA_SIGNATURE, "a signature is too long")
    batch = _batch(ledger, request.terms_digest, request.batch)
    if batch.payload is None or batch.digest != request.digest:
        raise BadInput(
            InputReason.SETTLEMENT_STATE,
            f"settlement batch {batch.id} has another transaction than {request.digest.hex()}",
        )
    escrow = Escrow(settlement)
    shares = {escrow.verify_share(batch.payload, s): s for s in request.signatures}
    new = ledger.outbox.add_shares(batch.id, request.digest, shares)
    state = ledger.outbox.batch(batch.id).state
    return messages.CosignSettlementResponse(state=state.value), new


def page(
    ledger: Ledger, request: messages.ListSettlementsRequest
) -> messages.ListSettlementsResponse:
    """A contract's batches in every state, oldest first, from a batch number on."""
    ledger.contract(request.terms_digest)
    found = [
        batch
        for batch in ledger.outbox.settlements(request.terms_digest)
        if batch.id >= request.first_batch
    ]
    shown, more = found[:PAGE_LIMIT], found[PAGE_LIMIT:]
    return messages.ListSettlementsResponse(
        settlements=[
            messages.Settlement(
                batch=batch.id,
                state=batch.state.value,
                amount_nanos=batch.amount_nanos,
                digest=digest_text(batch),
                first_sequence=batch.first_sequence,
                last_sequence=batch.last_sequence,
                detail=batch.detail,
            )
            for batch in shown
        ],
        next_batch=more[0].id if more else 0,
    )


def _settlement_terms(ledger: Ledger, terms_digest: bytes) -> SettlementTerms:
    settlement = ledger.contract(terms_digest).terms.settlement
    if settlement is None:
        raise BadInput(
            InputReason.SETTLEMENT_STATE, "the contract does not say that it is settled on chain"
        )
    return settlement


def _batch(ledger: Ledger, terms_digest: bytes, number: int) -> Batch:
    for batch in ledger.outbox.settlements(terms_digest):
        if batch.id == number:
            return batch
    raise BadInput(InputReason.SETTLEMENT_STATE, f"the contract has no settlement batch {number}")
