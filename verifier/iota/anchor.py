"""The Merkle root of settled receipts, which rides in the settlement's transaction.

The tree is over the receipts' digests in sequence order. An odd node at the end of a level goes up
unchanged. The root also binds how many receipts there are, so that a path says which of how many
a receipt is, and no inner node can pass for a leaf.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

from circuits.errors import BadInput, InputReason

DIGEST_BYTES = 32
LEAF_PERSON = b"zkm:ancl"
NODE_PERSON = b"zkm:ancn"
ROOT_PERSON = b"zkm:ancr"
MAXIMUM_RECEIPTS = 2**32
_COUNT = struct.Struct("<Q")


def root(digests: Sequence[bytes]) -> bytes:
    """The 32-byte root over one receipt digest or more, each of 32 bytes; else ``ANCHOR``."""
    levels = _levels(digests)
    return _root(len(digests), levels[-1][0])


def path(digests: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The siblings from leaf ``index`` up to the top; levels where it goes up alone have none."""
    levels = _levels(digests)
    if not 0 <= index < len(digests):
        raise BadInput(InputReason.ANCHOR, f"no receipt {index} of {len(digests)}")
    siblings = []
    for level in levels[:-1]:
        if index ^ 1 < len(level):
            siblings.append(level[index ^ 1])
        index >>= 1
    return tuple(siblings)


def verify(
    anchored: bytes, digest: bytes, index: int, count: int, siblings: Sequence[bytes]
) -> None:
    """``ANCHOR`` unless receipt ``index`` of ``count`` under the root ``anchored`` is ``digest``.

    Any bytes and numbers at all may be given.
    """
    if not 0 <= index < count <= MAXIMUM_RECEIPTS:
        raise BadInput(InputReason.ANCHOR, f"no receipt {index} of {count}")
    _require_digests([digest, *siblings])
    node, last, rest = _leaf(digest), count - 1, list(siblings)
    while last > 0:
        if index ^ 1 <= last:
            if not rest:
                raise BadInput(InputReason.ANCHOR, "the path to the root is too short")
            other = rest.pop(0)
            node = _node(other, node) if index & 1 else _node(node, other)
        index, last = index >> 1, last >> 1
    if rest:
        raise BadInput(InputReason.ANCHOR, "the path to the root is too long")
    if _root(count, node) != anchored:
        raise BadInput(InputReason.ANCHOR, "the path does not lead from the receipt to the root")


def _levels(digests: Sequence[bytes]) -> list[list[bytes]]:
    """All levels of the tree, leaves first."""
    if not 1 <= len(digests) <= MAXIMUM_RECEIPTS:
        raise BadInput(InputReason.ANCHOR, "a root is over one receipt or more")
    _require_digests(digests)
    levels = [[_leaf(digest) for digest in digests]]
    while len(levels[-1]) > 1:
        below = levels[-1]
        above = [_node(a, b) for a, b in zip(below[::2], below[1::2], strict=False)]
        levels.append(above + below[len(above) * 2 :])
    return levels


def _require_digests(digests: Sequence[bytes]) -> None:
    if any(len(digest) != DIGEST_BYTES for digest in digests):
        raise BadInput(InputReason.ANCHOR, f"expected digests of {DIGEST_BYTES} bytes")


def _leaf(digest: bytes) -> bytes:
    return hashlib.blake2s(digest, person=LEAF_PERSON).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.blake2s(left + right, person=NODE_PERSON).digest()


def _root(count: int, top: bytes) -> bytes:
    return hashlib.blake2s(_COUNT.pack(count) + top, person=ROOT_PERSON).digest()
