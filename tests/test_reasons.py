"""No reason is left untested: for every member of the closed list a test says it reaches it."""

from __future__ import annotations

import ast
from pathlib import Path

from circuits.errors import Reason

TESTS = Path(__file__).parent


def _marked_reasons(source: str) -> set[str]:
    """Names X of every ``pytest.mark.reason(Reason.X)`` in a file."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if ast.unparse(node.func) == "pytest.mark.reason":
            found |= {a.attr for a in node.args if isinstance(a, ast.Attribute)}
    return found


def test_every_reason_is_reached() -> None:
    marked: set[str] = set()
    for path in TESTS.rglob("test_*.py"):
        marked |= _marked_reasons(path.read_text())
    assert sorted({reason.name for reason in Reason} - marked) == []


def test_only_reasons_that_exist_are_marked() -> None:
    for path in TESTS.rglob("test_*.py"):
        unknown = _marked_reasons(path.read_text()) - {reason.name for reason in Reason}
        assert not unknown, path
