"""One statement per window, for good."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from circuits.errors import BadInput, InputReason
from prover.statements import STATEMENTS_NAME, Counted, Span, open_statements

SPAN = Span(b"t" * 32, b"d" * 32, 0, 3, 5)
ONE, OTHER = b"1" * 32, b"2" * 32
END, AFTER = b"c" * 32, Counted((2**90, -1), 17, {"held((flow > 3), 5)": 4})


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    with open_statements(tmp_path) as statements:
        statements.record(SPAN, ONE, END, AFTER)
    return tmp_path


def test_the_same_statement_again_is_fine(keys: Path) -> None:
    with open_statements(keys) as statements:
        statements.require_free(SPAN)
        statements.record(SPAN, ONE, END, AFTER)


def test_another_statement_over_the_same_windows_is_refused(keys: Path) -> None:
    with open_statements(keys) as statements:
        statements.require_free(SPAN)  # only the digest can tell, and it is known after proving
        with pytest.raises(BadInput) as caught:
            statements.record(SPAN, OTHER, END, AFTER)
    assert caught.value.reason is InputReason.STATEMENT_CONFLICT
    assert "window 3" in caught.value.message


@pytest.mark.parametrize(("first", "last"), [(0, 3), (5, 9), (4, 4), (0, 9), (3, 4), (3, 6)])
def test_overlapping_windows_are_refused_before_proving(keys: Path, first: int, last: int) -> None:
    span = replace(SPAN, first=first, last=last)
    with open_statements(keys) as statements:
        with pytest.raises(BadInput) as caught:
            statements.require_free(span)
        assert caught.value.reason is InputReason.STATEMENT_CONFLICT
        for digest in (ONE, OTHER):
            with pytest.raises(BadInput) as caught:
                statements.record(span, digest, END, AFTER)
            assert caught.value.reason is InputReason.STATEMENT_CONFLICT
        statements.require_free(SPAN)


@pytest.mark.parametrize(
    "other",
    [
        replace(SPAN, first=0, last=2),
        replace(SPAN, first=6, last=6),
        replace(SPAN, epoch=1),
        replace(SPAN, device=b"e" * 32),
        replace(SPAN, terms_digest=b"u" * 32),
    ],
)
def test_other_windows_devices_and_contracts_are_free(keys: Path, other: Span) -> None:
    with open_statements(keys) as statements:
        statements.require_free(other)
        statements.record(other, OTHER, END, AFTER)


def test_a_refused_statement_leaves_no_trace(keys: Path) -> None:
    with open_statements(keys) as statements:
        with pytest.raises(BadInput):
            statements.record(replace(SPAN, first=0), OTHER, END, AFTER)
        statements.record(replace(SPAN, first=0, last=2), OTHER, END, AFTER)


def test_the_record_is_private_and_damage_is_found(keys: Path) -> None:
    path = keys / STATEMENTS_NAME
    assert path.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(path) as opened:
        opened.execute("DROP TABLE statements")
    opened.close()
    with pytest.raises(BadInput) as caught, open_statements(keys) as statements:
        statements.require_free(SPAN)
    assert caught.value.reason is InputReason.STORE_CORRUPT


def test_what_was_counted_is_found_again_at_its_place(keys: Path) -> None:
    with open_statements(keys) as statements:
        assert statements.counted_at(SPAN.terms_digest, END) == AFTER
        assert statements.counted_at(SPAN.terms_digest, ONE) is None
        assert statements.counted_at(ONE, END) is None


@pytest.mark.parametrize(
    "text", ["", "[]", "[[1], 2]", '[[1], "2", {}]', '[[1], 2, {"a": 1.5}]', "[1, 2, 3]"]
)
def test_a_damaged_standing_is_refused(keys: Path, text: str) -> None:
    with sqlite3.connect(keys / STATEMENTS_NAME) as database:
        database.execute("UPDATE standings SET counted = ?", (text,))
    with open_statements(keys) as statements, pytest.raises(BadInput) as caught:
        statements.counted_at(SPAN.terms_digest, END)
    assert caught.value.reason is InputReason.STORE_CORRUPT
