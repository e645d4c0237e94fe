"""What an applicant writes, and storing it. What is missing stays missing (services/completeness.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from typing import Any

from django.core.files import File
from django.core.files.base import ContentFile
from django.db import transaction
from django.utils.translation import gettext as _

from allocations.blind import blinded
from allocations.calculators import runs_gpu_seconds
from allocations.fields import fields_of, sections_of
from allocations.models import (
    Application,
    Attachment,
    FirmDetails,
    Pool,
    ProposedMember,
    RelatedGrant,
    RequestLine,
)
from allocations.services.outcomes import Refused

MOST_ATTACHMENTS = 8


@dataclass(frozen=True, slots=True)
class DraftLine:
    """What is asked of a pool. `requested_gpu_seconds` of None is the product of the figures."""

    pool: Pool
    gpus_per_job: int | None = None
    minutes_per_run: int | None = None
    runs: int | None = None
    margin_percent: int = 0
    requested_gpu_seconds: int | None = None
    minimum_gpu_seconds: int | None = None

    @property
    def asked_gpu_seconds(self) -> int | None:
        """The amount written, else the product where all figures are known."""
        if self.requested_gpu_seconds or not (self.gpus_per_job and self.minutes_per_run and self.runs):
            return self.requested_gpu_seconds
        return runs_gpu_seconds(
            gpus=self.gpus_per_job, minutes=self.minutes_per_run, runs=self.runs, margin_percent=self.margin_percent
        )


@dataclass(frozen=True, slots=True)
class DraftMember:
    email: str
    name: str = ""
    cluster_username: str = ""


@dataclass(frozen=True, slots=True)
class DraftGrant:
    """A related research grant."""

    number: str
    agency: str = ""
    title: str = ""
    ends_on: date | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """A file whose content was recognised as `content_type` (forms/attachments.py)."""

    file: File[bytes]
    name: str
    content_type: str
    blind: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """What one step of the form holds, or several. What is left out stays as it is stored.

    `columns` are columns of the application, `answers` values of fields without one (allocations/fields), `firm`
    columns of FirmDetails; rows given replace all that are stored, files are added, `removed` are their keys.
    """

    columns: Mapping[str, Any] = field(default_factory=dict)
    answers: Mapping[str, Any] = field(default_factory=dict)
    lines: Sequence[DraftLine] | None = None
    members: Sequence[DraftMember] | None = None
    related_grants: Sequence[DraftGrant] | None = None
    firm: Mapping[str, Any] | None = None
    uploads: Sequence[Upload] = ()
    removed: frozenset[int] = frozenset()


def store(application: Application, draft: Draft, at: datetime) -> None:
    """Write the draft's parts to a row that the caller holds and saves; files reach the disk at once.

    Raises Refused where a file cannot be kept: too many, or a blind copy that cannot be cleaned.
    """
    for name, value in draft.columns.items():
        setattr(application, name, value)
    application.delegate_email = application.delegate_email.lower()
    application.answers = application.answers | dict(draft.answers)
    if draft.lines is not None:
        _store_lines(application, draft.lines)
    if draft.members is not None:
        _store_members(application, draft.members)
    if draft.related_grants is not None:
        application.related_grants.all().delete()
        by_number = {grant.number: grant for grant in draft.related_grants}
        RelatedGrant.objects.bulk_create(
            RelatedGrant(
                application=application, number=number, agency=grant.agency, title=grant.title, ends_on=grant.ends_on
            )
            for number, grant in by_number.items()
        )
    if draft.firm is not None:
        FirmDetails.objects.update_or_create(application=application, defaults=dict(draft.firm))
    _remove_files(application, draft.removed)
    for upload in draft.uploads:
        _store_file(application, upload, at)


def _store_lines(application: Application, lines: Sequence[DraftLine]) -> None:
    application.lines.all().delete()
    RequestLine.objects.bulk_create(
        RequestLine(
            application=application,
            pool=line.pool,
            gpus_per_job=line.gpus_per_job,
            minutes_per_run=line.minutes_per_run,
            runs=line.runs,
            margin_percent=line.margin_percent,
            requested_gpu_seconds=line.asked_gpu_seconds,
            minimum_gpu_seconds=line.minimum_gpu_seconds,
        )
        for line in lines
    )


def _store_members(application: Application, members: Sequence[DraftMember]) -> None:
    application.proposed_members.all().delete()
    by_address = {member.email.lower(): member for member in members}
    ProposedMember.objects.bulk_create(
        ProposedMember(application=application, email=email, name=member.name, cluster_username=member.cluster_username)
        for email, member in by_address.items()
    )


def _remove_files(application: Application, keys: frozenset[int]) -> None:
    for old in application.attachments.filter(pk__in=keys):
        transaction.on_commit(partial(old.file.storage.delete, str(old.file.name)), robust=True)
        old.delete()


def _store_file(application: Application, upload: Upload, at: datetime) -> None:
    if application.attachments.count() >= MOST_ATTACHMENTS:
        raise Refused(_("At most %(most)s files can be attached.") % {"most": MOST_ATTACHMENTS})
    content = ContentFile(blinded(upload.file, upload.content_type)) if upload.blind else upload.file
    attachment = Attachment(
        application=application,
        name=upload.name,
        size=content.size,
        content_type=upload.content_type,
        blind=upload.blind,
        uploaded_at=at,
    )
    attachment.file.save(upload.name, content, save=False)
    attachment.save()


def copy_into(application: Application, earlier: Application, at: datetime) -> None:
    """Take over what was written in an earlier application, where the new call asks for it. Its period, files and
    consents belong to the earlier one and are not taken over; nor is what it asked of a pool not offered here."""
    call = application.call
    asked = {field.name for section in sections_of(application) for field, _level in fields_of(call, section)}
    texts = [name for name in ["title_ko", "title_en", "summary", "purpose"] if name in asked]
    if "delegate" in asked:
        texts += ["delegate_name", "delegate_email"]
    offered = set(call.pools.values_list("pk", flat=True))
    written = FirmDetails.objects.filter(application=earlier).values().first()
    firm = {name: value for name, value in written.items() if name in asked} if written else {}
    draft = Draft(
        columns={name: getattr(earlier, name) for name in texts},
        answers={name: value for name, value in earlier.answers.items() if name in asked},
        lines=[
            DraftLine(
                line.pool,
                line.gpus_per_job,
                line.minutes_per_run,
                line.runs,
                line.margin_percent,
                line.requested_gpu_seconds,
                line.minimum_gpu_seconds,
            )
            for line in earlier.lines.select_related("pool")
            if line.pool_id in offered
        ],
        members=[
            DraftMember(member.email, member.name, member.cluster_username)
            for member in earlier.proposed_members.all()
            if "members" in asked
        ],
        related_grants=[
            DraftGrant(grant.number, grant.agency, grant.title, grant.ends_on)
            for grant in earlier.related_grants.all()
            if "related_grants" in asked
        ],
        firm=firm or None,
    )
    store(application, draft, at)
    application.save()
