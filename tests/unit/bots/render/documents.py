"""Documents as models write them, made by chance from everything that Markdown has."""

import random

WORDS = (
    *("the", "engine", "takes", "42", "tokens", "snake_case_name", "__init__", "2 * 3", "a|b"),
    *("C:\\Users", "1986.", "#5", "@everyone", "<@123456789012345678>", "<!channel>", "<#99>"),
    *("中文", "文字", "日本語。", "😀", "👩‍👩‍👧", "naïve", "x<y", "&amp;"),
    *("don't", "(see", "below)"),
    *("||no spoiler||", "~5", "^", "->", "[1]", "_x", "https://a.example/x?a=1&b=2#c"),
)  # fmt: skip
SPANS = (
    *("**{}**", "*{}*", "_{}_", "~~{}~~", "`{}`", "``{} ` x``", "[{}](https://a.example/p)"),
    *("***{}***", "**bold {} *both***", "![{}](https://a.example/i.png)", r"\*{}\*"),
)
PLAIN = ("word", "two words", "a (b) c", "中文", "x1")


def document(chance: random.Random) -> str:
    """A document of one to three blocks."""
    return "\n\n".join(_block(chance, 0) for _ in range(chance.randint(1, 3)))


def _block(chance: random.Random, depth: int) -> str:
    kinds = [_paragraph, _paragraph, _heading, _fence, _table, *([_rule] if depth == 0 else [])]
    if depth < 3:
        kinds += [_list, _list, _quote]
    return chance.choice(kinds)(chance, depth)


def _words(chance: random.Random, most: int) -> str:
    words = [
        chance.choice(SPANS).format(chance.choice(PLAIN))
        if chance.random() < 0.2
        else chance.choice(WORDS)
        for _ in range(chance.randint(1, most))
    ]
    return " ".join(words)


def _paragraph(chance: random.Random, depth: int) -> str:
    del depth
    return "\n".join(_words(chance, 12) for _ in range(chance.randint(1, 2)))


def _rule(chance: random.Random, depth: int) -> str:
    del chance, depth
    return "---"


def _heading(chance: random.Random, depth: int) -> str:
    del depth
    return "#" * chance.randint(1, 6) + " " + _words(chance, 5)


def _fence(chance: random.Random, depth: int) -> str:
    del depth
    mark = chance.choice(["```", "~~~", "````"])
    code = [
        " " * chance.randint(0, 6)
        + chance.choice(["x = {'a': 1}", "if a < b:", "**no**", "> q", "@here"])
        for _ in range(chance.randint(1, 9))
    ]
    code[0] = code[0].lstrip()
    return "\n".join([mark + chance.choice(["", "py", "js title=x"]), *code, mark])


def _table(chance: random.Random, depth: int) -> str:
    del depth
    num_columns = chance.randint(1, 4)
    head = [f"head{chance.randint(0, 10**6)}" for _ in range(num_columns)]
    rows = [head] + [
        [chance.choice(PLAIN) for _ in range(num_columns)] for _ in range(chance.randint(1, 6))
    ]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * num_columns, *lines[1:]])


def _list(chance: random.Random, depth: int) -> str:
    first = chance.choice([None, None, 1, 7])
    items = []
    for number in range(chance.randint(1, 3)):
        marker = "- " if first is None else f"{first + number}. "
        box = chance.choice(["", "", "", "[ ] ", "[x] "])
        inside = box + _words(chance, 8)
        if chance.random() < 0.35:
            inside += "\n\n" + _block(chance, depth + 1)
        items.append(_indented(inside, marker))
    return "\n".join(items)


def _indented(text: str, marker: str) -> str:
    lines = text.split("\n")
    return "\n".join([marker + lines[0], *(" " * len(marker) + line for line in lines[1:])])


def _quote(chance: random.Random, depth: int) -> str:
    inside = "\n\n".join(_block(chance, depth + 1) for _ in range(chance.randint(1, 2)))
    return "\n".join(f"> {line}" for line in inside.split("\n"))
