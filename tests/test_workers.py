"""Worker processes: they answer, are replaced when they die, and never outlive whom they serve."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import active_children
from pathlib import Path

import pytest

from tests import jobs
from verifier.workers import WorkerDied, WorkerFailed, Workers, usable_cores

ROOT = Path(__file__).parents[1]
WAIT_SECONDS = 20.0


def children() -> set[int]:
    return {child.pid for child in active_children() if child.pid is not None}


def alive(process: int) -> bool:
    """Whether a process still runs; one that nobody has waited for yet does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2]
    except FileNotFoundError:
        return False
    return state.split()[0] != "Z"


@pytest.mark.parametrize("fork", [False, True])
def test_jobs_are_done_in_other_processes_that_end(fork: bool) -> None:
    before = children()
    with Workers(2, fork=fork) as workers, ThreadPoolExecutor(2) as threads:
        found = set(threads.map(lambda _: workers.call(jobs.slow_process, 0.2), range(4)))
        assert len(found) == 2
        assert found == children() - before
        assert os.getpid() not in found
    assert children() == before


def test_no_more_processes_are_started_than_are_needed() -> None:
    before = children()
    with Workers(8) as workers:
        assert children() == before
        assert len({workers.call(jobs.process) for _ in range(3)}) == 1
        assert len(children() - before) == 1


def test_no_more_jobs_run_at_a_time_than_there_are_workers() -> None:
    with Workers(1) as workers, ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(lambda _: workers.call(jobs.process), range(8)))) == 1


def test_what_a_job_raises() -> None:
    with Workers(1) as workers:
        process = workers.call(jobs.process)
        with pytest.raises(WorkerFailed, match="LookupError: word"):
            workers.call(jobs.fail, "word")
        assert workers.call(jobs.process) == process


def test_a_worker_that_dies_is_replaced_and_its_job_done_again(tmp_path: Path) -> None:
    with Workers(1, fork=True) as workers:
        first = workers.call(jobs.process)
        second = workers.call(jobs.die_once, tmp_path / "died")
        assert second != first
        os.kill(second, signal.SIGKILL)  # idle ones too
        assert workers.call(jobs.process) not in {first, second}


def test_a_job_that_kills_is_given_up() -> None:
    with Workers(1) as workers:
        with pytest.raises(WorkerDied):
            workers.call(jobs.die)
        assert workers.call(jobs.process) in children()


def test_ctrl_c_is_not_for_workers() -> None:
    with Workers(1) as workers:
        process = workers.call(jobs.process)
        os.kill(process, signal.SIGINT)
        assert workers.call(jobs.process) == process


@pytest.mark.parametrize("fork", [False, True])
def test_workers_die_with_whom_they_serve(fork: bool) -> None:
    code = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from tests import jobs\n"
        "from verifier.workers import Workers\n"
        f"with Workers(3, fork={fork}) as workers, ThreadPoolExecutor(3) as threads:\n"
        "    print(*threads.map(lambda _: workers.call(jobs.slow_process, 0.2), range(3)),"
        " flush=True)\n"
        "    input()\n"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        found = [int(word) for word in parent.stdout.readline().split()]
        assert len(set(found)) == 3
        assert all(alive(process) for process in found)
        parent.kill()
    end = time.monotonic() + WAIT_SECONDS
    while any(alive(process) for process in found) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(alive(process) for process in found)


def test_usable_cores_are_those_of_this_process() -> None:
    own = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(own)})
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, own)
    assert usable_cores() == len(own)
