"""The files, by format. Each is made when it is read: some have megabytes."""

import codecs
from collections.abc import Callable, Mapping

from tests.hostile.office import OFFICE

MILLION = 1_000_000
Made = Callable[[], bytes]


def _rst_nested(depth: int) -> bytes:
    return "".join(f"{'  ' * level}* a\n\n" for level in range(depth)).encode()


def _rst_names(count: int) -> bytes:
    lines = (f".. name{n}:: x\n\n   text\n\n:role{n}:`word`\n\n" for n in range(count))
    return "".join(lines).encode()


def _rst_grid(columns: int, rows: int) -> bytes:
    border = "+" + "---+" * columns + "\n"
    return (border + ("|" + " a |" * columns + "\n" + border) * rows).encode()


def _long_headings(count: int, chars: int) -> bytes:
    return "".join(
        f"# {'heading ' * (chars // 8)}{n}\n\ntext {n}\n\n" for n in range(count)
    ).encode()


MARKDOWN: Mapping[str, Made] = {
    "headings of 20 kB": lambda: _long_headings(20, 20_000),
    "a heading of 400 kB": lambda: b"# " + b"x" * 400_000 + b"\n\ntext\n",
    "400 nested tags": lambda: b"<div>" * 400 + b"deep",
    "220,000 nested tags": lambda: b"<div>" * 220_000,
    "4 MB of short lines": lambda: b"a\n" * 2_000_000,
    "20,000 headings": lambda: b"# h\n\na\n\n" * 20_000,
    "nested quotes": lambda: b">" * 20_000 + b" a\n",
    "nested lists": lambda: b"".join(b"  " * n + b"- a\n" for n in range(1500)),
    "opened brackets": lambda: b"[" * 30_000,
    "opened emphasis": lambda: b"*a **a " * 10_000,
    "opened pictures": lambda: b"![" * 15_000,
    "runs of backticks": lambda: b"".join(b"`" * n + b" a " for n in range(1500)),
    "a front matter without end": lambda: b"---\n" + b"a: b\n" * 50_000,
    "front matters in a row": lambda: b"---\na: b\n" * 20_000,
    "a table of 20,000 columns": lambda: b"|a" * 20_000 + b"\n" + b"|-" * 20_000 + b"\n",
    "a table of 8,000 rows": lambda: b"|a|b|\n|-|-|\n" + b"|1|2|\n" * 8_000,
    "30,000 references": lambda: b"".join(b"[r%d]: /x\n" % n for n in range(30_000)),
    "tags in a line": lambda: b"<i>" * 50_000 + b"a",
    "entities": lambda: b"&amp;&#x41;" * 60_000,
    "a link in a link": lambda: b"[a](" * 30_000 + b")" * 30_000,
}
RST: Mapping[str, Made] = {
    "nested lists": lambda: _rst_nested(400),
    "2,000 unknown names": lambda: _rst_names(2_000),
    "a table of 200 columns": lambda: _rst_grid(200, 30),
    "opened emphasis": lambda: b"*a **b " * 20_000,
    "substitutions in a circle": lambda: (
        b"".join(
            b".. |s%d| replace:: |s%d| |s%d|\n" % (n, (n + 1) % 40, (n + 2) % 40) for n in range(40)
        )
        + b"\n|s0|\n"
    ),
    "a file that it includes": lambda: (
        b".. include:: /etc/passwd\n\n.. raw:: html\n   :file: /etc/passwd\n\ntext\n"
    ),
    "a table from an address": lambda: b".. csv-table:: a\n   :url: http://127.0.0.1:1/x\n\ntext\n",
    "nested directives": lambda: (
        b"".join(b"   " * n + b".. note::\n\n" for n in range(300)) + b"a\n"
    ),
    "10,000 headings": lambda: b"h\n=\n\na\n\n" * 10_000,
    "headings of falling levels": lambda: b"".join(
        bytes([char]) * 3 + b"\n" + b"h%d\n" % char + bytes([char]) * 3 + b"\na\n\n"
        for char in b"!#$%&()*+,-./:;<=>?@[]^_`{|}~"
    ),
}
HTML: Mapping[str, Made] = {
    "400 nested tags": lambda: b"<div>" * 400 + b"deep",
    "1.1 MB of nested tags": lambda: b"<div>" * 220_000,
    "nested tables": lambda: b"<table><tr><td>" * 3_000 + b"a",
    "300,000 bold tags": lambda: b"<p><b>" * 300_000 + b"a",
    "a million attributes": lambda: b"<div " + b"a=b " * MILLION + b">text</div>",
    "a style of 4 MB": lambda: b"<div style='" + b"display " * 500_000 + b"'>text</div>",
    "a million open brackets": lambda: b"<" * MILLION,
    "a comment without end": lambda: b"<!--" + b"a" * 3_000_000,
    "pictures of vectors, nested": lambda: b"<svg>" * 100_000,
    "entities": lambda: b"&amp;&#x41;" * 300_000,
    "a heading of 3 MB": lambda: (
        b"<h1>one</h1><p>a</p><h2>" + b"word " * 600_000 + b"</h2><p>b</p>"
    ),
    "100,000 headings": lambda: b"<h2>h</h2><p>a</p>" * 100_000,
}
TEXT: Mapping[str, Made] = {
    "4 MB of short lines": lambda: b"a\n" * 2_000_000,
    "10 MB without a blank": lambda: b"x" * 10_000_000,
    "10 MB of blanks": lambda: b" " * 10_000_000,
    "a million combining characters": lambda: (
        b"e" + "\N{COMBINING ACUTE ACCENT}".encode() * MILLION
    ),
    "a million marks of direction": lambda: "\N{RIGHT-TO-LEFT OVERRIDE}a".encode() * MILLION,
    "lone surrogates": lambda: codecs.BOM_UTF16_LE + b"\x00\xd8" * 100_000,
    "malformed UTF-8": lambda: b"\xc3\x28\xf0\x28\x8c\xbc" * 100_000,
    "half a character of UTF-16": lambda: codecs.BOM_UTF16_BE + b"\x00a\x00b\x00",
    "nothing but a mark of order": lambda: codecs.BOM_UTF8,
    "NUL bytes": lambda: b"a\0" * 100_000,
    "control characters": lambda: bytes(range(1, 32)) * 30_000,
    "sentences without end": lambda: b"A. " * MILLION,
}
DATA: Mapping[str, Made] = {
    "100,000 columns.csv": lambda: b",".join(b"%d" % n for n in range(100_000)) + b"\n",
    "opened quotes.csv": lambda: b'"a""' * 500_000,
    "a million open brackets.json": lambda: b"[" * MILLION,
    "an entity in an entity.xml": lambda: b"<!DOCTYPE a [<!ENTITY a '&a;&a;'>]><a>&a;</a>",
    "a program.exe": lambda: b"MZ" + bytes(range(256)) * 4_000,
}
"""Read beside a question, as text."""


SLOW = frozenset(
    {
        "20,000 headings.md",
        "a front matter without end.md",
        "front matters in a row.md",
        "2,000 unknown names.rst",
        "a table of 200 columns.rst",
        "10,000 headings.rst",
        "substitutions in a circle.rst",
        "19 MB in 50 kB.docx",
        "200 MB in 200 kB.docx",
        "sizes that lie.docx",
        "a table of 63 columns and 1,000 rows.docx",
        "a run of 10 MB.docx",
        "20 pages share 200 kB.pdf",
        "2,000 pages share 200 kB.pdf",
        "a stream of 300 MB.pdf",
        "100,000 headings.html",
        "sentences without end.txt",
    }
)
"""A second of a core or more, to read or to make: not for the suite."""


def files() -> dict[str, Made]:
    """Name, with its ending -> how it is made."""
    kinds = {"md": MARKDOWN, "rst": RST, "html": HTML, "txt": TEXT}
    named = {f"{what}.{end}": made for end, kind in kinds.items() for what, made in kind.items()}
    return {**named, **OFFICE, **DATA}
