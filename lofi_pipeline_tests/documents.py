"""Documents of evidence for tests: small real files of each kind that is taken."""

from __future__ import annotations

import io
import zipfile
from email.message import EmailMessage

WORDS = "A label grants tests the right to train models of artificial intelligence on its recordings."


def pdf(*pages: str, drawing: str = "") -> bytes:
    """A PDF with a line of text on each page; no text gives a blank page."""
    kids = range(4, 4 + 2 * len(pages), 2)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Count {len(pages)} /Kids [{' '.join(f'{n} 0 R' for n in kids)}] >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, text in zip(kids, pages, strict=True):
        escaped = text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
        stream = (drawing + (f"BT /F1 12 Tf 40 700 Td ({escaped}) Tj ET" if text else "")).encode("latin-1")
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {number + 1} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>".encode()
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
    out, offsets = io.BytesIO(b""), []
    out.write(b"%PDF-1.4\n")
    for number, content in enumerate(objects, start=1):
        offsets.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, content))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    for offset in offsets:
        out.write(b"%010d 00000 n \n" % offset)
    out.write(b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start))
    return out.getvalue()


def locked_pdf() -> bytes:
    """A PDF that asks for a password."""
    from pypdf import PdfReader, PdfWriter

    writer, out = PdfWriter(PdfReader(io.BytesIO(pdf(WORDS)))), io.BytesIO()
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(out)
    return out.getvalue()


def picture(kind: str = "PNG", *, blank: bool = False, size: tuple[int, int] = (300, 400)) -> bytes:
    """A picture of something like a page."""
    from PIL import Image, ImageDraw

    image, out = Image.new("L", size, 255), io.BytesIO()
    if not blank:
        ImageDraw.Draw(image).rectangle((20, 20, 80, 30), fill=0)
    image.save(out, kind)
    return out.getvalue()


def mail(text: str = WORDS) -> bytes:
    """An e-mail."""
    message = EmailMessage()
    message["From"], message["To"] = "A label <rights@example.org>", "tests@example.org"
    message["Subject"], message["Date"] = "Licence", "Mon, 02 Jun 2025 10:00:00 +0000"
    message.set_content(text)
    message.add_alternative(f"<p>{text}</p>", subtype="html")
    return message.as_bytes()


def page(text: str = WORDS) -> bytes:
    """A page of HTML."""
    return (
        f"<!doctype html><html><head><style>p {{}}</style></head><body><p>{text}</p></body></html>".encode()
    )


def office(member: str, text: str = WORDS) -> bytes:
    """The file of a word processor: .docx with word/document.xml, .odt with content.xml."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(member, f"<w:p><w:t>{text}</w:t></w:p>")
    return out.getvalue()
