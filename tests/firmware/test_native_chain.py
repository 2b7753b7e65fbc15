"""The importer's chain by the firmware's library: the Numba kernel's values, or a clear refusal."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from circuits.chain import Role, absorb
from circuits.errors import BadInput, InputReason
from circuits.field import P
from circuits.gadgets.log_hash import ROW_ROLES
from prover.cli import main
from prover.device import STATE_NAME
from prover.kernels import native, poseidon
from prover.kernels.native import FirmwareLibrary, commitments
from prover.store import STORE_NAME
from tests.firmware.build import build
from tests.prover.rig import Rig, make_rig, steady_log

LENGTHS = (0, 1, 2, 3, 7, 8, 64, 701)
# shared libraries that are not, or no longer, what the importer needs
STRANGERS = {
    "of another version": (
        "unsigned zkm_host_chain_version(void) { return 0; } void zkm_host_chain(void) {}",
        "version 0 where 1 is needed",
    ),
    "older": ("int zkm_init(void) { return 0; }", "not the firmware's library, or an older one"),
    "of another chain": (
        (
            "unsigned zkm_host_chain_version(void) { return 1; }"
            "void zkm_host_chain(unsigned *chain, const unsigned *blocks,"
            " const unsigned char *roles, unsigned long count, unsigned *out)"
            "{ for (unsigned long i = 0; i < 8 * count; i++) out[i] = blocks[i]; }"
        ),
        "its chain values are not the protocol's",
    ),
}


@pytest.fixture(scope="module")
def library() -> FirmwareLibrary:
    return FirmwareLibrary(build("plain", "libzkmeter.so"))


@pytest.fixture(autouse=True)
def undecided(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A process that has not looked for a library yet, in a checkout that has built none."""
    monkeypatch.delenv(native.VARIABLE, raising=False)
    monkeypatch.setattr(native, "BUILT", tmp_path / "libzkmeter.so")
    commitments.cache_clear()
    yield
    commitments.cache_clear()


@pytest.fixture(params=STRANGERS)
def stranger(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """A library that must not be used, and why; skips without a compiler."""
    if shutil.which("cc") is None:
        pytest.skip("needs cc")
    code, why = STRANGERS[request.param]
    path, source = tmp_path / "stranger.so", tmp_path / "stranger.c"
    source.write_text(code)
    subprocess.run(["cc", "-shared", "-fPIC", source, "-o", path], check=True)
    return path, why


def import_log(rig: Rig, log: Path, store: Path, device: Path, *more: str) -> Result:
    where = ["--contract", rig.contract, "--store", store, "--device", device]
    return CliRunner().invoke(main, [str(word) for word in ("import", log, *where, *more)])


# values


@pytest.mark.parametrize("count", LENGTHS)
def test_both_ways_lead_to_the_same_values(library: FirmwareLibrary, count: int) -> None:
    random = np.random.default_rng(count)
    for _ in range(5):
        start = random.integers(0, P, 8, dtype=np.uint32)
        blocks = random.integers(0, P, (count, 8), dtype=np.uint32)
        roles = random.integers(0, len(ROW_ROLES), count, dtype=np.uint8)
        before = start.copy(), blocks.copy()
        values = library.chain_rows(start, blocks, roles)
        assert values.dtype == np.uint32
        assert values.shape == (count, 8)
        assert np.array_equal(values, poseidon.chain_rows(start, blocks, roles))
        # nor are the arguments written to
        assert np.array_equal(start, before[0])
        assert np.array_equal(blocks, before[1])


@pytest.mark.parametrize("role", ROW_ROLES)
def test_every_role_against_the_reference(library: FirmwareLibrary, role: Role) -> None:
    random = np.random.default_rng(ROW_ROLES.index(role))
    chain = random.integers(0, P, 8, dtype=np.uint64)
    blocks = random.integers(0, P, (4, 8), dtype=np.uint64)
    blocks[1], blocks[2] = 0, P - 1
    roles = np.full(len(blocks), ROW_ROLES.index(role), dtype=np.uint8)
    found = library.chain_rows(chain, blocks, roles)
    for block, value in zip(blocks, found, strict=True):
        chain = absorb(chain, block, role)
        assert value.tolist() == chain.tolist()


def test_blocks_in_any_memory_order_and_integer_type(library: FirmwareLibrary) -> None:
    blocks = np.random.default_rng(0).integers(0, P, (8, 9), dtype=np.int64)
    start, roles = np.zeros(8, dtype=np.uint32), np.zeros(9, dtype=np.uint8)
    straight = np.ascontiguousarray(blocks.T).astype(np.uint32)
    assert np.array_equal(
        library.chain_rows(start, blocks.T, roles), library.chain_rows(start, straight, roles)
    )


def test_what_c_would_not_check_never_reaches_it(library: FirmwareLibrary) -> None:
    start, roles = np.zeros(8, dtype=np.uint32), np.zeros(3, dtype=np.uint8)
    blocks = np.zeros((3, 8), dtype=np.int64)
    for bad in ([0, 1, 3], [0, 1], [255, 0, 0], [[0], [0], [0]]):
        with pytest.raises(ValueError, match="known role"):
            library.chain_rows(start, blocks, np.array(bad, dtype=np.uint8))
    for element in (-1, P, 2**32):
        blocks[1, 3] = element
        with pytest.raises(ValueError, match="field elements"):
            library.chain_rows(start, blocks, roles)
    for shape in ((3, 7), (3, 9), (3,), (3, 8, 1)):
        with pytest.raises(ValueError, match="shape"):
            library.chain_rows(start, np.zeros(shape, dtype=np.uint32), roles)
    with pytest.raises(ValueError, match="shape"):
        library.chain_rows(start[:7], np.zeros((3, 8), dtype=np.uint32), roles)
    with pytest.raises(ValueError, match="integers"):
        library.chain_rows(start, np.zeros((3, 8)), roles)


# which of the two


def test_without_a_library_the_kernel_is_used() -> None:
    assert commitments().by == "numba kernel"
    assert commitments().rows is poseidon.chain_rows


def test_the_built_library_is_used_and_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    path = build("plain", "libzkmeter.so")
    monkeypatch.setattr(native, "BUILT", path)
    assert commitments().by == f"firmware library {path}"
    assert commitments() is commitments()


def test_an_unusable_built_library_is_passed_over_and_named(
    monkeypatch: pytest.MonkeyPatch, stranger: tuple[Path, str]
) -> None:
    path, why = stranger
    monkeypatch.setattr(native, "BUILT", path)
    assert commitments().by == f"numba kernel (library passed over: {path}: {why})"
    assert commitments().rows is poseidon.chain_rows


def test_an_unusable_named_library_is_refused(
    monkeypatch: pytest.MonkeyPatch, stranger: tuple[Path, str]
) -> None:
    path, why = stranger
    monkeypatch.setenv(native.VARIABLE, str(path))
    with pytest.raises(BadInput) as caught:
        commitments()
    assert caught.value.reason is InputReason.FILE_UNREADABLE
    assert caught.value.message == f"{native.VARIABLE}: {path}: {why}"


# imports


def test_an_import_is_the_same_with_and_without_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = build("plain", "libzkmeter.so")
    rig = make_rig(tmp_path)
    logs = [tmp_path / "first.csv", tmp_path / "second.csv"]
    logs[0].write_text(steady_log(200))
    logs[1].write_text(steady_log(61, first_second=1000))
    ways = {"firmware": f"firmware library {path}", "numba": "numba kernel"}
    for way, by in ways.items():
        shutil.copytree(rig.device, tmp_path / way / "device")
        if way == "firmware":
            monkeypatch.setenv(native.VARIABLE, str(path))
        else:
            monkeypatch.delenv(native.VARIABLE)
        commitments.cache_clear()
        for log in logs:
            done = import_log(rig, log, tmp_path / way / "store", tmp_path / way / "device")
            assert done.exit_code == 0, done.output
            assert done.stderr == f"commitments by: {by}\n"
    for name in (f"store/{STORE_NAME}", f"device/{STATE_NAME}"):
        first, second = ((tmp_path / way / name).read_bytes() for way in ways)
        assert first == second, name


def test_a_bad_path_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig(tmp_path)
    log, text = tmp_path / "log.csv", tmp_path / "text.so"
    log.write_text(steady_log(5))
    text.write_text("no library")
    state = (rig.device / STATE_NAME).read_bytes()
    for bad in (tmp_path / "none.so", text, tmp_path, "none.so"):
        monkeypatch.setenv(native.VARIABLE, str(bad))
        plain = import_log(rig, log, rig.store, rig.device)
        as_json = import_log(rig, log, rig.store, rig.device, "--json")
        assert plain.exit_code == as_json.exit_code == 2
        assert plain.stdout == as_json.stderr == ""
        error = json.loads(as_json.stdout)["error"]
        assert error["reason"] == "FILE_UNREADABLE"
        assert error["message"].startswith(f"{native.VARIABLE}: ")
        assert str(bad) in error["message"]
        assert plain.stderr == f"error: FILE_UNREADABLE: {error['message']}\n"
        assert not rig.store.exists()
        assert (rig.device / STATE_NAME).read_bytes() == state
