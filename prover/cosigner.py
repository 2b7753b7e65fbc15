"""One round of the operator's co-signing: ask for proposals, check each, record, sign, answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from circuits.errors import BadInput, InputReason
from prover.settlement import check_proposal, require_own, require_settlement, sign_checked
from prover.settlement_chain import check_on_chain, learn_fates, look, require_no_silence
from prover.signed_plans import SignedPlans
from prover.statements import Statements
from verifier.contract import Terms
from verifier.iota.node import Node, patience
from verifier.iota.wallet import Wallet
from verifier.rpc.client import Proposal, VerifierClient

PROPOSALS_AT_ONCE = 16  # one contract has one settlement at a time; more are looked at later
# what the supplier's proposal can be wrong in; everything else stops the round
_REFUSALS = (InputReason.SETTLEMENT_PLAN, InputReason.SETTLEMENT_STATE, InputReason.RECEIPT)


@dataclass(frozen=True)
class Answer:
    """What became of one proposal: signed (``state`` is the verifier's), or ``refused``."""

    batch: int
    digest: str
    amount_nanos: int
    first_sequence: int
    last_sequence: int
    state: str = ""
    refused: BadInput | None = None


class Cosigner:
    """Signs a contract's settlements with the operator's wallet, as far as they are right.

    ``node`` is the operator's own view of the network; without it, coins, gas price and what was
    paid are not looked at, and nothing that was signed once counts as dead. Where an arbiter can
    pay without the operator, it is needed (``USAGE``). ``last_debt``: sign what is less than the
    contract's minimum, too; nobody else ends a contract that nothing more comes under. ``WALLET``
    for another's wallet, ``STORE_MISSING`` where the record is not that of the wallet.
    """

    def __init__(
        self,
        terms: Terms,
        wallet: Wallet,
        client: VerifierClient,
        record: SignedPlans,
        statements: Statements,
        clock: Callable[[], int],
        node: Node | None = None,
        *,
        last_debt: bool = False,
    ) -> None:
        self._terms = terms
        self._settlement = require_settlement(terms)
        require_own(self._settlement, wallet)
        require_record(record, wallet)
        if node is None and self._settlement.arbiter_key is not None:
            raise BadInput(
                InputReason.USAGE,
                "an arbiter can pay without the operator: only a node (--node) can show it",
            )
        self._wallet = wallet
        self._client = client
        self._record = record
        self._statements = statements
        self._clock = clock
        self._node = node
        self._last_debt = last_debt

    def run(self) -> list[Answer]:
        """Answer every open proposal once; repeating it is harmless.

        ``BadInput`` SERVER_AWAY and the like, or ``ConnectionError`` when the node is away.
        """
        proposals = self._client.proposals(self._terms.digest)[:PROPOSALS_AT_ONCE]
        with patience():
            if self._node is not None:
                learn_fates(self._record, self._node, self._settlement.network)
                look(self._record, self._node, self._settlement)
            return [self._answer(proposal) for proposal in proposals]

    def _answer(self, proposal: Proposal) -> Answer:
        try:
            return self._sign(proposal)
        except BadInput as error:
            if error.reason not in _REFUSALS:
                raise
            first, last = proposal.first_sequence, proposal.last_sequence
            return Answer(proposal.batch, "", 0, first, last, refused=error)

    def _sign(self, proposal: Proposal) -> Answer:
        checked = check_proposal(
            proposal,
            self._terms,
            self._record.receipts(self._terms.digest),
            lambda first: self._client.receipts(self._terms.digest, first),
            self._statements,
            self._clock(),
            last_debt=self._last_debt,
        )
        signed = checked.signed
        require_no_silence(self._record, signed.plan.network, self._node)
        if self._node is not None:
            check_on_chain(signed.plan, self._node)
        signature = sign_checked(checked, self._settlement, self._wallet, self._record)
        state = self._client.cosign(self._terms.digest, proposal.batch, signed.digest, [signature])
        return Answer(
            proposal.batch,
            checked.digest_text,
            signed.plan.amount_nanos,
            signed.first,
            signed.last,
            state,
        )


def require_record(record: SignedPlans, wallet: Wallet) -> None:
    """``STORE_MISSING`` unless the record is that of the wallet: in a new one nothing is paid."""
    if not record.is_of(wallet.public_key):
        raise BadInput(
            InputReason.STORE_MISSING,
            f"{record.path}: not the record of what this wallet signed; put it back, or have it"
            " made from what the network shows: zkmeter-prover settlement recover",
        )
