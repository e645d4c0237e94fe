"""A file that the real sacct saved says the same as reading its slurmdbd, however its columns and times are written."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command

from accounting.history.ingest import ingest
from accounting.models import IngestMark, Job, UsageDay, UsageMonth
from portal.slurm.commands import CommandsGateway
from portal.slurm.sacct import FIELDS
from portal.slurm.sandbox import Sandbox
from tests.accounting.test_on_slurm import END, START, account, gateway, shapes

pytestmark = [pytest.mark.slurm, pytest.mark.django_db]
__all__ = ["account", "gateway"]
COLUMNS = FIELDS.split(",")
ASKED = ("-a", "-X", "-P", "-D", "-S", "2025-05-28", "-E", "2025-06-04")


def save(cluster: Sandbox, path: Path, account: str, columns: list[str], **environment: str) -> Path:
    words = [f"{name}={value}" for name, value in environment.items()]
    answer = cluster.run(["env", *words, "sacct", *ASKED, "-A", account, "-o", ",".join(columns)])
    path.write_text(answer.stdout, encoding="utf-8")
    return path


def known(account: str) -> list[object]:
    jobs = Job.objects.filter(account=account).order_by("db_index")
    # When it was read is not what was read; and what still runs here is known to no slurmctld.
    reading = {"id", "first_seen_at", "last_seen_at", "changed_at", "runaway_since"}
    values = [field.attname for field in Job._meta.concrete_fields if field.attname not in reading]
    usage = [
        sorted(model.objects.filter(account_name=account).values_list(*model.KEY, *model.AMOUNTS))
        for model in (UsageDay, UsageMonth)
    ]
    return [list(jobs.values(*values)), *usage]


def forget() -> None:
    for model in (Job, UsageDay, UsageMonth):
        model.objects.all().delete()


def test_a_saved_file_says_the_same_as_slurmdbd(
    cluster: Sandbox, gateway: CommandsGateway, account: str, tmp_path: Path
) -> None:
    cluster.write_history(list(shapes(account)))
    ingest(gateway, at=END)
    mark, read = IngestMark.current().read_until, known(account)
    epoch = save(cluster, tmp_path / "epoch.txt", account, COLUMNS, SLURM_TIME_FORMAT="%s", TZ="UTC")
    words = save(cluster, tmp_path / "seoul.txt", account, ["JobName", *reversed(COLUMNS)], TZ="Asia/Seoul")
    saved = ("--cluster", "pohang", "--saved-at", END.isoformat())
    for file, zone in ((epoch, ()), (words, ("--zone", "Asia/Seoul"))):
        forget()
        call_command("usage", "import", str(file), *saved, *zone)
        assert known(account) == read
    assert IngestMark.current().read_until == mark
    call_command("usage", "import", str(epoch), *saved)
    assert known(account) == read
    assert ingest(gateway, at=END + timedelta(seconds=1), since=START).held == 0
