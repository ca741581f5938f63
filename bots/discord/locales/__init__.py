"""Translations of Discord's command names, options and menus. Pure.

Discord shows each person the names and descriptions in their own language; the English ones where
there are none.
"""

from bots.discord.locales.french import FRENCH
from bots.discord.locales.german import GERMAN
from bots.discord.locales.spanish import SPANISH

LOCALES = {"de": GERMAN, "fr": FRENCH, "es-ES": SPANISH, "es-419": SPANISH}
"""Discord's name of a language -> English words -> their translation."""


def localised(words: str, locale: str) -> str | None:
    """A text in a language; None where it is shown in English."""
    return LOCALES.get(locale, {}).get(words)
