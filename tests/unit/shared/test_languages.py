"""Languages by name, code and flag."""

import pytest

from shared.languages import find_language, language_of_flag, languages_like, name_of

NAMES: list[tuple[str, str | None]] = [
    ("French", "fr"),
    (" french ", "fr"),
    ("français", "fr"),
    ("FRANCAIS", "fr"),
    ("fr", "fr"),
    ("pt-BR", "pt"),
    ("zh_CN", "zh"),
    ("中文", "zh"),
    ("Deutsch", "de"),
    ("українська", "uk"),
    ("uk", "uk"),  # the language's code, not the country's
    ("Norwegian Nynorsk", "nn"),
    ("norsk", "no"),
    ("हिन्दी", "hi"),
    ("Farsi", "fa"),
    ("tl", "fil"),
    ("iw", "he"),
    ("🇫🇷", "fr"),
    (":flag-fr:", "fr"),
    ("us", None),
    ("jp", None),
    ("Klingon", None),
    ("", None),
    ("this", None),
    ("🎉", None),
]


@pytest.mark.parametrize(("words", "code"), NAMES)
def test_a_language_is_found_by_what_people_call_it(words: str, code: str | None) -> None:
    assert find_language(words) == code


FLAGS: list[tuple[str, str | None]] = [
    ("🇫🇷", "fr"),
    ("🇺🇸", "en"),
    ("🇬🇧", "en"),
    ("🇧🇷", "pt"),
    ("🇨🇭", "de"),  # CLDR: most people there
    ("🇮🇪", "en"),
    ("🇯🇵", "ja"),
    ("🇳🇴", "nb"),
    ("flag-at", "de"),
    ("flag_mx", "es"),
    (":flag-gb:", "en"),
    ("flag-uk", "en"),
    ("us", "en"),
    ("uk", "en"),
    ("jp", "ja"),
    ("at", None),  # Slack calls Austria's flag-at
    ("flag-zz", None),
    ("🇪🇺", None),
    ("🇽🇽", None),
    ("flag-on-post", None),
    ("thumbsup", None),
    ("🏁", None),
    ("", None),
]


@pytest.mark.parametrize(("flag", "code"), FLAGS)
def test_a_flag_names_the_language_most_people_write_there(flag: str, code: str | None) -> None:
    assert language_of_flag(flag) == code


def test_a_language_has_an_english_name_and_an_unknown_code_names_itself() -> None:
    assert [name_of(code) for code in ("fr", "nb", "xx")] == ["French", "Norwegian Bokmål", "xx"]


def test_languages_to_choose_from_begin_with_what_was_typed_before_they_hold_it() -> None:
    found = languages_like("Ger", 25)

    assert found[0] == ("German", "de")
    assert ("Swiss German", "gsw") not in found
    assert len(languages_like("", 25)) == 25
    assert languages_like("klingonese", 25) == []
