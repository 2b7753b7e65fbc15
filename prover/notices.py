"""What the prover's modules log, for people on standard error; silent with ``--json``."""

from __future__ import annotations

import logging

import click


class _Notices(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        context = click.get_current_context(silent=True)
        if context is None or not context.params.get("json_output"):
            click.echo(record.getMessage(), err=True)


_NOTICES = _Notices()


def show_notices() -> None:
    """From now on; once is enough."""
    logger = logging.getLogger("prover")
    logger.setLevel(logging.INFO)
    logger.addHandler(_NOTICES)
