"""Key directories: a secret Ed25519 seed, readable by its owner only, and its public key.

An operator's directory also holds an X25519 pair: devices encrypt readings to it.
"""

from __future__ import annotations

import re
from pathlib import Path

from nacl.public import PrivateKey
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
ENCRYPTION_SECRET_NAME = "encryption.key"
ENCRYPTION_PUBLIC_NAME = "encryption.public.key"
_HEX_KEY = re.compile(r"[0-9a-fA-F]{64}")


def hex_line(data: bytes) -> bytes:
    """Bytes as one line of hex digits, the form of every key and signature file."""
    return data.hex().encode() + b"\n"


def parse_key(text: str, name: str) -> bytes:
    """32 bytes from 64 hex digits; ``KEY`` naming ``name``, never what was found."""
    if not _HEX_KEY.fullmatch(text.strip()):
        raise BadInput(InputReason.KEY, f"{name}: expected 64 hex digits")
    return bytes.fromhex(text.strip())


def create_keys(directory: Path | str, *, encryption: bool = False) -> bytes:
    """Make a new key pair in ``directory`` and return the public key; never overwrites one.

    With ``encryption`` an X25519 pair for readings beside it.
    """
    key = SigningKey.generate()
    files = key_files(key)
    if encryption:
        secret = PrivateKey.generate()
        public = bytes(secret.public_key)
        files.append((ENCRYPTION_SECRET_NAME, hex_line(bytes(secret)), PRIVATE_MODE))
        files.append((ENCRYPTION_PUBLIC_NAME, hex_line(public), PUBLIC_MODE))
    make_directory(directory, mode=0o700)
    write_new_files(directory, files)
    return public_key(key)


def key_files(key: SigningKey) -> list[tuple[str, bytes, int]]:
    """The files of a key directory: name, contents, mode."""
    return [
        (SECRET_NAME, hex_line(bytes(key)), PRIVATE_MODE),
        (PUBLIC_NAME, hex_line(public_key(key)), PUBLIC_MODE),
    ]


def load_keys(directory: Path | str) -> SigningKey:
    """The signing key of a key (or device) directory; ``FILE_MISSING`` or ``KEY``."""
    return SigningKey(_read_secret(Path(directory) / SECRET_NAME))


def load_encryption_key(directory: Path | str) -> bytes:
    """The X25519 secret (32 bytes) of an operator's directory; ``FILE_MISSING`` or ``KEY``."""
    return _read_secret(Path(directory) / ENCRYPTION_SECRET_NAME)


def find_encryption_key(text: str) -> bytes | None:
    """The X25519 public key beside the Ed25519 one that ``text`` names as directory or file.

    None where there is none, so for hex digits; ``KEY`` where the file holds something else.
    """
    path = Path(text)
    folder = path.parent if path.name == PUBLIC_NAME else path
    found = folder / ENCRYPTION_PUBLIC_NAME
    return parse_key(read_text(found), str(found)) if found.is_file() else None


def _read_secret(path: Path) -> bytes:
    try:
        text = read_file(path).decode("ascii")
    except UnicodeDecodeError:
        raise BadInput(InputReason.KEY, f"{path}: expected 64 hex digits") from None
    return parse_key(text, str(path))


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
    if path.name in (SECRET_NAME, ENCRYPTION_SECRET_NAME):
        raise BadInput(InputReason.KEY, f"{name}: {path} is a secret key; give {PUBLIC_NAME}")
    return parse_key(read_text(path), f"{name}: {path}")
