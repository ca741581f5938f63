"""Markdown as models write it and as nobody would, for the splitter and the renderers."""

from hypothesis import strategies as st

MARKUP_LINES = (
    *("", "```", "```py", "````", "~~~", "~~~ js", "   ```", "    ```", "```    ", "``` ```"),
    *("> ```", "> quoted", ">", "- ```", "- item", "  - nested", "* * *", "1. one", "7) seven"),
    *("# Heading", "#", "---", "===", "    indented", "\tindented", "| a | b |", "|---|---|"),
    *("<div>", "<!-- note", "-->", "[a]: http://x", "![alt](http://x)", "**bold", "`", "``"),
    *("<!channel>", "<@U123>", "<#C123|x>", "&lt;!here&gt;", "[x](<!here>)", "<https://x.y>"),
)
LINES = st.one_of(
    st.sampled_from(MARKUP_LINES),
    st.text(max_size=30),
    st.builds(str.__mul__, st.sampled_from(["word ", "x", "&", "*a* ", "| "]), st.integers(1, 90)),
)
ANY_MARKDOWN = st.one_of(st.text(), st.lists(LINES, max_size=25).map("\n".join))
"""Anything at all, with what means something in Markdown more often than by chance."""

WORDS = st.text(alphabet="abc \u00e9\u4e2d\U0001f600", min_size=1, max_size=120).filter(str.strip)
LANGUAGES = st.sampled_from(["", "py", "c++", "js title=x"])
CODE = st.lists(st.text(alphabet="ab {}'#", max_size=70), max_size=8)


def _fence(language: str, code: list[str], mark: str) -> str:
    return "\n".join([f"{mark}{language}", *code, mark])


FENCES = st.builds(_fence, LANGUAGES, CODE, st.sampled_from(["```", "````", "~~~"]))
TIDY_MARKDOWN = st.lists(st.one_of(WORDS, FENCES), min_size=1, max_size=8).map("\n\n".join)
"""Paragraphs and fenced code."""
