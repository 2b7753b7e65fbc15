"""The grpc.aio server: limits, health, reflection, TLS, settlement, a graceful end."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from circuits.errors import BadInput, InputReason
from verifier.ledger import Ledger
from verifier.rpc import verifier_pb2
from verifier.rpc.address import MAXIMUM_MESSAGE_BYTES, Address
from verifier.rpc.verifier_pb2_grpc import add_VerifierServiceServicer_to_server
from verifier.service.servicer import VerifierServicer
from verifier.service.tls import ServerTls
from verifier.settlement import Settlement
from verifier.workers import usable_cores

SERVICE_NAME = verifier_pb2.DESCRIPTOR.services_by_name["VerifierService"].full_name
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServiceLimits:
    """What one server takes on at a time; ``grace_seconds`` is how long it finishes when told.

    ``proof_workers`` proofs are checked at a time, each in a process of its own.
    A stream of receipts ends after ``watch_seconds``, or ``watch_idle_seconds`` without a receipt:
    there are few places, and nobody may hold one for ever. ``settle_seconds`` is how often open
    settlements are looked after when no call gives a reason to.
    """

    concurrent_calls: int = 64
    proof_workers: int = field(default_factory=usable_cores)
    call_seconds: float = 120.0
    watch_seconds: float = 86_400.0
    watch_idle_seconds: float = 3_600.0
    grace_seconds: float = 30.0
    settle_seconds: float = 10.0


class VerifierServer:
    """VerifierService with health and reflection on one address."""

    def __init__(
        self,
        ledger: Ledger,
        settlement: Settlement,
        *,
        tls: ServerTls | None = None,
        limits: ServiceLimits | None = None,
    ) -> None:
        self._settlement = settlement
        self._tls = tls
        self._limits = limits or ServiceLimits()
        self._due = asyncio.Event()
        self._stopping = False
        self._servicer = VerifierServicer(
            ledger,
            self._due.set,
            proof_workers=self._limits.proof_workers,
            call_seconds=self._limits.call_seconds,
            watch_seconds=self._limits.watch_seconds,
            watch_idle_seconds=self._limits.watch_idle_seconds,
        )
        self._health = health.aio.HealthServicer()
        self._settling: asyncio.Task[None] | None = None
        self._server = grpc.aio.server(
            maximum_concurrent_rpcs=self._limits.concurrent_calls,
            options=[
                ("grpc.max_receive_message_length", MAXIMUM_MESSAGE_BYTES),
                ("grpc.max_send_message_length", MAXIMUM_MESSAGE_BYTES),
                ("grpc.so_reuseport", 0),  # a second server must fail, not share the port
                ("grpc.keepalive_time_ms", 60_000),
            ],
        )
        add_VerifierServiceServicer_to_server(self._servicer, self._server)  # type: ignore[no-untyped-call]
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)

    async def start(self, address: Address) -> int:
        """Listen; returns the port. ``BadInput`` TLS, ADDRESS or PORT_IN_USE."""
        credentials = None if self._tls is None else self._tls.credentials()
        if credentials is None:
            address.require_loopback()
        _probe(address)
        try:
            if credentials is None:
                port = self._server.add_insecure_port(str(address))
            else:
                port = self._server.add_secure_port(str(address), credentials)
        except RuntimeError:
            port = 0
        if port == 0:
            raise BadInput(InputReason.PORT_IN_USE, f"{address}: cannot listen there")
        await self._server.start()
        self._due.set()  # what an earlier run left open
        self._settling = asyncio.create_task(self._settle())
        for name in ("", SERVICE_NAME):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        return port

    async def stop(self) -> None:
        """Take no new calls, finish those that run (for a while), settle, stop."""
        await self._health.enter_graceful_shutdown()
        self._servicer.stop()
        await self._server.stop(self._limits.grace_seconds)
        await asyncio.to_thread(self._servicer.close)
        self._stopping = True
        self._due.set()
        if self._settling is not None:
            await self._settling

    async def _settle(self) -> None:
        while not self._stopping:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), self._limits.settle_seconds)
            self._due.clear()
            await self._settle_once()
        await self._settle_once()  # what was accepted during the last round

    async def _settle_once(self) -> None:
        try:
            await asyncio.to_thread(self._settlement.run)
        except Exception:
            _log.exception("settlement failed; it is tried again")


def _probe(address: Address) -> None:
    """Bind once ourselves: gRPC says only that it failed, not why."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise BadInput(InputReason.PORT_IN_USE, f"{address} is in use") from None
            words = error.strerror or "cannot listen there"
            raise BadInput(InputReason.ADDRESS, f"{address}: {words}") from None


async def serve(server: VerifierServer, address: Address, started: Callable[[int], None]) -> None:
    """Run until SIGTERM or SIGINT; ``started`` gets the port once calls are answered."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    port = await server.start(address)
    try:
        started(port)
        await stop.wait()
    finally:
        await server.stop()
