"""Languages by name, code and flag. Pure; the data is from Unicode's CLDR.

``bots`` looks up the language that a person asks for, ``worker`` the name of a language.
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
"""Alternative names in CLDR, which Babel leaves out."""
OLD_CODES = {"iw": "he", "in": "id", "ji": "yi", "tl": FILIPINO}
"""Codes that ISO 639 has replaced."""
SLACK_COUNTRIES = frozenset({"cn", "de", "es", "fr", "gb", "it", "jp", "kr", "ru", "uk", "us"})
"""Countries whose flag Slack names by the country code alone (emoji-data's short names)."""
NO_COUNTRIES = frozenset({"EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"})
"""Territories of CLDR without one common language."""
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
    """Load all names, which costs some 0.3 s, so that the first lookup need not wait."""
    _by_english_name()
    _by_own_name()


def name_of(code: str) -> str:
    """A language's English name; the code itself if there is no such language."""
    return str(Locale(ENGLISH).languages.get(code, code))


def languages_like(beginning: str, most: int) -> list[tuple[str, str]]:
    """Suggestions of languages, as English names and codes; names with that prefix first."""
    words = _fold(beginning)
    names = [name for name in _by_english_name() if words in name]
    names.sort(key=lambda name: (not name.startswith(words), name))
    codes = [_by_english_name()[name] for name in names[:most]]
    return [(name_of(code), code) for code in codes]


def language_of_flag(flag: str) -> str | None:
    """The main written language of a flag's country, by CLDR's likely subtags.

    Args:
        flag: the emoji, such as 🇫🇷, or its name on a platform: ``flag-fr``, ``flag_fr``, ``fr``.
    """
    country = _country(flag.strip().strip(":"))
    if country not in Locale(ENGLISH).territories or country in NO_COUNTRIES:
        return None
    likely = get_global("likely_subtags").get(f"und_{country}")
    # CLDR answers English for the whole world; it is left out where it is a country's language too.
    return str(likely).partition("_")[0] if likely else ENGLISH


def _language_of_clear_flag(word: str) -> str | None:
    """The language of a flag whose name is not also a word: ``us`` and ``it`` are words."""
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
    """Each language's own name. Loading all of them costs some 0.3 s, once."""
    names = {code: Locale(code).languages.get(code) for code in sorted(_codes())}
    return {_fold(name): code for code, name in names.items() if name}


def _fold(words: str) -> str:
    """Lower-case the text and strip accents and outer blanks: ``Francais`` is French too."""
    parts = unicodedata.normalize("NFKD", words.casefold())
    return "".join(char for char in parts if not unicodedata.combining(char)).strip()
