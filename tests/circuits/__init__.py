"""Tests of ``circuits``."""
