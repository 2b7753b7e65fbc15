"""From the store to a claim: choose windows, add up totals, prove, check, sign."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nacl.signing import SigningKey

from circuits.checkpoint import Checkpoint, Link
from circuits.errors import BadInput, InputReason, Rejected
from circuits.records import Records
from circuits.state import initial_opening
from circuits.statement import Statement
from prover.log import WindowLog
from prover.memory import kept_bytes
from prover.prove import prove
from prover.state import Openings, link_state, opening_at
from prover.statements import Counted, Span, Statements, open_statements
from prover.store import Store, StoredEpoch, open_store
from verifier.claim import (
    MAXIMUM_CHECKPOINTS,
    CheckedClaim,
    Claim,
    SignedCheckpoint,
    build_claim,
    check_claim,
    check_span,
    decode_claim,
)
from verifier.contract import SignedContract, Start, Terms
from verifier.kernel.parameters import PARAMETER_SETS
from verifier.kernel.verify import proof_shape
from verifier.signatures import public_key

Progress = Callable[[str, float], None]
_WINDOWS_AT_ONCE = 64  # where claims may be cut anywhere


@dataclass(frozen=True)
class Totals:
    """Integer totals, one per outcome, over a number of records."""

    totals: tuple[int, ...]
    records: int

    def __add__(self, other: Totals) -> Totals:
        sums = tuple(a + b for a, b in zip(self.totals, other.totals, strict=True))
        return Totals(sums, self.records + other.records)


@dataclass(frozen=True)
class Measured:
    """Windows in a row: their totals and what is carried after them, checkpoints and raw records.

    ``checkpoints`` are one more than ``windows``.
    """

    totals: Totals
    carried: Mapping[str, int]
    checkpoints: tuple[SignedCheckpoint, ...]
    windows: tuple[WindowLog, ...]


@dataclass(frozen=True)
class Standing:
    """What a contract counted up to a place; ``place`` is None at the contract's start."""

    totals: Totals
    carried: Mapping[str, int]
    place: Checkpoint | None


@dataclass(frozen=True)
class Plan:
    """Everything that a claim over ``span`` needs but its proof.

    ``carried`` is what the contract carries after it; ``state`` opens both commitments of the
    statement where the contract carries state.
    """

    span: Span
    checkpoints: tuple[SignedCheckpoint, ...]
    windows: tuple[WindowLog, ...]
    own: Totals
    before: Totals
    carried: Mapping[str, int]
    statement: Statement
    state: Openings | None = None

    @property
    def after(self) -> Counted:
        """What the contract counts up to the claim's end."""
        total = self.before + self.own
        return Counted(total.totals, total.records, self.carried)


def wrong_windows(message: str) -> BadInput:
    """``WINDOWS`` with a message."""
    return BadInput(InputReason.WINDOWS, message)


def choose_epoch(
    epochs: Sequence[StoredEpoch], first: int, last: int, wanted: int | None
) -> StoredEpoch:
    """The wanted epoch, or the latest that holds windows first..last."""
    for stored in reversed(epochs):
        if wanted is not None and stored.epoch != wanted:
            continue
        if last < stored.windows:
            return stored
        if wanted is not None:
            raise wrong_windows(f"epoch {wanted} has windows 0..{stored.windows - 1}")
    if wanted is not None:
        raise wrong_windows(f"the store has no epoch {wanted} of the contract's device")
    raise wrong_windows(f"no epoch of the contract's device has windows {first}..{last}")


def measure_windows(
    terms: Terms,
    store: Store,
    stored: StoredEpoch,
    first: int,
    last: int,
    carried: Mapping[str, int],
) -> Measured:
    """Measure windows first..last, ``carried`` being what the contract carries before them.

    ``first`` is where a claim may begin. An outcome that does not add up is taken claim by claim,
    as the contract's windows per claim cut the windows from ``first`` on.
    """
    checkpoints = store.checkpoints(stored.device, stored.epoch, first, last + 1)
    logs = store.load_windows(stored, first, last)
    for log, closed in zip(logs, checkpoints[1:], strict=False):
        if len(log.records) != closed.checkpoint.records_in_window:
            raise BadInput(
                InputReason.STORE_CORRUPT,
                f"{store.path}: epoch {stored.epoch} window {closed.checkpoint.index - 1} does not"
                " hold as many records as its checkpoint says",
            )
    rows = np.concatenate([log.records for log in logs])
    sums = (0,) * len(terms.outcomes)
    records = Records.between([signed.checkpoint for signed in checkpoints], rows)
    for piece in records.split(terms.windows_per_claim or _WINDOWS_AT_ONCE):
        measured = terms.circuit.measure(piece, carried)
        sums = tuple(a + b for a, b in zip(sums, measured.totals, strict=True))
        carried = measured.after
    return Measured(Totals(sums, len(rows)), carried, tuple(checkpoints), tuple(logs))


def standing_before(
    terms: Terms,
    store: Store,
    epochs: Sequence[StoredEpoch],
    current: StoredEpoch,
    first: int,
    statements: Statements | None = None,
) -> Standing:
    """Where the contract stands before window ``first`` of epoch ``current``.

    Measured from the contract's start, or from where an earlier claim of ``statements`` ended.
    """
    start_epoch, start_index = _counted_from(terms, store, epochs, current)
    if (current.epoch, first) < (start_epoch, start_index):
        raise wrong_windows(
            f"the contract starts at checkpoint {start_index} of epoch {start_epoch}"
        )
    if (current.epoch, first) > (start_epoch, start_index) and statements is not None:
        known = _claimed_before(terms, store, epochs, current, first, statements)
        if known is not None:
            return known
    found = Standing(Totals((0,) * len(terms.outcomes), 0), {}, None)
    by_number = {stored.epoch: stored for stored in epochs}
    for number in range(start_epoch, current.epoch + 1):
        stored = by_number.get(number)
        if stored is None:
            raise wrong_windows(f"the store lacks epoch {number}, which the contract counts")
        low = start_index if number == start_epoch else 0
        high = (first if number == current.epoch else stored.windows) - 1
        if low <= high:
            _check_fits(terms, stored)
            more = measure_windows(terms, store, stored, low, high, found.carried)
            place = more.checkpoints[-1].checkpoint
            found = Standing(found.totals + more.totals, more.carried, place)
    return found


def _claimed_before(
    terms: Terms,
    store: Store,
    epochs: Sequence[StoredEpoch],
    current: StoredEpoch,
    first: int,
    statements: Statements,
) -> Standing | None:
    """What an earlier claim counted that ended where window ``first`` begins."""
    epoch, index = current.epoch, first
    if first == 0:
        ended = [stored for stored in epochs if stored.epoch == current.epoch - 1]
        if not ended:
            return None
        epoch, index = ended[0].epoch, ended[0].windows
    (signed,) = store.checkpoints(current.device, epoch, index, index)
    counted = statements.counted_at(terms.digest, signed.checkpoint.digest)
    if counted is None or len(counted.totals) != len(terms.outcomes):
        return None
    totals = Totals(counted.totals, counted.records)
    return Standing(totals, counted.carried, signed.checkpoint)


def _counted_from(
    terms: Terms, store: Store, epochs: Sequence[StoredEpoch], current: StoredEpoch
) -> tuple[int, int]:
    """Epoch and index where counting begins: the contract's start, found in the store.

    The store may lack the start's own epoch when the next epoch's opening names its end as start.
    """
    start = terms.start
    if start is None:
        return 0, 0
    by_number = {stored.epoch: stored for stored in epochs}
    own, following = by_number.get(start.epoch), by_number.get(start.epoch + 1)
    if own is not None and start.index <= own.windows:
        signed = store.checkpoints(current.device, start.epoch, start.index, start.index)[0]
        if signed.checkpoint.chain == start.chain:
            return start.epoch, start.index
    elif own is None and following is not None:
        opening = store.checkpoints(current.device, following.epoch, 0, 0)[0].checkpoint
        if _names(opening.link, start):
            return following.epoch, 0
    raise wrong_windows("the contract's starting checkpoint is not the one in the store")


def _names(link: Link | None, start: Start) -> bool:
    return link is not None and (link.epoch, link.index, link.chain) == (
        start.epoch,
        start.index,
        start.chain,
    )


def _check_fits(terms: Terms, stored: StoredEpoch) -> None:
    if stored.schema != terms.schema.digest():
        raise wrong_windows(f"epoch {stored.epoch} was recorded with other channels")
    if stored.window_ms != terms.window_ms:
        raise wrong_windows(f"epoch {stored.epoch} was recorded with another window length")


def _check_policy(terms: Terms, checkpoints: Sequence[Checkpoint], windows_in_epoch: int) -> None:
    windows = len(checkpoints) - 1
    if windows >= MAXIMUM_CHECKPOINTS:
        raise wrong_windows(f"{windows} windows: a claim has room for {MAXIMUM_CHECKPOINTS - 1}")
    check_span(checkpoints[0], windows, terms)
    fixed = terms.windows_per_claim
    if fixed is not None and windows < fixed and checkpoints[-1].index < windows_in_epoch:
        raise wrong_windows(
            f"the contract fixes {fixed} windows per claim: after fewer, nothing more of the epoch"
            " could be claimed"
        )
    first_ms, last_ms = checkpoints[1].start_ms, checkpoints[-1].end_ms
    too_early = terms.valid_from_ms is not None and first_ms < terms.valid_from_ms
    too_late = terms.valid_until_ms is not None and last_ms > terms.valid_until_ms
    if too_early or too_late:
        raise wrong_windows("the contract is not in force at the time of these windows")


def plan_claim(
    contract: SignedContract,
    operator_key: SigningKey,
    store: Store,
    first: int,
    last: int,
    epoch: int | None = None,
    statements: Statements | None = None,
) -> Plan:
    """Everything of a claim but its proof; ``BadInput`` WINDOWS or STORE_CORRUPT.

    With ``statements`` the log before the claim is measured from the last claim on only.
    """
    terms = contract.terms
    device = terms.parties.device
    epochs = store.epochs(device)
    current = choose_epoch(epochs, first, last, epoch)
    _check_fits(terms, current)
    before = standing_before(terms, store, epochs, current, first, statements)
    own = measure_windows(terms, store, current, first, last, before.carried)
    checkpoints = tuple(signed.checkpoint for signed in own.checkpoints)
    state = _openings(terms, operator_key, before, own)
    link = None
    if state is not None:
        link = link_state(terms.circuit, checkpoints[0], checkpoints[-1], state)
    statement = Statement(terms.digest, checkpoints, own.totals.totals, link)
    try:
        _check_policy(terms, checkpoints, current.windows)
        proof_shape(terms.circuit, PARAMETER_SETS[terms.parameter_set], statement)
    except Rejected as rejected:
        raise wrong_windows(f"windows {first}..{last}: {rejected}") from None
    span = Span(terms.digest, device, current.epoch, first, last)
    return Plan(
        span,
        own.checkpoints,
        own.windows,
        own.totals,
        before.totals,
        own.carried,
        statement,
        state,
    )


def _openings(
    terms: Terms, operator_key: SigningKey, before: Standing, own: Measured
) -> Openings | None:
    """The openings of the state before and after a claim; None where nothing is carried."""
    if not terms.circuit.state:
        return None
    opening = initial_opening()
    if before.place is not None:
        opening = opening_at(operator_key, terms.digest, before.place, before.carried)
    last = own.checkpoints[-1].checkpoint
    return opening, opening_at(operator_key, terms.digest, last, own.carried)


def make_claim(
    contract: SignedContract,
    operator_key: SigningKey,
    plan: Plan,
    statements: Statements,
    progress: Progress | None = None,
    memory: int | None = None,
) -> tuple[Claim, CheckedClaim]:
    """Prove, build, check as the verifier will, and record the statement; then it may leave.

    ``memory`` bounds the process, in bytes, as ``prover.memory`` can.
    """
    terms = contract.terms
    if public_key(operator_key) != terms.parties.operator:
        raise BadInput(InputReason.KEY, f"contract {terms.name!r}: this key is not the operator's")
    statements.require_free(plan.span)
    parameters = PARAMETER_SETS[terms.parameter_set]
    shape = proof_shape(terms.circuit, parameters, plan.statement)
    proof = prove(
        terms.circuit,
        parameters,
        plan.statement,
        plan.windows,
        progress,
        state=plan.state,
        memory_bytes=kept_bytes(memory, shape),
    )
    claim = build_claim(
        terms,
        plan.checkpoints,
        plan.own.totals,
        plan.before.records,
        plan.before.totals,
        proof,
        operator_key,
        plan.statement.state,
    )
    # whether flags that the contract refuses are waived is the supplier's to say
    checked = check_claim(decode_claim(claim.encode()), contract, flags_waived=True)
    last = plan.checkpoints[-1].checkpoint
    statements.record(plan.span, claim.statement_digest, last.digest, plan.after)
    return claim, checked


def claim_windows(
    contract: SignedContract,
    store_directory: Path | str,
    keys_directory: Path | str,
    operator_key: SigningKey,
    windows: tuple[int, int],
    epoch: int | None = None,
    progress: Progress | None = None,
    memory: int | None = None,
) -> tuple[Claim, CheckedClaim]:
    """One claim over windows first..last inclusive, from directories."""
    contract.require_signed()
    with open_store(store_directory) as store, open_statements(keys_directory) as statements:
        plan = plan_claim(contract, operator_key, store, *windows, epoch, statements)
        return make_claim(contract, operator_key, plan, statements, progress, memory)
