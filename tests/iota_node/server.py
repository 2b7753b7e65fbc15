"""HTTP in front of the node, with the faults of a network."""

from __future__ import annotations

import json
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.iota_node.faults import Fault
from tests.iota_node.graphql import root_fields
from tests.iota_node.transaction import Refused

if TYPE_CHECKING:
    from tests.iota_node.node import IotaNode

LOOPBACK = "127.0.0.1"
TIMED_OUT = {"message": "Request timed out"}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away, as one that is killed does, is no error of the node's."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class HttpServer:
    """The node's HTTP side; one thread a request, ended with `stop`."""

    def __init__(self, node: IotaNode, port: int) -> None:
        self.stopping = threading.Event()
        self._server = _Server((LOOPBACK, port), _handler(node, self.stopping))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.server_port

    @property
    def url(self) -> str:
        """The address of the GraphQL service."""
        return f"http://{LOOPBACK}:{self.port}/graphql"

    def stop(self) -> None:
        """Close the port; requests that wait are let go."""
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(node: IotaNode, stopping: threading.Event) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        pass

    Handler.node, Handler.stopping = node, stopping
    return Handler


class _Handler(BaseHTTPRequestHandler):
    """One request a connection: HTTP/1.0 keeps none open."""

    node: IotaNode
    stopping: threading.Event

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        try:
            request = json.loads(self.rfile.read(length))
            query, variables = str(request["query"]), request.get("variables")
        except (ValueError, KeyError, TypeError):
            self._send(400, b"not a GraphQL request")
            return
        self._serve(query, variables, self.node.faults.draw(root_fields(query)))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing is logged."""

    def _serve(self, query: str, variables: Any, fault: Fault | None) -> None:
        if fault is Fault.LOCK_AND_DROP:
            self._lock(variables)
        if fault in (Fault.DROP_BEFORE, Fault.LOCK_AND_DROP):
            self._drop()
            return
        if fault is Fault.UNAVAILABLE_BEFORE:
            self._send(503, b"Service Unavailable")
            return
        if fault is Fault.GRAPHQL_ERROR:
            self._send_json({"data": None, "errors": [TIMED_OUT]})
            return
        if fault is Fault.NULL_AND_ERROR:
            nothing = dict.fromkeys(root_fields(query))
            self._send_json({"data": nothing, "errors": [TIMED_OUT]})
            return
        if fault is Fault.SLOW_BEFORE:
            self.stopping.wait(self.node.faults.slow_seconds)
        response = self.node.answer(query, variables)
        if fault is Fault.DUPLICATE:
            response = self.node.answer(query, variables)
        if fault is Fault.SLOW_AFTER:
            self.stopping.wait(self.node.faults.slow_seconds)
        if fault is Fault.DROP_AFTER:
            self._drop()
        elif fault is Fault.UNAVAILABLE_AFTER:
            self._send(503, b"Service Unavailable")
        elif fault is Fault.GARBAGE:
            self._send(200, b'{"data": {"exec')
        else:
            self._send_json(response)

    def _lock(self, variables: Any) -> None:
        try:
            self.node.lock(variables["txBytes"], variables["signatures"])
        except (KeyError, TypeError, Refused):
            return  # nothing to lock: the connection drops all the same

    def _drop(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _send_json(self, response: dict[str, Any]) -> None:
        self._send(200, json.dumps(response).encode())

    def _send(self, status: int, content: bytes) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except OSError:
            return  # the client went away first
