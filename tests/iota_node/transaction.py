"""A transaction as plain values, and the checks that precede its execution.

Rejections carry the names and texts of the real node's error enums, `UserInputError` and
`IotaError` in iotaledger/iota, crates/iota-types/src/error.rs (`ExecutionFailureStatus` is
apart: see execute.py). A caller must not decide by them; they are here to be read.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import iota_sdk as sdk

from tests.iota_node import gas
from tests.iota_node.state import Coin, State

SDK_FAILURES = (sdk.SdkFfiError, sdk.InternalError)


class Refused(Exception):
    """The node does not execute this transaction: `name` of the error, then its text."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name


@dataclass(frozen=True)
class Reference:
    """An object reference as a transaction states it."""

    object_id: str
    version: int
    digest: str


@dataclass(frozen=True)
class Payment:
    """A programmable transaction: `inputs` are bytes (pure) or references, `commands` the SDK's
    JSON of the native commands."""

    transaction: sdk.Transaction
    digest: str
    sender: str
    inputs: tuple[bytes | Reference, ...]
    commands: tuple[dict[str, Any], ...]
    gas_objects: tuple[Reference, ...]
    gas_owner: str
    gas_price: int
    gas_budget: int
    expiration: int | None

    @property
    def objects(self) -> tuple[Reference, ...]:
        """Every object it takes: the inputs', then the gas."""
        named = tuple(one for one in self.inputs if isinstance(one, Reference))
        return named + self.gas_objects


def read_transaction(transaction: sdk.Transaction) -> Payment:
    """The values of a transaction. Raises Refused for what this network does not model."""
    body = json.loads(transaction.to_json())["V1"]
    kind = body["kind"].get("Programmable") if isinstance(body["kind"], dict) else None
    if kind is None:
        raise Refused("Unsupported", "only programmable transactions exist on this network")
    for command in kind["commands"]:
        if not command.keys() & {"SplitCoins", "MergeCoins", "TransferObjects"}:
            raise Refused("Unsupported", f"no {next(iter(command))} on this network")
    payment = body["gas_payment"]
    expiration = body["expiration"]
    return Payment(
        transaction=transaction,
        digest=transaction.digest().to_base58(),
        sender=body["sender"],
        inputs=tuple(_read_input(one) for one in kind["inputs"]),
        commands=tuple(kind["commands"]),
        gas_objects=tuple(_read_reference(one) for one in payment["objects"]),
        gas_owner=payment["owner"],
        gas_price=int(payment["price"]),
        gas_budget=int(payment["budget"]),
        expiration=int(expiration["Epoch"]) if isinstance(expiration, dict) else None,
    )


def decode(
    transaction_base64: str, signatures_base64: Sequence[str]
) -> tuple[Payment, tuple[sdk.UserSignature, ...]]:
    """The transaction and signatures of a request. Raises Refused."""
    try:
        content = base64.b64decode(transaction_base64, validate=True)
        transaction = sdk.Transaction.from_bcs(content)
    except (binascii.Error, *SDK_FAILURES) as error:
        raise Refused("TransactionSerialization", f"not a transaction: {error}") from error
    try:
        signatures = tuple(sdk.UserSignature.from_base64(text) for text in signatures_base64)
    except SDK_FAILURES as error:
        raise Refused("InvalidSignature", str(error)) from error
    return read_transaction(transaction), signatures


def check_signatures(payment: Payment, signatures: Sequence[sdk.UserSignature]) -> None:
    """One valid signature by the sender and, if that is another, one by the gas owner.

    The real node's `verify_sender_signed_data_message_signatures`: the count first, then that
    each signer has one, then each signature over the intent message. Raises Refused.
    """
    signers = list(dict.fromkeys((payment.sender, payment.gas_owner)))
    if len(signatures) != len(signers):
        raise Refused(
            "SignerSignatureNumberMismatch",
            f"Expect {len(signers)} signer signatures but got {len(signatures)}",
        )
    actual = [_signer(signature) for signature in signatures]
    for signer in signers:
        if signer not in actual:
            raise Refused(
                "SignerSignatureAbsent", f"Required Signature from {signer} is absent {actual}"
            )
    message = payment.transaction.signing_digest()
    for signature in signatures:
        try:
            sdk.UserSignatureVerifier().verify(message, signature)
        except SDK_FAILURES as error:
            raise Refused("InvalidSignature", f"Signature is not valid: {error}") from error


def check_validity(state: State, payment: Payment, *, unused_pure: bool) -> None:
    """What the transaction says by itself, at this epoch and gas price. Raises Refused."""
    if payment.expiration is not None and state.epoch > payment.expiration:
        raise Refused("TransactionExpired", "Transaction Expired")
    if not payment.gas_objects:
        raise Refused("MissingGasPayment", "Transaction gas payment missing")
    sizes = (
        ("maximum number of gas payment objects", gas.MAXIMUM_GAS_OBJECTS, payment.gas_objects),
        ("maximum commands in a programmable transaction", gas.MAXIMUM_COMMANDS, payment.commands),
        *(
            ("maximum pure argument size", gas.MAXIMUM_PURE_BYTES, value)
            for value in payment.inputs
            if isinstance(value, bytes)
        ),
    )
    for limit, maximum, values in sizes:
        if len(values) > maximum:
            raise Refused("SizeLimitExceeded", f"Size limit exceeded: {limit} is {maximum}")
    price, reference = payment.gas_price, state.reference_gas_price
    if price < reference:
        text = f"Gas price {price} under reference gas price (RGP) {reference}"
        raise Refused("GasPriceUnderRGP", text)
    if price > gas.MAXIMUM_GAS_PRICE:
        text = f"Gas price cannot exceed {gas.MAXIMUM_GAS_PRICE} nanos"
        raise Refused("GasPriceTooHigh", text)
    if not payment.commands or any(_is_empty(command) for command in payment.commands):
        raise Refused("EmptyCommandInput", "TransferObjects and MergeCoin need arguments")
    if not unused_pure:
        _check_all_used(payment)
    named = [one.object_id for one in payment.inputs if isinstance(one, Reference)]
    if len(set(named)) != len(named):
        text = "The transaction inputs contain duplicated ObjectReference's"
        raise Refused("DuplicateObjectRefInput", text)
    everything = named + [one.object_id for one in payment.gas_objects]
    if len(set(everything)) != len(everything):
        text = "Mutable object cannot appear more than once in one transaction"
        raise Refused("MutableObjectUsedMoreThanOnce", text)


def load_coins(state: State, payment: Payment) -> dict[str, Coin]:
    """The coins that it takes, at exactly the stated versions, by id. Raises Refused."""
    loaded = {}
    owners = {reference.object_id: payment.gas_owner for reference in payment.gas_objects}
    for reference in payment.objects:
        object_id = reference.object_id
        coin = state.live.get(object_id)
        if coin is None:
            text = f"Could not find the referenced object {object_id}"
            raise Refused("ObjectNotFound", f"{text} at version {reference.version}")
        if coin.version != reference.version:
            raise Refused(
                "ObjectVersionUnavailableForConsumption",
                f"Object ID {object_id} Version {reference.version} is not available for "
                f"consumption, current version: {coin.version}",
            )
        if coin.digest != reference.digest:
            text = f"Invalid Object digest for object {object_id}"
            raise Refused("InvalidObjectDigest", f"{text}. Expected digest : {coin.digest}")
        owner = owners.get(object_id, payment.sender)
        if coin.owner != owner:
            text = f"Object {object_id} is owned by account address {coin.owner}"
            raise Refused("IncorrectUserSignature", f"{text}, but the signer address is {owner}")
        loaded[object_id] = coin
    _check_gas_balance(payment, loaded)
    return loaded


def _check_gas_balance(payment: Payment, coins: dict[str, Coin]) -> None:
    budget, least = payment.gas_budget, gas.minimum_budget(payment.gas_price)
    if budget > gas.MAXIMUM_BUDGET:
        text = f"Gas budget: {budget} is higher than max: {gas.MAXIMUM_BUDGET}"
        raise Refused("GasBudgetTooHigh", text)
    if budget < least:
        raise Refused("GasBudgetTooLow", f"Gas budget: {budget} is lower than min: {least}")
    balance = sum(coins[reference.object_id].balance for reference in payment.gas_objects)
    if balance < budget:
        text = f"Balance of gas object {balance} is lower than the needed amount: {budget}"
        raise Refused("GasBalanceTooLow", text)


def take_locks(state: State, payment: Payment) -> None:
    """Lock the stated versions to this transaction for the epoch, all or none. Raises Refused.

    A validator that signed one transaction over an object version signs no other one over it in
    the same epoch: `IotaError::ObjectLockConflict`.
    """
    keys = [(reference.object_id, reference.version) for reference in payment.objects]
    for key in keys:
        holder = state.locks.get(key, payment.digest)
        if holder != payment.digest:
            text = f"Object {key} already locked by a different transaction: {holder}"
            raise Refused("ObjectLockConflict", text)
    state.locks.update(dict.fromkeys(keys, payment.digest))


def _check_all_used(payment: Payment) -> None:
    """The switch for a network that takes no unused pure input: whether the live one does is not
    confirmed, so there is no error name to borrow."""
    mentioned = json.dumps(payment.commands)
    for index, value in enumerate(payment.inputs):
        if isinstance(value, bytes) and f'{{"Input": {index}}}' not in mentioned:
            raise Refused("Unsupported", f"Feature is not supported: unused pure input {index}")


def _is_empty(command: dict[str, Any]) -> bool:
    merge, transfer = command.get("MergeCoins"), command.get("TransferObjects")
    split = command.get("SplitCoins")
    if merge is not None:
        return not merge["coins_to_merge"]
    if transfer is not None:
        return not transfer["objects"]
    return split is not None and not split["amounts"]


def _signer(signature: sdk.UserSignature) -> str:
    if signature.is_multisig():
        address = signature.as_multisig().committee().derive_address()
    elif signature.is_simple() and signature.as_simple().is_ed25519():
        address = signature.as_simple().ed25519_public_key().derive_address()
    else:
        raise Refused("InvalidSignature", "this network knows ed25519 and multisig only")
    return str(address.to_hex())


def _read_input(value: dict[str, Any]) -> bytes | Reference:
    if "Pure" in value:
        return base64.b64decode(value["Pure"])
    if "ImmutableOrOwned" in value:
        return _read_reference(value["ImmutableOrOwned"])
    raise Refused("Unsupported", f"no {next(iter(value))} inputs on this network")


def _read_reference(value: dict[str, Any]) -> Reference:
    return Reference(value["object_id"], int(value["version"]), value["digest"])
