"""The whole suite in two halves at once, each with a PostgreSQL of its own: `make test` without ARGS.

One half only computes and asks the database; the other needs Slurm, a browser or processes of its own, and waits a lot.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile

COMPUTES = "tests/allocations"
PYTEST = [sys.executable, "-m", "pytest"]


def main() -> int:
    """The worse of the two results; the first half's words follow when the second has ended."""
    with tempfile.TemporaryFile("w+") as words:
        computing = subprocess.Popen([*PYTEST, COMPUTES], stdout=words, stderr=subprocess.STDOUT, text=True)
        waiting = subprocess.run([*PYTEST, "tests", f"--ignore={COMPUTES}"], check=False)
        computed = computing.wait()
        words.seek(0)
        sys.stdout.write(words.read())
    return max(waiting.returncode, computed)


if __name__ == "__main__":
    sys.exit(main())
