"""Tests of ``verifier.contract`` and its commands."""
