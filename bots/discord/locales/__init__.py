"""The words of Discord's menus in other languages than English. Pure.

Discord shows each person the names and descriptions in the language that theirs is set to; where
there are none, the English ones.
"""

from bots.discord.locales.french import FRENCH
from bots.discord.locales.german import GERMAN
from bots.discord.locales.spanish import SPANISH

LOCALES = {"de": GERMAN, "fr": FRENCH, "es-ES": SPANISH, "es-419": SPANISH}
"""Discord's name of a language -> English words -> their translation."""


def localised(words: str, locale: str) -> str | None:
    """Words in a language; None where they are shown in English."""
    return LOCALES.get(locale, {}).get(words)
