"""docs/writing-a-circuit.md runs as it is printed, and the gadget that it builds is sound."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import pytest
from click.testing import CliRunner

from circuits.builder import Builder
from circuits.circuit import Circuit, Trace
from circuits.errors import BadInput, InputReason
from circuits.field import P
from circuits.gadgets.log_hash import add_log_hash
from examples.circuits.energy_per_litre import (
    ALLOWANCE,
    BOUND,
    SCHEMA,
    add_energy_per_litre,
    balances,
    circuit,
)
from examples.demo.source import ROOT
from prover.cli import main
from tests.circuits.logs import SignedLog, failures, random_log, reference_trace, sign_log
from tests.forgery.traces import digits, reach, spelling

MODULE = "examples/circuits/energy_per_litre.py"
LITTLE, MUCH, HUGE = [2300, 190, 12000], [2300, 300, 12000], [4000, 600, 12000]
IDLE = [0, 0, 0]
ALARM, POSITIVE = f" >= {ALLOWANCE}", " >= 0"
pytestmark = pytest.mark.gadget("add_excess", "add_account", "add_energy_per_litre")


@dataclass(frozen=True)
class Block:
    """A fenced block: its info string, its lines, and those of a text block right behind it."""

    info: str
    code: str
    output: str


def guide_blocks() -> list[Block]:
    text = (ROOT / "docs" / "writing-a-circuit.md").read_text(encoding="utf-8")
    fence = r"^```((?:python|sh)[^\n]*)\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?"
    found = re.findall(fence, text, flags=re.DOTALL | re.MULTILINE)
    return [Block(*(str(part) for part in parts)) for parts in found]


def test_the_guide_shows_the_module() -> None:
    pieces = [block.code for block in guide_blocks() if block.info == f"python {MODULE}"]
    assert len(pieces) > 3
    assert "\n\n".join(pieces) == (ROOT / MODULE).read_text(encoding="utf-8")


def test_the_guide_runs_as_it_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    session: dict[str, object] = {}
    for block in guide_blocks():
        printed = io.StringIO()
        if block.info == "sh":
            program, *arguments = block.code.split()
            assert program == "zkmeter-prover"
            result = CliRunner().invoke(main, arguments)
            assert result.exit_code == 0, result.output
            assert result.stdout == block.output
            continue
        with contextlib.redirect_stdout(printed):
            exec(compile(block.code, "the guide", "exec", dont_inherit=True), session)  # noqa: S102
        assert printed.getvalue() == block.output, block.code
    proof = session["proof"]
    assert isinstance(proof, bytes)
    assert 100_000 < len(proof) < 120_000  # "some 110 kB"


def most_disjoint_runs(excess: Sequence[int], allowance: int) -> int:
    """The largest number of runs without a common record that add up to the allowance or more."""
    sums = [0, *accumulate(excess)]
    best = [0]
    for end in range(1, len(sums)):
        ending = [best[i] + 1 for i in range(end) if sums[end] - sums[i] >= allowance]
        best.append(max([*ending, best[-1]]))
    return best[-1]


def test_the_account_counts_disjoint_runs() -> None:
    random = np.random.default_rng(5)
    counts = set()
    for _ in range(300):
        excess = random.integers(-9, 10, random.integers(0, 30)).tolist()
        allowance = int(random.integers(1, 25))
        after, count = balances(excess, allowance)
        assert count == most_disjoint_runs(excess, allowance)
        assert all(0 <= account < allowance for account in after)
        counts.add(count)
    assert len(counts) > 5


@pytest.fixture(scope="module")
def compiled() -> Circuit:
    return circuit()


def log_of(*windows: list[list[int]]) -> SignedLog:
    return sign_log(
        SCHEMA, [np.array(window, dtype=np.uint64).reshape(-1, 3) for window in windows]
    )


def exact(excess: int) -> list[int]:
    """A record with exactly this excess, 0..4095."""
    return [1, excess, 0] if excess >= 0 else [40 + excess, 1, 1]


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        ([[]], 0),
        ([[IDLE]], 0),
        ([[HUGE, HUGE, HUGE]], 1),
        ([[HUGE, MUCH, HUGE], [], [HUGE, HUGE], [HUGE]], 3),  # over the windows' borders
        ([[[4000, 500, 0]]], 1),  # exactly the allowance
        ([[[4001, 499, 0], exact(3500)], [exact(0)]], 0),  # one step below it, twice
        ([[[4001, 499, 0], exact(3501)]], 1),
        ([[LITTLE, LITTLE, [4000, 500, 0]]], 1),  # what lies below 0 is not saved up
        ([[exact(7), exact(-8), [4000, 500, 0]]], 1),  # t = -1
        ([[exact(7), exact(-7), [4000, 500, 0]]], 1),  # t = 0
        ([[exact(7), exact(-6), [4001, 499, 0], exact(3499)]], 0),
        ([[[4095, 4095, 0]] * 5, [[0, 0, 2**15 - 1], [4000, 500, 0]]], 6),  # the ends of ranges
    ],
)
def test_the_circuit_admits_the_true_count_only(
    compiled: Circuit, windows: list[list[list[int]]], expected: int
) -> None:
    log = log_of(*windows)
    assert log.totals(compiled) == (expected,)
    trace = reference_trace(compiled, log)
    assert failures(compiled, log, trace) == []
    for other in (expected - 1, expected + 1, P - 1):
        (failure,) = failures(compiled, log, trace, (other,))
        assert failure.constraint == "used up limb 0 is public"
        assert failure.row == trace.layout.active_rows - 1


@pytest.mark.parametrize("counts", [[1], [2], [9, 0, 4], [0, 3], [1, 1, 1, 30]])
def test_random_logs(compiled: Circuit, counts: list[int]) -> None:
    log = random_log(SCHEMA, counts, seed=sum(counts))
    v, i, f = log.records.astype(np.int64).T
    expected = most_disjoint_runs((v * i - BOUND * f).tolist(), ALLOWANCE)
    assert log.totals(compiled) == (expected,)
    assert failures(compiled, log, reference_trace(compiled, log)) == []


@pytest.fixture(scope="module")
def log() -> SignedLog:
    """Rows 0, 1 and 3 hold records, row 1 only one; rows 2 and 4 close."""
    return log_of([LITTLE, MUCH, HUGE], [MUCH, LITTLE])


@pytest.fixture
def trace(compiled: Circuit, log: SignedLog) -> Trace:
    return reference_trace(compiled, log)


def broken(compiled: Circuit, log: SignedLog, trace: Trace) -> list[tuple[str, int]]:
    return [(failure.constraint, failure.row) for failure in failures(compiled, log, trace)]


def test_the_fixture_is_honest(compiled: Circuit, log: SignedLog, trace: Trace) -> None:
    assert trace.layout.closing.tolist() == [2, 4]
    assert log.totals(compiled) == (1,)
    assert broken(compiled, log, trace) == []


CASES = [
    ("excess@0", 0, 0, "excess@0", 0),
    ("excess@0", 1, 0, "excess@0", 1),
    ("excess@1", 1, P - 1, "excess@1", 1),  # a slot without a record
    ("account", 0, 1, "account starts", 0),
    ("account", 0, P - 1, "account starts", 0),
    ("account", 1, 0, "account slot 1", 0),
    ("account", 3, 9, "account slot 1", 2),  # a closing row changes nothing
    ("account", 5, 9, "account slot 1", 4),  # nor does the last one
    ("account after slot 0", 0, 9, "account slot 0", 0),
    ("account after slot 0", 2, 9, "account slot 0", 2),
    ("account after slot 0", 5, 9, "account slot 0", 5),
    (f"t@0{POSITIVE} digits[0]", 0, 1, "t@0" + POSITIVE, 0),
    (f"t@1{POSITIVE} digits[12]", 0, 1, "t@1" + POSITIVE, 0),
    (f"t@0{ALARM} digits[4]", 1, 0, "t@0" + ALARM, 1),
    (f"t@1{ALARM} digits[2]", 1, 1, "t@1" + ALARM, 1),  # a slot without a record
    (f"t@1{ALARM} digits[3]", 3, 4, f"t@1{ALARM} digits[3] digit", 3),
    ("used up top", 0, 1, "used up limb 0 starts", 0),
    ("used up top", 2, 0, "used up limb 0 adds", 1),
    ("used up top", 5, 0, "used up limb 0 is public", 4),
]


@pytest.mark.parametrize(("column", "row", "value", "constraint", "at"), CASES)
def test_a_wrong_cell_is_named(
    compiled: Circuit,
    log: SignedLog,
    trace: Trace,
    column: str,
    row: int,
    value: int,
    constraint: str,
    at: int,
) -> None:
    index = compiled.columns.index(column)
    assert trace.columns[index, row] != value
    trace.columns[index, row] = value
    found = {(f.constraint, f.row): f.values for f in failures(compiled, log, trace)}
    read = found[constraint, at]
    assert read[column if at == row else f"{column}'"] == value


def own_columns(compiled: Circuit) -> list[int]:
    """The columns that the gadget added."""
    return list(range(compiled.columns.index("active") + 1, compiled.column_count))


@pytest.mark.parametrize("row", [0, 1])
def test_every_column_is_bound_on_rows_with_data(
    compiled: Circuit, log: SignedLog, trace: Trace, row: int
) -> None:
    assert len(own_columns(compiled)) == 55
    for index in own_columns(compiled):
        honest = trace.columns[index, row]
        trace.columns[index, row] = 1 - honest % 2
        assert broken(compiled, log, trace), compiled.columns[index]
        trace.columns[index, row] = honest


def test_what_is_free_changes_nothing(compiled: Circuit, log: SignedLog, trace: Trace) -> None:
    # all at once, on the closing and padding rows: an alarm there is not counted and resets nothing
    rows = [2, *range(4, trace.columns.shape[1])]
    changed = 0
    for index in own_columns(compiled):
        name = compiled.columns[index]
        if name.startswith(("excess@", "t@")):
            trace.columns[index, rows] = 12345 if name.startswith("excess@") else 1
            changed += 1
    assert changed == 52
    assert broken(compiled, log, trace) == []


def test_an_account_that_begins_below_zero_fails_at_its_beginning_only(compiled: Circuit) -> None:
    # everything else is made to fit: what remains is the beginning of the induction
    head_start = 20_000
    log, wanted = log_of([exact(4095)]), 4095 - head_start
    trace = reference_trace(compiled, log)
    account, between = (
        compiled.columns.index(name) for name in ("account", "account after slot 0")
    )
    trace.columns[account, 0] = P - head_start
    trace.columns[account, 1:] = 0
    trace.columns[between, :] = 0
    for slot, t in ((0, wanted), (1, 0)):
        spell(compiled, trace, f"t@{slot}{POSITIVE}", 0, t)
        spell(compiled, trace, f"t@{slot}{ALARM}", 0, t - ALLOWANCE)
    assert broken(compiled, log, trace) == [("account starts", 0)]


def spell(compiled: Circuit, trace: Trace, name: str, row: int, difference: int) -> None:
    """Fill a comparison as its filler would."""
    names = spelling(compiled.columns, f"{name} digits")
    spelled = digits(difference % reach(compiled, f"{name} digits"), len(names))
    for column, digit in zip(names, spelled, strict=True):
        trace.columns[compiled.columns.index(column), row] = digit


def test_no_digits_justify_the_wrong_bit(compiled: Circuit) -> None:
    # over the whole interval of t the other bit lies beyond what the digits spell
    low, high = -BOUND * (2**15 - 1), (2**12 - 1) ** 2 + ALLOWANCE - 1
    for name, threshold in ((POSITIVE, 0), (ALARM, ALLOWANCE)):
        for slot in (0, 1):
            limit = reach(compiled, f"t@{slot}{name} digits")
            for t in (low, -1, 0, 1, ALLOWANCE - 1, ALLOWANCE, high):
                claimed_up, claimed_down = (t - threshold) % P, (t - threshold + limit) % P
                wrong = claimed_down if t >= threshold else claimed_up
                right = claimed_up if t >= threshold else claimed_down
                assert right < limit <= wrong


@pytest.mark.parametrize(("bound", "allowance"), [(BOUND, 2**30), (2**20, ALLOWANCE)])
def test_what_does_not_fit_the_field_is_refused(bound: int, allowance: int) -> None:
    builder = Builder(SCHEMA)
    log = add_log_hash(builder)
    with pytest.raises(BadInput) as refusal:
        add_energy_per_litre(builder, log, bound, allowance)
    assert refusal.value.reason is InputReason.OVERFLOW
