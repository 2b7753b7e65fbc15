"""The set-up in docs/iota.md, run as it is written, on the test node in the public one's place."""

from __future__ import annotations

import re
from pathlib import Path

from examples.demo.source import ROOT
from tests.end_to_end.test_readme import run_tour
from tests.iota.testnet import FAUCET, NODE
from tests.iota_node.faucet import Faucet
from tests.iota_node.node import IotaNode

IOTA = 10**9
GAS = 1_980_400


def tour() -> str:
    """The shell blocks of the section on set-up."""
    text = (ROOT / "docs" / "iota.md").read_text(encoding="utf-8")
    start, end = text.index("## From zero"), text.index("## What it costs")
    return "\n".join(re.findall(r"```sh\n(.*?)```", text[start:end], flags=re.DOTALL))


def test_the_set_up_works_as_written(iota_node: IotaNode, tmp_path: Path) -> None:
    script = tour()
    assert (NODE in script, FAUCET in script) == (True, True)
    with Faucet(iota_node, 2 * IOTA) as faucet:
        script = script.replace(NODE, iota_node.url).replace(FAUCET, faucet.url)
        result = run_tour(script, tmp_path)
    (payment,) = iota_node.transactions  # two claims, one payment
    payee = re.search(r"nanos to (0x[0-9a-f]{64})", result.stdout)
    assert payee is not None
    paid = iota_node.balance(payee.group(1))
    assert 0.9 * IOTA < paid < IOTA
    assert f"transaction {payment.digest}" in result.stdout
    assert f": {2 * IOTA - paid - GAS} nanos" in result.stdout  # what the escrow still holds
    assert "over 2 receipts" in result.stdout
