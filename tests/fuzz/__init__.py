"""Hostile bytes: coverage-guided and seeded fuzzing of everything that reads from outside."""
