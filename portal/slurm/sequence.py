"""A number left in Slurm, in the description of the portal's root account, by which an older database is known.

The description is free text that nothing in Slurm acts upon, and slurmdbd keeps it with its own backups.
"""

from __future__ import annotations

import re

from portal.slurm.errors import SlurmRefused
from portal.slurm.sentences import noop as _

# Lower case and without blanks: Slurm folds the one, and a shell behind ssh would split the other.
TEXT = "portal-sequence-{number}"
PATTERN = re.compile(r"portal-sequence-(\d{1,18})")
END = 10**18


def read_command(root_account: str) -> tuple[str, ...]:
    return ("sacctmgr", "-P", "-n", "show", "account", f"name={root_account}", "format=description")


def write_command(root_account: str, number: int) -> tuple[str, ...]:
    """Raises SlurmRefused for what is no such number."""
    description = f"Description={TEXT.format(number=checked_number(number))}"
    return ("sacctmgr", "-i", "modify", "account", "where", f"name={root_account}", "set", description)


def checked_number(number: int) -> int:
    """The number, unchanged. Raises SlurmRefused for one that would not be read back as it is."""
    if not 0 <= number < END:
        raise SlurmRefused(_("%(number)s is no number for Slurm to keep."), number=number)
    return number


def parse_sequence(text: str) -> int:
    """0 where there is no account, or where somebody has written something else there."""
    match = PATTERN.fullmatch(text.strip())
    return int(match[1]) if match else 0
