"""Gadgets: each module adds columns, their constraints, and the code that fills them."""
