"""The whole suite in parts, some at once, each with a PostgreSQL and clusters of its own: `make test` without ARGS.

What needs Slurm or a browser waits a lot, so three at once keep two cores busy. Whoever is through takes the next
part; the longest come first, so that the last to end are short.
"""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

AT_ONCE = 3
WITH_SLURM, WITHOUT = ["-m", "slurm"], ["-m", "not slurm"]
NAMED = [
    ["tests/provisioning", *WITH_SLURM],
    ["tests/whole_way"],
    ["tests/accounting", *WITHOUT],
    ["tests/allocations"],
    ["tests/accounting", *WITH_SLURM],
    ["tests/slurm"],
    ["tests/web"],
    ["tests/provisioning", *WITHOUT],
]
# Whatever else there is, so that no folder is forgotten.
REST = ["tests", *sorted({f"--ignore={folder}" for folder, *_ in NAMED})]
PARTS = [*NAMED, REST]


def main() -> int:
    """1 where any part failed, or was killed. Each part's words are shown when it has ended."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        parts = [pool.submit(run, part) for part in PARTS]
        try:
            results = [part.result() for part in as_completed(parts)]
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return int(any(results))


def run(part: list[str]) -> int:
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", *part]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    print(f"=== {' '.join(part)}: {time.monotonic() - began:.0f} s\n{done.stdout}", flush=True)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
