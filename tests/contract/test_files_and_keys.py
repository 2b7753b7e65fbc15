"""Files are written whole or not at all; keys are never overwritten and never echoed."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from circuits.errors import BadInput, InputReason
from verifier.files import read_file, read_text, write_atomic, write_new_files
from verifier.keys import create_keys, load_keys, resolve_public_key
from verifier.signatures import public_key


def reason_of(call: object, *arguments: object, **options: object) -> InputReason:
    assert callable(call)
    with pytest.raises(BadInput) as caught:
        call(*arguments, **options)
    return caught.value.reason


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_reading(tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert reason_of(read_file, path) is InputReason.FILE_MISSING
    assert reason_of(read_file, tmp_path) is InputReason.FILE_UNREADABLE
    path.write_bytes(b"\xff")
    assert read_file(path) == b"\xff"
    assert reason_of(read_text, path) is InputReason.FILE_UNREADABLE


def test_write_replaces_whole_files(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_atomic(path, b"one")
    write_atomic(path, b"two", mode=0o600)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert reason_of(write_atomic, path, b"three", overwrite=False) is InputReason.FILE_EXISTS
    assert names(tmp_path) == ["a"]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    write_atomic(path, b"one")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert reason_of(write_atomic, path, b"two") is InputReason.WRITE_FAILED
    assert reason_of(create_keys, tmp_path / "keys") is InputReason.WRITE_FAILED
    assert path.read_bytes() == b"one"
    assert names(tmp_path) == ["a", "keys"]
    assert names(tmp_path / "keys") == []


def test_only_regular_files_are_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert reason_of(write_atomic, tmp_path / "pipe", b"x") is InputReason.WRITE_FAILED
    assert reason_of(write_atomic, tmp_path, b"x") is InputReason.WRITE_FAILED
    assert reason_of(write_atomic, tmp_path / "no" / "x", b"x") is InputReason.WRITE_FAILED


def test_several_new_files_or_none(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"there")
    files = [("a", b"1", 0o600), ("b", b"2", 0o600)]
    assert reason_of(write_new_files, tmp_path, files) is InputReason.FILE_EXISTS
    assert names(tmp_path) == ["b"]


def test_keys_are_private_and_never_overwritten(tmp_path: Path) -> None:
    public = create_keys(tmp_path / "k")
    assert (tmp_path / "k" / "secret.key").stat().st_mode & 0o777 == 0o600
    assert public_key(load_keys(tmp_path / "k")) == public
    before = (tmp_path / "k" / "secret.key").read_bytes()
    assert reason_of(create_keys, tmp_path / "k") is InputReason.FILE_EXISTS
    assert (tmp_path / "k" / "secret.key").read_bytes() == before


def test_a_key_is_given_in_three_ways(tmp_path: Path) -> None:
    public = create_keys(tmp_path / "k")
    for text in (public.hex(), str(tmp_path / "k"), str(tmp_path / "k" / "public.key")):
        assert resolve_public_key(text, "--operator") == public


@pytest.mark.parametrize("text", ["", "abc", "zz" * 32, "nowhere/at/all"])
def test_a_wrong_key_names_the_argument(text: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        resolve_public_key(text or str(tmp_path / "none"), "--operator")
    assert caught.value.reason is InputReason.KEY
    assert "--operator" in caught.value.message


def test_a_secret_key_is_not_taken_for_a_public_one_nor_echoed(tmp_path: Path) -> None:
    create_keys(tmp_path / "k")
    secret = tmp_path / "k" / "secret.key"
    assert reason_of(resolve_public_key, str(secret), "--operator") is InputReason.KEY
    secret.write_text("5e" * 31, encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        load_keys(tmp_path / "k")
    assert caught.value.reason is InputReason.KEY
    assert "5e5e" not in caught.value.message
    assert reason_of(load_keys, tmp_path / "none") is InputReason.FILE_MISSING
