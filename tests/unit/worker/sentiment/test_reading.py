"""What the model gets of a message: cleaned text, words for emoji, VADER's numbers."""

import pytest

from worker.sentiment.cleaning import clean
from worker.sentiment.features import NUM_CUES, VaderLexicon, cues_of
from worker.sentiment.ratings import Label


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("fish &amp; chips", "fish & chips"),
        ("see https://example.org/a?b=1 now", "see link now"),
        ("thanks @ana.b!", "thanks @user!"),
        ("mail me@example.org", "mail me@example.org"),
        ("done :white_check_mark:", "done white check mark"),
        ("at 10:30:45 sharp", "at 10:30:45 sharp"),
        ("  two\n\nlines ", "two lines"),
        ("", ""),
    ],
)
def test_clean_keeps_what_says_how_a_text_sounds(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@pytest.fixture(scope="module")
def lexicon() -> VaderLexicon:
    return VaderLexicon()


def test_cues_tell_praise_from_blame_and_shouting_from_speaking(lexicon: VaderLexicon) -> None:
    praise, blame, shout = cues_of(lexicon, ["great work", "awful work", "GREAT WORK!!! why?"])

    assert len(praise) == len(blame) == NUM_CUES
    assert praise[3] > 0 > blame[3]
    assert praise[4:] == [0, 0, 0]
    assert shout[4:] == [1.0, 1 / 3, pytest.approx(2 / 3)]


def test_cues_of_an_empty_text_are_numbers_too(lexicon: VaderLexicon) -> None:
    assert lexicon.cues("") == [0, 0, 0, 0, 0, 0, 0]


def test_emoji_become_words_and_other_letters_stay(lexicon: VaderLexicon) -> None:
    assert lexicon.with_words_for_emoji("schön 🎉!") == "schön party popper !"
    assert lexicon.with_words_for_emoji("plain") == "plain"


@pytest.mark.parametrize(
    ("text", "label"),
    [("I love it", Label.POSITIVE), ("I hate it", Label.NEGATIVE), ("A table", Label.NEUTRAL)],
)
def test_vader_judges_by_its_own_boundaries(lexicon: VaderLexicon, text: str, label: Label) -> None:
    assert lexicon.label(text) is label
