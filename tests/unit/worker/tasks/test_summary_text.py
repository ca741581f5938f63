"""Points of a summary: where they come from, and what is said of what cannot be looked up."""

from shared.tasks import Quoted
from worker.tasks.summarize import most_central
from worker.tasks.summary_text import Point, listed, numbered, points_in, quoted, shown

MESSAGES = {
    1: Quoted("Ana", "We ship on\nFriday [2]", "https://example.org/1"),
    2: Quoted("Ben [x](y)", "Fine.", "https://example.org/2"),
    3: Quoted("Cem", "No link here"),
}


def test_a_message_is_one_line_that_cannot_pass_for_another() -> None:
    assert numbered(MESSAGES).splitlines() == [
        "[1] Ana: We ship on Friday (2)",
        "[2] Ben [x](y): Fine.",
        "[3] Cem: No link here",
    ]


def test_points_without_a_message_of_the_prompt_are_not_said() -> None:
    answer = (
        "- [1] We ship on Friday.\n2. Ben agrees [2][9]\nPizza!\n[7] Made up\n[3]\n* [3][3] Cem"
    )

    assert points_in(answer, MESSAGES) == [
        Point("We ship on Friday.", (1,)),
        Point("Ben agrees", (2,)),
        Point("Cem", (3,)),
    ]


def test_points_are_shown_with_links_and_without_markup_of_others() -> None:
    points = [Point("Ship *now*", (1, 2)), Point("[a](b)", (3,))]

    assert shown("this thread", MESSAGES, points) == (
        "**Summary of this thread** (3 messages)\n"
        "- Ship \\*now\\* ([Ana](https://example.org/1), "
        "[Ben \\[x\\](y)](https://example.org/2))\n"
        "- \\[a\\](b) (Cem)"
    )
    assert listed(points) == "[1][2] Ship *now*\n[3] [a](b)"


def test_quotes_are_short_and_named() -> None:
    long = {1: Quoted("Ana", "word " * 100, "https://example.org/1")}

    text = quoted("this thread", long, [1])

    assert text.startswith("**Summary of this thread** (1 message)\n- “word word")
    assert text.endswith("word…” ([Ana](https://example.org/1))")
    assert len(text) < 250


TEXTS = [
    "the deploy of the search service failed again this morning",
    "ok thanks",
    "the deploy failed because the search service had no memory",
    "the deploy failed because the search service had no memory",
    "who wants pizza for lunch today",
    "we gave the search service more memory and the deploy works",
]


def test_the_central_messages_are_chosen_in_their_order_and_not_twice() -> None:
    chosen = most_central(TEXTS, 3)

    assert chosen == sorted(chosen)
    assert not {2, 3} <= set(chosen)
    assert not {1, 4} & set(chosen)


def test_what_somebody_wants_to_know_weighs_more() -> None:
    assert 4 in most_central(TEXTS, 2, "pizza and lunch")
    assert most_central(["ok", "yes"], 3) == []
    assert most_central([], 3) == []
