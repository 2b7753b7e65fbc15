"""What tests say to a node: the SDK's own client, one call at a time, and transactions for it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import iota_sdk as sdk

from tests.iota_node.node import IotaNode
from tests.iota_node.state import Coin

BUDGET = 5_000_000
PATIENCE_SECONDS = 10.0
FAILURES = (sdk.SdkFfiError, sdk.InternalError, TimeoutError)


def ask(node: IotaNode, method: str, *arguments: Any, patience: float = PATIENCE_SECONDS) -> Any:
    """The answer of `GraphQlClient.<method>`. Raises one of FAILURES."""

    async def call() -> Any:
        client = sdk.GraphQlClient(node.url)
        return await asyncio.wait_for(getattr(client, method)(*arguments), patience)

    return asyncio.run(call())


def send(
    node: IotaNode, transaction: sdk.Transaction, *signatures: sdk.UserSignature, **options: Any
) -> sdk.TransactionEffectsV1:
    """The effects of executing a transaction. Raises one of FAILURES."""
    return ask(node, "execute_transaction", list(signatures), transaction, **options).as_v1()


@dataclass(frozen=True)
class Party:
    """A key and its address."""

    key: sdk.Ed25519PrivateKey

    @classmethod
    def of(cls, seed: int) -> Party:
        """The party whose secret is 32 times the byte `seed`."""
        return cls(sdk.Ed25519PrivateKey(bytes([seed]) * 32))

    @property
    def address(self) -> str:
        """`0x` and 64 hex digits."""
        return str(self.key.public_key().derive_address().to_hex())

    @property
    def member(self) -> sdk.MultisigMember:
        """A committee member of weight 1."""
        flagged = b"\0" + self.key.public_key().to_bytes()
        key = sdk.PublicKey.from_base64(base64.b64encode(flagged).decode())
        return sdk.MultisigMember(key, 1)

    def sign(self, transaction: sdk.Transaction) -> sdk.UserSignature:
        """This party's signature."""
        return self.key.sign_transaction(transaction)


@dataclass(frozen=True)
class Group:
    """A multisig account of parties of equal weight."""

    parties: tuple[Party, ...]
    threshold: int = 2

    @property
    def committee(self) -> sdk.MultisigCommittee:
        """The committee in the order of the parties."""
        return sdk.MultisigCommittee([party.member for party in self.parties], self.threshold)

    @property
    def address(self) -> str:
        """The account's address."""
        return str(self.committee.derive_address().to_hex())

    def sign(self, transaction: sdk.Transaction, *signers: Party) -> sdk.UserSignature:
        """The account's signature by these members, however few."""
        shares = [signer.sign(transaction) for signer in signers]
        return sdk.UserSignature.new_multisig(
            sdk.MultisigAggregatedSignature(shares, self.committee)
        )


def program(
    sender: str,
    inputs: Sequence[sdk.Input],
    commands: Sequence[sdk.Command],
    gas: Sequence[sdk.ObjectReference],
    *,
    owner: str | None = None,
    price: int = 1_000,
    budget: int = BUDGET,
    expiry: int | None = None,
) -> sdk.Transaction:
    """A transaction of any inputs and commands; gas is the sender's where no `owner` is named."""
    kind = sdk.TransactionKind.new_programmable(
        sdk.ProgrammableTransaction(list(inputs), list(commands))
    )
    payment = sdk.GasPayment(
        objects=list(gas),
        owner=sdk.Address.from_hex(owner or sender),
        price=price,
        budget=budget,
    )
    end = sdk.TransactionExpiration
    expiration = end.NONE() if expiry is None else end.EPOCH(expiry)
    body = sdk.TransactionV1(kind, sdk.Address.from_hex(sender), payment, expiration)
    return sdk.Transaction.new_v1(body)


def pay(
    sender: str,
    coins: Sequence[Coin],
    payee: str,
    nanos: int,
    *,
    extra: Sequence[sdk.Input] = (),
    **options: Any,
) -> sdk.Transaction:
    """A payment out of gas coins: all are smashed, the amount is split off and transferred."""
    split = sdk.SplitCoins(sdk.Argument.new_gas(), [sdk.Argument.new_input(0)])
    return program(
        sender,
        [amount(nanos), destination(payee), *extra],
        [sdk.Command.new_split_coins(split), _transfer(sdk.Argument.new_result(0))],
        [coin.reference for coin in coins],
        **options,
    )


def pay_sponsored(
    sender: str,
    coins: Sequence[Coin],
    payee: str,
    nanos: int,
    *,
    sponsor: str,
    gas: Sequence[Coin],
    **options: Any,
) -> sdk.Transaction:
    """A payment out of the sender's first coin, the others merged into it; `sponsor` pays gas."""
    count = len(coins)
    first, *others = [sdk.Argument.new_input(2 + index) for index in range(count)]
    commands = [] if not others else [sdk.Command.new_merge_coins(sdk.MergeCoins(first, others))]
    split = sdk.SplitCoins(first, [sdk.Argument.new_input(0)])
    result = sdk.Argument.new_result(len(commands))
    commands += [sdk.Command.new_split_coins(split), _transfer(result)]
    return program(
        sender,
        [amount(nanos), destination(payee), *(owned(coin) for coin in coins)],
        commands,
        [coin.reference for coin in gas],
        owner=sponsor,
        **options,
    )


def amount(nanos: int) -> sdk.Input:
    """A pure u64."""
    return sdk.Input.new_pure(nanos.to_bytes(8, "little"))


def destination(address: str) -> sdk.Input:
    """A pure address."""
    return sdk.Input.new_pure(bytes.fromhex(address.removeprefix("0x")))


def owned(coin: Coin) -> sdk.Input:
    """A coin as an input."""
    return sdk.Input.new_immutable_or_owned(coin.reference)


def _transfer(argument: sdk.Argument) -> sdk.Command:
    """Send a result to the address in input 1."""
    return sdk.Command.new_transfer_objects(
        sdk.TransferObjects([argument], sdk.Argument.new_input(1))
    )
