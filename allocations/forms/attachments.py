"""What an attachment is, by its content and not by its name."""

from __future__ import annotations

import unicodedata
import zipfile
from typing import IO

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from allocations.services.applications import Upload

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

    def clean(self, data: UploadedFile | None, initial: object = None) -> Upload | None:
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


def _safe_name(name: str, suffix: str) -> str:
    """The sender's name with the suffix of what the file is, composed Hangul, no control characters."""
    composed = unicodedata.normalize("NFC", name)
    printable = "".join(letter for letter in composed if letter.isprintable() and letter not in '/\\"')
    stem = printable[: -len(suffix)] if printable.lower().endswith(suffix) else printable
    return f"{stem[:150] or 'attachment'}{suffix}"
