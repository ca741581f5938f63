"""Words after a mention and behind ``/parley``: which task they ask for, and when it is a chat."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.incoming.context import LastHours, Meant, SinceAsker, Wanted, WholeThread
from bots.incoming.intents.parser import HELP, Parsed, parse_command, parse_lesson, parse_words
from shared.tasks import (
    Ask,
    Complete,
    Form,
    Learn,
    Length,
    Opt,
    Report,
    Summarize,
    Task,
    Translate,
    Write,
)

NOTE = Learn("note.txt", content="")


def summed(wanted: Wanted, what: str, focus: str = "", *, is_private: bool = True) -> Parsed:
    return Parsed(Summarize((), what), focus, wanted, is_private)


THREAD = summed(WholeThread(), "this thread")
A_DAY = summed(LastHours(24), "the last 24 hours")
SINCE = summed(SinceAsker(), "what was said since you last wrote")

TASKS: list[tuple[str, Parsed]] = [
    ("translate this to French", Parsed(Translate("fr"), "", Meant())),
    ("Translate this message into Spanish, please!", Parsed(Translate("es"), "", Meant())),
    ("can you translate that to 🇩🇪?", Parsed(Translate("de"), "", Meant())),
    ("translate to 日本語", Parsed(Translate("ja"), "", Meant())),
    ("translate it from German to English", Parsed(Translate("en"), "", Meant())),
    ("translate to German: see you at 10:30", Parsed(Translate("de"), "see you at 10:30")),
    ("please translate this into fr:\nHello.\n\nBye!", Parsed(Translate("fr"), "Hello.\n\nBye!")),
    ("translate this to Dutch\nGood day", Parsed(Translate("nl"), "Good day")),
    ('translate "to be: or not" into es', Parsed(Translate("es"), "to be: or not")),
    ("translate “guten Tag” from German to English", Parsed(Translate("en"), "guten Tag")),
    ("translate to Italian 'good morning'", Parsed(Translate("it"), "good morning")),
    ("translate «bonjour» into english.", Parsed(Translate("en"), "bonjour")),
    ("translate good morning everyone to pt-BR", Parsed(Translate("pt"), "good morning everyone")),
    ("summarize this thread", THREAD),
    ("Summarise the whole discussion.", THREAD),
    ("give me a short summary of this conversation please", THREAD),
    ("summarize", A_DAY),
    ("tl;dr", A_DAY),
    ("TLDR?", A_DAY),
    ("summarize this channel", A_DAY),
    ("recap today", A_DAY),
    ("summarize the last 4 hours", summed(LastHours(4), "the last 4 hours")),
    ("summarize the past hour", summed(LastHours(1), "the last hour")),
    ("could you sum up the last two days?", summed(LastHours(48), "the last 2 days")),
    ("summary of the last 30 minutes", summed(LastHours(0.5), "the last 30 minutes")),
    ("summarize the last week here", summed(LastHours(168), "the last 7 days")),
    ("summarize since I last spoke", SINCE),
    ("summarize everything since my last message", SINCE),
    ("summarize what I've missed", SINCE),
    ("what did I miss?", SINCE),
    (
        "summarize this thread, focusing on decisions",
        summed(WholeThread(), "this thread", "decisions"),
    ),
    (
        "summarize this thread for everyone",
        summed(WholeThread(), "this thread", is_private=False),
    ),
    (
        "write a short friendly email about the party on Friday",
        Parsed(Write(Form.EMAIL, "friendly", Length.SHORT), "the party on Friday"),
    ),
    (
        "write an e-mail to Bob about the launch",
        Parsed(Write(Form.EMAIL), "to Bob about the launch"),
    ),
    (
        "Draft an announcement: we move on Monday.",
        Parsed(Write(Form.ANNOUNCEMENT), "we move on Monday."),
    ),
    (
        "draft a detailed, formal announcement saying we close at 6",
        Parsed(Write(Form.ANNOUNCEMENT, "formal", Length.LONG), "we close at 6"),
    ),
    ("write an ad for our new socks", Parsed(Write(Form.AD), "for our new socks")),
    ("write a news article about the bridge", Parsed(Write(Form.NEWS), "the bridge")),
    ("draft a reply", Parsed(Write(Form.REPLY), "", Meant())),
    (
        "draft a polite reply to this saying we are sorry",
        Parsed(Write(Form.REPLY, "polite"), "we are sorry", Meant()),
    ),
    ("suggest a brief answer", Parsed(Write(Form.REPLY, "", Length.SHORT), "", Meant())),
    ("complete: Once upon a time", Parsed(Complete(), "Once upon a time")),
    ("continue this text: It was  dark,\nand", Parsed(Complete(), "It was  dark,\nand")),
    (
        "complete (temperature 0.7, top-p 0.9, 50 tokens, seed 7): Once",
        Parsed(Complete(0.7, 0.9, 50, 7), "Once"),
    ),
    ("ask the docs: where is it?", Parsed(Ask(), "where is it?")),
    ("in the documents: how does a worker end?", Parsed(Ask(), "how does a worker end?")),
    ("according to our documentation, what is a lease", Parsed(Ask(), "what is a lease")),
    ("what do the docs say about leases?", Parsed(Ask(), "what do the docs say about leases")),
    ("sentiment", Parsed(Report(), "")),
    ("sentiment of the last 7 days", Parsed(Report(7), "")),
    ("show the mood in this channel over the last two weeks", Parsed(Report(14), "")),
    ("sentiment for the last 9999 months", Parsed(Report(366), "")),
    ("learn this", Parsed(NOTE, "", Meant())),
    ("Please learn this file.", Parsed(NOTE, "", Meant())),
    ("learn this: the door code is on the board", Parsed(NOTE, "the door code is on the board")),
    ("opt me out of summaries", Parsed(Opt(is_out=True), "", is_private=True)),
    ("opt out", Parsed(Opt(is_out=True), "", is_private=True)),
    ("opt me back in", Parsed(Opt(is_out=False), "", is_private=True)),
]


@pytest.mark.parametrize(("words", "parsed"), TASKS)
def test_words_become_a_task(words: str, parsed: Parsed) -> None:
    assert parse_words(words) == parsed


@pytest.mark.parametrize("words", ["tl;dr", "summarize", "summarize this", "recap"])
def test_a_bare_summary_in_a_thread_is_the_threads(words: str) -> None:
    assert parse_words(words, in_thread=True) == THREAD


CHATS = [
    "",
    "hello",
    "translate this",
    "translate",
    "translate this to Klingon",
    "translate this to us",
    "translate this to be funnier",
    "translate the report to French",
    "translate what he said into French",
    "translate this to French and German",
    "how do I translate this to French?",
    "don't translate this to French",
    "a French translation of this would help",
    "what does translate to French mean",
    "translate this from Klingon to French",
    "summarize the book Dune",
    "summarize the last 4 chapters of Dune",
    "summarize my options: red or blue",
    "who can summarize this thread?",
    "summary judgement is a legal term",
    "I missed the meeting",
    "what did I miss in the exam?",
    "write an email",
    "write a mail about this",
    "write an email parser",
    "write a regex to match an email about something",
    "write a function for email about things",
    "write a poem about the sea",
    "I have to write an email about the launch",
    "write news to the database",
    "draft",
    "reply to this",
    "complete the report",
    "complete",
    "complete: ",
    "continue: ",
    "is the migration complete: yes or no?",
    "complete (loudly): Once upon a time",
    "complete (temperature 3): Once",
    "complete (top-p 0): Once",
    "complete (0 tokens): Once",
    "ask the docs",
    "ask the doctor: where does it hurt?",
    "in the documents there is a mistake",
    "what do the docs look like?",
    "sentiment analysis is hard",
    "sentiment: good",
    "what is the sentiment of this sentence?",
    "learn Python",
    "did you learn this?",
    "learn this by heart",
    "opt for the blue one",
    "opt me out of this meeting",
    "opt in: yes",
]


@pytest.mark.parametrize("words", CHATS)
def test_what_is_not_clearly_a_task_stays_a_chat(words: str) -> None:
    assert parse_words(words) == Parsed(None, words)


@pytest.mark.parametrize("words", [words for words, _ in TASKS] + CHATS)
def test_a_lesson_is_found_alone_as_it_is_among_all_tasks(words: str) -> None:
    parsed = parse_words(words)

    assert parse_lesson(words) == (parsed if isinstance(parsed.task, Learn) else None)


@given(st.text())
def test_no_words_stop_the_reading(words: str) -> None:
    assert parse_words(words).answer == ""
    parse_command(words)


def test_reading_does_not_grow_out_of_hand_with_the_length() -> None:
    """The longest message that is read; a pattern that backtracks would not end in time."""
    for piece in ('"', "translate ", " to", "to french ", "a, ", "write a ", ": ", "\n", "«x» "):
        for order in ("translate", "write a", "draft a reply", "summarize", "ask the docs"):
            text = f"{order} {piece * (20_000 // len(piece))}"
            assert parse_words(text[:20_000] + "!x").answer == ""


COMMANDS: list[tuple[str, Task | None, str, Wanted | None, bool]] = [
    ("ask How do I  start?", Ask(), "How do I  start?", None, False),
    ("translate fr Good morning", Translate("fr"), "Good morning", None, False),
    ("translate to french: Good morning", Translate("fr"), "Good morning", None, False),
    ("translate Norwegian Nynorsk Good day", Translate("nn"), "Good day", None, False),
    ("translate de", Translate("de"), "", Meant(), False),
    ("translate fr two\nlines", Translate("fr"), "two\nlines", None, False),
    ("sentiment", Report(), "", None, False),
    ("sentiment 7 days", Report(7), "", None, False),
    ("learn", NOTE, "", Meant(), True),
    ("learn this", NOTE, "", Meant(), True),
    ("learn The door is open.", NOTE, "The door is open.", None, True),
    ("complete Once upon a time", Complete(), "Once upon a time", None, False),
    (
        "complete (50 tokens, temperature 0.7, seed=7) Once",
        Complete(0.7, 1.0, 50, 7),
        "Once",
        None,
        False,
    ),
    (
        "write email tone: friendly length:short about: the party: at 10",
        Write(Form.EMAIL, "friendly", Length.SHORT),
        "the party: at 10",
        None,
        True,
    ),
    ("write ad about our socks", Write(Form.AD), "our socks", None, True),
    ("write kind:news about:the bridge", Write(Form.NEWS), "the bridge", None, True),
    ("write reply tone: polite", Write(Form.REPLY, "polite"), "", Meant(), True),
    ("opt-out", Opt(is_out=True), "", None, True),
    ("OPT-IN", Opt(is_out=False), "", None, True),
    ("new", None, "/new", None, False),
    ("new ideas for lunch", None, "new ideas for lunch", None, False),
    ("what is for lunch?", None, "what is for lunch?", None, False),
    ("tell me about translate fr", None, "tell me about translate fr", None, False),
]


@pytest.mark.parametrize(("words", "task", "text", "wanted", "is_private"), COMMANDS)
def test_a_command_becomes_a_task(
    words: str, task: Task | None, text: str, wanted: Wanted | None, *, is_private: bool
) -> None:
    assert parse_command(words) == Parsed(task, text, wanted, is_private)


@pytest.mark.parametrize(
    ("words", "parsed"),
    [
        ("summarize", SINCE),
        ("summarize since I last spoke", SINCE),
        ("summarize thread", THREAD),
        ("summarize 4 hours", summed(LastHours(4), "the last 4 hours")),
        ("summarize 4h", summed(LastHours(4), "the last 4 hours")),
        (
            "summarise the last 2 days publicly",
            summed(LastHours(48), "the last 2 days", is_private=False),
        ),
    ],
)
def test_a_command_summarizes(words: str, parsed: Parsed) -> None:
    assert parse_command(words) == parsed


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", "What I can do here:"),
        ("help", "What I can do here:"),
        ("ask", "Put your question behind it"),
        ("summarize the book", "I can sum up"),
        ("translate", "I do not know that language"),
        ("translate Klingon Qapla'", "I do not know that language"),
        ("write", "Say what to write"),
        ("write poem about: the sea", "Say what to write"),
        ("write email", "Say what to write"),
        ("write email length: endless about: it", "The length is"),
        ("complete", "Put the beginning"),
        ("complete (temperature 9): Once", "Put the beginning"),
        ("sentiment of yesterday's film", "Name a time"),
    ],
)
def test_a_command_that_says_too_little_is_told_what_to_say(words: str, expected: str) -> None:
    parsed = parse_command(words)

    assert parsed.answer.startswith(expected)
    assert (parsed.task, parsed.is_private) == (None, True)


def test_every_command_that_the_help_names_is_one() -> None:
    named = {line.split("`")[1].split()[0] for line in HELP.splitlines() if "`" in line}

    assert named == {
        *("ask", "summarize", "translate", "write", "complete"),
        *("sentiment", "learn", "opt-out", "new"),
    }
    assert all(parse_command(name) != Parsed(None, name) for name in named)
