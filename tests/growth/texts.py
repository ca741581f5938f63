"""Texts that are unlucky for what reads them, at any length: a few characters that repeat."""

import random
from collections.abc import Callable, Mapping

REPEATED = {
    "a letter": "a",
    "two letters": "ab",
    "words": "a ",
    "long words": "a" * 500 + " ",
    "digits": "0",
    "numbers": "1 ",
    "dots": ".",
    "letters and dots": "a.",
    "letters and dashes": "a-",
    "letters and colons": "a:",
    "schemes": "a://",
    "addresses": "https://a.b/c ",
    "addresses without blanks": "https://",
    "mailto": "mailto:a",
    "www": "www.",
    "slashes": "/",
    "words and slashes": "a/",
    "mail addresses": "a@a.b ",
    "mail signs": "a@",
    "at": "@",
    "names": "@a ",
    "blanks": " ",
    "tabs": "\t",
    "line ends": "\n",
    "short lines": "a\n",
    "blank lines with blanks": " \n",
    "carriage returns": "\r",
    "two-sign line ends": "\r\n",
    "line separators": "\u2028",
    "wide blanks": "\u3000",
    "stars": "*",
    "stars and words": "*a ",
    "words and stars": "a*",
    "two stars": "**a ",
    "three stars": "***a** ",
    "underlines": "_",
    "underlined words": "_a ",
    "words and underlines": "a_",
    "backticks": "`",
    "backticks and words": "`a ",
    "fences": "```\n",
    "fences in a line": "a```",
    "tildes": "~",
    "two tildes": "~~a ",
    "opened brackets": "[",
    "closed brackets": "]",
    "brackets": "[]",
    "opened links": "[a](",
    "links": "[a](b) ",
    "links of addresses": "[a](<b",
    "pictures": "![",
    "opened rounds": "(",
    "rounds": "()",
    "closed rounds": ")",
    "references": "[1]",
    "opened references": "[1,",
    "definitions": "[a]: b\n",
    "less": "<",
    "less and letters": "<a",
    "elements": "<b>",
    "blocks": "<div>",
    "comments": "<!--",
    "declarations": "<!A",
    "instructions": "<?",
    "closing elements": "</b>",
    "attributes": '<a b="',
    "mentions": "<@1> ",
    "opened mentions": "<@1|",
    "opened channels": "<#C1|",
    "opened broadcasts": "<!here|",
    "opened addresses": "<http:a",
    "bars in an address": "<http:|",
    "emoji of a server": "<:a:1> ",
    "more": ">",
    "quotes": "> ",
    "quoted lines": "> a\n",
    "empty quotes": ">\n",
    "items": "- ",
    "lines of items": "- a\n",
    "empty items": "-\n",
    "stars as items": "* ",
    "pluses as items": "+ ",
    "numbered items": "1. ",
    "lines of numbered items": "1. a\n",
    "items and quotes": "- > ",
    "quotes and items": "> - a\n",
    "headings": "# a\n",
    "number signs": "#",
    "empty headings": "#\n",
    "underlined headings": "a\n=\n",
    "rules": "---\n",
    "bars": "|",
    "cells": "|a",
    "table rows": "|a|b|\n",
    "table rules": "|-",
    "equal signs": "=",
    "dashes": "-",
    "ampersands": "&",
    "entities": "&amp;",
    "opened entities": "&a",
    "numbered entities": "&#1;",
    "backslashes": "\\",
    "escaped stars": "\\*",
    "escaped line ends": "\\\n",
    "exclamations": "!",
    "questions": "? ",
    "sentences": "A. ",
    "sentence ends": ".\n",
    "commas": ", ",
    "colons": ":",
    "emoji by name": ":a:",
    "half emoji by name": ":a",
    "semicolons": ";",
    "double quotes": '"',
    "single quotes": "'",
    "curly quotes": "\u201ca",
    "angular quotes": "\u00aba",
    "emoji": "\U0001f600",
    "joined emoji": "\U0001f468\u200d",
    "flags": "\U0001f1e9",
    "keycaps": "1\u20e3",
    "combining marks": "\u0301",
    "letters with marks": "a\u0301\u0327",
    "right to left": "\u05d0",
    "directions": "\u202e",
    "zero-width blanks": "\u200b",
    "private characters": "\ue000",
    "ideographs": "\u4e2d",
    "ideographic sentences": "\u4e2d\u3002",
    "ligatures": "\ufdfa",
    "NUL": "\0",
    "control characters": "\x0b\x1f",
    "half pairs": "\ud800",
    "braces": "{",
    "templates": "{{a}}",
    "dollars": "$",
    "percent signs": "%",
    "thoughts": "<think>",
    "ends of thoughts": "</think>",
    "thoughts that open": "<thi",
    "control tokens": "<|im_start|>",
    "opened control tokens": "<|",
    "channels": "<|channel|>analysis<|message|>",
    "please": "please ",
    "can you please": "can you please ",
    "hi": "hi, ",
    "very": "very ",
    "thanks": " thanks",
    "now": " now",
    "bitte": "bitte ",
    "json": '{"a":',
    "arrays": "[",
    "a record": '{"type":"Job"}',
    "events": 'data: {"choices":[{"delta":{"content":"a"}}]}\n\n',
    "directives": ".. a::\n",
    "roles": ":a:`b` ",
    "half roles": ":a:a",
    "rst titles": "a\n-\n",
    "targets": "`a <b>`_ ",
    "secrets": "xoxb-1",
    "tokens": "Bearer a",
    "keys": "key=a ",
}

BEGINNINGS = {
    "an order": "write email about ",
    "a translation": "translate ",
    "a quote": 'translate "',
    "a completion": "complete (",
    "numbers": "complete (seed ",
    "a summary": "summarize this thread, focus on ",
    "a thought": "<think>",
    "a question": "think hard about ",
    "a code block": "```\n",
    "an item": "- ",
    "a table": "|a|b|\n|-|-|\n",
    "HTML": "<p>",
    "a letter": "a",
}
"""What opens a way through a parser that other texts do not find."""


def _repeated(unit: str) -> Callable[[int], str]:
    return lambda size: (unit * (size // len(unit) + 1))[:size]


def _stairs(size: int) -> str:
    """Items, each deeper than the one before it."""
    lines, length, depth = [], 0, 0
    while length < size:
        lines.append("  " * (depth % 100) + "- a")
        length += len(lines[-1]) + 1
        depth += 1
    return "\n".join(lines)


def _nested(opening: str, closing: str) -> Callable[[int], str]:
    def make(size: int) -> str:
        count = size // (len(opening) + len(closing)) + 1
        return opening * count + "a" + closing * count

    return make


def _runs_of(sign: str) -> Callable[[int], str]:
    """Runs of a sign, each longer than the one before it: none closes another."""

    def make(size: int) -> str:
        runs: list[str] = []
        length = 0
        while length < size:
            runs.append(sign * (len(runs) + 1) + "a ")
            length += len(runs[-1])
        return "".join(runs)

    return make


def _half(unit: str, other: str) -> Callable[[int], str]:
    """First many of one, then many of another."""
    return lambda size: _repeated(unit)(size // 2) + _repeated(other)(size // 2) + "!"


def _mixed(seed: int) -> Callable[[int], str]:
    def make(size: int) -> str:
        chosen = random.Random(seed)
        units = chosen.sample(sorted(REPEATED.values()), 12)
        parts: list[str] = []
        length = 0
        while length < size:
            parts.append(chosen.choice(units)[:20])
            length += len(parts[-1])
        return "".join(parts)

    return make


TEXTS: Mapping[str, Callable[[int], str]] = {
    **{name: _repeated(unit) for name, unit in REPEATED.items()},
    "deeper and deeper items": _stairs,
    "nested emphasis": _nested("*a ", " b*"),
    "nested strong": _nested("**a ", "** "),
    "nested links": _nested("[", "](b)"),
    "nested pictures": _nested("![", "](b)"),
    "nested elements": _nested("<b>", "</b>"),
    "nested blocks": _nested("<div>", "</div>"),
    "nested rounds": _nested("(", ")"),
    "nested arrays": _nested("[", "]"),
    "nested objects": _nested('{"a":', "}"),
    "nested thoughts": _nested("<think>", "</think>"),
    "longer and longer backticks": _runs_of("`"),
    "longer and longer stars": _runs_of("*"),
    "longer and longer tildes": _runs_of("~"),
    "backticks, then letters": _half("`", "a "),
    "a letter, then blanks": _half("a", " "),
    "blanks, then letters": _half(" ", "a"),
    "brackets, then links": _half("[", "](a"),
    "stars, then underlines": _half("*a ", "a_ "),
    "quotes, then lines": _half("> ", "a\n"),
    **{f"a mixture ({seed})": _mixed(seed) for seed in range(6)},
}
"""The name of a kind of text -> what makes one of so many characters."""
