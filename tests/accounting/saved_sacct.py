"""Stands before `sacct` as a command prefix: prints the rows of a file that ran in the span that was asked for.

The file holds rows as the portal asks for them, in order of their start.
"""

from __future__ import annotations

import sys
from pathlib import Path

from portal.slurm.sacct import DELIMITER, FIELDS

START, END = FIELDS.split(",").index("Start"), FIELDS.split(",").index("End")


def main(saved: str, *command: str) -> None:
    since, until = (int(command[command.index(option) + 1].removeprefix("uts")) for option in ("-S", "-E"))
    with Path(saved).open() as rows:
        for row in rows:
            values = row.split(DELIMITER)
            if int(values[START]) >= until:
                break
            if int(values[END]) >= since:
                sys.stdout.write(row)


if __name__ == "__main__":
    main(*sys.argv[1:])
