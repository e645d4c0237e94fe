"""Attachments: known by their content, kept apart, read only by who may."""

from __future__ import annotations

import io
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from allocations.forms.attachments import DOCX, HWP, HWPX, PDF, PNG, recognised
from allocations.models import Attachment
from tests.factories import ReviewFactory

OLE = bytes.fromhex("d0cf11e0a1b11ae1")


def zipped(*names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return buffer.getvalue()


KNOWN = {
    PDF: b"%PDF-1.7\n...",
    PNG: b"\x89PNG\r\n\x1a\n....",
    DOCX: zipped("[Content_Types].xml", "word/document.xml"),
    HWPX: zipped("mimetype", "Contents/content.hpf"),
    HWP: OLE + b"\0" * 600 + b"HWP Document File" + b"\0" * 100,
}


@pytest.mark.parametrize(("content_type", "content"), KNOWN.items())
def test_each_kind_is_known_by_its_content(content_type, content):
    file = io.BytesIO(content)
    assert recognised(file) == content_type
    assert file.tell() == 0


@pytest.mark.parametrize(
    "content",
    [b"", b"MZ\x90\0", b"<html>", OLE + b"an old Word file", zipped("a.exe"), b"PK\x03\x04 broken", b"\x89PNG"],
)
def test_anything_else_is_unknown(content):
    assert recognised(io.BytesIO(content)) is None


def test_a_signature_across_two_reads_is_found():
    assert recognised(io.BytesIO(OLE + b"\0" * ((1 << 20) - 15) + b"HWP Document File")) == HWP


@pytest.fixture
def upload(draft, alice, browser):
    client = browser(alice)

    def uploaded(name, content, **changes):
        draft.refresh_from_db()
        data = {
            "revision": draft.revision,
            "action": "save",
            "title_en": "Typed beside it",
            "members-TOTAL_FORMS": 0,
            "members-INITIAL_FORMS": 0,
            "attachment": SimpleUploadedFile(name, content) if name else "",
        }
        return client.post(reverse("application_edit", args=[draft.pk]), data | changes, follow=True)

    return uploaded


def test_a_file_is_kept_with_its_name_and_what_it_is(draft, upload):
    upload("연구계획서.PDF", KNOWN[PDF])
    attached = draft.attachments.get()
    assert (attached.name, attached.content_type, attached.size) == ("연구계획서.pdf", PDF, len(KNOWN[PDF]))
    assert "연구" not in attached.file.name


def test_a_program_called_pdf_is_refused_with_the_reason_and_the_rest_is_kept(draft, upload):
    page = upload("plan.pdf", b"MZ\x90\0").content.decode()
    draft.refresh_from_db()
    assert "plan.pdf is not a PDF" in page
    assert draft.title_en == "Typed beside it"
    assert not draft.attachments.exists()


def test_a_file_too_large_is_refused_with_its_size(upload, settings):
    settings.ATTACHMENT_MAX_BYTES = 10
    assert "too large" in upload("plan.pdf", KNOWN[PDF]).content.decode()


def test_a_new_file_replaces_the_old_one_also_on_disk(draft, upload, django_capture_on_commit_callbacks):
    upload("one.pdf", KNOWN[PDF])
    old = draft.attachments.get()
    with django_capture_on_commit_callbacks(execute=True):
        upload("two.png", KNOWN[PNG])
    assert draft.attachments.get().name == "two.png"
    assert not old.file.storage.exists(old.file.name)


def test_a_file_can_be_taken_away(draft, upload):
    upload("one.pdf", KNOWN[PDF])
    upload("", b"", remove_attachment="on")
    assert not draft.attachments.exists()


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\r\nSet-Cookie: x.pdf", 'quote".pdf', "가" * 300])
def test_no_name_does_harm(name, draft, upload, alice, browser):
    upload(name, KNOWN[PDF])
    attached = Attachment.objects.get()
    assert attached.name.endswith(".pdf")
    assert not set('/\\\r\n"') & set(attached.name)
    response = browser(alice).get(reverse("attachment", args=[draft.pk, attached.pk]))
    assert response.headers["Content-Disposition"].startswith("attachment; filename")


def test_a_download_says_what_it_is_and_is_not_sniffed(submitted, attach, alice, browser):
    attached = attach(submitted)
    response = browser(alice).get(reverse("attachment", args=[submitted.pk, attached.pk]))
    assert b"".join(response.streaming_content) == b"%PDF-1.7 plan"
    assert response.headers["Content-Type"] == "application/pdf"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_reviewer_reads_it_only_after_declaring_no_conflict(submitted, attach, rhee, browser):
    address = reverse("attachment", args=[submitted.pk, attach(submitted).pk])
    assert browser(rhee).get(address).status_code == 404
    ReviewFactory(application=submitted, reviewer=rhee, submitted_at=None)
    assert browser(rhee).get(address).status_code == 200


def test_an_attachment_is_not_reached_through_another_application(draft, submitted, attach, alice, browser):
    attached = attach(submitted)
    assert browser(alice).get(reverse("attachment", args=[draft.pk, attached.pk])).status_code == 404
