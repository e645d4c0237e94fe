"""The nightly check: every sum that is kept, computed anew from what it is the sum of.

run.py is the check as a whole, findings.py what it says; grants.py, usage.py and frozen.py are its parts. Nothing is
mended here: what is found is said to an operator.
"""
