"""The bounds of what files may cost to read, to keep, and to let wait; each with its reason.

A file comes from anybody in a channel, so none may use more than its share of time, memory or
Redis. Bounds that operators change are settings, whose defaults are here.
"""
# Pure.

MB = 1_000_000

MAX_HEADING_CHARS = 200
"""A heading is stored with each passage under it, shown in citations and embedded: longer ones are
cut. Chosen: a heading is a line, and two lines of a page have fewer."""

MAX_HEADING_DEPTH = 6
"""The headings above a passage, of which the outermost are left out: HTML and Markdown know six."""

MAX_NAME_CHARS = 255
"""Of a file's name in sentences, lists and citations, as in file systems; its ending is kept."""

MAX_PASSAGES = 5_000
"""Of a document. With 1,000 characters each they hold the Bible (4.3 MB). Embedding
and adding them takes minutes."""

MAX_PASSAGE_BYTES = 12_000
"""Of a passage as it is stored, without its vector: 1,000 characters and seven headings of 200, at
up to four bytes each, and the signs around them."""

MAX_MARKDOWN_BYTES = 2 * MB
"""Reading takes seconds of a core for a megabyte of ordinary Markdown, and many times as much for
one that is all marks. A book of 300 pages has some 1 MB."""

MAX_RST_BYTES = 1 * MB
"""The same of reStructuredText, which takes longer."""

MAX_NESTING = 5_000
"""Of tags, before they are parsed: a parser's time grows with its square. A tenth of it ends in a
sentence, too, when the page is walked."""

MAX_UNPACKED_BYTES = 20 * MB
"""What a DOCX or a stream of a PDF may unpack to: twice the largest upload by default. What is
compressed further than that is pictures, which are not read, or a bomb."""

MAX_PARTS = 1_000
"""Files in a DOCX: it has one for each picture, and some twenty more."""

MAX_PAGES = 2_000
"""Of a PDF; the streams of all its pages together unpack to ``MAX_UNPACKED_BYTES`` at most."""

READ_CPU_S = 20
"""Processor time for one file. Chosen: ordinary files take a second or two."""

READ_S = 60
"""Time for one file. The reader yields to the model, so it is longer than the processor time; it is
a tenth of the default deadline of an answer."""

READ_MEMORY_BYTES = 768 * MB
"""Address space of a reader, which starts with some 80 MB. Chosen: a file of the largest size, and
what its parser builds from it."""

READER_START_S = 30
"""A reader starts in half a second; a machine that swaps may need longer."""

READER_NICENESS = 10
"""A reader gets a tenth of a core that a model uses, and a whole one that it does not."""

READER_KEPT_BYTES = 160 * MB
"""A reader that has grown beyond this is replaced: Python returns little memory to the system."""

FILES_PER_READER = 100
"""A reader is replaced after so many files: what a library keeps of each, and the names that an RST
file adds to docutils, do not add up."""

MAX_READERS = 2
"""Readers of a worker: a slow file does not hold up the others, and the model keeps its cores."""

MAX_REPLY_BYTES = 64 * MB
"""What a reader may answer: ``MAX_PASSAGES`` of ``MAX_PASSAGE_BYTES``, which is more than any text
that fits into an upload needs."""

MAX_CHANNEL_PASSAGES = 20_000
"""Of all documents of a channel, by default: some 95 MB of Redis, at the 4.7 kB each that were
measured with 20,000."""

MAX_WORKSPACE_PASSAGES = 100_000
"""Of all documents of a workspace, by default: some 470 MB of Redis, computed from the same."""

PASSAGE_SHARE_BYTES = 4_000
"""Of text and headings that a passage may have on average, in a document and in a quota: 1,000
characters of Chinese have 3,000. Its vector takes 2,000 more."""

MAX_WAITING_MB = 200
"""Files of all unfinished jobs together, as they lie in Redis, by default: 15 of the largest."""
