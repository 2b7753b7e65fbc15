"""Queries and the one mutation: checked against the official schema, answered from the state.

A query sees the network at a horizon: the latest checkpoint, or as many before it as the indexer
lags. `Refused` becomes a GraphQL error, as in iotaledger/iota, crates/iota-graphql-rpc/src/
mutation.rs ("Unable to execute transaction"), with the code INTERNAL_SERVER_ERROR: that a
transaction is refused and that the service broke look alike to a client.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import graphql
import iota_sdk as sdk

from tests.iota_node import views
from tests.iota_node.execute import execute
from tests.iota_node.faults import Faults
from tests.iota_node.state import Checkpoint, Coin, Executed, State
from tests.iota_node.transaction import (
    SDK_FAILURES,
    Refused,
    check_validity,
    load_coins,
    read_transaction,
)
from tests.iota_node.views import View

GAS_COIN_TYPES = frozenset({"0x2::coin::Coin", "0x2::coin::Coin<0x2::iota::IOTA>"})
IOTA_TYPES = frozenset({None, "0x2::iota::IOTA", "0x2::coin::Coin<0x2::iota::IOTA>"})
MAXIMUM_PAGE = 50

# All of the specification's rules but one, which the SDK's own dry-run document breaks (`ix` of
# `Input` and of `Result` differ in nullability) and the real node's library does not check.
RULES = [
    rule for rule in graphql.specified_rules if rule is not graphql.OverlappingFieldsCanBeMergedRule
]

Submit = Callable[[str, list[str]], Executed]


def answer(
    schema: graphql.GraphQLSchema, document: str, variables: Any, root: Mapping[str, Any]
) -> dict[str, Any]:
    """The response object for a request; what the schema does not allow gives errors only."""
    try:
        parsed = graphql.parse(document)
    except graphql.GraphQLError as error:
        return {"data": None, "errors": [error.formatted]}
    errors = graphql.validate(schema, parsed, RULES)
    if errors:
        return {"data": None, "errors": [error.formatted for error in errors]}
    result = graphql.execute_sync(
        schema, parsed, root_value=root, variable_values=variables, field_resolver=_resolve
    )
    return dict(result.formatted)


def root_fields(document: str) -> list[str]:
    """The names of the fields at the document's root; none where it does not parse."""
    try:
        parsed = graphql.parse(document)
    except graphql.GraphQLError:
        return []
    return [
        selection.name.value
        for definition in parsed.definitions
        if isinstance(definition, graphql.OperationDefinitionNode)
        for selection in definition.selection_set.selections
        if isinstance(selection, graphql.FieldNode)
    ]


def _resolve(source: Any, info: graphql.GraphQLResolveInfo[Any], **arguments: Any) -> Any:
    if info.field_name not in source:
        where = f"{info.parent_type.name}.{info.field_name}"
        raise graphql.GraphQLError(f"{where} is not modelled by the test node")
    value = source[info.field_name]
    if not callable(value):
        return value
    try:
        return value(**arguments)
    except Refused as error:
        text = f"Internal error occurred while processing request: {error}"
        raise graphql.GraphQLError(text, extensions={"code": "INTERNAL_SERVER_ERROR"}) from error


@dataclass
class Service:
    """The root fields. `submit` executes a transaction and says what came of it."""

    state: State
    faults: Faults
    submit: Submit
    unused_pure: bool

    def root(self) -> View:
        """The root value of queries and mutations."""
        return {
            "chainIdentifier": lambda: self.faults.wrong_chain or self.state.chain_id,
            "serviceConfig": views.service_view(),
            "epoch": self._epoch,
            "checkpoint": self._checkpoint,
            "checkpoints": self._checkpoints,
            "object": self._object,
            "objects": self._objects,
            "owner": self._owner,
            "address": self._owner,
            "transactionBlock": self._transaction,
            "transactionBlocks": self._transactions,
            "isTransactionIndexedOnNode": lambda digest: digest in self.state.executed,
            "dryRunTransactionBlock": self._dry_run,
            "executeTransactionBlock": self._execute,
        }

    @property
    def horizon(self) -> Checkpoint:
        """The checkpoint at which queries see the network."""
        return self.state.checkpoints[max(0, len(self.state.checkpoints) - 1 - self.lag)]

    @property
    def lag(self) -> int:
        """How many checkpoints the indexer is behind."""
        return self.faults.indexer_lag

    def _epoch(self, id: int | None = None) -> View | None:  # noqa: A002 - the schema's name
        current = self.horizon.epoch + (1 if self.horizon.closing else 0)
        wanted = current if id is None else id
        return views.epoch_view(self.state, wanted, self.horizon) if wanted <= current else None

    def _checkpoint(self, id: View | None = None) -> View | None:  # noqa: A002
        wanted = id or {}
        sequence, digest = wanted.get("sequenceNumber"), wanted.get("digest")
        if sequence is None and digest is None:
            return views.checkpoint_view(self.state, self.horizon)
        for checkpoint in self._known_checkpoints():
            if sequence in (None, checkpoint.sequence) and digest in (None, checkpoint.digest):
                return views.checkpoint_view(self.state, checkpoint)
        return None

    def _checkpoints(self, **page: Any) -> View:
        return _page(
            {_key(one.sequence): one for one in self._known_checkpoints()},
            lambda one: views.checkpoint_view(self.state, one),
            **page,
        )

    def _object(self, address: str, version: int | None = None) -> View | None:
        object_id = _identity(address)
        coin = self.horizon.coins.get(object_id)
        if version is not None and (coin is None or coin.version != version):
            coin = self.state.versions.get((object_id, version))
            if coin is not None and not self._version_is_known(coin):
                coin = None
        return None if coin is None else views.coin_view(coin)

    def _objects(self, filter: View | None = None, **page: Any) -> View:  # noqa: A002
        wanted = filter or {}
        if wanted.get("objectKeys") is not None:
            raise Refused("Unsupported", "objectKeys is not modelled by the test node")
        coins = {key: coin for key, coin in self.horizon.coins.items() if _matches(coin, wanted)}
        return _page(coins, views.coin_view, **page)

    def _owner(self, address: str) -> View:
        owner = _identity(address)
        coins = self.state.owned(owner, self.horizon.coins)

        def balance(type: str | None = None) -> View | None:  # noqa: A002
            if type not in IOTA_TYPES:
                return None
            return {
                "coinType": {"repr": views.COIN_TYPE},
                "coinObjectCount": len(coins),
                "totalBalance": str(sum(coin.balance for coin in coins)),
            }

        return {"address": owner, "balance": balance}

    def _transaction(self, digest: str) -> View | None:
        executed = self.state.executed.get(digest)
        if executed is None or not self._is_visible(executed):
            return None
        return views.transaction_view(self.state, executed)

    def _transactions(self, filter: View | None = None, **page: Any) -> View:  # noqa: A002
        page.pop("scanLimit", None)
        wanted = {key: value for key, value in (filter or {}).items() if value is not None}
        unknown = wanted.keys() - {
            "sentAddress", "transactionIds", "atCheckpoint", "afterCheckpoint"
        }  # fmt: skip
        if unknown:
            raise Refused("Unsupported", f"{sorted(unknown)} are not modelled by the test node")
        after = wanted.get("afterCheckpoint", -1)
        # what lies behind a checkpoint that it has forgotten, the official service does not list:
        # iotaledger/iota, crates/iota-graphql-rpc/src/types/transaction_block/tx_lookups.rs
        forgotten = 0 <= after < self.faults.pruned_below
        found = {
            _key(index): one
            for index, one in enumerate(self.state.executed.values())
            if one.checkpoint is not None
            and not forgotten
            and self._is_visible(one)
            and wanted.get("atCheckpoint", one.checkpoint) == one.checkpoint
            and after < one.checkpoint
            and one.digest in wanted.get("transactionIds", [one.digest])
            and wanted.get("sentAddress") in (None, one.transaction.sender().to_hex())
        }
        return _page(found, lambda one: views.transaction_view(self.state, one), **page)

    def _dry_run(
        self,
        txBytes: str,  # noqa: N803 - these are the schema's names
        txMeta: View | None = None,  # noqa: N803
        skipChecks: bool | None = None,  # noqa: N803
    ) -> View:
        try:
            content = base64.b64decode(txBytes)
            if txMeta is None:
                transaction = sdk.Transaction.from_bcs(content)
            else:
                transaction = _with_meta(sdk.TransactionKind.from_bcs(content), txMeta)
        except (ValueError, *SDK_FAILURES) as error:
            raise Refused("TransactionSerialization", str(error)) from error
        payment = read_transaction(transaction)
        check_validity(self.state, payment, unused_pure=self.unused_pure)
        coins = load_coins(self.state, payment)
        outcome = execute(payment, coins, self.state.epoch)
        ran = Executed(payment.digest, transaction, (), outcome.effects, outcome.failure)
        block = views.transaction_view(self.state, ran) | {"bcs": None}  # nothing was signed
        return {"error": outcome.failure, "results": [], "transaction": block}

    def _execute(self, txBytes: str, signatures: list[str]) -> View:  # noqa: N803
        try:
            executed = self.submit(txBytes, signatures)
        except Refused as error:
            raise Refused("Unable to execute transaction", str(error)) from error
        return {
            "errors": None if executed.failure is None else [executed.failure],
            "effects": views.effects_view(self.state, executed),
        }

    def _known_checkpoints(self) -> list[Checkpoint]:
        return self.state.checkpoints[self.faults.pruned_below : self.horizon.sequence + 1]

    def _is_visible(self, executed: Executed) -> bool:
        """The service asks the node for what is in no checkpoint yet, unless it lags."""
        if executed.checkpoint is None:
            return self.lag == 0
        return self.faults.pruned_below <= executed.checkpoint <= self.horizon.sequence

    def _version_is_known(self, coin: Coin) -> bool:
        executed = self.state.executed.get(coin.previous_transaction)
        if executed is None:
            return self.faults.pruned_below == 0
        return self._is_visible(executed)


def _matches(coin: Coin, wanted: View) -> bool:
    owner, identities, kind = wanted.get("owner"), wanted.get("objectIds"), wanted.get("type")
    return (
        (owner is None or _identity(owner) == coin.owner)
        and (identities is None or coin.object_id in map(_identity, identities))
        and (kind is None or kind in GAS_COIN_TYPES)
    )


def _page(
    items: Mapping[str, Any],
    view: Callable[[Any], View],
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> View:
    """A connection over the items in the order of their keys; a cursor is a key in base64."""
    if first is not None and last is not None:
        raise Refused("BAD_USER_INPUT", "'first' and 'last' must not be used together")
    size = first if first is not None else last if last is not None else 20
    if size > MAXIMUM_PAGE:
        raise Refused("BAD_USER_INPUT", f"page size {size} exceeds the maximum of {MAXIMUM_PAGE}")
    keys = sorted(items)
    lower = None if after is None else base64.b64decode(after).decode()
    upper = None if before is None else base64.b64decode(before).decode()
    inside = [
        key for key in keys if (lower is None or key > lower) and (upper is None or key < upper)
    ]
    shown = inside[:size] if last is None else inside[max(0, len(inside) - size) :]
    cursors = [base64.b64encode(key.encode()).decode() for key in shown]
    nodes = [view(items[key]) for key in shown]
    return {
        "pageInfo": {
            "hasPreviousPage": bool(shown) and shown[0] != keys[0],
            "hasNextPage": bool(shown) and shown[-1] != keys[-1],
            "startCursor": cursors[0] if cursors else None,
            "endCursor": cursors[-1] if cursors else None,
        },
        "nodes": nodes,
        "edges": [{"cursor": c, "node": node} for c, node in zip(cursors, nodes, strict=True)],
    }


def _with_meta(kind: sdk.TransactionKind, meta: View) -> sdk.Transaction:
    """A transaction of a kind and the gas that the dry run's caller names."""
    objects = [
        sdk.ObjectReference(
            object_id=sdk.ObjectId.from_hex(one["address"]),
            version=sdk.Version.from_u64(one["version"]),
            digest=sdk.ObjectDigest.from_base58(one["digest"]),
        )
        for one in meta.get("gasObjects") or []
    ]
    sender = sdk.Address.from_hex(meta["sender"])
    gas = sdk.GasPayment(
        objects=objects,
        owner=sdk.Address.from_hex(meta.get("gasSponsor") or meta["sender"]),
        price=meta["gasPrice"],
        budget=meta["gasBudget"],
    )
    body = sdk.TransactionV1(kind, sender, gas, sdk.TransactionExpiration.NONE())
    return sdk.Transaction.new_v1(body)


def _identity(address: str) -> str:
    """The long form of an address, of which clients may leave leading zeroes out."""
    return "0x" + address.removeprefix("0x").lower().rjust(64, "0")


def _key(number: int) -> str:
    return f"{number:016d}"
