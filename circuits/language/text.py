"""The text of a formula as a Python expression, before anything of it is understood."""

from __future__ import annotations

import ast
import warnings

from circuits.errors import BadInput, InputReason

MAXIMUM_CHARACTERS = 400  # of what a contract says
MAXIMUM_COMPILED_CHARACTERS = 600  # with what is put around it to reveal less


def expression_tree(text: str) -> ast.expr:
    """The text as one expression; ``ValueError`` unless it is printable ASCII without comments.

    A comment would hide from a reader, or from what is put behind a formula, that it ends there.
    What else the parser raises is the caller's to answer: SyntaxError, MemoryError, RecursionError.
    """
    if not (text.isascii() and text.isprintable()) or "#" in text:
        raise ValueError("not plain text")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the parser warns of what its callers refuse anyway
        return ast.parse(text, mode="eval").body


def require_expression(text: str) -> None:
    """``BadInput`` FORMULA unless the text is one complete expression by itself."""
    try:
        expression_tree(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise BadInput(
            InputReason.FORMULA, f"formula {text[:80]!r}: not one expression in plain ASCII"
        ) from None
