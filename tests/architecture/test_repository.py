"""What is, and what is never, in the repository."""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path

import pytest

from tests.architecture.repository import ROOT, repository_files

MAXIMUM_LINES = 420  # "about 400"
# spelled in pieces, so that this file does not contain what it looks for
MACHINE_PATHS = ["/" + "work/", "/" + "root/", "/" + "home/", "/" + "tmp/", "/" + "opt/wheels"]
REGISTRY_HOSTS = [
    "pypi" + ".org", "python" + "hosted.org", "registry.npm" + "js.org", "deb.debian" + ".org",
    "proxy.golang" + ".org", "crates" + ".io", "repo1.maven" + ".org",
]  # fmt: skip


def text_files() -> list[Path]:
    return [path for path in repository_files() if path.suffix != ".png"]


@pytest.mark.parametrize("name", ["circuits", "verifier", "prover"])
def test_packages_are_ours(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__file__ is not None
    assert Path(module.__file__).resolve() == ROOT / name / "__init__.py"
    assert (ROOT / name / "py.typed").is_file()


@pytest.mark.parametrize("name", ["proto", "outcome", "outcomes"])
def test_no_top_level_package_takes_a_generic_name(name: str) -> None:
    assert not (ROOT / name / "__init__.py").exists()


def test_every_folder_of_python_is_a_package() -> None:
    for top in ("circuits", "verifier", "prover", "tests"):
        folders = {path.parent for path in (ROOT / top).rglob("*.py")}
        folders -= {path for path in folders if "versions" in path.parts}  # Alembic loads by path
        missing = [
            str(folder.relative_to(ROOT))
            for folder in sorted(folders)
            if "__pycache__" not in folder.parts and not (folder / "__init__.py").is_file()
        ]
        assert not missing


def test_nothing_generated_or_binary() -> None:
    allowed = {".png"}  # pictures of the documentation
    for path in repository_files():
        name = path.relative_to(ROOT).as_posix()
        assert "_pb2" not in name, f"{name} is generated from proto/"
        assert not name.startswith(("build/", "dist/", ".venv/")), name
        if path.suffix not in allowed:
            assert b"\0" not in path.read_bytes(), f"{name} is binary"


@pytest.mark.parametrize("word", MACHINE_PATHS + REGISTRY_HOSTS)
def test_no_machine_path_and_no_registry_host(word: str) -> None:
    pattern = re.compile(rf"(?<![\w.}}]){re.escape(word)}")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in text_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if pattern.search(line)
    ]
    assert not found


def test_files_stay_readable() -> None:
    long = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in repository_files()
        if path.suffix == ".py"
    }
    assert not {name: lines for name, lines in long.items() if lines > MAXIMUM_LINES}


def test_no_star_imports_and_no_assert_outside_tests() -> None:
    for path in repository_files():
        if path.suffix != ".py" or path.relative_to(ROOT).parts[0] == "tests":
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            where = f"{path.relative_to(ROOT)}:{number}"
            assert not re.match(r"\s*from .* import \*", line), where
            assert not re.match(r"\s*assert\b", line), where


def test_locks_pin_everything_with_hashes() -> None:
    for path in sorted((ROOT / "requirements").glob("*.lock")):
        text = path.read_text(encoding="utf-8")
        entries = re.findall(r"^[a-z][^\n]*", text, flags=re.MULTILINE)
        assert entries
        for entry in entries:
            assert re.match(r"^[a-z0-9-]+==[\w.]+ ", entry), f"{path.name}: {entry}"
        assert text.count("--hash=sha256:") >= len(entries)


def test_generator_is_pinned_alike_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    build = next(r for r in project["build-system"]["requires"] if r.startswith("grpcio-tools"))
    development = project["project"]["optional-dependencies"]["dev"]
    assert build in development
    assert build in (ROOT / "requirements" / "dev.lock").read_text(encoding="utf-8")


def test_every_dependency_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        wanted += extra
    explained = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    names = {re.split(r"[<>=!~\[ ]", requirement)[0] for requirement in wanted}
    assert not {name for name in names if f"`{name}`" not in explained}


def test_links_between_documents_lead_somewhere() -> None:
    for path in repository_files():
        if path.suffix == ".md":
            for link in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
                assert (path.parent / link).exists(), f"{path.relative_to(ROOT)}: {link}"
