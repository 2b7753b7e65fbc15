"""From the ADC of an emulated board to a payment: readings, frames, gateway, proof, ledger."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from circuits.checkpoint import decode_checkpoint
from examples.demo.device import CORE
from examples.demo.source import SKAB, Source, choose, pump, water
from firmware.tools.emulator import (
    RANDOM_FILE,
    SAMPLES_FILE,
    Board,
    BoardFailed,
    Run,
    close,
    command,
    run,
    sample,
    secrets,
    tick,
)
from prover.claims import claim_windows, plan_claim
from prover.device import load_device
from prover.frames import (
    REPEAT_COMMAND,
    STATUS_COMMAND,
    FrameReader,
    FrameType,
    StatusFrame,
)
from prover.importer import cut_windows, read_log
from prover.recording import record_log
from prover.session import clock_command
from prover.store import open_store
from prover.twin import TwinSession, epoch_frames
from tests.end_to_end.test_demo import WINDOWS, demo, write_log
from tests.firmware.build import BOARDS, BUILD, MAKE_FAILED, missing, run_make
from tests.prover.gateway_rig import ingest, kinds, make_gateway_rig
from tests.prover.rig import Rig
from verifier.claim import SignedCheckpoint
from verifier.keys import load_keys
from verifier.ledger import Ledger

RECORDS = (170, 130)  # of the first and the second time that the board is switched on
FLASH_BYTES = 2048
EXIT_NO_RANDOMNESS, EXIT_FLASH = 2, 3


@pytest.fixture(scope="module", params=BOARDS)
def core(request: pytest.FixtureRequest) -> str:
    """Each processor, its image built; skips without the tools."""
    name: str = request.param
    lacking = missing(name)
    if lacking:
        pytest.skip(f"{name}: {', '.join(lacking)} not installed")
    status, said = run_make(str(image(name)))
    if status == MAKE_FAILED and "libsodium's source is not to be had" in said:
        pytest.skip("libsodium's source is not here and cannot be fetched")
    assert status == 0, said
    return name


def image(core: str) -> Path:
    """The sensor's image for a processor."""
    return BUILD / core / "zkmeter.elf"


def log_of_a_pump(folder: Path) -> Source:
    """Real readings where there are any here, else such as a pump might give."""
    if SKAB.is_file():
        return choose(None, folder)
    if importlib.util.find_spec("river") is not None:
        return water(folder)
    begin = datetime(2024, 5, 1, 12, tzinfo=UTC)
    lines = ["datetime;Volume Flow RateRMS"]
    for number in range(sum(RECORDS)):
        moment = begin + timedelta(milliseconds=1000 * number + 37 * (number % 5))
        lines.append(f"{moment.isoformat(timespec='milliseconds')};{100 + number * 7 % 31}.25")
    path = folder / "made-up.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return pump(path, "made up", "made up")


def parts(source: Source, folder: Path) -> list[Source]:
    """The log's first records, cut where the board is switched off and on again."""
    header, *rows = source.path.read_text(encoding="utf-8").splitlines(keepends=True)
    cut = []
    for number, count in enumerate(RECORDS):
        path = folder / f"part-{number}.csv"
        path.write_text(header + "".join(rows[:count]), encoding="utf-8")
        rows = rows[count:]
        cut.append(replace(source, path=path))
    return cut


def milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def entries(source: Source) -> tuple[int, list[bytes]]:
    """The clock at power on, and what the ADC and the timer do: closed 1 ms after the last."""
    found = []
    times = []
    for moment, flow in source.records():
        times.append(milliseconds(moment))
        found.append(sample(times[-1], [int(flow / source.step)]))
    return times[0], [*found, close(times[-1] + 1)]


def draws(name: str) -> tuple[bytes, Callable[[int], bytes]]:
    """The bytes of a random source, and the same one for the twin."""
    stream = hashlib.shake_128(name.encode()).digest(1 << 14)
    taken = iter(stream)
    return stream, lambda count: bytes(next(taken) for _ in range(count))


@dataclass
class Site:
    """An operator whose sensor is an emulated board, and the twin of that sensor."""

    rig: Rig
    core: str
    folder: Path
    resent: list[SignedCheckpoint] = field(default_factory=list)

    @property
    def board(self) -> Board:
        """The sensor that the contract names; its secrets are those of the rig's device."""
        terms = self.rig.terms
        return Board(
            bits=tuple(channel.bits for channel in terms.schema.channels),
            schema_digest=terms.schema.digest(),
            window_ms=terms.window_ms,
            operator_key=terms.parties.operator_encryption or b"",
            seed=bytes(load_keys(self.rig.device)),
            salt_secret=bytes.fromhex((self.rig.device / "salt.key").read_text("ascii")),
        )

    def record(self, source: Source, name: str) -> Run:
        """Switch on, read the whole log, switch off; the random source is ``draws(name)``."""
        now_ms, played = entries(source)
        return run(
            self.core,
            image(self.core),
            self.folder,
            self.board,
            now_ms,
            played,
            random=draws(name)[0],
        )

    def twin(self, source: Source, name: str) -> bytes:
        """What the Python twin sends of the same log, with the same randomness."""
        terms = self.rig.terms
        device = load_device(self.rig.device)
        imported = read_log(source.path, terms)
        made = device.record_epoch(terms.schema, cut_windows(imported, terms.window_ms))
        random = draws(name)[1]
        operator = terms.parties.operator_encryption or b""
        key = load_keys(self.rig.device)
        session = TwinSession.begin(key, made.epoch, terms.schema, operator, random)
        frames = b"".join(epoch_frames(session, made, random, self.resent))
        device.persist(made.state)
        self.resent = list(made.checkpoints[0 if len(made.windows) == 1 else -1 :])
        return frames


@pytest.fixture
def site(core: str, tmp_path: Path) -> Site:
    """A contract over the log's channels, signed by both."""
    folder = tmp_path / "board"
    folder.mkdir()
    template = log_of_a_pump(tmp_path).template.read_text(encoding="utf-8")
    return Site(make_gateway_rig(tmp_path / "site", template), core, folder)


def frames_of(stream: bytes) -> list[tuple[int, bytes]]:
    reader = FrameReader()
    found = reader.feed(stream)
    assert reader.noise == 0
    return found


def test_every_byte_is_the_twins_over_a_restart(site: Site, tmp_path: Path) -> None:
    for number, part in enumerate(parts(log_of_a_pump(tmp_path), tmp_path)):
        name = f"boot {number}"
        assert site.record(part, name).frames == site.twin(part, name)


def test_readings_become_a_payment(site: Site, tmp_path: Path) -> None:
    """Two epochs, each claimed and paid, worth what the CSV import of the same readings is."""
    rig = site.rig
    csv_rig = make_gateway_rig(tmp_path / "csv", log_of_a_pump(tmp_path).template.read_text())
    litres: list[Fraction] = []
    with Ledger.open(tmp_path / "ledger", load_keys(rig.supplier), create=True) as ledger:
        ledger.register(rig.load())
        ledger.deposit(rig.terms.digest, 10**15, "escrow")
        for epoch, part in enumerate(parts(log_of_a_pump(tmp_path), tmp_path)):
            events = ingest(rig, [site.record(part, f"boot {epoch}").frames])
            imported = record_log(part.path, csv_rig.terms, csv_rig.store, csv_rig.device)
            stored = [("window", n) for n in range(imported.windows)]
            assert kinds(events) == [("session", None), *stored]
            span = (0, imported.windows - 1)
            assert_equal_readings(rig, csv_rig, epoch, span)
            claim, _ = claim_windows(
                rig.load(), rig.store, rig.operator, rig.operator_key, span, epoch
            )
            litres += ledger.apply(claim.encode()).outcomes
            assert litres[-1] == sum(part.litres(imported.windows), Fraction(0)) > 0
        paid = ledger.balances(rig.terms.digest)
    assert sum(nanos for account, nanos in paid.items() if account.value == "payable") > 0


def assert_equal_readings(rig: Rig, other: Rig, epoch: int, span: tuple[int, int]) -> None:
    """Both stores hold the same records in the same windows, worth the same."""
    plans = []
    for each in (rig, other):
        with open_store(each.store) as store:
            plans.append(plan_claim(each.load(), each.operator_key, store, *span, epoch))
    for one, same in zip(plans[0].windows, plans[1].windows, strict=True):
        assert np.array_equal(one.records, same.records)
    assert plans[0].own == plans[1].own


def test_a_restart_links_the_epochs(site: Site, tmp_path: Path) -> None:
    runs = [
        site.record(part, f"boot {number}")
        for number, part in enumerate(parts(log_of_a_pump(tmp_path), tmp_path))
    ]
    assert (site.folder / "flash.bin").stat().st_size == FLASH_BYTES
    sent = [
        decode_checkpoint(body[:-64])
        for each in runs
        for kind, body in frames_of(each.frames)
        if kind == FrameType.CHECKPOINT
    ]
    last = max((c for c in sent if c.epoch == 0), key=lambda c: c.index)
    (opening,) = [c for c in sent if (c.epoch, c.index) == (1, 0)]
    assert opening.link is not None
    link = (opening.link.epoch, opening.link.index, opening.link.end_ms, opening.link.chain)
    assert link == (0, last.index, last.end_ms, last.chain)
    assert sent.count(last) == 2  # it was sent again, in case that it never arrived


def test_commands_on_the_line_are_answered(site: Site) -> None:
    start_ms = 1_700_000_000_000
    asked = b"\0" + REPEAT_COMMAND + STATUS_COMMAND
    session, again, status = frames_of(talk(site, start_ms, asked, answers=3))
    assert session == again
    assert (session[0], status[0]) == (FrameType.SESSION, FrameType.STATUS)
    assert int.from_bytes(status[1][:8], "little") == start_ms


def test_the_clock_is_set_over_the_line(site: Site) -> None:
    """The longest command there is."""
    start_ms = 1_700_000_000_000
    stream, random = draws("clock")
    (site.folder / RANDOM_FILE).write_bytes(stream)
    terms, key = site.rig.terms, load_keys(site.rig.device)
    operator = terms.parties.operator_encryption or b""
    session = TwinSession.begin(key, 0, terms.schema, operator, random)
    asked = b"\0" + clock_command(session.key, start_ms + 1234, 0) + STATUS_COMMAND
    opened, answer = frames_of(talk(site, start_ms, asked, answers=2, random=True))
    assert opened == frames_of(session.frame.encode())[0]
    status = StatusFrame.decode(answer[1])
    assert (status.now_ms, status.clocks) == (start_ms + 1234, 1)


def talk(site: Site, now_ms: int, asked: bytes, *, answers: int, random: bool = False) -> bytes:
    """Send bytes to a board that idles until so many frames came from it.

    ``random``: its random source is a file that is there.
    """
    samples = site.folder / SAMPLES_FILE
    os.mkfifo(samples)  # emulated time does not wait for the line, so the entries have to
    adc = os.open(samples, os.O_RDWR)  # so that opening waits for nobody
    words = command(site.core, image(site.core), "stdio", random=random)
    pipe = subprocess.PIPE
    received = b""
    with (
        secrets(site.board, site.folder, now_ms),
        subprocess.Popen(words, cwd=site.folder, bufsize=0, stdin=pipe, stdout=pipe) as board,
    ):
        assert board.stdin is not None
        assert board.stdout is not None
        os.set_blocking(board.stdout.fileno(), False)
        board.stdin.write(asked)
        for _ in range(60_000):
            os.write(adc, tick(now_ms))
            received += board.stdout.read() or b""
            if received.count(0) == answers or board.poll() is not None:
                break
            time.sleep(0.001)
        os.close(adc)
        assert board.wait() == 0
        return received + (board.stdout.read() or b"")


def test_a_board_that_must_not_run_does_not(site: Site, tmp_path: Path) -> None:
    board, start_ms = site.board, 1_700_000_000_000
    dead = {"no randomness": b"", "too little": bytes(range(95)), "constant": b"\x5a" * 200}
    for random in dead.values():
        with pytest.raises(BoardFailed, match=f"exit status {EXIT_NO_RANDOMNESS}"):
            run(site.core, image(site.core), site.folder, board, start_ms, [], random=random)
    (site.folder / "flash.bin").write_bytes(bytes(FLASH_BYTES))
    with pytest.raises(BoardFailed, match=f"exit status {EXIT_FLASH}"):
        run(site.core, image(site.core), site.folder, board, start_ms, [])
    assert not (site.folder / "device.bin").exists()  # the secrets do not stay behind


def test_the_demo_through_the_emulated_sensor(core: str, tmp_path: Path) -> None:
    if core != CORE:
        pytest.skip("the demo has one sensor")
    log, out = tmp_path / "log.csv", tmp_path / "out"
    litres = write_log(log)
    result = demo("--csv", log, "--out", out, "--device", "qemu")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "an emulated Cortex-M4 sent" in result.stdout
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert summary["device"] == "qemu"
    assert (summary["windows"], summary["accepted"]) == (WINDOWS, WINDOWS)
    assert Fraction(summary["litres_proven"]) == litres
    assert not (out / "operator" / "board" / "device.bin").exists()
