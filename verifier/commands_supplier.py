"""What the supplier decides by hand, recorded for good: ``close``, ``revoke`` and ``waive``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from circuits.errors import BadInput, InputReason, Reason
from verifier.console import Output, leaf, utc_text

if TYPE_CHECKING:
    from verifier.ledger import Instruction


def _moment(_context: click.Context, _parameter: click.Parameter, text: str) -> int:
    """An RFC 3339 date and time as milliseconds since 1970 UTC."""
    from verifier.contract.fields import parse_moment

    try:
        return parse_moment(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}, such as 2026-03-01T08:00:00Z") from None


_STORE = click.option("--store", required=True, metavar="DIR", help="The supplier's store.")
_CONTRACT = click.option("--contract", required=True, metavar="C.toml", help="The contract.")
_BY = click.option(
    "--by", metavar="NAME", help="Who decides this, for the record; default: the login name."
)


def add_supplier_commands(group: click.Group) -> None:
    """Add ``close``, ``revoke`` and ``waive`` to the supplier's console script."""
    _add_close(group)
    _add_revoke(group)
    _add_waive(group)


def instruction_document(instruction: Instruction) -> dict[str, Any]:
    """A decision as JSON."""
    terms_digest, device = instruction.terms_digest, instruction.device
    moment_ms = instruction.moment_ms
    return {
        "time": utc_text(instruction.time_ms),
        "by": instruction.author,
        "kind": instruction.kind.value,
        "terms_digest": None if terms_digest is None else terms_digest.hex(),
        "device": None if device is None else device.hex(),
        "moment": None if moment_ms is None else utc_text(moment_ms),
    }


def _add_close(group: click.Group) -> None:
    @leaf(group, "close")
    @_STORE
    @_CONTRACT
    @_BY
    def close(output: Output, store: str, contract: str, by: str | None) -> None:
        """Accept nothing more under a contract, for ever; what was paid stays answered."""
        from verifier.contract import load_contract
        from verifier.ledger import Ledger

        terms = load_contract(contract).terms
        author = _author(by)
        with Ledger.open(store) as ledger:
            closed_now = ledger.close_contract(terms.digest, author)
        output.emit(
            {"terms_digest": terms.digest.hex(), "closed": True, "created": closed_now},
            f"contract {terms.name}: {'closed' if closed_now else 'was closed before'}",
        )


def _add_revoke(group: click.Group) -> None:
    @leaf(group, "revoke")
    @_STORE
    @click.option("--device", required=True, metavar="HEX", help="The device's public key.")
    @click.option(
        "--from", "from_ms", required=True, callback=_moment, metavar="TIME",
        help="Windows that end after this are not accepted (RFC 3339).",
    )  # fmt: skip
    @_BY
    def revoke(output: Output, store: str, device: str, from_ms: int, by: str | None) -> None:
        """Accept nothing that a device records after a time; the last revocation counts."""
        from verifier.keys import parse_key
        from verifier.ledger import Ledger

        key = parse_key(device, "--device")
        author = _author(by)
        with Ledger.open(store) as ledger:
            ledger.revoke_device(key, from_ms, author)
        output.emit(
            {"device": key.hex(), "from": utc_text(from_ms)},
            f"device {key.hex()}: revoked from {utc_text(from_ms)} on",
        )


def _add_waive(group: click.Group) -> None:
    @leaf(group, "waive")
    @_STORE
    @_CONTRACT
    @click.option(
        "--until", "until_ms", required=True, callback=_moment, metavar="TIME",
        help="Claims that arrive until then are let through (RFC 3339); an earlier time ends it.",
    )  # fmt: skip
    @click.option(
        "--reason",
        type=click.Choice([Reason.CLAIM_LATE.value, Reason.DEVICE_FLAGS.value]),
        default=Reason.CLAIM_LATE.value,
        show_default=True,
        help="What not to refuse for.",
    )
    @_BY
    def waive(
        output: Output, store: str, contract: str, until_ms: int, reason: str, by: str | None
    ) -> None:
        """For a while, do not refuse a contract's claims for being late (or for device flags).

        Windows are claimed in order: one refused window would end the contract.
        """
        from verifier.contract import load_contract
        from verifier.ledger import Ledger

        terms = load_contract(contract).terms
        author = _author(by)
        with Ledger.open(store) as ledger:
            ledger.waive(terms.digest, Reason(reason), until_ms, author)
        until = utc_text(until_ms)
        output.emit(
            {"terms_digest": terms.digest.hex(), "reason": reason, "until": until, "by": author},
            f"contract {terms.name}: claims that arrive until {until} are not refused as {reason}",
        )


def _author(given: str | None) -> str:
    if given is not None:
        return given
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        raise BadInput(InputReason.USAGE, "no login name here; say who decides with --by") from None
