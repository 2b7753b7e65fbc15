"""Kept kernels: never stale, anywhere that can be written, by several processes at a time."""

from __future__ import annotations

import ast
import logging
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from numba.core.caching import IndexDataCacheFile

from prover.kernels import cache
from prover.notices import show_notices
from tests.architecture.repository import ROOT
from verifier.console import Output, leaf, program

# kernels import these for types and messages; nothing compiled holds anything of them
NOT_COMPILED_IN = {"circuits.circuit", "circuits.errors", "circuits.expression"}
PASSED_AS_ARGUMENTS = {"verifier.kernel.merkle"}
COPY_ONE_ROW = """
import numpy as np
from prover import kernels
from prover.kernels.ntt import _copy_rows
target = np.zeros((1, 16), dtype=np.uint32)
_copy_rows(np.full((1, 16), 7, dtype=np.uint32), 0, target, 0, 1)
print(int(target[0, 0]), len(kernels.COMPILATIONS.names), kernels.DIRECTORY)
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what the kernels are made of."""
    for package in ("prover", "circuits", "verifier"):
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    return tmp_path


def copy_one_row(tree: Path) -> tuple[int, int, Path]:
    """What the kernel writes, how many were compiled for it, and where they are kept."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    done = subprocess.run(
        [sys.executable, "-c", COPY_ONE_ROW], cwd=tree, capture_output=True, text=True, check=True,
        env={**environment, "PYTHONPATH": str(tree)},
    )  # fmt: skip
    written, compiled, directory = done.stdout.split(maxsplit=2)
    return int(written), int(compiled), Path(directory.strip())


def test_an_edit_of_an_intrinsic_is_used(tree: Path) -> None:
    """Numba itself looks at ``ntt.py`` only, where the kernel is; the intrinsic is elsewhere."""
    written, compiled, first = copy_one_row(tree)
    assert (written, compiled) == (7, 1)
    assert copy_one_row(tree) == (7, 0, first)
    vector = tree / "prover" / "kernels" / "vector.py"
    text = vector.read_text(encoding="utf-8")
    edited = text.replace(
        "builder.store(values[2], place).align = 4", "builder.store(_constant(9), place).align = 4"
    )
    assert edited != text
    vector.write_text(edited, encoding="utf-8")
    written, compiled, second = copy_one_row(tree)
    assert (written, compiled) == (9, 1)
    assert second != first
    assert second.parent == first.parent == tree / "prover" / "kernels" / "__pycache__"
    assert not first.exists()


def test_everything_that_is_compiled_in_names_the_directory() -> None:
    named = {f"circuits.{name}" for name in cache.CONSTANTS}
    imported = set()
    for path in cache.KERNELS.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                imported.add(node.module)
    ours = {m for m in imported if m.split(".")[0] in {"circuits", "verifier"}}
    assert ours - NOT_COMPILED_IN - PASSED_AS_ARGUMENTS <= named
    assert not {m for m in imported if m.startswith("prover.") and "kernels" not in m}


def test_the_first_place_that_can_be_written_is_taken(tmp_path: Path) -> None:
    """A file where a directory is expected cannot be written to, not even by root."""
    blocked, free = tmp_path / "file", tmp_path / "free"
    blocked.write_text("")
    chosen = cache.choose_directory([blocked, free, tmp_path / "never"])
    assert chosen.parent == free
    assert cache.choose_directory([free]) == chosen
    assert not (tmp_path / "never").exists()


def test_code_that_others_could_have_put_there_is_not_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    planted = cache.choose_directory([first])
    assert planted.parent == first
    for mode in (0o777, 0o775, 0o757):
        planted.chmod(mode)
        assert cache.choose_directory([first, second]).parent == second
        assert "others can write there" in caplog.text
    planted.chmod(0o755)
    assert cache.choose_directory([first, second]) == planted


def test_without_any_place_a_temporary_one_is_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with caplog.at_level(logging.WARNING, logger="prover"):
        chosen = cache.choose_directory([blocked])
    assert chosen.is_dir()
    (record,) = caplog.records
    assert "NUMBA_CACHE_DIR" in record.getMessage()
    shutil.rmtree(chosen.parent)


def test_what_a_read_only_installation_compiled_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shipped, own = tmp_path / "shipped", tmp_path / "own"
    kept = cache.choose_directory([shipped])
    (kept / "kernels_x").mkdir()
    (kept / "kernels_x" / "a.nbi").write_bytes(b"index")
    writable = cache._writable
    monkeypatch.setattr(
        cache, "_writable", lambda path: not path.is_relative_to(shipped) and writable(path)
    )
    chosen = cache.choose_directory([shipped, own])
    assert chosen.parent == own
    assert (chosen / "kernels_x" / "a.nbi").read_bytes() == b"index"
    assert [path.name for path in own.iterdir()] == [chosen.name]
    assert not caplog.records


def test_two_versions_that_are_kept_at_a_time_get_two_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading and writing the index, the other one waits."""
    monkeypatch.setattr(IndexDataCacheFile, "save", IndexDataCacheFile.save)  # to be put back
    cache._save_one_at_a_time(tmp_path)
    both = threading.Barrier(2)
    load: Any = IndexDataCacheFile._load_index

    def slow(self: Any) -> Any:
        found = load(self)
        try:
            both.wait(timeout=0.5)  # until the other one has read, if nothing keeps it from that
        except threading.BrokenBarrierError:
            both.reset()
        return found

    def kept() -> Any:
        made: Any = IndexDataCacheFile
        return made(str(tmp_path), "kernel", "stamp")

    monkeypatch.setattr(IndexDataCacheFile, "_load_index", slow)
    saving = [threading.Thread(target=kept().save, args=(key, key * 2)) for key in "ab"]
    for thread in saving:
        thread.start()
    for thread in saving:
        thread.join()
    monkeypatch.setattr(IndexDataCacheFile, "_load_index", load)
    assert (kept().load("a"), kept().load("b")) == ("aa", "bb")


def compiling(module: str, name: str) -> Any:
    """What Numba says when it begins to compile."""
    function = SimpleNamespace(__module__=module, __name__=name)
    return SimpleNamespace(data={"dispatcher": SimpleNamespace(py_func=function)})


def test_the_first_kernel_that_is_compiled_is_told(caplog: pytest.LogCaptureFixture) -> None:
    compilations = cache.Compilations()
    with caplog.at_level(logging.INFO, logger="prover"):
        compilations.on_start(compiling("somebody.else", "theirs"))
        assert not caplog.records
        for name in ("one", "two"):
            compilations.on_start(compiling("prover.kernels.ntt", name))
    (record,) = caplog.records
    assert record.getMessage().startswith("compiling kernels, once after an installation")
    assert compilations.names == ["one", "two"]


@pytest.mark.parametrize(("words", "shown"), [([], ["it takes long"]), (["--json"], [])])
def test_notices_go_to_standard_error_but_with_json(words: list[str], shown: list[str]) -> None:
    @leaf(root := program("made-up", "For this test."), "work")
    def work(output: Output) -> None:
        logging.getLogger("prover.somewhere").info("it takes long")
        output.emit({})

    root.callback = show_notices
    result = CliRunner().invoke(root, ["work", *words])
    assert result.exit_code == 0
    assert result.stderr.splitlines() == shown


@pytest.mark.parametrize(
    ("given", "spins"),
    [({}, "1000"), ({"GOMP_SPINCOUNT": "5"}, "5"), ({"OMP_WAIT_POLICY": "active"}, None)],
)
def test_threads_that_wait_sleep_soon_unless_told_otherwise(
    given: dict[str, str], spins: str | None
) -> None:
    unset = {k: v for k, v in os.environ.items() if not k.startswith(("GOMP_", "OMP_"))}
    show = "import os, prover.kernels; print(os.environ.get('GOMP_SPINCOUNT'))"
    done = subprocess.run(
        [sys.executable, "-c", show], cwd=ROOT, capture_output=True, text=True, check=True,
        env={**unset, **given},
    )  # fmt: skip
    assert done.stdout.strip() == str(spins)
