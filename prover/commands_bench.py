"""``bench`` and ``warm-up``: what proving takes, and kernels compiled ahead of time."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import click

from circuits.errors import BadInput, InputReason
from verifier.console import Output, leaf

MEMORY = click.option(
    "--memory",
    metavar="SIZE",
    help="Stay below so much memory, such as 512M, as far as a claim of its length can.",
)


def add_bench_commands(group: click.Group) -> None:
    """Add ``bench`` and ``warm-up`` to the console script's group."""
    _add_warm_up(group)

    @leaf(group, "bench")
    @click.option(
        "--readings",
        type=click.IntRange(min=1),
        metavar="N",
        help="Measure one claim: one 16-bit channel, every 100 ms; a day is 864000.",
    )
    @click.option(
        "--out", metavar="DIR", help="Measure all lengths: results.json and results.svg in DIR."
    )
    @click.option(
        "--rows",
        type=click.IntRange(min=1),
        metavar="N",
        help="With --out: the longest trace, of at most 1048576 rows, the default.",
    )
    @click.option(
        "--parameter-set",
        "parameter_sets",
        metavar="NAME",
        multiple=True,
        help="Default: standard; with --out all, and it may be given several times.",
    )
    @click.option(
        "--runs", type=click.IntRange(min=1), metavar="N", default=3, help="Measured runs; 3."
    )
    @MEMORY
    def bench(
        output: Output,
        readings: int | None,
        out: str | None,
        rows: int | None,
        parameter_sets: tuple[str, ...],
        runs: int,
        memory: str | None,
    ) -> None:
        """Prove and verify a made-up log: one unmeasured run, then medians.

        With --readings one claim of that length; with --out every length from 2^8 to 2^20 rows
        and every parameter set, and a day with several memory limits, each in a process of its own.
        """
        if (readings is None) == (out is None):
            raise BadInput(InputReason.USAGE, "either --readings N or --out DIR")
        if out is not None:
            if memory is not None:
                raise BadInput(InputReason.USAGE, "--memory goes with --readings")
            _sweep(output, Path(out), rows, parameter_sets, runs)
        elif readings is not None:
            if rows is not None or len(parameter_sets) > 1:
                raise BadInput(InputReason.USAGE, "--rows and several sets go with --out")
            _one(output, readings, (parameter_sets or ("standard",))[0], runs, memory)


def _one(output: Output, readings: int, parameter_set: str, runs: int, memory: str | None) -> None:
    from prover.bench import run_bench
    from prover.memory import parse_memory

    limit = None if memory is None else parse_memory(memory)
    with output.progress("bench") as progress:
        result = run_bench(readings, parameter_set, progress, runs=runs, memory=limit)
    document = result.document()
    steps = document.pop("steps")
    lines = [f"{name:<18} {_figure(value)}" for name, value in document.items()]
    lines += [f"  {s['step']:<22} {s['seconds']:.4f} s {s['share']:>6.1%}" for s in steps]
    output.emit({**document, "steps": steps}, "\n".join(lines))


def _sweep(
    output: Output, out: Path, rows: int | None, parameter_sets: tuple[str, ...], runs: int
) -> None:
    if find_spec("matplotlib") is None:
        message = "--out draws with 'matplotlib', not installed; try: pip install 'zkmeter[demo]'"
        raise BadInput(InputReason.MISSING_EXTRA, message)
    from prover.bench_plot import draw
    from prover.bench_sweep import LARGEST_ROWS, RESULTS, sweep, sweep_table
    from prover.warm_up import warm_up
    from verifier.kernel.parameters import PARAMETER_SETS

    if unknown := set(parameter_sets) - set(PARAMETER_SETS):
        message = f"--parameter-set: no {min(unknown)!r}, but {', '.join(PARAMETER_SETS)}"
        raise BadInput(InputReason.USAGE, message)
    largest = min(rows or LARGEST_ROWS, LARGEST_ROWS)
    with output.progress("warm-up") as progress:
        warm_up(progress)
    with output.progress("bench") as progress:
        document = sweep(out, largest, parameter_sets or tuple(PARAMETER_SETS), runs, progress)
    picture = out / "results.svg"
    draw(document, picture)
    files = [str(out / RESULTS), str(picture)]
    output.emit({**document, "files": files}, f"{sweep_table(document)}\n{' '.join(files)}")


def _figure(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _add_warm_up(group: click.Group) -> None:
    @leaf(group, "warm-up")
    def warm_up_command(output: Output) -> None:
        """Compile the prover's kernels now, so that nothing waits for it later.

        They are kept beside the package, or where NUMBA_CACHE_DIR says. Once after an installation
        or update; about a minute.
        """
        from prover.warm_up import warm_up

        with output.progress("warm-up") as progress:
            done = warm_up(progress)
        document = {
            "compiled": done.compiled,
            "seconds": round(done.seconds, 3),
            "directory": str(done.directory),
        }
        what = f"{done.compiled} kernels compiled" if done.compiled else "nothing to compile"
        output.emit(document, f"{what} in {done.seconds:.1f} s; kept in {done.directory}")
