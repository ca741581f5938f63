"""The files that are containers: DOCX and PDF."""

import io
import zipfile
import zlib
from collections.abc import Callable, Mapping

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
RELS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE_RELS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
PARAGRAPH = "<w:p><w:r><w:t>a</w:t></w:r></w:p>"
MB = 1_000_000


def docx(body: str, head: str = "", others: Mapping[str, bytes] | None = None) -> bytes:
    """A DOCX of this body; ``head`` is before the XML's first element."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("[Content_Types].xml", f'<Types xmlns="{TYPES}"/>')
        document = f'{head}<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>'
        packed.writestr("word/document.xml", document)
        packed.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{RELS}"><Relationship Id="a" Target="word/document.xml" '
            f'Type="{OFFICE_RELS}/officeDocument"/></Relationships>',
        )
        for name, content in (others or {}).items():
            packed.writestr(name, content)
    return file.getvalue()


def _entities() -> bytes:
    laughs = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    head = f'<?xml version="1.0"?><!DOCTYPE w [<!ENTITY e0 "ha">{laughs}]>'
    return docx("<w:p><w:r><w:t>&e9;</w:t></w:r></w:p>", head)


def _one_large_entity() -> bytes:
    head = f'<?xml version="1.0"?><!DOCTYPE w [<!ENTITY a "{"a" * 100_000}">]>'
    return docx(f"<w:p><w:r><w:t>{'&a;' * 20_000}</w:t></w:r></w:p>", head)


def _foreign_entity() -> bytes:
    head = '<?xml version="1.0"?><!DOCTYPE w [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    return docx("<w:p><w:r><w:t>&a; words</w:t></w:r></w:p>", head)


def _lying_sizes() -> bytes:
    content = docx(PARAGRAPH * 400_000)
    at = content.index(b"PK\x01\x02", content.index(b"word/document.xml") + 20)
    return content[: at + 24] + (1000).to_bytes(4, "little") + content[at + 28 :]


def _nested_tables(depth: int) -> str:
    return "<w:tbl><w:tr><w:tc>" * depth + PARAGRAPH + "</w:tc></w:tr></w:tbl>" * depth


def pdf(objects: Mapping[int, bytes], trailer: bytes = b"/Root 1 0 R") -> bytes:
    """A PDF of these objects, with a table of where they are."""
    out = bytearray(b"%PDF-1.7\n")
    places = {}
    for number, content in objects.items():
        places[number] = len(out)
        out += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (max(objects) + 1)
    for number in range(1, max(objects) + 1):
        out += b"%010d 00000 n \n" % places.get(number, 0)
    out += b"trailer\n<< /Size %d %b >>\nstartxref\n%d\n%%%%EOF" % (
        max(objects) + 1,
        trailer,
        start,
    )
    return bytes(out)


def stream(content: bytes, entries: bytes = b"") -> bytes:
    """A packed stream."""
    packed = zlib.compress(content, 9)
    head = b"<< /Length %d /Filter /FlateDecode %b >>" % (len(packed), entries)
    return head + b"\nstream\n" + packed + b"\nendstream"


CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"
FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
WORDS = b"BT /F1 12 Tf (word word word) Tj ET\n"


def pages(count: int, content: bytes, resources: bytes = b"/Font << /F1 4 0 R >>") -> bytes:
    """A PDF whose pages share one stream of content."""
    kids = b" ".join(b"%d 0 R" % (10 + n) for n in range(count))
    page = b"<< /Type /Page /Parent 2 0 R /Contents 3 0 R /Resources << %b >> >>" % resources
    first = {
        1: CATALOG,
        2: b"<< /Type /Pages /Count %d /Kids [%b] >>" % (count, kids),
        3: stream(content),
        4: FONT,
        5: stream(
            b"/X0 Do " * 2,
            b"/Type /XObject /Subtype /Form /Resources << /XObject << /X0 5 0 R >> >>",
        ),
    }
    return pdf({**first, **{10 + n: page for n in range(count)}})


def _deep_tree(depth: int) -> bytes:
    nodes = {
        n: b"<< /Type /Pages /Count 1 /Kids [%d 0 R] >>" % (n + 1) for n in range(2, depth + 2)
    }
    return pdf({1: CATALOG, **nodes, depth + 2: b"<< /Type /Page /Contents 4 0 R >>"})


def _tree_in_a_circle() -> bytes:
    nodes = {2: b"<< /Type /Pages /Count 9 /Kids [3 0 R 3 0 R] >>"}
    return pdf({1: CATALOG, **nodes, 3: b"<< /Type /Pages /Count 9 /Kids [2 0 R 2 0 R] >>"})


def _tables_in_a_circle() -> bytes:
    content = pages(1, WORDS)
    start = content.rindex(b"xref\n0")
    return content.replace(b"/Root 1 0 R", b"/Root 1 0 R /Prev %d" % start)


def _encrypted() -> bytes:
    encrypt = b"<< /Filter /Standard /V 1 /R 2 /O <%b> /U <%b> /P -4 >>" % (b"41" * 32, b"42" * 32)
    return pdf(
        {1: CATALOG, 2: b"<< /Type /Pages /Count 0 /Kids [] >>", 3: encrypt},
        b"/Root 1 0 R /Encrypt 3 0 R /ID [<41> <41>]",
    )


def _packed_twice() -> bytes:
    bomb = zlib.compress(zlib.compress(b"\0" * (100 * MB), 9), 9)
    head = b"<< /Length %d /Filter [/FlateDecode /FlateDecode] >>" % len(bomb)
    page = b"<< /Type /Page /Parent 2 0 R /Contents 3 0 R >>"
    kids = b"<< /Type /Pages /Count 1 /Kids [10 0 R] >>"
    return pdf({1: CATALOG, 2: kids, 3: head + b"\nstream\n" + bomb + b"\nendstream", 10: page})


def _cut(content: bytes, share: float) -> bytes:
    return content[: int(len(content) * share)]


OFFICE: Mapping[str, Callable[[], bytes]] = {
    "19 MB in 50 kB.docx": lambda: docx(PARAGRAPH * (19 * MB // len(PARAGRAPH))),
    "200 MB in 200 kB.docx": lambda: docx("", "<!--" + " " * (200 * MB) + "-->"),
    "5,000 parts.docx": lambda: docx(
        PARAGRAPH, "", {f"word/media/{n}.png": b"x" for n in range(5000)}
    ),
    "sizes that lie.docx": _lying_sizes,
    "entities of entities.docx": _entities,
    "one large entity.docx": _one_large_entity,
    "an entity of a file.docx": _foreign_entity,
    "3,000 nested tables.docx": lambda: docx(_nested_tables(3_000)),
    "a table of 63 columns and 1,000 rows.docx": lambda: docx(
        "<w:tbl>" + ("<w:tr>" + f"<w:tc>{PARAGRAPH}</w:tc>" * 63 + "</w:tr>") * 1_000 + "</w:tbl>"
    ),
    "a run of 10 MB.docx": lambda: docx(f"<w:p><w:r><w:t>{'word ' * 2_000_000}</w:t></w:r></w:p>"),
    "half of it.docx": lambda: _cut(docx(PARAGRAPH * 10_000), 0.5),
    "nothing in it.docx": lambda: b"PK\x05\x06" + bytes(18),
    "encrypted.docx": lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4_000),
    "no XML.docx": lambda: docx("<w:p>", ""),
    "20 pages share 200 kB.pdf": lambda: pages(20, WORDS * 5_500),
    "2,000 pages share 200 kB.pdf": lambda: pages(2_000, WORDS * 5_500),
    "3,000 pages.pdf": lambda: pages(3_000, WORDS),
    "a stream of 300 MB.pdf": lambda: pages(1, b" " * (300 * MB)),
    "packed twice.pdf": _packed_twice,
    "a form that draws itself.pdf": lambda: pages(
        1, b"/X0 Do " * 100 + WORDS, b"/XObject << /X0 5 0 R >> /Font << /F1 4 0 R >>"
    ),
    "a tree of pages, 5,000 deep.pdf": lambda: _deep_tree(5_000),
    "a tree of pages in a circle.pdf": _tree_in_a_circle,
    "tables in a circle.pdf": _tables_in_a_circle,
    "100,000 open brackets.pdf": lambda: pdf({1: CATALOG, 2: b"[" * 100_000}),
    "100,000 open brackets in its text.pdf": lambda: pages(1, b"BT " + b"[" * 100_000 + b" TJ ET"),
    "encrypted.pdf": _encrypted,
    "half of it.pdf": lambda: _cut(pages(20, WORDS * 100), 0.5),
    "no end of lines.pdf": lambda: b"%PDF-1.7\n" + b"obj " * MB,
    "no page.pdf": lambda: pdf({1: CATALOG, 2: b"<< /Type /Pages /Count 0 /Kids [] >>"}),
}
