"""Circuits written by hand: docs/writing-a-circuit.md builds them step by step."""
