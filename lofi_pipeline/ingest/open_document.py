"""Opens a document of evidence as what its name says it is, and gives its text.

Taken are PDF, images, text, e-mail, HTML, and the texts of word processors. What was scanned or encrypted has no text here; a
file that holds nothing, or is something else, is refused.
"""

from __future__ import annotations

import email
import email.policy
import re
import time
import zipfile
from collections.abc import Callable
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

from lofi_pipeline.audio import AUDIO_SUFFIXES
from lofi_pipeline.errors import LofiError

if TYPE_CHECKING:
    from pypdf import PdfReader

LARGEST_READ = 64 << 20
"""Bytes of a document that is searched; a larger one is taken, and said to be unread."""
LONGEST_TEXT = 2_000_000
MOST_PAGES = 500
MOST_SECONDS = 20.0
"""For the text of one PDF."""
LEAST_LETTERS = 8
LEAST_DIFFERENT = 5
"""Letters that a text must have to say something: less is a blank, or a key that was held down."""
LEAST_DRAWN = 2_000
"""Bytes of drawing on the pages of a PDF whose words are shapes."""
SMALLEST_PICTURE = 100
"""Pixels in either direction of a picture that can show a page."""

_AUDIO = (b"ID3", b"fLaC", b"OggS", b"wvpk", b"MAC ", b"caff", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", b"#!AMR")
_MPEG_FRAME = re.compile(rb"\xff[\xe2\xe3\xf1-\xf3\xf9-\xfb]")
_TAG = re.compile(r"<[^>]*>")
_RTF = re.compile(r"\\'[0-9a-fA-F]{2}|\\[a-zA-Z]+-?\d* ?|[{}]")
_HTML = re.compile(rb"<(?:!doctype\s+html|html|head|body|div|p|h1|table|meta)\b", re.I)
KINDS = "PDF, PNG, JPEG, TIFF, WebP, text, e-mail (.eml), HTML, .docx, .odt, .rtf"


class NotADocument(LofiError):
    """Why a file is no document; a phrase that follows the file's name."""


def open_document(path: Path) -> tuple[str, str | None]:
    """The kind of a document, and its text; None where there is text that can't be read, as in a scan.

    Raises:
        NotADocument: it is empty, blank, too short, or not what its name says.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    if size == 0:
        raise NotADocument("is empty; put the document there")
    if (suffix := path.suffix.lower()) in AUDIO_SUFFIXES:
        raise NotADocument("is audio; put the contract or the licensor's words there")
    with path.open("rb") as file:
        head = file.read(4096)
    if _is_audio(head):
        raise NotADocument(
            "holds audio, whatever its name says; put the contract or the licensor's words there"
        )
    if len(set(head)) == 1:
        raise NotADocument("is one byte over and over; put the document there")
    kind, opener = _OPENERS.get(suffix, ("", None))
    if opener is None:
        raise NotADocument(f"is no kind of document that is taken ({KINDS}); save it as one of these")
    if size > LARGEST_READ:
        return f"{kind} of {size >> 20} MiB, too large to be searched", None
    try:
        text = opener(path, head)
    except NotADocument:
        raise
    except (OSError, MemoryError):
        raise
    except Exception as error:  # whatever a library makes of bytes that somebody wrote
        raise NotADocument(
            f"does not open as {kind} ({type(error).__name__}); put a whole copy there"
        ) from error
    if text is not None and not _has_words(text):
        raise NotADocument("says next to nothing; put the contract or the licensor's words there")
    return kind, text[:LONGEST_TEXT] if text is not None else None


def _is_audio(head: bytes) -> bool:
    if head.startswith(_AUDIO) or _MPEG_FRAME.match(head):
        return True
    forms = (b"RIFF", b"WAVE"), (b"RIFX", b"WAVE"), (b"RF64", b"WAVE"), (b"FORM", b"AIF")
    return head[4:8] == b"ftyp" or any(head.startswith(a) and head[8:].startswith(b) for a, b in forms)


def _has_words(text: str) -> bool:
    letters = [char for char in text if char.isalpha()]
    wide = sum(ord(char) > 0x2E80 for char in letters)  # one of them is a word
    return len(letters) + 3 * wide >= LEAST_LETTERS and len(set(letters)) >= LEAST_DIFFERENT


def _decoded(data: bytes) -> str:
    """Bytes as text.

    Raises:
        NotADocument: they are none.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16", "replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252", "replace")
    odd = sum(not (char.isprintable() or char in "\t\r\n\f\v") for char in text[:LONGEST_TEXT])
    if odd > len(text) // 50:
        raise NotADocument("is not text, although it is named so; put the document there")
    return text


def _text(path: Path, head: bytes) -> str:
    if head.startswith((b"%PDF-", b"PK\x03\x04", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*")):
        raise NotADocument("is no text, although it is named so; give it the ending of what it is")
    text = _decoded(path.read_bytes())
    if '"source_id"' in text and '"license_type"' in text:
        raise NotADocument(
            "is a copy of source.json, which proves nothing; put the contract or the licensor's words there"
        )
    return text


def _html(path: Path, head: bytes) -> str:
    if not _HTML.search(head):
        raise NotADocument("is no HTML, although it is named so; put the document there")
    return _words_of_html(_decoded(path.read_bytes()))


class _Words(HTMLParser):
    """Gathers what is shown of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("script", "style")
        if tag in ("p", "div", "br", "li", "td", "h1", "h2", "h3"):
            self.found.append("\n\n" if tag == "p" else "\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style") and self._hidden > 0

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.found.append(data)


def _words_of_html(text: str) -> str:
    parser = _Words()
    parser.feed(text[:LONGEST_TEXT])
    parser.close()
    return "".join(parser.found)


def _email(path: Path, head: bytes) -> str:
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    if not message["From"] or not (message["Date"] or message["Message-ID"] or message["Received"]):
        raise NotADocument("is no e-mail, for it has no sender or no date; save the message itself as .eml")
    texts = [str(message[name]) for name in ("From", "To", "Subject", "Organization") if message[name]]
    for part in message.walk():
        if isinstance(part, EmailMessage) and part.get_content_maintype() == "text":
            try:
                content = str(part.get_content())
            except (LookupError, ValueError):  # a charset that nobody knows
                content = (part.get_payload(decode=True) or b"").decode("latin-1")  # pyright: ignore[reportAttributeAccessIssue]
            texts.append(_words_of_html(content) if part.get_content_subtype() == "html" else content)
    return "\n\n".join(texts)


def _pdf(path: Path, head: bytes) -> str | None:
    if b"%PDF-" not in head[:1024]:
        raise NotADocument("is no PDF, although it is named so; put the document there")
    from pypdf import PdfReader

    reader = PdfReader(path)
    if reader.is_encrypted and not _opens_without_password(reader):
        return None
    pages = len(reader.pages)
    if pages == 0:
        raise NotADocument("is a PDF without pages; put the document there")
    texts: list[str] = []
    drawn, pictures, until = 0, False, time.monotonic() + MOST_SECONDS
    for number in range(min(pages, MOST_PAGES)):
        page = reader.pages[number]
        contents = page.get_contents()
        drawn += len(contents.get_data().strip()) if contents is not None else 0
        pictures = pictures or "/XObject" in (page.get("/Resources") or {})
        texts.append(page.extract_text())
        if time.monotonic() > until or sum(map(len, texts)) > LONGEST_TEXT:
            break
    if drawn == 0:
        raise NotADocument("is a PDF whose pages are blank; put the document there")
    text = "\n".join(texts)
    if _has_words(text) or not (pictures or drawn > LEAST_DRAWN):
        return text
    return None  # scanned, or its letters are drawn as shapes


def _opens_without_password(reader: PdfReader) -> bool:
    try:
        return bool(reader.decrypt(""))
    except Exception:  # a cipher that is not installed, or a broken dictionary
        return False


def _picture(path: Path, head: bytes) -> None:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            if picture.format not in _PICTURES[path.suffix.lower()]:
                raise NotADocument(
                    f"is {picture.format}, although it is named otherwise; give it the ending of what it is"
                )
            if min(picture.size) < SMALLEST_PICTURE:
                raise NotADocument("is a picture too small to show a page; put the document there")
            picture.draft("L", (1000, 1000))
            low, high = picture.convert("L").getextrema()
    except UnidentifiedImageError as error:
        raise NotADocument("is no picture, although it is named so; put the document there") from error
    except Image.DecompressionBombError as error:
        raise NotADocument("is a picture too large to be opened; put a smaller copy there") from error
    except (OSError, SyntaxError) as error:
        raise NotADocument("is a damaged picture; put a whole copy there") from error
    if low == high:
        raise NotADocument("is a picture of one colour; put the document there")


def _zipped(member: str) -> Callable[[Path, bytes], str]:
    def opener(path: Path, head: bytes) -> str:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            content = file.read(LARGEST_READ).decode("utf-8", "replace")
        paragraphs = re.sub(r"</(?:w:p|text:p|text:h)>", "\n\n", content)
        return _TAG.sub("", paragraphs)[:LONGEST_TEXT]

    return opener


def _rtf(path: Path, head: bytes) -> str:
    if not head.startswith(b"{\\rtf"):
        raise NotADocument("is no RTF, although it is named so; put the document there")
    return _RTF.sub(" ", path.read_bytes().decode("latin-1").replace("\\par", "\n\n"))


_PICTURES = {
    ".png": ("PNG",),
    ".jpg": ("JPEG", "MPO"),
    ".jpeg": ("JPEG", "MPO"),
    ".tif": ("TIFF",),
    ".tiff": ("TIFF",),
    ".webp": ("WEBP",),
    ".gif": ("GIF",),
    ".bmp": ("BMP",),
}
_OPENERS: dict[str, tuple[str, Callable[[Path, bytes], str | None]]] = {
    ".pdf": ("PDF", _pdf),
    ".eml": ("e-mail", _email),
    **dict.fromkeys((".html", ".htm", ".xhtml"), ("HTML", _html)),
    **dict.fromkeys(("", ".txt", ".text", ".md", ".csv", ".json", ".xml", ".log"), ("text", _text)),
    ".docx": (".docx", _zipped("word/document.xml")),
    ".odt": (".odt", _zipped("content.xml")),
    ".rtf": ("RTF", _rtf),
    **dict.fromkeys(_PICTURES, ("a picture", _picture)),
}
