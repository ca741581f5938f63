"""A small file of each format. A reader reads them when it starts.

So what the libraries load only when a file needs it is there before a reader can open nothing any
more; and a reader that cannot read does not call itself ready.
"""

import io
import zipfile
from collections.abc import Iterator

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PARTS = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/'
    'content-types"/>',
    "_rels/.rels": f'<Relationships xmlns="{RELATIONS}"><Relationship Id="a" '
    f'Target="word/document.xml" Type="{OFFICE}/officeDocument"/></Relationships>',
    "word/document.xml": f'<w:document xmlns:w="{WORD}"><w:body><w:p><w:r><w:t>Words</w:t></w:r>'
    "</w:p></w:body></w:document>",
}
PDF = b"""%PDF-1.4
1 0 obj
<< /Type /Catalog /Pages 2 0 R >>
endobj
2 0 obj
<< /Type /Pages /Count 1 /Kids [3 0 R] >>
endobj
3 0 obj
<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /Font << /F 5 0 R >> >> >>
endobj
4 0 obj
<< /Length 51 /Filter /ASCIIHexDecode >>
stream
4254202F462031322054662028576F7264732920546A204554>
endstream
endobj
5 0 obj
<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>
endobj
trailer
<< /Size 6 /Root 1 0 R >>
startxref
0
%%EOF
"""
"""Its table of objects is missing, so that it is searched for them, too."""
TEXTS = {
    "a.md": b"# A\n\nwords <i>c</i>\n\n| a |\n|---|\n| b |\n\n<p>d</p>\n",
    "a.rst": b"A\n=\n\nwords :x:`c` |d|_\n\n.. note:: b\n\n.. x::\n\n   d\n\n.. code:: c\n\n   e\n",
    "a.html": b"<h1>A</h1><p>words</p>",
    "a.txt": "w\xf6rds".encode("cp1252"),
    "b.txt": "words".encode("utf-16"),
}


def samples() -> Iterator[tuple[str, bytes]]:
    """Names and contents."""
    yield from TEXTS.items()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in PARTS.items():
            packed.writestr(name, content)
    yield "a.docx", file.getvalue()
    yield "a.pdf", PDF
