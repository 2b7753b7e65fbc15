"""The test network's state: coins by version, executed transactions, locks and checkpoints.

Only what a payment needs exists here: gas coins (0x2::coin::Coin<0x2::iota::IOTA>) owned by
addresses. Addresses and object ids are `0x` and 64 hex digits, digests are base58, amounts nanos,
times milliseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import iota_sdk as sdk

from tests.iota_node.gas import COIN_DEPOSIT, REFERENCE_GAS_PRICE

GENESIS_MS = 1_735_689_600_000  # 2025-01-01, the genesis checkpoint's time
CHECKPOINT_MS = 250  # time between checkpoints: the live network makes about four a second
GENESIS_DIGEST = sdk.TransactionDigest.from_bytes(bytes(32)).to_base58()


@dataclass(frozen=True)
class Coin:
    """One version of one gas coin."""

    object_id: str
    version: int
    owner: str
    balance: int
    previous_transaction: str
    storage_rebate: int = COIN_DEPOSIT

    @cached_property
    def object(self) -> sdk.Object:
        """The coin as the SDK's object."""
        identity = sdk.ObjectId.from_hex(self.object_id)
        contents = identity.to_bytes() + self.balance.to_bytes(8, "little")
        struct = sdk.MoveStruct(
            struct_type=sdk.StructTag.new_gas_coin(),
            version=sdk.Version.from_u64(self.version),
            contents=contents,
        )
        return sdk.Object(
            sdk.ObjectData.new_move_struct(struct),
            sdk.Owner.new_address(sdk.Address.from_hex(self.owner)),
            sdk.TransactionDigest.from_base58(self.previous_transaction),
            self.storage_rebate,
        )

    @cached_property
    def digest(self) -> str:
        """The object digest of this version."""
        return str(self.object.digest().to_base58())

    @property
    def reference(self) -> sdk.ObjectReference:
        """Id, version and digest, as a transaction names the coin."""
        return self.object.object_ref()


@dataclass
class Executed:
    """A transaction that ran, whatever came of it."""

    digest: str
    transaction: sdk.Transaction
    signatures: tuple[sdk.UserSignature, ...]
    effects: sdk.TransactionEffects
    failure: str | None
    checkpoint: int | None = None

    @property
    def succeeded(self) -> bool:
        """Whether its commands took effect."""
        return self.failure is None


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint and the live coins as they were at it; a closing one ends its epoch."""

    sequence: int
    epoch: int
    timestamp_ms: int
    digest: str
    summary: sdk.CheckpointSummary
    transactions: tuple[str, ...]
    coins: dict[str, Coin] = field(repr=False)
    closing: bool = False


@dataclass
class State:
    """The network. Not safe for threads by itself: the node holds one lock around it."""

    epoch: int = 0
    gas_prices: list[int] = field(default_factory=lambda: [REFERENCE_GAS_PRICE])  # by epoch
    live: dict[str, Coin] = field(default_factory=dict)
    versions: dict[tuple[str, int], Coin] = field(default_factory=dict)
    executed: dict[str, Executed] = field(default_factory=dict)
    locks: dict[tuple[str, int], str] = field(default_factory=dict)  # this epoch's only
    checkpoints: list[Checkpoint] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)  # executed, in no checkpoint yet
    minted: int = 0
    burned: int = 0

    def __post_init__(self) -> None:
        self.make_checkpoint()  # genesis

    @property
    def chain_id(self) -> str:
        """The first four bytes of the genesis checkpoint's digest, as hex."""
        return bytes(self.checkpoints[0].summary.digest().to_bytes()[:4]).hex()

    @property
    def reference_gas_price(self) -> int:
        """This epoch's."""
        return self.gas_prices[self.epoch]

    def write(self, coin: Coin) -> None:
        """Store a new version and make it the live one."""
        self.live[coin.object_id] = coin
        self.versions[coin.object_id, coin.version] = coin

    def mint(self, owner: str, nanos: int) -> Coin:
        """A new coin from nothing, with its deposit: genesis funds and the faucet."""
        seed = sdk.TransactionDigest.from_bytes(
            b"faucet".ljust(24, b"\0") + len(self.versions).to_bytes(8, "big")
        )
        coin = Coin(
            object_id=sdk.ObjectId.derive_id(seed, 0).to_hex(),
            version=1,
            owner=owner,
            balance=nanos,
            previous_transaction=GENESIS_DIGEST,
        )
        self.write(coin)
        self.minted += nanos + COIN_DEPOSIT
        return coin

    def owned(self, address: str, coins: dict[str, Coin] | None = None) -> list[Coin]:
        """The coins of an address in order of their ids, live ones or those of a snapshot."""
        held = self.live if coins is None else coins
        return sorted((c for c in held.values() if c.owner == address), key=lambda c: c.object_id)

    def make_checkpoint(self, *, closing: bool = False) -> Checkpoint:
        """Put what is pending into a checkpoint; a `closing` one ends its epoch."""
        included = [self.executed[digest] for digest in self.pending]
        contents = sdk.CheckpointContents.new_v1(
            sdk.CheckpointContentsV1(
                [
                    sdk.CheckpointTransactionInfo(
                        one.transaction.digest(), one.effects.digest(), list(one.signatures)
                    )
                    for one in included
                ]
            )
        )
        sequence = len(self.checkpoints)
        before = self.checkpoints[-1] if self.checkpoints else None
        timestamp = GENESIS_MS + sequence * CHECKPOINT_MS
        summary = sdk.CheckpointSummary(
            self.epoch,
            sequence,
            len(self.executed),
            contents.digest(),
            before.summary.digest() if before else None,
            self._rolling_gas(included, before),
            timestamp,
            [],
            _end_of_epoch() if closing else None,
            b"",
        )
        checkpoint = Checkpoint(
            sequence=sequence,
            epoch=self.epoch,
            timestamp_ms=timestamp,
            digest=summary.digest().to_base58(),
            summary=summary,
            transactions=tuple(self.pending),
            coins=dict(self.live),
            closing=closing,
        )
        for one in included:
            one.checkpoint = sequence
        self.pending.clear()
        self.checkpoints.append(checkpoint)
        return checkpoint

    def advance_epoch(self, reference_gas_price: int | None = None) -> None:
        """Close the epoch with a checkpoint; locks end with it. The price stays if not given."""
        self.make_checkpoint(closing=True)
        self.locks.clear()
        self.gas_prices.append(reference_gas_price or self.reference_gas_price)
        self.epoch += 1

    def _rolling_gas(
        self, included: Sequence[Executed], before: Checkpoint | None
    ) -> sdk.GasCostSummary:
        same_epoch = before is not None and before.epoch == self.epoch
        parts = [before.summary.epoch_rolling_gas_cost_summary()] if before and same_epoch else []
        parts += [one.effects.as_v1().gas_cost_summary() for one in included]
        return sdk.GasCostSummary(
            computation_cost=sum(part.computation_cost for part in parts),
            computation_cost_burned=sum(part.computation_cost_burned for part in parts),
            storage_cost=sum(part.storage_cost for part in parts),
            storage_rebate=sum(part.storage_rebate for part in parts),
            non_refundable_storage_fee=sum(part.non_refundable_storage_fee for part in parts),
        )


def _end_of_epoch() -> sdk.EndOfEpochData:
    return sdk.EndOfEpochData(
        next_epoch_committee=[],
        next_epoch_protocol_version=1,
        epoch_commitments=[],
        epoch_supply_change=0,
    )
