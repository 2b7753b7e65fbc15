"""A record that knows less than the network: nothing is signed until it knows what was paid."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from circuits.errors import BadInput, InputReason
from prover.chain_payments import first_gap
from prover.signed_plans import SIGNED_PLANS_NAME, PlanFate, open_signed_plans
from tests.iota_node.client import pay, send
from tests.iota_node.node import IotaNode
from tests.settlement.cosigning import (
    OPERATOR_WALLET,
    SUPPLIER_WALLET,
    Site,
    make_receipts,
    terms_with,
    wallet,
)
from tests.settlement.test_cosign_history import IOTA, Chain, answer, refused
from verifier.iota.escrow import Escrow
from verifier.iota.node import Node
from verifier.iota.payment import CoinRef, build, digest
from verifier.iota.sdk import load
from verifier.iota.wallet import Wallet, take_unused

ARBITER = wallet("arbiter wallet")
MakeChain = Callable[..., Chain]


@pytest.fixture
def chains(node: IotaNode, tmp_path: Path) -> Iterator[MakeChain]:
    """Makes operators on the network; the arguments are the settlement table's fields."""
    with ExitStack() as stack:

        def make(name: str = "one", **fields: object) -> Chain:
            chain = Chain(node, tmp_path / name, **fields)
            chain.site.node = stack.enter_context(closing(Node(node.url, answer_seconds=5)))
            return chain

        yield make


def pay_without(chain: Chain, first: int, last: int, coin: CoinRef) -> str:
    """Supplier and arbiter pay receipts; the transaction's digest."""
    site = chain.site
    transaction = build(site.plan(first, last, coin))
    shares = [SUPPLIER_WALLET.sign(transaction), ARBITER.sign(transaction)]
    assert site.node is not None
    site.node.execute(transaction, (Escrow(site.settlement).combine(transaction, shares),))
    return digest(transaction).text


def pass_silence(chain: Chain) -> int:
    """To the first epoch in which is signed again."""
    for _ in range(3):
        chain.network.advance_epoch()
    return chain.network.epoch


def forget(site: Site) -> None:
    (site.store / SIGNED_PLANS_NAME).unlink()


# --- what supplier and arbiter paid ---


def test_what_an_arbiter_paid_is_not_paid_again(chains: MakeChain) -> None:
    chain = chains(arbiter_key=ARBITER.public_key)
    site = chain.site
    one, two = (chain.fund(site.escrow, IOTA) for _ in range(2))
    text = pay_without(chain, 1, 2, one)
    owed = site.plan(1, 2).amount_nanos
    site.propose(1, 2, two)
    message = refused(site)
    assert text in message
    assert f"paid {owed} nanos" in message
    site.propose(3, 4, two)
    assert text in refused(site)  # nothing at all, while nobody knows what it was for
    (found,) = site.recover().payments
    assert (found.digest, found.nanos, found.decided) == (text, owed, True)
    assert (found.before_nanos, found.after_nanos) == (0, owed)
    expiry = pass_silence(chain)
    site.propose(1, 2, two, expiry_epoch=expiry)
    assert "were paid by transaction" in refused(site)
    site.propose(3, 4, two, expiry_epoch=expiry)
    assert answer(site).refused is None
    assert chain.network.balance(site.settlement.payee) == owed


def test_a_signature_is_not_given_again_beside_an_unknown_payment(chains: MakeChain) -> None:
    # the answer to the first round was lost; the arbiter helped in the meantime
    chain = chains(arbiter_key=ARBITER.public_key)
    site = chain.site
    one, two = (chain.fund(site.escrow, IOTA) for _ in range(2))
    site.propose(1, 2, two)
    assert answer(site).refused is None
    text = pay_without(chain, 1, 2, one)
    assert text in refused(site)


def test_an_arbiter_needs_a_node(tmp_path: Path) -> None:
    site = Site(tmp_path, terms_with(arbiter_key=ARBITER.public_key))
    site.propose(1, 2)
    with pytest.raises(BadInput) as caught:
        site.run()
    assert caught.value.reason is InputReason.USAGE


def test_a_node_that_forgot_cannot_show_what_an_arbiter_paid(chains: MakeChain) -> None:
    chain = chains(arbiter_key=ARBITER.public_key)
    site = chain.site
    one, two = (chain.fund(site.escrow, IOTA) for _ in range(2))
    pay_without(chain, 1, 2, one)
    chain.network.make_checkpoint()
    chain.network.faults.pruned_below = len(chain.network.checkpoints) - 1
    site.propose(1, 2, two)
    for ask in (site.run, site.recover):
        with pytest.raises(BadInput) as caught:
            ask()
        assert caught.value.reason is InputReason.IOTA_NODE
    assert site.signed() == []
    assert site.recover(accept_gap=True).payments == ()  # a person compared them by hand
    site.propose(1, 2, two, expiry_epoch=pass_silence(chain))
    assert answer(site).refused is None


def test_a_node_that_is_behind_is_no_answer(chains: MakeChain) -> None:
    chain = chains()
    site = chain.site
    site.propose(1, 2, chain.fund(site.escrow, IOTA))
    assert answer(site).refused is None
    chain.network.faults.indexer_lag = 1
    with pytest.raises(ConnectionError):
        site.run()


def test_who_pays_the_payees_gas_makes_no_difference(chains: MakeChain) -> None:
    # the payee sponsors: its balance grows by less than it was paid
    chain = chains(arbiter_key=ARBITER.public_key, gas_owner=SUPPLIER_WALLET.address)
    site = chain.site
    one, gas = chain.fund(site.escrow, IOTA), chain.fund(SUPPLIER_WALLET.address, IOTA)
    transaction = build(site.plan(1, 2, one, gas_coins=(gas,)))
    shares = [SUPPLIER_WALLET.sign(transaction), ARBITER.sign(transaction)]
    assert site.node is not None
    combined = Escrow(site.settlement).combine(transaction, shares)
    site.node.execute(transaction, (combined, shares[0]))
    assert [p.nanos for p in site.recover().payments] == [site.plan(1, 2).amount_nanos]


# --- what a person has to decide ---


def by_hand(chain: Chain, coin: CoinRef, nanos: int, payee: str = "") -> str:
    """Supplier and arbiter move coins with other tools; the transaction's digest."""
    sdk, site = load(), chain.site
    (held,) = (
        c for c in chain.network.coins(site.escrow) if c.object_id[2:] == coin.object_id.hex()
    )
    transaction = pay(site.escrow, [held], payee or site.settlement.payee, nanos)
    content = bytes(transaction.to_bcs())
    shares = [SUPPLIER_WALLET.sign(content), ARBITER.sign(content)]
    combined = Escrow(site.settlement).combine(content, shares)
    send(chain.network, transaction, sdk.UserSignature.from_base64(combined))
    return digest(content).text


def test_a_payment_without_a_root_waits_for_a_decision(chains: MakeChain) -> None:
    chain = chains(arbiter_key=ARBITER.public_key)
    site = chain.site
    one, two = (chain.fund(site.escrow, IOTA) for _ in range(2))
    first = site.plan(1, 1).amount_nanos
    text = by_hand(chain, one, first + 1)
    (found,) = site.recover().payments
    assert (found.digest, found.nanos, found.decided) == (text, first + 1, False)
    expiry = pass_silence(chain)
    site.propose(1, 2, two, expiry_epoch=expiry)
    assert "not in the record" in refused(site)
    (found,) = site.recover(count_rest=True).payments
    assert (found.before_nanos, found.after_nanos, found.decided) == (0, first + 1, True)
    expiry = pass_silence(chain)
    for span in ((1, 1), (1, 2), (2, 2)):  # a nano of the second is paid
        site.propose(*span, two, expiry_epoch=expiry)
        assert "were paid by transaction" in refused(site)
    site.propose(3, 4, two, expiry_epoch=expiry)
    assert answer(site).refused is None


def test_a_payment_for_something_else_counts_for_nothing(chains: MakeChain) -> None:
    chain = chains(arbiter_key=ARBITER.public_key)
    site = chain.site
    one, two = (chain.fund(site.escrow, IOTA) for _ in range(2))
    text = by_hand(chain, one, 5)
    (found,) = site.recover(other=frozenset({text})).payments
    assert (found.after_nanos, found.decided) == (0, True)
    site.propose(1, 2, two, expiry_epoch=pass_silence(chain))
    assert answer(site).refused is None


def test_what_did_not_go_to_the_payee_settles_nothing(chains: MakeChain) -> None:
    chain = chains(arbiter_key=ARBITER.public_key)
    site = chain.site
    one, two = (chain.fund(site.escrow, IOTA) for _ in range(2))
    by_hand(chain, one, 5, OPERATOR_WALLET.address)
    site.propose(1, 2, two)
    assert answer(site).refused is None


@pytest.mark.reason(InputReason.USAGE)
def test_a_decision_about_no_payment(chains: MakeChain) -> None:
    with pytest.raises(BadInput) as caught:
        chains().site.recover(other=frozenset({"nothing"}))
    assert caught.value.reason is InputReason.USAGE


def test_another_contract_of_the_same_escrow_takes_what_is_its_own(
    chains: MakeChain, tmp_path: Path
) -> None:
    chain = chains(arbiter_key=ARBITER.public_key)
    second = chains(arbiter_key=ARBITER.public_key, minimum_nanos=2)  # in the same store
    assert (second.site.store, second.site.escrow) == (chain.site.store, chain.site.escrow)
    assert second.site.terms.digest != chain.site.terms.digest
    one, two = (chain.fund(chain.site.escrow, IOTA) for _ in range(2))
    text = pay_without(second, 1, 2, one)
    (found,) = chain.site.recover(other=frozenset({text})).payments
    assert found.after_nanos == 0
    (found,) = second.site.recover().payments
    assert found.after_nanos == second.site.plan(1, 2).amount_nanos
    expiry = pass_silence(chain)
    second.site.propose(1, 2, two, expiry_epoch=expiry)
    assert "were paid" in refused(second.site)
    chain.site.propose(1, 2, two, expiry_epoch=expiry)
    assert answer(chain.site).refused is None


@pytest.mark.parametrize(
    ("covered", "nanos", "expected"),
    [
        ([], 5, (0, 5)),
        ([(0, 5)], 5, (5, 10)),
        ([(5, 10)], 5, (0, 5)),
        ([(5, 10)], 6, (10, 16)),
        ([(0, 3), (2, 7), (9, 12)], 2, (7, 9)),
        ([(0, 3), (2, 7), (9, 12)], 3, (12, 15)),
        ([(0, 10), (2, 4)], 1, (10, 11)),
    ],
)
def test_the_longest_owed(
    covered: list[tuple[int, int]], nanos: int, expected: tuple[int, int]
) -> None:
    assert first_gap(covered, nanos) == expected


@pytest.mark.reason(InputReason.SETTLEMENT_PLAN)
def test_more_than_there_is() -> None:
    with pytest.raises(BadInput) as caught:
        first_gap([(0, 2**62)], 2**62 + 2**61 + 2**61)
    assert caught.value.reason is InputReason.SETTLEMENT_PLAN


# --- a record that was lost, or put back ---


@pytest.mark.reason(InputReason.STORE_MISSING)
def test_a_wallet_without_its_record_signs_nothing(chains: MakeChain) -> None:
    chain = chains()
    site = chain.site
    one, two = (chain.fund(site.escrow, IOTA) for _ in range(2))
    site.propose(1, 2, one)
    assert answer(site).refused is None
    chain.send(one)
    forget(site)
    site.propose(1, 2, two)
    for node in (site.node, None):
        site.node, kept = node, site.node
        with pytest.raises(BadInput) as caught:
            site.run()
        assert caught.value.reason is InputReason.STORE_MISSING
        site.node = kept
    assert site.signed() == []
    assert len(site.supplier.cosigned) == 1


def test_a_lost_record_comes_back_from_the_network(chains: MakeChain) -> None:
    chain = chains()
    site = chain.site
    one, two, three = (chain.fund(site.escrow, IOTA) for _ in range(3))
    for span, coin in (((1, 1), one), ((2, 3), two)):
        site.propose(*span, coin)
        assert answer(site).refused is None
        chain.send(coin, first=span[0], last=span[1])
    forget(site)
    sums = [0, *(receipt.cumulative_nanos for receipt in make_receipts(site.terms))]
    found = site.recover().payments
    assert [(p.before_nanos, p.after_nanos) for p in found] == [(0, sums[1]), (sums[1], sums[3])]
    assert site.recover().payments == found  # harmless
    expiry = pass_silence(chain)
    for span in ((1, 1), (2, 3), (3, 3), (1, 4), (3, 4)):
        site.propose(*span, three, expiry_epoch=expiry)
        assert "were paid by transaction" in refused(site)
    site.propose(4, 4, three, expiry_epoch=expiry)
    assert answer(site).refused is None


def test_what_the_lost_record_signed_dies_before_anything_is_signed(chains: MakeChain) -> None:
    # signed, not executed, forgotten: nothing on the network tells of it
    chain = chains()
    site = chain.site
    one, two = (chain.fund(site.escrow, IOTA) for _ in range(2))
    lost = site.propose(1, 2, one)
    assert answer(site).refused is None
    forget(site)
    assert site.recover().payments == ()
    for _ in range(3):
        site.propose(1, 2, two, expiry_epoch=chain.network.epoch + 1)
        assert "was recovered" in refused(site)
        chain.network.advance_epoch()
    site.propose(1, 2, two, expiry_epoch=chain.network.epoch)
    assert answer(site).refused is None
    shares = [w.sign(lost.transaction) for w in (OPERATOR_WALLET, SUPPLIER_WALLET)]
    combined = Escrow(site.settlement).combine(lost.transaction, shares)
    assert site.node is not None
    with pytest.raises(ConnectionError):  # expired
        site.node.execute(lost.transaction, (combined,))
    site.node, kept = None, site.node
    site.propose(3, 4, one)
    assert "was recovered" in refused(site)  # without a node nobody knows which epoch it is
    site.node = kept


def test_a_record_that_was_put_back(chains: MakeChain) -> None:
    chain = chains()
    site = chain.site
    one, two, three = (chain.fund(site.escrow, IOTA) for _ in range(3))
    site.propose(1, 1, one)
    assert answer(site).refused is None
    chain.send(one, first=1, last=1)
    backup = (site.store / SIGNED_PLANS_NAME).read_bytes()
    site.propose(2, 2, two)
    assert answer(site).refused is None
    chain.send(two, first=2, last=2)
    (site.store / SIGNED_PLANS_NAME).write_bytes(backup)
    site.propose(2, 2, three)
    assert "not in the record" in refused(site)
    (found,) = site.recover().payments
    assert found.nanos == site.plan(2, 2).amount_nanos
    assert [plan.fate for plan in site.signed()] == [PlanFate.EXECUTED]


def test_a_plan_called_dead_that_was_executed_is_paid(chains: MakeChain) -> None:
    # the node lied about its end, and shows the payment later
    chain = chains()
    site = chain.site
    one, two = (chain.fund(site.escrow, IOTA) for _ in range(2))
    site.propose(1, 2, one)
    assert answer(site).refused is None
    (plan,) = site.signed()
    with open_signed_plans(site.store) as record:
        record.learned(plan.digest, PlanFate.EXPIRED)
    chain.send(one)
    site.propose(1, 2, two)
    assert "were paid" in refused(site)
    assert [plan.fate for plan in site.signed()] == [PlanFate.EXECUTED]


def test_a_strangers_wallet_begins_nothing(chains: MakeChain) -> None:
    site = chains().site
    with open_signed_plans(site.store) as record:
        assert record.is_of(OPERATOR_WALLET.public_key)
        assert not record.is_of(SUPPLIER_WALLET.public_key)


# --- a new wallet ---


def test_a_new_wallet_is_unused_once(tmp_path: Path) -> None:
    path = tmp_path / "wallet"
    own, other = Wallet.create(path), Wallet.create(tmp_path / "other")
    assert not take_unused(path, other)
    assert take_unused(path, own)
    assert not take_unused(path, own)
    (tmp_path / "copy").write_bytes(path.read_bytes())
    assert not take_unused(tmp_path / "copy", own)
