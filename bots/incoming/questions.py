"""Whether words are a question, and whether they begin with our name. Pure.

A guess that has to be right for what people write in channels: a question mark at the end of a
sentence in any script, or the first words of an English question. Code, links and quotes ask
nobody.
"""
# Pure.

import re

MARKS = "?？؟;՞፧⁇⁈"  # noqa: RUF001 - the question marks of other scripts
CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
LINK = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]{1,20}://\S+")
QUOTE = re.compile(r"^[ \t]{0,20}>.*$", re.MULTILINE)
CLOSERS = "\"'\u201d\u2019\u00bb)]*_~!."
"""What may stand between a question mark and the end of its sentence."""
ASKED = re.compile(rf"[{MARKS}](?=[\s{re.escape(CLOSERS)}{MARKS}]|\Z)")
HELPER = (
    r"(?:can|could|would|will|should|does|do|did|is|are|was|were|has|have|may)"
    r"(?:n['\u2019]?t)?"
)
OPENER = re.compile(
    r"^(?:(?:hi|hey|hello|ok|so|and|but|please|sorry)\b[ ,.!]*)*"
    rf"(?:(?:who|what|when|where|why|how|which)(?:['\u2019]s| {HELPER}| to)\b"
    rf"|(?:what|which) \w+ {HELPER}\b"
    r"|how (?:about|come|far|long|many|much|often)\b|what (?:about|happened|happens|if)\b"
    rf"|(?!do (?:it|this|that|the|these|those)\b){HELPER} (?:i|you|we|they|he|she|it|there|this"
    r"|that|these|those|the|a|an|anyone|anybody|someone|somebody|my|our|your)\b)",
    re.IGNORECASE,
)
NAME = re.compile(
    r"^\W*(?:(?:hi|hey|hello|ok|okay|thanks|so)\b\W+)?parley\b(?!['\u2019])", re.IGNORECASE
)


def is_question(text: str) -> bool:
    """Whether somebody asks something."""
    words = QUOTE.sub("", LINK.sub("", CODE.sub("", text))).strip()
    return bool(ASKED.search(words) or OPENER.match(words))


def names_us(text: str) -> bool:
    """Whether a message begins with our name, as one calls somebody."""
    return NAME.match(text) is not None
