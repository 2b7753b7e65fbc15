"""``serve``: the supplier's service, until it is told to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from circuits.errors import BadInput, InputReason
from verifier.console import Output, leaf

if TYPE_CHECKING:
    from verifier.contract import SignedContract
    from verifier.ledger import Ledger
    from verifier.rpc.address import Address
    from verifier.service.server import ServiceLimits
    from verifier.service.tls import ServerTls
    from verifier.settlement import Settlement


def add_serve(group: click.Group) -> None:
    """Add ``serve`` to the supplier's console script."""

    @leaf(group, "serve")
    @click.option("--contract", required=True, metavar="C.toml", help="Signed by both parties.")
    @click.option("--store", required=True, metavar="DIR", help="The supplier's store.")
    @click.option("--keys", required=True, metavar="DIR", help="The supplier's key directory.")
    @click.option(
        "--listen",
        default="127.0.0.1:7443",
        show_default=True,
        metavar="HOST:PORT",
        help="Where to listen; port 0 lets the system choose. Beyond loopback TLS is required.",
    )
    @click.option("--tls-certificate", metavar="PEM", help="The server's certificate chain.")
    @click.option("--tls-key", metavar="PEM", help="The key of that certificate.")
    @click.option("--tls-client-ca", metavar="PEM", help="Who may sign client certificates.")
    @click.option(
        "--watch-seconds",
        type=click.FloatRange(1),
        help="End a stream of receipts after this time (default: a day); clients ask again.",
    )
    @click.option(
        "--watch-idle-seconds",
        type=click.FloatRange(1),
        help="End it also when it had nothing to say for so long (default: an hour).",
    )
    @click.option(
        "--node", metavar="URL", help="Settle on IOTA through this node's GraphQL service."
    )
    @click.option("--wallet", metavar="FILE", help="With --node: the supplier's wallet.")
    @click.option(
        "--settle-seconds",
        type=click.FloatRange(0.1),
        help="How often to look after open settlements (default: 10).",
    )
    def serve(
        output: Output,
        contract: str,
        store: str,
        keys: str,
        listen: str,
        tls_certificate: str | None,
        tls_key: str | None,
        tls_client_ca: str | None,
        watch_seconds: float | None,
        watch_idle_seconds: float | None,
        node: str | None,
        wallet: str | None,
        settle_seconds: float | None,
    ) -> None:
        """Answer claims over gRPC until SIGTERM or SIGINT; also makes the contract known."""
        from verifier.contract import load_contract
        from verifier.keys import load_keys
        from verifier.ledger import Ledger
        from verifier.rpc.address import parse_address
        from verifier.settlement import make_settlement
        from verifier.signatures import public_key

        address = parse_address(listen)
        tls = _tls(tls_certificate, tls_key, tls_client_ca)
        if tls is None:
            address.require_loopback()
        signed = load_contract(contract).require_signed()
        key = load_keys(keys)
        if public_key(key) != signed.terms.parties.supplier:
            raise BadInput(
                InputReason.KEY, f"{keys}: not the supplier of contract {signed.terms.name!r}"
            )
        if wallet is not None:
            _require_wallet(wallet, signed)
        limits = _limits(watch_seconds, watch_idle_seconds, settle_seconds)
        with Ledger.open(store, key, create=True) as ledger:
            settlement = make_settlement(ledger, node, wallet)
            ledger.register(signed)
            _serve(output, ledger, settlement, signed, address, tls, limits)


def _require_wallet(path: str, contract: SignedContract) -> None:
    from verifier.iota.wallet import Wallet

    settlement = contract.terms.settlement
    own = Wallet.load(path)
    if settlement is not None and own.public_key != settlement.supplier_key:
        raise BadInput(
            InputReason.WALLET, f"{path}: not settlement.supplier_key of {contract.terms.name!r}"
        )


def _serve(
    output: Output,
    ledger: Ledger,
    settlement: Settlement,
    contract: SignedContract,
    address: Address,
    tls: ServerTls | None,
    limits: ServiceLimits,
) -> None:
    import asyncio

    from verifier.rpc.address import Address
    from verifier.service.server import VerifierServer, serve

    def started(port: int) -> None:
        bound = Address(address.host, port)
        document = {
            "listening": str(bound),
            "port": port,
            "tls": tls is not None,
            "terms_digest": contract.terms.digest.hex(),
        }
        output.emit(document, f"listening on {bound}{' with TLS' if tls else ''}")

    async def run() -> None:
        server = VerifierServer(ledger, settlement, tls=tls, limits=limits)
        await serve(server, address, started)

    asyncio.run(run())


def _limits(
    watch_seconds: float | None, watch_idle_seconds: float | None, settle_seconds: float | None
) -> ServiceLimits:
    from verifier.service.server import ServiceLimits

    default = ServiceLimits()
    return ServiceLimits(
        watch_seconds=watch_seconds or default.watch_seconds,
        watch_idle_seconds=watch_idle_seconds or default.watch_idle_seconds,
        settle_seconds=settle_seconds or default.settle_seconds,
    )


def _tls(certificate: str | None, key: str | None, client_ca: str | None) -> ServerTls | None:
    from pathlib import Path

    from verifier.service.tls import ServerTls

    if certificate and key and client_ca:
        return ServerTls(Path(certificate), Path(key), Path(client_ca))
    if certificate or key or client_ca:
        raise click.UsageError("--tls-certificate, --tls-key and --tls-client-ca go together")
    return None
