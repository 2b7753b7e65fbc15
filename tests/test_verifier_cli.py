"""``zkmeter-verifier`` as scripts use it: exit status, one JSON document, one-line errors."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.jobs import DEADLY
from tests.ledger.stores import open_ledger
from tests.support import RICH, STRANGER, SUPPLIER, World, resign
from verifier.cli import main
from verifier.contract import sign_terms
from verifier.keys import PUBLIC_NAME, SECRET_NAME, hex_line
from verifier.ledger.database import FILE_NAME
from verifier.rpc.client import VerifierClient
from verifier.signatures import public_key

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Answer:
    """What a command line gave."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


Run = Callable[..., Answer]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> Answer:
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main.main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return Answer(int(caught.value.code or 0), out, err)

    return call


@pytest.fixture
def contract(world: World, tmp_path: Path) -> Path:
    """The signed contract's file."""
    path = tmp_path / "C.toml"
    path.write_text(world.contract.toml_text)
    for role in ("operator", "supplier"):
        signature = getattr(world.contract, f"{role}_signature")
        Path(f"{path}.{role}.sig").write_bytes(hex_line(signature))
    return path


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """The supplier's key directory."""
    directory = tmp_path / "keys"
    directory.mkdir()
    (directory / SECRET_NAME).write_bytes(hex_line(bytes(SUPPLIER)))
    (directory / PUBLIC_NAME).write_bytes(hex_line(public_key(SUPPLIER)))
    return directory


def write(directory: Path, name: str, data: bytes) -> Path:
    path = directory / name
    path.write_bytes(data)
    return path


def require_error(answer: Answer, reason: str, status: int = 2) -> None:
    assert answer.status == status, answer
    assert answer.out == ""
    assert answer.err.startswith(f"error: {reason}: ")
    assert answer.err.count("\n") == 1


# --- verify


def test_verify(world: World, run: Run, contract: Path, tmp_path: Path) -> None:
    files = [write(tmp_path, n, getattr(world, n).encode()) for n in ("first", "second")]
    answer = run("verify", *files, "--contract", contract, "--json")
    assert answer.status == 0
    documents = [json.loads(line) for line in answer.out.splitlines()]
    assert [d["file"] for d in documents] == [str(f) for f in files]
    value = world.terms.outcome_values(world.first.totals)[0]
    litres = documents[0]["outcomes"]["litres"]
    assert (litres["numerator"], litres["denominator"]) == (value.numerator, value.denominator)
    assert litres["unit"] == "L"
    assert documents[0]["amount_nanos"] == world.first.amount_nanos
    assert documents[0]["proof_bytes"] == len(world.first.proof)
    assert documents[0]["verify_seconds"] > 0
    assert documents[0]["ok"] is True
    assert documents[0]["reason"] is None


def test_verify_refused_and_malformed(
    world: World, run: Run, contract: Path, tmp_path: Path
) -> None:
    good = write(tmp_path, "good", world.first.encode())
    low = write(tmp_path, "low", resign(world.first, amount_nanos=1).encode())
    junk = write(tmp_path, "junk", b"junk")
    answer = run("verify", good, low, junk, "--contract", contract, "--json")
    assert answer.status == 1
    verdicts = [json.loads(line) for line in answer.out.splitlines()]
    assert [(d["ok"], d["reason"]) for d in verdicts] == [
        (True, None),
        (False, "AMOUNT_MISMATCH"),
        (False, "CLAIM_MALFORMED"),
    ]
    text = run("verify", good, low, junk, "--contract", contract)
    assert text.status == 1
    assert "REFUSED AMOUNT_MISMATCH" in text.out


def test_verify_an_unreadable_file(world: World, run: Run, contract: Path, tmp_path: Path) -> None:
    good = write(tmp_path, "good", world.first.encode())
    answer = run("verify", tmp_path / "missing", good, "--contract", contract)
    assert answer.status == 2
    assert answer.out.startswith(f"{good}: ok")  # what could be read was checked
    assert answer.err.startswith("error: FILE_MISSING: ")


def verify_many(files: list[Path], contract: Path, code: str = "") -> Answer:
    """``verify`` in a process of its own, since for many files it makes copies of itself."""
    program = f"import sys\nimport verifier.cli as cli\n{code}\ncli.main.main(sys.argv[1:])"
    arguments = [*map(str, files), "--contract", str(contract), "--json"]
    done = subprocess.run(
        [sys.executable, "-c", program, "verify", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return Answer(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("missing", [False, True])
def test_verify_many_files(world: World, contract: Path, tmp_path: Path, missing: bool) -> None:
    kinds = {
        None: world.first.encode(),
        "AMOUNT_MISMATCH": resign(world.first, amount_nanos=1).encode(),
        "CLAIM_MALFORMED": b"junk",
    }
    expected = [None, "CLAIM_MALFORMED", None, "AMOUNT_MISMATCH"] * 4
    files = [write(tmp_path, f"{k}.claim", kinds[r]) for k, r in enumerate(expected)]
    asked = [tmp_path / "missing", *files[:9], tmp_path / "gone", *files[9:]] if missing else files
    answer = verify_many(asked, contract)
    *lines, last = answer.out.splitlines() if missing else [*answer.out.splitlines(), ""]
    documents = [json.loads(line) for line in lines]
    assert [d["file"] for d in documents] == [str(f) for f in files]  # in their order
    assert [d["reason"] for d in documents] == expected
    assert [d["ok"] for d in documents] == [reason is None for reason in expected]
    assert answer.err == ""
    assert answer.status == (2 if missing else 1)
    if missing:
        error = json.loads(last)["error"]
        assert error["reason"] == "FILE_MISSING"
        assert str(tmp_path / "missing") in error["message"]  # the first of them


def test_verify_many_files_in_processes_of_which_one_dies(contract: Path, tmp_path: Path) -> None:
    files = [write(tmp_path, f"{k}.claim", DEADLY if k == 5 else b"") for k in range(12)]
    code = (
        "import os\nfrom tests.jobs import die_over_a_file\n"
        "cli._verify_one = die_over_a_file\nprint(os.getpid())"
    )
    answer = verify_many(files, contract, code)
    own, *lines, last = answer.out.splitlines()
    documents = [json.loads(line) for line in lines]
    assert [d["file"] for d in documents] == [str(f) for f in files if f.name != "5.claim"]
    here, *elsewhere = [d["process"] for d in documents]
    assert here == int(own)
    assert int(own) not in elsewhere
    assert json.loads(last)["error"] == {
        "reason": "FILE_UNREADABLE",
        "message": f"{files[5]}: the process that checked it died",
    }
    assert answer.status == 2


@pytest.mark.parametrize("damage", ["missing", "unsigned", "altered", "stranger", "syntax"])
def test_verify_with_a_bad_contract(
    world: World, run: Run, contract: Path, tmp_path: Path, damage: str
) -> None:
    claim = write(tmp_path, "claim", world.first.encode())
    signature = Path(f"{contract}.supplier.sig")
    reason = "CONTRACT_UNSIGNED"
    if damage == "missing":
        contract.unlink()
        reason = "FILE_MISSING"
    elif damage == "unsigned":
        signature.unlink()
    elif damage == "altered":
        contract.write_text(contract.read_text().replace("0.002", "0.003"))
    elif damage == "stranger":
        signature.write_bytes(hex_line(sign_terms(world.terms, STRANGER)))
    else:
        contract.write_text("[contract")
        reason = "CONTRACT_SYNTAX"
    require_error(run("verify", claim, "--contract", contract), reason)
    answer = run("verify", claim, "--contract", contract, "--json")
    assert (answer.status, answer.document["error"]["reason"]) == (2, reason)


# --- store commands


def deposit(run: Run, contract: Path, store: Path, nanos: int, *more: object) -> Answer:
    arguments = ("--store", store, "--contract", contract, "--amount-nanos", nanos)
    return run("deposit", *arguments, "--reference", "order 1", *more)


def test_deposit_receipts_and_ledger(
    world: World, run: Run, contract: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    booked = deposit(run, contract, store, RICH, "--json").document
    assert (booked["created"], booked["escrow_nanos"]) == (True, RICH)
    assert deposit(run, contract, store, RICH, "--json").document["created"] is False
    require_error(deposit(run, contract, store, 1), "DEPOSIT_CONFLICT")
    with open_ledger(store) as ledger:
        ledger.apply(world.first.encode())
    (receipt,) = run("receipts", "--store", store, "--json").document
    assert receipt["amount_nanos"] == world.first.amount_nanos
    assert receipt["windows"] == [0, 1]
    assert (receipt["flags"], receipt["unmetered_ms"]) == ([], 0)
    assert receipt["statement_digest"] == world.first.statement_digest.hex()
    assert run("receipts", "--store", store, "--check").status == 0
    assert "test pump" in run("receipts", "--store", store).out
    (books,) = run("ledger", "--store", store, "--json").document["contracts"]
    assert books["balances"]["payable"] == world.first.amount_nanos
    assert sum(entry["nanos"] for entry in books["entries"]) == 0
    text = run("ledger", "--store", store)
    assert text.status == 0
    assert f"+{world.first.amount_nanos}" in text.out


def test_waive_revoke_and_close(world: World, run: Run, contract: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    device = world.terms.parties.device.hex()
    deposit(run, contract, store, RICH)
    named = ("--store", store, "--contract", contract)
    until = ("--until", "2026-03-01T09:00:00+01:00")
    waived = run("waive", *named, *until, "--by", "the boss", "--json").document
    assert (waived["reason"], waived["until"]) == ("CLAIM_LATE", "2026-03-01T08:00:00.000Z")
    assert run("waive", *named, *until, "--reason", "DEVICE_FLAGS").out.count("\n") == 1
    revoke = ("revoke", "--store", store, "--from", "2030-01-01T00:00:00Z", "--device")
    assert run(*revoke, device, "--json").document["from"] == "2030-01-01T00:00:00.000Z"
    assert run("close", *named, "--json").document["created"] is True
    assert run("close", *named, "--json").document["created"] is False
    decided = run("ledger", "--store", store, "--json").document["instructions"]
    kinds = ["waive_late", "waive_flags", "revoke", "close"]
    assert [line["kind"] for line in decided] == kinds
    assert decided[0]["by"] == "the boss"
    assert decided[1]["by"]  # the login name
    assert decided[2]["device"] == device
    assert "the boss" in run("ledger", "--store", store).out
    require_error(run(*revoke, "00" * 32), "USAGE")
    require_error(run(*revoke, "00"), "KEY")
    require_error(run("waive", *named, "--until", "tomorrow"), "USAGE")
    require_error(run("waive", *named, "--until", "2026-03-01T08:00:00"), "USAGE")
    require_error(run("waive", *named, *until, "--by", ""), "USAGE")
    nothing = ("--store", tmp_path / "nothing", "--contract", contract)
    require_error(run("close", *nothing), "STORE_MISSING")


def test_integers_beyond_2_53_are_strings(run: Run, contract: Path, tmp_path: Path) -> None:
    nanos = 2**53 + 1
    booked = deposit(run, contract, tmp_path / "store", nanos, "--json").document
    assert booked["escrow_nanos"] == str(nanos)


@pytest.mark.parametrize("command", ["receipts", "ledger"])
def test_no_store(run: Run, tmp_path: Path, command: str) -> None:
    require_error(run(command, "--store", tmp_path / "nothing"), "STORE_MISSING")


@pytest.mark.parametrize("command", ["receipts", "ledger"])
def test_corrupt_store(run: Run, tmp_path: Path, command: str) -> None:
    write(tmp_path, FILE_NAME, os.urandom(9000))
    require_error(run(command, "--store", tmp_path), "STORE_CORRUPT")


def test_usage(run: Run, contract: Path, tmp_path: Path) -> None:
    assert run("deposit", "--store", tmp_path).status == 2
    assert deposit(run, contract, tmp_path, 0).status == 2
    assert not (tmp_path / FILE_NAME).exists()
    assert run("verify", "--contract", contract).status == 2


# --- serve


@pytest.fixture
def server(contract: Path, keys: Path, tmp_path: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    """A server process on a free port and the line it printed."""
    arguments = ["--contract", contract, "--store", tmp_path / "store", "--keys", keys]
    arguments += ["--listen", "127.0.0.1:0", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "verifier.cli", "serve", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate(timeout=20)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve(
    world: World,
    run: Run,
    contract: Path,
    tmp_path: Path,
    server: tuple[subprocess.Popen[str], dict[str, Any]],
    number: signal.Signals,
) -> None:
    process, line = server
    assert line["terms_digest"] == world.terms.digest.hex()
    # a deposit while the server runs
    assert deposit(run, contract, tmp_path / "store", RICH).status == 0
    with VerifierClient(f"127.0.0.1:{line['port']}") as client:
        assert not client.submit(world.first.encode()).duplicate
        assert client.submit(world.first.encode()).duplicate
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")
    (books,) = run("ledger", "--store", tmp_path / "store", "--json").document["contracts"]
    assert books["balances"]["settled"] == world.first.amount_nanos


def serve(run: Run, contract: Path, keys: Path, store: Path, *more: object) -> Answer:
    return run("serve", "--contract", contract, "--store", store, "--keys", keys, *more)


def test_port_in_use(run: Run, contract: Path, keys: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        answer = serve(run, contract, keys, tmp_path / "store", "--listen", address)
    require_error(answer, "PORT_IN_USE")


@pytest.mark.parametrize(
    ("listen", "reason"),
    [("0.0.0.0:0", "TLS"), ("nowhere", "ADDRESS"), ("127.0.0.1:99999", "ADDRESS")],
)
def test_bad_listen_addresses(
    run: Run, contract: Path, keys: Path, tmp_path: Path, listen: str, reason: str
) -> None:
    store = tmp_path / "store"
    require_error(serve(run, contract, keys, store, "--listen", listen), reason)
    assert not store.exists()


def test_serve_with_the_wrong_key(run: Run, contract: Path, keys: Path, tmp_path: Path) -> None:
    (keys / SECRET_NAME).write_bytes(hex_line(bytes(STRANGER)))
    require_error(serve(run, contract, keys, tmp_path / "store"), "KEY")
    assert not (tmp_path / "store").exists()


def test_serve_with_half_of_tls(run: Run, contract: Path, keys: Path, tmp_path: Path) -> None:
    answer = serve(run, contract, keys, tmp_path / "store", "--tls-key", "x")
    assert answer.status == 2
    assert "go together" in answer.err
