"""Worst-case inputs, up to every size limit, each run in a process of its own that measures itself.

    python -m tests.fuzz.worst [CASE ...]

prints a JSON line for each: what came of it, the input's bytes, CPU seconds, and the growth of
resident memory in MiB over what the process held before. Address space and CPU time are limited.
"""

from __future__ import annotations

import json
import os
import resource
import struct
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from circuits.checkpoint import Checkpoint
from circuits.compile import MAXIMUM_OUTCOMES, compile_circuit
from circuits.errors import BadInput, Rejected
from circuits.language.text import MAXIMUM_CHARACTERS
from circuits.statement import Statement
from tests.fuzz.contracts import FULL
from tests.fuzz.decoders import unproved_claim
from tests.support import (
    NOW_MS,
    OPERATOR,
    RICH,
    contract_text,
    pump_contract,
    record_epoch,
    sign_as_device,
)
from verifier.accept import AcceptState, accept
from verifier.claim import MAXIMUM_CHECKPOINTS, MAXIMUM_CLAIM_BYTES, Claim, decode_claim, sign_claim
from verifier.contract import Terms
from verifier.contract.fields import MAXIMUM_CONTRACT_BYTES
from verifier.kernel.parameters import STANDARD
from verifier.kernel.verify import verify
from verifier.receipt import MAGIC, decode_receipt

ADDRESS_SPACE = 3 << 29
CPU_SECONDS = 10
COMPILING_SECONDS = 60  # of CPU; the slowest contract took 17 where it was measured
WIDEST_OUTCOMES = 6
PROOF_HEAD = b"ZKMp" + struct.pack("<H", 2)
Case = tuple[int, Callable[[], object]]  # input bytes, and what to run


@dataclass(frozen=True)
class Measured:
    """What one case cost."""

    case: str
    outcome: str
    input_bytes: int
    cpu_seconds: float
    peak_mib: float

    def summary(self) -> str:
        """One line for people."""
        return (
            f"{self.case}: {self.input_bytes} bytes, {self.cpu_seconds:.2f} s,"
            f" {self.peak_mib:.0f} MiB, {self.outcome}"
        )


def cpu_seconds(case: str) -> int:
    """What a case may take."""
    return COMPILING_SECONDS if case.startswith("contract:") else CPU_SECONDS


class _Refused(Exception):
    """Every one of several inputs was refused."""


def _reading(text: str) -> Case:
    return len(text), lambda: Terms.from_toml(text)


def _filled(head: str, piece: str, tail: str = "") -> Case:
    """A contract of the greatest size, nearly all of it repeats of ``piece``."""
    room = MAXIMUM_CONTRACT_BYTES - len(head) - len(tail)
    return _reading(head + piece * (room // len(piece)) + tail)


def _numbered(line: str) -> Case:
    lines: list[str] = []
    size = 0
    while size < MAXIMUM_CONTRACT_BYTES - 40:
        lines.append(line.format(len(lines)))
        size += len(lines[-1])
    return _reading("".join(lines))


def _every_field(literal: str) -> Case:
    """The contract that has every field, once for each field with ``literal`` in it."""
    lines = FULL.strip().splitlines()
    texts = []
    for at, line in enumerate(lines):
        key, equals, _ = line.partition(" = ")
        if equals:
            texts.append("\n".join([*lines[:at], f"{key} = {literal}", *lines[at + 1 :]]))

    def run() -> object:
        for text in texts:
            try:
                Terms.from_toml(text)
            except BadInput:
                continue
            raise ValueError("such a value was taken")
        raise _Refused("all refused")

    return max(len(text) for text in texts), run


def _formulas(*formulas: str) -> Case:
    """Each formula in a contract, and straight to the compiler, which takes longer ones."""
    head, rest = contract_text().split('formula = "')
    tail = rest.split('"', 1)[1]
    schema = pump_contract().terms.schema

    def run() -> object:
        for formula in formulas:
            text = f"{head}formula = {json.dumps(formula[:MAXIMUM_CHARACTERS])}{tail}"
            for read in (lambda t=text: Terms.from_toml(t), lambda f=formula: _compile(f)):
                try:
                    read()
                except BadInput:
                    continue
                raise ValueError(f"such a formula was taken: {formula[:40]}")
        raise _Refused("all refused")

    def _compile(formula: str) -> None:
        compile_circuit(schema, (formula,))

    return max(len(formula) for formula in formulas), run


def _contract(formulas: Iterable[str]) -> str:
    """A contract over 24-bit readings, eight of them to a row: the widest rows that there are."""
    head, rest = contract_text().split("[[outcomes]]")
    head = head.replace("bits = 18", "bits = 24")
    head = head.replace(
        "[parties]", 'windows_per_claim = 1\nrefuse_flags = ["clock_set"]\n[parties]'
    )
    head = head.replace('time = "datetime"', 'time = "datetime"\nperiod_ms = 100')
    outcomes = "".join(
        f'[[outcomes]]\nname = "o{k}"\nformula = "{formula}"\nunit = "1"\nreveal = "exact"\n'
        for k, formula in enumerate(formulas)
    )
    return head + outcomes + "[payment]" + rest.split("[payment]")[1]


def widest_contract() -> str:
    """As many outcomes of the widest kind as fit: nearly the most columns that compile."""
    return _contract(f"cpk(flow, {k}, 9000) >= 1.33" for k in range(WIDEST_OUTCOMES))


def _compiling(formulas: Callable[[int], str]) -> Case:
    """Sixteen formulas in a contract. Whether they compile does not matter here."""
    return _reading(_contract(formulas(k) for k in range(MAXIMUM_OUTCOMES)))


def _repeated(piece: str, times: int, k: int, joint: str = " + ") -> str:
    """A formula of so many pieces, each with a number of its own."""
    return joint.join(piece.format(times * k + at + 1) for at in range(times))


def _tariff(entries: int, minutes: int) -> str:
    """A schedule of so many entries, so many minutes apart."""
    times = (divmod(at * minutes, 60) for at in range(entries))
    return ",".join(f"{hour:02}:{minute:02} {minute % 7 + hour % 3}" for hour, minute in times)


def _junk_claim() -> Case:
    short = unproved_claim()
    proof = bytes(range(256)) * ((MAXIMUM_CLAIM_BYTES - len(short.encode())) // 256)
    claim = replace(short, proof=proof, records_before=0, totals_before=(0,))
    return _accepting(sign_claim(claim, OPERATOR))


def _oversized_claim() -> Case:
    data = bytes(16 * MAXIMUM_CLAIM_BYTES)
    return len(data), lambda: decode_claim(data)


def _checkpoints(records: int, room: int = 0) -> list[Checkpoint]:
    """As many consecutive checkpoints as a claim holds, but for ``room`` bytes."""
    opening, plain = (signed.checkpoint for signed in record_epoch([0]).checkpoints)
    out, count = [opening], MAXIMUM_CHECKPOINTS - 1 - room // 206
    for index in range(1, count):
        start = opening.end_ms + (index - 1) * 60_000
        out.append(
            replace(
                plain,
                index=index,
                records_in_window=records,
                records_in_epoch=index * records,
                start_ms=start,
                end_ms=start + 60_000,
            )
        )
    return out


def _long_claim(records: int, proof: bytes = b"") -> Claim:
    """A claim of the most checkpoints, consistent and validly signed, with a junk proof."""
    terms = pump_contract().terms
    checkpoints = tuple(sign_as_device(c) for c in _checkpoints(records, len(proof) + 400))
    short = unproved_claim()
    claim = replace(
        short,
        terms_digest=terms.digest,
        checkpoints=checkpoints,
        proof=proof,
        records_before=0,
        totals_before=(0,),
    )
    return sign_claim(claim, OPERATOR)


def _accepting(claim: Claim) -> Case:
    data = claim.encode()
    state = AcceptState(contract=pump_contract(), escrow_nanos=RICH)
    return len(data), lambda: accept(data, state, NOW_MS * 2)


def _decoding_most() -> Case:
    data = _long_claim(1).encode()
    return len(data), lambda: decode_claim(data).statement_digest


def _widest_circuit() -> Case:
    terms = Terms.from_toml(widest_contract())
    checkpoints = tuple(_checkpoints(9))
    statement = Statement(terms.digest, checkpoints, (0,) * WIDEST_OUTCOMES)
    proof = PROOF_HEAD + bytes(400_000)
    return len(proof), lambda: verify(terms.circuit, STANDARD, statement, proof, 0.0)


def _wide_receipt() -> Case:
    head = struct.pack("<4sH32sQ32s32s32sIIIQQQQH", MAGIC, 1, *_RECEIPT_FIELDS, 65535)
    tail = struct.pack("<QQ32sBHQQ32s", 0, 0, bytes(32), 1, 0, 0, 0, bytes(32)) + bytes(64)
    data = head + b"\xff" * (2 * 65535 * 16) + tail
    return len(data), lambda: decode_receipt(data).encode()


_RECEIPT_FIELDS = (bytes(32), 0, bytes(32), bytes(32), bytes(32), 0, 0, 0, 0, 0, 0, 0)
_HALF = MAXIMUM_CONTRACT_BYTES // 2
CASES: dict[str, Callable[[], Case]] = {
    "TOML: nested arrays": lambda: _filled("x = ", "["),
    "TOML: nested inline tables": lambda: _filled("x = ", "{a="),
    "TOML: one comment": lambda: _filled("#", "x"),
    "TOML: empty lines": lambda: _filled("", "\n"),
    "TOML: one string": lambda: _filled('x = "', "x", '"'),
    "TOML: one string of escapes": lambda: _filled('x = "', "\\t", '"'),
    "TOML: one string of quotes": lambda: _filled("x = '''", "''x", "'''"),
    "TOML: one key": lambda: _filled("", "x", " = 1"),
    "TOML: one array": lambda: _filled("x = [", "1,", "]"),
    "TOML: array of arrays": lambda: _filled("x = [", "[],", "]"),
    "TOML: one integer": lambda: _filled("x = ", "9"),
    "TOML: one integer with underscores": lambda: _filled("x = 1", "_1"),
    "TOML: many keys": lambda: _numbered("k{0} = 1\n"),
    "TOML: many tables": lambda: _numbered("[t{0}]\n"),
    "TOML: many dotted tables": lambda: _numbered("[a.b.c.t{0}]\nx.y = 1\n"),
    "TOML: many channels": lambda: _filled("", "[[channels]]\n"),
    "TOML: many decimals": lambda: _numbered("k{0} = 1e999999\n"),
    "TOML: a dotted key": lambda: _filled("", "a.", "a = 1"),
    "TOML: a dotted table": lambda: _filled("[", "a.", "a]"),
    "TOML: a long name twice": lambda: _reading(("[" + "a" * (_HALF - 9) + "]\n") * 2),
    "every field: 10^5 digits": lambda: _every_field("9" * 100_000),
    "every field: 10^5 hexadecimal digits": lambda: _every_field("0x" + "f" * 100_000),
    "every field: 1e999999": lambda: _every_field("1e999999"),
    "every field: 1e-999999": lambda: _every_field("1e-999999"),
    "every field: exponent of 10^5 digits": lambda: _every_field("1e" + "9" * 100_000),
    "every field: 10^5 decimals": lambda: _every_field("1." + "1" * 100_000),
    "every field: a string of 10^5 digits": lambda: _every_field('"' + "9" * 100_000 + '"'),
    "every field: nested 200 deep": lambda: _every_field("[" * 200 + "]" * 200),
    "formulas: nested": lambda: _formulas(
        *(piece * (400 // len(piece)) for piece in ("(", "[", "{", "-", "not ", "f'{", "sum(")),
        *("(" * 199 + "1" + ")" * 199, "-" * 399 + "1", "1" + "+1" * 199, "a" + ".a" * 199),
        *("9" * 400, "9" * 400 + "**9", "1" + "**9" * 130, "sum(" * 90 + "flow" + ")" * 90),
        *("lambda:" * 57, "1 if 1 else " * 33 + "1", "0x" + "f" * 398, "1_" * 199 + "1"),
        *("sum(flow) / 1e400", "count(flow <= 1e999999)", "count(flow <= " + "9" * 380 + ")"),
    ),
    "contract: the widest circuit": lambda: _reading(widest_contract()),
    "contract: tariffs of products": lambda: _compiling(
        lambda k: f"tariff(flow * flow, '{_tariff(39, 30)}', where=flow > {k})"
    ),
    "contract: tariffs of 48 entries": lambda: _compiling(
        lambda k: f"tariff(flow, '{_tariff(48, 30)}')"
    ),
    "contract: ratios of many digits": lambda: _compiling(
        lambda k: f"ratio(sum(flow * flow), sum(flow * flow) + count()) >= 0.{'1' * 20}{k % 9 + 1}"
    ),
    "contract: held for long, nested": lambda: _compiling(
        lambda k: "count(" + "held(" * 24 + f"flow > {k}" + ", 1000000)" * 24 + ")"
    ),
    "contract: rising, nested": lambda: _compiling(
        lambda k: "count(" + "rising(" * 38 + f"flow > {k}" + ")" * 38 + ")"
    ),
    "contract: sums under conditions": lambda: _compiling(
        lambda k: _repeated("sum(flow * flow, where=flow > {})", 10, k)
    ),
    "contract: windows": lambda: _compiling(
        lambda k: _repeated("windows(sum(flow * flow) > {})", 11, k)
    ),
    "claim: a proof of junk": _junk_claim,
    "claim: sixteen times too long": _oversized_claim,
    "claim: most checkpoints, decoded": _decoding_most,
    "claim: most checkpoints, accept to the proof": lambda: _accepting(_long_claim(1)),
    "claim: most checkpoints, accept to the constraints": lambda: _accepting(
        _long_claim(3, PROOF_HEAD + bytes(30_000))
    ),
    "claim: most records": lambda: _accepting(_long_claim(2**32 - 1)),
    "proof: most windows, widest circuit": _widest_circuit,
    "receipt: most outcomes": _wide_receipt,
}


def _status(name: str) -> int:
    """A memory figure of this process in KiB; unlike ru_maxrss it leaves out the parent's."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise LookupError(name)


def measure(case: str) -> Measured:
    """Run one case in this process."""
    size, run = CASES[case]()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts here
    before, started = _status("VmRSS"), time.process_time()
    try:
        outcome = type(run()).__name__
    except (Rejected, BadInput) as refusal:
        outcome = refusal.reason.value
    except _Refused as refusal:
        outcome = str(refusal)
    spent = round(time.process_time() - started, 3)
    return Measured(case, outcome, size, spent, round((_status("VmHWM") - before) / 1024, 1))


def measure_apart(case: str) -> Measured:
    """``measure`` in a fork with limits; how it died, if it did, is its outcome."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
            most = cpu_seconds(case)
            resource.setrlimit(resource.RLIMIT_CPU, (most, most + 1))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.write(writing, json.dumps(asdict(measure(case))).encode())
            status = 0
        except BaseException as error:
            kind = f"{type(error).__name__}: {error}"[:200]
            os.write(writing, json.dumps({"died": kind}).encode())
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = json.loads(pipe.read() or b"{}")
    _, status, usage = os.wait4(child, 0)
    if "case" in answer:
        return Measured(**answer)
    died = answer.get("died", f"wait status {status}")
    return Measured(case, f"died: {died}", -1, usage.ru_utime + usage.ru_stime, -1)


def main() -> None:
    """The command of this module."""
    for case in sys.argv[1:] or CASES:
        print(json.dumps(asdict(measure_apart(case))), flush=True)


if __name__ == "__main__":
    main()
