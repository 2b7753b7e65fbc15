"""A faucet over HTTP in front of a test node, as the SDK's `FaucetClient` asks for coins."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.iota_node.node import IotaNode
from tests.iota_node.server import LOOPBACK

TASK = "00000000-0000-4000-8000-000000000000"  # the official faucet names a task to ask about


class Faucet:
    """Gives `nanos` to whoever asks: POST `/v1/gas`. Serves on a free port while entered."""

    def __init__(self, node: IotaNode, nanos: int) -> None:
        self._server = ThreadingHTTPServer((LOOPBACK, 0), _handler(node, nanos))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        """What a client is told."""
        return f"http://{LOOPBACK}:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(node: IotaNode, nanos: int) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path != "/v1/gas":
                self.send_error(404)
                return
            node.faucet(json.loads(content)["FixedAmountRequest"]["recipient"], nanos)
            answer = json.dumps({"task": TASK, "error": None}).encode()
            self.send_response(202)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
            """Quiet."""

    return Handler
