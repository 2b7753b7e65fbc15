"""Spans: every step once, in order, and nothing between them lost."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from circuits.errors import BadInput, InputReason
from prover import memory
from prover.bench import bench_statement
from prover.memory import kept_bytes, parse_memory, working_bytes
from prover.prove import prove
from prover.spans import Spans, peak_bytes, spans_document, spans_table
from tests.architecture.repository import ROOT
from verifier.kernel.parameters import STANDARD
from verifier.kernel.proof import Shape
from verifier.kernel.verify import proof_shape


def test_a_span_for_every_step_that_is_reported() -> None:
    circuit, statement, windows = bench_statement(600)
    heard: list[str] = []
    spans = Spans(lambda step, _: heard.append(step), before="before", after="after")
    prove(circuit, STANDARD, statement, windows, spans)
    found = spans.finish()
    assert heard[-1] == "done"
    assert [span.step for span in found] == ["before", *heard[:-1], "after"]
    assert {"witness", "trace commitment", "constraints", "proof of work"} <= set(heard)
    assert all(span.seconds >= 0 and span.cpu_seconds >= 0 for span in found)
    assert peak_bytes() >= found[-1].peak_bytes >= found[0].peak_bytes > 2**20


def test_what_has_no_name_is_not_kept() -> None:
    spans = Spans()
    for step in ("one", "two", "done"):
        spans(step, 0.0)
    found = spans.finish()
    assert [span.step for span in found] == ["one", "two"]
    document = spans_document(found)
    assert sum(one["share"] for one in document) == pytest.approx(1, abs=0.001)
    lines = spans_table(found).splitlines()
    assert [line.split()[0] for line in lines] == ["step", "one", "two", "all"]
    assert spans_document([]) == []


@pytest.mark.parametrize(
    ("text", "size"),
    [("256M", 2**28), ("65536K", 2**26), ("64M", 2**26), ("1G", 2**30), ("12G", 12 * 2**30)],
)
def test_sizes_of_memory(text: str, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize(
    "text",
    ["", "M", "256", "256m", "256MB", "256 M", " 256M", "256M\n", "-1G", "+1G", "0G", "01G", "1.5G",
     "1e3M", "٣G", "63M", "65535K", "1K", "9999999999G"],
)  # fmt: skip
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_memory(text)
    assert refused.value.reason is InputReason.USAGE
    assert refused.value.message.startswith("--memory: ")


def shape_of(readings: int) -> Shape:
    circuit, statement, _ = bench_statement(readings)
    return proof_shape(circuit, STANDARD, statement)


def test_what_may_be_kept(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With room for everything, for a part, and for less than a proof takes."""
    monkeypatch.setattr(memory, "resident_bytes", lambda: 2**27)
    shape = shape_of(10_000)
    assert kept_bytes(None, shape) is None
    needed = 2**27 + working_bytes(shape)
    whole = -(-shape.columns // 16) * 64 * shape.rows * shape.parameters.blowup
    assert kept_bytes(needed + 3 * whole, shape) == 3 * whole
    assert (kept_bytes(needed + whole, shape) or 0) < whole
    assert kept_bytes(needed + 2**20, shape) == 2**20
    assert not caplog.records
    assert kept_bytes(needed - 1, shape) == 0
    (record,) = caplog.records
    assert record.getMessage().startswith("--memory: a claim of this length takes about ")


HELD_WHEN_FREED = """
import sys
import numpy as np
from prover.memory import kept_bytes, resident_bytes
from tests.prover.test_spans import shape_of
kept_bytes(int(sys.argv[1]) or None, shape_of(600))
np.ones(2**24)
print(resident_bytes() >= 2**27)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="options of glibc's allocator")
@pytest.mark.parametrize(("limit", "held"), [(0, "True"), (2**30, "False")])
def test_freed_memory_is_kept_for_the_next_array_unless_there_is_a_limit(
    limit: int, held: str
) -> None:
    command = [sys.executable, "-c", HELD_WHEN_FREED, str(limit)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == held


def test_longer_claims_take_more() -> None:
    assert working_bytes(shape_of(20_000)) > working_bytes(shape_of(600))
