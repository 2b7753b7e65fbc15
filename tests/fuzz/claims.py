"""Target: ``accept`` on altered claims, signed again so that they get past the signatures.

An input picks a situation (what was accepted before, which contract, which state) and edits one of
the true claims. Repairs then make the rest consistent: counts, genesis, money, signatures. What may
be accepted is known for every situation: the true claims that continue it, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from circuits.checkpoint import ZERO_CHAIN, Checkpoint, Link, Status
from circuits.errors import Reason, Rejected
from circuits.field import P
from circuits.statement import StateLink
from tests.fuzz.program import Program
from tests.fuzz.proofs import altered
from tests.fuzz.situations import Situation, bases, links, situations
from tests.fuzz.target import Target, require
from tests.support import DEVICE, OPERATOR, STRANGER
from verifier.accept import Accepted, accept
from verifier.claim import Claim, SignedCheckpoint, check_claim, decode_claim, sign_claim
from verifier.claim.build import sign_voucher
from verifier.contract import Terms
from verifier.signatures import sign_checkpoint

_U64 = 2**64 - 1
_I128 = 1 << 127


Change = Callable[[Program, Claim], Claim]


def _set_checkpoint(program: Program, claim: Claim) -> Claim:
    at = program.integer(1) % len(claim.checkpoints)
    entry = claim.checkpoints[at]
    changed = _changed_checkpoint(program, entry.checkpoint)
    entries = [*claim.checkpoints]
    entries[at] = SignedCheckpoint(changed, entry.signature)
    return replace(claim, checkpoints=tuple(entries))


def _changed_checkpoint(program: Program, c: Checkpoint) -> Checkpoint:
    kind = program.integer(1) % 12
    if kind == 0:
        return replace(c, device=program.changed_bytes(c.device))
    if kind == 1:
        return replace(c, epoch=program.changed(c.epoch, 32))
    if kind == 2:
        return replace(c, index=program.changed(c.index, 32))
    if kind == 3:
        return replace(c, records_in_epoch=program.changed(c.records_in_epoch, 64))
    if kind == 4:
        return replace(c, records_in_window=program.changed(c.records_in_window, 32))
    if kind == 5:
        return replace(c, start_ms=program.changed(c.start_ms, 64))
    if kind == 6:
        return replace(c, end_ms=program.changed(c.end_ms, 64))
    if kind == 7:
        return replace(c, schema=program.changed_bytes(c.schema))
    if kind == 8:
        return replace(c, chain=_changed_chain(program, c.chain))
    if kind == 9:
        return replace(c, flags=Status(program.changed(int(c.flags), 16) % 128))
    if kind == 10:
        return replace(c, link=None if c.link else Link())
    link = c.link or Link()
    return replace(
        c,
        link=program.choose(
            (
                replace(link, epoch=program.changed(link.epoch, 32)),
                replace(link, index=program.changed(link.index, 32)),
                replace(link, end_ms=program.changed(link.end_ms, 64)),
                replace(link, chain=_changed_chain(program, link.chain)),
            )
        ),
    )


def _changed_chain(program: Program, chain: tuple[int, ...]) -> tuple[int, ...]:
    at, words = program.integer(1) % 8, [*chain]
    words[at] = program.changed(words[at], 32) % program.choose((P, P, P, 2**32))
    return tuple(words)


def _rearrange(program: Program, claim: Claim) -> Claim:
    entries = [*claim.checkpoints]
    kind, at = program.integer(1) % 5, program.integer(1) % len(entries)
    to = program.integer(1) % len(entries)
    if kind == 0 and len(entries) > 2:
        del entries[at]
    elif kind == 1:
        entries.insert(to, entries[at])
    elif kind == 2:
        entries[at], entries[to] = entries[to], entries[at]
    elif kind == 3:
        entries[at] = program.choose(program.choose(bases()).checkpoints)
    else:
        entries += program.choose(bases()).checkpoints
    return replace(claim, checkpoints=tuple(entries))


def _set_total(program: Program, claim: Claim) -> Claim:
    name = program.choose(("totals", "totals", "totals_before", "totals_after"))
    totals = [*getattr(claim, name)]
    at = program.integer(1) % len(totals)
    totals[at] = program.changed(totals[at] % (2 * _I128), 128)
    totals[at] -= 2 * _I128 if totals[at] >= _I128 else 0
    changes: dict[str, Any] = {name: tuple(totals)}
    return replace(claim, **changes)


def _set_width(program: Program, claim: Claim) -> Claim:
    width = 1 + program.integer(1) % 4
    return _resize(claim, width)


def _set_state(program: Program, claim: Claim) -> Claim:
    kind, link = program.integer(1) % 5, claim.state or links()[0]
    if kind == 0:
        return replace(claim, state=None)
    if kind == 1:
        return replace(claim, state=program.choose(links()))
    if kind == 2:
        return replace(claim, state=StateLink(link.after, link.before))
    if kind == 3:
        return replace(claim, state=replace(link, before=_changed_chain(program, link.before)))
    return replace(claim, state=replace(link, after=_changed_chain(program, link.after)))


def _set_number(program: Program, claim: Claim) -> Claim:
    name = program.choose(("records_before", "records_after", "amount_nanos", "voucher"))
    if name == "voucher":
        nanos = program.changed(claim.voucher.cumulative_nanos, 64)
        return replace(claim, voucher=replace(claim.voucher, cumulative_nanos=nanos))
    changes: dict[str, Any] = {name: program.changed(getattr(claim, name), 64)}
    return replace(claim, **changes)


def _set_name(program: Program, claim: Claim) -> Claim:
    kind = program.integer(1) % 3
    if kind == 0:
        digest = program.changed_bytes(claim.terms_digest)
        return replace(
            claim, terms_digest=digest, voucher=replace(claim.voucher, terms_digest=digest)
        )
    if kind == 1:
        return replace(claim, circuit_id=program.changed_bytes(claim.circuit_id))
    return replace(claim, parameter_set=program.choose(("standard", "compact", "fast", "x-1")))


def _set_proof(program: Program, claim: Claim) -> Claim:
    starts = (0, 4, 6, 38, 70, 4000, 8000, 20_000, 50_000, 100_000)
    proofs = (claim.proof, *(base.proof for base in bases()), b"", b"ZKMp\2\0")
    return replace(claim, proof=altered(program, proofs, starts))


def _continue_other(program: Program, claim: Claim) -> Claim:
    other = program.choose(bases())
    changed = replace(claim, records_before=other.records_after, totals_before=other.totals_after)
    return _resize(changed, len(claim.totals))


_CHANGES: tuple[Change, ...] = (
    _set_checkpoint,
    _set_checkpoint,
    _set_checkpoint,
    _rearrange,
    _set_total,
    _set_total,
    _set_width,
    _set_number,
    _set_name,
    _set_proof,
    _continue_other,
    _set_state,
)


def _repair_sequence(claim: Claim) -> Claim:
    entries = [claim.checkpoints[0]]
    for entry in claim.checkpoints[1:]:
        before = entries[-1].checkpoint
        records = (before.records_in_epoch + entry.checkpoint.records_in_window) & _U64
        index = (before.index + 1) % 2**32
        after = replace(entry.checkpoint, epoch=before.epoch, index=index, records_in_epoch=records)
        entries.append(SignedCheckpoint(after, entry.signature))
    return replace(claim, checkpoints=tuple(entries))


def _repair_genesis(claim: Claim) -> Claim:
    opening = claim.first
    if opening.link is None:
        return claim
    blank = replace(opening, chain=ZERO_CHAIN)
    opening = replace(blank, chain=blank.genesis_chain())
    entry = SignedCheckpoint(opening, claim.checkpoints[0].signature)
    return replace(claim, checkpoints=(entry, *claim.checkpoints[1:]))


def _repair_money(claim: Claim, terms: Terms) -> Claim:
    after = tuple(
        (before + total + _I128) % (2 * _I128) - _I128
        for before, total in zip(claim.totals_before, claim.totals, strict=False)
    )
    records = (claim.records_before + claim.records) & _U64
    claim = replace(claim, totals_after=after, records_after=records)
    if len(after) != len(terms.outcomes):
        return claim
    amount = terms.amount_nanos(claim.totals_before, after)
    owed = terms.cumulative_nanos(after) & _U64
    voucher = replace(claim.voucher, cumulative_nanos=owed)
    return replace(claim, amount_nanos=amount & _U64, voucher=voucher)


def _sign(program: Program, claim: Claim, skipped: int) -> Claim:
    if not skipped & 1:
        key = STRANGER if skipped & 32 else DEVICE
        entries = (entry.checkpoint for entry in claim.checkpoints)
        again = tuple(SignedCheckpoint(c, sign_checkpoint(key, c)) for c in entries)
        claim = replace(claim, checkpoints=again)
    operator = STRANGER if skipped & 64 else OPERATOR
    if not skipped & 2:
        owed = claim.voucher.cumulative_nanos
        claim = replace(claim, voucher=sign_voucher(claim.terms_digest, owed, operator))
    if skipped & 128:
        broken = program.changed_bytes(claim.voucher.signature)
        claim = replace(claim, voucher=replace(claim.voucher, signature=broken))
    if not skipped & 4:
        return sign_claim(claim, operator)
    return replace(claim, signature=program.changed_bytes(claim.signature))


def build(data: bytes) -> tuple[Situation, bytes]:
    """The situation that an input picks, and the bytes of its claim."""
    program = Program(data)
    situation = program.choose(situations())
    claim = program.choose(bases())
    repairs, skipped = program.integer(1), program.integer(1)
    if repairs & 8:
        skipped = 0  # most inputs: everything is signed as it should be
    terms = situation.contract.terms
    if claim.terms_digest != terms.digest:
        claim = replace(
            claim,
            terms_digest=terms.digest,
            circuit_id=terms.circuit.identifier,
            parameter_set=terms.parameter_set,
        )
        voucher = replace(claim.voucher, terms_digest=terms.digest)
        state = (claim.state or links()[0]) if terms.circuit.state else None
        claim = _resize(replace(claim, voucher=voucher, state=state), len(terms.outcomes))
        repairs, skipped = repairs | 4, skipped & ~7
    for _ in range(8):
        if not program.more:
            break
        claim = program.choose(_CHANGES)(program, claim)
    if repairs & 1:
        claim = _repair_sequence(claim)
    if repairs & 2:
        claim = _repair_genesis(claim)
    if repairs & 4:
        claim = _repair_money(claim, terms)
    encoded = _sign(program, claim, skipped).encode()
    if repairs & 16 and not repairs & 8:
        at = program.integer(2) % len(encoded)
        encoded = encoded[:at] + program.take(1 + program.integer(1) % 8) + encoded[at + 1 :]
    return situation, encoded


def _resize(claim: Claim, width: int) -> Claim:
    names = ("totals", "totals_before", "totals_after")
    wide: dict[str, Any] = {n: (getattr(claim, n) + (0,) * width)[:width] for n in names}
    return replace(claim, **wide)


def _run(data: bytes) -> str:
    situation, encoded = build(data)
    if situation.state is None:
        return _without_head(situation, encoded)
    may = {claim.encode() for claim in situation.acceptable}
    try:
        decision = accept(encoded, situation.state, situation.now_ms)
    except Rejected as refusal:
        require(isinstance(refusal.reason, Reason), "a reason outside the list")
        require(encoded not in may, f"a true claim is refused: {refusal}")
        return refusal.reason
    if isinstance(decision, Accepted):
        require(encoded in may, f"FALSE ACCEPT in situation {situation.name!r}")
        require(sum(entry.nanos for entry in decision.entries) == 0, "entries that do not balance")
        return "accepted"
    digests = {claim.statement_digest for claim in situation.known}
    require(decision.claim.statement_digest in digests, "a repeat of what was never accepted")
    earlier = situation.state.receipts[decision.claim.statement_digest]
    require(decision.receipt == earlier, "another receipt for a repeat")
    return "duplicate"


def _without_head(situation: Situation, encoded: bytes) -> str:
    """Without a head a claim may continue anything, but its statement must be a true one."""
    true = {claim.statement: claim.proof for claim in situation.acceptable}
    try:
        claim = decode_claim(encoded)
        check_claim(claim, situation.contract)
    except Rejected as refusal:
        require(isinstance(refusal.reason, Reason), "a reason outside the list")
        same = encoded in {claim.encode() for claim in situation.acceptable}
        require(not same, f"a true claim is refused: {refusal}")
        return refusal.reason
    require(true.get(claim.statement) == claim.proof, "FALSE ACCEPT without a head")
    return "checked"


def _seeds() -> list[bytes]:
    count = range(len(situations()))
    plain = [bytes([at, base, 8, 0]) for at in count for base in range(len(bases()))]
    edits = [
        bytes([at, base, 15, 0, edit, detail, 1, 7, 3, 3])
        for at, base in ((0, 0), (1, 1), (2, 2), (len(count) - 4, 4), (len(count) - 3, 5))
        for edit in range(len(_CHANGES))
        for detail in (0, 1, 2)
    ]
    return plain + edits


CLAIMS = (Target("accept", _run, _seeds, 120),)
