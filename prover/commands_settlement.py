"""``settle`` and ``settlement recover``: what the operator signs, and what it was paid for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from circuits.errors import BadInput, InputReason
from verifier.console import EXIT_NO, Output, leaf, subgroup

if TYPE_CHECKING:
    from prover.cosigner import Answer, Cosigner
    from prover.settlement_recovery import Recovery
    from prover.signed_plans import SignedPlans
    from prover.statements import Statements
    from verifier.contract import Terms
    from verifier.iota.node import Node
    from verifier.iota.wallet import Wallet
    from verifier.rpc.client import VerifierClient

POLL_SECONDS = 10.0
_Command = Callable[..., Any]


def _site_options(command: _Command) -> _Command:
    """What both commands need to know."""
    for option in reversed(
        (
            click.option(
                "--contract",
                required=True,
                metavar="C.toml",
                help="The contract, signed by both parties.",
            ),
            click.option("--store", required=True, metavar="DIR", help="The operator's store."),
            click.option(
                "--keys", required=True, metavar="DIR", help="The operator's key directory."
            ),
            click.option("--wallet", required=True, metavar="FILE", help="The operator's wallet."),
            click.option(
                "--to", required=True, metavar="HOST:PORT", help="The supplier's verifier."
            ),
            click.option("--tls-ca", metavar="PEM", help="Certificate authority of the verifier."),
            click.option("--tls-certificate", metavar="PEM", help="This side's certificate."),
            click.option("--tls-key", metavar="PEM", help="Key of that certificate."),
        )
    ):
        command = option(command)
    return command


@dataclass
class _Site:
    """What both commands open."""

    terms: Terms
    wallet: Wallet
    client: VerifierClient
    record: SignedPlans
    statements: Statements


def _open(stack: ExitStack, site: Mapping[str, str | None]) -> _Site:
    from pathlib import Path

    from prover.signed_plans import open_signed_plans
    from prover.statements import STATEMENTS_NAME, open_statements
    from prover.store import STORE_NAME
    from prover.submit import load_tls
    from verifier.contract import load_contract
    from verifier.iota.wallet import Wallet
    from verifier.rpc.client import VerifierClient

    names = {name: value or "" for name, value in site.items()}
    store, keys = names["store"], names["keys"]
    terms = load_contract(names["contract"]).require_signed().terms
    if not (Path(keys) / STATEMENTS_NAME).exists():
        raise BadInput(InputReason.STORE_MISSING, f"{keys}: no claim was ever made with these")
    if not (Path(store) / STORE_NAME).exists():  # in a new place nothing counts as signed
        raise BadInput(InputReason.STORE_MISSING, f"{store}: not the operator's store")
    own = Wallet.load(names["wallet"])
    tls = load_tls(site["tls_ca"], site["tls_certificate"], site["tls_key"])
    return _Site(
        terms,
        own,
        stack.enter_context(VerifierClient(names["to"], tls=tls)),
        stack.enter_context(open_signed_plans(store)),
        stack.enter_context(open_statements(keys)),
    )


def add_settle(root: click.Group) -> None:
    """Add ``settle`` and ``settlement recover`` to the operator's console script."""
    _add_settle(root)
    _add_recover(subgroup(root, "settlement", "The record of what this side signed."))


def _add_settle(root: click.Group) -> None:
    @leaf(root, "settle")
    @_site_options
    @click.option("--node", metavar="URL", help="Look at coins, payments and gas price here, too.")
    @click.option("--watch", is_flag=True, help="Go on until interrupted.")
    @click.option(
        "--poll-seconds",
        type=click.FloatRange(0.1),
        default=POLL_SECONDS,
        show_default=True,
        help="With --watch: how often to ask.",
    )
    @click.option(
        "--last-debt", is_flag=True, help="Sign what is less than minimum_nanos, and due no more."
    )
    def settle(
        output: Output,
        node: str | None,
        watch: bool,
        poll_seconds: float,
        last_debt: bool,
        **site: str | None,
    ) -> int:
        """Check the supplier's settlement proposals and sign those that are right.

        Only what follows from claims made with these keys is signed, and nothing twice. Exit status
        1 when a proposal was refused.
        """
        from prover.cosigner import Cosigner
        from verifier.iota.node import Node

        with ExitStack() as stack:
            opened = _open(stack, site)
            own_node = None if node is None else stack.enter_context(closing(Node(node)))
            own, record = opened.wallet, opened.record
            if not record.is_of(own.public_key):
                _begin(record, own, site["wallet"] or "", opened.terms, own_node)
            cosigner = Cosigner(
                opened.terms,
                own,
                opened.client,
                record,
                opened.statements,
                clock=lambda: time.time_ns() // 1_000_000,
                node=own_node,
                last_debt=last_debt,
            )
            if watch:
                _watch(output, cosigner, node, poll_seconds)
            return _once(output, cosigner, node)


def _begin(record: SignedPlans, own: Wallet, path: str, terms: Terms, node: Node | None) -> None:
    """Begin the record of a wallet that is new."""
    from prover.settlement_chain import first_look
    from verifier.iota.wallet import take_unused

    try:
        checkpoint = first_look(node, terms)
    except ConnectionError:
        raise _away(None if node is None else node.url) from None
    if take_unused(path, own):
        record.begin(own.public_key, checkpoint)


def _add_recover(group: click.Group) -> None:
    @leaf(group, "recover")
    @_site_options
    @click.option("--node", required=True, metavar="URL", help="The operator's own node.")
    @click.option(
        "--other",
        multiple=True,
        metavar="DIGEST",
        help="This payment was for nothing that this contract owes.",
    )
    @click.option(
        "--count-rest",
        is_flag=True,
        help="What is left without a root of receipts is for what was owed longest.",
    )
    @click.option(
        "--accept-gap",
        is_flag=True,
        help="What the node has forgotten was compared by hand.",
    )
    def recover(
        output: Output,
        node: str,
        other: tuple[str, ...],
        count_rest: bool,
        accept_gap: bool,
        **site: str | None,
    ) -> int:
        """Take into the record what the escrow paid without it, or begin a lost one again.

        Then nothing is signed until what the record may have lost is void: to the end of the
        second epoch after this one. Exit status 1 while a payment is not accounted for.
        """
        from prover.settlement_recovery import Decisions, recover
        from verifier.iota.node import Node, patience

        with ExitStack() as stack:
            opened = _open(stack, site)
            own_node = stack.enter_context(closing(Node(node)))
            stack.enter_context(patience())
            try:
                found = recover(
                    opened.terms,
                    opened.wallet,
                    opened.record,
                    opened.statements,
                    lambda first: opened.client.receipts(opened.terms.digest, first),
                    own_node,
                    Decisions(frozenset(other), count_rest, accept_gap),
                )
            except ConnectionError:
                raise _away(node) from None
        output.emit(asdict(found), _recovery_text(found))
        return 0 if all(payment.decided for payment in found.payments) else EXIT_NO


def _recovery_text(found: Recovery) -> str:
    lines = []
    for payment in found.payments:
        use = "NOT ACCOUNTED FOR: see --other and --count-rest"
        if payment.decided and payment.after_nanos:
            use = f"for nanos {payment.before_nanos}..{payment.after_nanos} of what is owed in all"
        elif payment.decided:
            use = "for nothing that the contract owes"
        lines.append(f"transaction {payment.digest}: {payment.nanos} nanos, {use}")
    return "\n".join([*lines, f"nothing is signed before epoch {found.silent_to + 1}"])


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
        raise _away(node) from None


def _away(node: str | None) -> BadInput:
    from verifier.iota.node import without_secrets

    return BadInput(
        InputReason.SERVER_AWAY, f"{without_secrets(node or '')}: no answer from the node"
    )


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
