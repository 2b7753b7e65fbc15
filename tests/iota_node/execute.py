"""Execution of native commands over gas coins, gas charging and effects.

What follows the real node, iotaledger/iota, iota-execution/latest/iota-adapter/src:
`programmable_transactions/{execution,context}.rs` for commands and arguments, `gas_charger.rs`
for smashing and charging. A failed execution still moves every input to the next version, smashes
the gas coins and charges computation; its reason is one of `ExecutionFailureStatus`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import iota_sdk as sdk

from tests.iota_node.gas import COIN_DEPOSIT, GasUsed, computation_cost
from tests.iota_node.state import Coin, Executed, State
from tests.iota_node.transaction import Payment

U64_MAXIMUM = 2**64 - 1


class Failed(Exception):
    """A command failed: the transaction executes as a failure."""

    def __init__(self, error: sdk.ExecutionError, command: int | None) -> None:
        super().__init__(error.to_display_string())
        self.error = error
        self.command = command


@dataclass
class Held:
    """A coin while commands run; the owner of a new one is empty until it is sent."""

    object_id: str
    owner: str
    balance: int


@dataclass(frozen=True)
class Outcome:
    """What an execution writes, removes and charges."""

    effects: sdk.TransactionEffects
    written: tuple[Coin, ...]
    removed: tuple[str, ...]
    gas: GasUsed
    failure: str | None


def execute(payment: Payment, coins: dict[str, Coin], epoch: int) -> Outcome:
    """Run a checked transaction over its loaded coins; changes no state."""
    computation = computation_cost(len(coins), payment.gas_price)
    failure: Failed | None = None
    try:
        after = _Commands(payment, coins).run()
        if payment.gas_budget <= computation:
            raise Failed(sdk.ExecutionError.INSUFFICIENT_GAS(), None)
        used = _charge(coins, after, computation)
        if used.net > payment.gas_budget:
            raise Failed(sdk.ExecutionError.INSUFFICIENT_GAS(), None)
    except Failed as error:
        failure = error
        after = _smashed(payment, coins)
        # Every coin carries its full deposit, so touching the inputs again costs no deposit.
        used = _charge(coins, after, min(computation, payment.gas_budget))
    after[payment.gas_objects[0].object_id].balance -= used.net
    return _outcome(payment, coins, after, used, failure, epoch)


def commit(
    state: State, payment: Payment, signatures: Sequence[sdk.UserSignature], outcome: Outcome
) -> Executed:
    """Write an outcome into the state; the transaction then waits for a checkpoint."""
    for object_id in outcome.removed:
        del state.live[object_id]
    for coin in outcome.written:
        state.write(coin)
    state.burned += outcome.gas.computation
    executed = Executed(
        payment.digest, payment.transaction, tuple(signatures), outcome.effects, outcome.failure
    )
    state.executed[payment.digest] = executed
    state.pending.append(payment.digest)
    return executed


class _Commands:
    """One run of a transaction's commands. Arguments that cannot be had raise Failed."""

    def __init__(self, payment: Payment, coins: dict[str, Coin]) -> None:
        self.payment = payment
        self.held = _smashed(payment, coins)
        self.gas = self.held[payment.gas_objects[0].object_id]
        self.gas.balance -= payment.gas_budget  # set aside while commands run (context.rs)
        self.inputs: list[bytes | Held] = [
            value if isinstance(value, bytes) else self.held[value.object_id]
            for value in payment.inputs
        ]
        self.results: list[list[Held]] = []
        self.moved: set[str] = set()  # taken by value: not to be used again
        self.fresh = 0
        self.command = 0

    def run(self) -> dict[str, Held]:
        """The coins after the commands, by id."""
        for index, command in enumerate(self.payment.commands):
            self.command = index
            if "SplitCoins" in command:
                self.results.append(self._split(**command["SplitCoins"]))
            elif "MergeCoins" in command:
                self._merge(**command["MergeCoins"])
                self.results.append([])
            else:
                self._transfer(**command["TransferObjects"])
                self.results.append([])
        self._check_nothing_is_left()
        self.gas.balance += self.payment.gas_budget
        return self.held

    def _split(self, coin: Any, amounts: list[Any]) -> list[Held]:
        source = self._borrow(0, coin)
        parts = []
        for argument in amounts:
            nanos = int.from_bytes(self._pure(1, argument, 8), "little")
            if nanos > source.balance:
                raise self._failed(sdk.ExecutionError.INSUFFICIENT_COIN_BALANCE())
            source.balance -= nanos
            digest = sdk.TransactionDigest.from_base58(self.payment.digest)
            identity = sdk.ObjectId.derive_id(digest, self.fresh).to_hex()
            self.fresh += 1
            part = Held(identity, "", nanos)
            self.held[identity] = part
            parts.append(part)
        return parts

    def _merge(self, coin: Any, coins_to_merge: list[Any]) -> None:
        target = self._borrow(0, coin)
        for index, argument in enumerate(coins_to_merge, start=1):
            part = self._take(index, argument)
            if part is target:
                raise self._argument(index, sdk.CommandArgumentError.INVALID_VALUE_USAGE())
            if part is self.gas:
                raise self._argument(index, sdk.CommandArgumentError.INVALID_GAS_COIN_USAGE())
            if target.balance + part.balance > U64_MAXIMUM:
                raise self._failed(sdk.ExecutionError.COIN_BALANCE_OVERFLOW())
            target.balance += part.balance
            del self.held[part.object_id]

    def _transfer(self, objects: list[Any], address: Any) -> None:
        parts = [self._take(index, argument) for index, argument in enumerate(objects)]
        payee = "0x" + self._pure(len(objects), address, 32).hex()
        for part in parts:
            part.owner = payee

    def _resolve(self, index: int, argument: Any) -> bytes | Held:
        errors = sdk.CommandArgumentError
        if argument == "Gas":
            return self.gas
        kind, value = next(iter(argument.items()))
        if kind == "Input":
            place = int(value)
            if place >= len(self.inputs):
                raise self._argument(index, errors.INDEX_OUT_OF_BOUNDS(place))
            return self.inputs[place]
        command, part = map(int, value) if kind == "NestedResult" else (int(value), None)
        if command >= len(self.results):
            raise self._argument(index, errors.INDEX_OUT_OF_BOUNDS(command))
        results = self.results[command]
        if part is None:
            if len(results) != 1:
                raise self._argument(index, errors.INVALID_RESULT_ARITY(command))
            return results[0]
        if part >= len(results):
            raise self._argument(index, errors.SECONDARY_INDEX_OUT_OF_BOUNDS(command, part))
        return results[part]

    def _borrow(self, index: int, argument: Any) -> Held:
        value = self._resolve(index, argument)
        if isinstance(value, bytes):
            raise self._argument(index, sdk.CommandArgumentError.INVALID_USAGE_OF_PURE_ARGUMENT())
        if value.object_id in self.moved:
            raise self._argument(index, sdk.CommandArgumentError.INVALID_VALUE_USAGE())
        return value

    def _take(self, index: int, argument: Any) -> Held:
        value = self._borrow(index, argument)
        self.moved.add(value.object_id)
        return value

    def _pure(self, index: int, argument: Any, size: int) -> bytes:
        value = self._resolve(index, argument)
        if not isinstance(value, bytes):
            raise self._argument(index, sdk.CommandArgumentError.TYPE_MISMATCH())
        if len(value) != size:
            raise self._argument(index, sdk.CommandArgumentError.INVALID_BCS_BYTES())
        return value

    def _check_nothing_is_left(self) -> None:
        """A split coin that went nowhere has no `drop`."""
        for command, results in enumerate(self.results):
            for part, value in enumerate(results):
                if value.object_id not in self.moved:
                    raise Failed(sdk.ExecutionError.UNUSED_VALUE_WITHOUT_DROP(command, part), None)

    def _argument(self, index: int, kind: sdk.CommandArgumentError) -> Failed:
        return self._failed(sdk.ExecutionError.COMMAND_ARGUMENT(index, kind))

    def _failed(self, error: sdk.ExecutionError) -> Failed:
        return Failed(error, self.command)


def _smashed(payment: Payment, coins: dict[str, Coin]) -> dict[str, Held]:
    """The loaded coins with all gas coins merged into the first."""
    held = {key: Held(key, coin.owner, coin.balance) for key, coin in coins.items()}
    first, *others = (reference.object_id for reference in payment.gas_objects)
    for object_id in others:
        held[first].balance += held.pop(object_id).balance
    return held


def _charge(coins: dict[str, Coin], after: dict[str, Held], computation: int) -> GasUsed:
    return GasUsed(
        computation=computation,
        storage_cost=len(after) * COIN_DEPOSIT,
        storage_rebate=sum(coin.storage_rebate for coin in coins.values()),
    )


def _outcome(
    payment: Payment,
    coins: dict[str, Coin],
    after: dict[str, Held],
    used: GasUsed,
    failure: Failed | None,
    epoch: int,
) -> Outcome:
    version = 1 + max(coin.version for coin in coins.values())
    written = {
        held.object_id: Coin(
            held.object_id, version, held.owner, held.balance, payment.digest, COIN_DEPOSIT
        )
        for held in after.values()
    }
    identities = sorted(coins.keys() | written.keys())
    effects = sdk.TransactionEffectsV1(
        _status(failure),
        epoch,
        sdk.GasCostSummary(
            computation_cost=used.computation,
            computation_cost_burned=used.computation,
            storage_cost=used.storage_cost,
            storage_rebate=used.storage_rebate,
            non_refundable_storage_fee=0,
        ),
        payment.transaction.digest(),
        identities.index(payment.gas_objects[0].object_id),
        None,
        _dependencies(coins),
        sdk.Version.from_u64(version),
        [_change(key, coins.get(key), written.get(key)) for key in identities],
        [],
        None,
    )
    return Outcome(
        effects=sdk.TransactionEffects.new_v1(effects),
        written=tuple(written.values()),
        removed=tuple(key for key in coins if key not in written),
        gas=used,
        failure=None if failure is None else f"{failure} in command {failure.command}",
    )


def _status(failure: Failed | None) -> sdk.ExecutionStatus:
    if failure is None:
        return sdk.ExecutionStatus.SUCCESS()
    return sdk.ExecutionStatus.FAILURE(failure.error, failure.command)


def _dependencies(coins: dict[str, Coin]) -> list[sdk.TransactionDigest]:
    previous = {coin.previous_transaction for coin in coins.values()}
    digests = [sdk.TransactionDigest.from_base58(text) for text in previous]
    return sorted(digests, key=lambda digest: digest.to_bytes())


def _change(object_id: str, before: Coin | None, after: Coin | None) -> sdk.ChangedObject:
    operation = sdk.IdOperation.NONE
    if before is None:
        operation = sdk.IdOperation.CREATED
    elif after is None:
        operation = sdk.IdOperation.DELETED
    return sdk.ChangedObject(
        object_id=sdk.ObjectId.from_hex(object_id),
        input_state=sdk.ObjectIn.MISSING()
        if before is None
        else sdk.ObjectIn.DATA(
            version=before.object.version(),
            digest=before.object.digest(),
            owner=before.object.owner(),
        ),
        output_state=sdk.ObjectOut.MISSING()
        if after is None
        else sdk.ObjectOut.OBJECT_WRITE(digest=after.object.digest(), owner=after.object.owner()),
        id_operation=operation,
    )
