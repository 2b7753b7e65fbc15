"""Addresses, limits and channel options that client and server share."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from circuits.errors import BadInput, InputReason
from verifier.claim import MAXIMUM_CLAIM_BYTES

# room for the protobuf framing, so that a claim just too large is refused with its own reason
MAXIMUM_MESSAGE_BYTES = MAXIMUM_CLAIM_BYTES + 64 * 1024


@dataclass(frozen=True)
class Address:
    """A host and a TCP port; port 0 lets the system choose when listening."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """True when nothing outside this machine is meant."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def require_loopback(self) -> None:
        """``BadInput`` TLS for an address that plaintext must not reach."""
        if not self.is_loopback:
            raise BadInput(
                InputReason.TLS, f"{self}: without TLS only a loopback address is allowed"
            )


def parse_address(text: str) -> Address:
    """``HOST:PORT`` or ``[IPv6]:PORT``; ``BadInput`` ADDRESS."""
    host, separator, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        separator = ""
    if not (separator and host and port.isascii() and port.isdigit() and int(port) < 2**16):
        raise BadInput(InputReason.ADDRESS, f"{text!r}: expected HOST:PORT")
    if any(character.isspace() or character in "/%," for character in host):
        raise BadInput(InputReason.ADDRESS, f"{text!r}: expected HOST:PORT")
    return Address(host, int(port))
