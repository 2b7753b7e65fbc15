"""What is owed at a contract's end, and is less than its minimum."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from circuits.errors import InputReason
from prover.cosigner import Answer, Cosigner
from prover.signed_plans import open_signed_plans
from prover.statements import open_statements
from tests.settlement.cosigning import OPERATOR_WALLET, Site, terms_with
from tests.settlement.iota_rig import Rig
from tests.support import NOW_MS
from verifier.ledger import BatchState

MINIMUM = str(10**15)


def test_what_a_closed_contract_owes_is_due(rigs: Callable[..., Rig]) -> None:
    rig = rigs(minimum_nanos=MINIMUM)
    owed = rig.claim("first")
    assert rig.run() is None
    rig.ledger.close_contract(rig.world.terms.digest, "a person")
    batch = rig.pay()
    assert (batch.state, batch.amount_nanos) == (BatchState.FINAL, owed)
    assert rig.money() == (0, owed)


def answer(site: Site, *, last_debt: bool) -> Answer:
    with open_signed_plans(site.store) as record, open_statements(site.keys) as statements:
        cosigner = Cosigner(
            site.terms,
            OPERATOR_WALLET,
            site.supplier,  # type: ignore[arg-type]
            record,
            statements,
            lambda: NOW_MS,
            last_debt=last_debt,
        )
        (found,) = cosigner.run()
    return found


@pytest.mark.reason(InputReason.SETTLEMENT_PLAN)
def test_the_operator_signs_it_when_told_to(tmp_path: Path) -> None:
    site = Site(tmp_path, terms_with(minimum_nanos=MINIMUM))
    site.propose(1, 2)
    refused = answer(site, last_debt=False).refused
    assert refused is not None
    assert refused.reason is InputReason.SETTLEMENT_PLAN
    assert "not due" in refused.message
    assert answer(site, last_debt=True).refused is None
    assert len(site.signed()) == 1
