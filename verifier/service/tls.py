"""The server's certificates, checked before gRPC sees them (its own errors name nothing)."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from circuits.errors import BadInput, InputReason
from verifier.files import read_file


@dataclass(frozen=True)
class ServerTls:
    """PEM files: the server's certificate and key, and who may sign client certificates."""

    certificate: Path
    key: Path
    client_authority: Path

    def credentials(self) -> grpc.ServerCredentials:
        """Credentials that demand a client certificate; ``BadInput`` TLS naming what is wrong."""
        certificate, key = read_file(self.certificate), read_file(self.key)
        authority = read_file(self.client_authority)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.certificate, self.key)
        except (ssl.SSLError, OSError):
            raise BadInput(
                InputReason.TLS, f"{self.certificate} and {self.key}: not a certificate and its key"
            ) from None
        try:
            context.load_verify_locations(self.client_authority)
        except (ssl.SSLError, OSError):
            raise BadInput(
                InputReason.TLS, f"{self.client_authority}: expected PEM certificates"
            ) from None
        return grpc.ssl_server_credentials(
            [(key, certificate)], root_certificates=authority, require_client_auth=True
        )
