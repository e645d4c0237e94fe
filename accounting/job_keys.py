"""Jobs as the ledger names them: `cluster/db_index`, the one name that is never given twice."""

from __future__ import annotations

from collections.abc import Iterable

from accounting.models import Job


def job_numbers(keys: Iterable[str]) -> dict[str, str]:
    """By key, the number that people know the job by; the key itself where its row was dropped. One query."""
    wanted = {key for key in keys if key}
    pairs = [key.rpartition("/") for key in wanted]
    clusters, indexes = {cluster for cluster, _, _ in pairs}, {index for _, _, index in pairs}
    jobs = Job.objects.filter(cluster__in=clusters, db_index__in=indexes).order_by()
    rows = jobs.values_list("cluster", "db_index", "display_id")
    found = {f"{cluster}/{index}": number for cluster, index, number in rows}
    return {key: found.get(key, key) for key in wanted}
