"""What each call does. Everything that takes time runs in threads, never in the event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import grpc

from circuits.errors import BadInput, InputReason, Rejected
from verifier.contract import SignedContract, Terms
from verifier.ledger import Applied, Ledger
from verifier.receipt import Receipt
from verifier.rpc import verifier_pb2 as messages
from verifier.rpc.status import status_of
from verifier.rpc.verifier_pb2_grpc import VerifierServiceServicer
from verifier.service import settlements
from verifier.service.proofs import proof_check_in
from verifier.workers import Workers

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]

PAGE_LIMIT = 200
WATCHERS = 32
WATCH_POLL_SECONDS = 2.0  # another process may write to the same store
_log = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")


class VerifierServicer(VerifierServiceServicer):
    """VerifierService over one ledger.

    ``due`` is called (in the event loop) when there is something to settle: after each newly
    accepted claim and each new signature of a settlement. Proofs are checked in ``proof_workers``
    processes; everything that touches the ledger happens in this one.
    """

    def __init__(
        self,
        ledger: Ledger,
        due: Callable[[], None],
        *,
        proof_workers: int,
        call_seconds: float,
        watch_seconds: float,
        watch_idle_seconds: float,
    ) -> None:
        self._ledger = ledger
        self._due = due
        self._call_seconds = call_seconds
        self._watch_seconds = watch_seconds
        self._watch_idle_seconds = watch_idle_seconds
        self._workers = Workers(proof_workers)
        self._proofs = ThreadPoolExecutor(proof_workers, thread_name_prefix="proof")
        self._queries = ThreadPoolExecutor(4, thread_name_prefix="query")
        self._watchers = 0
        self._news = asyncio.Event()
        self._stopping = False

    def stop(self) -> None:
        """End the watchers' streams."""
        self._stopping = True
        self._announce()

    def close(self) -> None:
        """Wait for the threads and the processes."""
        self._proofs.shutdown(wait=True)
        self._queries.shutdown(wait=True)
        self._workers.close()

    def _announce(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def _run(
        self, pool: ThreadPoolExecutor, work: Callable[..., _Answer], *arguments: object
    ) -> _Answer:
        return await asyncio.get_running_loop().run_in_executor(pool, work, *arguments)

    async def _answer(self, context: Context, work: Awaitable[_Answer]) -> _Answer:
        """The result of ``work``, or the call ends with the status of what it raised."""
        try:
            # The thread goes on after a time-out; what it accepts then, a repeat returns.
            return await asyncio.wait_for(work, self._call_seconds)
        except (Rejected, BadInput) as error:
            await _refuse(context, error)
        except TimeoutError:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "took too long")
        except Exception:
            _log.exception("call failed")
            await context.abort(grpc.StatusCode.INTERNAL, "internal error")

    async def RegisterContract(  # noqa: N802  # names come from the .proto file
        self, request: messages.RegisterContractRequest, context: Context
    ) -> messages.RegisterContractResponse:
        """Register a contract that both parties signed."""

        def register() -> messages.RegisterContractResponse:
            terms = Terms.from_toml(request.toml)
            contract = SignedContract(
                terms, request.toml, request.operator_signature, request.supplier_signature
            )
            created = self._ledger.register(contract)
            return messages.RegisterContractResponse(terms_digest=terms.digest, created=created)

        return await self._answer(context, self._run(self._queries, register))

    async def SubmitClaim(  # noqa: N802
        self, request: messages.SubmitClaimRequest, context: Context
    ) -> messages.SubmitClaimResponse:
        """Decide on a claim; what is accepted is on disk before it is acknowledged."""
        proof_check = proof_check_in(self._workers, request.claim)
        work = self._run(self._proofs, self._ledger.apply, request.claim, proof_check)
        applied: Applied = await self._answer(context, work)
        if not applied.duplicate:
            self._announce()
            self._due()
        return messages.SubmitClaimResponse(
            receipt=applied.receipt.encode(), duplicate=applied.duplicate
        )

    async def GetReceipt(  # noqa: N802
        self, request: messages.GetReceiptRequest, context: Context
    ) -> messages.GetReceiptResponse:
        """One receipt, by statement digest; NOT_FOUND."""
        work = self._run(self._queries, self._ledger.receipt, request.statement_digest)
        receipt: Receipt | None = await self._answer(context, work)
        if receipt is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no receipt for this statement")
        return messages.GetReceiptResponse(receipt=receipt.encode())

    async def ListReceipts(  # noqa: N802
        self, request: messages.ListReceiptsRequest, context: Context
    ) -> messages.ListReceiptsResponse:
        """A page of a contract's receipts."""
        limit = min(request.page_size or PAGE_LIMIT, PAGE_LIMIT)
        found = await self._page(context, request.terms_digest, request.first_sequence, limit + 1)
        page, more = found[:limit], found[limit:]
        return messages.ListReceiptsResponse(
            receipts=[receipt.encode() for receipt in page],
            next_sequence=more[0].sequence if more else 0,
        )

    async def _page(
        self, context: Context, terms_digest: bytes, first: int, limit: int
    ) -> list[Receipt]:
        first = min(max(1, first), 2**63 - 1)

        def read() -> list[Receipt]:
            self._ledger.contract(
                terms_digest
            )  # an unknown contract is an error, not an empty list
            return self._ledger.receipts(terms_digest, first, limit)

        return await self._answer(context, self._run(self._queries, read))

    async def WatchReceipts(  # noqa: N802
        self, request: messages.WatchReceiptsRequest, context: Context
    ) -> AsyncIterator[messages.WatchReceiptsResponse]:
        """Receipts so far, then each new one, until either side goes away or the time is up."""
        if self._watchers >= WATCHERS:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many watchers")
        self._watchers += 1
        try:
            sequence = max(1, request.first_sequence)
            clock = asyncio.get_running_loop().time
            end = clock() + self._watch_seconds
            idle_end = clock() + self._watch_idle_seconds
            while not self._stopping and clock() < min(end, idle_end):
                news = self._news
                page = await self._page(context, request.terms_digest, sequence, PAGE_LIMIT)
                for receipt in page:
                    yield messages.WatchReceiptsResponse(receipt=receipt.encode())
                    sequence = receipt.sequence + 1
                if page:
                    idle_end = clock() + self._watch_idle_seconds
                else:
                    left = min(end, idle_end) - clock()
                    await _wait(news, min(WATCH_POLL_SECONDS, max(left, 0.0)))
        finally:
            self._watchers -= 1

    async def GetBalance(  # noqa: N802
        self, request: messages.GetBalanceRequest, context: Context
    ) -> messages.GetBalanceResponse:
        """The balances of a contract's accounts."""

        def read() -> messages.GetBalanceResponse:
            currency = self._ledger.contract(request.terms_digest).terms.currency
            balances = self._ledger.balances(request.terms_digest)
            accounts = [messages.Account(name=a.value, nanos=n) for a, n in balances.items()]
            return messages.GetBalanceResponse(currency=currency, accounts=accounts)

        return await self._answer(context, self._run(self._queries, read))

    async def ListProposals(  # noqa: N802
        self, request: messages.ListProposalsRequest, context: Context
    ) -> messages.ListProposalsResponse:
        """Settlements of a contract that wait for the operator's signature."""
        work = self._run(self._queries, settlements.proposals, self._ledger, request.terms_digest)
        return await self._answer(context, work)

    async def CosignSettlement(  # noqa: N802
        self, request: messages.CosignSettlementRequest, context: Context
    ) -> messages.CosignSettlementResponse:
        """Keep the other side's signatures of a proposal; wrong ones are refused."""
        work = self._run(self._queries, settlements.cosign, self._ledger, request)
        answer, new = await self._answer(context, work)
        if new:  # a repeat must not make us ask the node again
            self._due()
        return answer

    async def ListSettlements(  # noqa: N802
        self, request: messages.ListSettlementsRequest, context: Context
    ) -> messages.ListSettlementsResponse:
        """A page of a contract's settlements."""
        work = self._run(self._queries, settlements.page, self._ledger, request)
        return await self._answer(context, work)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return


async def _refuse(context: Context, error: Rejected | BadInput) -> NoReturn:
    if isinstance(error, BadInput) and error.reason in (
        InputReason.STORE_CORRUPT,
        InputReason.WRITE_FAILED,
    ):
        _log.error("%s", error)
    status = status_of(error)
    await context.abort(status.code, status.details, status.trailing_metadata)
