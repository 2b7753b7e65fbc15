"""``circuit lint``: what is probably a mistake in a circuit."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from circuits.errors import BadInput, InputReason
from verifier.console import EXIT_NO, Output, leaf

if TYPE_CHECKING:
    from circuits.circuit import Circuit
    from circuits.lint import Report

DEFAULT_TESTS = "tests"


def add_circuit_commands(group: click.Group) -> None:
    """Add ``lint`` to the console script's group ``circuit``."""

    @leaf(group, "lint")
    @click.argument("files", metavar="FILE...", nargs=-1, required=True)
    @click.option(
        "--tests",
        metavar="DIR",
        help="Where to look for tests marked gadget; default: ./tests if it has any.",
    )
    @click.option("--verbose", is_flag=True, help="List columns that are free on some rows, too.")
    def lint(output: Output, files: tuple[str, ...], tests: str | None, verbose: bool) -> int:
        """Look for mistakes in circuits.

        A FILE is a contract (.toml, with or without parties) or a Python module (.py) with a
        function circuit() that returns a circuits.circuit.Circuit; such a module is run.

        Looks for columns, selectors and public inputs that no constraint reads, columns that no
        constraint binds on an honest trace, constraints of degree above 3, constant and duplicate
        constraints, and gadgets without a negative test: one that is marked
        pytest.mark.gadget("name"), the name being that of a module of circuits.gadgets, or of a
        function add_... of a FILE. Exit status 1 when something is found.
        """
        from circuits.lint import lint_circuit
        from prover.circuit_source import guarded, load_circuit

        documents, lines = [], []
        with output.progress("lint") as progress:
            for file in files:
                circuit = load_circuit(file)
                report = guarded(file, partial(lint_circuit, circuit, progress))
                documents.append(_document(file, circuit, report, verbose))
                lines += _lines(file, circuit, report, verbose)
        gadgets = _gadgets(files, tests)
        lines += _gadget_lines(gadgets)
        clean = not gadgets["untested"] and not any(d["findings"] for d in documents)
        output.emit({"clean": clean, "files": documents, "gadgets": gadgets}, "\n".join(lines))
        return 0 if clean else EXIT_NO


def _document(file: str, circuit: Circuit, report: Report, verbose: bool) -> dict[str, Any]:
    document = {
        "file": file,
        "columns": circuit.column_count,
        "constraints": circuit.constraint_count,
        "findings": [
            {"check": f.check, "subject": f.subject, "detail": f.detail} for f in report.findings
        ],
        "notes": report.notes,
    }
    if verbose:
        document["partly_free"] = [
            {"column": f.column, "free": dict(f.cells), "tried": dict(f.tried)}
            for f in report.partly_free
        ]
    return document


def _lines(file: str, circuit: Circuit, report: Report, verbose: bool) -> list[str]:
    from circuits.readable import joined_names

    # bits of one array usually share their fate
    grouped: dict[tuple[str, str], list[str]] = {}
    for finding in report.findings:
        grouped.setdefault((finding.check, finding.detail), []).append(finding.subject)
    state = f"{len(report.findings)} findings" if report.findings else "clean"
    lines = [f"{file}: {circuit.column_count} columns, {circuit.constraint_count} constraints:"]
    lines[0] += f" {state}"
    for (check, detail), subjects in grouped.items():
        lines.append(f"  {check}: {joined_names(subjects)}: {detail}")
    lines += [f"  note: {note}" for note in report.notes]
    if verbose:
        free: dict[str, list[str]] = {}
        for freedom in report.partly_free:
            free.setdefault(freedom.text, []).append(freedom.column)
        lines += [f"  free on {text}: {joined_names(names)}" for text, names in free.items()]
    return lines


def _gadgets(files: tuple[str, ...], tests: str | None) -> dict[str, Any]:
    """Which gadgets have no marked test; ``checked`` is False where there is nothing to look in."""
    from prover.circuit_source import gadgets_of, marked_gadgets

    folder = Path(DEFAULT_TESTS if tests is None else tests)
    if tests is not None and not folder.is_dir():
        raise BadInput(InputReason.FILE_MISSING, f"--tests: no folder {tests}")
    marked = marked_gadgets(folder) if folder.is_dir() else set()
    wanted = sorted({name for file in files for name in gadgets_of(file)})
    checked = tests is not None or bool(marked)
    untested = [name for name in wanted if name not in marked] if checked else []
    return {"checked": checked, "tests": str(folder), "gadgets": wanted, "untested": untested}


def _gadget_lines(gadgets: dict[str, Any]) -> list[str]:
    if not gadgets["checked"]:
        return [f"gadgets: not checked, no marked test in ./{gadgets['tests']} (--tests DIR)"]
    if not gadgets["untested"]:
        return [f"gadgets: {len(gadgets['gadgets'])}, each with a negative test"]
    where = gadgets["tests"]
    return [f"gadget without a negative test in {where}: {name}" for name in gadgets["untested"]]
