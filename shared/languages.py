"""Languages by the names, codes and flags that people use for them. Pure; data from Unicode's CLDR.

Both sides ask it: ``bots`` for the language that somebody wants, ``worker`` for a language's name.
"""
# Pure. Uses babel.

import unicodedata
from functools import cache

from babel import Locale
from babel.core import get_global
from babel.localedata import locale_identifiers

ENGLISH = "en"
FILIPINO = "fil"
"""The one language with a flag of its own and no two-letter code."""
ALIASES = {
    "bengali": "bn",
    "brazilian": "pt",
    "castilian": "es",
    "farsi": "fa",
    "flemish": "nl",
    "gaelic": "gd",
    "mandarin": "zh",
    "simplified chinese": "zh",
    "tagalog": FILIPINO,
}
"""Names in use that CLDR gives as alternatives, which Babel leaves out."""
OLD_CODES = {"iw": "he", "in": "id", "ji": "yi", "tl": FILIPINO}
"""Codes that ISO 639 has replaced."""
SLACK_COUNTRIES = frozenset({"cn", "de", "es", "fr", "gb", "it", "jp", "kr", "ru", "uk", "us"})
"""Countries whose flag Slack calls by the country alone (emoji-data's short names)."""
NO_COUNTRIES = frozenset({"EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"})
"""Territories of CLDR in which nobody writes one language."""
REGIONAL_A = 0x1F1E6
"""REGIONAL INDICATOR SYMBOL LETTER A: two such letters are a flag (Unicode TR 51)."""
NUM_LETTERS = 26
FLAG_LETTERS = 2


def find_language(words: str) -> str | None:
    """The code of a language by its English or own name, its code or a country's flag.

    Returns:
        an ISO 639-1 code such as ``fr`` (``fil`` for Filipino), or None if there is no such
        language. Of a code with a region, such as ``pt-BR``, the language.
    """
    name = _fold(words)
    if not name:
        return None
    return (
        _language_of_clear_flag(words.strip())
        or _code(name.replace("_", "-").partition("-")[0])
        or ALIASES.get(name)
        or _by_english_name().get(name)
        or _by_own_name().get(name)
    )


def read_names() -> None:
    """Read all names, which takes some 0.3 s: for who must not wait when the first is asked for."""
    _by_english_name()
    _by_own_name()


def name_of(code: str) -> str:
    """A language's English name; the code itself if there is no such language."""
    return str(Locale(ENGLISH).languages.get(code, code))


def languages_like(beginning: str, most: int) -> list[tuple[str, str]]:
    """Languages to choose from: English names and codes, those that begin so first."""
    words = _fold(beginning)
    names = [name for name in _by_english_name() if words in name]
    names.sort(key=lambda name: (not name.startswith(words), name))
    codes = [_by_english_name()[name] for name in names[:most]]
    return [(name_of(code), code) for code in codes]


def language_of_flag(flag: str) -> str | None:
    """The language that most people write where a flag flies, by CLDR's likely subtags.

    Args:
        flag: the emoji, such as 🇫🇷, or its name on a platform: ``flag-fr``, ``flag_fr``, ``fr``.
    """
    country = _country(flag.strip().strip(":"))
    if country not in Locale(ENGLISH).territories or country in NO_COUNTRIES:
        return None
    likely = get_global("likely_subtags").get(f"und_{country}")
    # English is CLDR's answer for the whole world, and left out where it is a country's too.
    return str(likely).partition("_")[0] if likely else ENGLISH


def _language_of_clear_flag(word: str) -> str | None:
    """Of a flag that is no word as well: ``us`` and ``it`` are."""
    return None if word.isascii() and "flag" not in word else language_of_flag(word)


def _country(flag: str) -> str | None:
    letters = [ord(char) - REGIONAL_A for char in flag]
    if len(letters) == FLAG_LETTERS and all(0 <= letter < NUM_LETTERS for letter in letters):
        return "".join(chr(ord("A") + letter) for letter in letters)
    name = flag.lower()
    for prefix in ("flag-", "flag_"):
        if name.startswith(prefix):
            return _iso(name.removeprefix(prefix))
    return _iso(name) if name in SLACK_COUNTRIES else None


def _iso(country: str) -> str:
    return "GB" if country == "uk" else country.upper()


def _code(word: str) -> str | None:
    code = OLD_CODES.get(word, word)
    return code if code in _codes() else None


@cache
def _codes() -> frozenset[str]:
    two_letters = {code for code in locale_identifiers() if len(code) == len(ENGLISH)}
    return frozenset({*two_letters, FILIPINO})


@cache
def _by_english_name() -> dict[str, str]:
    names = Locale(ENGLISH).languages
    return {_fold(names[code]): code for code in sorted(_codes()) if code in names}


@cache
def _by_own_name() -> dict[str, str]:
    """What each language calls itself. Reading all of them takes some 0.3 s, once."""
    names = {code: Locale(code).languages.get(code) for code in sorted(_codes())}
    return {_fold(name): code for code, name in names.items() if name}


def _fold(words: str) -> str:
    """Without case, accents and blanks around: ``Francais`` is French too."""
    parts = unicodedata.normalize("NFKD", words.casefold())
    return "".join(char for char in parts if not unicodedata.combining(char)).strip()
