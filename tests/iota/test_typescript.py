"""The official TypeScript SDK agrees: bytes, digests, addresses, keys and signatures."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from circuits.errors import BadInput, InputReason
from tests.iota.node_tools import PACKAGES, find_node, packages_installed
from tests.iota.samples import PLAN, SPONSORED, Group, wallet
from verifier.contract.settlement import wallet_address
from verifier.iota.escrow import Escrow, verify_single
from verifier.iota.payment import PaymentPlan, build, digest
from verifier.iota.wallet import Wallet

SCRIPT = Path(__file__).with_name("typescript.mjs")
PLANS = 60

Ask = Callable[[list[dict[str, Any]]], list[Any]]

pytestmark = pytest.mark.skipif(
    find_node() is None or not packages_installed(),
    reason="needs Node.js and the official SDK: `make node-tools` fetches both",
)


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Group:
    return Group(tmp_path_factory.mktemp("wallets"))


def _answers(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the SDK says to each call: ``{"result": ...}`` or ``{"error": ...}``."""
    node = find_node()
    assert node is not None
    done = subprocess.run(
        [*node, str(SCRIPT), str(PACKAGES)],
        input=json.dumps(calls), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    assert len(answers) == len(calls)
    return answers


def results(calls: list[dict[str, Any]]) -> list[Any]:
    answers = _answers(calls)
    assert not [answer for answer in answers if "error" in answer]
    return [answer["result"] for answer in answers]


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def plans(group: Group) -> list[PaymentPlan]:
    sponsors = (None, group.operator.address, group.supplier.address)
    drawn = [group.plan(seed, sponsor=sponsors[seed % 3]) for seed in range(PLANS)]
    return [PLAN, SPONSORED, *drawn]


def test_transactions_are_the_ones_that_the_other_builder_makes(group: Group) -> None:
    made = [(plan, build(plan)) for plan in plans(group)]
    calls = [{"call": "build", "plan": json.loads(plan.to_json())} for plan, _ in made]
    calls += [{"call": "rebuild", "transaction": encoded(data)} for _, data in made]
    expected = [{"transaction": encoded(data), "digest": digest(data).text} for _, data in made]
    assert results(calls) == expected * 2
    assert any(plan.anchor for plan, _ in made)
    assert any(len(plan.coins) > 1 for plan, _ in made)


def test_keys_and_addresses(group: Group, tmp_path: Path) -> None:
    """A key file moves both ways, and every key gives the same address."""
    seeds = [bytes([n] * 32) for n in (1, 2, 3, 200)] + [bytes(range(32))]
    theirs = results([{"call": "wallet", "seed": seed.hex()} for seed in seeds])
    for number, told in enumerate(theirs):
        path = tmp_path / str(number)
        path.write_text(told["secret"], encoding="ascii")
        path.chmod(0o600)
        ours = Wallet.load(path)
        assert (ours.address, ours.public_key) == (told["address"], told["public_key"])
        assert wallet_address(ours.public_key) == told["address"]
    fresh = Wallet.create(tmp_path / "fresh")
    secret = (tmp_path / "fresh").read_text(encoding="ascii").strip()
    (told,) = results([{"call": "wallet", "secret": secret}])
    assert told == {
        "secret": secret, "address": fresh.address, "public_key": fresh.public_key
    }  # fmt: skip


def test_escrow_addresses(group: Group) -> None:
    both = [group.escrow, group.escrow_of_three]
    calls = [{"call": "escrow", "keys": list(escrow.members)} for escrow in both]
    assert results(calls) == [escrow.address for escrow in both]


def pairs(group: Group) -> list[tuple[Escrow, list[Wallet]]]:
    a, b, c = group.operator, group.supplier, group.arbiter
    three = group.escrow_of_three
    return [(group.escrow, [a, b]), (three, [a, b]), (three, [a, c]), (three, [b, c])]


def test_signatures_of_the_escrow(group: Group) -> None:
    """Ours verify there, theirs verify here, and both combine to the same text."""
    data = build(group.plan(7))
    transaction = encoded(data)
    calls: list[dict[str, Any]] = []
    expected: list[Any] = []
    for escrow, members in pairs(group):
        shares = [member.sign(data) for member in members]
        combined = escrow.combine(data, shares)
        calls += [
            {"call": "verify", "transaction": transaction, "signature": combined,
             "address": escrow.address},
            {"call": "combine", "keys": list(escrow.members), "signatures": shares},
        ]  # fmt: skip
        expected += [True, combined]
    assert results(calls) == expected


def test_signatures_of_single_keys_and_sponsors(group: Group) -> None:
    plan = group.plan(8, sponsor=group.operator.address)
    data = build(plan)
    transaction = encoded(data)
    secrets = results([{"call": "wallet", "seed": bytes([n] * 32).hex()} for n in (1, 2, 4)])
    signed = results(
        [{"call": "sign", "secret": s["secret"], "transaction": transaction} for s in secrets]
    )
    for member, text in zip((group.operator, group.supplier), signed[:2], strict=True):
        assert member.sign(data) == text
        assert group.escrow.verify_share(data, text) == member.public_key
    verify_single(data, signed[0], plan.gas_owner)
    with pytest.raises(BadInput) as caught:
        verify_single(data, signed[2], plan.gas_owner)
    assert caught.value.reason is InputReason.IOTA_SIGNATURE
    both = [(group.escrow.combine(data, signed[:2]), plan.sender), (signed[0], plan.gas_owner)]
    calls = [
        {"call": "verify", "transaction": transaction, "signature": text, "address": address}
        for text, address in both
    ]
    assert results(calls) == [True, True]


def test_what_it_refuses_we_refuse(group: Group, tmp_path: Path) -> None:
    """One signature of two, another transaction's signature, a stranger's, another address."""
    data, other = build(group.plan(9)), build(group.plan(10))
    share = group.operator.sign(data)
    stranger = wallet(tmp_path, 99).sign(data)
    keys = list(group.escrow.members)
    (one_of_two,) = results([{"call": "combine", "keys": keys, "signatures": [share]}])
    cases = [
        (data, one_of_two, group.escrow.address),
        (other, group.escrow.combine(data, [share, group.supplier.sign(data)]),
         group.escrow.address),
        (other, share, group.operator.address),
        (data, stranger, group.operator.address),
        (data, share, group.supplier.address),
    ]  # fmt: skip
    calls = [
        {"call": "verify", "transaction": encoded(data), "signature": text, "address": address}
        for data, text, address in cases
    ]
    calls.append({"call": "combine", "keys": keys, "signatures": [share, stranger]})
    assert all("error" in answer for answer in _answers(calls))
    for transaction, text, address in cases:
        with pytest.raises(BadInput) as caught:
            verify_single(transaction, text, address)
        assert caught.value.reason is InputReason.IOTA_SIGNATURE
    with pytest.raises(BadInput):
        group.escrow.combine(data, [share])
    with pytest.raises(BadInput):
        group.escrow.combine(data, [share, stranger])
