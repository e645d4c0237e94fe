"""Which rows of an import cannot be, and why: against each other and against what the portal has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext as _

from allocations.models import GrantLine, Pool, Project
from allocations.selectors.changes import LineFigures, figures
from allocations.services.bulk_rows import BadRow, Row, members_of_rows
from allocations.services.usernames import RESERVED_USERNAMES
from portal.people.models import Institution, User
from portal.slurm.names import SLURM_ROOT
from portal.web.templatetags.figures import gpu_hours_unit

LineKey = tuple[str, int, object]


@dataclass(frozen=True, slots=True)
class Known:
    """What the portal has of what a file names, by the words of the file."""

    projects: dict[str, Project]
    institutions: dict[str, Institution]
    pools: dict[str, Pool]
    people: dict[str, User]
    username_owners: dict[str, str]
    pool_codes: list[str]
    lines: dict[LineKey, LineFigures]

    @classmethod
    def load(cls, rows: list[Row]) -> Known:
        codes = {row.project_code for row in rows}
        projects = Project.objects.filter(code__in=codes).select_related("pi", "institution")
        emails = {member.email for _row, member in members_of_rows(rows)}
        usernames = set(user_names(rows).values())
        people = User.objects.alias(lowered=Lower("email")).filter(
            Q(lowered__in=emails) | Q(cluster_username__in=usernames)
        )
        lines = figures(GrantLine.objects.filter(grant__project__code__in=codes))
        pools = list(Pool.objects.all())
        return cls(
            projects={project.code: project for project in projects},
            institutions=_institutions({row.institution for row in rows}),
            pools=_pools(pools),
            people={user.email.lower(): user for user in people if user.email.lower() in emails},
            username_owners={user.cluster_username: user.email.lower() for user in people if user.cluster_username},
            pool_codes=[pool.code for pool in pools],
            lines={(row.line.grant.project.code, row.pool.pk, row.first_day): row for row in lines},
        )

    def line(self, row: Row) -> LineFigures | None:
        """The line that a row is about, where it is there already."""
        return self.lines.get((row.project_code, self.pools[row.pool].pk, row.start))


def user_names(rows: list[Row]) -> dict[str, str]:
    """The cluster user name that the file gives an address, the first where it gives several."""
    names: dict[str, str] = {}
    for _row, member in members_of_rows(rows):
        if member.username:
            names.setdefault(member.email, member.username)
    return names


def bad_rows(rows: list[Row], known: Known) -> list[BadRow]:
    """Every reason why the file cannot be imported, in the order of its lines."""
    found = [
        *_unknown(rows, known),
        *_codes(rows, known),
        *_against_projects(rows, known),
        *_against_each_other(rows, known),
        *_usernames(rows, known),
        *_against_lines(rows, known),
    ]
    return sorted(set(found), key=lambda bad: (bad.line, bad.column, bad.reason))


def _unknown(rows: list[Row], known: Known) -> Iterator[BadRow]:
    for row in rows:
        if row.institution not in known.institutions:
            reason = _("%(name)s is not registered. An operator registers institutions first.")
            yield BadRow(row.line, "institution", reason % {"name": row.institution})
        if row.pool not in known.pools:
            reason = _("There is no pool %(name)s. There are: %(pools)s.")
            pools = ", ".join(known.pool_codes)
            yield BadRow(row.line, "pool", reason % {"name": row.pool, "pools": pools})


def _codes(rows: list[Row], known: Known) -> Iterator[BadRow]:
    """Names in Slurm are one list: a project may not be called as another one's account of a pool."""
    taken = {SLURM_ROOT, settings.SLURM_ROOT_ACCOUNT}
    for row in rows:
        if row.project_code in taken or any(row.project_code.endswith(f"-{code}") for code in known.pool_codes):
            yield BadRow(row.line, "project_code", _("This name is taken in Slurm. Choose another code."))


def _against_projects(rows: list[Row], known: Known) -> Iterator[BadRow]:
    for row in rows:
        project = known.projects.get(row.project_code)
        if project is None:
            continue
        here = _("The project is there already with another value: %(value)s.")
        if row.title not in {project.title_ko, project.title_en}:
            yield BadRow(row.line, "title", here % {"value": project.title})
        if row.institution not in {project.institution.name_ko, project.institution.name_en}:
            yield BadRow(row.line, "institution", here % {"value": project.institution})
        if row.pi_email != project.pi.email.lower():
            yield BadRow(row.line, "pi_email", here % {"value": project.pi.email})


def _against_each_other(rows: list[Row], known: Known) -> Iterator[BadRow]:
    first: dict[str, Row] = {}
    seen: dict[tuple[object, ...], Row] = {}
    for row in rows:
        other = first.setdefault(row.project_code, row)
        for column in ("title", "institution", "pi_email"):
            if getattr(row, column) != getattr(other, column):
                reason = _("It differs from line %(line)s of the same project.")
                yield BadRow(row.line, column, reason % {"line": other.line})
        pool = known.pools.get(row.pool)
        same = seen.setdefault((row.project_code, pool.code if pool else row.pool, row.start), row)
        if same is not row:
            reason = _("The same grant stands in line %(line)s: project, pool and first day are the same.")
            yield BadRow(row.line, "", reason % {"line": same.line})


def _usernames(rows: list[Row], known: Known) -> Iterator[BadRow]:
    given: dict[str, str] = {}
    owners = dict(known.username_owners)
    for row, member in members_of_rows(rows):
        if not member.username:
            continue
        about = {"email": member.email, "name": member.username}
        user = known.people.get(member.email)
        present = (user.cluster_username if user else None) or given.setdefault(member.email, member.username)
        if member.username in RESERVED_USERNAMES:
            yield BadRow(row.line, "members", _("%(name)s is a reserved user name.") % about)
        elif present != member.username:
            reason = _("%(email)s has another user name: %(present)s.")
            yield BadRow(row.line, "members", reason % {**about, "present": present})
        elif owners.setdefault(member.username, member.email) != member.email:
            reason = _("The user name %(name)s belongs to %(owner)s.")
            yield BadRow(row.line, "members", reason % {**about, "owner": owners[member.username]})


def _against_lines(rows: list[Row], known: Known) -> Iterator[BadRow]:
    for row in rows:
        line = known.line(row) if row.pool in known.pools else None
        if line is None:
            continue
        if row.gpu_seconds not in {line.awarded, line.granted // 60 * 60}:
            reason = _("The grant is there already with %(hours)s. Use a supplement to change it.")
            yield BadRow(row.line, "gpu_hours", reason % {"hours": gpu_hours_unit(line.granted)})
        if row.end != line.last_day:
            reason = _("The grant is there already and ends on %(day)s. Use an extension to change it.")
            yield BadRow(row.line, "end", reason % {"day": line.last_day.isoformat()})


def _institutions(names: set[str]) -> dict[str, Institution]:
    """By Korean name, else by an English one that only one has."""
    found: dict[str, Institution] = {}
    by_english: dict[str, list[Institution]] = {}
    for institution in Institution.objects.filter(Q(name_ko__in=names) | Q(name_en__in=names)):
        found[institution.name_ko] = institution
        by_english.setdefault(institution.name_en, []).append(institution)
    for name, same in by_english.items():
        if len(same) == 1:
            found.setdefault(name, same[0])
    return found


def _pools(pools: list[Pool]) -> dict[str, Pool]:
    """By code in any case, and by either name."""
    by_name = {name: pool for pool in pools for name in (pool.name_ko, pool.name_en)}
    return by_name | {code: pool for pool in pools for code in (pool.code, pool.code.upper())}
