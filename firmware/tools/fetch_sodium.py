"""Fetches libsodium's source: the copy inside PyNaCl's source distribution, the same library that
the Python side uses, pinned by hash in ``requirements/firmware.lock``.

``fetch_sodium.py FOLDER`` leaves ``FOLDER/include`` (with the generated ``version.h``) and
``FOLDER/src``. Does nothing if they are complete. Needs setuptools and cffi beside pip, because
pip asks the distribution for its metadata.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

LOCK = Path(__file__).resolve().parents[2] / "requirements" / "firmware.lock"
INSIDE = "src/libsodium/src/libsodium/"  # below the distribution's own folder
VERSION = {
    "VERSION": "1.0.20",
    "SODIUM_LIBRARY_VERSION_MAJOR": "26",
    "SODIUM_LIBRARY_VERSION_MINOR": "2",
    "SODIUM_LIBRARY_MINIMAL_DEF": "#define SODIUM_LIBRARY_MINIMAL 1",
}


def download(folder: Path) -> Path:
    """The pinned source distribution; raises ``CalledProcessError`` if pip cannot get it."""
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--no-build-isolation", "--no-binary", "pynacl", "--require-hashes"),
            *("--requirement", str(LOCK), "--dest", str(folder)),
        ],
        check=True,
    )
    (archive,) = folder.glob("*.tar.gz")
    return archive


def unpack(archive: Path, target: Path) -> None:
    """Headers and C sources of libsodium into ``target/include`` and ``target/src``."""
    with tarfile.open(archive) as files:
        for member in files:
            _, _, path = member.name.partition("/")
            if not member.isfile() or not path.startswith(INSIDE):
                continue
            name = path.removeprefix(INSIDE)
            kind = "include" if name.startswith("include/") else "src"
            to = target / kind / name.removeprefix("include/")
            to = to.resolve()
            if not to.is_relative_to(target.resolve()):
                raise ValueError(f"{member.name} leaves the folder")
            to.parent.mkdir(parents=True, exist_ok=True)
            content = files.extractfile(member)
            if content is not None:
                to.write_bytes(content.read())


def write_version(include: Path) -> None:
    """``sodium/version.h``, which libsodium's configure script would make."""
    text = (include / "sodium" / "version.h.in").read_text("utf-8")
    for name, value in VERSION.items():
        text = text.replace(f"@{name}@", value)
    if "@" in text:
        raise ValueError("version.h.in has names that are not known here")
    (include / "sodium" / "version.h").write_text(text, "utf-8")


def main(arguments: list[str]) -> int:
    """``fetch_sodium.py FOLDER``: 0, or 1 with one line."""
    (name,) = arguments
    target = Path(name)
    if (target / "include" / "sodium" / "version.h").is_file():
        return 0
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            unpacked = Path(folder) / "unpacked"
            unpack(download(Path(folder)), unpacked)
            write_version(unpacked / "include")
            unpacked.rename(target)
    except (subprocess.CalledProcessError, OSError, ValueError, tarfile.TarError) as problem:
        sys.stderr.write(f"fetch_sodium: libsodium's source is not to be had: {problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
