"""Processes of our own that compute beside this one: one process computes on one core at a time.

A worker does one job after the other and keeps nothing in between but what modules cache. It ends
when this process ends it, and when this process dies, however it dies: then its pipe ends.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from queue import LifoQueue
from typing import Any, Self, TypeVar

_Answer = TypeVar("_Answer")
_ATTEMPTS = 2


class WorkerDied(Exception):
    """The process that had a job ended before it answered, and so did the one after it."""


class WorkerFailed(Exception):
    """A job raised; the message is its traceback."""


def usable_cores() -> int:
    """The cores that this process may run on."""
    return len(os.sched_getaffinity(0))


class _Worker:
    """One process and the pipe to it."""

    def __init__(self, *, fork: bool = False) -> None:
        context = get_context("fork") if fork else get_context("spawn")
        self._pipe, theirs = context.Pipe()
        inherited = self._pipe if fork else None
        self._process = context.Process(target=_work, args=(theirs, inherited), daemon=True)
        self._process.start()
        theirs.close()  # so that the pipe ends when the process does

    def ask(self, function: Callable[..., _Answer], arguments: tuple[Any, ...]) -> _Answer:
        """The function's answer; ``EOFError`` or ``OSError`` when the process is gone."""
        self._pipe.send((function, arguments))
        done, answer = self._pipe.recv()
        if not done:
            raise WorkerFailed(answer)
        result: _Answer = answer
        return result

    def close(self) -> None:
        """End the process, which has no job."""
        with suppress(OSError):
            self._pipe.send(None)
        self._pipe.close()
        self._process.join()


def _work(pipe: Connection, inherited: Connection | None) -> None:
    """Do jobs until there is none."""
    if inherited is not None:
        inherited.close()  # else the pipe would not end when the first process does
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the first process decides
    with suppress(EOFError, OSError):
        while (job := pipe.recv()) is not None:
            function, arguments = job
            try:
                answer = True, function(*arguments)
            except Exception:
                answer = False, traceback.format_exc()
            pipe.send(answer)


class Workers:
    """Up to ``count`` processes; safe between threads. A context manager.

    Each is started anew when it is first needed. With ``fork`` all are copies of this process, at
    once, which must have no other threads then: that costs no start-up.
    """

    def __init__(self, count: int, *, fork: bool = False) -> None:
        self._count = count
        # the last one that was busy is taken first: no more are started than are needed
        self._idle: LifoQueue[_Worker | None] = LifoQueue()
        for _ in range(count):
            self._idle.put(_Worker(fork=True) if fork else None)

    def call(self, function: Callable[..., _Answer], *arguments: Any) -> _Answer:
        """Run a module's function in a worker, once one is idle; ``WorkerFailed`` if it raises.

        A worker that died is replaced and its job is done again, once; then ``WorkerDied``.
        """
        worker = self._idle.get()
        try:
            for _ in range(_ATTEMPTS):
                if worker is None:
                    worker = _Worker()
                try:
                    return worker.ask(function, arguments)
                except (EOFError, OSError):
                    worker.close()
                    worker = None
            raise WorkerDied("a process died over a job, and its successor did too")
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """End all processes; calls that still run are waited for."""
        for _ in range(self._count):
            worker = self._idle.get()
            if worker is not None:
                worker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
