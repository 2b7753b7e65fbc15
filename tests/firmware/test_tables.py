"""The generator of the C code's constants: what it proves, and that it refuses."""

from __future__ import annotations

import importlib.util
import random
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from circuits.field import P
from circuits.poseidon_constants import MDS_FIRST_ROW
from tests.firmware.build import ROOT

PATH = ROOT / "firmware" / "tools" / "make_tables.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_tables", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tables = load()


def fold(value: int) -> int:
    return (value % 2**32) + (value >> 32) * (2**32 % P)


def reduce(value: int) -> int:
    factor = -value * pow(P, -1, 2**32) % 2**32
    return (value + (factor - 2**32 * (factor >> 31)) * P) >> 32


@pytest.mark.parametrize("bits", [31, 40, 53, 61, 62])
def test_bounds_of_fold_and_reduce_hold(bits: int) -> None:
    chosen = random.Random(bits)
    values = [2**bits - 1, 1 - 2**bits, 2**32 - 1, -(2**32), 0, -1]
    values += [chosen.randrange(-(2**bits) + 1, 2**bits) for _ in range(2000)]
    bound = max(abs(value) for value in values)
    for value in values:
        folded = fold(value)
        assert (folded - value) % P == 0
        assert abs(folded) <= tables.folded(bound)
        if bound + 2**31 * P < 2**63:
            assert (reduce(value) * 2**32 - value) % P == 0
            assert abs(reduce(value)) <= tables.reduced(bound, "value")


def test_cubes_of_all_words_add_in_32_bits() -> None:
    bound = tables.Tables().cube
    chosen = random.Random(3)
    for value in [
        -(2**31),
        2**31 - 1,
        0,
        1,
        *(chosen.randrange(-(2**31), 2**31) for _ in range(5000)),
    ]:
        square = reduce(value * value)
        cube = reduce(fold(square * value))
        assert abs(cube) <= bound < 2**30
        assert (cube * 2**64 - value**3) % P == 0


def test_a_matrix_with_large_entries_is_refused() -> None:
    # sums of these do not fit: the generator must not write a table that overflows
    with pytest.raises(tables.Unsafe, match="matrix"):
        tables.Tables([entry * 2**23 for entry in MDS_FIRST_ROW])


@pytest.mark.parametrize("bound", [2**63 - 2**31 * P, 2**63])
def test_sums_that_do_not_fit_are_refused(bound: int) -> None:
    with pytest.raises(tables.Unsafe, match="must stay below"):
        tables.reduced(bound, "sum")
    assert tables.reduced(2**63 - 2**31 * P - 1, "sum") <= 2**31


def test_the_header_is_reproducible(tmp_path: Path) -> None:
    texts = []
    for name in ("first.h", "second.h"):
        command = [sys.executable, str(PATH), str(tmp_path / name)]
        subprocess.run(command, check=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)})
        texts.append((tmp_path / name).read_text("utf-8"))
    assert texts[0] == texts[1] == tables.Tables().header()
