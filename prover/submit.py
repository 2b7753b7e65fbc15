"""Sending a claim to the supplier's verifier and checking that the receipt answers it."""

from __future__ import annotations

from pathlib import Path

from circuits.errors import BadInput, InputReason
from verifier.claim import decode_claim
from verifier.files import read_file, require_writable, write_atomic
from verifier.rpc.client import ClientTls, Submitted, VerifierClient


def load_tls(authority: str | None, certificate: str | None, key: str | None) -> ClientTls | None:
    """Client TLS from three PEM files, or None when none is given; ``TLS`` when some are."""
    if authority is None and certificate is None and key is None:
        return None
    if authority is None or certificate is None or key is None:
        raise BadInput(
            InputReason.TLS, "give all of --tls-ca, --tls-certificate and --tls-key, or none"
        )
    return ClientTls(read_file(authority), read_file(certificate), read_file(key))


def submit_file(
    claim_file: Path | str,
    address: str,
    tls: ClientTls | None = None,
    receipt_file: Path | str | None = None,
) -> Submitted:
    """Submit an encoded claim; ``Rejected`` with the verifier's reason when it refuses.

    The file goes out as it is: what is wrong with it is for the verifier to say. The receipt is
    kept in ``receipt_file`` when given.
    """
    data = read_file(claim_file)
    if receipt_file is not None:
        require_writable(receipt_file)
    with VerifierClient(address, tls=tls) as client:
        answer = client.submit(data)
    receipt = answer.receipt
    if receipt.statement_digest != decode_claim(data).statement_digest:
        raise BadInput(InputReason.RECEIPT, f"{address}: the receipt is for another statement")
    if receipt_file is not None:
        write_atomic(receipt_file, receipt.encode())
    return answer
