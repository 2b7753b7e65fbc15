"""Wallet files, the escrow's committee, and signatures that count for nothing."""

from __future__ import annotations

import base64
import importlib.metadata
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import iota_sdk
import pytest
from click.testing import CliRunner

from circuits.errors import BadInput, InputReason
from tests.iota.samples import Group
from verifier.cli import main
from verifier.contract.settlement import SettlementTerms, escrow_address, wallet_address
from verifier.iota.escrow import Escrow, verify_single
from verifier.iota.payment import build
from verifier.iota.sdk import SDK_VERSION, load
from verifier.iota.wallet import Wallet


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Group:
    return Group(tmp_path_factory.mktemp("wallets"))


def reason_of(call: object, *arguments: object) -> InputReason:
    assert callable(call)
    with pytest.raises(BadInput) as caught:
        call(*arguments)
    assert "\n" not in caught.value.message
    return caught.value.reason


def test_a_new_wallet_is_private_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "wallet"
    made = Wallet.create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text(encoding="ascii")
    assert text.startswith("iotaprivkey1")
    loaded = Wallet.load(path)
    assert (loaded.address, loaded.public_key) == (made.address, made.public_key)
    assert text.strip() not in repr(made) + str(vars(made))
    assert reason_of(Wallet.create, path) is InputReason.FILE_EXISTS
    assert path.read_text(encoding="ascii") == text
    assert Wallet.create(tmp_path / "other").address != made.address


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o666])
@pytest.mark.reason(InputReason.WALLET)
def test_a_wallet_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "wallet"
    Wallet.create(path)
    path.chmod(mode)
    assert reason_of(Wallet.load, path) is InputReason.WALLET
    path.chmod(0o400)
    assert Wallet.load(path).address.startswith("0x")


def test_a_wallet_says_nothing_about_a_key_that_is_wrong(tmp_path: Path) -> None:
    secp = iota_sdk.Secp256k1PrivateKey(bytes([1] * 32))
    for text in (
        "",
        "00" * 31,
        "zz" * 32,
        "iotaprivkey1qqqqq",
        secp.to_bech32(),
        "\xff",
        "0" * 5000,
    ):
        path = tmp_path / "wallet"
        path.write_text(text, encoding="latin-1")
        path.chmod(0o600)
        with pytest.raises(BadInput) as caught:
            Wallet.load(path)
        expected = InputReason.FILE_UNREADABLE if len(text) > 1024 else InputReason.WALLET
        assert caught.value.reason is expected
        assert not text or text not in caught.value.message
    assert reason_of(Wallet.load, tmp_path / "none") is InputReason.FILE_MISSING
    assert reason_of(Wallet.load, tmp_path) is InputReason.WALLET


def test_the_file_that_is_read_is_the_one_that_was_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the name was a private file's a moment ago
    private, public = tmp_path / "private", tmp_path / "public"
    Wallet.create(private)
    Wallet.create(public)
    public.chmod(0o644)
    before = private.stat()
    monkeypatch.setattr(Path, "stat", lambda *_, **__: before)
    assert reason_of(Wallet.load, public) is InputReason.WALLET


def test_a_pipe_is_no_wallet(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert reason_of(Wallet.load, tmp_path / "pipe") is InputReason.WALLET


@pytest.mark.parametrize("seed", [bytes([1] * 32), bytes(range(32))])
def test_seed_and_bech32_are_the_same_wallet(tmp_path: Path, seed: bytes) -> None:
    key = iota_sdk.Ed25519PrivateKey(seed)
    found = set()
    for text in (seed.hex(), seed.hex().upper() + "\n", key.to_bech32()):
        path = tmp_path / "wallet"
        path.write_text(text, encoding="ascii")
        path.chmod(0o600)
        found.add((Wallet.load(path).address, Wallet.load(path).public_key))
    ((address, public),) = found
    assert address == wallet_address(public) == key.public_key().derive_address().to_hex()
    assert base64.b64decode(public) == b"\x00" + bytes(key.public_key().to_bytes())


def test_the_committee_makes_the_address(group: Group) -> None:
    reversed_terms = replace(
        group.terms,
        operator_key=group.terms.supplier_key, supplier_key=group.terms.operator_key,
    )  # fmt: skip
    addresses = {
        Escrow(terms).address for terms in (group.terms, group.terms_of_three, reversed_terms)
    }
    assert len(addresses) == 3
    assert group.escrow.is_member(group.operator.public_key)
    assert not group.escrow.is_member(group.arbiter.public_key)
    assert group.escrow_of_three.is_member(group.arbiter.public_key)


def test_two_members_make_the_escrows_signature(group: Group) -> None:
    data = build(group.plan(1))
    a, b, c = (w.sign(data) for w in (group.operator, group.supplier, group.arbiter))
    escrow, three = group.escrow, group.escrow_of_three
    assert escrow.combine(data, [a, b]) == escrow.combine(data, [b, a, b])
    assert three.combine(data, [c, b, a]) == three.combine(data, [a, b])
    assert len({three.combine(data, pair) for pair in ([a, b], [a, c], [b, c])}) == 3
    for combined, owner in (
        (escrow.combine(data, [a, b]), escrow),
        (three.combine(data, [a, c]), three),
    ):
        parsed = iota_sdk.UserSignature.from_base64(combined)
        digest = iota_sdk.Transaction.from_bcs(data).signing_digest()
        iota_sdk.UserSignatureVerifier().verify(digest, parsed)
        assert parsed.as_multisig().committee().derive_address().to_hex() == owner.address


@pytest.mark.reason(InputReason.IOTA_SIGNATURE)
def test_shares_that_count_for_nothing(group: Group) -> None:
    data, other = build(group.plan(1)), build(group.plan(2))
    share = group.operator.sign(data)
    broken = base64.b64encode(bytes(97)).decode()
    personal = iota_sdk.Ed25519PrivateKey(bytes([1] * 32)).sign_personal_message(
        iota_sdk.PersonalMessage(data)
    )
    secp = iota_sdk.Secp256k1PrivateKey(bytes([1] * 32)).sign_transaction(
        iota_sdk.Transaction.from_bcs(data)
    )
    worthless = [
        "", "!", share[:-4], share + "\n", " " + share, broken, group.operator.sign(other),
        group.stranger.sign(data), group.arbiter.sign(data), personal.to_base64(), secp.to_base64(),
        group.escrow.combine(data, [share, group.supplier.sign(data)]),
    ]  # fmt: skip
    for text in worthless:
        assert reason_of(group.escrow.verify_share, data, text) is InputReason.IOTA_SIGNATURE
        assert reason_of(group.escrow.combine, data, [share, text]) is InputReason.IOTA_SIGNATURE
    assert reason_of(group.escrow.combine, data, []) is InputReason.IOTA_SIGNATURE
    assert reason_of(group.escrow.combine, data, [share, share]) is InputReason.IOTA_SIGNATURE
    assert group.escrow.verify_share(data, share) == group.operator.public_key
    flipped = bytearray(base64.b64decode(share))
    for position in range(len(flipped)):
        flipped[position] ^= 1
        text = base64.b64encode(bytes(flipped)).decode()
        assert reason_of(group.escrow.verify_share, data, text) is InputReason.IOTA_SIGNATURE
        flipped[position] ^= 1


def test_a_signature_counts_for_its_own_address_only(group: Group) -> None:
    data = build(group.plan(3, sponsor=group.operator.address))
    share = group.operator.sign(data)
    verify_single(data, share, group.operator.address)
    for address in (
        group.supplier.address,
        group.escrow.address,
        "",
        group.operator.address.upper(),
    ):
        assert reason_of(verify_single, data, share, address) is InputReason.IOTA_SIGNATURE


@pytest.fixture
def fresh_load() -> Iterator[None]:
    load.cache_clear()
    yield
    load.cache_clear()


@pytest.mark.usefixtures("fresh_load")
@pytest.mark.reason(InputReason.IOTA_SDK)
def test_another_version_of_the_sdk_is_refused(
    monkeypatch: pytest.MonkeyPatch, group: Group, tmp_path: Path
) -> None:
    assert load().__name__ == "iota_sdk"
    load.cache_clear()
    monkeypatch.setattr(importlib.metadata, "version", lambda _name: "1.1.4")
    assert reason_of(load) is InputReason.IOTA_SDK
    assert reason_of(Escrow, group.terms) is InputReason.IOTA_SDK

    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    with pytest.raises(BadInput) as caught:
        Wallet.create(tmp_path / "wallet")
    assert caught.value.reason is InputReason.IOTA_SDK
    assert "pip install 'zkmeter[iota]'" in caught.value.message
    assert not (tmp_path / "wallet").exists()
    monkeypatch.setattr(importlib.metadata, "version", lambda _name: SDK_VERSION)
    assert load().__name__ == "iota_sdk"


def test_wallet_commands(tmp_path: Path) -> None:
    path = str(tmp_path / "wallet")
    made = CliRunner().invoke(main, ["wallet", "new", path, "--json"])
    shown = CliRunner().invoke(main, ["wallet", "show", path, "--json"])
    assert made.exit_code == shown.exit_code == 0, made.output
    document = json.loads(shown.stdout)
    assert json.loads(made.stdout) == document
    assert document["address"] == wallet_address(document["public_key"])
    again = CliRunner().invoke(main, ["wallet", "new", path])
    assert again.exit_code == 2
    assert "FILE_EXISTS" in again.output
    assert "iotaprivkey" not in made.output + shown.output + again.output


def test_terms_without_sdk_know_addresses(group: Group) -> None:
    assert isinstance(group.terms, SettlementTerms)
    for wallet in (group.operator, group.supplier, group.arbiter):
        assert wallet_address(wallet.public_key) == wallet.address
    for terms in (group.terms, group.terms_of_three):
        assert escrow_address(terms.committee) == Escrow(terms).address
