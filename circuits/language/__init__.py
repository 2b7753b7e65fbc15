"""The outcome language: its syntax, its meaning in plain integers, and its compiler."""
