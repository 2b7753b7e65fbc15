"""Anchors: every receipt has one path to the root, and nothing else has any."""

from __future__ import annotations

import hashlib

import pytest

from circuits.errors import BadInput, InputReason
from verifier.iota import anchor

DIGESTS = [hashlib.sha256(bytes([n])).digest() for n in range(40)]
COUNTS = range(1, 41)


def refused(root: bytes, digest: bytes, index: int, count: int, path: list[bytes]) -> bool:
    with pytest.raises(BadInput) as caught:
        anchor.verify(root, digest, index, count, path)
    assert caught.value.reason is InputReason.ANCHOR
    return True


def test_known_answers() -> None:
    """By hand, as docs/protocol.md says it."""

    def hashed(person: bytes, data: bytes) -> bytes:
        return hashlib.blake2s(data, person=person).digest()

    a, b, c = (hashed(b"zkm:ancl", digest) for digest in DIGESTS[:3])
    one = hashed(b"zkm:ancr", bytes([1, 0, 0, 0, 0, 0, 0, 0]) + a)
    top = hashed(b"zkm:ancn", hashed(b"zkm:ancn", a + b) + c)
    assert anchor.root(DIGESTS[:1]) == one
    assert anchor.root(DIGESTS[:3]) == hashed(b"zkm:ancr", bytes([3, 0, 0, 0, 0, 0, 0, 0]) + top)
    assert anchor.path(DIGESTS[:3], 2) == (hashed(b"zkm:ancn", a + b),)


@pytest.mark.parametrize("count", COUNTS)
def test_paths_of_every_size(count: int) -> None:
    digests = DIGESTS[:count]
    root = anchor.root(digests)
    for index, digest in enumerate(digests):
        path = list(anchor.path(digests, index))
        anchor.verify(root, digest, index, count, path)
        assert all(
            refused(root, digest, other, count, path) for other in range(count) if other != index
        )
        assert all(
            refused(root, digest, index, other, path)
            for other in (*COUNTS, 2**32)
            if other != count
        )
        assert refused(root, hashlib.sha256(digest).digest(), index, count, path)
        assert refused(root, digest, index, count, [*path, digest])
        assert not path or refused(root, digest, index, count, path[:-1])
        for level in range(len(path)):
            forged = [*path[:level], digest, *path[level + 1 :]]
            assert refused(root, digest, index, count, forged)


def test_roots_differ_in_order_count_and_content() -> None:
    roots = {anchor.root(DIGESTS[:count]) for count in COUNTS}
    roots.add(anchor.root([DIGESTS[1], DIGESTS[0], *DIGESTS[2:]]))
    roots.add(anchor.root([*DIGESTS, DIGESTS[-1]]))  # the odd node is not simply doubled
    roots.add(anchor.root([*DIGESTS[:39], DIGESTS[39], DIGESTS[39]]))
    assert len(roots) == len(COUNTS) + 2


@pytest.mark.reason(InputReason.ANCHOR)
def test_an_inner_node_is_no_receipt() -> None:
    """Second preimages: four receipts do not have the root of the two nodes above them."""
    leaves = [hashlib.blake2s(d, person=b"zkm:ancl").digest() for d in DIGESTS[:4]]
    nodes = [
        hashlib.blake2s(a + b, person=b"zkm:ancn").digest()
        for a, b in zip(leaves[::2], leaves[1::2], strict=True)
    ]
    root = anchor.root(DIGESTS[:4])
    assert anchor.root(nodes) != root
    for index, node in enumerate(nodes):
        assert refused(root, node, index, 2, [nodes[1 - index]])
        assert refused(root, node, index, 4, [nodes[1 - index]])


@pytest.mark.parametrize(
    ("digests", "index"), [([], 0), ([b"short"], 0), (DIGESTS[:3], 3), (DIGESTS[:3], -1)]
)
@pytest.mark.reason(InputReason.ANCHOR)
def test_bad_requests(digests: list[bytes], index: int) -> None:
    with pytest.raises(BadInput) as caught:
        anchor.path(digests, index)
    assert caught.value.reason is InputReason.ANCHOR
    assert refused(bytes(32), b"short", 0, 1, [])
    assert refused(bytes(32), bytes(32), -1, 1, [])
