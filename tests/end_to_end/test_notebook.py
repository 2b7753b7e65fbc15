"""The notebook in docs/, run cell by cell in a kernel of its own, on both logs that it knows."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from examples.demo.source import ROOT, SKAB

NOTEBOOK = ROOT / "docs" / "real-data.ipynb"
NO_PUMP = "import examples.demo.source as s; s.SKAB = s.Path('no such log')"
OFFLINE = ("NewConnectionError", "NameResolutionError", "Max retries exceeded", "No matching")
SECONDS = 600  # for a cell that hangs; the first proof after an installation compiles kernels


@pytest.fixture(scope="module")
def river(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """Where the package with the water-flow series lies; None where it is installed."""
    if importlib.util.find_spec("river") is not None:
        return None
    folder = tmp_path_factory.mktemp("river")
    locked = ROOT / "requirements" / "demo-data.lock"
    words = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps"]
    result = subprocess.run(
        [sys.executable, "-m", "pip", "install", *words, "--target", folder, "-r", locked],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if result.returncode and any(sign in result.stderr for sign in OFFLINE):
        pytest.skip("no package registry can be reached from here")
    assert result.returncode == 0, result.stderr
    return folder


def execute(
    folder: Path, monkeypatch: pytest.MonkeyPatch, path: list[Path], first: str | None
) -> list[dict[str, Any]]:
    """The cells of the executed notebook; ``first`` is run after its imports."""
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(folder / name.lower()))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, path)))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    if first is not None:
        imports = next(k for k, cell in enumerate(notebook.cells) if cell.cell_type == "code")
        notebook.cells.insert(imports + 1, nbformat.v4.new_code_cell(first))
    client = NotebookClient(
        notebook,
        timeout=SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(NOTEBOOK.parent)}},
    )
    manager = client.create_kernel_manager()
    assert (manager.transport, manager.ip) == ("tcp", "127.0.0.1")
    cells: list[dict[str, Any]] = client.execute().cells
    return cells


def outputs(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [output for cell in cells for output in cell.get("outputs", [])]


def result(cells: list[dict[str, Any]]) -> Any:
    """What the last cell evaluates to."""
    return ast.literal_eval(cells[-1]["outputs"][-1]["data"]["text/plain"])


def check(cells: list[dict[str, Any]], litres: Fraction) -> None:
    shown = result(cells)
    assert shown == {
        "verified": True,
        "litres": str(litres),
        "steady": True,
        "as recomputed": True,
        "noticed": "STORE_CORRUPT",
        "refused": "PROOF_CONSTRAINTS",
    }
    pictures = [output for output in outputs(cells) if "image/png" in output.get("data", {})]
    assert len(pictures) == 3
    assert not [output for output in outputs(cells) if output["output_type"] == "error"]


def test_on_the_water_flow(
    river: Path | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = [ROOT] if river is None else [ROOT, river]
    cells = execute(tmp_path, monkeypatch, path, NO_PUMP)
    check(cells, Fraction(248_581_656))


@pytest.mark.skipif(not SKAB.is_file(), reason="no pump test bed log beside this checkout")
def test_on_the_pump_test_bed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = execute(tmp_path, monkeypatch, [ROOT], None)
    check(cells, Fraction(205_914_157, 60_000))


def test_the_notebook_is_kept_without_outputs() -> None:
    document = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    nbformat.validate(nbformat.from_dict(document))
    code = [cell for cell in document["cells"] if cell["cell_type"] == "code"]
    assert len(code) > 10
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert all(cell["metadata"] == {} for cell in document["cells"])
    assert max(len(cell["source"]) for cell in code) <= 30
    assert NOTEBOOK.stat().st_size < 30_000
