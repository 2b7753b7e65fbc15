"""Where the lint gets a circuit from, and which gadgets have a negative test."""

from __future__ import annotations

import ast
import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import circuits.gadgets
from circuits.circuit import Circuit
from circuits.errors import BadInput, InputReason
from verifier.contract import read_template
from verifier.files import read_text

MARKER = "gadget"
_Result = TypeVar("_Result")


def load_circuit(path: str) -> Circuit:
    """The circuit of a contract (``.toml``, parties or not) or of a module's ``circuit()``.

    ``BadInput``: what reading a contract gives, and USAGE for a module that has no such function
    or fails. A module is run: lint only what you would run.
    """
    text = read_text(path)
    if not path.endswith(".py"):
        try:
            return read_template(text).circuit
        except BadInput as error:
            raise BadInput(error.reason, f"{path}: {error.message}") from None
    made = guarded(path, lambda: _run_module(path))
    if not isinstance(made, Circuit):
        raise BadInput(InputReason.USAGE, f"{path}: defines no circuit() that returns a Circuit")
    return made


def _run_module(path: str) -> object:
    name = f"linted_{Path(path).stem}"
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        return None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # where dataclasses look their module up
    specification.loader.exec_module(module)
    function = getattr(module, "circuit", None)
    return function() if callable(function) else None


def guarded(path: str, work: Callable[[], _Result]) -> _Result:
    """The result of ``work``; what a module's own code raises becomes ``BadInput`` USAGE."""
    try:
        return work()
    except Exception as error:
        if not path.endswith(".py"):
            raise
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == path]
        place = f"{path}:{frames[-1].lineno}" if frames else path
        raise BadInput(InputReason.USAGE, f"{place}: {type(error).__name__}: {error}") from error


def gadgets_of(path: str) -> list[str]:
    """What needs a negative test: a module's functions ``add_...``, or the library's gadgets.

    The library's are named by their module.
    """
    if path.endswith(".py"):
        return _added(path)
    folder = Path(str(circuits.gadgets.__file__)).parent
    return [module.stem for module in sorted(folder.glob("*.py")) if _added(str(module))]


def _added(path: str) -> list[str]:
    tree = ast.parse(read_text(path))
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [name for name in names if name.startswith("add_")]


def marked_gadgets(tests: Path) -> set[str]:
    """Every name in ``pytest.mark.gadget("name", ...)`` below a folder of tests."""
    found: set[str] = set()
    for path in sorted(tests.rglob("*.py")):
        try:
            tree = ast.parse(read_text(path))
        except SyntaxError:
            raise BadInput(InputReason.USAGE, f"{path}: not Python") from None
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == f"pytest.mark.{MARKER}":
                arguments = [a for a in node.args if isinstance(a, ast.Constant)]
                found |= {str(argument.value) for argument in arguments}
    return found
