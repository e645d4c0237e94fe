"""The whole suite in parts at once, each with a PostgreSQL and clusters of its own: `make test` without ARGS.

What needs Slurm or a browser waits a lot, so the parts together take little longer than the longest of them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from contextlib import ExitStack

NAMED = (["tests/provisioning", "tests/accounting"], ["tests/slurm", "tests/sandbox", "tests/web"])
REST = ["tests", *(f"--ignore={folder}" for part in NAMED for folder in part)]
PYTEST = [sys.executable, "-m", "pytest"]


def main() -> int:
    """The worst of the results. The rest's words are seen at once, the others' when they have ended."""
    with ExitStack() as stack:
        started = []
        for part in NAMED:
            words = stack.enter_context(tempfile.TemporaryFile("w+"))
            process = subprocess.Popen([*PYTEST, *part], stdout=words, stderr=subprocess.STDOUT, text=True)
            started.append((process, words))
        results = [subprocess.run([*PYTEST, *REST], check=False).returncode]
        for process, words in started:
            results.append(process.wait())
            words.seek(0)
            sys.stdout.write(words.read())
    return max(results)


if __name__ == "__main__":
    sys.exit(main())
