"""Parses a person's words into the task that they ask for.

``parse_words`` reads what follows a mention, ``parse_command`` what follows ``/parley``. Whatever
is not clearly a task stays a chat.
"""
# Pure. Uses babel.

import re
from collections.abc import Callable, Iterator, Mapping

from bots.incoming.context import Meant, SinceAsker
from bots.incoming.intents import other
from bots.incoming.intents import summarize as summarizing
from bots.incoming.intents import translate as translating
from bots.incoming.intents import write as writing
from bots.incoming.intents.common import Parsed, Said
from shared.languages import find_language
from shared.tasks import Ask, Form, Learn, Length, Opt, Translate, Write

__all__ = ["HELP", "Parsed", "parse_command", "parse_lesson", "parse_words"]

Phrase = Callable[[Said], Parsed | None]
PHRASES: tuple[Phrase, ...] = (
    translating.translation,
    summarizing.summary,
    writing.writing,
    writing.completion,
    other.question,
    other.report,
    other.lesson,
    other.opting,
)
POLITE = re.compile(
    r"(?:(?:hi|hey|hello|ok|okay|please|pls)[,!]? )*(?:(?:can|could|would|will) you )?(?:please )?",
    re.IGNORECASE,
)
THANKS = (" please", " pls", " thanks", " thank you")
SENTENCE_ENDS = " \t\n,.!?…"
HEAD = re.compile(r"(?P<order>[^\n]*?)(?::(?=\s)|\n)\s*(?P<body>\S.*)", re.DOTALL)

HELP = """\
What I can do here:
`ask QUESTION` answers from the documents, with their places
`summarize`, `summarize thread`, `summarize 4 hours` sums up, for you alone (`publicly` for all)
`translate LANGUAGE TEXT` translates, without a text the last message
`write email|announcement|ad|news|reply tone: … length: … about: …` writes a draft, for you alone
`complete TEXT` continues a text, as does `complete (50 tokens, seed 7): TEXT`
`sentiment 30 days` shows how this channel has felt
`learn TEXT` is remembered for answers here; `learn` takes the last message
`opt-out` and `opt-in`: whether your messages are summed up, rated and learned from
`new` forgets our conversation"""
NO_LANGUAGE = (
    "I do not know that language: name it in English or by its code first, such as "
    "`translate French Good morning` or `translate fr Good morning`."
)
NO_FORM = (
    "Say what to write and about what, such as `write email tone: friendly length: short about: "
    "Friday's party`. I write email, announcement, ad, news and reply."
)
NO_LENGTH = "The length is short, medium or long."
NO_QUESTION = "Put your question behind it, such as `ask How do I get a new badge?`."
NO_BEGINNING = (
    "Put the beginning of the text behind it, such as `complete Once upon a time` or `complete "
    "(50 tokens, temperature 0.7, top-p 0.9, seed 7): Once upon a time`."
)
NO_SPAN = (
    "I can sum up `thread`, a time such as `4 hours`, or `since I last spoke`, and add `publicly`."
)
NO_DAYS = "Name a time, such as `sentiment 7 days`."


def parse_words(text: str, *, in_thread: bool = False) -> Parsed:
    """Parse a message to us.

    Args:
        text: the message, without the mention that called us.
        in_thread: whether it is in a thread or a chain of replies, which a bare ``tl;dr``
            means then; else it means the last day of the channel.
    """
    for said in _readings(text.strip(), in_thread=in_thread):
        for phrase in PHRASES:
            if found := phrase(said):
                return found
    return Parsed(None, text)


def parse_lesson(text: str) -> Parsed | None:
    """The lesson that a message to us asks for; None if it asks for none.

    The same as ``parse_words`` finds, without trying other tasks.
    """
    lessons = map(other.lesson, _readings(text.strip(), in_thread=False))
    return next(filter(None, lessons), None)


def _readings(text: str, *, in_thread: bool) -> Iterator[Said]:
    """The whole text as the request; or a beginning of it, with the rest as the body."""
    yield Said(_plain_order(text), "", in_thread)
    if match := HEAD.fullmatch(text):
        yield Said(_plain_order(match["order"]), match["body"], in_thread)


def _plain_order(words: str) -> str:
    order = words.strip().rstrip(SENTENCE_ENDS)
    courtesy = next((end for end in THANKS if order.lower().endswith(end)), "")
    order = order[: len(order) - len(courtesy)].rstrip(SENTENCE_ENDS)
    polite = POLITE.match(order)
    return order[polite.end() :] if polite else order


def parse_command(words: str) -> Parsed:
    """Parse what follows ``/parley``: a subcommand and its words.

    The subcommands are ask, summarize, translate, write, complete, sentiment, learn, opt-out,
    opt-in, new and help. ``new`` is a chat whose text is ``/new``, as intake reads it. Anything
    else is a chat. If ``answer`` is set, no job is needed.
    """
    name, *rest = re.split(r"\s+", words.strip(), maxsplit=1)
    read = COMMANDS.get(name.lower().rstrip(":"))
    return read("".join(rest)) if read else parse_words(words)


def _ask(rest: str) -> Parsed:
    return Parsed(Ask(), rest) if rest else _told(NO_QUESTION)


PUBLICLY = re.compile(r"(?<!\s)\s*+\bpublicly$", re.IGNORECASE)


def _summarize(rest: str) -> Parsed:
    words, is_public = PUBLICLY.subn("", rest)
    if not words:
        found: Parsed | None = summarizing.summarized(SinceAsker())
    elif words.lower() in {"thread", "conversation"}:
        found = summarizing.summary(Said(f"summarize this {words}"))
    else:
        orders = (f"summarize {words}", f"summarize the last {words}")
        found = next(filter(None, (summarizing.summary(Said(order)) for order in orders)), None)
    if found is None:
        return _told(NO_SPAN)
    return Parsed(found.task, found.text, found.wanted, is_private=not is_public)


LANGUAGE_FIRST = tuple(
    re.compile(rf"((?:\S+\s*){{{num_words}}})(.*)", re.DOTALL) for num_words in (3, 2, 1)
)
"""The longest name first: "Norwegian Nynorsk" begins with a language, too."""


def _translate(rest: str) -> Parsed:
    words = re.sub(r"^(?:to|into) ", "", rest, flags=re.IGNORECASE)
    for beginning in LANGUAGE_FIRST:
        parts = beginning.match(words)
        language = find_language(parts[1].strip().rstrip(":")) if parts else None
        if parts and language:
            text = parts[2].strip()
            return Parsed(Translate(language), text, None if text else Meant())
    return _told(NO_LANGUAGE)


WRITE_OPTION = re.compile(r"\b(kind|tone|length|about):\s*", re.IGNORECASE)


def _write(rest: str) -> Parsed:
    first, *pairs = WRITE_OPTION.split(rest)
    options = {key.lower(): value.strip() for key, value in zip(*[iter(pairs)] * 2, strict=True)}
    form_word, _, more = first.strip().partition(" ")
    form = writing.FORMS.get((options.get("kind") or form_word).lower().replace("-", ""))
    if form is None:
        return _told(NO_FORM)
    length = _length(options)
    if length is None:
        return _told(NO_LENGTH)
    about = " ".join(filter(None, [more.strip().removeprefix("about "), options.get("about", "")]))
    if form is not Form.REPLY and not about:
        return _told(NO_FORM)
    task = Write(form, options.get("tone", ""), length)
    return Parsed(task, about, Meant() if form is Form.REPLY else None, is_private=True)


def _length(options: Mapping[str, str]) -> Length | None:
    word = options.get("length", "").lower()
    return writing.LENGTHS.get(word) if word else Length.MEDIUM


def _complete(rest: str) -> Parsed:
    if match := re.fullmatch(r"\((?P<options>[^()]*)\):?\s*(?P<text>\S.*)", rest, re.DOTALL):
        task = writing.complete_with(match["options"])
        return Parsed(task, match["text"]) if task else _told(NO_BEGINNING)
    return Parsed(writing.complete_with(""), rest) if rest else _told(NO_BEGINNING)


def _sentiment(rest: str) -> Parsed:
    orders = (f"sentiment {rest}".strip(), f"sentiment of the last {rest}")
    found = next(filter(None, (other.report(Said(order)) for order in orders)), None)
    return found or _told(NO_DAYS)


def _learn(rest: str) -> Parsed:
    text = re.sub(r"^this:\s*|^this$", "", rest, flags=re.IGNORECASE)
    return Parsed(Learn(other.NOTE, content=""), text, None if text else Meant(), is_private=True)


def _told(answer: str) -> Parsed:
    return Parsed(None, "", is_private=True, answer=answer)


def _opt_out(rest: str) -> Parsed:
    del rest
    return Parsed(Opt(is_out=True), "", is_private=True)


def _opt_in(rest: str) -> Parsed:
    del rest
    return Parsed(Opt(is_out=False), "", is_private=True)


def _new(rest: str) -> Parsed:
    return parse_words(f"new {rest}") if rest else Parsed(None, "/new")


def _help(rest: str) -> Parsed:
    del rest
    return _told(HELP)


COMMANDS: dict[str, Callable[[str], Parsed]] = {
    "": _help,
    "ask": _ask,
    "complete": _complete,
    "help": _help,
    "learn": _learn,
    "new": _new,
    "opt-in": _opt_in,
    "opt-out": _opt_out,
    "sentiment": _sentiment,
    "summarize": _summarize,
    "summarise": _summarize,
    "translate": _translate,
    "write": _write,
}
