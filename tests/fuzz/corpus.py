"""The committed corpus: small inputs that between them reach every line the fuzzers reached."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.fuzz.program import mutate_bytes
from tests.fuzz.target import Target

CORPUS_FILE = Path(__file__).with_name("corpus.json")


@cache
def load_corpus() -> dict[str, list[bytes]]:
    """Inputs by target name."""
    document = json.loads(CORPUS_FILE.read_text(encoding="utf-8"))
    return {name: [base64.b64decode(text) for text in texts] for name, texts in document.items()}


def save_corpus(corpus: dict[str, list[bytes]]) -> None:
    """Write the corpus, one input a line."""
    document = {
        name: [base64.b64encode(data).decode() for data in inputs]
        for name, inputs in corpus.items()
    }
    CORPUS_FILE.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def known_inputs(target: Target) -> list[bytes]:
    """The target's own seeds and the corpus."""
    return [*target.seeds(), *(load_corpus().get(target.name, []) if CORPUS_FILE.exists() else [])]


def random_inputs(target: Target, seed: int) -> Iterator[bytes]:
    """Endless inputs from the seeded mutator; the same for the same seed and corpus."""
    random_source = random.Random(f"{target.name} {seed}")
    known = known_inputs(target)
    while True:
        first, second = random_source.choice(known), random_source.choice(known)
        yield mutate_bytes(random_source, first, second, target.longest)
