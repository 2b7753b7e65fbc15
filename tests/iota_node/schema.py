"""The official GraphQL schema, out of the npm package @iota/iota-sdk in build/npm.

`make node-tools` puts the package there; without it the tests are skipped.
"""

from __future__ import annotations

import functools

import graphql

from tests.iota.node_tools import PACKAGES

IN_PACKAGE = "node_modules/@iota/iota-sdk/src/graphql/generated/*/schema.graphql"
# The SDK (3.0.0b1) asks every checkpoint for a field that the published schema does not have.
CHECKPOINT_BCS = "extend type Checkpoint { bcs: Base64! }"


class SchemaUnavailable(Exception):
    """The npm package is not here."""


@functools.cache
def official_schema(*, checkpoint_bcs: bool) -> graphql.GraphQLSchema:
    """The newest schema of the package; `checkpoint_bcs` adds that field, as newer nodes have it.

    Raises SchemaUnavailable.
    """
    found = sorted(PACKAGES.glob(IN_PACKAGE))
    if not found:
        raise SchemaUnavailable("no @iota/iota-sdk in build/npm: make node-tools")
    schema = graphql.build_schema(found[-1].read_text())
    if checkpoint_bcs:
        schema = graphql.extend_schema(schema, graphql.parse(CHECKPOINT_BCS))
    return schema
