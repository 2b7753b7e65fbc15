"""Terms and proposals that are allowed, and would burn gas for nothing or settle nothing ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from circuits.errors import InputReason
from prover.signed_plans import PlanFate
from tests.iota_node.node import IotaNode
from tests.settlement.cosigning import (
    OPERATOR_WALLET,
    Site,
    coin,
    terms_with,
)
from tests.settlement.iota_rig import Rig
from verifier.iota.node import Node
from verifier.iota.payment import CoinRef, PaymentPlan
from verifier.ledger import BatchState

IOTA = 10**9
MakeSite = Callable[..., Site]


@pytest.fixture
def sites(node: IotaNode, tmp_path: Path) -> Iterator[MakeSite]:
    """Makes operators with a node of their own; the arguments are the settlement table's fields."""
    with ExitStack() as stack:

        def make(**fields: object) -> Site:
            site = Site(tmp_path, terms_with(network=node.chain_id, **fields))
            site.node = stack.enter_context(closing(Node(node.url, answer_seconds=5)))
            return site

        yield make


def fund(network: IotaNode, site: Site, address: str, nanos: int = IOTA) -> CoinRef:
    """A new coin, as the operator's node shows it."""
    made = network.faucet(address, nanos)
    assert site.node is not None
    found = site.node.coin(bytes.fromhex(made.object_id[2:]), address)
    assert found is not None
    return found.reference


def test_more_gas_than_the_network_takes(
    rigs: Callable[..., Rig], sites: MakeSite, node: IotaNode
) -> None:
    most = str(2**64 - 1)
    rig = rigs(maximum_gas_nanos=most, funds=100 * IOTA)
    owed = rig.claim("first")
    assert rig.pay().state is BatchState.FINAL
    assert rig.money() == (0, owed)
    plan = PaymentPlan.from_json(rig.only().plan or b"")
    site = sites(maximum_gas_nanos=most)
    site.propose(1, 2, fund(node, site, site.escrow, 100 * IOTA), gas_budget=plan.gas_budget)
    (answer,) = site.run()
    assert answer.refused is None


@pytest.mark.parametrize("sponsored", [False, True])
def test_gas_that_is_too_little_to_pay_and_enough_to_burn(
    sites: MakeSite, node: IotaNode, sponsored: bool
) -> None:
    # a supplier that does not rehearse could have this executed, and fail, again and again
    budget, price = 1_980_400, 1_500  # as much as it takes at the least, and gas became dear
    node.advance_epoch(reference_gas_price=price)
    sponsor = {"gas_owner": OPERATOR_WALLET.address} if sponsored else {}
    site = sites(maximum_gas_nanos=str(budget), **sponsor)
    one = fund(node, site, site.escrow)
    gas = {"gas_coins": (fund(node, site, OPERATOR_WALLET.address),)} if sponsored else {}
    site.propose(1, 2, one, gas_budget=budget, gas_price=price, **gas)
    (answer,) = site.run()
    assert answer.refused is not None
    assert answer.refused.reason is InputReason.SETTLEMENT_PLAN
    assert "would fail" in answer.refused.message
    assert (site.signed(), site.supplier.cosigned) == ([], [])


def test_a_plan_of_another_network_holds_up_nothing(
    sites: MakeSite, node: IotaNode, tmp_path: Path
) -> None:
    # one store, two contracts, two networks: this node can say nothing about the other one's
    other = Site(tmp_path, terms_with(network="ffffffff"))
    other.propose(1, 2)
    (answer,) = other.run()
    assert answer.refused is None
    site = sites()
    site.propose(1, 2, fund(node, site, site.escrow))
    (answer,) = site.run()
    assert answer.refused is None
    assert [plan.fate for plan in site.signed()] == [PlanFate.LIVE, PlanFate.LIVE]


def test_a_coin_of_another_network_excludes_nothing(tmp_path: Path) -> None:
    one, other = (Site(tmp_path, terms_with(network=name)) for name in ("0" * 8, "1" * 8))
    for site in (one, other):
        site.propose(1, 2, coin("one"))
        (answer,) = site.run()
        assert answer.refused is None
    here, there = other.signed()
    assert here.coins == there.coins
    assert not here.excludes(there)
