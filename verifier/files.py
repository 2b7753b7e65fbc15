"""Reading and writing files so that a failure is one line and nothing is left half-written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from circuits.errors import BadInput, InputReason

PRIVATE_MODE = 0o600
PUBLIC_MODE = 0o644


def describe(error: OSError) -> str:
    """The operating system's own words for what went wrong, without the number and the path."""
    return error.strerror or type(error).__name__


def read_file(path: Path | str, limit_bytes: int | None = None) -> bytes:
    """The bytes of a file; ``FILE_MISSING``, or ``FILE_UNREADABLE`` also beyond the limit."""
    try:
        with Path(path).open("rb") as file:
            data = file.read() if limit_bytes is None else file.read(limit_bytes + 1)
    except FileNotFoundError:
        raise BadInput(InputReason.FILE_MISSING, f"{path}: no such file") from None
    except OSError as error:
        raise BadInput(InputReason.FILE_UNREADABLE, f"{path}: {describe(error)}") from None
    if limit_bytes is not None and len(data) > limit_bytes:
        raise BadInput(InputReason.FILE_UNREADABLE, f"{path}: longer than {limit_bytes} bytes")
    return data


def read_text(path: Path | str, limit_bytes: int | None = None) -> str:
    """The text of a UTF-8 file; ``FILE_MISSING`` or ``FILE_UNREADABLE``."""
    try:
        return read_file(path, limit_bytes).decode("utf-8")
    except UnicodeDecodeError:
        raise BadInput(InputReason.FILE_UNREADABLE, f"{path}: not UTF-8 text") from None


def sync_directory(path: Path) -> None:
    """Flush a directory entry to disk, so that a rename survives a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path | str, mode: int = 0o755) -> None:
    """Make a directory (and its parents) unless it is there; ``WRITE_FAILED``."""
    try:
        Path(path).mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(InputReason.WRITE_FAILED, f"{path}: {describe(error)}") from None


def require_writable(path: Path | str) -> None:
    """``WRITE_FAILED`` when a file could not be put here: asked before long work, and by writers.

    Only a regular file may be replaced; a rename over a device or a pipe would destroy it.
    """
    target = Path(path)
    if target.exists() and not target.is_file():
        raise BadInput(InputReason.WRITE_FAILED, f"{target}: not a regular file")
    if not target.parent.is_dir():
        raise BadInput(InputReason.WRITE_FAILED, f"{target}: no such directory")


def write_atomic(
    path: Path | str, data: bytes, *, mode: int = PUBLIC_MODE, overwrite: bool = True
) -> None:
    """Write a file whole or not at all: temporary name beside it, fsync, then rename.

    With ``overwrite=False`` an existing file is ``FILE_EXISTS`` (decided by the file system, so two
    writers cannot both win). Any other failure is ``WRITE_FAILED`` and leaves nothing behind.
    """
    target = Path(path)
    require_writable(target)
    temporary: str | None = None
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            Path(temporary).replace(target)
        else:
            target.hardlink_to(temporary)
            Path(temporary).unlink()
        temporary = None
        sync_directory(target.parent)
    except FileExistsError:
        raise BadInput(InputReason.FILE_EXISTS, f"{target} exists; not overwritten") from None
    except OSError as error:
        raise BadInput(InputReason.WRITE_FAILED, f"{target}: {describe(error)}") from None
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def write_new_files(directory: Path | str, files: Sequence[tuple[str, bytes, int]]) -> None:
    """Write (name, data, mode) files that must all be new; a failure removes those written."""
    written: list[Path] = []
    try:
        for name, data, mode in files:
            path = Path(directory) / name
            write_atomic(path, data, mode=mode, overwrite=False)
            written.append(path)
    except BadInput:
        for path in written:
            path.unlink(missing_ok=True)
        raise
