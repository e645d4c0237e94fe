"""The applicant's acts: start, save, submit and withdraw an application."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import partial

from django.core.files import File
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from allocations import mails
from allocations.models import Application, Attachment, Call, Pool, ProposedMember, RequestLine
from allocations.permissions import can_with_application
from allocations.services.completeness import problems
from allocations.services.numbers import application_number
from allocations.services.outcomes import Incomplete, Refused
from allocations.workflow import ApplicationStatus, LostRace, advance
from portal.events.services import record
from portal.people.models import User
from portal.people.permissions import Permission


@dataclass(frozen=True, slots=True)
class DraftMember:
    email: str
    name: str = ""
    cluster_username: str = ""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file whose content was recognised as `content_type` (forms/attachments.py)."""

    file: File[bytes]
    name: str
    content_type: str


@dataclass(frozen=True, slots=True)
class Draft:
    """Everything an applicant writes. What is missing stays missing; `requested_gpu_seconds` of None is the product."""

    title_ko: str = ""
    title_en: str = ""
    summary: str = ""
    purpose: str = ""
    starts_on: date | None = None
    ends_on: date | None = None
    pool: Pool | None = None
    gpus_per_job: int | None = None
    minutes_per_run: int | None = None
    runs: int | None = None
    requested_gpu_seconds: int | None = None
    members: tuple[DraftMember, ...] = ()
    upload: Upload | None = None
    remove_attachment: bool = False


@transaction.atomic
def application_start(*, call: Call, by: User, at: datetime) -> Application:
    """A new draft, or the untouched one that a double click has just made.

    Raises Refused where the call is not open or the person belongs to no institution.
    """
    _require_open(call, at)
    if by.institution is None:
        raise Refused(_("Your e-mail address belongs to no institution registered here."))
    User.objects.select_for_update().get(pk=by.pk)
    untouched = Application.objects.filter(call=call, applicant=by, status=ApplicationStatus.DRAFT, revision=0)
    if existing := untouched.first():
        return existing
    application = Application.objects.create(
        call=call, applicant=by, institution=by.institution, created_at=at, updated_at=at
    )
    record("application.started", target=application, by=by, at=at)
    return application


@transaction.atomic
def application_save(*, application: Application, draft: Draft, revision: int, by: User, at: datetime) -> Application:
    """Store the draft as it is, complete or not. `revision` is the one the writer started from.

    Raises LostRace where it was saved elsewhere meanwhile, or is no draft any more; nothing is changed then.
    """
    _require_applicant(application, by)
    current = Application.objects.filter(pk=application.pk, status=ApplicationStatus.DRAFT, revision=revision)
    saved = current.update(
        title_ko=draft.title_ko,
        title_en=draft.title_en,
        summary=draft.summary,
        purpose=draft.purpose,
        starts_on=draft.starts_on,
        ends_on=draft.ends_on,
        updated_at=at,
        revision=F("revision") + 1,
    )
    if not saved:
        raise LostRace(ApplicationStatus.DRAFT)
    _store_line(application, draft)
    _store_members(application, draft)
    _store_attachment(application, draft, at)
    application.refresh_from_db()
    return application


@transaction.atomic
def application_submit(*, application: Application, by: User, at: datetime) -> Application:
    """Hand the application in and give it its number.

    Raises Incomplete with every problem, Refused after the deadline, LostRace where it is no draft any more.
    """
    _require_applicant(application, by)
    locked = Application.objects.select_for_update(of=("self",)).select_related("call").get(pk=application.pk)
    if locked.status != ApplicationStatus.DRAFT:
        raise LostRace(ApplicationStatus.SUBMITTED)
    _require_open(locked.call, at)
    if found := problems(locked, timezone.localdate(at)):
        raise Incomplete(found)
    advance(application, ApplicationStatus.SUBMITTED, number=application_number(at), submitted_at=at, updated_at=at)
    record("application.submitted", target=application, by=by, at=at, number=application.number)
    mails.submitted(application)
    return application


@transaction.atomic
def application_withdraw(*, application: Application, by: User, at: datetime) -> Application:
    """Take the application back, as long as it is not decided. Raises LostRace where it is."""
    _require_applicant(application, by)
    advance(application, ApplicationStatus.WITHDRAWN, updated_at=at)
    record("application.withdrawn", target=application, by=by, at=at)
    return application


def _require_applicant(application: Application, by: User) -> None:
    if not can_with_application(by, Permission.APPLICATION_EDIT, application):
        raise Refused(_("Only the applicant may do this."))


def _require_open(call: Call, at: datetime) -> None:
    if not call.is_open(at):
        raise Refused(_("This call takes no applications now."))


def _store_line(application: Application, draft: Draft) -> None:
    application.lines.exclude(pool=draft.pool).delete()
    if draft.pool is None:
        return
    line = RequestLine(
        application=application,
        pool=draft.pool,
        gpus_per_job=draft.gpus_per_job,
        minutes_per_run=draft.minutes_per_run,
        runs=draft.runs,
    )
    requested = draft.requested_gpu_seconds or line.product_gpu_seconds
    application.lines.update_or_create(
        pool=draft.pool,
        defaults={
            "gpus_per_job": draft.gpus_per_job,
            "minutes_per_run": draft.minutes_per_run,
            "runs": draft.runs,
            "requested_gpu_seconds": requested,
        },
    )


def _store_members(application: Application, draft: Draft) -> None:
    application.proposed_members.all().delete()
    by_address = {member.email.lower(): member for member in draft.members}
    ProposedMember.objects.bulk_create(
        ProposedMember(application=application, email=email, name=member.name, cluster_username=member.cluster_username)
        for email, member in by_address.items()
    )


def _store_attachment(application: Application, draft: Draft, at: datetime) -> None:
    if draft.upload is None and not draft.remove_attachment:
        return
    for old in application.attachments.all():
        transaction.on_commit(partial(old.file.storage.delete, str(old.file.name)), robust=True)
        old.delete()
    if draft.upload is not None:
        upload = draft.upload
        attachment = Attachment(
            application=application,
            name=upload.name,
            size=upload.file.size,
            content_type=upload.content_type,
            uploaded_at=at,
        )
        attachment.file.save(upload.name, upload.file, save=False)
        attachment.save()
