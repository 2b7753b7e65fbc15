"""What payments count for, where roots, guesses, contracts and late answers are at odds."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from circuits.errors import BadInput, InputReason
from prover.chain_payments import ChainPayment
from prover.settlement_chain import escrowed, first_look
from prover.settlement_recovery import _rooted
from prover.signed_plans import open_signed_plans
from tests.settlement.cosigning import OPERATOR_WALLET, make_receipts, terms_with
from tests.settlement.test_cosign_history import IOTA, answer, refused
from tests.settlement.test_recovery import (
    ARBITER,
    MakeChain,
    by_hand,
    chains,
    forget,
    pass_silence,
    pay_without,
)
from verifier.iota import anchor
from verifier.iota.history import History

__all__ = ["chains"]


def test_a_decision_is_of_one_contract_only(chains: MakeChain) -> None:
    # the same escrow and payee, and nothing on the network says whose receipts were paid
    one = chains(anchor=False)
    other = chains(anchor=False, minimum_nanos=2)
    coins = [one.fund(one.site.escrow, IOTA) for _ in range(2)]
    other.site.propose(1, 2, coins[0])
    assert answer(other.site).refused is None
    other.send(coins[0])
    forget(one.site)
    (found,) = one.site.recover().payments
    (found,) = one.site.recover(other=frozenset({found.digest})).payments
    assert (found.decided, found.after_nanos) == (True, 0)
    (found,) = other.site.recover().payments
    assert not found.decided
    expiry = pass_silence(one)
    other.site.propose(1, 2, coins[1], expiry_epoch=expiry)
    assert "not in the record" in refused(other.site)
    (found,) = other.site.recover(count_rest=True).payments
    assert (found.before_nanos, found.after_nanos) == (0, other.site.plan(1, 2).amount_nanos)
    expiry = pass_silence(one)
    other.site.propose(1, 2, coins[1], expiry_epoch=expiry)
    assert "were paid by transaction" in refused(other.site)
    one.site.propose(1, 2, coins[1], expiry_epoch=expiry)
    assert answer(one.site).refused is None


def test_a_root_outweighs_what_was_decided_elsewhere(chains: MakeChain) -> None:
    one, other = chains(), chains(minimum_nanos=2)
    coins = [one.fund(one.site.escrow, IOTA) for _ in range(2)]
    one.site.propose(1, 2, coins[0])
    assert answer(one.site).refused is None
    one.send(coins[0])
    forget(one.site)
    (wrong,) = other.site.recover(count_rest=True).payments
    assert wrong.after_nanos
    (found,) = one.site.recover().payments
    assert (found.before_nanos, found.after_nanos) == (0, one.site.plan(1, 2).amount_nanos)
    expiry = pass_silence(one)
    one.site.propose(1, 2, coins[1], expiry_epoch=expiry)
    assert "were paid by transaction" in refused(one.site)
    other.site.propose(1, 2, coins[1], expiry_epoch=expiry)
    assert answer(other.site).refused is None  # those were never paid


def test_no_root_is_looked_for_where_the_contract_has_none(
    chains: MakeChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = chains(anchor=False)
    site = chain.site
    coin = chain.fund(site.escrow, IOTA)
    site.propose(1, 2, coin)
    assert answer(site).refused is None
    chain.send(coin)
    forget(site)
    tried: list[Sequence[bytes]] = []
    monkeypatch.setattr(anchor, "root", tried.append)
    (found,) = site.recover(count_rest=True).payments
    assert (found.before_nanos, found.after_nanos) == (0, site.plan(1, 2).amount_nanos)
    assert tried == []


def test_equal_claims_do_not_make_a_long_search(monkeypatch: pytest.MonkeyPatch) -> None:
    # ten receipts of the same amount, paid two by two
    receipts = make_receipts(terms_with(), [7 * 60_000_000] * 10)
    sums = [0, *(receipt.cumulative_nanos for receipt in receipts)]
    digests = [receipt.digest for receipt in receipts]
    tried: list[int] = []
    sound = anchor.root

    def root(of: Sequence[bytes]) -> bytes:
        tried.append(len(of))
        return sound(of)

    monkeypatch.setattr(anchor, "root", root)
    paid: list[tuple[int, int]] = []
    for first in range(0, 10, 2):
        span = sums[first], sums[first + 2]
        content = b"inputs" + sound(digests[first : first + 2]) + b"commands"
        payment = ChainPayment(b"", "", "", "", span[1] - span[0], content)
        assert _rooted(payment, receipts, paid) == span
        paid.append(span)
    assert tried == [2] * 5
    assert _rooted(payment, receipts, paid) is None
    after_gap = ChainPayment(b"", "", "", "", sums[2], sound(digests[5:7]))
    assert _rooted(after_gap, receipts, []) == (sums[5], sums[7])


@pytest.mark.parametrize("count_rest", [False, True])
def test_two_payments_never_count_for_the_same_receipts(
    chains: MakeChain, count_rest: bool
) -> None:
    chain = chains(arbiter_key=ARBITER.public_key)
    site = chain.site
    one, two, three = (chain.fund(site.escrow, IOTA) for _ in range(3))
    owed = site.plan(1, 2).amount_nanos
    by_hand(chain, one, owed)  # first, and without a root
    pay_without(chain, 1, 2, two)
    found = site.recover(count_rest=count_rest).payments
    spans = [(one.before_nanos, one.after_nanos) for one in found]
    assert spans == [(owed, 2 * owed) if count_rest else (0, 0), (0, owed)]
    assert [one.decided for one in found] == [count_rest, True]
    expiry = pass_silence(chain)
    for span in ((1, 2), (3, 3)):
        site.propose(*span, three, expiry_epoch=expiry)
        assert "paid" in refused(site)


def test_a_root_counts_once(chains: MakeChain) -> None:
    chain = chains(arbiter_key=ARBITER.public_key)
    site = chain.site
    coins = [chain.fund(site.escrow, IOTA) for _ in range(3)]
    pay_without(chain, 1, 2, coins[0])
    pay_without(chain, 1, 2, coins[1])
    found = site.recover().payments
    assert [one.decided for one in found] == [True, False]
    site.propose(3, 4, coins[2], expiry_epoch=pass_silence(chain))
    assert found[1].digest in refused(site)


def test_in_sum_no_more_is_signed_than_is_owed(chains: MakeChain) -> None:
    # whatever came to be in the record: here two payments for the same receipts
    chain = chains(arbiter_key=ARBITER.public_key)
    site = chain.site
    coins = [chain.fund(site.escrow, IOTA) for _ in range(3)]
    owed = site.plan(1, 2).amount_nanos
    pay_without(chain, 1, 2, coins[0])
    pay_without(chain, 1, 2, coins[1])
    site.recover()
    with open_signed_plans(site.store) as record:
        for payment in record.chain.payments(site.settlement.network, site.escrow):
            record.chain.count(payment, site.terms.digest, (0, owed))
    site.propose(3, 4, coins[2], expiry_epoch=pass_silence(chain))
    assert f"{2 * owed} nanos were paid already" in refused(site)


def test_what_a_node_showed_too_late_is_seen_later(chains: MakeChain) -> None:
    chain = chains(arbiter_key=ARBITER.public_key)
    site = chain.site
    one, two = (chain.fund(site.escrow, IOTA) for _ in range(2))
    text = pay_without(chain, 1, 2, one)
    chain.network.make_checkpoint()
    with open_signed_plans(site.store) as record:  # a node whose index lacked that transaction
        latest = len(chain.network.checkpoints) - 1
        record.chain.saw(escrowed(site.settlement), History((), 0, latest))
    site.propose(1, 2, two)
    assert text in refused(site)


def test_a_checkpoint_that_there_is_not_blocks_until_it_is_recovered(chains: MakeChain) -> None:
    chain = chains()
    site = chain.site
    site.propose(1, 2, chain.fund(site.escrow, IOTA))
    with open_signed_plans(site.store) as record:
        record.chain.saw(escrowed(site.settlement), History((), 0, 10**12))
    with pytest.raises(ConnectionError):
        site.run()
    site.recover()
    pass_silence(chain)
    site.propose(1, 2, chain.fund(site.escrow, IOTA), expiry_epoch=chain.network.epoch)
    assert answer(site).refused is None


def test_a_new_wallet_needs_no_history_from_before_it_was_made(chains: MakeChain) -> None:
    chain = chains()
    site = chain.site
    one = chain.fund(site.escrow, IOTA)
    for _ in range(3):
        chain.network.make_checkpoint()
    chain.network.faults.pruned_below = len(chain.network.checkpoints) - 1
    site.propose(1, 2, one)
    with pytest.raises(BadInput) as caught:
        site.run()
    assert caught.value.reason is InputReason.IOTA_NODE
    forget(site)
    with open_signed_plans(site.store) as record:
        record.begin(OPERATOR_WALLET.public_key, first_look(site.node, site.terms))
    assert answer(site).refused is None
