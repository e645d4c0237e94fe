"""slurmctld's live usage counters, as `sshare` prints them."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from portal.slurm.errors import SlurmUnreadable
from portal.slurm.sentences import noop as _
from portal.slurm.tres import GPU, parse_tres
from portal.slurm.types import Counter

FIELDS = "account,user,grptresmins,grptresraw,tresrunmins"


# Seconds. From Slurm 24.11 on.
JSON_COMMAND = ("sshare", "--json")
# Whole minutes, rounded down by Slurm. Every version.
TEXT_COMMAND = ("sshare", "-P", "-n", "-o", FIELDS)


def parse_json(text: str, accounts: Collection[str]) -> dict[str, Counter]:
    """Exact counters of these accounts. Raises SlurmUnreadable where the answer has another shape."""
    try:
        shares = json.loads(text)["shares"]["shares"]
        rows = [share for share in shares if "USER" not in share["type"] and share["name"] in accounts]
        return {row["name"]: _exact(row["name"], row["tres"]) for row in rows}
    except (KeyError, TypeError, ValueError) as error:
        raise SlurmUnreadable(
            _("sshare's answer is not understood: %(trouble)s"), trouble=repr(error), words=text[:2000]
        ) from error


def parse_text(text: str, accounts: Collection[str]) -> dict[str, Counter]:
    """Counters of these accounts in whole minutes. Raises SlurmUnreadable where a row is not understood."""
    counters: dict[str, Counter] = {}
    for line in text.splitlines():
        # The account is indented by its depth in the tree. Another number of columns: a name with a bar, not ours.
        parts = line.strip().split("|")
        if len(parts) == len(FIELDS.split(",")) and parts[0] in accounts and not parts[1]:
            counters[parts[0]] = _rounded(*parts)
    return counters


def _exact(account: str, tres: dict[str, Any]) -> Counter:
    return Counter(
        account=account,
        used_gpu_seconds=round(_named(tres["usage"], default=0.0)),
        reserved_gpu_seconds=_number(_named(tres["run_seconds"], default=0)) or 0,
        limit_gpu_minutes=_number(_named(tres["group_minutes"], default=None)),
        exact=True,
    )


def _rounded(account: str, _user: str, limit: str, used: str, reserved: str) -> Counter:
    try:
        return Counter(
            account=account,
            used_gpu_seconds=60 * parse_tres(used).get(GPU, 0),
            reserved_gpu_seconds=60 * parse_tres(reserved).get(GPU, 0),
            limit_gpu_minutes=parse_tres(limit).get(GPU),
            exact=False,
        )
    except ValueError as error:
        raise SlurmUnreadable(
            _("The counter of %(account)s is not understood: %(trouble)s"), account=account, trouble=error
        ) from error


def _named(values: list[dict[str, Any]], *, default: Any) -> Any:
    return next((value["value"] for value in values if value["name"] == GPU), default)


def _number(value: Any) -> int | None:
    """Slurm's JSON writes a number that may be missing or endless as an object."""
    if isinstance(value, dict):
        return int(value["number"]) if value["set"] and not value["infinite"] else None
    return None if value is None else int(value)
