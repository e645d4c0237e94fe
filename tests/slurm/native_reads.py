"""Run inside the sandbox by its own Python: reads through pyslurm and through the commands, and prints both."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from portal.slurm.commands import CommandsGateway
from portal.slurm.drivers import open_gateway
from portal.slurm.types import AddPerson, CreateAccount, PausePerson

BOTH = ("queue", "capacity", "config", "other_accounts", "snapshot", "counters", "sequence")


def main(root_account: str, leaf: str) -> None:
    opened = open_gateway("auto", "pohang", root_account)
    commands = CommandsGateway("pohang", root_account)
    gateway = opened.gateway
    gateway.execute(CreateAccount(leaf, root_account, gpu_minutes=5, parked=True))
    gateway.execute(AddPerson(leaf, "kim"))
    gateway.execute(PausePerson(leaf, "kim"))
    now = datetime.now(UTC)
    hour = now.replace(minute=0, second=0, microsecond=0)
    answer = {
        "driver": gateway.driver,
        "note": str(opened.driver_note),
        "known_people": [plain(each.known_people(["kim", "lee", "nobody-at-all"])) for each in (gateway, commands)],
        "jobs": [plain(list(each.jobs(now - timedelta(days=1), now))) for each in (gateway, commands)],
        "usage": [plain(dict(each.usage(hour - timedelta(hours=1), hour))) for each in (gateway, commands)],
    }
    for name in BOTH:
        answer[name] = [plain(getattr(gateway, name)()), plain(getattr(commands, name)())]
    json.dump(answer, sys.stdout)


def plain(value: object) -> object:
    """Comparable text, without an order where the interface promises none."""
    if isinstance(value, list):
        return sorted(repr(comparable(each)) for each in value)
    return repr(comparable(value))


def comparable(value: object) -> object:
    """Sets and mappings print in any order."""
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return [comparable(each) for each in value]
    if isinstance(value, Mapping):
        return sorted((repr(key), comparable(each)) for key, each in value.items())
    fields = {name: comparable(getattr(value, name)) for name in getattr(value, "__slots__", ())}
    return (type(value).__name__, fields) if fields else value


if __name__ == "__main__":
    main(*sys.argv[1:])
