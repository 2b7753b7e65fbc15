"""``SETTLE=iota``: what the ledger owes is paid on a test network, out of the parties' escrow.

The network is the tests' own, in this process and reached over HTTP; the parties are processes.
"""

from __future__ import annotations

import time
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from examples.demo.commands import PROVER, VERIFIER, Background, DemoFailed, call
from examples.demo.settled import Anchor, Payment, Settled
from examples.demo.source import Source

if TYPE_CHECKING:
    from tests.iota_node.node import IotaNode
    from verifier.receipt import Receipt
    from verifier.rpc.client import VerifierClient

EMBEDDED, IOTA = SETTLEMENTS = ("embedded", "iota")
NANOS = 10**9
SHARE = Fraction(3, 8)  # of what is expected in all: two settlements, and a rest stays netted
PATIENCE_SECONDS = 120
POLL_SECONDS = "0.2"
TABLE = """
[settlement]
network = "{network}"
operator_key = "{operator[public_key]}"
supplier_key = "{supplier[public_key]}"
payee = "{supplier[address]}"
gas_owner = "{operator[address]}"
minimum_nanos = "{minimum}"
"""


class Chain:
    """The parties' wallets and money on a test network; made by ``open_chain``."""

    def __init__(self, node: IotaNode, folder: Path, running: ExitStack) -> None:
        self._node = node
        self._folder = folder
        self._running = running
        self._operator, self._supplier = folder / "operator", folder / "supplier"
        self._contract = folder / "contract.toml"
        self._wallets: dict[str, Any] = {
            "operator": call(PROVER, "wallet", "new", self._operator / "wallet"),
            "supplier": call(VERIFIER, "wallet", "new", self._supplier / "wallet"),
        }
        self._minimum = self._deposited = 0
        self._cosigner: Background | None = None

    @property
    def serving(self) -> list[str | Path]:
        """What ``serve`` needs to know to settle here."""
        return ["--node", self._node.url, "--wallet", self._supplier / "wallet"]

    def template(self, source: Source, most_windows: int) -> Path:
        """The source's contract template with settlement terms for what its windows come to."""
        text = source.template.read_text(encoding="utf-8")
        price = Fraction(tomllib.loads(text)["outcomes"][0]["price"])
        litres = source.litres(min(most_windows, source.window_count()))
        self._minimum = int(sum(litres, Fraction(0)) * price * NANOS * SHARE) or 1
        table = TABLE.format(network=self._node.chain_id, minimum=self._minimum, **self._wallets)
        path = self._folder / "template.toml"
        path.write_text(text + table, encoding="utf-8")
        return path

    def fund(self, nanos: int) -> str:
        """The operator pays into the escrow, and takes a coin for gas; the escrow's address.

        The money is a faucet's. Raises ``DemoFailed`` unless the supplier sees it there.
        """
        address = str(call(PROVER, "escrow", self._contract)["address"])
        self._node.faucet(address, nanos)
        self._node.faucet(self._wallets["operator"]["address"], NANOS)
        self._deposited = self._escrow_balance()
        if self._deposited != nanos:
            raise DemoFailed(f"the escrow holds {self._deposited} nanos, not {nanos}")
        return address

    def start_cosigner(self, address: str) -> int:
        """The operator's process that signs what the verifier at ``address`` proposes; its id."""
        self._cosigner = self._running.enter_context(
            Background(
                self._folder / "cosigner.log", PROVER, "settle", "--contract", self._contract,
                "--store", self._operator / "store", "--keys", self._operator / "keys",
                "--wallet", self._operator / "wallet", "--to", address, "--node", self._node.url,
                "--watch", "--poll-seconds", POLL_SECONDS,
            )
        )  # fmt: skip
        return self._cosigner.process_id

    def wait(self, client: VerifierClient, terms_digest: bytes) -> None:
        """Until less is owed than the contract lets wait; ``DemoFailed`` after two minutes."""
        end = time.monotonic() + PATIENCE_SECONDS
        while client.balance(terms_digest).accounts.get("payable", 0) >= self._minimum:
            if self._cosigner is not None:
                self._cosigner.require_running()
            if time.monotonic() > end:
                last = [f"{s.state} {s.detail}" for s in client.settlements(terms_digest)][-1:]
                raise DemoFailed(f"no settlement for {PATIENCE_SECONDS} s: {last or 'none open'}")
            time.sleep(0.05)

    def collect(self, receipt: Receipt) -> Settled:
        """What the supplier's store and the network have in the end, and one receipt's anchor."""
        store = self._supplier / "store"
        listed = call(VERIFIER, "settlements", "--store", store)
        receipt_file = self._folder / "first.receipt"
        receipt_file.write_bytes(receipt.encode())
        anchored = call(
            VERIFIER, "anchor", "check", receipt_file, "--store", store, "--node", self._node.url
        )
        return Settled(
            payments=[_payment(document) for document in listed["settlements"]],
            netted=sum(owed["amount_nanos"] for owed in listed["owed"]),
            deposited=self._deposited,
            payee_balance=self._node.balance(self._wallets["supplier"]["address"]),
            escrow_balance=self._escrow_balance(),
            anchor=_anchor(anchored),
        )

    def _escrow_balance(self) -> int:
        """As the supplier sees it."""
        shown = call(VERIFIER, "escrow", self._contract, "--node", self._node.url)
        return int(shown["balance_nanos"])


@contextmanager
def open_chain(folder: Path) -> Iterator[Chain]:
    """A test network while the block runs, and new wallets in the parties' folders.

    Raises ``DemoFailed`` where the packages or the official schema cannot be had.
    """
    try:
        from tests.iota_node.node import IotaNode
        from tests.iota_node.schema import SchemaUnavailable
    except ImportError as error:
        raise DemoFailed(f"SETTLE=iota: {error}: make venv") from None
    try:
        node = IotaNode()
    except SchemaUnavailable as error:
        raise DemoFailed(f"SETTLE=iota: {error}") from None
    with ExitStack() as running:
        running.enter_context(node)
        yield Chain(node, folder, running)


def _payment(document: dict[str, Any]) -> Payment:
    first, last = document["receipts"]
    mark = document["checkpoint"]
    return Payment(
        digest=document["digest"] or "",
        nanos=document["amount_nanos"],
        receipts=(first, last),
        state=document["state"],
        checkpoint=None if mark is None else mark["sequence"],
    )


def _anchor(document: dict[str, Any]) -> Anchor:
    return Anchor(
        receipt=document["receipt"],
        sequence=document["sequence"],
        count=document["count"],
        path=document["path"],
        root=document["root"],
        transaction=document["transaction"],
        checkpoint=document["node"]["checkpoint"]["sequence"],
    )
