"""Tests of the C code in `firmware/`, against its Python twins."""
