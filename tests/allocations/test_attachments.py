"""Attachments: known by their content, kept apart, read only by who may."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from allocations.forms.attachments import DOCX, HWP, HWPX, PDF, PNG, recognised
from allocations.models import Attachment
from tests.allocations.applying import Form, completed
from tests.factories import NOW, ReviewFactory

OLE = bytes.fromhex("d0cf11e0a1b11ae1")


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PICTURE = (
    b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    + chunk(b"tEXt", b"Author\0Alice Kim")
    + chunk(b"IDAT", zlib.compress(b"\0\0"))
    + chunk(b"IEND", b"")
)


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
    form = Form(browser(alice), draft)

    def uploaded(*files, field="files", **changes):
        return form.post(
            "attachments", {field: [SimpleUploadedFile(name, content) for name, content in files]} | changes
        )

    return uploaded


def test_a_file_is_kept_with_its_name_and_what_it_is(draft, upload):
    upload(("연구계획서.PDF", KNOWN[PDF]))
    attached = draft.attachments.get()
    assert (attached.name, attached.content_type, attached.size) == ("연구계획서.pdf", PDF, len(KNOWN[PDF]))
    assert "연구" not in attached.file.name


def test_several_are_kept_at_once_and_more_are_added(draft, upload):
    upload(("one.pdf", KNOWN[PDF]), ("two.png", KNOWN[PNG]))
    upload(("three.hwp", KNOWN[HWP]))
    assert [row.name for row in draft.attachments.all()] == ["one.pdf", "two.png", "three.hwp"]


def test_a_program_called_pdf_is_refused_with_the_reason(draft, upload):
    page = upload(("plan.pdf", b"MZ\x90\0"), ("more.pdf", b"<html>")).content.decode()
    assert "plan.pdf is not a PDF" in page
    assert "more.pdf is not a PDF" in page
    assert not draft.attachments.exists()


def test_a_file_too_large_is_refused_with_its_size(upload, settings):
    settings.ATTACHMENT_MAX_BYTES = 10
    assert "too large" in upload(("plan.pdf", KNOWN[PDF])).content.decode()


def test_at_most_eight_are_kept(draft, upload):
    upload(*[(f"{number}.pdf", KNOWN[PDF]) for number in range(7)])
    page = upload(("eight.pdf", KNOWN[PDF]), ("nine.pdf", KNOWN[PDF])).content.decode()
    assert "At most 8 files can be attached." in page
    assert draft.attachments.count() == 7


def test_a_file_can_be_taken_away_also_from_the_disk(draft, upload, django_capture_on_commit_callbacks):
    upload(("one.pdf", KNOWN[PDF]), ("two.pdf", KNOWN[PDF]))
    old = draft.attachments.get(name="one.pdf")
    with django_capture_on_commit_callbacks(execute=True):
        upload(**{f"remove-{old.pk}": "on"})
    assert draft.attachments.get().name == "two.pdf"
    assert not old.file.storage.exists(old.file.name)


def test_saving_another_step_leaves_the_files(draft, upload, alice, browser):
    upload(("one.pdf", KNOWN[PDF]))
    Form(browser(alice), draft).post("project", {"title_ko": "제목"})
    assert draft.attachments.count() == 1


def test_a_blind_copy_is_asked_for_on_blind_calls_only_and_cleaned(draft, upload):
    assert "blind_files" not in upload().content.decode()
    draft.call.blind = True
    draft.call.save()
    upload(("plan.png", PICTURE), field="blind_files")
    attached = draft.attachments.get()
    assert attached.blind
    with attached.file.open("rb") as file:
        assert b"Alice" not in file.read()


def test_what_cannot_be_cleaned_is_no_blind_copy(draft, upload):
    draft.call.blind = True
    draft.call.save()
    page = upload(("plan.hwp", KNOWN[HWP]), field="blind_files").content.decode()
    assert "Save it as PDF or HWPX" in page
    assert "damaged" in upload(("plan.png", b"\x89PNG\r\n\x1a\n...."), field="blind_files").content.decode()
    assert not draft.attachments.exists()


def test_a_missing_document_is_named_where_the_call_asks_for_one(draft, alice, browser):
    draft.call.field_levels = {"attachments": "required"}
    draft.call.save()
    page = Form(browser(alice), completed(draft)).post("submit", action="submit").content.decode()
    assert "Attach the documents that the call asks for." in page


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\r\nSet-Cookie: x.pdf", 'quote".pdf', "가" * 300])
def test_no_name_does_harm(name, draft, upload, alice, browser):
    upload((name, KNOWN[PDF]))
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
    assert "sandbox" in response.headers["Content-Security-Policy"]


def test_a_reviewer_reads_it_only_after_declaring_no_conflict(submitted, attach, rhee, browser):
    address = reverse("attachment", args=[submitted.pk, attach(submitted).pk])
    assert browser(rhee).get(address).status_code == 404
    review = ReviewFactory(application=submitted, reviewer=rhee, submitted_at=None, declared_at=None)
    assert browser(rhee).get(address).status_code == 404
    review.declared_at = NOW
    review.save()
    assert browser(rhee).get(address).status_code == 200


def test_a_reviewer_of_a_blind_call_reaches_no_file_here(submitted, attach, rhee, browser):
    submitted.call.blind = True
    submitted.call.save()
    ReviewFactory(application=submitted, reviewer=rhee, submitted_at=None)
    assert browser(rhee).get(reverse("attachment", args=[submitted.pk, attach(submitted).pk])).status_code == 404


def test_an_attachment_is_not_reached_through_another_application(draft, submitted, attach, alice, browser):
    attached = attach(submitted)
    assert browser(alice).get(reverse("attachment", args=[draft.pk, attached.pk])).status_code == 404
