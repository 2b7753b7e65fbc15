"""Key directories: a secret Ed25519 seed, readable by its owner only, and its public key."""

from __future__ import annotations

import re
from pathlib import Path

from nacl.signing import SigningKey

from circuits.errors import BadInput, InputReason
from verifier.files import (
    PRIVATE_MODE,
    PUBLIC_MODE,
    make_directory,
    read_file,
    read_text,
    write_new_files,
)
from verifier.signatures import public_key

SECRET_NAME = "secret.key"
PUBLIC_NAME = "public.key"
_HEX_KEY = re.compile(r"[0-9a-fA-F]{64}")


def hex_line(data: bytes) -> bytes:
    """Bytes as one line of hex digits, the form of every key and signature file."""
    return data.hex().encode() + b"\n"


def parse_key(text: str, name: str) -> bytes:
    """32 bytes from 64 hex digits; ``KEY`` naming ``name``, never what was found."""
    if not _HEX_KEY.fullmatch(text.strip()):
        raise BadInput(InputReason.KEY, f"{name}: expected 64 hex digits")
    return bytes.fromhex(text.strip())


def create_keys(directory: Path | str) -> bytes:
    """Make a new key pair in ``directory`` and return the public key; never overwrites one."""
    key = SigningKey.generate()
    make_directory(directory, mode=0o700)
    write_new_files(directory, key_files(key))
    return public_key(key)


def key_files(key: SigningKey) -> list[tuple[str, bytes, int]]:
    """The files of a key directory: name, contents, mode."""
    return [
        (SECRET_NAME, hex_line(bytes(key)), PRIVATE_MODE),
        (PUBLIC_NAME, hex_line(public_key(key)), PUBLIC_MODE),
    ]


def load_keys(directory: Path | str) -> SigningKey:
    """The signing key of a key (or device) directory; ``FILE_MISSING`` or ``KEY``."""
    path = Path(directory) / SECRET_NAME
    try:
        text = read_file(path).decode("ascii")
    except UnicodeDecodeError:
        raise BadInput(InputReason.KEY, f"{path}: expected 64 hex digits") from None
    return SigningKey(parse_key(text, str(path)))


def resolve_public_key(text: str, name: str) -> bytes:
    """A public key given as 64 hex digits, a key or device directory, or a public key file.

    ``name`` is what the argument is called in the error message.
    """
    if _HEX_KEY.fullmatch(text):
        return bytes.fromhex(text)
    path = Path(text)
    if path.is_dir():
        path = path / PUBLIC_NAME
    if not path.exists():
        raise BadInput(
            InputReason.KEY,
            f"{name}: expected 64 hex digits, a key directory or a public key file",
        )
    if path.name == SECRET_NAME:
        raise BadInput(InputReason.KEY, f"{name}: {path} is a secret key; give {PUBLIC_NAME}")
    return parse_key(read_text(path), f"{name}: {path}")
