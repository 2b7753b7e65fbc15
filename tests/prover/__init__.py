"""Tests of ``prover``."""
