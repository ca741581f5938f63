"""Turns Discord's markup into plain text."""
# Pure.

import re
from collections.abc import Mapping

MENTION = re.compile(r"<@(!|&)?(\d+)>")
CUSTOM_EMOJI = re.compile(r"<a?(:\w+:)\d+>")


def plain_text(text: str, our_ids: frozenset[int], names: Mapping[int, str]) -> str:
    """A message's text without our mentions; others become names.

    Args:
        text: as Discord has it.
        our_ids: our user id and the id of our own role.
        names: id -> name of the mentioned users and roles.
    """

    def name(found: re.Match[str]) -> str:
        mentioned = int(found[2])
        return "" if mentioned in our_ids else f"@{names.get(mentioned, mentioned)}"

    return CUSTOM_EMOJI.sub(r"\1", MENTION.sub(name, text)).strip()
