"""Job rows from a saved file: any order of columns, any time that says its zone, and what cannot be read said so."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Sum

from accounting.history import importing
from accounting.history.importing import Importing
from accounting.history.ingest import ingest
from accounting.history.job_file import JobFile, JobFileError
from accounting.models import IngestMark, Job, SealedDifference, UnreadableJobRow, UsageDay
from portal.events.models import Event
from portal.slurm.sacct import DELIMITER, FIELDS, parse_jobs
from portal.slurm.types import JobRecord
from tests.accounting.histories import gateway, job
from tests.factories import ProjectFactory, kst

START = kst(2026, 3, 2, 10)
AT = kst(2026, 3, 10)
HOUR = timedelta(hours=1)
TRES = "billing=8,cpu=8,gres/gpu=2,gres/gpu:h100=2,mem=4G,node=1"


def values(number: int = 1, **changes: object) -> dict[str, str]:
    """A row as sacct gives it, by column; times are epoch seconds."""
    row = {
        "Cluster": "pohang",
        "DBIndex": 15_327_587_956_491_134_976 + number,
        "JobIDRaw": 100 + number,
        "JobID": 100 + number,
        "User": "kim",
        "Account": "p26001-h100",
        "Partition": "h100",
        "QOS": "h100",
        "State": "COMPLETED",
        "Submit": int(START.timestamp()),
        "Eligible": int(START.timestamp()),
        "Start": int(START.timestamp()),
        "End": int((START + HOUR).timestamp()),
        "AllocTRES": TRES,
        "ExitCode": "0:0",
        "TimelimitRaw": 120,
    }
    return {name: str(value) for name, value in (row | changes).items()}


@pytest.fixture
def save(tmp_path: Path):
    """A file with a header in the order of the first row, or as given."""

    def write(*rows: dict[str, str] | str, header: str = "", delimiter: str = "|") -> Path:
        first = next(row for row in rows if isinstance(row, dict))
        lines = [header or delimiter.join(first)]
        lines += [row if isinstance(row, str) else delimiter.join(row.values()) for row in rows]
        path = tmp_path / "jobs.txt"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


def rows_of(path: Path, **options: object) -> list[object]:
    return list(JobFile(path, "pohang", **options).rows())  # type: ignore[arg-type]


def the_row(path: Path, **options: object) -> JobRecord:
    (row,) = rows_of(path, **options)
    assert isinstance(row, JobRecord), row
    return row


# --- What a file may look like ---


def test_a_row_is_what_sacct_itself_would_give(save):
    (expected,) = parse_jobs([DELIMITER.join(values().values())])
    assert the_row(save(values())) == expected
    backwards = {name.upper(): value for name, value in reversed(values().items())}
    assert the_row(save({"Comment": "x"} | backwards | {"NodeList": "h1"})) == expected
    assert the_row(save(values(), delimiter=DELIMITER)) == expected
    assert the_row(save(values(), delimiter=";"), delimiter=";") == expected


def test_the_cluster_need_not_stand_in_it_and_the_time_limit_may_be_in_words(save):
    row = values()
    del row["Cluster"], row["TimelimitRaw"]
    found = the_row(save(row | {"Timelimit": "1-02:00:00"}))
    assert (found.cluster, found.time_limit_minutes) == ("pohang", 26 * 60)


def test_a_compressed_file_is_read_as_it_is(save, tmp_path):
    packed = tmp_path / "jobs.txt.gz"
    packed.write_bytes(gzip.compress(save(values()).read_bytes()))
    assert the_row(packed) == the_row(save(values()))
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(JobFileError, match="cannot be read"):
        rows_of(packed)


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("2026-03-02T10:00:00", "Asia/Seoul"),
        ("2026-03-02T01:00:00", "UTC"),
        ("2026-03-02T10:00:00+09:00", None),
        ("2026-03-02T01:00:00+0000", "Asia/Seoul"),
        ("2026-03-02T01:00:00Z", None),
    ],
)
def test_a_time_with_a_zone_is_the_same_moment(save, text, zone):
    found = the_row(save(values(Start=text)), zone=ZoneInfo(zone) if zone else None)
    assert found.start == START.astimezone(UTC)


def test_times_without_a_zone_are_refused_with_what_to_do(save):
    with pytest.raises(JobFileError, match="--zone Asia/Seoul"):
        rows_of(save(values(Start="2026-03-02T10:00:00")))


def test_an_hour_that_was_twice_puts_only_its_rows_aside(save):
    path = save(values(End="2025-10-26T02:30:00", Start="2025-10-26T01:30:00"), values(2))
    twice, good = rows_of(path, zone=ZoneInfo("Europe/Berlin"))
    assert "twice or never" in twice.reason
    assert isinstance(good, JobRecord)


def test_missing_columns_are_named_with_the_command_that_saves_them(save):
    row = values()
    del row["DBIndex"], row["AllocTRES"]
    with pytest.raises(JobFileError, match="DBIndex, AllocTRES") as error:
        rows_of(save(row))
    assert f"-o {FIELDS}" in str(error.value)


@pytest.mark.parametrize("text", ["", "no header at all\n1|2|3\n"])
def test_what_is_no_such_file_is_said(tmp_path, text):
    path = tmp_path / "other.txt"
    path.write_text(text)
    with pytest.raises(JobFileError, match="does not name"):
        rows_of(path)
    with pytest.raises(JobFileError, match="cannot be read"):
        rows_of(tmp_path / "nothing.txt")


def test_what_cannot_be_read_comes_with_its_line_and_the_rest_goes_on(save):
    first, second, third = rows_of(save(values(End="tomorrow"), "too|few", values(3)))
    assert first.reason.startswith("line 2: 'tomorrow'")
    assert second.reason == "line 3: 2 columns instead of 16"
    assert second.text == "too|few"
    assert third.job_id == 103


def test_steps_other_clusters_and_repeated_headers_are_no_rows(save):
    header = "|".join(values())
    path = save(values(JobIDRaw="101.batch"), values(2, Cluster="other"), header, "", values(3))
    file = JobFile(path, "pohang")
    assert [row.job_id for row in file.rows()] == [103]
    assert file.passed_over == {"steps of jobs": 1, "of another cluster": 1}


# --- What an import does ---


@pytest.fixture
def project(db):
    return ProjectFactory(code="p26001", created_at=kst(2026, 3, 1))


def run(path: Path, **options: object):
    options = {"at": AT, "saved_at": AT} | options
    return Importing(JobFile(path, "pohang"), **options).run()  # type: ignore[arg-type]


def usage(**wanted: object) -> int:
    return UsageDay.objects.filter(**wanted).aggregate(all=Sum("gpu_seconds"))["all"] or 0


def test_rows_become_jobs_and_usage_once_however_often_they_are_imported(project, save):
    path = save(values(), values(2, User="lee"), "broken")
    report = run(path)
    assert (report.rows, report.changed, report.unreadable, report.gpu_seconds) == (2, 2, 1, 14_400)
    assert usage() == 14_400
    assert UnreadableJobRow.objects.get().source == "jobs.txt"
    again = run(path)
    assert (again.changed, again.unreadable, usage()) == (0, 0, 14_400)
    assert IngestMark.current().read_until is None
    assert Event.objects.filter(action="jobs.imported").count() == 2


def test_a_dry_run_counts_the_same_and_stores_nothing(project, save):
    path = save(values(), "broken")
    report = run(path, dry_run=True)
    assert (report.changed, report.unreadable, report.reasons) == (1, 1, ["line 3: 1 columns instead of 16"])
    assert not Job.objects.exists()
    assert not UnreadableJobRow.objects.exists()
    assert not Event.objects.exists()


def test_what_ran_when_the_file_was_saved_is_charged_until_then(project, save):
    path = save(values(State="RUNNING", End="Unknown"), values(2, State="PENDING", Start="Unknown", End="Unknown"))
    report = run(path, saved_at=START + 2 * HOUR)
    assert (usage(provisional=True), report.passed_over) == (14_400, {"waiting": 1})


def test_an_older_file_does_not_open_a_job_that_has_ended(project, save):
    run(save(values()))
    report = run(save(values(State="RUNNING", End="Unknown")), saved_at=START + HOUR)
    assert report.passed_over == {"known better": 1}
    assert Job.objects.get().final


def test_fewer_seconds_are_held_as_from_slurm(project, save):
    run(save(values()))
    assert run(save(values(End=int((START + HOUR / 2).timestamp())))).held == 1
    assert usage() == 7200


def test_rows_of_sealed_days_are_passed_over_unless_asked_for(project, save):
    IngestMark.objects.update_or_create(cluster="pohang", defaults={"sealed_before": kst(2026, 3, 5).date()})
    path = save(values(), values(2, Start=int(kst(2026, 3, 6).timestamp()), End=int(kst(2026, 3, 6, 1).timestamp())))
    report = run(path)
    assert (report.changed, report.passed_over) == (1, {"sealed": 1})
    assert not SealedDifference.objects.exists()
    run(path, sealed=True)
    assert SealedDifference.objects.get().gpu_seconds == 7200
    assert usage() == 7200


def test_a_big_file_is_taken_in_pieces(project, save, monkeypatch):
    monkeypatch.setattr(importing, "CHUNK", 3)
    report = run(save(*(values(number) for number in range(10))))
    assert (report.rows, report.changed, usage()) == (10, 10, 10 * 7200)


# --- The command ---


def test_the_command_says_what_it_did_in_words_and_as_json(project, save, capsys):
    path = save(values(), "broken", values(2, JobIDRaw="102.0"))
    call_command("usage", "import", str(path), "--cluster", "pohang", "--dry-run")
    told = capsys.readouterr().out
    assert "1 rows of 7200 GPU-seconds: 1 jobs new or changed, 1 rows newly put aside, 0 newly held." in told
    assert "Passed over: 1 steps of jobs." in told
    assert "Unreadable: line 3: 1 columns instead of 16" in told
    assert "dry run" in told
    call_command("usage", "import", str(path), "--cluster", "pohang", "--json")
    assert json.loads(capsys.readouterr().out)["changed"] == 1
    assert Job.objects.get().cluster == "pohang"


def test_the_command_takes_the_date_of_the_file_for_what_still_ran(project, save):
    path = save(values(State="RUNNING", End="Unknown", Start=int((datetime.now(UTC) - HOUR).timestamp())))
    call_command("usage", "import", str(path), "--cluster", "pohang")
    seen = Job.objects.get().last_seen_at
    assert abs(seen.timestamp() - path.stat().st_mtime) < 1


def test_the_command_says_what_is_wrong_with_a_file(project, save, tmp_path):
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("usage", "import", str(tmp_path / "nothing"), "--cluster", "pohang")
    path = save(values(Start="2026-03-02T10:00:00"))
    with pytest.raises(CommandError, match="--zone"):
        call_command("usage", "import", str(path), "--cluster", "pohang")
    for wrong in (["--zone", "Seoul/Asia"], ["--delimiter", "::"]):
        with pytest.raises(CommandError):
            call_command("usage", "import", str(path), "--cluster", "pohang", *wrong)


def test_a_row_of_another_cluster_is_kept_as_its_own(project, save):
    run(save(values()))
    Importing(JobFile(save(values(Cluster="other")), "other"), at=AT, saved_at=AT).run()
    assert set(Job.objects.values_list("cluster", flat=True)) == {"pohang", "other"}
    assert usage() == 2 * 7200


def test_the_same_rows_read_from_slurm_change_nothing_more(project, save):
    record = job(start=START)
    row = values(
        DBIndex=record.db_index, JobIDRaw=record.job_id, JobID=record.display_id, AllocTRES="cpu=8,gres/gpu:h100=2"
    )
    run(save(row))
    assert ingest(gateway(record), at=AT).changed == 0
