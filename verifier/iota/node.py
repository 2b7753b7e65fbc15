"""A node of the network, asked over GraphQL; synchronous, and every answer is bounded in time.

Whatever goes wrong on the way, or makes no sense in an answer, is a ``ConnectionError``: the SDK
knows one kind of failure with a text, and no text decides about money. What was asked is asked
again later.
"""

from __future__ import annotations

import asyncio
import json
import time
import weakref
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from threading import Lock, Thread, current_thread
from typing import Any, TypeVar
from urllib.parse import urlsplit

from circuits.errors import BadInput, InputReason
from verifier.iota.payment import CoinRef
from verifier.iota.sdk import load

ANSWER_SECONDS = 30.0
COMMAND_SECONDS = 300.0  # for many questions in a row, however many there are
END_SECONDS = 5.0  # ending takes no time; whatever the SDK does, a process must not hang on it
PAGE_COINS = 50  # the most that the official service gives at a time
MAXIMUM_WHOLE = 2**53 - 1  # the service's UInt53; also the most that RFC 8785 writes
MAXIMUM_PAGES = 1000  # anybody can send dust to an address; to hide coins behind it costs deposits
# One document, so that all of it comes from one server behind whatever balances the load. The SDK
# drops errors beside data: a null can be a failure. What the schema calls non-null, as it does
# `transactionBlocks` and its nodes, cannot.
_STANDING = """
query Standing($digest: String!, $coin: IotaAddress!) {
  chainIdentifier
  checkpoints(first: 1) { nodes { sequenceNumber epoch { epochId } } }
  checkpoint { sequenceNumber digest timestamp epoch { epochId } }
  object(address: $coin) { version digest }
  transactionBlock(digest: $digest) {
    effects { status bcs checkpoint { sequenceNumber digest timestamp } }
  }
  transactionBlocks(first: 1, filter: { transactionIds: [$digest] }) { nodes { digest } }
}
"""
_PRESENT = "query Present { chainIdentifier epoch { epochId referenceGasPrice } }"
_SENSELESS = (LookupError, TypeError, ValueError, RecursionError)
_Answer = TypeVar("_Answer")
_end_of_patience: ContextVar[float | None] = ContextVar("end of patience", default=None)


@dataclass(frozen=True)
class Present:
    """The network that a node serves, its current epoch, and the least gas price in nanos."""

    network: str
    epoch: int
    gas_price: int


@dataclass(frozen=True)
class Coin:
    """A coin of the network's currency as the node sees it; ``nanos`` is its balance."""

    reference: CoinRef
    nanos: int


@dataclass(frozen=True)
class Mark:
    """A checkpoint: its number, base58 digest, and time in ISO 8601."""

    sequence: int
    digest: str
    timestamp: str


@dataclass(frozen=True)
class Execution:
    """What a transaction did: effects in BCS, and the checkpoint that has it, if one does yet."""

    success: bool
    effects: bytes
    included: Mark | None


@dataclass(frozen=True)
class Standing:
    """How the network stands to one transaction, by one answer of one node.

    ``latest`` is the last checkpoint that the node knows, ``epoch`` its epoch; what it knows begins
    with checkpoint ``first_sequence`` of ``first_epoch``. ``unspent`` is True when the coin in
    question is still at the version in question, ``indexed`` when one of its checkpoints has the
    transaction. ``execution`` is None when it shows none, which by itself means nothing.
    """

    network: str
    latest: Mark
    epoch: int
    first_sequence: int
    first_epoch: int
    unspent: bool
    indexed: bool
    execution: Execution | None


class Node:
    """A node's GraphQL service at an exact URL; safe to share between threads."""

    def __init__(self, url: str, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        """``BadInput``: IOTA_SDK, or IOTA_NODE when this is no URL."""
        self._sdk = load()
        self._failures = (self._sdk.SdkFfiError, self._sdk.iota_sdk_ffi.InternalError)
        self._senseless_types = (*_SENSELESS, *self._failures)
        self._seconds = answer_seconds
        self._lock = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: weakref.finalize[..., Node] | None = None
        try:
            self._client = self._sdk.GraphQlClient(url)
        except self._sdk.SdkFfiError:
            raise BadInput(
                InputReason.IOTA_NODE, f"{without_secrets(url)}: not the URL of a node"
            ) from None
        self.url = url
        self.name = without_secrets(url)  # for messages

    def close(self) -> None:
        """End the thread that asks, and what is being asked; a later question starts another."""
        with self._lock:
            if self._end is not None:
                self._end()
            self._loop = self._end = None

    def present(self) -> Present:
        """What the node serves now."""
        return self.query(_PRESENT, {}, _read_present)

    def balances(self, address: str) -> list[tuple[bytes, int]]:
        """The coins of an address, as 32-byte identifiers with nanos, in the node's order."""
        sdk, cursor = self._sdk, None
        found: dict[bytes, int] = {}  # pages may overlap, and a coin listed twice is one coin
        owner = sdk.Address.from_hex(address)
        for _ in range(MAXIMUM_PAGES):
            page = sdk.PaginationFilter(
                direction=sdk.Direction.FORWARD, cursor=cursor, limit=PAGE_COINS
            )
            answer = self._ask(partial(_gas_coins, owner, page))
            found |= {bytes(coin.id().to_bytes()): int(coin.balance()) for coin in answer.data}
            if not answer.page_info.has_next_page:
                break
            cursor = answer.page_info.end_cursor
        return list(found.items())

    def coin(self, object_id: bytes, owner: str, version: int | None = None) -> Coin | None:
        """A coin at a version (or as it is now) with its balance; None unless ``owner`` has it."""
        sdk = self._sdk
        wanted = sdk.ObjectId.from_bytes(object_id)
        at = None if version is None else sdk.Version.from_u64(version)
        found = self._ask(lambda client: client.object(wanted, at))
        if found is None:
            return None
        try:
            holder = found.owner().as_opt_address()
            nanos = int(sdk.Coin.try_from_object(found).balance())
            reference = found.object_ref()
        except sdk.SdkFfiError:
            return None  # an object of another kind
        if holder is None or holder.to_hex() != owner:
            return None
        return Coin(
            CoinRef(
                bytes(reference.object_id.to_bytes()),
                int(reference.version.as_u64()),
                bytes(reference.digest.to_bytes()),
            ),
            nanos,
        )

    def execute(self, transaction_bytes: bytes, signatures: tuple[str, ...]) -> None:
        """Hand over a transaction; ``standing`` tells what became of it, whatever this raises."""
        sdk = self._sdk
        transaction = sdk.Transaction.from_bcs(transaction_bytes)
        given = [sdk.UserSignature.from_base64(text) for text in signatures]
        self._ask(lambda client: client.execute_transaction(given, transaction))

    def rehearse(self, transaction_bytes: bytes) -> str:
        """Run a transaction without effect: why it would fail, in one line; empty if it works."""
        transaction = self._sdk.Transaction.from_bcs(transaction_bytes)
        result = self._ask(lambda client: client.dry_run_transaction(transaction))
        if result.error is None and result.effects is not None:
            status = result.effects.as_v1().status()
            return "" if status.is_SUCCESS() else _one_line(str(status))
        return _one_line(result.error or "no reason given")

    def standing(self, digest: str, coin: CoinRef) -> Standing:
        """How the network stands to the transaction with this base58 digest, and to a coin."""
        variables = {"digest": digest, "coin": "0x" + coin.object_id.hex()}
        return self.query(_STANDING, variables, lambda data: self._read_standing(data, coin))

    def query(
        self, document: str, variables: dict[str, Any], read: Callable[[Any], _Answer]
    ) -> _Answer:
        """What ``read`` makes of the answer's data; what it cannot read makes no sense."""
        data = self._query(document, variables)
        try:
            return read(data)
        except self._senseless_types:
            raise self._senseless() from None

    def _query(self, document: str, variables: dict[str, Any]) -> Any:
        query = self._sdk.Query(query_string=document, variables=json.dumps(variables))
        answer = self._ask(lambda client: client.run_query(query))
        try:
            return json.loads(answer)
        except self._senseless_types:
            raise self._senseless() from None

    def _senseless(self) -> ConnectionError:
        return ConnectionError(f"{self.name}: the answer makes no sense")

    def _read_standing(self, data: Any, coin: CoinRef) -> Standing:
        latest, first = data["checkpoint"], data["checkpoints"]["nodes"][0]
        held = data["object"]
        version = (coin.version, self._sdk.ObjectDigest.from_bytes(coin.digest).to_base58())
        return Standing(
            network=_text(data["chainIdentifier"]),
            latest=_mark(latest),
            epoch=_whole(latest["epoch"]["epochId"]),
            first_sequence=_whole(first["sequenceNumber"]),
            first_epoch=_whole(first["epoch"]["epochId"]),
            unspent=held is not None and (held["version"], held["digest"]) == version,
            indexed=bool(data["transactionBlocks"]["nodes"]),
            execution=self._execution(data["transactionBlock"]),
        )

    def _execution(self, block: Any) -> Execution | None:
        if block is None:
            return None
        effects = block["effects"]
        included = effects["checkpoint"]
        if effects["status"] not in ("SUCCESS", "FAILURE"):
            raise ValueError("status")
        return Execution(
            success=effects["status"] == "SUCCESS",
            effects=bytes(self._sdk.base64_decode(_text(effects["bcs"]))),
            included=None if included is None else _mark(included),
        )

    def _ask(self, question: Callable[[Any], Awaitable[_Answer]]) -> _Answer:
        end = _end_of_patience.get()
        seconds = self._seconds if end is None else min(self._seconds, end - time.monotonic())

        async def bounded() -> _Answer:
            return await asyncio.wait_for(question(self._client), seconds)

        try:
            return asyncio.run_coroutine_threadsafe(bounded(), self._running()).result()
        except (*self._failures, CancelledError, TimeoutError, OSError) as error:
            raise ConnectionError(f"{self.name}: {type(error).__name__}") from None

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                thread = Thread(target=_run, args=(loop,), name="iota node", daemon=True)
                thread.start()
                # at exit, too: an answer that reaches a process which is ending aborts it
                self._loop, self._end = loop, weakref.finalize(self, _end, loop, thread)
            return self._loop


@contextmanager
def patience(seconds: float = COMMAND_SECONDS) -> Iterator[None]:
    """All questions that this thread asks in the block get so many seconds together.

    Then ``ConnectionError``: a node that answers slowly, or never ends a list, holds up nobody.
    """
    end, outer = time.monotonic() + seconds, _end_of_patience.get()
    token = _end_of_patience.set(end if outer is None else min(end, outer))
    try:
        yield
    finally:
        _end_of_patience.reset(token)


def without_secrets(url: str) -> str:
    """A node's URL for messages: no user, no query, no fragment; providers put keys there."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "the node"
    if not parts.hostname:
        return "the node" if set(url) & set("@?#") else url
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def require_same(found: str, network: str) -> None:
    """``BadInput`` IOTA_NODE when a node serves another network than the contract names."""
    if found != network:
        raise BadInput(InputReason.IOTA_NODE, f"the node serves network {found}, not {network}")


async def _gas_coins(owner: Any, page: Any, client: Any) -> Any:
    return await client.gas_coins(owner, page)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
        loop.run_until_complete(_cancel(asyncio.all_tasks(loop)))
    finally:
        loop.close()


async def _cancel(questions: set[asyncio.Task[Any]]) -> None:
    for question in questions:
        question.cancel()
    await asyncio.gather(*questions, return_exceptions=True)


def _end(loop: asyncio.AbstractEventLoop, thread: Thread) -> None:
    loop.call_soon_threadsafe(loop.stop)
    if thread is not current_thread():
        thread.join(END_SECONDS)


def _read_present(data: Any) -> Present:
    epoch = data["epoch"]
    price = _whole(int(_text(epoch["referenceGasPrice"])))
    return Present(_text(data["chainIdentifier"]), _whole(epoch["epochId"]), price)


def _mark(value: Any) -> Mark:
    return Mark(_whole(value["sequenceNumber"]), _text(value["digest"]), _text(value["timestamp"]))


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= MAXIMUM_WHOLE:
        raise ValueError("expected a whole number")
    return value


def _one_line(words: str) -> str:
    """A node's words as both parties' terminals may show them."""
    return "".join(letter if letter.isprintable() else " " for letter in words)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable():  # it is shown on terminals
        raise ValueError("expected text of one line")
    return value
