"""Blind copies: the file says nothing of people any more, and still opens."""

from __future__ import annotations

import struct
import tracemalloc
import zipfile
import zlib
from contextlib import suppress
from io import BytesIO

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.annotations import FreeText
from pypdf.generic import ArrayObject, DecodedStreamObject, NameObject, NullObject, TextStringObject

from allocations.blind import DOCX, HWPX, PDF, PNG, blinded
from allocations.services.outcomes import Refused

NAME = "Kim Haneul"
HANGUL = "김하늘"


def clean(content, content_type):
    return blinded(BytesIO(content), content_type)


def archive(members):
    written = BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as target:
        target.comment = NAME.encode()
        for name, content in members.items():
            target.writestr(name, content)
    return written.getvalue()


def unpacked(content):
    with zipfile.ZipFile(BytesIO(content)) as opened:
        assert opened.comment == b""
        return {name: opened.read(name) for name in opened.namelist()}


def pdf():
    writer = PdfWriter()
    page = writer.add_blank_page(200, 200)
    writer.add_metadata({"/Author": NAME, "/Title": NAME, "/Company": NAME})
    note = FreeText(text="see here", rect=(10, 10, 90, 90))
    note[NameObject("/T")] = TextStringObject(NAME)
    writer.add_annotation(0, note)
    writer.add_attachment("cv.txt", NAME.encode())
    xmp = DecodedStreamObject()
    xmp.set_data(f"<x:xmpmeta><dc:creator>{NAME}</dc:creator></x:xmpmeta>".encode())
    writer.root_object[NameObject("/Metadata")] = writer._add_object(xmp)
    page[NameObject("/Metadata")] = writer._add_object(xmp)
    page[NameObject("/PieceInfo")] = TextStringObject(NAME)
    written = BytesIO()
    writer.write(written)
    return written.getvalue()


def test_a_pdf_loses_information_xmp_note_authors_and_embedded_files():
    assert NAME.encode() in pdf()
    cleaned = clean(pdf(), PDF)
    assert NAME.encode() not in cleaned
    reader = PdfReader(BytesIO(cleaned))
    assert len(reader.pages) == 1
    assert reader.xmp_metadata is None
    assert not reader.attachments
    assert not {key for key in reader.metadata or {} if key != "/Producer"}


def test_what_was_written_over_in_a_pdf_is_gone():
    first = pdf()
    later = PdfWriter(BytesIO(first), incremental=True)
    later.add_metadata({"/Author": "nobody"})
    written = BytesIO()
    later.write(written)
    assert NAME.encode() in written.getvalue()
    assert NAME.encode() not in clean(written.getvalue(), PDF)


def test_a_note_that_leads_nowhere_is_left_out():
    writer = PdfWriter()
    page = writer.add_blank_page(200, 200)
    page[NameObject("/Annots")] = ArrayObject([NullObject()])
    written = BytesIO()
    writer.write(written)
    cleaned = PdfReader(BytesIO(clean(written.getvalue(), PDF)))
    assert list(cleaned.pages[0].get("/Annots", [])) == []


def test_a_protected_pdf_is_refused():
    writer = PdfWriter()
    writer.add_blank_page(200, 200)
    writer.encrypt("secret")
    written = BytesIO()
    writer.write(written)
    with pytest.raises(Refused, match="without a password"):
        clean(written.getvalue(), PDF)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png():
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)),
            chunk(b"tEXt", b"Author\0" + NAME.encode()),
            chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + NAME.encode()),
            chunk(b"eXIf", NAME.encode()),
            chunk(b"IDAT", zlib.compress(b"\0\0")),
            chunk(b"IEND", b""),
            NAME.encode(),
        ]
    )


def test_a_picture_keeps_only_what_draws_it():
    cleaned = clean(png(), PNG)
    assert NAME.encode() not in cleaned
    assert [kind in cleaned for kind in (b"IHDR", b"IDAT", b"IEND")] == [True] * 3


JPEG = b"\xff\xd8" + b"\xff\xe1" + struct.pack(">H", 12) + NAME.encode() + b"\xff\xda\x00\x02data\xff\xd9"


def docx():
    w = 'xmlns:w="urn:w"'
    return archive(
        {
            "[Content_Types].xml": "<Types/>",
            "docProps/core.xml": f"<cp:coreProperties><dc:creator>{NAME}</dc:creator></cp:coreProperties>",
            "docProps/app.xml": f"<Properties><Company>{NAME}</Company></Properties>",
            "docProps/custom.xml": f"<Properties>{NAME}</Properties>",
            "word/document.xml": f'<w:document {w}>text<w:ins w:id="1" w:author="{NAME}"/></w:document>',
            "word/comments.xml": f"<w:comments {w}><w:comment w:author=\"{NAME}\" w:initials='{NAME}'/></w:comments>",
            "word/people.xml": f'<w15:people><w15:person w15:author="{NAME}"/></w15:people>',
            "word/media/image1.png": png(),
            "word/media/image2.jpeg": JPEG,
            "customXml/item1.xml": f"<cover><Company>{NAME}</Company></cover>",
            "word/_rels/settings.xml.rels": f'<Relationship Target="file:///C:/Users/{NAME}/Normal.dotm"/>'
            '<Relationship Target="https://example.org/"/>',
        }
    )


def test_a_word_document_loses_properties_and_the_authors_of_comments_and_changes():
    members = unpacked(clean(docx(), DOCX))
    assert not [name for name, content in members.items() if NAME.encode() in content]
    assert b"text" in members["word/document.xml"]
    assert b'w:author=""' in members["word/comments.xml"]
    assert members["word/media/image2.jpeg"].endswith(b"data\xff\xd9")
    assert b'Target="https://example.org/"' in members["word/_rels/settings.xml.rels"]


def hwpx():
    return archive(
        {
            "mimetype": "application/hwp+zip",
            "Contents/content.hpf": "<opf:package><opf:metadata><opf:title>x</opf:title>"
            f'<opf:meta name="creator" content="text">{HANGUL}</opf:meta>'
            f'<opf:meta name="lastsaveby" content="text">{HANGUL}</opf:meta></opf:metadata><opf:spine/></opf:package>',
            "Contents/header.xml": f'<hh:head><hh:trackChangeAuthor name="{HANGUL}" mark="1" id="1"/></hh:head>',
            "Contents/section0.xml": '<hs:sec><hp:t>본문</hp:t><hp:fieldBegin type="MEMO"><hp:parameters>'
            f'<hp:stringParam name="Author">{HANGUL}</hp:stringParam></hp:parameters></hp:fieldBegin></hs:sec>',
            "Preview/PrvText.txt": HANGUL,
            "Preview/PrvImage.png": png(),
            "BinData/image1.png": png(),
        }
    )


def test_a_hangul_document_loses_metadata_memo_authors_and_preview():
    members = unpacked(clean(hwpx(), HWPX))
    assert not [name for name, content in members.items() if HANGUL.encode() in content or NAME.encode() in content]
    assert next(iter(members)) == "mimetype"
    assert "본문" in members["Contents/section0.xml"].decode()
    assert b"<opf:spine/>" in members["Contents/content.hpf"]


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"%PDF-1.7 nothing", PDF),
        (b"\x89PNG\r\n\x1a\n", PNG),
        (b"PK\x03\x04 broken", DOCX),
        (b"", HWPX),
        (archive({"word/embeddings/sheet.xlsx": "x"}), DOCX),
        (archive({"BinData/ole1.ole": "x"}), HWPX),
        (archive({"META-INF/manifest.xml": "<odf:encryption-data/>"}), HWPX),
        (b"HWP Document File V5", "application/x-hwp"),
    ],
)
def test_what_cannot_be_cleaned_is_refused_with_what_to_do(content, content_type):
    with pytest.raises(Refused, match="PDF"):
        clean(content, content_type)


def understated():
    """Packed, ten million bytes; by its own word ten."""
    content = archive({"[Content_Types].xml": "<Types/>", "word/document.xml": b"0" * 10_000_000})
    return content.replace(struct.pack("<I", 10_000_000), struct.pack("<I", 10))


def packed_by(method):
    written = BytesIO()
    with zipfile.ZipFile(written, "w", method) as target:
        target.writestr("word/document.xml", "text")
    return written.getvalue()


def many_pages():
    writer = PdfWriter()
    page = writer.add_blank_page(10, 10)
    for _number in range(1000):
        page = writer.add_page(page)
    written = BytesIO()
    writer.write(written)
    return written.getvalue()


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (many_pages(), PDF),
        (understated(), DOCX),
        (packed_by(zipfile.ZIP_BZIP2), DOCX),
        (packed_by(zipfile.ZIP_LZMA), DOCX),
        (archive({"Contents/content.hpf": "<opf:metadata>"}), HWPX),
        (archive({"Contents/content.hpf": "<a:metadata/><b:metadata/>"}), HWPX),
    ],
    ids=["endless", "understated", "bzip2", "lzma", "unclosed", "twice"],
)
def test_a_file_made_to_break_the_portal_is_refused(content, content_type):
    with pytest.raises(Refused, match="PDF"):
        clean(content, content_type)


def test_no_more_is_unpacked_than_a_file_says_it_holds():
    content = understated()
    tracemalloc.start()
    try:
        with pytest.raises(Refused):
            clean(content, DOCX)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "tag",
    [
        "<a:metadata></a:metadata>",
        '<hp:stringParam name="Author" x',
        "<hh:trackChangeAuthor x",
        "<a:metadata",
    ],
)
def test_a_text_full_of_beginnings_is_searched_once(tag):
    """Searched anew from each beginning it would take for ever."""
    many = archive(
        {"Contents/section0.xml": tag * 100_000, "Contents/content.hpf": "<x/>" + tag.partition(">")[0] * 100_000}
    )
    with suppress(Refused):
        clean(many, HWPX)
