"""Two years of a center's life in a bench's own database: projects, grants, jobs, and usage that follows from the jobs.

Made by SQL, so that a million jobs take seconds. Projects are as unequal as real ones: the first has about eight per
cent of all jobs. No job crosses midnight, so that a day's usage is the plain sum of its jobs.
"""

from __future__ import annotations

from datetime import timedelta

from tests.bench import ground  # isort: skip
from django.conf import settings
from django.db import connection
from django.utils import timezone

from accounting.models import IngestMark, Verification
from accounting.usage import day_of, day_start
from allocations.models import Account, Application, Call, Cluster, Grant, GrantLine, LedgerEntry, RequestLine
from allocations.workflow import ApplicationStatus
from portal.people.models import Institution
from tests.factories import CallFactory, PoolFactory

DAYS = 730
PEOPLE = 5
INSTITUTIONS = 40
# The present grants began so many days ago; the ones before them span the time from the beginning until then.
PRESENT, AHEAD = 200, 165

JOBS = """
INSERT INTO accounting_job (cluster, db_index, job_id, display_id, account, "user", partition, qos, state, submit,
    eligible, start, "end", gpus, gpu_kinds, cpus, exit_code, time_limit_minutes, final, first_seen_at, last_seen_at,
    changed_at)
SELECT %(cluster)s, n, n, n::text, 'p' || lpad(project::text, 5, '0') || '-' || pool,
    'u' || project || 'x' || person, pool, pool, state, start - waited, start - waited, start, start + took, gpus,
    jsonb_build_object(pool, gpus), gpus * 8, '0:0', ceil(extract(epoch FROM took) / 60) + spare, true, start + took,
    start + took, start + took
FROM (
    SELECT n, project, person, state, gpus, spare, waited, start,
        CASE WHEN project %% 4 = 0 AND n %% 3 = 0 THEN 'a100' ELSE 'h100' END AS pool,
        least(took, date_trunc('day', start, 'Asia/Seoul') + interval '1 day' - start) AS took
    FROM (
        SELECT n, floor(%(projects)s * random() ^ 3)::int AS project, floor(random() ^ 2 * %(people)s)::int AS person,
            (ARRAY['COMPLETED', 'COMPLETED', 'COMPLETED', 'COMPLETED', 'COMPLETED', 'COMPLETED', 'FAILED', 'TIMEOUT',
                'CANCELLED', 'NODE_FAIL'])[1 + floor(random() * 10)::int] AS state,
            (ARRAY[1, 1, 1, 2, 4, 8])[1 + floor(random() * 6)::int] AS gpus, floor(random() * 600)::int AS spare,
            make_interval(secs => floor(random() ^ 4 * 86400)) AS waited,
            make_interval(secs => 1 + floor(random() ^ 3 * 80000)) AS took,
            %(first)s::timestamptz + make_interval(secs => floor(random() * 86400 * %(days)s)) AS start
        FROM generate_series(1, %(jobs)s) AS n
    ) AS drawn
) AS jobs
"""
USAGE_DAYS = """
INSERT INTO accounting_usageday (day, account_id, account_name, user_name, gpu_kind, partition, state, provisional,
    gpu_seconds, cpu_seconds, jobs)
SELECT (start AT TIME ZONE 'Asia/Seoul')::date, leaf.id, job.account, job."user", job.partition, job.partition,
    job.state, false, sum(extract(epoch FROM "end" - start) * gpus), sum(extract(epoch FROM "end" - start) * cpus),
    count(*)
FROM accounting_job AS job JOIN allocations_account AS leaf ON leaf.name = job.account
GROUP BY 1, 2, 3, 4, 5, 6, 7
"""
# Each row as ten that sum up to it: two persons, five partitions.
TENFOLD = """
INSERT INTO accounting_usageday (day, account_id, account_name, user_name, gpu_kind, partition, state, provisional,
    gpu_seconds, cpu_seconds, jobs)
SELECT day, account_id, account_name, user_name || (CASE WHEN part < 5 THEN '' ELSE 'b' END), gpu_kind,
    partition || '-' || part %% 5, state, provisional, gpu_seconds * (part + 1) / 10 - gpu_seconds * part / 10,
    cpu_seconds * (part + 1) / 10 - cpu_seconds * part / 10, jobs * (part + 1) / 10 - jobs * part / 10
FROM accounting_usageday CROSS JOIN generate_series(0, 9) AS part WHERE id <= %(last)s
"""
USAGE_MONTHS = """
INSERT INTO accounting_usagemonth (month, account_id, account_name, user_name, gpu_kind, partition, state, provisional,
    gpu_seconds, cpu_seconds, jobs)
SELECT date_trunc('month', day)::date, account_id, account_name, user_name, gpu_kind, partition, state, provisional,
    sum(gpu_seconds), sum(cpu_seconds), sum(jobs)
FROM accounting_usageday GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
"""
USAGE_SUMS = """
INSERT INTO accounting_usagesum (day, account_name, gpu_kind, gpu_seconds, cpu_seconds, jobs)
SELECT day, account_name, gpu_kind, sum(gpu_seconds), sum(cpu_seconds), sum(jobs)
FROM accounting_usageday GROUP BY 1, 2, 3
"""
USAGE_MONTH_SUMS = """
INSERT INTO accounting_usagemonthsum (month, account_name, gpu_kind, gpu_seconds, cpu_seconds, jobs)
SELECT date_trunc('month', day)::date, account_name, gpu_kind, sum(gpu_seconds), sum(cpu_seconds), sum(jobs)
FROM accounting_usagesum GROUP BY 1, 2, 3
"""
CHARGES = """
UPDATE allocations_grantline AS line SET charged_gpu_seconds = used.gpu_seconds
FROM (
    SELECT line.id, coalesce(sum(usage.gpu_seconds), 0) AS gpu_seconds
    FROM allocations_grantline AS line
    JOIN allocations_grant AS given ON given.id = line.grant_id
    JOIN allocations_account AS leaf ON leaf.project_id = given.project_id AND leaf.pool_id = line.pool_id
    LEFT JOIN accounting_usageday AS usage ON usage.account_name = leaf.name
        AND usage.day >= (given.starts_at AT TIME ZONE 'Asia/Seoul')::date
        AND usage.day < (given.ends_at AT TIME ZONE 'Asia/Seoul')::date
    GROUP BY line.id
) AS used WHERE used.id = line.id
"""
# From half of what was used to three times as much was awarded, and never nothing.
AWARDS = """
INSERT INTO allocations_ledgerentry (line_id, kind, gpu_seconds, reason, at, job_key)
SELECT line.id, 'supplement', 360000 + line.charged_gpu_seconds * (50 + mod(line.id, 250)) / 100, 'award',
    given.starts_at, ''
FROM allocations_grantline AS line JOIN allocations_grant AS given ON given.id = line.grant_id
"""
COUNTERS = """
INSERT INTO accounting_counter (account_id, used_gpu_seconds, reserved_gpu_seconds, limit_gpu_minutes, exact, read_at)
SELECT leaf.id, line.charged_gpu_seconds, 3600, (line.charged_gpu_seconds + 720000) / 60, true, %(now)s
FROM allocations_account AS leaf
JOIN allocations_grant AS given ON given.project_id = leaf.project_id AND given.ends_at > %(now)s
JOIN allocations_grantline AS line ON line.grant_id = given.id AND line.pool_id = leaf.pool_id
"""
QUEUE = """
INSERT INTO accounting_queuejob (job_id, display_id, account_id, user_name, partition, state, reason, gpus, submit,
    start, time_limit_minutes)
SELECT 10000000 + leaf.id * 10 + n, (10000000 + leaf.id * 10 + n)::text, leaf.id,
    replace(split_part(leaf.name, '-', 1), 'p', 'u') || 'x0', split_part(leaf.name, '-', 2),
    CASE WHEN n < 2 THEN 'RUNNING' ELSE 'PENDING' END, CASE WHEN n < 2 THEN '' ELSE 'Priority' END, 2,
    %(now)s::timestamptz - interval '2 hours', CASE WHEN n < 2 THEN %(now)s::timestamptz - interval '1 hour' END, 600
FROM allocations_account AS leaf CROSS JOIN generate_series(0, 2) AS n
"""


def two_years(projects: int, jobs: int) -> None:
    """Everything, complete and consistent; the database was only migrated before."""
    _projects(projects)
    first = day_start(day_of(timezone.now()) - timedelta(days=DAYS - 1))
    sizes = {"projects": projects, "people": PEOPLE, "jobs": jobs}
    _run(JOBS, cluster=settings.SLURM_CLUSTER, first=first, days=DAYS - 1, **sizes)
    _run(USAGE_DAYS)
    for statement in (USAGE_MONTHS, USAGE_SUMS, USAGE_MONTH_SUMS, CHARGES, AWARDS, QUEUE, COUNTERS):
        _run(statement, now=timezone.now())
    _readings()
    tidy()


def ten_times_the_days() -> None:
    """Ten rows of usage for each that there is, with the same sums; months as they follow."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(id) FROM accounting_usageday")
        last = cursor.fetchone()[0]
    _run(TENFOLD, last=last)
    _run("DELETE FROM accounting_usageday WHERE id <= %(last)s", last=last)
    _run("TRUNCATE accounting_usagemonth")
    _run(USAGE_MONTHS)
    tidy()


def tidy() -> None:
    """As autovacuum leaves it, so that plans are those of a database that has been at work for a while; and written to
    the disk, which would else go on beside what is measured."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")


def _projects(number: int) -> None:
    leaves = ground.add_projects([PEOPLE] * number)
    now = timezone.now()
    pool = PoolFactory(code="a100")
    second = [leaf.project for leaf in leaves[::4]]
    Account.objects.bulk_create(Account(project=row, pool=pool, name=f"{row.code}-{pool.code}") for row in second)
    Account.objects.update(state=Account.State.IN_FORCE, in_force_since=now, parked=False)
    begin = day_start(day_of(now) - timedelta(days=PRESENT))
    Grant.objects.update(starts_at=begin, ends_at=begin + timedelta(days=PRESENT + AHEAD))
    Grant.objects.bulk_create(
        Grant(project=leaf.project, starts_at=now - timedelta(days=DAYS), ends_at=begin, created_at=now)
        for leaf in leaves[: number // 2]
    )
    of_grant = {leaf.project_id: [leaf.pool_id] for leaf in leaves} | {
        row.pk: [leaves[0].pool_id, pool.pk] for row in second
    }
    have = set(GrantLine.objects.values_list("grant", "pool"))
    lines = GrantLine.objects.bulk_create(
        GrantLine(grant=grant, pool_id=key)
        for grant in Grant.objects.all()
        for key in of_grant[grant.project_id]
        if (grant.pk, key) not in have
    )
    LedgerEntry.objects.bulk_create(
        LedgerEntry(line=line, kind=LedgerEntry.Kind.AWARD, gpu_seconds=3600, reason="award", at=now) for line in lines
    )
    _institutions()
    _applications()


def _institutions() -> None:
    kinds = [kind for kind in Institution.Kind if kind != Institution.Kind.CENTER]
    rows = Institution.objects.bulk_create(
        Institution(name_ko=f"기관 {n:02d}", name_en=f"Institution {n:02d}", kind=kinds[n % len(kinds)])
        for n in range(100, 100 + INSTITUTIONS)
    )
    first = min(row.pk for row in rows)
    _run("UPDATE allocations_project SET institution_id = %(first)s + id %% %(n)s", first=first, n=INSTITUTIONS)
    _run(
        "UPDATE people_user SET institution_id = project.institution_id FROM allocations_membership AS member "
        "JOIN allocations_project AS project ON project.id = member.project_id WHERE member.user_id = people_user.id"
    )


def _applications() -> None:
    """One for each grant, over calls of every track."""
    now = timezone.now()
    calls = [CallFactory(track=track, decided_at=now) for track in Call.Track]
    grants = list(Grant.objects.select_related("project").order_by("pk"))
    applications = Application.objects.bulk_create(
        Application(
            number=f"2026-{number:05d}",
            call=calls[number % len(calls)],
            applicant_id=grant.project.pi_id,
            institution_id=grant.project.institution_id,
            status=ApplicationStatus.AWARDED,
            status_since=now,
            title_ko="과제",
            created_at=grant.starts_at,
            updated_at=now,
            submitted_at=grant.starts_at - timedelta(days=60),
        )
        for number, grant in enumerate(grants)
    )
    for grant, application in zip(grants, applications, strict=True):
        grant.application = application
    Grant.objects.bulk_update(grants, ["application"], batch_size=500)
    pools = dict(GrantLine.objects.values_list("grant__application", "pool"))
    RequestLine.objects.bulk_create(
        RequestLine(application=row, pool_id=pools[row.pk], requested_gpu_seconds=3_600_000) for row in applications
    )


def _readings() -> None:
    """What the worker would have left: figures read just now, compared up to now, a cluster that answers."""
    now = timezone.now()
    mark = IngestMark.current()
    mark.read_until = mark.last_run_at = mark.queue_read_at = mark.charged_at = now
    mark.save()
    Verification.objects.create(
        period_start=now - timedelta(hours=1),
        period_end=now,
        at=now,
        compared=1,
        gpu_seconds=0,
        unexplained_gpu_seconds=0,
        covered_until=now,
    )
    Cluster.objects.update(heartbeat_at=now, driver="commands", last_sync_at=now)


def _run(statement: str, **values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
