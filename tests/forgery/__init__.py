"""A malicious prover: every constraint dropped in turn, and a lie at every step."""
