"""The one door to ``iota_sdk``, an optional package whose versions differ in everything.

Plain ``pip install iota-sdk`` gives a release for a network that no longer exists, under the same
import name: so the exact version is checked, once, before anything is built or signed with it.
"""

from __future__ import annotations

import importlib.metadata
from functools import cache
from types import ModuleType
from typing import Any

from circuits.errors import BadInput, InputReason

SDK_VERSION = "3.0.0b1"
_HINT = "pip install 'zkmeter[iota]'"


@cache
def load() -> ModuleType:
    """The module ``iota_sdk`` 3.0.0b1; ``IOTA_SDK`` where it is absent or another version."""
    try:
        found = importlib.metadata.version("iota-sdk")
    except importlib.metadata.PackageNotFoundError:
        raise BadInput(
            InputReason.IOTA_SDK, f"the package 'iota-sdk' is not installed: {_HINT}"
        ) from None
    if found != SDK_VERSION:
        raise BadInput(
            InputReason.IOTA_SDK, f"iota-sdk {found} is installed, not {SDK_VERSION}: {_HINT}"
        )
    try:
        import iota_sdk
    except (ImportError, OSError) as error:
        raise BadInput(InputReason.IOTA_SDK, f"iota-sdk does not load: {error} ({_HINT})") from None
    module: ModuleType = iota_sdk
    return module


def key_text(public_key: Any) -> str:
    """The SDK's Ed25519 public key as wallets print it: base64 of the flag and the key."""
    return str(load().base64_encode(public_key.to_flagged_bytes()))
