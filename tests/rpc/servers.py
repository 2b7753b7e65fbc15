"""A real server on loopback with a free port, always stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from verifier.ledger import Batch, Ledger
from verifier.rpc.address import Address
from verifier.service.server import ServiceLimits, VerifierServer
from verifier.service.tls import ServerTls
from verifier.settlement import EmbeddedGateway, Settlement

LIMITS = ServiceLimits(grace_seconds=5.0)


class Idle(Settlement):
    """Settles nothing, so that only the test moves batches; counts how often it was asked to."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger, EmbeddedGateway())
        self.rounds = 0

    def run(self) -> list[Batch]:
        self.rounds += 1
        return []


@contextmanager
def serving(
    ledger: Ledger,
    *,
    tls: ServerTls | None = None,
    limits: ServiceLimits = LIMITS,
    settlement: Settlement | None = None,
) -> Iterator[str]:
    """``HOST:PORT`` of a server over ``ledger`` that runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> tuple[VerifierServer, int]:
        settles = settlement or Settlement(ledger, EmbeddedGateway())
        server = VerifierServer(ledger, settles, tls=tls, limits=limits)
        return server, await server.start(Address("127.0.0.1", 0))

    try:
        server, port = asyncio.run_coroutine_threadsafe(start(), loop).result(20)
        try:
            yield f"127.0.0.1:{port}"
        finally:
            asyncio.run_coroutine_threadsafe(server.stop(), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
