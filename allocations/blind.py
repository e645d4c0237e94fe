"""Blind copies: the same document without what its file says of people. What is written on its pages stays; for that
the applicant answers.

Where the names of people stand: PDF 32000-1 section 14.3 (document information, XMP) and 12.5.6.2 (authors of notes);
ECMA-376 part 1 (docProps, comments, tracked changes); KS X 6101 (content.hpf, memos, tracked changes); PNG, 11.3.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import IO

from django.utils.translation import gettext as _
from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, DictionaryObject, NameObject

from allocations.services.outcomes import Refused

PDF = "application/pdf"
PNG = "image/png"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
HWPX = "application/hwp+zip"
# An unpacked document larger than this, or with more pages, is no proposal.
MOST_BYTES = 100 * 1024 * 1024
MOST_PAGES = 1000
# The only two ways of packing that Word and Hangul write; the others unpack without a bound.
PACKINGS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
# Of the PNG chunks the ones that draw the picture; texts, times, camera data and profiles' names are the others.
PNG_CHUNKS = frozenset(
    {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"bKGD", b"sBIT"}
)
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
ENCRYPTED = 0x1


def blinded(file: IO[bytes], content_type: str) -> bytes:
    """The file without its metadata. Raises Refused for a kind that cannot be cleaned, and for a damaged, protected or
    nested document, with what to do instead."""
    clean = CLEANERS.get(content_type)
    if clean is None:
        raise Refused(_("Files of this kind cannot be made blind. Please save the document as PDF and attach that."))
    file.seek(0)
    return clean(file.read())


def _cannot_read() -> Refused:
    return Refused(
        _(
            "The file is damaged or protected, so its metadata cannot be removed. "
            "Please save it as PDF without a password."
        )
    )


def _pdf(content: bytes) -> bytes:
    """Written anew from the pages alone: no information, no XMP, no earlier versions, no embedded files."""
    try:
        reader = PdfReader(BytesIO(content))
        if reader.is_encrypted:
            raise _cannot_read()
        stripped = _pages_alone(reader)
        for found in stripped._objects:
            _strip_pdf_object(found)
        # Once more, for what was taken off a page still stands in the file until nothing else is copied.
        return _written(_pages_alone(PdfReader(BytesIO(_written(stripped)))))
    except Refused:
        raise
    except Exception as error:  # whatever a damaged file leads pypdf to
        raise _cannot_read() from error


def _pages_alone(reader: PdfReader) -> PdfWriter:
    writer = PdfWriter()
    for number, page in enumerate(reader.pages):
        if number == MOST_PAGES:
            raise _cannot_read()
        writer.add_page(page)
    writer.metadata = None
    return writer


def _written(writer: PdfWriter) -> bytes:
    file = BytesIO()
    writer.write(file)
    return file.getvalue()


def _strip_pdf_object(found: object) -> None:
    if not isinstance(found, DictionaryObject):
        return
    for key in ("/Metadata", "/PieceInfo", "/LastModified", "/AA", "/AF"):
        found.pop(NameObject(key), None)
    if _launches(found):
        found.pop(NameObject("/A"))
    if "/Subtype" in found and found.get("/Type", "/Annot") == "/Annot" and found["/Subtype"] != "/Widget":
        found.pop(NameObject("/T"), None)
    if isinstance(notes := found.get("/Annots"), ArrayObject):
        found[NameObject("/Annots")] = ArrayObject(note for note in notes if _is_kept(note.get_object()))


def _is_kept(note: object) -> bool:
    """Not what a viewer could not show, nor a reference that leads nowhere, as some programs leave them."""
    return isinstance(note, DictionaryObject) and note.get("/Subtype") not in {"/FileAttachment", "/Popup"}


def _launches(found: DictionaryObject) -> bool:
    action = found.get("/A")
    return isinstance(action, DictionaryObject) and action.get("/S") in {"/Launch", "/JavaScript"}


def _png(content: bytes) -> bytes:
    if not content.startswith(PNG_SIGNATURE):
        raise _cannot_read()
    kept, at = [PNG_SIGNATURE], len(PNG_SIGNATURE)
    while at + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        kind, end = content[at + 4 : at + 8], at + 12 + length
        if end > len(content):
            break
        if kind in PNG_CHUNKS:
            kept.append(content[at:end])
        if kind == b"IEND":
            return b"".join(kept)
        at = end
    raise _cannot_read()


def _jpeg(content: bytes) -> bytes:
    """Without application segments (camera, XMP, IPTC; JFIF and Adobe's colours stay) and comments."""
    if not content.startswith(b"\xff\xd8"):
        raise _cannot_read()
    kept, at = [b"\xff\xd8"], 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xDA:  # the picture itself, up to the end
            return b"".join([*kept, content[at:]])
        end = at + 2 + struct.unpack_from(">H", content, at + 2)[0]
        if not (0xE1 <= marker <= 0xED or marker in {0xEF, 0xFE}):
            kept.append(content[at:end])
        at = end
    raise _cannot_read()


def _zip(content: bytes, clean: Callable[[str, bytes], bytes | None]) -> bytes:
    """The archive with each member as `clean` returns it (None: left out), without times and comments."""
    written = BytesIO()
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive, zipfile.ZipFile(written, "w") as target:
            members = archive.infolist()
            if sum(member.file_size for member in members) > MOST_BYTES or not all(map(_is_plain, members)):
                raise _cannot_read()
            for member in members:
                cleaned = clean(member.filename, _unpacked(archive, member))
                if cleaned is not None:
                    kind = zipfile.ZIP_STORED if member.compress_type == zipfile.ZIP_STORED else zipfile.ZIP_DEFLATED
                    target.writestr(zipfile.ZipInfo(member.filename), cleaned, compress_type=kind)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, ValueError, OSError, EOFError, struct.error) as error:
        raise _cannot_read() from error
    return written.getvalue()


def _is_plain(member: zipfile.ZipInfo) -> bool:
    return not member.flag_bits & ENCRYPTED and member.compress_type in PACKINGS


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """The member, up to the size that the archive says: without a bound zipfile unpacks everything before it compares.

    Raises zipfile.BadZipFile where there is more.
    """
    with archive.open(member) as packed:
        return packed.read(member.file_size)


def _picture(name: str, data: bytes) -> bytes:
    """A picture inside a document, cleaned where its kind is known."""
    if data.startswith(PNG_SIGNATURE):
        return _png(data)
    return _jpeg(data) if data.startswith(b"\xff\xd8") else data


def _nested() -> Refused:
    return Refused(_("The document contains another document, whose metadata would stay. Please save it as PDF."))


XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
EMPTY_DOCX_PARTS = {
    "docProps/core.xml": XML
    + '<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties"/>',
    "docProps/app.xml": XML
    + '<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/extended-properties"/>',
    "docProps/custom.xml": XML
    + '<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/custom-properties"/>',
    "word/people.xml": XML + '<w15:people xmlns:w15="http://schemas.microsoft.com/office/word/2012/wordml"/>',
}
DOCX_AUTHORS = re.compile(rb"""(\b(?:w|w15|w16\w*):(?:author|initials|userId|providerId)=)("[^"]*"|'[^']*')""")
# A template or picture in somebody's own folder names them: file:///C:/Users/…
DOCX_PLACES = re.compile(rb"""(\bTarget=)("file:[^"]*"|'file:[^']*')""", re.IGNORECASE)


def _docx_part(name: str, data: bytes) -> bytes | None:
    if name in EMPTY_DOCX_PARTS:
        return EMPTY_DOCX_PARTS[name].encode()
    if name.startswith("word/embeddings/"):
        raise _nested()
    if re.fullmatch(r"customXml/item\d+\.xml", name):
        return (XML + "<empty/>").encode()
    if name.startswith(("docProps/thumbnail", "word/media/")):
        return b"" if name.startswith("docProps") else _picture(name, data)
    if name.endswith(".rels"):
        return DOCX_PLACES.sub(rb'\1"file:///removed"', data)
    return DOCX_AUTHORS.sub(rb'\1""', data) if name.endswith(".xml") else data


# What somebody sends is searched once from end to end: no expression here looks further than the tag it begins in.
HPF_METADATA = re.compile(rb"<(\w+):metadata\b[^<>]*+>")
HPF_EMPTY = b"<%(p)b:metadata><%(p)b:title/><%(p)b:language>ko</%(p)b:language></%(p)b:metadata>"
HWPX_AUTHORS = re.compile(
    rb"""(<\w+:trackChangeAuthor\b[^<>]*?\bname=|\b(?:author|Author|creator|lastsaveby)=)("[^"]*"|'[^']*')"""
)
HWPX_AUTHOR_PARAMETERS = re.compile(rb"""(<\w+:stringParam\b(?=[^<>]*\bname="Author")[^<>]*+>)[^<]*+(<)""")


def _without_hpf_metadata(data: bytes) -> bytes:
    """The package file with an empty `metadata`."""
    opening = HPF_METADATA.search(data)
    if opening is None:
        return data
    rest = data[opening.end() :]
    if not opening[0].endswith(b"/>"):
        _written_there, closing, rest = rest.partition(b"</%b:metadata>" % opening[1])
        if not closing:
            raise _cannot_read()
    if HPF_METADATA.search(rest):
        raise _cannot_read()
    return data[: opening.start()] + HPF_EMPTY % {b"p": opening[1]} + rest


def _hwpx_part(name: str, data: bytes) -> bytes | None:
    if name.startswith("Preview/"):  # may show an earlier state of the document
        return b"" if name.endswith(".txt") else None
    if name == "META-INF/manifest.xml" and b"encryption-data" in data:
        raise _cannot_read()
    if name.startswith("BinData/"):
        if name.lower().endswith(".ole"):
            raise _nested()
        return _picture(name, data)
    if name.startswith("Contents/") and name.endswith((".xml", ".hpf")):
        if name.endswith(".hpf"):
            data = _without_hpf_metadata(data)
        data = HWPX_AUTHORS.sub(rb'\1""', data)
        return HWPX_AUTHOR_PARAMETERS.sub(rb"\1\2", data)
    return data


def _docx(content: bytes) -> bytes:
    return _zip(content, _docx_part)


def _hwpx(content: bytes) -> bytes:
    return _zip(content, _hwpx_part)


CLEANERS: dict[str, Callable[[bytes], bytes]] = {PDF: _pdf, PNG: _png, DOCX: _docx, HWPX: _hwpx}
