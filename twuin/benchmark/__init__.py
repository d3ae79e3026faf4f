"""Benchmarks that anyone can repeat: how early, how surely and how fast leaks are found, in tables.

Each case is a module with ``run(...)``, which returns a ``table.Result``; ``twuin benchmark`` prints it.
Every case is causal: what is decided at a time uses nothing read later, and truth is for scoring only.
"""
