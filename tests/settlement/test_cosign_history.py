"""What was signed once is never paid a second time: coins in common, or proof that it is dead."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import pytest

from circuits.errors import BadInput, InputReason
from prover.cosigner import Answer
from prover.settlement import Checked
from prover.signed_plans import (
    MAXIMUM_LIVE,
    SIGNED_PLANS_NAME,
    PlanFate,
    open_signed_plans,
)
from tests.iota_node.node import IotaNode
from tests.settlement.cosigning import (
    GAS_BUDGET,
    OPERATOR_WALLET,
    SUPPLIER_WALLET,
    Site,
    coin,
    terms_with,
)
from verifier.iota.escrow import Escrow
from verifier.iota.node import Node
from verifier.iota.payment import CoinRef, build

IOTA = 10**9


def answer(site: Site) -> Answer:
    (found,) = site.run()
    return found


def refused(site: Site) -> str:
    """Why; nothing is written and nothing leaves."""
    before, sent = site.signed(), list(site.supplier.cosigned)
    found = answer(site)
    assert found.refused is not None
    assert found.refused.reason is InputReason.SETTLEMENT_PLAN
    kept = [plan.digest for plan in site.signed()]
    assert (kept, site.supplier.cosigned) == ([plan.digest for plan in before], sent)
    return found.refused.message


# --- without a node: only a coin in common excludes ---


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    site.propose(1, 2, coin("one"), coin("two"))
    assert answer(site).refused is None
    return site


@pytest.mark.parametrize(("first", "last"), [(1, 2), (1, 1), (2, 2), (2, 3), (1, 4)])
def test_the_same_receipts_from_other_coins(site: Site, first: int, last: int) -> None:
    site.propose(first, last, coin("three"))
    assert "both could" in refused(site)


@pytest.mark.parametrize(("first", "last"), [(1, 2), (1, 1), (2, 3), (1, 4)])
def test_the_same_receipts_from_a_coin_in_common(site: Site, first: int, last: int) -> None:
    site.propose(first, last, coin("two"), coin("three"))
    assert answer(site).refused is None
    assert len(site.signed()) == 2


def test_a_later_version_is_another_coin(site: Site) -> None:
    site.propose(1, 2, coin("one", 4))
    assert "both could" in refused(site)


def test_every_earlier_plan_must_be_excluded(site: Site) -> None:
    # the second shares a coin with the first, the third with the second only
    site.propose(1, 3, coin("two"), coin("three"))
    assert answer(site).refused is None
    site.propose(1, 4, coin("three"))
    assert "both could" in refused(site)
    site.propose(1, 4, coin("one"), coin("three"))
    assert answer(site).refused is None


def test_receipts_that_do_not_overlap_need_no_common_coin(site: Site) -> None:
    site.propose(3, 4, coin("three"))
    assert answer(site).refused is None


def test_a_sponsors_coin_counts(tmp_path: Path) -> None:
    site = Site(tmp_path, terms_with(gas_owner=OPERATOR_WALLET.address))
    site.propose(1, 2, coin("one"))
    assert answer(site).refused is None
    site.propose(1, 2, coin("two"))  # the gas coin is the same
    assert answer(site).refused is None
    site.propose(1, 2, coin("three"), gas_coins=(coin("other gas"),))
    assert "both could" in refused(site)


def test_the_operators_gas_is_not_for_paying(tmp_path: Path) -> None:
    site = Site(tmp_path, terms_with(gas_owner=OPERATOR_WALLET.address))
    proposal = site.propose(1, 2)
    with pytest.raises(BadInput) as caught:
        site.plan(1, 2, coins=(coin("gas"),))  # a coin may not be spent and pay gas
    assert caught.value.reason is InputReason.SETTLEMENT_PLAN
    with pytest.raises(BadInput):
        site.plan(1, 2, coins=())  # the gas coin alone may not pay
    site.propose(1, 2, gas_owner=site.escrow, coins=(), gas_coins=(coin("one"),))
    assert "gas_owner" in refused(site)
    site.supplier.proposal_list = [proposal]
    assert answer(site).refused is None


def test_two_contracts_have_their_own_receipts(tmp_path: Path) -> None:
    one = Site(tmp_path)
    other = Site(tmp_path, terms_with(anchor=False))
    one.propose(1, 2, coin("one"))
    other.propose(1, 2, coin("two"))
    assert answer(one).refused is None
    assert answer(other).refused is None
    assert len(one.signed()) == 2


def test_the_same_bytes_for_other_receipts(tmp_path: Path) -> None:
    # equal amounts and no anchor: the transaction does not say which receipts it pays
    site = Site(tmp_path, terms_with(anchor=False))
    one = site.propose(1, 2, coin("one"))
    assert answer(site).refused is None
    other = site.propose(3, 4, coin("one"))
    assert one.transaction == other.transaction
    assert "was signed for receipts 1..2" in refused(site)


def test_ever_new_plans_for_the_same_receipts(tmp_path: Path) -> None:
    site = Site(tmp_path)
    for expiry in range(MAXIMUM_LIVE):
        first = site.propose(1, 2, coin("one"), expiry_epoch=expiry)
        assert answer(site).refused is None
    site.propose(1, 2, coin("one"), expiry_epoch=MAXIMUM_LIVE)
    assert "none is settled or dead" in refused(site)
    site.supplier.proposal_list = [first]
    assert answer(site).refused is None  # a repeat is no new one


def test_two_at_once_sign_one(tmp_path: Path) -> None:
    # each sees a free interval; the record decides
    site = Site(tmp_path)
    proposals = [site.propose(1, 2, coin(name)) for name in ("one", "two", "three", "four")]
    checked = [site.check(proposal) for proposal in proposals]
    start = Barrier(len(checked))

    def record(one: Checked) -> InputReason | None:
        with open_signed_plans(site.store) as opened:
            start.wait(10)
            try:
                opened.record(one.signed, one.new_receipts)
            except BadInput as error:
                return error.reason
            return None

    with open_signed_plans(site.store), ThreadPoolExecutor(len(checked)) as pool:
        refusals = [reason for reason in pool.map(record, checked) if reason is not None]
    assert refusals == [InputReason.SETTLEMENT_PLAN] * 3
    assert len(site.signed()) == 1


def test_a_damaged_record_signs_nothing(site: Site) -> None:
    path = site.store / SIGNED_PLANS_NAME
    path.write_bytes(path.read_bytes()[:5000])
    site.propose(3, 4)
    with pytest.raises(BadInput) as caught:
        site.run()
    assert caught.value.reason is InputReason.STORE_CORRUPT


def test_a_record_without_a_receipt_signs_nothing(site: Site) -> None:
    with closing(sqlite3.connect(site.store / SIGNED_PLANS_NAME)) as opened, opened:
        opened.execute("DELETE FROM receipts WHERE sequence = 1")
    site.propose(3, 4)
    with pytest.raises(BadInput) as caught:
        site.run()
    assert caught.value.reason is InputReason.STORE_CORRUPT


def test_what_is_known_of_a_plan_stays(site: Site) -> None:
    (signed,) = site.signed()
    with open_signed_plans(site.store) as record:
        record.learned(signed.digest, PlanFate.EXECUTED)
        record.learned(signed.digest, PlanFate.EXPIRED)
        record.learned(signed.digest, PlanFate.LIVE)
    assert [plan.fate for plan in site.signed()] == [PlanFate.EXECUTED]
    site.propose(1, 3, coin("one"))  # even with a coin in common: it was paid
    assert "were paid" in refused(site)


# --- with a node ---


class Chain:
    """A test network with the operator's site beside it; the escrow holds coins."""

    def __init__(self, network: IotaNode, directory: Path, **fields: object) -> None:
        self.network = network
        self.site = Site(directory, terms_with(network=network.chain_id, **fields))
        self.refs: list[CoinRef] = []

    def fund(self, address: str, nanos: int) -> CoinRef:
        made = self.network.faucet(address, nanos)
        node = self.site.node
        assert node is not None
        found = node.coin(bytes.fromhex(made.object_id[2:]), address)
        assert found is not None
        return found.reference

    def send(self, *coins: CoinRef, first: int = 1, last: int = 2) -> None:
        """Execute what was signed for these coins, as the supplier would."""
        transaction = build(self.site.plan(first, last, *coins))
        shares = [OPERATOR_WALLET.sign(transaction), SUPPLIER_WALLET.sign(transaction)]
        assert self.site.node is not None
        escrow = Escrow(self.site.settlement)
        self.site.node.execute(transaction, (escrow.combine(transaction, shares),))


@pytest.fixture
def chain(node: IotaNode, tmp_path: Path) -> Iterator[Chain]:
    chain = Chain(node, tmp_path)
    with closing(Node(node.url, answer_seconds=5)) as own:
        chain.site.node = own
        yield chain


def test_a_payment_that_can_execute_is_signed(chain: Chain) -> None:
    one = chain.fund(chain.site.escrow, IOTA)
    chain.site.propose(1, 2, one)
    assert answer(chain.site).refused is None


def test_coins_that_are_not_there_or_too_small(chain: Chain) -> None:
    site = chain.site
    site.propose(1, 2, coin("invented"))
    assert "not there" in refused(site)
    one = chain.fund(site.escrow, IOTA)
    site.propose(1, 2, CoinRef(one.object_id, one.version + 1, one.digest))
    assert "not there" in refused(site)
    strangers = chain.fund(SUPPLIER_WALLET.address, IOTA)
    site.propose(1, 2, strangers)
    assert "not there" in refused(site)
    small = chain.fund(site.escrow, GAS_BUDGET + site.plan(1, 2).amount_nanos - 1)
    site.propose(1, 2, small)
    assert "are needed" in refused(site)
    site.propose(1, 2, small, chain.fund(site.escrow, 1))
    assert answer(site).refused is None


def test_a_sponsor_and_an_escrow_that_hold_too_little(node: IotaNode, tmp_path: Path) -> None:
    chain = Chain(node, tmp_path, gas_owner=OPERATOR_WALLET.address)
    site = chain.site
    with closing(Node(node.url, answer_seconds=5)) as own:
        site.node = own
        owed = site.plan(1, 2).amount_nanos
        gas = chain.fund(OPERATOR_WALLET.address, GAS_BUDGET)
        poor = chain.fund(site.escrow, owed - 1)
        site.propose(1, 2, poor, gas_coins=(gas,))
        assert "are needed" in refused(site)  # it would fail, and the operator's gas be gone
        rich = chain.fund(site.escrow, owed)
        site.propose(1, 2, rich, gas_coins=(chain.fund(OPERATOR_WALLET.address, GAS_BUDGET - 1),))
        assert "are needed" in refused(site)
        site.propose(1, 2, rich, gas_coins=(gas,))
        assert answer(site).refused is None


def test_gas_above_the_networks_price(chain: Chain) -> None:
    one = chain.fund(chain.site.escrow, IOTA)
    chain.site.propose(1, 2, one, gas_price=1001)
    assert "gas_price" in refused(chain.site)


@pytest.mark.parametrize("expiry", [2, 100, 2**64 - 1])
def test_a_plan_that_lives_too_long(chain: Chain, expiry: int) -> None:
    one = chain.fund(chain.site.escrow, IOTA)
    chain.site.propose(1, 2, one, expiry_epoch=expiry)
    assert "expiry_epoch" in refused(chain.site)


def test_a_node_of_another_network(chain: Chain) -> None:
    chain.network.faults.wrong_chain = "11111111"
    chain.site.propose(1, 2, coin("one"))
    with pytest.raises(BadInput) as caught:
        chain.site.run()
    assert caught.value.reason is InputReason.IOTA_NODE
    assert chain.site.signed() == []


def test_no_answer_from_the_node_signs_nothing(chain: Chain) -> None:
    chain.site.propose(1, 2, chain.fund(chain.site.escrow, IOTA))
    chain.network.stop()
    with pytest.raises(ConnectionError):
        chain.site.run()
    assert (chain.site.signed(), chain.site.supplier.cosigned) == ([], [])


def test_what_expired_unspent_may_be_paid_from_other_coins(chain: Chain) -> None:
    site = chain.site
    one, two = (chain.fund(site.escrow, IOTA) for _ in range(2))
    site.propose(1, 2, one)
    assert answer(site).refused is None
    site.propose(1, 3, two)
    assert "both could" in refused(site)
    chain.network.advance_epoch()
    site.propose(1, 3, two)
    assert "both could" in refused(site)  # it still has this epoch
    chain.network.advance_epoch()
    site.propose(1, 3, two, expiry_epoch=3)
    assert answer(site).refused is None
    assert [plan.fate for plan in site.signed()] == [PlanFate.EXPIRED, PlanFate.LIVE]


def test_what_was_executed_is_never_paid_again(chain: Chain) -> None:
    site = chain.site
    one, two = (chain.fund(site.escrow, IOTA) for _ in range(2))
    site.propose(1, 2, one)
    assert answer(site).refused is None
    chain.send(one)
    site.propose(1, 2, two)
    assert "were paid" in refused(site)
    assert chain.network.balance(site.settlement.payee) == site.plan(1, 2).amount_nanos
    site.propose(3, 4, two)
    assert answer(site).refused is None


def test_a_node_that_forgot_proves_nothing(chain: Chain) -> None:
    # executed, not looked at until the node has pruned it: the coin is gone, so it is not "expired"
    site = chain.site
    one, two = (chain.fund(site.escrow, IOTA) for _ in range(2))
    site.propose(1, 2, one)
    assert answer(site).refused is None
    chain.send(one)
    for _ in range(3):
        chain.network.advance_epoch()
    chain.network.faults.pruned_below = len(chain.network.checkpoints) - 1
    site.propose(1, 2, two, expiry_epoch=4)
    with pytest.raises(BadInput) as caught:
        site.run()
    assert caught.value.reason is InputReason.IOTA_NODE
    site.recover(accept_gap=True)
    for _ in range(3):
        chain.network.advance_epoch()
    site.propose(1, 2, two, expiry_epoch=7)
    assert "both could" in refused(site)


def test_what_expired_after_a_payment_that_is_not_on_record(chain: Chain, tmp_path: Path) -> None:
    # the same escrow in two contracts, whose records are two stores
    site = chain.site
    other = Chain(chain.network, tmp_path / "other", anchor=False)
    other.site.node = site.node
    one, two = (chain.fund(site.escrow, IOTA) for _ in range(2))
    for each in (site, other.site):
        each.propose(1, 2, one)
        assert answer(each).refused is None
    other.send(one)
    (paid,) = chain.network.transactions
    for _ in range(3):
        chain.network.advance_epoch()
    chain.network.faults.pruned_below = 1
    site.propose(1, 2, two, expiry_epoch=4)
    assert "not in the record" in refused(site)
    (found,) = site.recover(other=frozenset({paid.digest})).payments
    assert (found.decided, found.after_nanos) == (True, 0)
    for _ in range(3):
        chain.network.advance_epoch()
    site.propose(1, 2, two, expiry_epoch=7)
    assert "both could" in refused(site)  # this node does not know the beginning
    chain.network.faults.pruned_below = 0
    assert answer(site).refused is None
    assert [plan.fate for plan in site.signed()] == [PlanFate.EXPIRED, PlanFate.LIVE]


def test_what_lost_its_coin_to_another_payment_is_dead(chain: Chain) -> None:
    site = chain.site
    one, two = (chain.fund(site.escrow, IOTA) for _ in range(2))
    site.propose(1, 2, one)
    assert answer(site).refused is None
    site.propose(3, 4, one)  # other receipts, the same coin: only one of both can execute
    assert answer(site).refused is None
    chain.send(one, first=3, last=4)
    site.propose(1, 2, two)
    assert answer(site).refused is None
    fates = [plan.fate for plan in site.signed()]
    assert fates == [PlanFate.SUPERSEDED, PlanFate.EXECUTED, PlanFate.LIVE]
