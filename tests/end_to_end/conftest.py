"""A test network for what settles on IOTA."""

from tests.iota_node.fixtures import iota_node, make_iota_node

__all__ = ["iota_node", "make_iota_node"]
