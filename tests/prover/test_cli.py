"""``zkmeter-prover`` as a person types it: results, JSON, one-line errors, nothing half-written."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from click.testing import CliRunner, Result

from prover.cli import main, parse_windows
from prover.template import fill_template
from tests.prover.rig import PUMP, ROOT, Rig, log_text, make_rig, steady_log
from verifier.claim import check_claim, decode_claim
from verifier.console import utc_text
from verifier.contract import Start, Terms


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def run_json(*arguments: object) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return json.loads(result.stdout)


def refused(*arguments: object) -> str:
    """The reason and message of a command that fails with status 2, the same in both forms."""
    plain, as_json = run(*arguments), run(*arguments, "--json")
    assert plain.exit_code == as_json.exit_code == 2, plain.output
    assert plain.stdout == ""
    assert as_json.stderr == ""
    error = json.loads(as_json.stdout)["error"]
    line = f"error: {error['reason']}: {error['message']}\n"
    assert plain.stderr == line
    return line.removeprefix("error: ")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """A site with one imported log of four windows."""
    rig = make_rig(tmp_path_factory.mktemp("site"))
    (rig.directory / "log.csv").write_text(steady_log(200))
    document = run_json(
        "import", rig.directory / "log.csv", "--contract", rig.contract, "--store", rig.store,
        "--device", rig.device,
    )  # fmt: skip
    assert document == {
        "epoch": 0,
        "windows": 4,
        "records": 200,
        "start": "2024-05-01T12:00:00.000Z",
        "end": "2024-05-01T12:03:19.001Z",
    }
    return rig


def prove_arguments(rig: Rig, windows: str, out: Path) -> list[object]:
    return [
        "prove", "--contract", rig.contract, "--store", rig.store, "--keys", rig.operator,
        "--windows", windows, "--out", out,
    ]  # fmt: skip


def test_keys_and_devices(tmp_path: Path) -> None:
    for command in ("keys", "device"):
        document = run_json(command, "new", tmp_path / command)
        assert re.fullmatch(r"[0-9a-f]{64}", document["public_key"])
        assert (tmp_path / command / "public.key").read_text().strip() == document["public_key"]
        assert refused(command, "new", tmp_path / command).startswith("FILE_EXISTS")
        assert run(command, "new", tmp_path / f"{command}2").stdout.count("\n") == 1


def test_contract_new_and_sign(tmp_path: Path) -> None:
    for name in ("op", "sup"):
        run_json("keys", "new", tmp_path / name)
    device = run_json("device", "new", tmp_path / "dev")["public_key"]
    out = tmp_path / "C.toml"
    arguments = [
        "contract", "new", PUMP, "--operator", tmp_path / "op", "--supplier",
        tmp_path / "sup" / "public.key", "--device", device, "--out", out,
    ]  # fmt: skip
    document = run_json(*arguments)
    terms = Terms.from_toml(out.read_text())
    assert document["terms_digest"] == terms.digest.hex()
    assert terms.circuit_id == terms.circuit.identifier
    assert terms.parties.device.hex() == device
    assert "ties to even" in out.read_text()
    assert refused(*arguments).startswith("FILE_EXISTS")
    signed = run_json("contract", "sign", out, "--keys", tmp_path / "op")
    assert signed["signature_file"] == f"{out}.operator.sig"
    assert re.fullmatch(r"[0-9a-f]{128}\n", Path(signed["signature_file"]).read_text())
    assert refused("contract", "sign", out, "--keys", tmp_path / "dev").startswith("KEY")
    shown = run_json("contract", "show", out)
    assert shown["signed"] == {"operator": True, "supplier": False}
    assert shown["circuit_id"] == document["circuit_id"]
    assert min(shown["proven_bits"].values()) >= 120
    text = run("contract", "show", out).stdout
    assert "litres [L] = sum(flow * dt_ms) / 60000; 0.002 IOTA per unit" in text
    assert "record count" in text


def test_contract_new_refuses_without_writing(tmp_path: Path) -> None:
    key = "ab" * 32
    bad = tmp_path / "bad.toml"
    bad.write_text(PUMP.read_text(encoding="utf-8").replace("bits = 18", "bits = 99"))
    base = ["--supplier", "cd" * 32, "--device", "ef" * 32, "--out", tmp_path / "C.toml"]
    new = ("contract", "new")
    assert refused(*new, bad, "--operator", key, *base).startswith(f"CONTRACT_FIELD: {bad}: chan")
    assert refused(*new, PUMP, "--operator", "x", *base).startswith("KEY: --operator")
    assert refused(*new, tmp_path / "no", "--operator", key, *base).startswith("FILE_MISSING")
    base[-1] = tmp_path / "no" / "C.toml"
    assert refused(*new, PUMP, "--operator", key, *base).startswith("WRITE_FAILED")
    assert [p.name for p in tmp_path.iterdir()] == ["bad.toml"]


def test_a_template_may_have_parties_already() -> None:
    keys = (b"\1" * 32, b"\2" * 32, b"\3" * 32)
    text, terms = fill_template(PUMP.read_text(encoding="utf-8"), *keys)
    placeholders = re.sub(
        r'^(operator|supplier|device) = ".*"', r'\1 = "..."', text, flags=re.MULTILINE
    )
    assert fill_template(placeholders, *keys)[1].digest == terms.digest
    assert list(tomlkit.parse(text))[:2] == ["contract", "parties"]


def test_windows(site: Rig) -> None:
    entries = run_json("windows", "--store", site.store)
    assert [entry["index"] for entry in entries] == [0, 1, 2, 3]
    start = Start.from_text(entries[3].pop("checkpoint"))  # what a contract's start can name
    assert (start.epoch, start.index) == (0, 4)
    assert entries[3] == {
        "device": site.terms.parties.device.hex(),
        "epoch": 0,
        "index": 3,
        "records": 20,
        "start": "2024-05-01T12:03:00.000Z",
        "end": "2024-05-01T12:03:19.001Z",
        "signed": True,
    }
    assert run("windows", "--store", site.store).stdout.count("\n") == 5


def test_prove_writes_a_claim(site: Rig, tmp_path: Path) -> None:
    out = tmp_path / "a.claim"
    document = run_json(*prove_arguments(site, "0..1", out))
    made = decode_claim(out.read_bytes())
    value = check_claim(made, site.load()).outcomes[0]
    assert document["windows"] == [0, 1]
    assert document["outcomes"]["litres"]["numerator"] == value.numerator
    assert document["outcomes"]["litres"]["denominator"] == value.denominator
    assert document["outcomes"]["litres"]["unit"] == "L"
    assert document["amount_nanos"] == made.amount_nanos
    assert document["proof_bytes"] == len(made.proof)
    other = tmp_path / "b.claim"
    assert refused(*prove_arguments(site, "1..2", other)).startswith("STATEMENT_CONFLICT")
    assert not other.exists()
    assert "litres = " in run(*prove_arguments(site, "2..2", other)).stdout


@pytest.mark.parametrize(
    ("windows", "reason"),
    [("0..9", "WINDOWS"), ("3..2", "WINDOWS"), ("0", "WINDOWS"), ("a..b", "WINDOWS"),
     ("0..1 --epoch 7", "WINDOWS"), ("0..1 --epoch -1", "USAGE")],
)  # fmt: skip
def test_wrong_windows(site: Rig, tmp_path: Path, windows: str, reason: str) -> None:
    span, *more = windows.split()
    arguments = [*prove_arguments(site, span, tmp_path / "a.claim"), *more]
    assert refused(*arguments).startswith(reason)
    assert list(tmp_path.iterdir()) == []


def test_bad_input_is_one_line(site: Rig, tmp_path: Path) -> None:
    out = tmp_path / "a.claim"
    good = prove_arguments(site, "0..1", out)

    def instead(option: str, value: object) -> str:
        arguments = list(good)
        arguments[arguments.index(option) + 1] = value
        return refused(*arguments)

    assert instead("--contract", tmp_path / "none.toml").startswith("FILE_MISSING")
    assert instead("--store", tmp_path).startswith("STORE_MISSING")
    assert instead("--keys", tmp_path).startswith("FILE_MISSING")
    assert instead("--keys", site.supplier).startswith("KEY")
    assert instead("--out", tmp_path / "none" / "a.claim").startswith("WRITE_FAILED")
    assert instead("--out", "/dev/full").startswith("WRITE_FAILED")
    assert instead("--out", tmp_path).startswith("WRITE_FAILED")
    assert refused("windows", "--store", tmp_path).startswith("STORE_MISSING")
    assert not out.exists()


def test_unsigned_and_altered_contracts_are_refused(tmp_path: Path) -> None:
    rig = make_rig(tmp_path)
    log = tmp_path / "log.csv"
    log.write_text(steady_log(5))
    arguments = [
        "import", log, "--contract", rig.contract, "--store", rig.store, "--device", rig.device,
    ]  # fmt: skip
    text = rig.contract.read_text()
    rig.contract.write_text(text.replace('price = "0.002"', 'price = "0.001"'))
    assert refused(*arguments).startswith("CONTRACT_UNSIGNED")
    rig.contract.write_text(text)
    Path(f"{rig.contract}.supplier.sig").unlink()
    assert "the supplier has not signed" in refused(*arguments)
    assert not rig.store.exists()


def test_a_bad_log_names_row_and_column_and_leaves_nothing(tmp_path: Path) -> None:
    rig = make_rig(tmp_path)
    log = tmp_path / "log.csv"
    log.write_text(log_text([(0, "1"), (1000, "987.654")]))
    line = refused(
        "import", log, "--contract", rig.contract, "--store", rig.store, "--device", rig.device
    )
    assert line.startswith(f"CSV_RANGE: {log}: row 2, column 'Volume Flow RateRMS'")
    assert "987" not in line
    assert not rig.store.exists()


def test_submit_without_a_server(tmp_path: Path) -> None:
    claim = tmp_path / "a.claim"
    assert refused("submit", claim, "--to", "127.0.0.1:1").startswith("FILE_MISSING")
    claim.write_bytes(b"x")
    assert refused("submit", claim, "--to", "nowhere").startswith("ADDRESS")
    assert refused("submit", claim, "--to", "127.0.0.1:1").startswith("SERVER_AWAY")
    assert refused("submit", claim, "--to", "192.0.2.1:1").startswith("TLS")
    partly = refused("submit", claim, "--to", "127.0.0.1:1", "--tls-ca", claim)
    assert partly.startswith("TLS")


def test_prove_shows_where_the_time_goes(site: Rig, tmp_path: Path) -> None:
    rig = site
    words = prove_arguments(rig, "0..1", tmp_path / "C.claim")
    plain = run(*words, "--profile", "--memory", "2G")
    assert plain.exit_code == 0, plain.output
    lines = plain.stdout.splitlines()
    assert lines[1].split() == ["step", "seconds", "CPU", "share", "peak", "MiB"]
    steps = [line[:24].strip() for line in lines[2:]]
    assert steps[0] == "reading the log"
    assert {"witness", "trace commitment", "constraints", "proof of work"} < set(steps)
    assert steps[-2:] == ["checking", "all"]
    document = run_json(*words, "--profile", "--memory", "64M")
    assert [step["step"] for step in document["steps"]] == steps[:-1]
    assert sum(step["share"] for step in document["steps"]) == pytest.approx(1, abs=0.01)
    assert "steps" not in run_json(*words)
    assert refused(*words, "--memory", "lots").startswith("USAGE: --memory: ")


def test_bench_reports_what_it_measured() -> None:
    document = run_json("bench", "--readings", "100")
    assert set(document) == {
        "readings", "rows", "columns", "parameter_set", "proven_bits", "cores", "runs",
        "memory_bytes", "prove_seconds", "prove_cpu_seconds", "verify_seconds", "proof_bytes",
        "peak_rss_bytes", "steps",
    }  # fmt: skip
    assert document["readings"] == 100
    assert document["parameter_set"] == "standard"
    assert document["proven_bits"] >= 120


def test_a_missing_extra_is_named() -> None:
    """Without the prover's own dependencies its commands say so; the rest still works."""
    code = (
        "import sys; sys.modules['numba'] = None; from prover.cli import main;"
        "main(['device', 'new', 'never-made'])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert result.stderr.startswith("error: MISSING_EXTRA: the package 'numba'")
    assert len(result.stderr.splitlines()) == 1


def test_small_parsers() -> None:
    assert parse_windows("0..9") == (0, 9)
    assert utc_text(1_714_564_800_001) == "2024-05-01T12:00:00.001Z"
