"""The zero-knowledge argument of ``docs/zero-knowledge.md``, tested."""
