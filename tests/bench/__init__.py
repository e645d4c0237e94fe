"""Figures, measured where the portal runs: `make bench`, or a part of it with `make bench ARGS=plan`.

Times are given in seconds and as a ratio to something bare that was timed in the same run, because machines differ.
"""
