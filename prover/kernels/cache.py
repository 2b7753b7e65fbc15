"""Where compiled kernels are kept, and who is told when one has to be compiled.

Numba compiles a kept kernel anew when the file of that kernel changes, not when what it was built
from does: the intrinsics of other files, and constants, which are compiled in. So all of that names
the directory.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import importlib
import logging
import os
import pkgutil
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core import caching, event

import circuits

KERNELS = Path(__file__).resolve().parent
# modules of ``circuits`` whose constants kernels are compiled with; all of ``KERNELS`` counts too
CONSTANTS = ("chain", "field", "gadgets.log_hash", "poseidon", "poseidon_constants")
_LOG = logging.getLogger(__name__)
_CONFIG: Any = numba.config  # its attributes are made at run time


def source_digest() -> str:
    """What the kept code depends on, as 16 hex digits: our sources and the compiler's version."""
    below = Path(circuits.__file__).parent
    constants = [below / f"{name.replace('.', '/')}.py" for name in CONSTANTS]
    found = hashlib.blake2s(f"{numba.__version__} {llvmlite.__version__}".encode())
    for path in (*sorted(KERNELS.glob("*.py")), *constants):
        found.update(hashlib.blake2s(path.name.encode()).digest())
        found.update(hashlib.blake2s(path.read_bytes()).digest())
    return found.hexdigest()[:16]


def _writable(directory: Path) -> bool:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()
    except OSError:
        return False
    return True


def _bases() -> Iterator[Path]:
    """Where to keep kernels, the best place first."""
    if _CONFIG.CACHE_DIR:
        yield Path(_CONFIG.CACHE_DIR)
    yield KERNELS / "__pycache__"
    with contextlib.suppress(RuntimeError):  # no home
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zkmeter"


def _trusted(directory: Path) -> bool:
    """Nobody else could have put code there, which is run when it is read."""
    found = directory.stat()
    return found.st_uid in (0, os.getuid()) and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _begin(directory: Path, compiled: Path | None) -> Path:
    """A new directory, with what was compiled before; appears as a whole."""
    if compiled is not None:
        copy = Path(tempfile.mkdtemp(dir=directory.parent))
        for path in compiled.rglob("*.nb[ci]"):
            target = copy / path.relative_to(compiled)
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, target)
        try:
            copy.rename(directory)
        except OSError:  # another process was faster
            shutil.rmtree(copy)
    directory.mkdir(mode=0o755, exist_ok=True)
    return directory


def choose_directory(bases: Iterable[Path]) -> Path:
    """A directory below the first of ``bases`` that can be written, or a temporary one.

    What was compiled before into one that can only be read is copied there. What other sources at
    the same place left beside it is removed: a process that still uses it compiles again.
    """
    place = hashlib.blake2s(str(KERNELS).encode()).hexdigest()[:8]
    name = f"zkmeter-{place}-{source_digest()}"
    compiled: Path | None = None
    for base in bases:
        directory = base / name
        if directory.is_dir():
            if not _trusted(directory):
                _LOG.warning("%s: others can write there; not used", directory)
            elif _writable(directory):
                return directory
            elif compiled is None:
                compiled = directory
        elif _writable(base):
            for stale in base.glob(f"zkmeter-{place}-*"):
                shutil.rmtree(stale, ignore_errors=True)
            return _begin(directory, compiled)
    if compiled is None:
        _LOG.warning(
            "no directory for compiled kernels can be written, so every process compiles them;"
            " NUMBA_CACHE_DIR=DIR names one"
        )
    own = Path(tempfile.mkdtemp(prefix="zkmeter-"))
    atexit.register(shutil.rmtree, own, ignore_errors=True)
    return _begin(own / name, compiled)


def _save_one_at_a_time(directory: Path) -> None:
    """Let processes that start together wait for one another where they keep kernels.

    Numba reads a kernel's index, adds a version and writes it back, without a lock: two processes
    that add different ones at a time could leave an index that names the wrong code.
    """
    save: Any = caching.IndexDataCacheFile.save

    def locked_save(self: Any, key: Any, data: Any) -> None:
        if not Path(self._cache_path).is_relative_to(directory):
            save(self, key, data)
            return
        with (directory / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            save(self, key, data)

    setattr(caching.IndexDataCacheFile, "save", locked_save)  # noqa: B010 - a method, for mypy


class Compilations(event.Listener):
    """The kernels that this process compiled, not loaded, by name; the first one is logged."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def on_start(self, event: Any) -> None:
        """Something is not kept yet."""
        function = event.data["dispatcher"].py_func
        if function.__module__.startswith(__package__):
            if not self.names:
                _LOG.info("compiling kernels, once after an installation or update: a minute")
            self.names.append(function.__name__)

    def on_end(self, event: Any) -> None:
        """It is compiled now."""


def install() -> tuple[Path, Compilations]:
    """Import every kernel, kept in one directory; which one, and what will be compiled.

    Numba takes the place of a kernel when it is defined. Other packages' stay where they were.
    """
    directory = choose_directory(_bases())
    _save_one_at_a_time(directory)
    compilations = Compilations()
    register: Any = event.register
    register("numba:compile", compilations)
    before, _CONFIG.CACHE_DIR = _CONFIG.CACHE_DIR, str(directory)
    try:
        for module in pkgutil.iter_modules([str(KERNELS)]):
            importlib.import_module(f"{__package__}.{module.name}")
    finally:
        _CONFIG.CACHE_DIR = before
    return directory, compilations
