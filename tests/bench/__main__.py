"""`python -m tests.bench [part …]`: each part in a process of its own, since each has a database of its own."""

from __future__ import annotations

import subprocess
import sys

PARTS = {
    "portal": "approval to in force, job to dashboard, Event to browser",
    "plan": "what should stand in Slurm, for 601 leaves and 4,801 people, and for ten times as many",
    "apply": "200 new projects with five people each, on a real Slurm",
    "dashboards": "every dashboard over two years with a million jobs, then with ten times the daily rows",
    "live": "200 open dashboards and 50 Events a second",
    "alerts": "what the alerts' chore costs over all projects",
    "projection": "ways of reckoning a rate, on histories whose end is held back",
    "ingest": "a year of a million jobs read from slurmdbd, and what a tick and a rebuild cost after it",
}


def main() -> int:
    parts = sys.argv[1:] or list(PARTS)
    if unknown := set(parts) - PARTS.keys():
        print(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    worst = 0
    for part in parts:
        print(f"== {part}: {PARTS[part]}", flush=True)
        worst = max(worst, subprocess.run([sys.executable, "-m", f"tests.bench.{part}"], check=False).returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main())
