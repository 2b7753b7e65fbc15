"""The service over real gRPC: the same reasons arrive, limits hold, nothing is paid twice."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from circuits.errors import BadInput, InputReason, Reason, Rejected
from circuits.statement import StateLink
from tests.ledger.stores import funded, open_ledger
from tests.rpc.servers import LIMITS, serving
from tests.support import SUPPLIER, World, resign
from verifier.claim import MAXIMUM_CLAIM_BYTES
from verifier.ledger import Ledger
from verifier.receipt import check_chain
from verifier.rpc import verifier_pb2 as messages
from verifier.rpc.address import Address, parse_address
from verifier.rpc.client import ClientTls, VerifierClient
from verifier.rpc.verifier_pb2_grpc import VerifierServiceStub
from verifier.service.server import ServiceLimits
from verifier.service.tls import ServerTls
from verifier.signatures import public_key

CERTIFICATES = Path(__file__).parent / "certificates"
SERVER_TLS = ServerTls(
    CERTIFICATES / "server.pem", CERTIFICATES / "server.key", CERTIFICATES / "authority.pem"
)


@pytest.fixture
def ledger(world: World, tmp_path: Path) -> Iterator[Ledger]:
    with funded(world, tmp_path) as opened:
        yield opened


@pytest.fixture
def address(ledger: Ledger) -> Iterator[str]:
    with serving(ledger) as bound:
        yield bound


@pytest.fixture
def client(address: str) -> Iterator[VerifierClient]:
    with VerifierClient(address, timeout_seconds=30) as opened:
        yield opened


def refusal(client: VerifierClient, data: bytes) -> Rejected:
    with pytest.raises(Rejected) as caught:
        client.submit(data)
    return caught.value


def test_submit_repeat_list_and_balance(world: World, client: VerifierClient) -> None:
    digest = world.terms.digest
    first = client.submit(world.first.encode())
    again = client.submit(world.first.encode())
    second = client.submit(world.second.encode())
    assert (first.duplicate, again.duplicate, second.duplicate) == (False, True, False)
    assert again.receipt == first.receipt
    assert list(client.receipts(digest)) == [first.receipt, second.receipt]
    assert list(client.receipts(digest, 2)) == [second.receipt]
    check_chain([first.receipt, second.receipt], public_key(SUPPLIER))
    assert client.receipt(world.first.statement_digest) == first.receipt
    assert client.receipt(bytes(32)) is None
    balance = client.balance(digest)
    assert balance.currency == "IOTA"
    owed = world.first.amount_nanos + world.second.amount_nanos
    assert balance.accounts["payable"] + balance.accounts["settled"] == owed


def test_settled_when_the_server_stops(world: World, ledger: Ledger) -> None:
    with serving(ledger) as address, VerifierClient(address) as client:
        client.submit(world.first.encode())
    assert ledger.outbox.owed() == []
    accounts = {a.value: n for a, n in ledger.balances(world.terms.digest).items()}
    assert (accounts["payable"], accounts["settled"]) == (0, world.first.amount_nanos)


def test_pages(world: World, client: VerifierClient, address: str) -> None:
    for claim in (world.first, world.second, world.third):
        client.submit(claim.encode())
    with grpc.insecure_channel(address) as channel:
        stub = VerifierServiceStub(channel)  # type: ignore[no-untyped-call]
        request = messages.ListReceiptsRequest(terms_digest=world.terms.digest, page_size=2)
        page = stub.ListReceipts(request, timeout=10)
        assert (len(page.receipts), page.next_sequence) == (2, 3)


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (Reason.CLAIM_MALFORMED, grpc.StatusCode.INVALID_ARGUMENT),
        (Reason.AMOUNT_MISMATCH, grpc.StatusCode.INVALID_ARGUMENT),
        (Reason.HEAD_MISMATCH, grpc.StatusCode.FAILED_PRECONDITION),
        (Reason.STATE_MISMATCH, grpc.StatusCode.FAILED_PRECONDITION),
        (Reason.OPERATOR_SIGNATURE, grpc.StatusCode.PERMISSION_DENIED),
    ],
)
def test_a_refusal_keeps_its_reason(
    world: World, client: VerifierClient, address: str, reason: Reason, code: grpc.StatusCode
) -> None:
    data = {
        Reason.CLAIM_MALFORMED: b"ZKMb",
        Reason.AMOUNT_MISMATCH: resign(world.first, amount_nanos=1).encode(),
        Reason.HEAD_MISMATCH: world.second.encode(),
        Reason.STATE_MISMATCH: resign(world.first, state=StateLink((0,) * 8, (0,) * 8)).encode(),
        Reason.OPERATOR_SIGNATURE: replace(world.first, signature=bytes(64)).encode(),
    }[reason]
    assert refusal(client, data).reason is reason
    with grpc.insecure_channel(address) as channel:
        stub = VerifierServiceStub(channel)  # type: ignore[no-untyped-call]
        with pytest.raises(grpc.RpcError) as caught:
            stub.SubmitClaim(messages.SubmitClaimRequest(claim=data), timeout=10)
        assert caught.value.code() is code


def test_equivocation_over_the_wire(world: World, client: VerifierClient) -> None:
    client.submit(world.first.encode())
    refused = refusal(client, world.wider.encode())
    assert refused.reason is Reason.EQUIVOCATION
    assert (refused.expected, refused.got) == (">= 0/2", "0/0")


@pytest.mark.parametrize("size", [MAXIMUM_CLAIM_BYTES + 1, 2 * MAXIMUM_CLAIM_BYTES])
def test_too_large_a_claim(client: VerifierClient, size: int) -> None:
    assert refusal(client, bytes(size)).reason is Reason.CLAIM_SIZE


def test_register_over_the_wire(world: World, tmp_path: Path) -> None:
    with ExitStack() as stack:
        ledger = stack.enter_context(open_ledger(tmp_path / "new"))
        client = stack.enter_context(VerifierClient(stack.enter_context(serving(ledger))))
        with pytest.raises(BadInput):
            list(client.receipts(world.terms.digest))
        assert refusal(client, world.first.encode()).reason is Reason.CONTRACT_UNKNOWN
        assert client.register(world.contract)
        assert not client.register(world.contract)
        assert refusal(client, world.first.encode()).reason is Reason.ESCROW_SHORT
        with pytest.raises(BadInput) as caught:
            client.register(replace(world.contract, toml_text="[contract"))
        assert caught.value.reason is InputReason.CONTRACT_SYNTAX


def test_concurrent_submissions_pay_once(world: World, address: str, ledger: Ledger) -> None:
    def submit(_: int) -> bool:
        with VerifierClient(address) as client:
            return client.submit(world.first.encode()).duplicate

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(submit, range(6))) == [False] + [True] * 5
    assert len(ledger.receipts(world.terms.digest)) == 1


def test_watching(world: World, client: VerifierClient, address: str) -> None:
    client.submit(world.first.encode())
    with VerifierClient(address) as other:
        stream = other.watch(world.terms.digest, timeout_seconds=30)
        assert next(stream).sequence == 1
        client.submit(world.second.encode())
        assert next(stream).statement_digest == world.second.statement_digest
        stream.close()  # type: ignore[attr-defined]


def test_watchers_end_when_the_server_stops(world: World, ledger: Ledger) -> None:
    ledger.apply(world.first.encode())
    with ThreadPoolExecutor(1) as pool, ExitStack() as clients:
        with serving(ledger) as address:
            client = clients.enter_context(VerifierClient(address))
            stream = client.watch(world.terms.digest, timeout_seconds=30)
            assert next(stream).sequence == 1
            rest = pool.submit(list, stream)
        assert rest.result(20) == []


@pytest.mark.parametrize(
    "limits",
    [replace(LIMITS, watch_seconds=0.5), replace(LIMITS, watch_idle_seconds=0.5)],
    ids=["in all", "idle"],
)
def test_nobody_watches_for_ever(world: World, ledger: Ledger, limits: ServiceLimits) -> None:
    with serving(ledger, limits=limits) as address, VerifierClient(address) as client:
        client.submit(world.first.encode())
        stream = client.watch(world.terms.digest, timeout_seconds=30)
        assert [receipt.sequence for receipt in stream] == [1]  # ends by itself, no error


def test_health_and_reflection(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        for name in ("", "zkmeter.verifier.v1.VerifierService"):
            stub: Any = health_pb2_grpc.HealthStub(channel)
            answer = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        database = ProtoReflectionDescriptorDatabase(channel)
        assert "zkmeter.verifier.v1.VerifierService" in database.get_services()


def test_calls_beyond_the_limit_are_turned_away(world: World, ledger: Ledger) -> None:
    limits = ServiceLimits(concurrent_calls=1, grace_seconds=5)
    with serving(ledger, limits=limits) as address, VerifierClient(address) as client:
        ledger.apply(world.first.encode())
        stream = client.watch(world.terms.digest, timeout_seconds=30)
        next(stream)  # holds the one place
        with pytest.raises(BadInput) as caught:
            client.balance(world.terms.digest)
        assert caught.value.reason is InputReason.SERVER_ERROR
        stream.close()  # type: ignore[attr-defined]


def test_a_call_that_takes_too_long(world: World, ledger: Ledger) -> None:
    limits = ServiceLimits(call_seconds=0.0, grace_seconds=5)
    with serving(ledger, limits=limits) as address, VerifierClient(address) as client:
        with pytest.raises(BadInput) as caught:
            client.balance(world.terms.digest)
        assert caught.value.reason is InputReason.SERVER_AWAY


# --- addresses, absence, TLS


def _reason_of_client(address: str, tls: ClientTls | None = None) -> InputReason:
    with pytest.raises(BadInput) as caught, VerifierClient(address, tls=tls) as client:
        client.balance(bytes(32))
    return caught.value.reason


def test_server_away() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert _reason_of_client(f"127.0.0.1:{port}") is InputReason.SERVER_AWAY


@pytest.mark.parametrize(
    "text", ["", "localhost", "host:", ":1", "host:x", "host:65536", "::1:80", "a b:1", "a/b:1"]
)
def test_bad_addresses(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_address(text)
    assert caught.value.reason is InputReason.ADDRESS


def test_good_addresses() -> None:
    assert parse_address("[::1]:7443") == Address("::1", 7443)
    assert parse_address("[::1]:7443").is_loopback
    assert parse_address("localhost:0").is_loopback
    assert not parse_address("192.0.2.1:7443").is_loopback
    assert str(parse_address("[::1]:7443")) == "[::1]:7443"


def test_plaintext_stays_on_this_machine(ledger: Ledger) -> None:
    assert _reason_of_client("192.0.2.1:7443") is InputReason.TLS


def client_tls(name: str) -> ClientTls:
    return ClientTls(
        (CERTIFICATES / "authority.pem").read_bytes(),
        (CERTIFICATES / f"{name}.pem").read_bytes(),
        (CERTIFICATES / f"{name}.key").read_bytes(),
    )


def test_tls_with_client_certificates(world: World, ledger: Ledger) -> None:
    with serving(ledger, tls=SERVER_TLS) as address:
        with VerifierClient(address, tls=client_tls("client")) as client:
            assert not client.submit(world.first.encode()).duplicate
        assert _reason_of_client(address, client_tls("intruder")) is InputReason.SERVER_AWAY
        assert _reason_of_client(address) is InputReason.SERVER_AWAY


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": CERTIFICATES / "client.key"},
        {"client_authority": CERTIFICATES / "client.key"},
        {"certificate": CERTIFICATES / "server.key"},
    ],
)
def test_wrong_certificates(ledger: Ledger, wrong: dict[str, Path]) -> None:
    with pytest.raises(BadInput) as caught, serving(ledger, tls=replace(SERVER_TLS, **wrong)):
        pass
    assert caught.value.reason is InputReason.TLS
