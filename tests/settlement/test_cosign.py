"""A hostile supplier proposes: whatever is not exactly what the operator owes is not signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from circuits.errors import BadInput, InputReason
from prover.settlement import MAXIMUM_PROPOSAL_BYTES
from tests.settlement.cosigning import (
    GAS_BUDGET,
    OPERATOR_WALLET,
    STRANGER_WALLET,
    SUPPLIER_WALLET,
    Site,
    coin,
    make_receipts,
    terms_with,
)
from tests.support import NOW_MS, STRANGER, SUPPLIER
from verifier.iota import anchor
from verifier.iota.escrow import Escrow, verify_single
from verifier.iota.payment import build, digest
from verifier.receipt import Receipt


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def refusal(site: Site) -> BadInput:
    """Why the only proposal is refused; nothing is written, nothing leaves."""
    before = site.signed(), site.kept_receipts()
    (answer,) = site.run()
    assert answer.refused is not None
    assert answer.refused.reason is InputReason.SETTLEMENT_PLAN
    assert (site.signed(), site.kept_receipts()) == before
    assert site.supplier.cosigned == []
    return answer.refused


def test_what_is_owed_is_signed_and_on_record_first(site: Site) -> None:
    proposal = site.propose(1, 3)
    (answer,) = site.run()
    paid = site.supplier.receipt_list[:3]
    assert (answer.refused, answer.state) == (None, "PROPOSED")
    assert answer.amount_nanos == paid[-1].cumulative_nanos > 0
    ((batch, name, (signature,)),) = site.supplier.cosigned
    assert (batch, name) == (1, digest(proposal.transaction).data)
    verify_single(proposal.transaction, signature, OPERATOR_WALLET.address)
    assert Escrow(site.settlement).verify_share(proposal.transaction, signature)
    (signed,) = site.signed()
    assert (signed.digest, signed.first, signed.last) == (name, 1, 3)
    assert (signed.before_nanos, signed.after_nanos) == (0, paid[-1].cumulative_nanos)
    assert site.kept_receipts() == 3


def test_signing_again_is_harmless(site: Site) -> None:
    site.propose(1, 2)
    first, again = site.run(), site.run()
    assert first == again
    assert site.supplier.cosigned[0] == site.supplier.cosigned[1]
    assert len(site.signed()) == 1


def test_the_next_settlement_continues(site: Site) -> None:
    site.propose(1, 2)
    site.run()
    site.propose(3, 4, coin("two"))
    (answer,) = site.run()
    assert answer.refused is None
    assert answer.amount_nanos == sum(r.amount_nanos for r in site.supplier.receipt_list[2:])
    assert site.kept_receipts() == 4


def test_the_record_is_written_before_the_signature_leaves(site: Site) -> None:
    seen: list[int] = []

    def cosign(*_: object) -> str:
        seen.append(len(site.signed()))
        raise BadInput(InputReason.SERVER_AWAY, "cut off")

    site.supplier.cosign = cosign  # type: ignore[assignment,method-assign]
    site.propose(1, 1)
    with pytest.raises(BadInput):
        site.run()
    assert seen == [1]


@pytest.mark.reason(InputReason.SETTLEMENT_PLAN)
@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"payee": STRANGER_WALLET.address}, "payee"),
        ({"payee": OPERATOR_WALLET.address}, "payee"),
        ({"sender": OPERATOR_WALLET.address, "gas_owner": OPERATOR_WALLET.address}, "sender"),
        ({"gas_owner": OPERATOR_WALLET.address, "coins": (coin("two"),)}, "gas_owner"),
        ({"network": "2304aa97"}, "network"),
        ({"gas_budget": GAS_BUDGET + 1}, "gas_budget"),
        ({"gas_budget": GAS_BUDGET - 1}, "gas_budget"),
        ({"gas_budget": 2**64 - 1}, "gas_budget"),
        ({"gas_price": GAS_BUDGET // 1000 + 1}, "gas_price"),
        ({"anchor": None}, "anchor"),
        ({"anchor": bytes(32)}, "anchor"),
        ({"amount_nanos": 1}, "1 nanos"),
        ({"amount_nanos": 2**64 - 1}, "nanos"),
    ],
)
def test_another_plan_than_the_contracts(
    site: Site, changes: dict[str, object], named: str
) -> None:
    site.propose(1, 3, **changes)
    assert named in refusal(site).message


@pytest.mark.parametrize("nanos", [-1, 1])
def test_one_nano_more_or_less(site: Site, nanos: int) -> None:
    site.propose(1, 3, amount_nanos=site.plan(1, 3).amount_nanos + nanos)
    refusal(site)


def test_an_anchor_of_other_receipts(site: Site) -> None:
    digests = [receipt.digest for receipt in site.supplier.receipt_list]
    for wrong in (digests[:2], digests[1:3], digests[2::-1], digests):
        site.propose(1, 3, anchor=anchor.root(wrong))
        assert "anchor" in refusal(site).message


def test_bytes_that_the_plan_does_not_build(site: Site) -> None:
    proposal = site.propose(1, 3)
    others = [
        build(site.plan(1, 3, payee=STRANGER_WALLET.address)),
        build(site.plan(1, 3, coin("two"))),
        proposal.transaction + b"\0",
        proposal.transaction[:-1],
        b"",
    ]
    for transaction in others:
        site.supplier.proposal_list = [replace(proposal, transaction=transaction)]
        assert "not what the plan builds" in refusal(site).message


@pytest.mark.parametrize(
    "change",
    [
        lambda plan: plan + b" ",
        lambda plan: plan.replace(b'"payee"', b'"Payee"'),
        lambda plan: b"[" * 100_000,
        lambda plan: b"",
        lambda plan: b"\xff\xfe",
        lambda plan: plan.replace(b'"gas_price":"1000"', b'"gas_price":1000'),
        lambda plan: b" " * (MAXIMUM_PROPOSAL_BYTES + 1),
    ],
)
def test_a_plan_that_is_no_plan(site: Site, change: Callable[[bytes], bytes]) -> None:
    proposal = site.propose(1, 3)
    site.supplier.proposal_list = [replace(proposal, plan=change(proposal.plan))]
    refusal(site)


def test_a_huge_transaction(site: Site) -> None:
    proposal = site.propose(1, 3)
    huge = bytes(MAXIMUM_PROPOSAL_BYTES + 1)
    site.supplier.proposal_list = [replace(proposal, transaction=huge)]
    assert "more than" in refusal(site).message


@pytest.mark.parametrize(
    ("first", "last"),
    [(0, 3), (3, 1), (1, 5), (1, 2**63 - 1), (1, 2**64 - 1), (2**64 - 1, 2**64 - 1)],
)
def test_receipts_that_are_not_there(site: Site, first: int, last: int) -> None:
    proposal = site.propose(1, 3)
    site.supplier.proposal_list = [replace(proposal, first_sequence=first, last_sequence=last)]
    refusal(site)


@pytest.mark.parametrize(("first", "last"), [(1, 2), (2, 3), (1, 4), (3, 3)])
def test_other_receipts_than_the_plan_pays(site: Site, first: int, last: int) -> None:
    proposal = site.propose(1, 3)
    site.supplier.proposal_list = [replace(proposal, first_sequence=first, last_sequence=last)]
    refusal(site)


def inflated(terms_name: str) -> Callable[[Site], list[Receipt]]:
    """A last receipt with one field of the supplier's own making, validly signed."""

    def make(site: Site) -> list[Receipt]:
        honest = site.supplier.receipt_list[-1]
        lies: dict[str, dict[str, Any]] = {
            "amount": {
                "amount_nanos": honest.amount_nanos + 10,
                "cumulative_nanos": honest.cumulative_nanos + 10,
            },
            "only the amount": {"amount_nanos": honest.amount_nanos + 10},
            "cumulative": {"cumulative_nanos": honest.cumulative_nanos + 10},
            "totals": {"totals_after": (honest.totals_after[0] + 1,)},
            "head": {"head": bytes(32)},
            "previous": {"previous": bytes(32)},
            "sequence": {"sequence": 9},
            "contract": {"terms_digest": bytes(32)},
            "window": {"last_window": 2},
        }
        return make_receipts(site.terms, **lies[terms_name])

    return make


@pytest.mark.parametrize(
    "name",
    [
        "amount", "only the amount", "cumulative", "totals", "head", "previous", "sequence",
        "contract", "window",
    ],
)  # fmt: skip
def test_receipts_that_no_claim_of_ours_answers(site: Site, name: str) -> None:
    site.supplier.receipt_list = inflated(name)(site)
    site.propose(1, 4)
    refusal(site)


def test_more_receipts_than_claims(tmp_path: Path) -> None:
    site = Site(tmp_path, claims=3)
    site.supplier.receipt_list = make_receipts(site.terms)
    site.propose(1, 4)
    assert "no claim was made here" in refusal(site).message


def test_receipts_that_someone_else_signed(site: Site) -> None:
    honest = site.supplier.receipt_list
    site.supplier.receipt_list = [*honest[:3], honest[3].signed(STRANGER)]
    site.propose(1, 4)
    assert "not signed" in refusal(site).message


def test_endless_receipts_of_one_claim(site: Site) -> None:
    # each of them would be worth nothing, but asking for them would never end
    honest = site.supplier.receipt_list[0]
    repeat = replace(honest, sequence=2, previous=honest.digest, amount_nanos=0)
    site.supplier.receipt_list = [honest, repeat.signed(SUPPLIER)]
    site.propose(1, 2)
    assert "windows do not follow" in refusal(site).message


def test_another_chain_than_the_one_that_was_signed(site: Site) -> None:
    site.propose(1, 2)
    site.run()
    site.supplier.cosigned.clear()
    honest = site.supplier.receipt_list
    other = replace(honest[1], accepted_ms=NOW_MS + 1).signed(SUPPLIER)
    third = replace(honest[2], previous=other.digest).signed(SUPPLIER)
    site.supplier.receipt_list = [honest[0], other, third]
    site.propose(3, 3, coin("two"))
    assert "not chained" in refusal(site).message


def test_a_settlement_before_it_is_due(tmp_path: Path) -> None:
    # every settlement costs gas: many small ones would drain whoever pays it
    terms = terms_with(minimum_nanos=10**9, maximum_age_seconds=3600)
    site = Site(tmp_path, terms)
    assert sum(r.amount_nanos for r in site.supplier.receipt_list[:2]) < 10**9
    site.propose(1, 2)
    assert "not due" in refusal(site).message
    (answer,) = site.run(now_ms=NOW_MS + 3_600_000)
    assert answer.refused is None


def test_another_wallet_signs_nothing(site: Site) -> None:
    site.propose(1, 3)
    for other in (SUPPLIER_WALLET, STRANGER_WALLET):
        with pytest.raises(BadInput) as caught:
            site.run(other)
        assert caught.value.reason is InputReason.WALLET
    assert site.signed() == []


def test_a_contract_without_a_settlement(site: Site) -> None:
    plain = replace(site.terms, settlement=None)
    site.terms = plain
    with pytest.raises(BadInput) as caught:
        site.run()
    assert caught.value.reason is InputReason.CONTRACT_FIELD


def test_only_the_first_proposals_are_looked_at(site: Site) -> None:
    site.supplier.proposal_list = [site.propose(1, 3, payee=STRANGER_WALLET.address)] * 1000
    assert len(site.run()) == 16
