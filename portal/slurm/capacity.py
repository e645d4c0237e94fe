"""Nodes and their GPUs by partition, as `scontrol show node` prints them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from portal.slurm.errors import SlurmUnreadable
from portal.slurm.sentences import noop as _
from portal.slurm.tres import gpu_count, gpu_kinds, parse_tres
from portal.slurm.types import NodeGroup

COMMAND = ("scontrol", "-a", "-o", "show", "node")
WORD = re.compile(r"(?:^| )(NodeName|Gres|State|Partitions|AllocTRES)=(\S*)")
GRES = re.compile(r"(?:^|,)gpu(?::(?P<kind>[^:(,]+(?=:)))?:(?P<count>\d+)")
# Words of a node's state with which its idle GPUs cannot be given out.
UNUSABLE = frozenset({"DOWN", "DRAIN", "FAIL", "FAILING", "INVAL", "UNKNOWN", "NOT_RESPONDING", "MAINT"})


@dataclass(frozen=True, slots=True)
class Node:
    """One node: its partitions, its GPUs by kind, how many of them jobs hold, and whether idle ones can be given."""

    name: str
    partitions: tuple[str, ...]
    gpus: dict[str, int]
    in_use: dict[str, int]
    usable: bool


def parse_nodes(text: str) -> list[Node]:
    """Raises SlurmUnreadable where a node is not understood. Other lines belong to free text that holds a new line."""
    return [_node(line) for line in text.splitlines() if line.startswith("NodeName=")]


def node_groups(nodes: Iterable[Node]) -> list[NodeGroup]:
    """Sums by partition and GPU kind. A node in several partitions counts in each, which names the others."""
    groups: dict[tuple[str, str], NodeGroup] = {}
    for node in nodes:
        for partition in node.partitions:
            for kind, gpus in (node.gpus or {"": 0}).items():
                group = groups.get((partition, kind), NodeGroup(partition, kind, 0, 0, 0, 0))
                in_use = min(gpus, node.in_use.get(kind, 0))
                groups[partition, kind] = replace(
                    group,
                    nodes=group.nodes + 1,
                    gpus=group.gpus + gpus,
                    gpus_in_use=group.gpus_in_use + in_use,
                    gpus_down=group.gpus_down + (0 if node.usable else gpus - in_use),
                    also_in=tuple(sorted({*group.also_in, *node.partitions} - {partition})),
                )
    return [groups[key] for key in sorted(groups)]


def gpus_of_gres(gres: str) -> dict[str, int]:
    """Installed GPUs by kind from `gpu:h100:4(S:0-1)`; a GPU without a type has the kind ""."""
    gpus: dict[str, int] = {}
    for match in GRES.finditer(gres):
        kind = match["kind"] or ""
        gpus[kind] = gpus.get(kind, 0) + int(match["count"])
    return gpus


def gpus_in_use(kinds: dict[str, int], total: int, installed: dict[str, int]) -> dict[str, int]:
    """GPUs that jobs hold, by kind. Where Slurm tells the total only, they belong to the node's only kind."""
    return dict.fromkeys(installed, total) if not kinds and len(installed) == 1 else kinds


def is_usable(state: str) -> bool:
    """From `IDLE+DRAIN` or `DOWN*`; the star says that the node does not answer."""
    return not state.endswith("*") and UNUSABLE.isdisjoint(state.rstrip("$~#!%-@^").split("+"))


def _node(line: str) -> Node:
    # The first match of each word: free text such as Reason comes later in the line.
    of: dict[str, str] = {}
    for name, value in WORD.findall(line):
        of.setdefault(name, value)
    try:
        gpus = gpus_of_gres(of["Gres"])
        tres = parse_tres(of.get("AllocTRES", ""))
        return Node(
            name=of["NodeName"],
            partitions=tuple(filter(None, of.get("Partitions", "").split(","))),
            gpus=gpus,
            in_use=gpus_in_use(gpu_kinds(tres), gpu_count(tres), gpus),
            usable=is_usable(of["State"]),
        )
    except (KeyError, ValueError) as error:
        raise SlurmUnreadable(_("A node is not understood: %(trouble)s"), trouble=error, words=line) from error
