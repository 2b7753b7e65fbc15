"""What an escrow has sent, asked of nodes that forget, lag or answer in many pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from circuits.errors import BadInput, InputReason
from prover import settlement_chain
from prover.settlement_chain import first_look, look
from prover.signed_plans import PlanFate, SignedPlan, open_signed_plans
from tests.iota_node.node import IotaNode
from tests.settlement.cosigning import OPERATOR_WALLET, Site
from tests.settlement.test_cosign_history import IOTA, Chain, answer, refused
from tests.settlement.test_recovery import (
    ARBITER,
    MakeChain,
    by_hand,
    chains,
    forget,
    pass_silence,
    pay_without,
)
from verifier.iota import history
from verifier.iota.history import History, sent_by

__all__ = ["chains"]


@pytest.fixture
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two transactions to a page."""
    monkeypatch.setattr(history, "_SENT", history._SENT.replace("last: 50", "last: 2"))


def ask(chain: Chain, after: int = 0) -> History:
    site = chain.site
    assert site.node is not None
    settlement = site.settlement
    return sent_by(site.node, settlement.network, site.escrow, settlement.payee, after)


def latest(chain: Chain) -> int:
    return len(chain.network.checkpoints) - 1


def answers(
    site: Site, monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Any], Any], None]
) -> None:
    """From now on `change` is made to every answer; it is given the question's variables."""
    assert site.node is not None
    sound = site.node._query

    def query(document: str, variables: dict[str, Any]) -> Any:
        data = sound(document, variables)
        change(variables, data)
        return data

    monkeypatch.setattr(site.node, "_query", query)


def test_a_payment_is_seen_on_a_node_that_forgot_what_was_before(chains: MakeChain) -> None:
    chain = chains(arbiter_key=ARBITER.public_key)
    site = chain.site
    one, two = (chain.fund(site.escrow, IOTA) for _ in range(2))
    site.propose(3, 4, two)
    assert answer(site).refused is None  # looked at up to here
    chain.network.faults.pruned_below = latest(chain)
    text = pay_without(chain, 1, 2, one)
    site.propose(1, 2, two)
    assert text in refused(site)


def test_recovery_with_a_gap_takes_in_what_the_node_still_has(chains: MakeChain) -> None:
    chain = chains(arbiter_key=ARBITER.public_key)
    site = chain.site
    one, two = (chain.fund(site.escrow, IOTA) for _ in range(2))
    chain.network.faults.pruned_below = latest(chain)
    pay_without(chain, 1, 2, one)
    (found,) = site.recover(accept_gap=True).payments
    assert (found.before_nanos, found.after_nanos) == (0, site.plan(1, 2).amount_nanos)
    site.propose(1, 2, two, expiry_epoch=pass_silence(chain))
    assert "were paid by transaction" in refused(site)


@pytest.mark.usefixtures("short_pages")
def test_all_pages_oldest_first(chains: MakeChain) -> None:
    chain = chains(arbiter_key=ARBITER.public_key)
    texts, ends = [], []
    for nanos in range(1, 6):
        texts.append(by_hand(chain, chain.fund(chain.site.escrow, IOTA), nanos))
        ends.append(latest(chain))
    assert [one.received_nanos for one in ask(chain).sent] == [1, 2, 3, 4, 5]
    for at, end in enumerate(ends):
        found = ask(chain, end)
        assert [one.received_nanos for one in found.sent] == [2, 3, 4, 5][at:]
        assert (found.first, found.latest) == (0, latest(chain))
    assert [found.digest for found in chain.site.recover().payments] == texts


@pytest.mark.usefixtures("short_pages")
def test_no_more_is_asked_for_than_is_wanted(
    chains: MakeChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = chains(arbiter_key=ARBITER.public_key)
    for nanos in range(1, 6):
        by_hand(chain, chain.fund(chain.site.escrow, IOTA), nanos)
    cursors: list[str | None] = []
    answers(chain.site, monkeypatch, lambda asked, _: cursors.append(asked["cursor"]))
    assert ask(chain, latest(chain)).sent == ()
    assert cursors == [None]


@pytest.mark.usefixtures("short_pages")
def test_a_page_of_a_server_that_is_behind_ends_nothing(
    chains: MakeChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    # it does not know the checkpoint of the cursor, and shows an empty rest
    chain = chains(arbiter_key=ARBITER.public_key)
    for nanos in range(1, 4):
        by_hand(chain, chain.fund(chain.site.escrow, IOTA), nanos)

    def behind(asked: dict[str, Any], data: Any) -> None:
        if asked["cursor"] is not None:
            data["checkpoint"]["sequenceNumber"] -= 1
            data["transactionBlocks"] = {
                "pageInfo": {"hasPreviousPage": False, "startCursor": None},
                "nodes": [],
            }

    answers(chain.site, monkeypatch, behind)
    with pytest.raises(ConnectionError):
        ask(chain)


def test_changes_on_further_pages_and_of_nobody(
    chains: MakeChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = chains(arbiter_key=ARBITER.public_key)
    by_hand(chain, chain.fund(chain.site.escrow, IOTA), 7)

    def split(asked: dict[str, Any], data: Any) -> None:
        for block in data.get("transactionBlocks", {}).get("nodes", ()):
            page = block["effects"]["balanceChanges"]
            page["nodes"] = [change | {"owner": None} for change in page["nodes"]]
            page["pageInfo"] = {"hasNextPage": True, "endCursor": "further"}

    answers(chain.site, monkeypatch, split)
    assert [one.received_nanos for one in ask(chain).sent] == [7]


def test_changes_without_end(chains: MakeChain, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = chains(arbiter_key=ARBITER.public_key)
    by_hand(chain, chain.fund(chain.site.escrow, IOTA), 7)

    def again(asked: dict[str, Any], data: Any) -> None:
        blocks = data.get("transactionBlocks", {"nodes": [data.get("transactionBlock")]})
        for block in blocks["nodes"]:
            more = {"hasNextPage": True, "endCursor": "further"}
            block["effects"]["balanceChanges"]["pageInfo"] = more

    answers(chain.site, monkeypatch, again)
    monkeypatch.setattr(history, "MAXIMUM_PAGES", 5)
    with pytest.raises(ConnectionError):
        ask(chain)


# --- how far back ---


def test_an_arbiter_may_have_paid_before_the_wallet_was_first_used(
    chains: MakeChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement_chain, "_OVERLAP", 0)  # longer ago than is asked for anyway
    chain = chains(arbiter_key=ARBITER.public_key)
    site = chain.site
    one, two = (chain.fund(site.escrow, IOTA) for _ in range(2))
    forget(site)
    text = pay_without(chain, 1, 2, one)
    chain.network.make_checkpoint()
    with open_signed_plans(site.store) as record:
        record.begin(OPERATOR_WALLET.public_key, first_look(site.node, site.terms))
    site.propose(1, 2, two)
    assert text in refused(site)
    forget(site)
    with open_signed_plans(site.store) as record:
        record.begin(OPERATOR_WALLET.public_key, first_look(site.node, site.terms))
    chain.network.faults.pruned_below = latest(chain)
    for ask_node in (site.run, site.recover):
        with pytest.raises(BadInput) as caught:
            ask_node()
        assert caught.value.reason is InputReason.IOTA_NODE


def test_what_is_known_of_old_plans_is_not_worked_out_again(
    node: IotaNode, chains: MakeChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    # there are more of them every day
    chain = chains()
    site = chain.site
    for span in ((1, 1), (2, 2), (3, 3)):
        coin = chain.fund(site.escrow, IOTA)
        site.propose(*span, coin)
        assert answer(site).refused is None
        chain.send(coin, first=span[0], last=span[1])
    site.run()
    assert {plan.fate for plan in site.signed()} == {PlanFate.EXECUTED}
    compared: list[bytes] = []
    sound = SignedPlan.excludes

    def excludes(self: SignedPlan, other: SignedPlan) -> bool:
        compared.append(other.digest)
        return sound(self, other)

    monkeypatch.setattr(SignedPlan, "excludes", excludes)
    site.supplier.proposal_list = []
    site.run()
    assert compared == []
    assert site.node is not None
    with open_signed_plans(site.store) as record:
        before = record._db.total_changes
        look(record, site.node, site.settlement)
        assert record._db.total_changes == before + 1  # how far it looked
