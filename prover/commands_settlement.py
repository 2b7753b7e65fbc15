"""``settle``: sign what the supplier proposes to pay out of the common escrow."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from circuits.errors import BadInput, InputReason
from verifier.console import EXIT_NO, Output, leaf

if TYPE_CHECKING:
    from prover.cosigner import Answer, Cosigner

POLL_SECONDS = 10.0


def add_settle(root: click.Group) -> None:
    """Add ``settle`` to the operator's console script."""

    @leaf(root, "settle")
    @click.option(
        "--contract", required=True, metavar="C.toml", help="The contract, signed by both parties."
    )
    @click.option("--store", required=True, metavar="DIR", help="The operator's store.")
    @click.option("--keys", required=True, metavar="DIR", help="The operator's key directory.")
    @click.option("--wallet", required=True, metavar="FILE", help="The operator's wallet.")
    @click.option("--to", required=True, metavar="HOST:PORT", help="The supplier's verifier.")
    @click.option("--node", metavar="URL", help="Look at coins and gas price at this node, too.")
    @click.option("--tls-ca", metavar="PEM", help="Certificate authority of the verifier.")
    @click.option("--tls-certificate", metavar="PEM", help="This side's certificate.")
    @click.option("--tls-key", metavar="PEM", help="Key of that certificate.")
    @click.option("--watch", is_flag=True, help="Go on until interrupted.")
    @click.option(
        "--poll-seconds",
        type=click.FloatRange(0.1),
        default=POLL_SECONDS,
        show_default=True,
        help="With --watch: how often to ask.",
    )
    def settle(
        output: Output,
        contract: str,
        store: str,
        keys: str,
        wallet: str,
        to: str,
        node: str | None,
        tls_ca: str | None,
        tls_certificate: str | None,
        tls_key: str | None,
        watch: bool,
        poll_seconds: float,
    ) -> int:
        """Check the supplier's settlement proposals and sign those that are right.

        Only what follows from claims made with these keys is signed, and nothing twice. Exit status
        1 when a proposal was refused.
        """
        from contextlib import ExitStack, closing
        from pathlib import Path

        from prover.cosigner import Cosigner
        from prover.signed_plans import open_signed_plans
        from prover.statements import STATEMENTS_NAME, open_statements
        from prover.store import STORE_NAME
        from prover.submit import load_tls
        from verifier.contract import load_contract
        from verifier.iota.node import Node
        from verifier.iota.wallet import Wallet
        from verifier.rpc.client import VerifierClient

        terms = load_contract(contract).require_signed().terms
        if not (Path(keys) / STATEMENTS_NAME).exists():
            raise BadInput(InputReason.STORE_MISSING, f"{keys}: no claim was ever made with these")
        if not (Path(store) / STORE_NAME).exists():  # in a new place nothing counts as signed
            raise BadInput(InputReason.STORE_MISSING, f"{store}: not the operator's store")
        own = Wallet.load(wallet)
        tls = load_tls(tls_ca, tls_certificate, tls_key)
        with ExitStack() as stack:
            cosigner = Cosigner(
                terms,
                own,
                stack.enter_context(VerifierClient(to, tls=tls)),
                stack.enter_context(open_signed_plans(store)),
                stack.enter_context(open_statements(keys)),
                clock=lambda: time.time_ns() // 1_000_000,
                node=None if node is None else stack.enter_context(closing(Node(node))),
            )
            if watch:
                _watch(output, cosigner, node, poll_seconds)
            return _once(output, cosigner, node)


def _once(output: Output, cosigner: Cosigner, node: str | None) -> int:
    answers = _round(cosigner, node)
    output.emit(
        [_document(answer) for answer in answers],
        "\n".join(_text(answer) for answer in answers) or "nothing to sign",
    )
    return EXIT_NO if any(answer.refused for answer in answers) else 0


def _watch(output: Output, cosigner: Cosigner, node: str | None, poll_seconds: float) -> None:
    """Rounds without end; one line for every answer that the last round did not give."""
    shown: list[str] = []
    while True:
        try:
            answers = {_text(answer): answer for answer in _round(cosigner, node)}
            for text, answer in answers.items():
                if text not in shown:
                    output.emit(_document(answer), text)
            shown = list(answers)
        except BadInput as error:
            if error.reason is not InputReason.SERVER_AWAY:
                raise
            output.note(f"{error.message}; trying again")
        time.sleep(poll_seconds)


def _round(cosigner: Cosigner, node: str | None) -> list[Answer]:
    try:
        return cosigner.run()
    except ConnectionError:
        raise BadInput(InputReason.SERVER_AWAY, f"{node}: no answer from the node") from None


def _document(answer: Answer) -> dict[str, Any]:
    document: dict[str, Any] = {
        "batch": answer.batch,
        "ok": answer.refused is None,
        "receipts": [answer.first_sequence, answer.last_sequence],
    }
    if answer.refused is not None:
        return document | {"reason": answer.refused.reason.value, "detail": answer.refused.message}
    return document | {
        "digest": answer.digest,
        "amount_nanos": answer.amount_nanos,
        "state": answer.state,
    }


def _text(answer: Answer) -> str:
    where = f"settlement {answer.batch}, receipts {answer.first_sequence}..{answer.last_sequence}"
    if answer.refused is not None:
        return f"{where}: REFUSED {answer.refused.reason.value} {answer.refused.message}"
    return f"{where}: signed, {answer.amount_nanos} nanos in transaction {answer.digest}"
