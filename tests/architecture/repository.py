"""The repository's own files, as git sees them."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def repository_files() -> tuple[Path, ...]:
    """Tracked files, and untracked ones that git does not ignore (about to be tracked).

    In a copy without git every file counts except environments, caches and outputs.
    """
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    if shutil.which("git") and (ROOT / ".git").exists():
        listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
        names = [name for name in listed.stdout.split("\0") if name]
        return tuple(path for name in sorted(names) if (path := ROOT / name).is_file())
    skipped = {".venv", "build", "dist", "__pycache__", ".git"}
    return tuple(
        path
        for path in sorted(ROOT.rglob("*"))
        if path.is_file()
        and not any(
            part in skipped or part.startswith(".") or part.endswith(".egg-info")
            for part in path.relative_to(ROOT).parts[:-1]
        )
        and "_pb2" not in path.name
    )
