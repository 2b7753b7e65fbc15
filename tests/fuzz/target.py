"""What a fuzz target is: bytes in, the name of an outcome out, and any exception is a finding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


class Finding(Exception):
    """Something that must never happen did: a false accept, or an inverse that is none."""


def require(holds: object, what: str) -> None:
    """Raise ``Finding`` unless ``holds``."""
    if not holds:
        raise Finding(what)


@dataclass(frozen=True)
class Target:
    """``run`` names what came of an input (a reason, or what was accepted).

    ``seeds`` gives valid inputs to start from; ``longest`` bounds the inputs that are made.
    ``dictionary`` holds words that the format understands.
    """

    name: str
    run: Callable[[bytes], str]
    seeds: Callable[[], list[bytes]]
    longest: int
    dictionary: tuple[bytes, ...] = ()
