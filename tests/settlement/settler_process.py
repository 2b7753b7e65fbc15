"""A settler as a process of its own, for tests that kill it: rounds without end.

    python -m tests.settlement.settler_process STORE NODE_URL

Prints a line before its first round.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.ledger.stores import open_ledger
from tests.settlement.iota_rig import wallet
from verifier.iota.node import Node
from verifier.settlement import EmbeddedGateway, Settlement
from verifier.settlement.iota import IotaGateway


def main(store: str, url: str) -> None:
    """Settle until killed."""
    ledger = open_ledger(Path(store))
    gateway = IotaGateway(Node(url), wallet("supplier"), ledger)
    settlement = Settlement(ledger, EmbeddedGateway(), gateway)
    print("settling", flush=True)
    while True:
        settlement.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
