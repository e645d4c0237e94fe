"""What Slurm is set to enforce, as `scontrol show config` and `show partition` print it."""

from __future__ import annotations

import re

from portal.slurm.errors import SlurmUnreadable
from portal.slurm.moments import parse_minutes
from portal.slurm.sentences import noop as _
from portal.slurm.types import PartitionConfig, SlurmConfig

SETTINGS_COMMAND = ("scontrol", "show", "config")
PARTITIONS_COMMAND = ("scontrol", "-a", "-o", "show", "partition")
QOS_COMMAND = ("sacctmgr", "-P", "-n", "show", "qos", "format=name")
SETTING = re.compile(r"(\w+)\s*= ?(.*?)\s*")
WORD = re.compile(r"(?:^| )(PartitionName|AllowQos|DefaultTime|MaxTime)=(\S*)")
EVERY = "ALL"


def parse_config(settings: str, partitions: str, qos: str) -> SlurmConfig:
    """Raises SlurmUnreadable where a setting that the portal depends on is missing."""
    matches = map(SETTING.fullmatch, settings.splitlines())
    of = {match[1]: match[2] for match in matches if match}
    try:
        return SlurmConfig(
            cluster=of["ClusterName"],
            version=of["SLURM_VERSION"],
            enforce=_names(of["AccountingStorageEnforce"]),
            tracked_tres=_names(of["AccountingStorageTRES"]),
            priority_type=of["PriorityType"],
            decay_half_life=of.get("PriorityDecayHalfLife", ""),
            usage_reset_period=of.get("PriorityUsageResetPeriod", ""),
            enforce_part_limits=of["EnforcePartLimits"],
            partitions=tuple(_partition(line) for line in partitions.splitlines() if line.startswith("PartitionName=")),
            qos=frozenset(qos.splitlines()),
        )
    except (KeyError, ValueError) as error:
        raise SlurmUnreadable(_("Slurm's configuration is not understood: %(trouble)s"), trouble=repr(error)) from error


def _partition(line: str) -> PartitionConfig:
    of: dict[str, str] = {}
    for name, value in WORD.findall(line):
        of.setdefault(name, value)
    return PartitionConfig(
        name=of["PartitionName"],
        allow_qos=frozenset() if of["AllowQos"] == EVERY else _names(of["AllowQos"]),
        default_time_minutes=parse_minutes(of["DefaultTime"]),
        max_time_minutes=parse_minutes(of["MaxTime"]),
    )


def _names(text: str) -> frozenset[str]:
    return frozenset(filter(None, text.split(",")))
