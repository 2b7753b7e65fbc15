"""``contract new``: fill a template's parties in, comments and order kept."""

from __future__ import annotations

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Table

from circuits.errors import BadInput, InputReason
from verifier.contract import Terms


def fill_template(
    text: str,
    operator: bytes,
    supplier: bytes,
    device: bytes,
    operator_encryption: bytes | None = None,
) -> tuple[str, Terms]:
    """The contract's text with ``[parties]`` and the circuit id filled in, and its terms.

    Keys are 32 bytes each; without ``operator_encryption`` the template's own stands, if any.
    ``BadInput`` as ``Terms.from_toml``.
    """
    try:
        document = tomlkit.parse(text)
    except (TOMLKitError, ValueError, RecursionError) as error:
        raise BadInput(InputReason.CONTRACT_SYNTAX, f"not TOML: {error}") from None
    parties = document.get("parties")
    keys = {"operator": operator.hex(), "supplier": supplier.hex(), "device": device.hex()}
    if operator_encryption is not None:
        keys["operator_encryption"] = operator_encryption.hex()
    if isinstance(parties, Table):
        parties.update(keys)
    else:
        document = _with_parties(document, keys)
    terms = Terms.from_toml(tomlkit.dumps(document))
    contract = document["contract"]
    if isinstance(contract, Table) and "circuit" not in contract:
        contract["circuit"] = terms.circuit.identifier.hex()
        contract["circuit"].comment("fixes the compiled circuit")
    filled = tomlkit.dumps(document)
    return filled, Terms.from_toml(filled)


def _with_parties(document: tomlkit.TOMLDocument, keys: dict[str, str]) -> tomlkit.TOMLDocument:
    """The document with ``[parties]`` right after ``[contract]``."""
    parties = tomlkit.table()
    parties.update(keys)
    result = tomlkit.document()
    for key, item in document.body:
        if key is not None and key.key == "parties":
            continue
        result.append(key, item)
        if key is not None and key.key == "contract":
            result.append("parties", parties)
    return result
