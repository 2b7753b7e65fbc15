"""A synchronous client of the verifier::

    with VerifierClient("127.0.0.1:7443") as client:
        for receipt in client.receipts(contract.terms.digest):
            print(receipt.sequence, receipt.amount_nanos)

A refusal by the verifier is the same ``Rejected`` that it raised there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import grpc

from circuits.errors import BadInput, InputReason, Reason, Rejected
from verifier.claim import MAXIMUM_CLAIM_BYTES
from verifier.contract import SignedContract
from verifier.receipt import Receipt, decode_receipt
from verifier.rpc import verifier_pb2 as messages
from verifier.rpc.address import MAXIMUM_MESSAGE_BYTES, parse_address
from verifier.rpc.status import refusal_of
from verifier.rpc.verifier_pb2_grpc import VerifierServiceStub

DEFAULT_TIMEOUT_SECONDS = 60.0
_AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class ClientTls:
    """PEM bytes: the verifier's certificate authority, this client's certificate and its key."""

    authority: bytes
    certificate: bytes
    key: bytes


@dataclass(frozen=True)
class Submitted:
    """The verifier's answer to a claim that it accepted, now or earlier (``duplicate``)."""

    receipt: Receipt
    duplicate: bool


@dataclass(frozen=True)
class Balance:
    """What a contract's accounts hold, in nanos."""

    currency: str
    accounts: dict[str, int]


@dataclass(frozen=True)
class Proposal:
    """A settlement that waits for the operator's signature, as the verifier tells it.

    ``plan`` is the payment's parameters as canonical JSON, ``transaction`` the unsigned BCS; it
    pays the receipts ``first_sequence``..``last_sequence``, both inclusive.
    """

    batch: int
    plan: bytes
    transaction: bytes
    first_sequence: int
    last_sequence: int


@dataclass(frozen=True)
class SettlementNews:
    """What became of one settlement; ``digest`` is empty until there is a transaction."""

    batch: int
    state: str
    amount_nanos: int
    digest: str
    first_sequence: int
    last_sequence: int
    detail: str


class VerifierClient:
    """A connection to one verifier; close it, or use it in a ``with`` block.

    Every call raises ``Rejected`` for a refusal and ``BadInput`` SERVER_AWAY when no answer came
    within ``timeout_seconds``. Plaintext reaches loopback addresses only (``BadInput`` TLS).
    """

    def __init__(
        self,
        address: str,
        *,
        tls: ClientTls | None = None,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    ) -> None:
        target = parse_address(address)
        options = [
            ("grpc.max_receive_message_length", MAXIMUM_MESSAGE_BYTES),
            ("grpc.max_send_message_length", -1),
            ("grpc.enable_http_proxy", 0),
        ]
        if tls is None:
            target.require_loopback()
            self._channel = grpc.insecure_channel(str(target), options=options)
        else:
            credentials = grpc.ssl_channel_credentials(tls.authority, tls.key, tls.certificate)
            self._channel = grpc.secure_channel(str(target), credentials, options=options)
        self._stub = VerifierServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._address = str(target)
        self._timeout = timeout_seconds

    def __enter__(self) -> VerifierClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    def register(self, contract: SignedContract) -> bool:
        """Make a signed contract known there; False when it was."""
        contract.require_signed()
        request = messages.RegisterContractRequest(
            toml=contract.toml_text,
            operator_signature=contract.operator_signature or b"",
            supplier_signature=contract.supplier_signature or b"",
        )
        answer: messages.RegisterContractResponse = self._call(
            lambda: self._stub.RegisterContract(request, timeout=self._timeout)
        )
        return answer.created

    def submit(self, claim_bytes: bytes) -> Submitted:
        """Submit an encoded claim."""
        request = messages.SubmitClaimRequest(claim=claim_bytes)
        try:
            answer: messages.SubmitClaimResponse = self._call(
                lambda: self._stub.SubmitClaim(request, timeout=self._timeout)
            )
        except BadInput:
            if len(claim_bytes) > MAXIMUM_CLAIM_BYTES:  # gRPC cuts it off before the verifier looks
                raise Rejected(
                    Reason.CLAIM_SIZE,
                    "bytes",
                    expected=f"<= {MAXIMUM_CLAIM_BYTES}",
                    got=len(claim_bytes),
                ) from None
            raise
        return Submitted(decode_receipt(answer.receipt), answer.duplicate)

    def receipt(self, statement_digest: bytes) -> Receipt | None:
        """The receipt of a statement, or None when it was not accepted."""
        request = messages.GetReceiptRequest(statement_digest=statement_digest)
        try:
            answer = self._stub.GetReceipt(request, timeout=self._timeout)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return None
            raise self._failure(error) from None
        return decode_receipt(answer.receipt)

    def receipts(self, terms_digest: bytes, first_sequence: int = 1) -> Iterator[Receipt]:
        """A contract's receipts so far, from a sequence number on."""
        while first_sequence:
            request = messages.ListReceiptsRequest(
                terms_digest=terms_digest, first_sequence=first_sequence
            )
            answer = self._list(request)
            yield from (decode_receipt(encoded) for encoded in answer.receipts)
            first_sequence = self._next(first_sequence, answer.next_sequence)

    def _list(self, request: messages.ListReceiptsRequest) -> messages.ListReceiptsResponse:
        answer: messages.ListReceiptsResponse = self._call(
            lambda: self._stub.ListReceipts(request, timeout=self._timeout)
        )
        return answer

    def watch(
        self,
        terms_digest: bytes,
        first_sequence: int = 1,
        *,
        timeout_seconds: float | None = None,
    ) -> Iterator[Receipt]:
        """A contract's receipts from a sequence number on, then each new one as it is made.

        Ends when the verifier stops or finds the stream old or idle enough: then watch again from
        the next sequence number. With ``timeout_seconds`` SERVER_AWAY after that time.
        """
        request = messages.WatchReceiptsRequest(
            terms_digest=terms_digest, first_sequence=first_sequence
        )
        stream = self._stub.WatchReceipts(request, timeout=timeout_seconds)
        try:
            for answer in stream:
                yield decode_receipt(answer.receipt)
        except grpc.RpcError as error:
            raise self._failure(error) from None
        finally:
            stream.cancel()

    def balance(self, terms_digest: bytes) -> Balance:
        """What a contract's accounts hold."""
        request = messages.GetBalanceRequest(terms_digest=terms_digest)
        answer: messages.GetBalanceResponse = self._call(
            lambda: self._stub.GetBalance(request, timeout=self._timeout)
        )
        return Balance(answer.currency, {a.name: a.nanos for a in answer.accounts})

    def proposals(self, terms_digest: bytes) -> list[Proposal]:
        """A contract's settlements that wait for a signature; nothing in them is checked yet."""
        request = messages.ListProposalsRequest(terms_digest=terms_digest)
        answer: messages.ListProposalsResponse = self._call(
            lambda: self._stub.ListProposals(request, timeout=self._timeout)
        )
        return [
            Proposal(p.batch, p.plan, p.transaction, p.first_sequence, p.last_sequence)
            for p in answer.proposals
        ]

    def cosign(
        self, terms_digest: bytes, batch: int, digest: bytes, signatures: Sequence[str]
    ) -> str:
        """Hand over signatures (base64) of a proposal; the state that the batch is in then.

        ``digest`` is the transaction's, 32 bytes.
        """
        request = messages.CosignSettlementRequest(
            terms_digest=terms_digest, batch=batch, digest=digest, signatures=signatures
        )
        answer: messages.CosignSettlementResponse = self._call(
            lambda: self._stub.CosignSettlement(request, timeout=self._timeout)
        )
        return answer.state

    def settlements(self, terms_digest: bytes) -> Iterator[SettlementNews]:
        """A contract's settlements, oldest first."""
        first, more = 0, True
        while more:
            request = messages.ListSettlementsRequest(terms_digest=terms_digest, first_batch=first)
            answer = self._settlements(request)
            for s in answer.settlements:
                yield SettlementNews(
                    s.batch, s.state, s.amount_nanos, s.digest, s.first_sequence, s.last_sequence,
                    s.detail,
                )  # fmt: skip
            first = self._next(first, answer.next_batch)
            more = first != 0

    def _settlements(
        self, request: messages.ListSettlementsRequest
    ) -> messages.ListSettlementsResponse:
        answer: messages.ListSettlementsResponse = self._call(
            lambda: self._stub.ListSettlements(request, timeout=self._timeout)
        )
        return answer

    def _next(self, current: int, following: int) -> int:
        """Where the next page begins, 0 after the last; a verifier must not lead in circles."""
        if following and following <= current:
            raise BadInput(InputReason.SERVER_ERROR, f"{self._address}: pages go backwards")
        return following

    def _call(self, call: Callable[[], _Answer]) -> _Answer:
        try:
            return call()
        except grpc.RpcError as error:
            raise self._failure(error) from None

    def _failure(self, error: grpc.RpcError) -> Rejected | BadInput:
        refusal = refusal_of(error)
        if refusal is not None:
            return refusal
        code = error.code()
        if code in _AWAY:
            return BadInput(InputReason.SERVER_AWAY, f"{self._address}: no answer ({code.name})")
        return BadInput(InputReason.SERVER_ERROR, f"{self._address}: {code.name}")
