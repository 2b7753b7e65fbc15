"""What both console scripts share: exit status, one-line errors, ``--json`` on every leaf command.

Exit status: 0 done, 1 the answer is no, 2 usage or bad input. With ``--json`` standard output
carries JSON only, errors included; without it an error is one line on standard error.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from circuits.errors import BadInput, InputReason, Rejected

EXIT_NO = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130
_OWN_PACKAGES = ("circuits", "prover", "verifier")
_LARGEST_PLAIN_INTEGER = 2**53
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def jsonable(value: Any) -> Any:
    """``value`` with every integer beyond 2^53 as a string, which any JSON reader keeps exact."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) > _LARGEST_PLAIN_INTEGER else value
    if isinstance(value, dict):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    return value


def _no_progress(_step: str, _fraction: float) -> None:
    """Takes the place of a progress bar."""


def utc_text(milliseconds: int) -> str:
    """RFC 3339 with milliseconds and Z, from milliseconds since 1970 UTC; digits past year 9999."""
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return f"{milliseconds} ms"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Output:
    """Where a command puts its result: JSON documents or text, chosen by ``--json``."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def emit(self, document: Any, text: str | None = None) -> None:
        """Print ``document`` as one line of JSON, or ``text`` (nothing when it is None)."""
        if self.as_json:
            click.echo(json.dumps(jsonable(document), ensure_ascii=False, allow_nan=False))
        elif text is not None:
            click.echo(text)

    def note(self, text: str) -> None:
        """One line for people on standard error; silent with ``--json``."""
        if not self.as_json:
            click.echo(text, err=True)

    @contextmanager
    def progress(self, label: str) -> Iterator[Callable[[str, float], None]]:
        """A progress bar on standard error while the block runs, when that is a terminal.

        Yields ``update(step, fraction)`` with 0 <= fraction <= 1.
        """
        if self.as_json or not sys.stderr.isatty():
            yield _no_progress
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(label, total=1.0)

            def update(step: str, fraction: float) -> None:
                bar.update(task, completed=fraction, description=f"{label}: {step}")

            yield update


def _wants_json(arguments: Sequence[str]) -> bool:
    before = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in before


def _report(as_json: bool, reason: str, message: str) -> None:
    if as_json:
        click.echo(json.dumps({"error": {"reason": reason, "message": message}}))
    else:
        click.echo(f"error: {reason}: {message}" if message else f"error: {reason}", err=True)


def _discard_output() -> None:
    # standard output is gone or full: what is still buffered must not fail again at shutdown
    if sys.__stdout__ is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno())


class Program(click.Group):
    """The top-level group of a console script; turns every failure into one line and a status."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line; in standalone mode never returns and never shows a traceback."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        arguments = list(sys.argv[1:] if args is None else args)
        sys.exit(self._run(arguments, prog_name, complete_var, extra))

    def _run(
        self, arguments: list[str], name: str | None, completion: str | None, extra: dict[str, Any]
    ) -> int:
        as_json = _wants_json(arguments)
        try:
            status = super().main(arguments, name, completion, standalone_mode=False, **extra)
            sys.stdout.flush()
            return status if isinstance(status, int) else 0
        except Rejected as rejected:
            explanation = str(rejected).removeprefix(rejected.reason.value).lstrip(": ")
            _report(as_json, rejected.reason.value, explanation)
            return EXIT_NO
        except BadInput as bad:
            _report(as_json, bad.reason.value, bad.message)
        except click.exceptions.NoArgsIsHelpError as help_wanted:
            help_wanted.show()
        except click.UsageError as usage:
            hint = "" if usage.ctx is None else f" (try: {usage.ctx.command_path} --help)"
            message = " ".join(usage.format_message().split())
            _report(as_json, InputReason.USAGE.value, message + hint)
        except click.ClickException as other:
            _report(as_json, InputReason.USAGE.value, " ".join(other.format_message().split()))
        except (click.Abort, KeyboardInterrupt):
            _report(as_json, "INTERRUPTED", "stopped")
            return EXIT_INTERRUPTED
        except ModuleNotFoundError as missing:
            self._missing_package(missing, as_json)
        except OSError as error:
            self._system_error(error, as_json)
        return EXIT_BAD_INPUT

    @staticmethod
    def _missing_package(error: ModuleNotFoundError, as_json: bool) -> None:
        package = (error.name or "").partition(".")[0]
        if package in _OWN_PACKAGES or not package:
            raise error
        message = f"the package {package!r} is not installed; try: pip install 'zkmeter[prover]'"
        _report(as_json, InputReason.MISSING_EXTRA.value, message)

    @staticmethod
    def _system_error(error: OSError, as_json: bool) -> None:
        where = error.filename if error.filename is not None else "standard output"
        message = f"{where}: {error.strerror or type(error).__name__}"
        if error.filename is None:
            click.echo(f"error: {InputReason.WRITE_FAILED.value}: {message}", err=True)
            _discard_output()
        else:
            _report(as_json, InputReason.FILE_UNREADABLE.value, message)


def leaf(
    group: click.Group, name: str, **options: Any
) -> Callable[[Callable[..., int | None]], click.Command]:
    """Register a leaf command with ``--json``.

    The function gets an ``Output`` first, then its click parameters; it may return the exit status.
    """

    def decorate(function: Callable[..., int | None]) -> click.Command:
        @functools.wraps(function)
        def wrapper(*args: Any, json_output: bool, **parameters: Any) -> int:
            return function(Output(json_output), *args, **parameters) or 0

        with_option = click.option(
            "--json", "json_output", is_flag=True, help="Print JSON instead of text."
        )(wrapper)
        return group.command(name, context_settings=CONTEXT, **options)(with_option)

    return decorate


def program(name: str, help_text: str) -> Program:
    """The root of a console script, with ``--version`` and ``-h``."""
    root = Program(name=name, help=help_text, context_settings=CONTEXT, no_args_is_help=True)
    root.params.append(
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            help="Show the version and exit.",
            callback=_show_version,
        )
    )
    return root


def subgroup(parent: click.Group, name: str, help_text: str) -> click.Group:
    """A named group of commands below ``parent``."""
    group = click.Group(name=name, help=help_text, context_settings=CONTEXT, no_args_is_help=True)
    parent.add_command(group)
    return group


def _show_version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        number = version("zkmeter")
    except PackageNotFoundError:
        number = "not installed"
    click.echo(f"{context.command_path} {number}")
    context.exit()
