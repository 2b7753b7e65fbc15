"""Build step: the gRPC code of every ``proto/**.proto`` is generated beside its package.

Everything else about the package is in ``pyproject.toml``. The generated modules are never
committed; a wheel contains them, an editable install and ``make proto`` put them in place.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent


def generate() -> None:
    """Compile every .proto under ``proto/`` into the source tree, with type stubs."""
    from grpc_tools import protoc

    proto = ROOT / "proto"
    sources = sorted(path.relative_to(proto).as_posix() for path in proto.rglob("*.proto"))
    if not sources:
        raise SystemExit("no .proto file under proto/")
    well_known = resources.files("grpc_tools") / "_proto"
    options = [
        f"-I{proto}",
        f"-I{well_known}",
        f"--python_out={ROOT}",
        f"--pyi_out={ROOT}",
        f"--grpc_python_out={ROOT}",
    ]
    if protoc.main(["protoc", *options, *sources]) != 0:
        raise SystemExit("protoc failed")


class BuildWithProto(build_py):
    """``build_py`` that generates first, so that the modules are found like any other."""

    def run(self) -> None:
        """Generate, then build as usual."""
        generate()
        super().run()


class Proto(build_py):
    """``python setup.py proto``: only generate."""

    def run(self) -> None:
        """Generate in place."""
        generate()


if __name__ in ("__main__", "builtins"):
    setup(cmdclass={"build_py": BuildWithProto, "proto": Proto})
