"""Unix users where Slurm is: Slurm itself takes names that do not exist, and their jobs then fail (slurm-facts 1.2)."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from portal.slurm.errors import SlurmUnavailable
from portal.slurm.names import PERSON
from portal.slurm.run import FAILED, Runner

# A directory service may answer slowly; and an argument list is not endless.
AT_ONCE = 200
FOUND, SOME_MISSING = 0, 2


def command(users: Collection[str]) -> tuple[str, ...]:
    """Never without a name: all users of the machine would be the answer."""
    return ("getent", "passwd", *users)


def known(runner: Runner, users: Collection[str]) -> frozenset[str]:
    """Those of the names that the machine knows, exactly as written. A name that Slurm must not see is not among them.

    Raises SlurmUnavailable where the machine cannot tell: nobody is to be taken for missing then.
    """
    asked = sorted(user for user in set(users) if PERSON.fullmatch(user))
    told = (user for chunk in _chunks(asked) for user in _told(runner, chunk))
    return frozenset(asked) & frozenset(told)


def _told(runner: Runner, users: list[str]) -> Iterator[str]:
    answer = runner.run(*command(users))
    if answer.code not in (FOUND, SOME_MISSING):
        raise SlurmUnavailable(FAILED, command="getent", code=answer.code, words=answer.words)
    for line in answer.out.splitlines():
        yield line.partition(":")[0]


def _chunks(users: list[str]) -> Iterator[list[str]]:
    return (users[at : at + AT_ONCE] for at in range(0, len(users), AT_ONCE))
