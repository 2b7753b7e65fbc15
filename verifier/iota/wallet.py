"""A wallet: one Ed25519 key in a file that only its owner may read.

The file holds ``iotaprivkey1...`` as the official tools export it, or a seed as 64 hex digits. The
key never leaves this module. Beside a new wallet's file lies a mark, ``.unused``, which holds its
public key until the wallet is first used for settlements: ``take_unused`` takes it away.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from pathlib import Path
from typing import Any

from circuits.errors import BadInput, InputReason
from verifier.files import PRIVATE_MODE, describe, read_file, sync_directory, write_atomic
from verifier.iota.payment import refuse
from verifier.iota.sdk import key_text, load

MAXIMUM_FILE_BYTES = 1024
_SEED = re.compile(r"[0-9a-fA-F]{64}")
_SEED_BYTES = 32


class Wallet:
    """A key that signs transactions; make one with ``create`` or ``load``."""

    def __init__(self, key: Any) -> None:
        self._key = key
        public = key.public_key()
        self.address: str = public.derive_address().to_hex()
        self.public_key: str = key_text(public)

    def __repr__(self) -> str:
        return f"Wallet({self.address})"

    @classmethod
    def create(cls, path: Path | str) -> Wallet:
        """Make a new key in a new file, and its mark; ``FILE_EXISTS`` or ``WRITE_FAILED``."""
        key = load().Ed25519PrivateKey(secrets.token_bytes(_SEED_BYTES))
        line = key.to_bech32().encode() + b"\n"
        write_atomic(path, line, mode=PRIVATE_MODE, overwrite=False)
        made = cls(key)
        write_atomic(_mark(path), made.public_key.encode() + b"\n", mode=PRIVATE_MODE)
        return made

    @classmethod
    def load(cls, path: Path | str) -> Wallet:
        """The wallet in a file; ``FILE_MISSING``, ``FILE_UNREADABLE`` or ``WALLET``.

        ``WALLET`` also where others than the owner may read or write the file.
        """
        sdk = load()
        try:
            text = _read_private(Path(path)).decode("ascii").strip()
            if _SEED.fullmatch(text):
                return cls(sdk.Ed25519PrivateKey(bytes.fromhex(text)))
            return cls(sdk.Ed25519PrivateKey.from_bech32(text))
        except (UnicodeDecodeError, sdk.SdkFfiError):
            raise BadInput(
                InputReason.WALLET,
                f"{path}: expected an Ed25519 key as iotaprivkey1... or a seed of 64 hex digits",
            ) from None

    def sign(self, transaction_bytes: bytes) -> str:
        """The user signature over a transaction's BCS bytes, base64; look at them before.

        ``SETTLEMENT_PLAN`` where the bytes are not a transaction's, and nothing is signed.
        """
        sdk = load()
        try:
            transaction = sdk.Transaction.from_bcs(transaction_bytes)
        except sdk.SdkFfiError:
            raise refuse("not the bytes of a transaction") from None
        if bytes(transaction.to_bcs()) != transaction_bytes:
            raise refuse("not the bytes of a transaction")
        return str(self._key.sign_transaction(transaction).to_base64())


def take_unused(path: Path | str, wallet: Wallet) -> bool:
    """True, once, for a wallet that was made in this file and has not been used for settlements.

    The mark is gone from disk before the answer; ``WRITE_FAILED`` where it cannot be.
    """
    mark = _mark(path)
    try:
        if read_file(mark, MAXIMUM_FILE_BYTES) != wallet.public_key.encode() + b"\n":
            return False
        mark.unlink()
        sync_directory(mark.parent)
    except FileNotFoundError:
        return False  # another process was first
    except BadInput as error:
        if error.reason is not InputReason.FILE_MISSING:
            raise
        return False
    except OSError as error:
        raise BadInput(InputReason.WRITE_FAILED, f"{mark}: {describe(error)}") from None
    return True


def _mark(path: Path | str) -> Path:
    return Path(f"{path}.unused")


def _read_private(path: Path) -> bytes:
    """The content of the very file whose mode was looked at, whatever the path names next."""
    try:
        # a pipe that nobody writes to would be waited for
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            _require_private(path, os.fstat(descriptor).st_mode)
            data = os.read(descriptor, MAXIMUM_FILE_BYTES + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise BadInput(InputReason.FILE_MISSING, f"{path}: no such file") from None
    except OSError as error:
        raise BadInput(InputReason.FILE_UNREADABLE, f"{path}: {describe(error)}") from None
    if len(data) > MAXIMUM_FILE_BYTES:
        raise BadInput(
            InputReason.FILE_UNREADABLE, f"{path}: longer than {MAXIMUM_FILE_BYTES} bytes"
        )
    return data


def _require_private(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise BadInput(InputReason.WALLET, f"{path}: not a regular file")
    if stat.S_IMODE(mode) & 0o077:
        raise BadInput(
            InputReason.WALLET,
            f"{path}: others may use it (mode {stat.S_IMODE(mode):o}): chmod 600",
        )
