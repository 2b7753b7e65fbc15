"""The statement: what is proved over a device log. NumPy and the standard library only."""
