"""What an attachment is, by its content and not by its name."""

from __future__ import annotations

import unicodedata
import zipfile
from dataclasses import replace
from typing import IO, Any

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict
from django.template.defaultfilters import filesizeformat
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _

from allocations.models import Application, Attachment
from allocations.services.drafts import MOST_ATTACHMENTS, Upload

PDF = "application/pdf"
PNG = "image/png"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
HWP = "application/x-hwp"
HWPX = "application/hwp+zip"
# What the files are called on the reader's machine, whatever the sender called them.
SUFFIXES = {PDF: ".pdf", PNG: ".png", DOCX: ".docx", HWP: ".hwp", HWPX: ".hwpx"}

OLE = bytes.fromhex("d0cf11e0a1b11ae1")
HWP_SIGNATURE = b"HWP Document File"


def recognised(file: IO[bytes]) -> str | None:
    """The content type of one of the five kinds taken, or None. Leaves the file at its beginning."""
    file.seek(0)
    head = file.read(1024)
    file.seek(0)
    if b"%PDF-" in head:
        return PDF
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head.startswith(HWP_SIGNATURE) or (head.startswith(OLE) and _contains(file, HWP_SIGNATURE)):
        return HWP
    if head.startswith(b"PK\x03\x04"):
        return _in_zip(file)
    return None


def _contains(file: IO[bytes], needle: bytes) -> bool:
    """A compound file's small streams lie whole within its sectors, so the signature is found by reading on."""
    rest = b""
    while chunk := file.read(1 << 20):
        if needle in rest + chunk:
            file.seek(0)
            return True
        rest = chunk[-len(needle) :]
    file.seek(0)
    return False


def _in_zip(file: IO[bytes]) -> str | None:
    try:
        with zipfile.ZipFile(file) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return None
    finally:
        file.seek(0)
    if {"[Content_Types].xml", "word/document.xml"} <= names:
        return DOCX
    if {"mimetype", "Contents/content.hpf"} <= names:
        return HWPX
    return None


class AttachmentField(forms.FileField):
    """One file of a kind taken, at most settings.ATTACHMENT_MAX_BYTES; the value is an Upload."""

    widget = forms.FileInput(attrs={"accept": ",".join(SUFFIXES.values())})

    def clean(self, data: Any, initial: object = None) -> Any:
        file = super().clean(data, None)
        if not file:
            return None
        if file.size > settings.ATTACHMENT_MAX_BYTES:
            most = filesizeformat(settings.ATTACHMENT_MAX_BYTES)
            text = _("%(name)s is too large: %(size)s. At most %(most)s can be attached.")
            raise forms.ValidationError(text % {"name": file.name, "size": filesizeformat(file.size), "most": most})
        content_type = recognised(file)
        if content_type is None:
            text = _("%(name)s is not a PDF, HWP, HWPX, DOCX or PNG file by its content.")
            raise forms.ValidationError(text % {"name": file.name})
        return Upload(file=file, name=_safe_name(file.name or "", SUFFIXES[content_type]), content_type=content_type)


class SeveralFilesInput(forms.FileInput):
    allow_multiple_selected = True


class FilesField(AttachmentField):
    """Several such files; the value is a list of Uploads. Every file that is refused is named."""

    widget = SeveralFilesInput(attrs={"accept": ",".join(SUFFIXES.values())})

    def clean(self, data: Any, initial: object = None) -> list[Upload]:
        files = data if isinstance(data, list | tuple) else [data]
        uploads: list[Upload] = []
        errors: list[forms.ValidationError] = []
        for file in filter(None, files):
            try:
                uploads.append(super().clean(file))
            except forms.ValidationError as error:
                errors.append(error)
        if errors:
            raise forms.ValidationError(errors)
        return uploads


class FilesForm(forms.Form):
    """What is attached may be taken away, and more attached; for a blind call, a copy that tells nobody's name."""

    use_required_attribute = False

    def __init__(
        self, application: Application, data: QueryDict | None, files: MultiValueDict[str, UploadedFile] | None
    ) -> None:
        super().__init__(data, files)
        self.attached = list(application.attachments.all())
        most = {"most": MOST_ATTACHMENTS, "size": filesizeformat(settings.ATTACHMENT_MAX_BYTES)}
        kinds = _("PDF, HWP, HWPX, DOCX or PNG; at most %(most)s files of %(size)s each.") % most
        self.fields["files"] = FilesField(label=_("Attach files"), help_text=kinds, required=False)
        if application.call.blind:
            self.fields["blind_files"] = FilesField(
                label=_("Attach blind copies for reviewers"),
                help_text=_(
                    "Without names of people and institutions: this is all that reviewers get to read. Author names "
                    "in the file's properties are removed by themselves. PDF, HWPX, DOCX or PNG."
                ),
                required=False,
            )
        for file in self.attached:
            label = _("Remove %(name)s") % {"name": file.name}
            self.fields[f"remove-{file.pk}"] = forms.BooleanField(label=label, required=False)

    def clean(self) -> dict[str, Any]:
        """No more than are taken, and blind copies of a kind that can be cleaned."""
        cleaned = super().clean() or {}
        coming = len(cleaned.get("files") or []) + len(cleaned.get("blind_files") or [])
        if len(self.attached) - len(self.removed()) + coming > MOST_ATTACHMENTS:
            cleaned.pop("files", None)
            cleaned.pop("blind_files", None)
            self.add_error("files", _("At most %(most)s files can be attached.") % {"most": MOST_ATTACHMENTS})
        for upload in cleaned.get("blind_files") or []:
            if upload.content_type == HWP:
                text = _("%(name)s cannot be cleaned of names. Save it as PDF or HWPX for the blind copy.")
                self.add_error("blind_files", text % {"name": upload.name})
        return cleaned

    @property
    def rows(self) -> list[tuple[Attachment, forms.BoundField]]:
        return [(file, self[f"remove-{file.pk}"]) for file in self.attached]

    def uploads(self) -> list[Upload]:
        blind = [replace(upload, blind=True) for upload in self.cleaned_data.get("blind_files") or []]
        return [*(self.cleaned_data.get("files") or []), *blind]

    def removed(self) -> frozenset[int]:
        return frozenset(file.pk for file in self.attached if self.cleaned_data.get(f"remove-{file.pk}"))


def _safe_name(name: str, suffix: str) -> str:
    """The sender's name with the suffix of what the file is, composed Hangul, no control characters."""
    composed = unicodedata.normalize("NFC", name)
    printable = "".join(letter for letter in composed if letter.isprintable() and letter not in '/\\"')
    stem = printable[: -len(suffix)] if printable.lower().endswith(suffix) else printable
    return f"{stem[:150] or 'attachment'}{suffix}"
