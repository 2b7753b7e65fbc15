"""GraphQL values of the network's state, as the official schema names them.

A type is a dictionary of field names; a callable is computed when its field is asked for, with
the field's arguments. A field of the schema that is missing here is an error (see graphql.py),
never a silent null.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import iota_sdk as sdk

from tests.iota_node.state import CHECKPOINT_MS, GENESIS_MS, Checkpoint, Coin, Executed, State

View = dict[str, Any]

COIN_TYPE = sdk.StructTag.new_gas_coin().to_canonical_string(True)
CURRENCY = COIN_TYPE.partition("<")[2].rstrip(">")


def coin_view(coin: Coin) -> View:
    """`Object`, whose `bcs` is the whole object's."""
    contents = coin.object.as_struct().contents
    move = {
        "address": coin.object_id,
        "contents": {
            "type": {"repr": COIN_TYPE},
            "bcs": _base64(contents),
            "json": {"id": coin.object_id, "balance": {"value": str(coin.balance)}},
        },
    }
    return {
        "address": coin.object_id,
        "version": coin.version,
        "digest": coin.digest,
        "status": "INDEXED",
        "owner": {"__typename": "AddressOwner", "owner": {"address": coin.owner}},
        "previousTransactionBlock": {"digest": coin.previous_transaction},
        "storageRebate": str(coin.storage_rebate),
        "bcs": _base64(coin.object.to_bcs()),
        "asMoveObject": move,
    }


def checkpoint_view(state: State, checkpoint: Checkpoint) -> View:
    """`Checkpoint`."""
    before = checkpoint.summary.previous_digest()
    return {
        "digest": checkpoint.digest,
        "sequenceNumber": checkpoint.sequence,
        "timestamp": timestamp(checkpoint.timestamp_ms),
        "previousCheckpointDigest": before.to_base58() if before else None,
        "networkTotalTransactions": checkpoint.summary.network_total_transactions(),
        "epoch": lambda: epoch_view(state, checkpoint.epoch, checkpoint),
        "bcs": _base64(checkpoint.summary.to_bcs()),
    }


def transaction_view(state: State, executed: Executed) -> View:
    """`TransactionBlock`, whose `bcs` is the signed transaction's (`SenderSignedData`)."""
    return {
        "digest": executed.digest,
        "sender": {"address": executed.transaction.sender().to_hex()},
        "signatures": [signature.to_base64() for signature in executed.signatures],
        "bcs": _base64(_sender_signed_data(executed)),
        "gasInput": _gas_view(executed),
        "effects": effects_view(state, executed),
        "indexedOnNode": True,
    }


def effects_view(state: State, executed: Executed) -> View:
    """`TransactionBlockEffects`."""
    sequence = executed.checkpoint
    checkpoint = None if sequence is None else state.checkpoints[sequence]
    effects = executed.effects.as_v1()
    return {
        "status": "SUCCESS" if executed.succeeded else "FAILURE",
        "errors": executed.failure,
        "lamportVersion": effects.lamport_version().as_u64(),
        "epoch": lambda: epoch_view(state, effects.epoch(), state.checkpoints[-1]),
        "checkpoint": None if checkpoint is None else checkpoint_view(state, checkpoint),
        "timestamp": None if checkpoint is None else timestamp(checkpoint.timestamp_ms),
        "balanceChanges": lambda **_: _balance_changes(state, executed),
        "transactionBlock": lambda: transaction_view(state, executed),
        "bcs": _base64(executed.effects.to_bcs()),
    }


def _gas_view(executed: Executed) -> View:
    """`GasInput`."""
    payment = executed.transaction.gas_payment()
    return {
        "gasSponsor": {"address": payment.owner.to_hex()},
        "gasPrice": str(payment.price),
        "gasBudget": str(payment.budget),
    }


def _balance_changes(state: State, executed: Executed) -> View:
    """`BalanceChangeConnection`: by owner, what its coins hold more after than before."""
    effects, sums = executed.effects.as_v1(), dict[str, int]()
    written = effects.lamport_version().as_u64()
    for change in effects.changed_objects():
        object_id, before, after = (
            change.object_id.to_hex(),
            change.input_state,
            change.output_state,
        )
        if before.is_DATA():
            coin = state.versions[object_id, before.version.as_u64()]
            sums[coin.owner] = sums.get(coin.owner, 0) - coin.balance
        if after.is_OBJECT_WRITE():
            coin = state.versions[object_id, written]
            sums[coin.owner] = sums.get(coin.owner, 0) + coin.balance
    nodes = [
        {"owner": {"address": owner}, "coinType": {"repr": CURRENCY}, "amount": str(nanos)}
        for owner, nanos in sorted(sums.items())
        if nanos
    ]
    return {"pageInfo": {"hasNextPage": False, "endCursor": None}, "nodes": nodes}


def epoch_view(state: State, epoch: int, latest: Checkpoint) -> View:
    """`Epoch` as known at checkpoint `latest`; what a payment never asks for is null."""
    known = state.checkpoints[: latest.sequence + 1]
    inside = [one for one in known if one.epoch == epoch]
    starts = inside[0].timestamp_ms if inside else GENESIS_MS + len(known) * CHECKPOINT_MS
    ended = bool(inside) and inside[-1].closing
    unknown = (
        "endTimestamp fundInflow fundOutflow fundSize liveObjectSetDigest netInflow "
        "systemStateVersion totalGasFees totalStakeRewards validatorSet"
    )
    return dict.fromkeys(unknown.split()) | {
        "epochId": epoch,
        "referenceGasPrice": str(state.gas_prices[epoch]),
        "startTimestamp": timestamp(starts),
        "endTimestamp": timestamp(inside[-1].timestamp_ms) if ended else None,
        "totalCheckpoints": len(inside),
        "totalTransactions": sum(len(one.transactions) for one in inside),
        "protocolConfigs": {"protocolVersion": 1, "featureFlags": [], "configs": []},
    }


def service_view() -> View:
    """`ServiceConfig`: the defaults in iotaledger/iota, crates/iota-graphql-rpc/src/config.rs."""
    return {
        "defaultPageSize": 20,
        "maxPageSize": 50,
        "enabledFeatures": [],
        "maxMoveValueDepth": 128,
        "maxOutputNodes": 100_000,
        "maxQueryDepth": 20,
        "maxQueryNodes": 300,
        "maxQueryPayloadSize": 5_000,
        "maxTypeArgumentDepth": 16,
        "maxTypeArgumentWidth": 32,
        "maxTypeNodes": 256,
        "mutationTimeoutMs": 74_000,
        "requestTimeoutMs": 40_000,
    }


def timestamp(milliseconds: int) -> str:
    """`DateTime`: ISO 8601 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def _sender_signed_data(executed: Executed) -> bytes:
    """BCS of a vector of one signed transaction: intent (scope, version, app), then signatures."""
    signatures = b"".join(
        _length(len(signature.to_bytes())) + signature.to_bytes()
        for signature in executed.signatures
    )
    content: bytes = executed.transaction.to_bcs()
    return _length(1) + bytes(3) + content + _length(len(executed.signatures)) + signatures


def _length(value: int) -> bytes:
    """ULEB128."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
