"""The check of regular expressions finds those that grow faster than their texts, and no others."""

import re
from pathlib import Path

import pytest
import regex  # type: ignore[import-untyped]  # its types are a package of their own

from tests.growth.expressions import Expression, check, collect

GROWING = {
    "a scheme that is tried from each word": (r"\b[a-z][a-z0-9+.-]*://\S+", "search"),
    "blanks that are tried from each blank": (r"\s+$", "search"),
    "blanks before a comma": (r"\s*,\s*", "search"),
    "an end that is sought from each beginning": (r"<a[^>]*>", "search"),
    "two ways through the same digits": (r"\d*\.?\d+x", "match"),
    "two ways through the same bars": (r"<[^<>\s]*(?:\|[^<>\n]*)?>", "match"),
    "edges of a text": (r"\s*(.*?)\s*", "fullmatch"),
    "a repetition of repetitions": (r"(?:a+)+b", "match"),
    "two ways through the same words": (r"(?:please |can you (?:please )?)*think", "fullmatch"),
    "lines of blanks": (r"(?m)^\s*-", "search"),
    "a word on the way to another": (r"to.*error", "search"),
}
STEADY = {
    "a scheme that begins where its run does": (r"(?<![a-z+.-])[a-z][a-z+.-]*+://\S+", "search"),
    "blanks that begin where they do": (r"(?<!\s)\s++$", "search"),
    "an end, or the end of the text": (r"<a[^>]*+(?:>|\Z)", "search"),
    "one way through digits": (r"(?:\d*+\.)?\d+x", "match"),
    "one way through words": (r"(?:please |can you )*think", "fullmatch"),
    "a word on the way to another, once": (r"(?m)^(?>.*?template).*?error", "search"),
}


@pytest.mark.parametrize(("pattern", "method"), GROWING.values(), ids=GROWING)
def test_an_expression_that_grows_is_refused(pattern: str, method: str) -> None:
    found = check(Expression("here", re.compile(pattern), frozenset({method})))
    assert found is not None
    assert method in str(found)


def test_an_expression_of_the_other_library_is_refused() -> None:
    pattern = regex.compile(r"\p{RI}|\b[\w.+-]+@[\w-]+")
    assert check(Expression("here", pattern, frozenset({"search"}))) is not None


@pytest.mark.parametrize(("pattern", "method"), STEADY.values(), ids=STEADY)
def test_an_expression_that_grows_with_its_text_is_accepted(pattern: str, method: str) -> None:
    assert check(Expression("here", re.compile(pattern), frozenset({method}))) is None


def test_expressions_are_found_wherever_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "grown"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "one.py").write_text(
        "import re\n"
        'PLAIN = re.compile(r"a")\n'
        'BY_NAME = {"b": re.compile("b")}\n'
        "def made(word): return tuple(re.compile(word + end) for end in '.!')\n"
        'MADE = made("c")\n'
        "def use(text, word):\n"
        "    PLAIN.fullmatch(text)\n"
        '    re.sub(r"d", "", text, flags=re.IGNORECASE)\n'
        '    re.search(rf"\\b{re.escape(word)}", text)\n'
        '    return re.search(rf"{word}*", text)\n'
    )
    (package / "two.py").write_text(
        "import re\nfrom grown.one import PLAIN\n\ndef use(text): return PLAIN.match(text)\n"
    )
    expressions, findings = collect(tmp_path, ["grown"])
    assert {one.pattern.pattern for one in expressions} == {
        "a",
        "b",
        "c.",
        "c!",
        "d",
        r"\baa0",
    }
    uses = {one.pattern.pattern: one.methods for one in expressions}
    assert uses["a"] == {"match", "fullmatch"}
    assert [finding.where for finding in findings] == ["grown/one.py:10"]
