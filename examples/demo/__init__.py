"""The demo: real pump data in, a released payment out, and six ways to cheat that fail."""
