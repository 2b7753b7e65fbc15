"""No reason is left untested: for every member of a closed list a test says it reaches it."""

from __future__ import annotations

import ast
from pathlib import Path

from circuits.errors import InputReason, Reason

TESTS = Path(__file__).parent
# of the reasons for bad input, those that keep money from moving
ABOUT_SETTLEMENT = {
    InputReason.IOTA_SDK, InputReason.WALLET, InputReason.IOTA_SIGNATURE, InputReason.IOTA_NODE,
    InputReason.SETTLEMENT_PLAN, InputReason.ANCHOR,
}  # fmt: skip


def _marked_reasons(source: str) -> set[str]:
    """``Reason.X`` or ``InputReason.X`` of every ``pytest.mark.reason`` in a file."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if ast.unparse(node.func) == "pytest.mark.reason":
            found |= {ast.unparse(a) for a in node.args if isinstance(a, ast.Attribute)}
    return found


def _names(reasons: type[Reason | InputReason] | set[InputReason]) -> set[str]:
    return {f"{type(reason).__name__}.{reason.name}" for reason in reasons}


def test_every_reason_is_reached() -> None:
    marked: set[str] = set()
    for path in TESTS.rglob("test_*.py"):
        marked |= _marked_reasons(path.read_text())
    assert sorted((_names(Reason) | _names(ABOUT_SETTLEMENT)) - marked) == []


def test_only_reasons_that_exist_are_marked() -> None:
    for path in TESTS.rglob("test_*.py"):
        unknown = _marked_reasons(path.read_text()) - _names(Reason) - _names(InputReason)
        assert not unknown, path
