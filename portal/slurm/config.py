"""What Slurm is set to enforce, as `scontrol show config` and `show partition` print it."""

from __future__ import annotations

import re

from portal.slurm.errors import SlurmUnreadable
from portal.slurm.moments import parse_minutes
from portal.slurm.sentences import noop as _
from portal.slurm.tres import GPU, parse_tres
from portal.slurm.types import PartitionConfig, QosConfig, SlurmConfig

SETTINGS_COMMAND = ("scontrol", "show", "config")
PARTITIONS_COMMAND = ("scontrol", "-a", "-o", "show", "partition")
QOS_COMMAND = ("sacctmgr", "-P", "-n", "show", "qos", "format=mintresperjob,flags,usagefactor,grptresmins,name")
SETTING = re.compile(r"(\w+)\s*= ?(.*?)\s*")
WORD = re.compile(r"(?:^| )(PartitionName|AllowQos|QoS|DefaultTime|MaxTime)=(\S*)")
EVERY = "ALL"
NONE = "N/A"


def parse_config(settings: str, partitions: str, qos: tuple[QosConfig, ...]) -> SlurmConfig:
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
            qos=frozenset(each.name for each in qos),
            qos_settings=qos,
        )
    except (KeyError, ValueError) as error:
        raise _unreadable(error) from error


def parse_qos(text: str) -> tuple[QosConfig, ...]:
    """By name. Raises SlurmUnreadable where a row is not understood."""
    try:
        return tuple(sorted((_qos(line) for line in text.splitlines()), key=lambda qos: qos.name))
    except ValueError as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> SlurmUnreadable:
    return SlurmUnreadable(_("Slurm's configuration is not understood: %(trouble)s"), trouble=repr(error))


def _qos(line: str) -> QosConfig:
    """The name comes last, as it may hold a bar."""
    least, flags, factor, limit, name = line.split("|", 4)
    return QosConfig(
        name=name,
        flags=_names(flags),
        least_gpus=parse_tres(least).get(GPU),
        usage_factor=float(factor),
        gpu_minutes=parse_tres(limit).get(GPU),
    )


def _partition(line: str) -> PartitionConfig:
    of: dict[str, str] = {}
    for name, value in WORD.findall(line):
        of.setdefault(name, value)
    return PartitionConfig(
        name=of["PartitionName"],
        allow_qos=frozenset() if of["AllowQos"] == EVERY else _names(of["AllowQos"]),
        default_time_minutes=parse_minutes(of["DefaultTime"]),
        max_time_minutes=parse_minutes(of["MaxTime"]),
        qos="" if of["QoS"] == NONE else of["QoS"],
    )


def _names(text: str) -> frozenset[str]:
    return frozenset(filter(None, text.split(",")))
