"""``make screenshots``: eight answers as Discord and Slack would show them, in a real browser.

What is shown is what the bots post: the parts of the real renderers, read as each app reads them.
"""

import html
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from bots.render.discord import render_for_discord
from bots.render.notices import final_text
from bots.render.slack import render_for_slack
from shared.replies import Done, Failed, Final, FinishReason
from tests.chats.discord import read_discord
from tests.chats.shown import Block, CodeBlock, Line, Quote, Span
from tests.chats.slack import read_slack

FOLDER = Path(__file__).parent.parent.parent / "docs" / "pictures"
WIDTH, HEIGHT = 760, 2600
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
MISSING = "There is no Chromium here: install Debian's (apt-get install chromium), and try again.\n"
STYLES = {
    "discord": """
body{background:#313338;color:#dbdee1;font:16px/22px 'Noto Sans','Noto Sans CJK SC',sans-serif}
.name{color:#f2f3f5;font-weight:600} .tag{background:#5865f2;color:#fff}
pre{background:#2b2d31;border:1px solid #1e1f22;border-radius:4px}
code{background:#2b2d31;border-radius:3px} .q{border-left:4px solid #4e5058} a{color:#00a8fc}
.av{border-radius:50%;background:#5865f2}""",
    "slack": """
body{background:#fff;color:#1d1c1d;font:15px/22px 'Noto Sans','Noto Sans CJK SC',sans-serif}
.name{font-weight:800} .tag{background:#ddd;color:#616061}
pre{background:#f8f8f8;border:1px solid #ddd;border-radius:4px}
code{background:#f8f8f8;border:1px solid #ddd;border-radius:3px;color:#c01343}
.q{border-left:4px solid #ddd} a{color:#1264a3} .av{border-radius:6px;background:#4a154b}""",
}
PAGE = """<!doctype html><meta charset=utf-8><style>
*{{box-sizing:border-box}} body{{margin:0;padding:14px 16px;width:{width}px}}
.m{{display:flex;gap:14px;margin:0 0 10px}} .av{{width:40px;height:40px;flex:none;color:#fff;
display:flex;align-items:center;justify-content:center;font-weight:700}} .b{{min-width:0;flex:1}}
.tag{{font-size:11px;border-radius:3px;padding:1px 5px;margin:0 6px}}
pre{{margin:4px 0;padding:8px;white-space:pre-wrap;overflow-wrap:anywhere;
font:13px/18px 'Noto Sans Mono','DejaVu Sans Mono','Noto Sans Mono CJK SC',monospace}}
code{{padding:1px 4px;font:13px 'Noto Sans Mono','DejaVu Sans Mono',monospace}}
.l{{white-space:pre-wrap;overflow-wrap:anywhere;min-height:11px}} .q{{padding-left:10px}}
.h1{{font-size:24px;line-height:32px;font-weight:700}} .h2{{font-size:20px;font-weight:700}}
.h3{{font-weight:700}} .f{{border:1px solid #8888;border-radius:6px;padding:8px 12px;width:300px}}
{style}</style>{messages}"""
MESSAGE = """<div class=m><div class=av>P</div><div class=b><div><span class=name>Parley</span>
<span class=tag>APP</span></div>{body}</div></div>"""

CODE = """Here is a function that reads a file by lines:

```python
from pathlib import Path

def read_lines(path: Path) -> list[str]:
    \"\"\"The lines of a file, without blanks at their ends.\"\"\"
    return [line.rstrip() for line in path.read_text().splitlines()]
```

Call it with `read_lines(Path("notes.txt"))`; a name such as `__init__.py` stays as it is, and so do
2 * 3, snake_case_name and @everyone."""
TABLE = """Measured on two cores:

| Model | Tokens/s | Memory | Remark |
|:--|--:|--:|---|
| SmolLM2 135M | 41 | 0.5 GB | comes with Parley |
| Qwen3 4B | 6 | 8.1 GB | **better**, and slower |
| 通义千问 7B | 3 | 15 GB | 中文 is its first language 🐼 |"""
NESTED = """To set it up:

1. Make the app
   - paste the manifest
   - choose *your* workspace
     - or several
2. Copy the tokens
   1. the bot's, `xoxb-…`
   2. the app's, `xapp-…`
3. Start it

- [x] Redis runs
- [ ] A worker is ready"""
CHINESE = """# 你好！👋

这是**粗体**文字,这是*斜体*,这是`代码`。请看[文档](https://example.org/文档)。

- 第一项 😀
- 第二项 👩‍👩‍👧

> 学而时习之，不亦说乎？"""  # noqa: RUF001 - Chinese has its own signs
QUOTE = """You wrote:

> Is the **release** on Friday?
>
> > It was moved twice.
>
> - and who decides?

It is on Friday, see <https://example.org/plan>. Nobody decides alone."""
LONG = "## What happened\n\n" + "\n\n".join(
    f"**Day {day}.** The queue was longer than on the day before, and the workers kept up: no "
    "question waited for more than a minute. What was asked most is in the list below.\n\n"
    + "\n".join(f"{number}. question {number} of day {day}" for number in range(1, 5))
    for day in range(1, 13)
)
ANSWERS: dict[str, Final] = {
    "long": Done(LONG),
    "code": Done(CODE),
    "table": Done(TABLE),
    "nested-list": Done(NESTED),
    "chinese-and-emoji": Done(CHINESE),
    "quote": Done(QUOTE),
    "stopped": Done(CODE[: CODE.index("    return")], FinishReason.CANCELLED),
    "error": Failed("deadline", "I could not finish this in time. Please ask again.", QUOTE[:60]),
}
Read = Callable[[str], Sequence[Block]]
CHATS: dict[str, tuple[Callable[[str], list[str]], Read]] = {
    "discord": (render_for_discord, read_discord),
    "slack": (render_for_slack, read_slack),
}
TAGS = {"strong": "b", "em": "i", "s": "s", "underline": "u", "code": "code", "address": "a"}


def page_of(parts: Sequence[str], chat: str) -> str:
    """The messages of an answer as a page."""
    _, read = CHATS[chat]
    messages = (MESSAGE.format(body="".join(map(_block, read(part)))) for part in parts)
    return PAGE.format(width=WIDTH, style=STYLES[chat], messages="".join(messages))


def _block(block: Block) -> str:
    match block:
        case CodeBlock():
            return f"<pre>{html.escape(block.text)}</pre>"
        case Quote():
            return f"<div class=q>{''.join(map(_block, block.blocks))}</div>"
        case Line():
            return _line(block)


def _line(line: Line) -> str:
    marker = {"-": "•", "*": "•"}.get(line.marker, line.marker)
    spans = "&gt; " * line.num_quotes + "".join(map(_span, line.spans))
    style = f"padding-left:{line.indent * 9 + (26 if marker else 0)}px"
    before = f"<span style='position:absolute;margin-left:-22px'>{marker}</span>" if marker else ""
    kind = f"l h{line.level}" if line.level else "l"
    return f"<div class='{kind}' style='{style}'>{before}{spans}</div>"


def _span(span: Span) -> str:
    text = html.escape(span.text)
    for mark in reversed(span.marks):
        tag = TAGS.get(mark, "span")
        text = f"<{tag}>{text}</{tag}>"
    return text


def photograph(browser: str, page: str, picture: Path) -> None:
    """A picture of a page, as high as what is on it."""
    with tempfile.TemporaryDirectory() as folder:
        source, taken = Path(folder) / "page.html", Path(folder) / "page.png"
        source.write_text(page, encoding="utf-8")
        size = f"--window-size={WIDTH},{HEIGHT}"
        subprocess.run(
            [
                *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                *(size, f"--user-data-dir={folder}/profile", f"--screenshot={taken}"),
                source.as_uri(),
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )
        with Image.open(taken) as image:
            whole = image.convert("RGB")
    bottom = HEIGHT
    ground = whole.crop((0, HEIGHT - 1, WIDTH, HEIGHT)).tobytes()
    while bottom > 1 and whole.crop((0, bottom - 1, WIDTH, bottom)).tobytes() == ground:
        bottom -= 1
    shown = whole.crop((0, 0, WIDTH, min(bottom + 14, HEIGHT)))
    shown.quantize(64).save(picture, optimize=True)


def main() -> int:
    """Take all pictures; returns the exit code."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.stderr.write(MISSING)
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, reply in ANSWERS.items():
        for chat, (render, _) in CHATS.items():
            picture = FOLDER / f"{name}-{chat}.png"
            photograph(browser, page_of(render(final_text(reply)), chat), picture)
            sys.stdout.write(f"{picture.relative_to(FOLDER.parent.parent)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
