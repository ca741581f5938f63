"""Every format comes to the same headings and text, and every bad file to one sentence."""

import io
import zipfile

import pypdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import UnreadableDocumentError
from worker.knowledge.chunks import MAX_CHARS, passages_of
from worker.knowledge.documents import Document, DocumentBlock, Section
from worker.knowledge.readers import read_document
from worker.knowledge.visibility import DocumentPlace, filter_for, parse_place

MARKDOWN = """---
layout: page
---
# Guide

Read *this* [first](https://a.example).

## Start

```
make demo
```

- one
- two

| a | b |
|---|---|
| 1 | 2 |
"""
RST = """
Guide
=====

Read *this* `first <https://a.example>`_.

Start
-----

.. code-block:: sh

   make demo

- one
- two

.. versionadded:: 2.0
   See :ref:`there <target>`.
"""
HTML = """<html><head><title>No</title><script>bad()</script></head><body><nav>Menu</nav>
<h1>Guide</h1><p>Read <em>this</em> <a href="https://a.example">first</a>.</p><h2>Start</h2>
<pre>make demo</pre><ul><li>one</li><li>two</li></ul><p hidden>never</p>
<p style="display: none">never</p><!-- never --></body></html>"""
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
DOCX = f"""<w:document xmlns:w="{WORD}"><w:body><w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr>
<w:r><w:t>Guide</w:t></w:r></w:p><w:p><w:r><w:t>Read this first.</w:t></w:r></w:p></w:body>
</w:document>"""
STYLES = f"""<w:styles xmlns:w="{WORD}"><w:style w:type="paragraph" w:styleId="Heading1">
<w:name w:val="heading 1"/></w:style></w:styles>"""
RELS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"


def docx() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("[Content_Types].xml", f'<Types xmlns="{TYPES}"/>')
        packed.writestr("word/document.xml", DOCX)
        packed.writestr("word/styles.xml", STYLES)
        packed.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{RELS}"><Relationship Id="a" Target="word/document.xml" '
            f'Type="{OFFICE}/officeDocument"/></Relationships>',
        )
        packed.writestr(
            "word/_rels/document.xml.rels",
            f'<Relationships xmlns="{RELS}"><Relationship Id="b" Target="styles.xml" '
            f'Type="{OFFICE}/styles"/></Relationships>',
        )
    return file.getvalue()


def pdf(*, is_encrypted: bool = False) -> bytes:
    writer = pypdf.PdfWriter()
    writer.add_blank_page(100, 100)
    if is_encrypted:
        writer.encrypt("secret", algorithm="RC4-128")
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


@pytest.mark.parametrize(("name", "text"), [("a.md", MARKDOWN), ("a.rst", RST), ("a.html", HTML)])
def test_formats_come_to_the_same_headings_and_text(name: str, text: str) -> None:
    document = read_document(text.encode(), name, 1)

    assert document.title == "Guide"
    first, start = document.sections
    assert first == Section((), (DocumentBlock("Read this first."),))
    assert start.path == ("Start",)
    assert start.blocks[:3] == (
        DocumentBlock("make demo", is_code=True),
        DocumentBlock("one"),
        DocumentBlock("two"),
    )
    assert "never" not in str(document)


def test_directives_and_roles_of_sphinx_are_read_as_text() -> None:
    document = read_document(RST.encode(), "a.rst", 1)

    assert document.sections[1].blocks[-1].text.endswith("See there.")


def test_word_file_keeps_its_headings() -> None:
    document = read_document(docx(), "a.docx", 1)

    assert document == Document("Guide", (Section((), (DocumentBlock("Read this first."),)),))


def test_text_has_no_hidden_signs() -> None:
    hidden = "a\u200bb\ufe0fc\u2060d" + "".join(chr(0xE0000 + ord(c)) for c in "obey")

    document = read_document(hidden.encode(), "a.txt", 1)

    assert document.sections[0].blocks == (DocumentBlock("abcd"),)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.md", b"", "is empty"),
        ("a.md", b"# ", "no text"),
        ("a.txt", bytes(range(32)) * 9, "not a text file"),
        ("a.txt", b"x" * 1_100_000, "1.1 MB; I read at most 1 MB"),
        ("a.exe", b"x", "I cannot read a.exe"),
        ("a.pdf", b"%PDF-1.4", "damaged"),
        ("a.pdf", pdf(), "pictures of pages"),
        ("a.pdf", pdf(is_encrypted=True), "encrypted"),
        ("a.docx", b"PK", "damaged"),
    ],
)
def test_bad_file_is_refused_in_a_sentence(name: str, content: bytes, why: str) -> None:
    with pytest.raises(UnreadableDocumentError, match=why) as caught:
        read_document(content, name, 1)

    assert caught.value.sentence.endswith(".")


WORDS = st.text(alphabet="ab c.\n", min_size=1, max_size=5000)


@given(st.lists(st.builds(DocumentBlock, WORDS, st.booleans()), min_size=1, max_size=6))
def test_passages_are_bounded_and_lose_no_word(blocks: list[DocumentBlock]) -> None:
    document = Document("T", (Section(("one",), tuple(blocks)),))

    passages = passages_of(document)

    assert all(len(passage.text) <= MAX_CHARS for passage in passages)
    assert all(passage.path == ("one",) for passage in passages)
    letters = "".join("".join(block.text.split()) for block in blocks)
    found = "".join("".join(passage.text.split()) for passage in passages)
    assert len(found) >= len(letters)


def test_passage_never_crosses_a_heading() -> None:
    sections = tuple(Section((name,), (DocumentBlock(f"about {name}"),)) for name in ("one", "two"))

    assert [p.path for p in passages_of(Document("T", sections))] == [("one",), ("two",)]


@pytest.mark.parametrize(
    ("place", "here", "is_seen"),
    [
        (DocumentPlace(), "slack:T1:C1", True),
        (DocumentPlace("slack", "T1"), "slack:T1:C1", True),
        (DocumentPlace("slack", "T1", "C1"), "slack:T1:C1", True),
        (DocumentPlace("slack", "T1", "C1"), "slack:T1:C2", False),
        (DocumentPlace("slack", "T1", "C1"), "slack:T2:C1", False),
        (DocumentPlace("discord", "T1"), "slack:T1:C1", False),
    ],
)
def test_place_is_seen_from_where_it_should(place: DocumentPlace, here: str, is_seen: bool) -> None:  # noqa: FBT001 - the case's answer
    assert place.is_seen_from(parse_place(here)) is is_seen


@pytest.mark.parametrize(
    ("channel", "is_seen"), [("THREAD", True), ("C1", True), ("C2", False), ("*", True)]
)
def test_from_a_thread_its_own_and_its_channels_documents_are_seen(
    channel: str, *, is_seen: bool
) -> None:
    thread = DocumentPlace("discord", "T1", "THREAD", parent="C1")

    assert DocumentPlace("discord", "T1", channel).is_seen_from(thread) is is_seen
    assert not DocumentPlace("discord", "T2", channel).is_seen_from(thread)
    assert (f'"{channel}"' in filter_for(thread).rpartition(" and ")[2]) is is_seen


def test_what_is_for_a_thread_is_not_seen_from_its_channel() -> None:
    thread, channel = (
        DocumentPlace("discord", "T1", "THREAD", parent="C1"),
        DocumentPlace("discord", "T1", "C1"),
    )

    assert not thread.is_seen_from(channel)
    assert "THREAD" not in filter_for(channel)


@pytest.mark.parametrize("text", ["slack", "slack:", "irc:T1", 'slack:T1:C"1', "slack:T1:C1:x"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no place"):
        parse_place(text)


def test_name_that_would_end_a_filter_is_refused() -> None:
    with pytest.raises(ValueError, match="no name"):
        DocumentPlace("slack", 'T1" or 1 == 1 or .team == "', "C1")
    with pytest.raises(ValueError, match="no name"):
        DocumentPlace("discord", "T1", "C1", parent='C2" or 1 == 1 or .channel == "')
